import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { download, type Download } from "../src/internal/download/download.js";
import { readJournal } from "../src/internal/download/journal.js";
import { type DownloadProgress, type DownloadRequest, FileChanged, type Tuning } from "../src/internal/download/request.js";
import type { BitNetError } from "../src/public/index.js";
import { type Fault, faultServer, randomFile, sha256 } from "./fault-server.mjs";
import { MemoryStore } from "./memory-store.js";

const PART = 1000;
const TUNING: Tuning = {
  partBytes: PART,
  runParts: 4,
  stallMs: 60,
  askMs: 60,
  tries: 4,
  firstTries: 2,
  backoffMs: 1,
  mostBackoffMs: 4,
  longestWaitMs: 1500,
};
const FILE = randomFile(25_500);

let server: Awaited<ReturnType<typeof faultServer>>;
let store: MemoryStore;
beforeEach(async () => {
  server = await faultServer({ "/model.gguf": FILE });
  store = new MemoryStore();
});
afterEach(async () => {
  await server.close();
});

class Engine {
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

interface Loaded extends Download {
  engine: Engine;
  progress: DownloadProgress[];
}

interface Extra {
  engine?: Engine;
  tuning?: Partial<Tuning>;
  signal?: AbortSignal;
}

/** A whole load, the engine content with what it got. */
async function load(options: Partial<DownloadRequest> = {}, { engine = new Engine(), tuning = {}, signal = new AbortController().signal }: Extra = {}): Promise<Loaded> {
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

async function failure(loading: Promise<unknown>): Promise<BitNetError> {
  const error = await loading.then(
    () => undefined,
    (error: unknown) => error as BitNetError,
  );
  if (!error) throw new Error("it did not fail");
  expect(store.writers.size).toBe(0);
  return error;
}

/** `toEqual` looks at each byte by itself. */
const same = (a: Uint8Array | undefined, b: Uint8Array) => {
  expect(a !== undefined && Buffer.compare(a, b)).toBe(0);
};

const journal = () => readJournal(store.only().journal);
const wanted = () => server.requests.map(({ range }) => range);

describe("a download", () => {
  it("asks for ranges side by side and hands them over in order", async () => {
    let open = 0;
    let most = 0;
    server.fault = () => {
      most = Math.max(most, ++open);
      setTimeout(() => open--, 10);
      return { delayMs: 10 };
    };
    const { engine, bytes, cached, notes } = await load();
    same(engine.bytes, FILE);
    expect(engine.size).toBe(FILE.length);
    expect({ bytes, cached, notes }).toEqual({ bytes: FILE.length, cached: false, notes: [] });
    expect(most).toBeGreaterThan(2);
    expect(most).toBeLessThanOrEqual(4);
    expect(new Set(wanted()).size).toBe(7);
    expect(wanted()[0]).toBe("bytes=0-3999");
  });

  it("names the version in If-Range to a server of its own origin, and to no other", async () => {
    await load();
    expect(server.requests[0]?.ifRange).toBeUndefined();
    expect(server.requests.slice(1).every(({ ifRange }) => ifRange === `"${sha256(FILE).slice(0, 16)}"`)).toBe(true);
    server.requests.length = 0;
    await load({ origin: "https://elsewhere.example", cache: false });
    expect(server.requests.some(({ ifRange }) => ifRange !== undefined)).toBe(false);
  });

  it("does not run ahead of the engine for ever", async () => {
    server.files = { "/model.gguf": randomFile(200 * PART) };
    let behind = Infinity;
    const engine = new Engine();
    engine.begin = async () => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      behind = server.requests.length;
    };
    await load({}, { engine });
    expect(behind).toBeLessThanOrEqual(5);
    expect(engine.bytes.length).toBe(200 * PART);
  });

  it("tells how far it is, and never NaN", async () => {
    server.fault = () => ({ drip: 100 });
    const { progress } = await load();
    expect(progress.length).toBeGreaterThan(2);
    const loaded = progress.map((p) => p.loaded);
    expect(loaded).toEqual([...loaded].sort((a, b) => a - b));
    expect(progress.at(-1)).toEqual({ loaded: FILE.length, total: FILE.length, cached: false });
  });

  it("sends headers, but Authorization to no other origin", async () => {
    const other = await faultServer({ "/blob": FILE });
    server.fault = () => ({ redirect: `${other.url}/blob` });
    const { engine } = await load({ headers: [["authorization", "Bearer x"]] });
    same(engine.bytes, FILE);
    expect(server.requests[0]?.headers.authorization).toBe("Bearer x");
    expect(server.requests.length).toBe(1); // from then on where it led
    expect(other.requests.some(({ headers }) => headers.authorization !== undefined)).toBe(false);
    await other.close();
  });

  it("asks the first address again when the one it led to has expired", async () => {
    let asked = 0;
    server.files = { "/blob1": FILE, "/blob2": FILE };
    server.fault = ({ path }, index) => {
      if (path === "/model.gguf") return { redirect: asked++ === 0 ? "/blob1" : "/blob2" };
      return path === "/blob1" && index > 3 ? { status: 403 } : undefined;
    };
    const { engine } = await load();
    same(engine.bytes, FILE);
    expect(asked).toBeGreaterThan(1);
  });
});

describe("a server that knows no ranges", () => {
  it("gives the file in one stream, with or without a length", async () => {
    for (const fault of [{ ignoreRange: true }, { ignoreRange: true, noLength: true }, { contentRange: null }, { contentRange: "bytes 5-9/25500" }, { contentRange: "nonsense" }]) {
      store = new MemoryStore();
      server.fault = ({ range }) => (range === undefined && !("ignoreRange" in fault) ? undefined : fault);
      const { engine, progress } = await load();
      same(engine.bytes, FILE);
      if ("noLength" in fault) expect(progress.every(({ total }) => total === undefined)).toBe(true);
      expect(JSON.stringify(progress)).not.toContain("null"); // which is what NaN becomes
      expect(journal()).toMatchObject({ complete: FILE.length });
      same((await load({ offline: true })).engine.bytes, FILE);
    }
  });

  it("may compress", async () => {
    server.fault = () => ({ ignoreRange: true, gzip: true });
    const { engine, progress } = await load();
    same(engine.bytes, FILE);
    expect(engine.size).toBeUndefined();
    expect(progress.at(-1)?.total).toBeUndefined();
  });

  it("may have an empty file", async () => {
    server.files = { "/model.gguf": new Uint8Array() };
    const { bytes } = await load();
    expect(bytes).toBe(0);
  });

  it("is asked again after a cut; what the engine has is held against what comes", async () => {
    server.fault = (_, index) => ({ ignoreRange: true, ...(index < 3 && { cutAfter: 4000 * (index + 1) + 7 }) });
    same((await load()).engine.bytes, FILE);
    server.fault = (_, index) => ({ ignoreRange: true, etag: null, lastModified: null, ...(index % 2 === 0 ? { cutAfter: 5000 } : { file: randomFile(25_500, 2) }) });
    server.requests.length = 0;
    expect(await failure(load({ cache: false }))).toBeInstanceOf(FileChanged);
  });

  it("that ends too early is found out by the file's own header", async () => {
    const engine = new Engine();
    engine.expected = FILE.length;
    server.fault = () => ({ ignoreRange: true, noLength: true, shortBy: 3000 });
    const error = await failure(load({}, { engine }));
    expect(error).toMatchObject({ code: "network", message: expect.stringContaining("broke off") as string });
  });
});

describe("faults that pass", () => {
  const once = (fault: Fault) => (_: unknown, index: number) => (index === 2 ? fault : undefined);
  it.each([
    ["a cut", { cutAfter: 1234 }],
    ["a cut before the first byte", { cutAfter: 0 }],
    ["silence in the middle", { stallAfter: 1500 }],
    ["silence instead of an answer", { stallAfter: -1 }],
    ["too few bytes", { shortBy: 100 }],
    ["none", { shortBy: 1e9 }],
    ["another range", { contentRange: "bytes 0-3999/25500" }],
    ["another size", { contentRange: "bytes 4000-7999/99999" }],
    ["a range that nobody can read", { contentRange: null }],
    ["the whole file instead", { ignoreRange: true }],
    ["a login page", { html: true }],
    ["503", { status: 503 }],
    ["429 with a pause", { status: 429, headers: { "retry-after": "1" } }],
    ["500", { status: 500 }],
    ["416", { status: 416 }],
  ])("%s", async (_, fault) => {
    server.fault = once(fault);
    const { engine, notes } = await load({ sha256: sha256(FILE) });
    same(engine.bytes, FILE);
    expect(notes).toEqual([]);
    expect(server.requests.length).toBeGreaterThan(7);
  });

  it("go on within a part, not from its beginning", async () => {
    server.fault = once({ cutAfter: 1234 });
    await load();
    const second = server.requests[2]?.range ?? "";
    const start = Number(/\d+/.exec(second)?.[0]);
    const again = server.requests.map(({ range }) => Number(/\d+/.exec(range ?? "")?.[0])).filter((at) => at > start && at < start + 4000);
    expect(again).toEqual([start + 1234]);
  });

  it("500 in a row end with the same bytes", async () => {
    const file = randomFile(400_000, 3);
    server.files = { "/model.gguf": file };
    let state = 12345;
    const random = (below: number) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % below;
    };
    let faults = 0;
    server.fault = (_, index) => {
      if (index === 0 || faults >= 500) return undefined;
      faults++;
      const kinds = [
        { cutAfter: random(4000) },
        { cutAfter: 1 + random(900) },
        { shortBy: 1 + random(4000) },
        { stallAfter: random(4000) },
        { status: [429, 500, 502, 503, 504][random(5)] ?? 500 },
        { contentRange: [null, "bytes 0-3999/400000", "bytes 1-2/3", "x"][random(4)] ?? null },
        { html: true },
        { ignoreRange: true },
        { drip: 1 + random(2000), cutAfter: random(3000) },
      ];
      return kinds[random(kinds.length)];
    };
    const engine = new Engine();
    const { notes } = await load({ sha256: sha256(file) }, { engine, tuning: { tries: 500, stallMs: 20, mostBackoffMs: 1 } });
    expect(faults).toBe(500);
    expect(sha256(engine.bytes)).toBe(sha256(file));
    expect(notes).toEqual([]);
    expect(journal()).toMatchObject({ complete: file.length, sha256: sha256(file) });
    expect(sha256(store.only().data)).toBe(sha256(file));
  }, 60_000);
});

