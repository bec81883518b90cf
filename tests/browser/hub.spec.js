// Files of Hugging Face: held against what the hub says of them, and shared between sites where the browser has a storage for that.
import { readFile } from "node:fs/promises";
import { once } from "node:events";
import { createServer } from "node:http";
import { serve } from "../../www/serve.mjs";
import { faultServer, sha256 } from "../../www/tests/fault-server.mjs";
import { guideBlock } from "../../www/tests/guide.mjs";
import { until } from "./patience.js";
import { expect, tabTest } from "./tab.js";

const folder = (path) => new URL(path, import.meta.url).pathname;
const MODEL = await readFile(folder("../models/stories-I2_S.gguf"));
const OTHER = await readFile(folder("../golden/A.gguf"));
const HASH = sha256(MODEL);
const ADDRESS = "hf:owner/repository/model.gguf";
const HUB = "https://huggingface.co";
const PART = 512 << 10;

/** What a page of any origin may read, as the hub and its servers say it. */
const CORS = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag,X-Xet-Hash",
};

/** The server that stands for what all sites of a browser share: shared-storage.js. */
async function storageServer() {
  const files = new Map();
  const puts = [];
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://storage/");
    response.setHeader("access-control-allow-origin", "*");
    response.setHeader("access-control-allow-methods", "GET, PUT");
    if (request.method === "PUT") {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      files.set(pathname, Buffer.concat(chunks));
      puts.push({ hash: pathname.slice(1), origins: searchParams.get("origins") });
    }
    response.writeHead(request.method === "GET" && !files.has(pathname) ? 404 : 200).end(request.method === "GET" ? files.get(pathname) : undefined);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, files, puts, close };
}

const test = tabTest.extend({
  /** The hub, as a page sees it: it redirects to where the bytes lie, and has a pointer to each file at /raw/. */
  hub: async ({ context }, use) => {
    const bytes = await faultServer({ "/bytes": MODEL }, { headers: CORS });
    const hub = { asked: [], bytes: bytes.requests, file: (file) => (bytes.files["/bytes"] = file), pointer: () => `version https://git-lfs.github.com/spec/v1\noid sha256:${HASH}\nsize ${MODEL.length}\n` };
    await context.route(`${HUB}/**`, async (route) => {
      const { pathname } = new URL(route.request().url());
      hub.asked.push({ path: pathname, headers: route.request().headers() });
      const [, , , kind] = pathname.split("/");
      if (kind === "raw") {
        const body = hub.pointer();
        await route.fulfill(body === undefined ? { status: 404, headers: CORS } : { body, contentType: "text/plain; charset=utf-8", headers: CORS });
      } else {
        const etag = { "x-linked-etag": `"${HASH}"`, "x-linked-size": String(MODEL.length) };
        await route.fulfill({ status: 302, headers: { ...CORS, ...etag, location: `${bytes.url}/bytes` } });
      }
    });
    await use(hub);
    await bytes.close();
  },

  storage: async ({}, use) => {
    const storage = await storageServer();
    await use(storage);
    storage.close();
  },

  /** Opens a page of an origin of its own, where workers have the storage if one is given, and runs this module in it. */
  site: async ({ page }, use) => {
    const servers = [];
    await use(async ({ storage, refuses = false, method, script = "" } = {}) => {
      const server = await serve({ root: folder("page"), folders: { "/lib/": folder("../../www/dist/lib") }, guarded: false });
      servers.push(server);
      const query = storage && new URLSearchParams({ at: storage.url, ...(refuses && { refuses: "" }), ...(method && { method }) });
      await page.goto(`${server.url}site.html${query ? `?${new URLSearchParams({ first: `shared-storage.js?${query}` })}` : ""}`);
      if (script) await page.addScriptTag({ type: "module", content: `${script}\nwindow.done = true;` });
    });
    // What is still on its way ends with the page: where a storage is cleared beneath it, Chromium may not answer any more.
    await page.goto("about:blank");
    for (const server of servers) server.close();
  },
});

/** Loads, and tells how it went. */
const load = (page, options = {}) =>
  page.evaluate(
    async ({ address, options }) => {
      const { BitNet, listCachedModels } = await import("b158");
      try {
        const model = await BitNet.load(address, { threads: 1, ...options });
        const { text } = await model.generate("Once upon a time", { temperature: 0, maxTokens: 20 }).result();
        const { cached, notes } = model.info;
        await model.dispose();
        return { cached, notes, text, kept: (await listCachedModels()).map(({ sha256 }) => sha256) };
      } catch (error) {
        return { code: error.code, message: error.message, kept: (await listCachedModels()).length };
      }
    },
    { address: ADDRESS, options },
  );

const paths = ({ asked }) => asked.splice(0).map(({ path }) => path.split("/")[3]);

