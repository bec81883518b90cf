// Downloads in the browser itself: the private file system, its locks and its quota, across reloads, crashes and tabs.
import { readdir, readFile } from "node:fs/promises";
import { faultServer, sha256 } from "../../www/tests/fault-server.mjs";
import { OFTEN } from "./patience.js";
import { expect, tabTest } from "./tab.js";
import { wide } from "./wide.js";

const LIBRARY = new URL("../../www/dist/lib/", import.meta.url).pathname;
const MODEL = await readFile(new URL("../models/stories-I2_S.gguf", import.meta.url));
const OTHER = await readFile(new URL("../golden/A.gguf", import.meta.url));
const HASH = sha256(MODEL);
const MIB = 1 << 20;
/** What is hashed and fetched as one. */
const PART = 512 << 10;
/** Of one part each. */
const manifest = (name, size, sha256) => Buffer.from(JSON.stringify({ format: "b158-split", version: 1, files: [{ name, size, sha256 }] }));
const MANIFESTS = {
  "/right.json": manifest("model.gguf", MODEL.length, HASH),
  "/size.json": manifest("model.gguf", MODEL.length - 1, HASH),
  "/digest.json": manifest("model.gguf", MODEL.length, "0".repeat(64)),
  "/elsewhere.json": manifest("../model.gguf", MODEL.length, HASH),
  "/other.json": Buffer.from('{ "architectures": [] }'),
};
const CORS = { "access-control-allow-origin": "*" };
const TYPES = { ".js": "text/javascript", ".wasm": "application/wasm", html: "text/html" };
const typeOf = (path) => TYPES[Object.keys(TYPES).find((end) => path.endsWith(end))];

const PATHS = (await readdir(LIBRARY, { recursive: true })).filter((path) => typeOf(path));
const FILES = Object.fromEntries(await Promise.all(PATHS.map(async (path) => [`/lib/${path}`, await readFile(LIBRARY + path)])));

/** Each test has a server of its own, and with that an origin in which nothing is kept. */
const test = tabTest.extend({
  server: async ({}, use) => {
    const server = await faultServer({ ...FILES, "/html": Buffer.from("<!doctype html><title>Downloads</title>"), "/model.gguf": MODEL, "/other.gguf": OTHER, "/whole-00001-of-00003.gguf": MODEL, ...MANIFESTS });
    const asked = () => server.requests.filter(({ path }) => path.endsWith(".gguf"));
    const state = Object.assign(server, {
      /** What is wrong with the answers for models; `index` counts those. */
      models: () => undefined,
      ranges: () => asked().map(({ range }) => range),
      forget: () => (server.requests.length = 0),
    });
    server.fault = (request) => {
      const type = typeOf(request.path);
      return type ? { headers: { "content-type": type } } : state.models(request, asked().length - 1);
    };
    await use(state);
    await server.close();
  },

  page: async ({ page, server }, use) => {
    await page.goto(`${server.url}/html`);
    await use(page);
  },
});

/** Loads, says something, and tells how it went. */
function load(page, path, options = {}) {
  return page.evaluate(
    async ({ path, options }) => {
      const { BitNet } = await import("/lib/index.js");
      window.progress = [];
      const { abortAfter, ...rest } = options;
      const signal = abortAfter === undefined ? {} : { signal: AbortSignal.timeout(abortAfter) };
      try {
        const model = await BitNet.load(path, { threads: 1, onProgress: (p) => window.progress.push(p), ...signal, ...rest });
        const { text } = await model.generate("Once upon a time", { temperature: 0, maxTokens: 20 }).result();
        const { cached, notes } = model.info;
        await model.dispose();
        return { cached, notes, text, phases: [...new Set(window.progress.map((p) => p.phase))] };
      } catch (error) {
        return { code: error.code, name: error.name, message: error.message };
      }
    },
    { path, options },
  );
}

