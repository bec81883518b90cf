/**
 * Missing parts of a file, fetched by several requests at a time.
 *
 * A request asks for a run of parts. Parts are handed over in the order in which they are taken; requests run ahead of that by
 * `connections` runs and one, which bounds the memory and holds the network back while the engine is behind.
 */
import { Deferred } from "../deferred.js";
import { Fault, Patience } from "./fault.js";
import { type Answer, changed, type RemoteFile, type Version } from "./remote.js";
import { FileChanged, type Tuning } from "./request.js";

export interface RangesOptions {
  remote: RemoteFile;
  url: string;
  size: number;
  version: Version;
  partBytes: number;
  connections: number;
  tuning: Tuning;
  signal: AbortSignal;
  /** Bytes that came. */
  onBytes: (count: number) => void;
  /** A part that is whole. */
  onPart: (part: number, bytes: Uint8Array<ArrayBuffer>) => void;
}

interface Run {
  first: number;
  /** Not included. */
  end: number;
}

export class Ranges {
  readonly #options: RangesOptions;
  readonly #queue: Run[];
  readonly #parts = new Map<number, Deferred<Uint8Array>>();
  readonly #most: number;
  #active = 0;
  #untaken = 0;

  /** `missing` in order; `answer` is one that has been opened for the first of them. */
  constructor(options: RangesOptions, missing: readonly number[], answer: Answer | undefined) {
    this.#options = options;
    const { tuning, connections } = options;
    this.#queue = runs(missing, tuning.runParts);
    this.#most = (connections + 1) * tuning.runParts;
    for (const part of missing) this.#parts.set(part, new Deferred());
    this.#start(answer);
  }

  /** Whether it was among the missing, and has not been taken. */
  has(part: number): boolean {
    return this.#parts.has(part);
  }

  /** Once for each part. One that was not among the missing is asked for at once. */
  async take(part: number): Promise<Uint8Array> {
    let pending = this.#parts.get(part);
    if (!pending) {
      this.#parts.set(part, (pending = new Deferred()));
      this.#run({ first: part, end: part + 1 }, undefined);
    }
    const bytes = await pending.promise;
    this.#parts.delete(part);
    this.#untaken--;
    this.#start(undefined);
    return bytes;
  }

  #start(answer: Answer | undefined): void {
    while (this.#active < this.#options.connections) {
      const run = this.#queue[0];
      if (!run || this.#untaken + run.end - run.first > this.#most) return;
      this.#queue.shift();
      this.#run(run, answer);
      answer = undefined;
    }
  }

  #run(run: Run, answer: Answer | undefined): void {
    this.#active++;
    this.#untaken += run.end - run.first;
    this.#fetch(run, answer)
      .then(() => {
        this.#active--;
        this.#start(undefined);
      })
      .catch((error: unknown) => {
        // A connection that has given up is not replaced: what waits for these parts hears of it.
        for (let part = run.first; part < run.end; part++) this.#parts.get(part)?.reject(error);
      });
  }

  async #fetch(run: Run, opened: Answer | undefined): Promise<void> {
    const { remote, size, version, partBytes, tuning, signal, onBytes } = this.#options;
    const end = Math.min(size, run.end * partBytes);
    const patience = new Patience(tuning, signal);
    let position = run.first * partBytes;
    let part: Uint8Array<ArrayBuffer> | undefined;
    while (position < end) {
      try {
        const answer = opened ?? (await remote.open({ start: position, end }, version, tuning.stallMs));
        opened = undefined;
        this.#check(answer, position);
        for await (const chunk of answer.read()) {
          const wanted = chunk.subarray(0, end - position);
          for (let offset = 0; offset < wanted.length; ) {
            const index = Math.floor(position / partBytes);
            const start = index * partBytes;
            part ??= new Uint8Array(Math.min(partBytes, size - start));
            const piece = wanted.subarray(offset, offset + part.length - (position - start));
            part.set(piece, position - start);
            position += piece.length;
            offset += piece.length;
            if (position - start === part.length) {
              this.#options.onPart(index, part);
              this.#parts.get(index)?.resolve(part);
              part = undefined;
            }
          }
          patience.renew();
          onBytes(wanted.length);
          if (position === end) break;
        }
        if (position < end) throw new Fault(`${this.#options.url} gave fewer bytes than it was asked for; load again`);
      } catch (error) {
        await patience.after(error);
      }
    }
  }

  #check(answer: Answer, position: number): void {
    const { url, size, version } = this.#options;
    const { kind, start } = answer;
    const other = kind !== "unclear" && changed(version, answer.version);
    if (kind === "range" && start === position && answer.version.size === size && !other) return;
    answer.close();
    if (other) throw new FileChanged(url);
    throw new Fault(`${url} gave other bytes than it was asked for; load again, or ask whoever runs the server whether it knows byte ranges`);
  }
}

function runs(parts: readonly number[], most: number): Run[] {
  const all: Run[] = [];
  for (const part of parts) {
    const last = all.at(-1);
    if (last?.end === part && last.end - last.first < most) last.end++;
    else all.push({ first: part, end: part + 1 });
  }
  return all;
}
