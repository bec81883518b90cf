/**
 * Parts of a model that the page alone can open: its own streams and responses, requests that a worker can't repeat. The worker asks for
 * each when its turn comes.
 *
 * A body that came from the network goes to the worker as a whole stream, where the browser transfers streams. Any other is read here, and
 * copied piece by piece: what a page's own stream gives may lie in buffers that the page still needs, or in one that is as large as the
 * model, of which each message would carry a copy. What the worker has not taken is the backpressure.
 */
import { BitNetError } from "../public/errors.js";
import type { Connection } from "./connection.js";
import { Deferred } from "./deferred.js";

/** Bytes that a message carries at most, and how many are under way. */
const PIECE_BYTES = 1 << 20;
const MOST_BYTES = 4 * PIECE_BYTES;

export interface OpenSource {
  stream: ReadableStream<Uint8Array>;
  /** For the progress bar: bytes to come, as far as the sender says. */
  total: number | undefined;
  /** For the loader's checks: the same, but only where it is certain. */
  fileSize: number | undefined;
  /** Its chunks have buffers of their own, which nobody else uses. */
  ownBuffers: boolean;
}

export type Open = (signal: AbortSignal) => Promise<OpenSource>;

export class PageParts {
  readonly #connection: Connection;
  readonly #opens: readonly (Open | undefined)[];
  /** The first of them, begun while the engine is on its way. */
  readonly #first: { index: number; source: Promise<OpenSource> } | undefined;
  readonly #stop = new AbortController();
  #underWay = 0;
  #someTaken = new Deferred<void>();

  constructor(connection: Connection, opens: readonly (Open | undefined)[]) {
    this.#connection = connection;
    this.#opens = opens;
    connection.closed.catch((reason: unknown) => {
      this.#stop.abort(reason);
      this.#someTaken.reject(reason);
    });
    const index = opens.findIndex((open) => open !== undefined);
    const source = opens[index]?.(this.#stop.signal);
    if (!source) return;
    this.#first = { index, source };
    source.catch((error: unknown) => {
      connection.close(error);
    });
    this.#stop.signal.addEventListener("abort", () => {
      // Unless somebody reads it.
      source.then(({ stream }) => stream.cancel(this.#stop.signal.reason)).catch(() => undefined);
    });
  }

  taken(bytes: number): void {
    this.#underWay -= bytes;
    this.#someTaken.resolve();
    this.#someTaken = new Deferred();
  }

  async open(index: number): Promise<void> {
    try {
      const { signal } = this.#stop;
      const first = this.#first?.index === index ? this.#first.source : undefined;
      await this.#send(await (first ?? this.#opens[index]?.(signal) ?? Promise.reject(new Error(`there is no part ${String(index)}`))));
    } catch (error) {
      this.#connection.close(error);
    }
  }

  async #send(source: OpenSource): Promise<void> {
    const { total, fileSize, ownBuffers } = source;
    const sizes = { ...(total !== undefined && { total }), ...(fileSize !== undefined && { fileSize }) };
    let { stream } = source;
    if (ownBuffers && transfersStreams()) {
      stream = stream.pipeThrough(new TransformStream<Uint8Array, Uint8Array>(), { signal: this.#stop.signal });
      this.#connection.send({ type: "part-opened", body: { ...sizes, stream } }, [stream]);
      return;
    }
    this.#connection.send({ type: "part-opened", body: sizes });
    await this.#pump(stream);
    this.#connection.send({ type: "part-end" });
  }

  async #pump(stream: ReadableStream<Uint8Array>): Promise<void> {
    const reader = stream.getReader();
    const cancel = () => {
      reader.cancel(this.#stop.signal.reason).catch(() => undefined);
    };
    this.#stop.signal.addEventListener("abort", cancel);
    try {
      for (;;) {
        const { done, value } = await reader.read().catch((reason: unknown) => {
          throw brokenOff(reason);
        });
        this.#connection.throwIfClosed();
        if (done) return;
        if (!(value instanceof Uint8Array)) throw new BitNetError("invalid-argument", "the stream must give Uint8Array chunks");
        for (let offset = 0; offset < value.byteLength; offset += PIECE_BYTES) {
          while (this.#underWay >= MOST_BYTES) await this.#someTaken.promise;
          const bytes = value.slice(offset, offset + PIECE_BYTES);
          this.#underWay += bytes.byteLength;
          this.#connection.send({ type: "chunk", body: { bytes } }, [bytes.buffer]);
        }
      }
    } catch (error) {
      reader.cancel(error).catch(() => undefined);
      throw error;
    } finally {
      this.#stop.signal.removeEventListener("abort", cancel);
    }
  }
}

/** What a stream's own error becomes. */
export function brokenOff(cause: unknown): unknown {
  const name = cause instanceof DOMException ? cause.name : "";
  if (name === "AbortError") return cause;
  return new BitNetError("network", "the download broke off; check the connection and load again", { cause });
}

let streams: boolean | undefined;

/** Safari has none of it. */
function transfersStreams(): boolean {
  if (streams === undefined) {
    try {
      const stream = new ReadableStream();
      structuredClone(stream, { transfer: [stream] });
      streams = true;
    } catch {
      streams = false;
    }
  }
  return streams;
}