describe("faults that stay", () => {
  it.each([
    [{ status: 404 }, "network", "no such file", 1],
    [{ status: 403 }, "network", "permission", 1],
    [{ html: true }, "format", "web page", 1],
    [{ status: 503 }, "network", "tried 4 times", 4],
    [{ status: 429, headers: { "retry-after": "3600" } }, "network", "asks to wait 3600 s", 1],
    [{ stallAfter: -1 }, "network", "gave no byte for 0.06 s", 4],
  ])("%o is told at once or after some tries", async (fault, code, message, tries) => {
    server.fault = () => fault;
    const error = await failure(load());
    expect(error).toMatchObject({ name: "BitNetError", code, message: expect.stringContaining(message) as string });
    expect(store.files.size).toBe(0);
    expect(server.requests.length).toBe(tries);
  });

  it("a server that is not there is told sooner than one that has gone", async () => {
    const url = server.url;
    await server.close();
    const error = await failure(load({ url: `${url}/model.gguf` }));
    expect(error).toMatchObject({ code: "network", message: expect.stringContaining("tried 2 times") as string });
    server = await faultServer({ "/model.gguf": FILE });
  });

  it("a file that changes in the middle begins anew, and nothing of the old one is kept", async () => {
    for (const fault of [{ file: randomFile(25_500, 2) }, { file: randomFile(20_000, 2), etag: null }, { etag: '"other"' }]) {
      server.requests.length = 0;
      server.fault = (_, index) => (index > 2 ? fault : undefined);
      const error = await failure(load());
      expect(error).toBeInstanceOf(FileChanged);
      expect(store.files.size).toBe(0);
    }
  });

  it("a wrong hash leaves nothing", async () => {
    const error = await failure(load({ sha256: "0".repeat(64) }));
    expect(error).toMatchObject({ code: "integrity", message: expect.stringContaining(sha256(FILE)) as string });
    expect(store.files.size).toBe(0);
  });

  it("bytes that the engine refuses leave nothing", async () => {
    const engine = new Engine();
    engine.atPush = () => {
      throw Object.assign(new Error("not a GGUF file"), { code: "format" });
    };
    await failure(load({}, { engine }));
    expect(store.files.size).toBe(0);
  });
});

