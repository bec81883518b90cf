// Sources of every kind: what the page says of them to the worker, and what it opens itself.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Sent } from "../src/internal/channel.js";
import { readSource } from "../src/internal/source.js";
import { BitNet, type LoadOptions, type LoadProgress, type ModelSource } from "../src/public/index.js";
import { fakeWorker } from "../src/public/testing.js";
import { faultServer, randomFile } from "./fault-server.mjs";

const FILE = randomFile(9_000_000);
const PARTS = [randomFile(3_000_000, 2), randomFile(1000, 3), randomFile(2_500_000, 4)] as const;
const SUM = PARTS.reduce((sum, part) => sum + part.length, 0);
const copy = (bytes: Uint8Array) => new Blob([bytes.slice()]);

let server: Awaited<ReturnType<typeof faultServer>>;
beforeEach(async () => {
  server = await faultServer({ "/model.gguf": FILE, "/part.gguf": PARTS[1] });
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

describe("what the worker is told", () => {
  it("of an address is all that a request for it needs", async () => {
    const request = new Request("https://localhost/x.gguf", { headers: { authorization: "Bearer x", "x-a": "1" }, redirect: "error" });
    const { sent, opened } = await readSource(request, { headers: { "x-a": "2" }, connections: 2, sha256: "AB".repeat(32) });
    expect(sent).toEqual({
      parts: [{ type: "address", body: expect.objectContaining({ url: request.url, redirect: "error", headers: [["authorization", "Bearer x"], ["x-a", "2"]] }) as object }],
      kind: "alone",
      sha256: ["ab".repeat(32)],
      cache: "auto",
      offline: false,
      connections: 2,
      crossOriginStorage: true,
    });
    expect(opened).toEqual([undefined]);
  });

  it("of one that it must make sense of itself is the text", async () => {
    for (const text of ["hf:owner/repository/file.gguf", "file.gguf", "../m-00001-of-00003.gguf"]) {
      expect((await readSource(text, {})).sent.parts).toEqual([{ type: "address", body: { url: text, headers: [] } }]);
    }
  });

  it("of several is which of them the page opens", async () => {
    const post = new Request("https://localhost/x.gguf", { method: "POST", body: "please" });
    const { sent, opened } = await readSource([copy(PARTS[0]), "https://localhost/x.gguf", post, "data:,x"], { cache: false });
    expect(sent.parts.map(({ type }) => type)).toEqual(["blob", "address", "page", "page"]);
    expect(opened.map((open) => open !== undefined)).toEqual([false, false, true, true]);
    expect([sent.kind, sent.cache]).toEqual(["split", "off"]);
  });
});

describe("a source", () => {
  it("may be an address", async () => {
    for (const source of [`${server.url}/model.gguf`, new URL(`${server.url}/model.gguf`), new Request(`${server.url}/model.gguf`)]) {
      const { weightBytes, cached, progress } = await load(source);
      expect(weightBytes).toBe(FILE.length);
      expect(cached).toBe(false);
      expect(progress.at(-1)).toMatchObject({ phase: "ready", loaded: FILE.length, fraction: 1, cached: false });
    }
  });

  it("may be a request that only the page can make", async () => {
    const { weightBytes } = await load(new Request(`${server.url}/model.gguf`, { method: "POST", body: "please" }));
    expect(weightBytes).toBe(FILE.length);
    expect(server.requests.map(({ range }) => range)).toEqual([undefined]);
  });

  it("may be a response, whose body goes to the worker as it is", async () => {
    const worker = fakeWorker();
    const sent: Sent["type"][] = [];
    const send = worker.postMessage.bind(worker);
    worker.postMessage = (message: Sent, transfer?: unknown) => {
      sent.push(message.type);
      send(message, transfer as Transferable[]);
    };
    const { weightBytes, progress } = await load(await fetch(`${server.url}/model.gguf`), { worker });
    expect(weightBytes).toBe(FILE.length);
    expect(sent).not.toContain("chunk");
    expect(progress.find(({ phase }) => phase === "download")?.total).toBe(FILE.length);
  });

  it("that breaks off says so", async () => {
    server.fault = () => ({ cutAfter: 100_000 });
    await expect(load(await fetch(`${server.url}/model.gguf`))).rejects.toMatchObject({ code: "network", message: expect.stringContaining("broke off") as string });
    const broken = new ReadableStream<Uint8Array>({
      pull() {
        throw new Error("no more");
      },
    });
    await expect(load(broken)).rejects.toMatchObject({ code: "network", cause: new Error("no more") });
  });

  it("may be data in an address", async () => {
    const { weightBytes, cached } = await load(`data:application/octet-stream;base64,${Buffer.from("GGUF and more").toString("base64")}`);
    expect(weightBytes).toBe(13);
    expect(cached).toBeUndefined();
  });

  it("may be an array of parts of any kind", async () => {
    const [first, , third] = PARTS;
    const post = new Request(`${server.url}/part.gguf`, { method: "POST", body: "please" });
    const { weightBytes, cached } = await load([copy(first), post, copy(third)]);
    expect(weightBytes).toBe(SUM);
    expect(cached).toBeUndefined();
    await expect(load([copy(first), new Blob(["<html>"])])).rejects.toMatchObject({ code: "format" });
    await expect(load([copy(first), new Blob([])])).rejects.toMatchObject({ code: "format" });
  });

  it("ends with the signal of the load, or its own", async () => {
    server.fault = () => ({ stallAfter: 1000 });
    const abort = new AbortController();
    setTimeout(() => { abort.abort(); }, 30);
    await expect(load(new Request(`${server.url}/model.gguf`, { signal: abort.signal }))).rejects.toMatchObject({ name: "AbortError" });
    await expect(load(`${server.url}/model.gguf`, { signal: AbortSignal.timeout(30) })).rejects.toMatchObject({ name: "TimeoutError" });
    await expect(load(await fetch(`${server.url}/model.gguf`), { signal: AbortSignal.timeout(30) })).rejects.toMatchObject({ name: "TimeoutError" });
  });

  it.each<[ModelSource, LoadOptions]>([
    [[], {}],
    ["https://localhost/x.gguf", { connections: 0 }],
    ["https://localhost/x.gguf", { connections: 1.5 }],
    ["https://localhost/x.gguf", { sha256: "abc" }],
    ["https://localhost/x.gguf", { offline: true, cache: false }],
  ])("without sense is refused: %s %o", async (source, options) => {
    await expect(load(source, options)).rejects.toMatchObject({ name: "BitNetError", code: "invalid-argument" });
  });
});
