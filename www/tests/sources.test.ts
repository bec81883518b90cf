// Sources of every kind, through page and worker.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BitNet, type LoadOptions, type LoadProgress, type ModelSource } from "../src/public/index.js";
import { fakeWorker } from "../src/public/testing.js";
import { faultServer, randomFile, sha256 } from "./fault-server.mjs";

const FILE = randomFile(9_000_000);
const PARTS = [randomFile(3_000_000, 2), randomFile(1000, 3), randomFile(2_500_000, 4)] as const;
const SUM = PARTS.reduce((sum, part) => sum + part.length, 0);
const copy = (bytes: Uint8Array) => new Blob([bytes.slice()]);

let server: Awaited<ReturnType<typeof faultServer>>;
beforeEach(async () => {
  server = await faultServer({ "/model.gguf": FILE, ...Object.fromEntries(PARTS.map((part, index) => [`/m-0000${String(index + 1)}-of-00003.gguf`, part])) });
});
afterEach(async () => {
  await server.close();
});

async function load(source: ModelSource, options: LoadOptions = {}) {
  const progress: LoadProgress[] = [];
  const model = await BitNet.load(source, { worker: fakeWorker(), onProgress: (p) => progress.push(p), ...options });
  await model.dispose();
  return { ...model.info, progress };
}

describe("a source", () => {
  it("may be an address: the worker downloads it", async () => {
    for (const source of [`${server.url}/model.gguf`, new URL(`${server.url}/model.gguf`), new Request(`${server.url}/model.gguf`)]) {
      server.requests.length = 0;
      const { weightBytes, notes, cached, progress } = await load(source);
      expect(weightBytes).toBe(FILE.length);
      expect(server.requests.map(({ range }) => range).sort()).toEqual(["bytes=0-8388607", "bytes=8388608-8999999"]);
      expect(notes).toEqual(["not kept in the cache: a fake keeps nothing"]);
      expect(cached).toBe(false);
      expect(progress.at(-1)).toMatchObject({ phase: "ready", loaded: FILE.length, fraction: 1, cached: false });
    }
  });

  it("may be a request with headers of its own, and more by option", async () => {
    const request = new Request(`${server.url}/model.gguf`, { headers: { authorization: "Bearer x", "x-a": "1" } });
    await load(request, { headers: { "x-a": "2" } });
    expect(server.requests.every(({ headers }) => headers.authorization === "Bearer x" && headers["x-a"] === "2")).toBe(true);
  });

  it("may be a request that only the page can make", async () => {
    const { weightBytes } = await load(new Request(`${server.url}/model.gguf`, { method: "POST", body: "please" }));
    expect(weightBytes).toBe(FILE.length);
    expect(server.requests.map(({ range }) => range)).toEqual([undefined]);
  });

  it("may be data in an address", async () => {
    const { weightBytes, cached } = await load(`data:application/octet-stream;base64,${Buffer.from("GGUF and more").toString("base64")}`);
    expect(weightBytes).toBe(13);
    expect(cached).toBeUndefined();
  });

  it("that is split is loaded whole, with one progress", async () => {
    const { weightBytes, progress } = await load(`${server.url}/m-00001-of-00003.gguf`);
    expect(weightBytes).toBe(SUM);
    const download = progress.filter((p) => p.phase === "download");
    expect(download[0]?.part).toEqual({ index: 0, count: 3 });
    expect(download.map((p) => p.loaded)).toEqual(download.map((p) => p.loaded).sort((a, b) => a - b));
    expect(download.at(-1)).toMatchObject({ loaded: SUM, total: SUM, fraction: 1, part: { index: 2, count: 3 } });
    expect(JSON.stringify(progress)).not.toContain("null");
  });

  it("may be an array of parts of any kind", async () => {
    const [first, second, third] = PARTS;
    const { weightBytes, cached } = await load([copy(first), `${server.url}/m-00002-of-00003.gguf`, copy(third)], { sha256: [first, second, third].map(sha256) });
    expect(weightBytes).toBe(SUM);
    expect(cached).toBeUndefined();
    await expect(load([copy(first), copy(second)], { sha256: [first, third].map(sha256) })).rejects.toMatchObject({ code: "integrity" });
    await expect(load([copy(first), new Blob(["<html>"])])).rejects.toMatchObject({ code: "format" });
    await expect(load([copy(first), new Blob([])])).rejects.toMatchObject({ code: "format" });
  });

  it("that is no address is held against its hash too", async () => {
    expect((await load(copy(FILE), { sha256: sha256(FILE).toUpperCase() })).weightBytes).toBe(FILE.length);
    await expect(load(copy(FILE), { sha256: sha256(PARTS[0]) })).rejects.toMatchObject({ code: "integrity" });
    await expect(load(`${server.url}/model.gguf`, { sha256: sha256(PARTS[0]) })).rejects.toMatchObject({ code: "integrity" });
  });

  it("that changes on the way is loaded anew, and given up when it does so each time", async () => {
    server.fault = (_, index) => (index > 0 ? { file: PARTS[0] } : undefined);
    expect((await load(`${server.url}/model.gguf`)).weightBytes).toBe(PARTS[0].length);
    server.fault = (_, index) => ({ etag: `"${String(index)}"` });
    await expect(load(`${server.url}/model.gguf`)).rejects.toMatchObject({ code: "network", message: expect.stringContaining("another file each time") as string });
  });

  it("ends with the signal of the load, or its own", async () => {
    server.fault = () => ({ stallAfter: 1000 });
    const abort = new AbortController();
    setTimeout(() => { abort.abort(); }, 30);
    await expect(load(new Request(`${server.url}/model.gguf`, { signal: abort.signal }))).rejects.toMatchObject({ name: "AbortError" });
    await expect(load(`${server.url}/model.gguf`, { signal: AbortSignal.timeout(30) })).rejects.toMatchObject({ name: "TimeoutError" });
  });

  it.each<[ModelSource, LoadOptions]>([
    [[], {}],
    ["x.gguf", {}],
    ["https://localhost/x.gguf", { connections: 0 }],
    ["https://localhost/x.gguf", { connections: 1.5 }],
    ["https://localhost/x.gguf", { sha256: "abc" }],
    ["https://localhost/x.gguf", { sha256: [] }],
    ["https://localhost/m-00001-of-00003.gguf", { sha256: "0".repeat(64) }],
    ["https://localhost/m-00002-of-00003.gguf", {}],
    ["https://localhost/x.gguf", { offline: true, cache: false }],
  ])("without sense is refused: %s %o", async (source, options) => {
    await expect(load(source, options)).rejects.toMatchObject({ name: "BitNetError", code: "invalid-argument" });
  });

  it("offline is an error where there is no cache", async () => {
    await expect(load(`${server.url}/model.gguf`, { offline: true })).rejects.toMatchObject({ code: "network" });
    await expect(load(`${server.url}/model.gguf`, { cache: "required" })).rejects.toMatchObject({ code: "storage" });
  });
});