describe("a load that was cut short", () => {
  /** The tab goes when the engine has got so many parts. */
  async function killedAfter(parts: number, options: Partial<DownloadRequest> = {}): Promise<void> {
    const abort = new AbortController();
    const engine = new Engine();
    engine.atPush = (count) => {
      if (count === parts) abort.abort();
    };
    await failure(load(options, { engine, signal: abort.signal }));
    await new Promise((resolve) => setTimeout(resolve, 20)); // for requests on their way
    server.requests.length = 0;
  }

  it("goes on from there", async () => {
    await killedAfter(12);
    const there = journal()?.parts.size ?? 0;
    expect(there).toBeGreaterThanOrEqual(12);
    const { engine, progress, cached } = await load({ sha256: sha256(FILE) });
    same(engine.bytes, FILE);
    expect(cached).toBe(false);
    expect(progress[0]?.cached).toBe(true);
    const first = Number(/\d+/.exec(wanted()[0] ?? "")?.[0]);
    expect(first).toBeGreaterThanOrEqual(12 * PART);
    expect(journal()?.complete).toBe(FILE.length);
  });

  it("begins anew when the file on the server has changed", async () => {
    await killedAfter(12);
    const other = randomFile(25_500, 9);
    server.files = { "/model.gguf": other };
    same((await load()).engine.bytes, other);
  });

  it("begins anew when nothing tells whether it has changed, unless a hash will", async () => {
    server.fault = () => ({ etag: null, lastModified: null });
    await killedAfter(12);
    same((await load({ sha256: sha256(FILE) })).engine.bytes, FILE);
    expect(wanted()[0]).not.toBe("bytes=0-3999");
    store = new MemoryStore();
    await killedAfter(12);
    same((await load()).engine.bytes, FILE);
    expect(wanted()[0]).toBe("bytes=0-3999");
  });

  it("is not believed where its bytes are others", async () => {
    await killedAfter(12);
    store.only().data.fill(0, 3500, 3600);
    same((await load()).engine.bytes, FILE);
    same(store.only().data, FILE);
  });

  it("survives a journal that was torn at any byte", async () => {
    await killedAfter(8);
    const { journal: whole, data } = store.only();
    const key = [...store.files.keys()][0] ?? "";
    for (let length = 0; length <= whole.length; length += 13) {
      store.files.set(key, { data: data.slice(), journal: whole.slice(0, length) });
      same((await load()).engine.bytes, FILE);
      expect(journal()?.complete).toBe(FILE.length);
    }
  });
});