test("a whole model that only bears a part's name is loaded, and its header read, as it is", async ({ page }) => {
  const path = "/whole-00001-of-00003.gguf";
  const { text } = await load(page, path, { cache: false });
  expect(text).toBe((await load(page, "/model.gguf", { cache: false })).text);
  const estimate = await page.evaluate(async (path) => {
    const { BitNet } = await import("/lib/index.js");
    return [await BitNet.estimate(path), await BitNet.estimate("/model.gguf")];
  }, path);
  expect(estimate[0]).toEqual(estimate[1]);
});

const list = (page) => page.evaluate(async () => (await import("/lib/index.js")).listCachedModels());
const remove = (page, key) =>
  page.evaluate(async (key) => {
    const { deleteCachedModel } = await import("/lib/index.js");
    return deleteCachedModel(key).catch((error) => error.code);
  }, key);

/** Begins a load that stalls after some MiB, and comes back when so much of it is in the cache. The load goes on: `ended` is its end. */
async function loadPartly(page, server, mebibytes = 1) {
  server.forget();
  server.models = (_, index) => (index === 0 ? { stallAfter: mebibytes * MIB + 1000 } : undefined);
  const ended = load(page, "/model.gguf").catch(() => undefined);
  await expect.poll(async () => (await list(page))[0]?.bytes, OFTEN).toBe(mebibytes * MIB);
  server.models = () => undefined;
  server.forget();
  return { ended };
}

test.describe("a manifest", () => {
  test("has what the parts must be, and is kept with them", async ({ page, server }) => {
    const first = await load(page, "/right.json");
    expect(first).toMatchObject({ cached: false, notes: [] });
    expect(await page.evaluate(() => window.progress.filter(({ phase }) => phase === "download").every(({ total }) => total > 2e6))).toBe(true);
    expect((await list(page)).map(({ name, complete }) => [name, complete]).sort()).toEqual([["model.gguf", true], ["right.json", true]]);
    server.forget();
    expect(await load(page, "/right.json", { offline: true })).toMatchObject({ cached: true, text: first.text });
    expect(server.requests).toEqual([]);
    expect(await load(page, { files: [{ name: "model.gguf", size: MODEL.length, sha256: HASH.toUpperCase() }] })).toMatchObject({ cached: true, text: first.text });
    const [estimate, same] = await page.evaluate(async () => {
      const { BitNet } = await import("/lib/index.js");
      return [await BitNet.estimate("/right.json"), await BitNet.estimate("/model.gguf")];
    });
    expect(estimate).toEqual(same);
  });

  test("that is none, leads elsewhere, or is not about these parts is refused, and nothing of them is kept", async ({ page }) => {
    for (const [path, code, words] of [
      ["/other.json", "format", "is no manifest of a split model: missing field `files`"],
      ["/elsewhere.json", "format", "without folders"],
      ["/size.json", "integrity", `has ${MODEL.length} bytes, its manifest says ${MODEL.length - 1}`],
      ["/digest.json", "integrity", "SHA-256"],
      ["/missing.json", "network", "404"],
    ]) {
      expect(await load(page, path)).toMatchObject({ code, message: expect.stringContaining(words) });
      expect((await list(page)).map(({ name }) => name).filter((name) => name.endsWith(".gguf"))).toEqual([]);
    }
    expect(await load(page, "/right.json", { sha256: "0".repeat(64) })).toMatchObject({ code: "integrity", message: expect.stringContaining("leave sha256 out") });
  });
});

