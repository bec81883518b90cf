/** A file of the disk as a `Blob` with a name: nothing of it is in memory until it is read. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { closing, opened } from "./descriptors.js";

/** What a message carries of one: a `Blob` of a class of its own would arrive as an empty one. */
export interface SentFile {
  onDisk: string;
  name: string;
  start: number;
  end: number;
}

export class DiskFile extends Blob {
  readonly name: string;
  /** As of a file out of a folder that was chosen as a whole: the folder's name first. */
  readonly webkitRelativePath: string;
  readonly #path: string;
  readonly #start: number;
  readonly #end: number;

  constructor(path: string, name: string, start: number, end: number, folder?: string) {
    super();
    this.#path = path;
    this.name = name;
    this.#start = start;
    this.#end = end;
    this.webkitRelativePath = folder === undefined ? "" : `${folder}/${name}`;
  }

  static received({ onDisk, name, start, end }: SentFile): DiskFile {
    return new DiskFile(onDisk, name, start, end);
  }

  sent(): SentFile {
    return { onDisk: this.#path, name: this.name, start: this.#start, end: this.#end };
  }

  override get size(): number {
    return this.#end - this.#start;
  }

  override slice(start = 0, end = this.size): DiskFile {
    const at = (place: number) => (place < 0 ? Math.max(this.#end + place, this.#start) : Math.min(this.#start + place, this.#end));
    const from = at(start);
    return new DiskFile(this.#path, this.name, from, Math.max(at(end), from));
  }

  /** Of bytes, read into the reader's own memory where it brings some. */
  override stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    let at = this.#start;
    let file: FileHandle | undefined;
    const read = async (into: Uint8Array): Promise<number> => {
      if (!file) opened((file = await open(this.#path)).fd);
      const { bytesRead } = await file.read(into, 0, Math.min(into.byteLength, this.#end - at), at);
      if (bytesRead === 0) throw this.#cut();
      at += bytesRead;
      return bytesRead;
    };
    const end = async () => {
      const ended = file;
      file = undefined;
      if (!ended) return;
      closing(ended.fd);
      await ended.close();
    };
    return new ReadableStream({
      type: "bytes",
      autoAllocateChunkSize: 512 << 10,
      pull: async (controller) => {
        const request = controller.byobRequest;
        try {
          if (at < this.#end) {
            const view = request?.view as Uint8Array<ArrayBuffer> | null | undefined;
            if (view) {
              request?.respond(await read(view));
            } else {
              const bytes = new Uint8Array(512 << 10);
              controller.enqueue(bytes.subarray(0, await read(bytes)));
            }
          }
          if (at < this.#end) return;
          await end();
          controller.close();
          // Whoever waits with memory of its own hears the end by this.
          controller.byobRequest?.respond(0);
        } catch (error) {
          await end();
          throw error;
        }
      },
      cancel: end,
    });
  }

  override async arrayBuffer(): Promise<ArrayBuffer> {
    const bytes = new Uint8Array(this.size);
    const file = await open(this.#path);
    try {
      for (let done = 0; done < bytes.byteLength; ) {
        const { bytesRead } = await file.read(bytes, done, bytes.byteLength - done, this.#start + done);
        if (bytesRead === 0) return bytes.buffer.slice(0, done);
        done += bytesRead;
      }
    } finally {
      await file.close();
    }
    return bytes.buffer;
  }

  override async text(): Promise<string> {
    return new TextDecoder().decode(await this.arrayBuffer());
  }

  /** The same for who waits. */
  readSync(): ArrayBuffer {
    const bytes = new Uint8Array(this.size);
    const file = openSync(this.#path, "r");
    try {
      if (fstatSync(file).size < this.#end) throw this.#cut();
      for (let done = 0; done < bytes.byteLength; ) {
        const count = readSync(file, bytes, done, bytes.byteLength - done, this.#start + done);
        if (count === 0) throw this.#cut();
        done += count;
      }
    } finally {
      closeSync(file);
    }
    return bytes.buffer;
  }

  #cut(): Error {
    return new Error(`${this.#path} has become shorter while it was read`);
  }
}
