/**
 * The journal of a cached file: lines of JSON that are only ever added, so that one which a crash has torn costs itself alone.
 *
 * The first line has a fixed length and is the exception: when the file was last used, written over in place.
 */
import type { Version } from "./remote.js";

export interface Head extends Version {
  url: string;
  partBytes: number;
}

type Line =
  | { head: Head }
  /** This part lies in the data, and has this hash. */
  | { part: number; sha256: string }
  /** It does not any more. */
  | { lost: number }
  /** All parts are there; with the hash of the whole where somebody has checked it. */
  | { complete: number; sha256?: string };

export interface Journal {
  used: number;
  head: Head;
  /** Hash by part. */
  parts: Map<number, string>;
  /** Bytes in all, once every one is there. */
  complete?: number;
  sha256?: string;
  /** Bytes up to here are sound. */
  length: number;
}

const encoder = new TextEncoder();

export function encodeLine(line: Line): Uint8Array {
  return encoder.encode(`${JSON.stringify(line)}\n`);
}

export function encodeUsed(ms: number): Uint8Array {
  return encoder.encode(`${JSON.stringify({ used: ms }).padEnd(31)}\n`);
}

/** Undefined where there is nothing to go on from. */
export function readJournal(bytes: Uint8Array): Journal | undefined {
  const decoder = new TextDecoder();
  let journal: Journal | undefined;
  let used = 0;
  for (let start = 0, first = true; ; first = false) {
    const end = bytes.indexOf(10, start);
    if (end < 0) return journal;
    const line = parse(decoder.decode(bytes.subarray(start, end)));
    start = end + 1;
    if (first) {
      if (typeof line?.["used"] === "number") used = line["used"];
      continue;
    }
    if (!line || !(journal = apply(line as unknown as Line, journal, used))) return journal;
    journal.length = start;
  }
}

function apply(line: Line, journal: Journal | undefined, used: number): Journal | undefined {
  if ("head" in line) return { used, head: line.head, parts: new Map(), length: 0 };
  if (!journal) return undefined;
  if ("part" in line) {
    journal.parts.set(line.part, line.sha256);
  } else if ("lost" in line) {
    journal.parts.delete(line.lost);
    delete journal.complete;
  } else {
    journal.complete = line.complete;
    if (line.sha256 !== undefined) journal.sha256 = line.sha256;
  }
  return journal;
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