test.describe("a download", () => {
  test("is kept, checked, and read from the cache the next time", async ({ page, server }) => {
    const first = await load(page, "/model.gguf");
    expect(first).toMatchObject({ cached: false, notes: [], phases: ["engine", "download", "load", "ready"] });
    expect(first.text).toMatch(/[a-z]{3}/);
    const [model] = await list(page);
    expect(model).toMatchObject({ url: `${server.url}/model.gguf`, name: "model.gguf", bytes: MODEL.length, totalBytes: MODEL.length, complete: true });
    expect(Math.abs(Date.now() - model.lastUsed.getTime())).toBeLessThan(60_000);

    server.forget();
    const second = await load(page, "/model.gguf");
    expect(second).toEqual({ cached: true, notes: [], text: first.text, phases: ["engine", "verify", "load", "ready"] });
    expect(server.ranges()).toEqual(["bytes=0-0"]);
    expect((await list(page))[0].lastUsed.getTime()).toBeGreaterThan(model.lastUsed.getTime());
  });

  test("goes on after a reload from where it stopped", async ({ page, server }) => {
    await loadPartly(page, server, 2);
    expect((await list(page))[0].complete).toBe(false);
    await page.reload();
    expect(await load(page, "/model.gguf", { sha256: HASH })).toMatchObject({ cached: false, notes: [], phases: ["engine", "verify", "download", "load", "ready"] });
    expect(server.ranges()).toEqual([`bytes=${2 * MIB}-${MODEL.length - 1}`]);
    expect((await list(page))[0]).toMatchObject({ complete: true, sha256: HASH });
  });

  test("goes on after a crash of the tab", async ({ browser, server }) => {
    // Of its own, or the tab of the other tests would crash too: it may have the same process.
    const context = await browser.newContext();
    const doomed = await context.newPage();
    await doomed.goto(`${server.url}/html`);
    await loadPartly(doomed, server);
    const session = await context.newCDPSession(doomed);
    const crashed = doomed.waitForEvent("crash");
    session.send("Page.crash").catch(() => undefined); // who is gone does not answer
    await crashed;
    const again = await context.newPage();
    await again.goto(`${server.url}/html`);
    expect(await load(again, "/model.gguf", { sha256: HASH })).toMatchObject({ cached: false, notes: [] });
    expect(server.ranges()).toEqual([`bytes=${MIB}-${MODEL.length - 1}`]);
    await context.close();
  });

  test("ends at once when it is aborted, and goes on when it is asked for again", async ({ page, server }) => {
    // It would never end by itself, and ask again only after 20 s of silence.
    server.models = () => ({ stallAfter: MIB + 1000 });
    const moments = wide([0, 30, 100, 250, 400], [0, 30, 250]);
    for (const abortAfter of moments) expect(await load(page, "/model.gguf", { abortAfter })).toMatchObject({ name: "TimeoutError" });
    expect(server.ranges().length).toBeLessThanOrEqual(moments.length);
    server.models = () => undefined;
    expect(await load(page, "/model.gguf", { sha256: HASH })).toMatchObject({ notes: [] });
    expect((await list(page))[0]).toMatchObject({ complete: true });
  });

  test("recovers from cuts, silence and lies", async ({ page, server }) => {
    // Half a second's rest after each, and twice as long while no byte has come in between.
    const cut = { cutAfter: 300_000, cutMs: 100 };
    const lies = [{ contentRange: "bytes 0-1/2" }, { shortBy: 500_000 }, { html: true }];
    const faults = wide([cut, { status: 503 }, { cutAfter: 0 }, ...lies, { cutAfter: 100_000, cutMs: 100 }], [cut, lies[0], lies[1]]);
    server.models = (_, index) => faults[index];
    expect(await load(page, "/model.gguf", { sha256: HASH })).toMatchObject({ cached: false, notes: [] });
    expect(server.ranges().length).toBeGreaterThan(faults.length);
  });

  test("of a file that changes on the way begins anew", async ({ page, server }) => {
    server.models = (_, index) => (index === 0 ? { cutAfter: 300_000 } : { file: OTHER });
    expect(await load(page, "/model.gguf", { sha256: sha256(OTHER) })).toMatchObject({ cached: false });
    expect((await list(page))[0]).toMatchObject({ bytes: OTHER.length, complete: true });
  });

  test("with a wrong hash, or of no model, leaves nothing", async ({ page, server }) => {
    expect(await load(page, "/model.gguf", { sha256: "0".repeat(64) })).toMatchObject({ code: "integrity" });
    server.models = () => ({ file: Buffer.alloc(100_000, "garbage ") });
    expect(await load(page, "/garbage.gguf")).toMatchObject({ code: "format" });
    server.models = () => ({ file: MODEL.subarray(0, 2_000_000) });
    expect(await load(page, "/short.gguf")).toMatchObject({ code: "format" });
    expect(await list(page)).toEqual([]);
  });

  test("of one byte in the cache that is wrong mends it", async ({ page, server }) => {
    await load(page, "/model.gguf");
    await page.evaluate(async (at) => {
      const models = await (await navigator.storage.getDirectory()).getDirectoryHandle("b158-models");
      for await (const folder of models.values()) {
        const file = await (await folder.getFileHandle("data")).createWritable({ keepExistingData: true });
        await file.write({ type: "write", position: at, data: "wrong" });
        await file.close();
      }
    }, MIB + 5000);
    server.forget();
    expect(await load(page, "/model.gguf")).toMatchObject({ cached: false, notes: [] });
    expect(server.ranges()).toEqual(["bytes=0-0", `bytes=${MIB}-${MIB + PART - 1}`]);
    expect(await load(page, "/model.gguf", { sha256: HASH })).toMatchObject({ cached: true });
  });
});