test("a file is held against what the hub says, without a word of it", async ({ page, hub, site }) => {
  await site();
  const first = await load(page);
  expect(first).toMatchObject({ cached: false, notes: [], kept: [HASH] });
  expect(first.text).toMatch(/[a-z]{3}/);
  expect(paths(hub)).toEqual(["raw", "resolve"]);
  hub.bytes.length = 0;
  expect(await load(page)).toEqual({ ...first, cached: true });
  // The pointer says that it is the same.
  expect([paths(hub), hub.bytes]).toEqual([["raw"], []]);
});

test("another file gives integrity, and nothing of it is kept", async ({ page, hub, site }) => {
  await site();
  hub.file(Buffer.concat([MODEL.subarray(0, PART), Buffer.alloc(1), MODEL.subarray(PART + 1)]));
  expect(await load(page)).toMatchObject({ code: "integrity", message: expect.stringContaining(`${HUB} says`), kept: 0 });
  hub.file(OTHER);
  expect(await load(page)).toMatchObject({ code: "integrity", kept: 0 });
  expect(await load(page, { sha256: sha256(OTHER) })).toMatchObject({ kept: [sha256(OTHER)] });
});

test("where the hub says nothing, the file is taken, and the notes say so", async ({ page, hub, site }) => {
  await site();
  hub.pointer = () => undefined;
  expect(await load(page)).toMatchObject({ notes: [expect.stringContaining("was not held against its SHA-256: the hub did not say it (it answered 404)")], kept: [undefined] });
});

test("a token goes to the hub alone", async ({ page, hub, site }) => {
  await site();
  await load(page, { headers: { authorization: "Bearer hf_secret" } });
  // A browser asks first whether it may be sent.
  const seen = hub.asked.map(({ path, headers }) => [path.split("/")[3], headers.authorization]).filter(([, token]) => token !== undefined);
  expect(seen).toEqual([["raw", "Bearer hf_secret"], ["resolve", "Bearer hf_secret"]]);
  for (const { headers } of hub.bytes) expect(headers.authorization).toBeUndefined();
});

test("the guide's way to hear of another file", async ({ page, hub, site }) => {
  const script = guideBlock("Checked by the hub");
  await site({ script });
  await until(page, () => window.done === true);
  expect(await page.evaluate(() => window.shown)).toEqual([["ready", []]]);
  hub.file(OTHER);
  await site({ script });
  await until(page, () => window.done === true);
  expect(await page.evaluate(() => window.shown)).toEqual([["not the file that the hub names:", expect.stringContaining("huggingface.co says")]]);
});

test.describe("a storage that sites share", () => {
  test("has a file for the next site, as the guide shows it", async ({ page, hub, site, storage }) => {
    const script = guideBlock("Shared with other sites");
    await site({ storage, script });
    await until(page, () => window.done === true);
    expect(await page.evaluate(() => window.shown)).toEqual([[[]]]);
    expect(storage.puts).toEqual([{ hash: HASH, origins: "*" }]);
    hub.bytes.length = 0;
    await site({ storage, script });
    await until(page, () => window.done === true);
    expect(await page.evaluate(() => window.shown)).toEqual([[[expect.stringContaining("came from the storage that this browser shares between sites")]]]);
    expect([hub.bytes, storage.puts.length]).toEqual([[], 1]);
  });

  test("with a file that is not what it is called is passed over", async ({ page, hub, site, storage }) => {
    for (const wrong of [OTHER, Buffer.concat([MODEL.subarray(0, -1), Buffer.alloc(1, 77)])]) {
      storage.files.set(`/${HASH}`, wrong);
      await site({ storage });
      expect(await load(page)).toMatchObject({ notes: [], kept: [HASH] });
    }
    expect(hub.bytes.length).toBeGreaterThan(0);
  });

  test("that refuses, or is not wanted, or a file of no known hash changes nothing", async ({ page, hub, site, storage }) => {
    await site({ storage, refuses: true });
    expect(await load(page)).toMatchObject({ notes: [], kept: [HASH] });
    await site({ storage });
    expect(await load(page, { crossOriginStorage: false })).toMatchObject({ notes: [], kept: [HASH] });
    hub.pointer = () => "{}"; // git holds it
    await site({ storage });
    expect(await load(page)).toMatchObject({ notes: [], kept: [undefined] });
    expect(storage.puts).toEqual([]);
  });

  for (const method of ["getFileHandle", "requestFileHandles"]) {
    test(`is asked by ${method} where that is the name of its method`, async ({ page, hub, site, storage }) => {
      await site({ storage, method });
      expect(await load(page)).toMatchObject({ notes: [] });
      expect(storage.puts).toEqual([{ hash: HASH, origins: "*" }]);
      hub.bytes.length = 0;
      await site({ storage, method });
      expect((await load(page)).notes).toHaveLength(1);
      expect(hub.bytes).toEqual([]);
    });
  }

  test("gets a file that took a token for its own site alone", async ({ page, hub, site, storage }) => {
    await site({ storage });
    expect(await load(page, { headers: { authorization: "Bearer hf_secret" } })).toMatchObject({ notes: [] });
    expect(storage.puts).toEqual([{ hash: HASH, origins: "" }]);
    expect(hub.asked.length).toBeGreaterThan(0);
  });
});
