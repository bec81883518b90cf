// What is in the cache, whole or in part: loads that go on, and caches that can't be had.
import { describe, expect, it } from "vitest";
import { download } from "../src/internal/download/download.js";
import type { DownloadRequest } from "../src/internal/download/request.js";
import { Engine, FILE, PART, TUNING, failure, freshStore, journal, load, same, server, store, wanted, type Loaded } from "./downloads.js";
import { randomFile, sha256 } from "./fault-server.mjs";

describe("a load that was cut short", () => {
  /** The tab goes when the engine has got so many parts. */
  async function killedAfter(parts: number, options: Partial<DownloadRequest> = {}): Promise<void> {
    const abort = new AbortController();
    const engine = new Engine();
    engine.atPush = (count) => {
      if (count === parts) abort.abort();
    };
    await failure(load(options, { engine, signal: abort.signal }));
    // Requests may still be on their way.
    do {
      server.requests.length = 0;
      await new Promise<void>((resolve) => void TUNING.clock(50, resolve));
    } while (server.requests.length > 0);
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
    freshStore();
    await killedAfter(12);
    same((await load()).engine.bytes, FILE);
    expect(wanted()[0]).toBe("bytes=0-3999");
  });

  it("goes on with a weak ETag too, which is never sent as If-Range", async () => {
    const weak = 'W/"1"';
    server.fault = () => ({ etag: weak });
    await killedAfter(12);
    same((await load()).engine.bytes, FILE);
    expect(wanted()[0]).not.toBe("bytes=0-3999");
    expect(server.requests.map(({ ifRange }) => ifRange)).not.toContain(weak);

    // With no date beside it nothing is sent; another ETag in the answer tells all the same.
    freshStore();
    server.fault = () => ({ etag: weak, lastModified: null });
    await killedAfter(12);
    const other = randomFile(25_500, 9);
    server.fault = () => ({ etag: 'W/"2"', lastModified: null, file: other });
    same((await load()).engine.bytes, other);
    expect(server.requests.every(({ ifRange }) => ifRange === undefined)).toBe(true);
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
      freshStore();
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
    freshStore().open = () => Promise.reject(new Error("a private window"));
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
    for (const [index, fault] of faults.entries()) {
      freshStore();
      server.fault = () => fault;
      const abort = new AbortController();
      // It would go on for long, and then end with another error or with none.
      const loading = load({}, { signal: abort.signal, tuning: { stallMs: 5000, backoffMs: 5000, mostBackoffMs: 5000 }, ...(fault === undefined && { engine: endless() }) });
      setTimeout(() => { abort.abort(new Error("enough")); }, 4 + 4 * index);
      expect(await failure(loading)).toMatchObject({ message: "enough" });
    }
  });

  function endless(): Engine {
    const engine = new Engine();
    engine.begin = () => new Promise((resolve) => setTimeout(resolve, 30));
    return engine;
  }
});
