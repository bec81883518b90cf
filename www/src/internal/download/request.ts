/** What the page asks of the worker's download, as it goes through `postMessage`, and what comes back. */
export interface DownloadRequest {
  url: string;
  /** Of the page, which tells what a cross-origin request is. */
  origin: string | undefined;
  /** Its bytes never change. */
  immutable: boolean;
  headers: [name: string, value: string][];
  init: Pick<RequestInit, "credentials" | "redirect" | "referrerPolicy">;
  cache: "auto" | "required" | false;
  offline: boolean;
  connections: number;
  /** Lower-case hex. */
  sha256?: string;
}

export interface DownloadProgress {
  /** Bytes that are there, in the engine or before it. */
  loaded: number;
  total: number | undefined;
  /** What is read comes from the cache, and is checked. */
  cached: boolean;
}

/** The file on the server became another one while it was downloaded: what the engine has of it is of no use. */
export class FileChanged extends Error {
  constructor(readonly url: string) {
    super(`${url} changed on the server while it was downloaded`);
  }
}

/** Sizes and patience. */
export interface Tuning {
  /** What is hashed, kept and resumed as one. */
  partBytes: number;
  /** Parts that one request asks for. */
  runParts: number;
  /** How long a connection may be silent. */
  stallMs: number;
  /** How long a server may take to say whether a cached file is still the same. */
  askMs: number;
  /** Failures in a row, without a byte in between, until it is given up. */
  tries: number;
  /** The same while the server has never answered: an address that is wrong should be told soon. */
  firstTries: number;
  /** Before the second try; twice as long before each further one. */
  backoffMs: number;
  mostBackoffMs: number;
  /** A server that asks for a longer pause is not waited for. */
  longestWaitMs: number;
  /** What all these times are taken by. */
  clock: Clock;
}

/** Calls back once after so many milliseconds, and gives a function that takes it back. */
export type Clock = (ms: number, ring: () => void) => () => void;

export const CLOCK: Clock = (ms, ring) => {
  const timer = setTimeout(ring, ms);
  return () => {
    clearTimeout(timer);
  };
};

export const TUNING: Tuning = {
  partBytes: 1 << 20,
  runParts: 8,
  stallMs: 20_000,
  askMs: 5000,
  tries: 8,
  firstTries: 3,
  backoffMs: 500,
  mostBackoffMs: 15_000,
  longestWaitMs: 60_000,
  clock: CLOCK,
};
