/** What is still to come of a split file, for its progress bar. */
import type { AddressPart, StreamPart } from "../source.js";
import { RemoteFile } from "./remote.js";
import { TUNING } from "./request.js";

/** Fills in the sizes that are not known yet, as far as the servers tell. One after the other: the download is more urgent. */
export async function partSizes(parts: readonly (StreamPart | AddressPart)[], sizes: (number | undefined)[], signal: AbortSignal): Promise<void> {
  for (const [index, part] of parts.entries()) {
    if (sizes[index] !== undefined || part.kind === "stream" || part.request.offline) continue;
    try {
      const answer = await new RemoteFile(part.request, signal).open({ start: 0, end: 1 }, undefined, TUNING.stallMs);
      answer.close();
      sizes[index] ??= answer.version.size;
    } catch {
      return; // The download itself will say what is wrong.
    }
  }
}
