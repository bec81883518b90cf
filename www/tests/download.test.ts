// Downloads while there is nothing in the cache: ranges, servers without them, faults that pass and faults that stay.
import { describe, expect, it } from "vitest";
import { FileChanged } from "../src/internal/download/request.js";
import { Engine, FILE, PART, failure, freshServer, freshStore, journal, load, same, server, store, wanted } from "./downloads.js";
import { type Fault, faultServer, randomFile, sha256 } from "./fault-server.mjs";

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
      freshStore();
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

  it("that tells of more bytes than it has is not waited for, and not believed", async () => {
    server.fault = () => ({ ignoreRange: true, contentLength: FILE.length + 500 });
    const error = await failure(load());
    expect(error).toMatchObject({ code: "network", message: expect.stringContaining("tried 4 times") as string });
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
    await freshServer();
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
