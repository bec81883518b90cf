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

/** Bytes that a message carries at most, and how many messages are under way. */
const PIECE_BYTES = 1 << 20;
const MOST = 4;

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
  /** One that is there alone, begun while the engine is on its way. */
  readonly #alone: Promise<OpenSource> | undefined;
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
    this.#alone = opens.length === 1 ? opens[0]?.(this.#stop.signal) : undefined;
    this.#alone?.catch((error: unknown) => {
      connection.close(error);
    });
    this.#stop.signal.addEventListener("abort", () => {
      // Unless somebody reads it.
      this.#alone?.then(({ stream }) => stream.cancel(this.#stop.signal.reason)).catch(() => undefined);
    });
  }

  /** What is known of a part that is there alone, as soon as it is open. */
  async sizes(): Promise<{ total?: number; fileSize?: number }> {
    const { total, fileSize } = (await this.#alone) ?? {};
    return { ...(total !== undefined && { total }), ...(fileSize !== undefined && { fileSize }) };
  }

  /** A message has been taken. */
  taken(): void {
    this.#underWay--;
    this.#someTaken.resolve();
    this.#someTaken = new Deferred();
  }

  async open(index: number): Promise<void> {
    try {
      const opening = this.#alone ?? this.#opens[index]?.(this.#stop.signal);
      if (!opening) throw new Error(`there is no part ${String(index)} of the page's`);
      const { stream, ownBuffers } = await opening;
      if (ownBuffers && transfersStreams()) this.#transfer(stream);
      else await this.#pump(stream);
    } catch (error) {
      this.#connection.close(error);
    }
  }

  #transfer(stream: ReadableStream<Uint8Array>): void {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    stream.pipeTo(writable, { signal: this.#stop.signal }).catch((reason: unknown) => {
      // The worker gives no reason when it wants no more.
      if (reason !== undefined) this.#connection.close(brokenOff(reason));
    });
    this.#connection.send({ type: "part-opened", body: { stream: readable } }, [readable]);
  }

  async #pump(stream: ReadableStream<Uint8Array>): Promise<void> {
    this.#connection.send({ type: "part-opened", body: {} });
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
        if (done) break;
        if (!(value instanceof Uint8Array)) throw new BitNetError("invalid-argument", "the stream must give Uint8Array chunks");
        for (let offset = 0; offset < value.byteLength; offset += PIECE_BYTES) {
          while (this.#underWay === MOST) await this.#someTaken.promise;
          // Not slice(), which copies nothing of a Buffer of Node.js.
          const bytes = new Uint8Array(value.subarray(offset, offset + PIECE_BYTES));
          this.#underWay++;
          this.#connection.send({ type: "chunk", body: { bytes } }, [bytes.buffer]);
        }
      }
      this.#connection.send({ type: "part-end" });
    } catch (error) {
      reader.cancel(error).catch(() => undefined);
      throw error;
    } finally {
      this.#stop.signal.removeEventListener("abort", cancel);
    }
  }
}

/** What a stream's own error becomes. */
function brokenOff(cause: unknown): unknown {
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
