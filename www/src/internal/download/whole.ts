/** A file from a server that knows no ranges: one request for all of it. After a cut everything comes again, and what the engine has is held against it. */
import { Fault, Patience } from "./fault.js";
import { type Answer, changed, type RemoteFile } from "./remote.js";
import { FileChanged, type Tuning } from "./request.js";
import { digest } from "./store.js";

export interface WholeOptions {
  remote: RemoteFile;
  url: string;
  partBytes: number;
  tuning: Tuning;
  signal: AbortSignal;
  /** The file's size, as soon as its own header tells. */
  expectedSize: () => number | undefined;
  /** Bytes that came for the first time. */
  onBytes: (count: number) => void;
}

/** Its parts in order; all but the last one have `partBytes`. */
export async function* wholeFile(options: WholeOptions, first: Answer): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  const { remote, url, partBytes, tuning, signal } = options;
  const patience = new Patience(tuning, signal);
  let opened: Answer | undefined = first;
  /** Of the parts that have been handed over; `undefined` where the page may not hash. */
  const digests: (string | undefined)[] = [];
  let furthest = 0;
  for (;;) {
    try {
      const answer = opened ?? (await remote.open(undefined, undefined, tuning.stallMs));
      opened = undefined;
      if (answer.kind !== "whole" || changed(first.version, answer.version)) {
        answer.close();
        throw new FileChanged(url);
      }
      let part = new Uint8Array(partBytes);
      let filled = 0;
      let index = 0;
      let position = 0;
      for await (const chunk of answer.read()) {
        for (let offset = 0; offset < chunk.length; ) {
          const piece = chunk.subarray(offset, offset + partBytes - filled);
          part.set(piece, filled);
          filled += piece.length;
          offset += piece.length;
          if (filled < partBytes) continue;
          const sha256 = await digest(part);
          if (index === digests.length) {
            digests.push(sha256);
            yield part;
          } else if (sha256 !== digests[index]) {
            throw new FileChanged(url);
          }
          index++;
          part = new Uint8Array(partBytes);
          filled = 0;
        }
        position += chunk.length;
        if (position <= furthest) continue;
        options.onBytes(position - furthest);
        furthest = position;
        patience.renew();
      }
      const size = answer.version.size ?? options.expectedSize();
      if (size !== undefined && position < size) {
        throw new Fault(`the download of ${url} broke off after ${String(position)} of ${String(size)} bytes; load again`);
      }
      if (index < digests.length) throw new FileChanged(url);
      if (filled > 0) yield part.subarray(0, filled);
      return;
    } catch (error) {
      await patience.after(error);
    }
  }
}
