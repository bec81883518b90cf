/** The first bytes of a part of a model, for whoever needs no more than its header. */
import { BitNetError } from "../public/errors.js";
import { Fault, Patience } from "./download/fault.js";
import { changed, RemoteFile, type Version } from "./download/remote.js";
import { type DownloadRequest, TUNING } from "./download/request.js";
import type { AddressPart, StreamPart } from "./source.js";

/** Enough for a small vocabulary; one of 128,256 tokens makes a header of 8 MB. */
const FIRST_BYTES = 1 << 20;
/** What is asked for then; the connection is closed as soon as the header is whole. */
const MORE_BYTES = 16 << 20;

/**
 * Bytes from the beginning, as they come. Leaving the loop ends the request or the stream.
 *
 * `onSize` hears the size of the file before the first of them, where it is certain.
 */
export async function* headerBytes(part: StreamPart | AddressPart, signal: AbortSignal, onSize: (size: number) => void): AsyncGenerator<Uint8Array, void> {
  if (part.kind === "address") {
    yield* ofAddress(part.request, signal, onSize);
    return;
  }
  const { stream, fileSize } = await part.open(signal);
  if (fileSize !== undefined) onSize(fileSize);
  const reader = stream.getReader();
  // A stream may be silent: then the end of the read is the end of the wait.
  const end = () => {
    reader.cancel(signal.reason).catch(() => undefined);
  };
  signal.addEventListener("abort", end);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (!(value instanceof Uint8Array)) throw new BitNetError("invalid-argument", "the stream must give Uint8Array chunks");
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", end);
    end();
  }
}

async function* ofAddress(request: DownloadRequest, signal: AbortSignal, onSize: (size: number) => void): AsyncGenerator<Uint8Array, void> {
  const remote = new RemoteFile(request, signal);
  const patience = new Patience(TUNING, signal, TUNING.firstTries);
  let version: Version | undefined;
  let position = 0;
  for (;;) {
    try {
      const end = position + (position === 0 ? FIRST_BYTES : MORE_BYTES);
      const answer = await remote.open({ start: position, end }, version, TUNING.stallMs);
      if (answer.kind === "unsatisfiable") {
        answer.close();
        return;
      }
      if (answer.kind === "unclear" || (answer.kind === "range" && answer.start !== position)) {
        answer.close();
        throw new Fault(`${request.url} gave other bytes than it was asked for; ask whoever runs the server whether it knows byte ranges`);
      }
      if (version && changed(version, answer.version)) {
        answer.close();
        throw new BitNetError("network", `${request.url} changed on the server while its header was read; try again`);
      }
      version ??= answer.version;
      const { size } = answer.version;
      if (position === 0 && size !== undefined) onSize(size);
      const before = position;
      // A server that took no notice of the range begins anew.
      let known = answer.kind === "whole" ? position : 0;
      for await (const chunk of answer.read()) {
        const bytes = chunk.subarray(Math.min(known, chunk.length));
        known -= chunk.length - bytes.length;
        if (bytes.length === 0) continue;
        position += bytes.length;
        patience.renew();
        yield bytes;
      }
      if (answer.kind === "whole" || position === size) return;
      if (position === before) throw new Fault(`${request.url} gave fewer bytes than it was asked for`);
    } catch (error) {
      await patience.after(error);
    }
  }
}