test.describe("the cache", () => {
  test("serves without a network", async ({ page, server }) => {
    const gone = await faultServer({ "/model.gguf": MODEL }, { headers: { ...CORS, "access-control-expose-headers": "content-range, etag" } });
    await load(page, `${gone.url}/model.gguf`);
    await gone.close();
    expect(await load(page, `${gone.url}/model.gguf`)).toMatchObject({ cached: true, notes: [expect.stringContaining("could not be asked")] });
    expect(await load(page, `${gone.url}/model.gguf`, { offline: true })).toMatchObject({ cached: true, notes: [] });
    expect(await load(page, "/model.gguf", { offline: true })).toMatchObject({ code: "network" });
    expect(server.ranges()).toEqual([]);
  });

  test("is listed and deleted, but not while it is written", async ({ page, server }) => {
    await load(page, "/other.gguf", { sha256: sha256(OTHER) });
    const { ended } = await loadPartly(page, server);
    const [partly, whole] = await list(page);
    expect(partly).toMatchObject({ name: "model.gguf", complete: false, totalBytes: MODEL.length });
    expect(whole).toMatchObject({ name: "other.gguf", complete: true, sha256: sha256(OTHER) });
    expect(await remove(page, partly.key)).toBe("storage");
    expect(await remove(page, whole.key)).toBe(true);
    expect(await remove(page, whole.key)).toBe(false);
    await page.reload();
    await ended;
    expect((await list(page)).length).toBe(1);
    await page.evaluate(async () => (await import("/lib/index.js")).clearCachedModels());
    expect(await list(page)).toEqual([]);
    const { usage, quota, persisted } = await page.evaluate(async () => (await import("/lib/index.js")).storageEstimate());
    expect(usage).toBeLessThan(100_000);
    expect(quota).toBeGreaterThan(usage);
    expect(persisted).toBe(false);
    expect(typeof (await page.evaluate(async () => (await import("/lib/index.js")).persistStorage()))).toBe("boolean");
  });

  test("is written by one of two tabs, and both get the model", async ({ page, context, server }) => {
    server.models = () => ({ drip: 2000 });
    const first = load(page, "/model.gguf");
    const other = await context.newPage();
    await other.goto(`${server.url}/html`);
    await expect.poll(async () => (await list(other)).length, OFTEN).toBe(1);
    const [one, two] = await Promise.all([first, load(other, "/model.gguf")]);
    expect(one).toMatchObject({ notes: [], cached: false });
    expect(two.text).toBe(one.text);
    expect([[], ["not kept in the cache: another tab or worker is downloading it"]]).toContainEqual(two.notes);
    expect(await load(other, "/model.gguf", { offline: true, sha256: HASH })).toMatchObject({ cached: true });
  });

  test("is done without where there is no room", async ({ page, context, server }) => {
    const session = await context.newCDPSession(page);
    const room = (quotaSize) => session.send("Storage.overrideQuotaForOrigin", { origin: server.url, quotaSize });
    await room(1_500_000);
    // Chromium does not tell this quota beforehand: it is the write that fails.
    const note = "not kept in the cache: the browser gives this site no more room; delete cached models or make room on the disk";
    for (const fault of [undefined, { ignoreRange: true, noLength: true }]) {
      server.models = () => fault;
      expect(await load(page, "/model.gguf")).toMatchObject({ cached: false, notes: [note] });
      expect(await load(page, "/model.gguf", { cache: "required" })).toMatchObject({ code: "quota" });
    }
    expect(await list(page)).toEqual([]);
    await room(100_000_000);
    expect(await load(page, "/model.gguf")).toMatchObject({ notes: [] });
  });

  test("is done without where the browser has none", async ({ page, server }) => {
    await page.evaluate(() => Object.defineProperty(Navigator.prototype, "storage", { value: undefined }));
    expect(await list(page)).toEqual([]);
    expect(await page.evaluate(async () => (await import("/lib/index.js")).storageEstimate())).toEqual({ persisted: false });
    server.files["/lib/none.js"] = Buffer.from("Object.defineProperty(WorkerNavigator.prototype, 'storage', { value: undefined });");
    server.files["/lib/without.js"] = Buffer.from("import './none.js'; import './worker.js';");
    const options = { workerUrl: "/lib/without.js" };
    expect(await load(page, "/model.gguf", options)).toMatchObject({ cached: false, notes: [expect.stringContaining("no private file system")] });
    expect(await load(page, "/model.gguf", { ...options, cache: "required" })).toMatchObject({ code: "storage" });
    expect(await load(page, "/model.gguf", { ...options, cache: false })).toMatchObject({ cached: false, notes: [] });
  });
});

