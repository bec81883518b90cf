/** The cache in the browser's origin private file system: a folder for each file. */
import type { Slot, Store } from "./store.js";

export const FOLDER = "b158-models";
export const DATA = "data";
export const JOURNAL = "journal";
/** A worker that was ended keeps its lock and its files open for a moment. */
const PATIENCE_MS = 2000;

/** The lock of whoever writes there. */
export function lockName(key: string): string {
  return `${FOLDER}/${key}`;
}

/** Why there is no such file system, or no safe way to use it. */
export function whyNoOpfs(): string | undefined {
  const { storage, locks } = (globalThis as { navigator?: Partial<Navigator> }).navigator ?? {};
  if (!globalThis.isSecureContext) return "this page is not in a secure context (https or localhost)";
  // TypeScript believes every browser has them.
  if (typeof (storage as Partial<StorageManager> | undefined)?.getDirectory !== "function" || !locks) return "this browser gives pages no private file system (navigator.storage)";
  return undefined;
}

export async function modelsFolder(create: boolean): Promise<FileSystemDirectoryHandle | undefined> {
  const root = await navigator.storage.getDirectory();
  return create ? root.getDirectoryHandle(FOLDER, { create }) : root.getDirectoryHandle(FOLDER).catch(orUndefined);
}

export function orUndefined(error: unknown): undefined {
  if (error instanceof DOMException && error.name === "NotFoundError") return undefined;
  throw error;
}

/** Runs `use` while nobody else writes `key`, or tells that somebody did for longer than a moment. */
export async function exclusively<T>(key: string, use: () => Promise<T>): Promise<{ value: T } | undefined> {
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort();
  }, PATIENCE_MS);
  try {
    return await navigator.locks.request(lockName(key), { signal: late.signal }, async () => {
      clearTimeout(timer);
      return { value: await use() };
    });
  } catch (error) {
    if (late.signal.aborted) return undefined;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Only in a worker: only there are files written in place. */
export class OpfsStore implements Store {
  static async open(): Promise<OpfsStore> {
    const why = whyNoOpfs();
    if (why !== undefined) throw new Error(why);
    const folder = await modelsFolder(true);
    if (!folder || !("createSyncAccessHandle" in FileSystemFileHandle.prototype)) throw new Error("this browser writes no files in place");
    return new OpfsStore(folder);
  }

  private constructor(readonly folder: FileSystemDirectoryHandle) {}

  async room(): Promise<number | undefined> {
    const { quota, usage } = await navigator.storage.estimate();
    return quota !== undefined && usage !== undefined ? quota - usage : undefined;
  }

  open(key: string): Promise<Slot> {
    return new Promise((resolve, reject) => {
      exclusively(key, async () => {
        const slot = await WritableSlot.open(this.folder, key);
        resolve(slot);
        await slot.closed;
      }).then(
        (held) => {
          if (!held) resolve(new ReadOnlySlot(this.folder, key));
        },
        reject,
      );
    });
  }
}

class WritableSlot implements Slot {
  readonly writable = true;
  readonly closed: Promise<void>;
  #close!: () => void;

  static async open(folder: FileSystemDirectoryHandle, key: string): Promise<WritableSlot> {
    const files = await folder.getDirectoryHandle(key, { create: true });
    const data = await openFile(files, DATA);
    try {
      return new WritableSlot(folder, key, data, await openFile(files, JOURNAL));
    } catch (error) {
      data.close();
      throw error;
    }
  }

  private constructor(
    readonly folder: FileSystemDirectoryHandle,
    readonly key: string,
    readonly data: FileSystemSyncAccessHandle,
    readonly journal: FileSystemSyncAccessHandle,
  ) {
    this.closed = new Promise((resolve) => (this.#close = resolve));
  }

  readJournal(): Promise<Uint8Array> {
    const bytes = new Uint8Array(this.journal.getSize());
    return Promise.resolve(bytes.subarray(0, this.journal.read(bytes, { at: 0 })));
  }

  writeJournal(at: number, bytes: Uint8Array<ArrayBuffer>): void {
    whole(this.journal.write(bytes, { at }), bytes);
  }

  cutJournal(length: number): void {
    this.journal.truncate(length);
  }

  read(at: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    return Promise.resolve(bytes.subarray(0, this.data.read(bytes, { at })));
  }

  write(at: number, bytes: Uint8Array<ArrayBuffer>): void {
    whole(this.data.write(bytes, { at }), bytes);
  }

  cut(length: number): void {
    this.data.truncate(length);
  }

  flush(): void {
    this.data.flush();
  }

  flushJournal(): void {
    this.journal.flush();
  }

  close(): Promise<void> {
    this.data.close();
    this.journal.close();
    this.#close();
    return Promise.resolve();
  }

  async remove(): Promise<void> {
    this.data.close();
    this.journal.close();
    try {
      await this.folder.removeEntry(this.key, { recursive: true });
    } finally {
      this.#close();
    }
  }
}

/** Another tab writes there. A part that it writes while it is read has another hash, or fails, and counts as missing. */
class ReadOnlySlot implements Slot {
  readonly writable = false;
  #data: File | undefined;

  constructor(
    readonly folder: FileSystemDirectoryHandle,
    readonly key: string,
  ) {}

  async readJournal(): Promise<Uint8Array> {
    const file = await this.#file(JOURNAL);
    return new Uint8Array((await file?.arrayBuffer()) ?? new ArrayBuffer());
  }

  async read(at: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    this.#data ??= await this.#file(DATA);
    return new Uint8Array((await this.#data?.slice(at, at + length).arrayBuffer()) ?? new ArrayBuffer());
  }

  async #file(name: string): Promise<File | undefined> {
    const files = await this.folder.getDirectoryHandle(this.key).catch(orUndefined);
    return (await files?.getFileHandle(name).catch(orUndefined))?.getFile();
  }

  writeJournal = readOnly;
  cutJournal = readOnly;
  write = readOnly;
  cut = readOnly;
  flush = readOnly;
  flushJournal = readOnly;

  close(): Promise<void> {
    return Promise.resolve();
  }

  remove(): Promise<void> {
    return readOnly();
  }
}

function readOnly(): never {
  throw new Error("another tab writes there");
}

async function openFile(folder: FileSystemDirectoryHandle, name: string): Promise<FileSystemSyncAccessHandle> {
  const handle = await folder.getFileHandle(name, { create: true });
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await handle.createSyncAccessHandle();
    } catch (error) {
      if (performance.now() > deadline || !(error instanceof DOMException) || error.name !== "NoModificationAllowedError") throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function whole(written: number, bytes: Uint8Array): void {
  // Chromium writes what there is room for, and does not throw.
  if (written !== bytes.length) throw new DOMException("the browser gives this site no more room", "QuotaExceededError");
}
