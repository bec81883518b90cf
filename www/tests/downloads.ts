// What the tests of downloads share: a server that does wrong what it is told to, a cache in memory, and an engine that keeps what it gets.
import { afterEach, beforeEach, expect } from "vitest";
import { download, type Download } from "../src/internal/download/download.js";
import { readJournal } from "../src/internal/download/journal.js";
import type { DownloadProgress, DownloadRequest, Tuning } from "../src/internal/download/request.js";
import type { BitNetError } from "../src/public/index.js";
import { countedClock } from "./counted-clock.js";
import { faultServer, randomFile } from "./fault-server.mjs";
import { MemoryStore } from "./memory-store.js";

export const PART = 1000;
export const TUNING: Tuning = {
  partBytes: PART,
  runParts: 4,
  stallMs: 60,
  askMs: 60,
  tries: 4,
  firstTries: 2,
  backoffMs: 1,
  mostBackoffMs: 4,
  longestWaitMs: 1500,
  clock: countedClock(),
};
export const FILE = randomFile(25_500);

export let server: Awaited<ReturnType<typeof faultServer>>;
export let store: MemoryStore;

/** An empty cache. */
export function freshStore(): MemoryStore {
  return (store = new MemoryStore());
}

export async function freshServer(): Promise<void> {
  server = await faultServer({ "/model.gguf": FILE });
}

beforeEach(async () => {
  await freshServer();
  freshStore();
});
afterEach(async () => {
  await server.close();
});

export class Engine {
  readonly got: Uint8Array[] = [];
  size: number | undefined;
  expected: number | undefined;
  atPush: (count: number) => void = () => undefined;

  begin(size: number | undefined): Promise<void> {
    this.size = size;
    return Promise.resolve();
  }

  push(bytes: Uint8Array): void {
    this.atPush(this.got.length);
    this.got.push(bytes.slice());
  }

  expectedSize(): number | undefined {
    return this.expected;
  }

  get bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.got));
  }
}

export interface Loaded extends Download {
  engine: Engine;
  progress: DownloadProgress[];
}

export interface Extra {
  engine?: Engine;
  tuning?: Partial<Tuning>;
  signal?: AbortSignal;
}

/** A whole load, the engine content with what it got. */
export async function load(options: Partial<DownloadRequest> = {}, { engine = new Engine(), tuning = {}, signal = new AbortController().signal }: Extra = {}): Promise<Loaded> {
  const progress: DownloadProgress[] = [];
  const request: DownloadRequest = {
    url: `${server.url}/model.gguf`,
    origin: server.url,
    immutable: false,
    headers: [],
    init: {},
    cache: "auto",
    offline: false,
    connections: 4,
    ...options,
  };
  const done = await download(request, engine, {
    openStore: () => Promise.resolve(store),
    tuning: { ...TUNING, ...tuning },
    signal,
    onProgress: (p) => progress.push(p),
  });
  await done.keep();
  expect(store.writers.size).toBe(0);
  return { ...done, engine, progress };
}

export async function failure(loading: Promise<unknown>): Promise<BitNetError> {
  const error = await loading.then(
    () => undefined,
    (error: unknown) => error as BitNetError,
  );
  if (!error) throw new Error("it did not fail");
  expect(store.writers.size).toBe(0);
  return error;
}

/** `toEqual` looks at each byte by itself. */
export const same = (a: Uint8Array | undefined, b: Uint8Array) => {
  expect(a !== undefined && Buffer.compare(a, b)).toBe(0);
};

export const journal = () => readJournal(store.only().journal);
export const wanted = () => server.requests.map(({ range }) => range);
