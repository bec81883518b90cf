/** `navigator.storage` over a folder of the disk: as much of the private file system as the engine and its keeper use. */
import { constants, fstatSync, ftruncateSync, readSync, statSync, writeSync } from "node:fs";
import { mkdir, readdir, rm, stat, statfs } from "node:fs/promises";
import { basename, join } from "node:path";
import { close, open } from "./descriptors.js";
import { DiskFile } from "./disk-file.js";
import { asDomException, cacheFolder, isKey } from "./folder.js";
import { MODELS } from "./locks.js";

const NAMED: ReadonlySet<string> = new Set(["data", "journal"]);

/** With the names of the browser's errors. */
async function named<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw asDomException(error);
  }
}

/** A file that is read and written in place, by one worker at a time, as its lock sees to. */
export class SyncAccessHandle {
  readonly #file: number;

  constructor(path: string) {
    this.#file = open(path, constants.O_RDWR | constants.O_CREAT);
  }

  /** Fewer bytes where the file ends before. */
  read(bytes: Uint8Array, { at }: { at: number }): number {
    let done = 0;
    while (done < bytes.byteLength) {
      const count = readSync(this.#file, bytes, done, bytes.byteLength - done, at + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  write(bytes: Uint8Array, { at }: { at: number }): number {
    try {
      for (let done = 0; done < bytes.byteLength; ) done += writeSync(this.#file, bytes, done, bytes.byteLength - done, at + done);
    } catch (error) {
      throw asDomException(error);
    }
    return bytes.byteLength;
  }

  truncate(size: number): void {
    ftruncateSync(this.#file, size);
  }

  getSize(): number {
    return fstatSync(this.#file).size;
  }

  /** A process that ends leaves what it has written to the system; after a power cut each part is held against its hash. */
  flush(): void {
    return undefined;
  }

  close(): void {
    close(this.#file);
  }
}

export class FileHandle {
  readonly kind = "file";
  readonly name: string;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    this.name = basename(path);
  }

  async getFile(): Promise<DiskFile> {
    const { size } = await named(stat(this.#path));
    return new DiskFile(this.#path, this.name, 0, size);
  }

  async createSyncAccessHandle(): Promise<SyncAccessHandle> {
    return named(Promise.resolve().then(() => new SyncAccessHandle(this.#path)));
  }
}

interface Options {
  create?: boolean;
}

/** The cache's folder, or that of a file in it. */
export class DirectoryHandle {
  readonly kind = "directory";
  readonly name: string;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    this.name = basename(path);
  }

  async getDirectoryHandle(name: string, { create = false }: Options = {}): Promise<DirectoryHandle> {
    if (!isKey(name)) throw new DOMException(`${name} is no file of the cache`, "NotFoundError");
    const path = join(this.#path, name);
    await named<unknown>(create ? mkdir(path, { recursive: true }) : stat(path));
    return new DirectoryHandle(path);
  }

  async getFileHandle(name: string, { create = false }: Options = {}): Promise<FileHandle> {
    if (!NAMED.has(name)) throw new DOMException(`${name} is no file of the cache`, "NotFoundError");
    const path = join(this.#path, name);
    if (!create) await named(stat(path));
    return new FileHandle(path);
  }

  /** Whoever calls it has the lock. */
  async removeEntry(name: string, { recursive = false }: { recursive?: boolean } = {}): Promise<void> {
    const path = join(this.#path, name);
    await named(stat(path));
    await named(rm(path, { recursive }));
  }

  async *keys(): AsyncGenerator<string> {
    const names = await named(readdir(this.#path));
    yield* names.filter(isKey);
  }
}

/** Above it there is nothing but the cache. */
class Root extends DirectoryHandle {
  override async getDirectoryHandle(name: string, { create = false }: Options = {}): Promise<DirectoryHandle> {
    if (name !== MODELS) throw new DOMException(`there is no folder ${name}`, "NotFoundError");
    const path = cacheFolder();
    await named<unknown>(create ? mkdir(path, { recursive: true }) : stat(path));
    return new DirectoryHandle(path);
  }
}

export const storage = {
  getDirectory: (): Promise<DirectoryHandle> => Promise.resolve(new Root(".")),

  /** `quota` counts what is used and what the disk has room for. */
  async estimate(): Promise<{ quota?: number; usage: number }> {
    const folder = cacheFolder();
    const names = await readdir(folder).catch(() => []);
    const size = (key: string, name: string) => statSync(join(folder, key, name), { throwIfNoEntry: false })?.size ?? 0;
    const usage = names.filter(isKey).reduce((sum, key) => sum + size(key, "data") + size(key, "journal"), 0);
    const disk = await statfs(folder).catch(() => undefined);
    return { usage, ...(disk && { quota: usage + disk.bavail * disk.bsize }) };
  },

  /** Nobody deletes anything but who is told to. */
  persisted: (): Promise<boolean> => Promise.resolve(true),
  persist: (): Promise<boolean> => Promise.resolve(true),
};