test.describe("another origin", () => {
  test("is asked for ranges without a preflight, which it would refuse", async ({ page }) => {
    const other = await faultServer({ "/model.gguf": MODEL }, { headers: { ...CORS, "access-control-expose-headers": "content-range, etag" } });
    other.fault = (_, index) => (index === 0 ? { cutAfter: 300_000 } : undefined);
    expect(await load(page, `${other.url}/model.gguf`, { sha256: HASH })).toMatchObject({ notes: [], cached: false });
    expect(other.requests.map(({ range, ifRange }) => [range !== undefined, ifRange])).toEqual([[true, undefined], [true, undefined]]);
    await other.close();
  });

  test("that hides its headers gives one stream", async ({ page }) => {
    const other = await faultServer({ "/model.gguf": MODEL }, { headers: CORS });
    expect(await load(page, `${other.url}/model.gguf`, { sha256: HASH })).toMatchObject({ notes: [], cached: false });
    expect(other.requests.map(({ range }) => range)).toEqual(["bytes=0-8388607", undefined]);
    await other.close();
  });

  test("may be where a redirect leads, as on the hub", async ({ page, server }) => {
    const other = await faultServer({ "/blob": MODEL }, { headers: { ...CORS, "access-control-expose-headers": "content-range, etag" } });
    server.models = () => ({ redirect: `${other.url}/blob` });
    other.fault = (_, index) => (index === 0 ? { cutAfter: 300_000, cutMs: 100 } : undefined);
    expect(await load(page, "/model.gguf", { sha256: HASH })).toMatchObject({ notes: [], cached: false });
    expect(server.ranges().length).toBe(1);
    await other.close();
  });

  test("that forbids reading is told as such", async ({ page }) => {
    const other = await faultServer({ "/model.gguf": MODEL });
    expect(await load(page, `${other.url}/model.gguf`)).toMatchObject({ code: "network", message: expect.stringContaining("CORS") });
    await other.close();
  });
});