describe("what is whole in the cache", () => {
  it("is read from there after a request for one byte", async () => {
    await load();
    server.requests.length = 0;
    const { engine, cached, progress } = await load();
    same(engine.bytes, FILE);
    expect(cached).toBe(true);
    expect(wanted()).toEqual(["bytes=0-0"]);
    expect(progress.every((p) => p.cached)).toBe(true);
  });

  it("needs no request where its hash is known, or its address names it for ever", async () => {
    await load({ sha256: sha256(FILE) });
    server.requests.length = 0;
    expect((await load({ sha256: sha256(FILE) })).cached).toBe(true);
    expect((await load({ immutable: true })).cached).toBe(true);
    expect((await load({ offline: true })).cached).toBe(true);
    expect(server.requests).toEqual([]);
  });

  it("is replaced when the server has a newer one", async () => {
    await load();
    const other = randomFile(22_000, 9);
    server.files = { "/model.gguf": other };
    const { engine, cached } = await load();
    same(engine.bytes, other);
    expect(cached).toBe(false);
    same(store.only().data, other);
  });

  it("is good enough while the server can't be had, and a note says so", async () => {
    await load();
    for (const fault of [{ status: 503 }, { status: 404 }, { html: true }, { stallAfter: -1 }]) {
      server.fault = () => fault;
      const { engine, cached, notes } = await load();
      same(engine.bytes, FILE);
      expect(cached).toBe(true);
      expect(notes.join()).toContain("could not be asked");
    }
  });

  it("is mended where it is damaged", async () => {
    await load();
    store.only().data[4321] = 1;
    server.requests.length = 0;
    const { engine, cached } = await load();
    same(engine.bytes, FILE);
    expect(cached).toBe(false);
    expect(wanted()).toEqual(["bytes=0-0", "bytes=4000-4999"]);
    same(store.only().data, FILE);
    same((await load({ offline: true })).engine.bytes, FILE);
  });

  it("is an error where it is damaged and there is no network", async () => {
    await load();
    store.only().data[4321] = 1;
    expect(await failure(load({ offline: true }))).toMatchObject({ code: "integrity" });
    server.requests.length = 0;
    same((await load()).engine.bytes, FILE);
    expect(wanted()).toEqual(["bytes=4000-4999"]);
  });

  it("and is another file than the hash says, is replaced", async () => {
    await load({ sha256: sha256(FILE) });
    const other = randomFile(22_000, 9);
    server.files = { "/model.gguf": other };
    same((await load({ sha256: sha256(other) })).engine.bytes, other);
  });

  it("offline, what is not there is an error", async () => {
    expect(await failure(load({ offline: true }))).toMatchObject({ code: "network", message: expect.stringContaining("offline") as string });
    expect(server.requests).toEqual([]);
  });
});

describe("a cache that can't be had", () => {
  it("is done without, and a note says why", async () => {
    for (const quota of [0, 5000, 20_000]) {
      store = new MemoryStore();
      store.quota = quota;
      const { engine, notes } = await load();
      same(engine.bytes, FILE);
      expect(notes).toEqual(["not kept in the cache: no more room; delete cached models or make room on the disk"]);
      expect(store.files.size).toBe(0);
    }
    store.told = 10_000;
    expect((await load()).notes.join()).toContain("0.0 MB are needed");
    expect((await load({ cache: false })).notes).toEqual([]);
  });

  it("is an error where it is required", async () => {
    store.quota = 5000;
    expect(await failure(load({ cache: "required" }))).toMatchObject({ code: "quota" });
    store.writers.add([...store.files.keys()][0] ?? "");
    store = new MemoryStore();
    store.open = () => Promise.reject(new Error("a private window"));
    expect(await failure(load({ cache: "required" }))).toMatchObject({ code: "storage", message: expect.stringContaining("a private window") as string });
  });

  it("because somebody else writes there, is read as far as it goes", async () => {
    const engine = new Engine();
    let second: Loaded | undefined;
    let waited: Promise<void> | undefined;
    engine.atPush = (count) => {
      if (count !== 10 || waited) return;
      waited = loadBeside().then((loaded) => { second = loaded; });
    };
    const loadBeside = async (): Promise<Loaded> => {
      const other = new Engine();
      const request = { url: `${server.url}/model.gguf`, origin: server.url, immutable: false, headers: [], init: {}, cache: "auto" as const, offline: false, connections: 4 };
      const done = await download(request, other, { openStore: () => Promise.resolve(store), tuning: TUNING, signal: new AbortController().signal, onProgress: () => undefined });
      await done.keep();
      return { ...done, engine: other, progress: [] };
    };
    const first = await load({}, { engine });
    await waited;
    same(first.engine.bytes, FILE);
    same(second?.engine.bytes, FILE);
    expect(second?.notes).toEqual(["not kept in the cache: another tab or worker is downloading it"]);
    same(store.only().data, FILE);
    same((await load({ offline: true })).engine.bytes, FILE);
  });
});

describe("the signal", () => {
  it("ends it in every phase, with its reason", async () => {
    const faults = [undefined, { stallAfter: -1 }, { stallAfter: 100 }, { status: 503 }, { delayMs: 500 }, { drip: 10 }, { ignoreRange: true, drip: 10 }];
    for (const fault of faults) {
      store = new MemoryStore();
      server.fault = () => fault;
      const abort = new AbortController();
      setTimeout(() => { abort.abort(new Error("enough")); }, 8);
      const began = performance.now();
      const loading = load({}, { signal: abort.signal, tuning: { stallMs: 5000, backoffMs: 5000, mostBackoffMs: 5000 }, ...(fault === undefined && { engine: endless() }) });
      expect(await failure(loading)).toMatchObject({ message: "enough" });
      expect(performance.now() - began).toBeLessThan(300);
    }
  });

  function endless(): Engine {
    const engine = new Engine();
    engine.begin = () => new Promise((resolve) => setTimeout(resolve, 30));
    return engine;
  }
});
