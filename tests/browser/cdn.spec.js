// The package from another origin, as from a CDN: a page has none of its files.
import { readFile } from "node:fs/promises";
import { serve } from "../../www/serve.mjs";
import { guideBlock } from "../../www/tests/guide.mjs";
import { fileOf, serveCdn } from "./cdn.js";
import { expect, tabTest } from "./tab.js";
import { until } from "./patience.js";

const folder = (path) => new URL(path, import.meta.url).pathname;
const MODELS = folder("../models");
const [{ prompt, text }] = JSON.parse(await readFile(`${MODELS}/greedy.json`, "utf8"));

/** A page's policy that has room for the package on a CDN; `changed` are other directives. */
const policyFor = ({ origin }, changed = {}) =>
  Object.entries({ "default-src": "'none'", "script-src": `'self' 'wasm-unsafe-eval' ${origin}`, "worker-src": `blob: ${origin}`, "connect-src": `'self' ${origin}`, ...changed })
    .map((directive) => directive.join(" "))
    .join("; ");

const test = tabTest.extend({
  cdn: async ({}, use) => {
    const cdn = await serveCdn();
    await use(cdn);
    cdn.close();
  },

  /** Opens an empty page of another origin, without a policy, or with this one. */
  open: async ({ page }, use) => {
    const servers = [];
    await use(async ({ policy, isolated = true } = {}) => {
      const server = await serve({ root: folder("page"), folders: { "/models/": MODELS }, isolated, guarded: policy !== undefined, policy });
      servers.push(server);
      await page.goto(`${server.url}empty.html`);
      return server;
    });
    for (const server of servers) server.close();
  },
});

/** What the page makes of Blobs and gives back. */
const countUrls = () => {
  window.urls = { made: 0, revoked: 0 };
  const { createObjectURL, revokeObjectURL } = URL;
  const mine = new Set();
  URL.createObjectURL = (blob) => {
    const url = createObjectURL.call(URL, blob);
    mine.add(url);
    window.urls.made++;
    return url;
  };
  URL.revokeObjectURL = (url) => {
    if (mine.delete(url)) window.urls.revoked++;
    revokeObjectURL.call(URL, url);
  };
};

/** Loads twice, from the network and from the cache, and writes. */
const loads = async ({ index, prompt, threads, workerUrl }) => {
  const { BitNet, listCachedModels } = await import(index);
  const options = { threads, ...(workerUrl && { workerUrl }) };
  const said = [];
  for (let round = 0; round < 2; round++) {
    const seen = [];
    const model = await BitNet.load("/models/stories-I2_S.gguf", { ...options, onProgress: ({ phase, cached }) => seen.push(`${phase}${cached ? " cached" : ""}`) });
    const { text } = await model.generate(prompt, { temperature: 0, maxTokens: 60, repeatPenalty: 1 }).result();
    said.push({ text, threads: model.info.threads, why: model.info.whySingleThreaded, cached: seen.includes("verify cached"), notes: model.info.notes });
    await model.dispose();
  }
  return { said, kept: (await listCachedModels()).length, urls: window.urls };
};

/** The code and the words of what a load fails with. */
const fails = async ({ index, options }) => {
  const { BitNet } = await import(index);
  return BitNet.load("/models/stories-I2_S.gguf", { cache: false, ...options }).then(
    () => "no error",
    ({ code, message }) => `${code}: ${message}`,
  );
};

for (const threads of [1, 2]) {
  test(`runs with ${threads === 1 ? "one thread" : "two threads"} and the cache, on a page that has none of its files`, async ({ cdn, open, page }) => {
    await open({ policy: policyFor(cdn) });
    await page.evaluate(countUrls);
    const { said, kept, urls } = await page.evaluate(loads, { index: cdn.index, prompt, threads });
    expect(said.map(({ text }) => text.trim())).toEqual([text.trim(), text.trim()]);
    for (const { threads: got, why, notes } of said) expect({ got, why: threads === 1 ? undefined : why, notes }).toEqual({ got: threads, why: undefined, notes: [] });
    expect(said.map(({ cached }) => cached)).toEqual([false, true]);
    expect(kept).toBe(1);
    // One for each worker that the page starts.
    expect(urls).toEqual({ made: 2 * threads, revoked: 2 * threads });
    // All of it by requests that need no Cross-Origin-Resource-Policy.
    expect(cdn.asked.some(({ path }) => path.endsWith("_bg.wasm"))).toBe(true);
    for (const { path, mode } of cdn.asked) expect(mode, path).toBe("cors");
  });
}

test("runs where the address redirects, and on a page that is not isolated and has no policy", async ({ cdn, open, page }) => {
  await open({ isolated: false });
  const { said } = await page.evaluate(loads, { index: `${cdn.origin}/latest/index.js`, prompt, threads: "auto" });
  expect(said[1].text.trim()).toBe(text.trim());
  expect(said[1].why).toContain("not cross-origin isolated");
});

test("runs as the guide shows it, through an import map", async ({ open, page, context }) => {
  const shown = guideBlock("From a CDN");
  const cdn = /https:[^"]+dist\/lib\//.exec(shown)[0];
  await context.route(`${cdn}**`, async (route) => {
    const file = await fileOf(route.request().url().slice(cdn.length - 1));
    await (file ? route.fulfill({ ...file, headers: { "access-control-allow-origin": "*" } }) : route.fulfill({ status: 404 }));
  });
  await context.route("https://huggingface.co/**", async (route) => {
    await route.fulfill({ body: await readFile(`${MODELS}/stories-I2_S.gguf`), headers: { "access-control-allow-origin": "*" } });
  });
  const { url } = await open();
  await context.route(`${url}guide.html`, (route) => route.fulfill({ contentType: "text/html", body: `<!doctype html><body>${shown}` }));
  await page.goto(`${url}guide.html`);
  await until(page, () => document.body.innerText.split(" ").length > 10);
  expect(await page.evaluate(() => document.body.innerText)).toMatch(/[a-z]{3} [a-z]{2}/);
});

test("a worker of another origin can be named alone", async ({ cdn, page }) => {
  const own = await serve({ root: folder("page"), folders: { "/lib/": folder("../../www/dist/lib"), "/models/": MODELS }, guarded: false });
  try {
    await page.goto(`${own.url}empty.html`);
    const { said } = await page.evaluate(loads, { index: `${own.url}lib/index.js`, prompt, threads: 2, workerUrl: `${cdn.origin}/b158/worker.js` });
    expect(said[1]).toMatchObject({ threads: 2, cached: true });
    expect(cdn.asked.some(({ path }) => path === "/b158/worker.js")).toBe(true);
  } finally {
    own.close();
  }
});

test.describe("where something forbids it, the error names it:", () => {
  const worker = "/b158/worker.js";
  test("worker-src without blob:", async ({ cdn, open, page }) => {
    await open({ policy: policyFor(cdn, { "worker-src": "'self'" }) });
    const said = await page.evaluate(fails, { index: cdn.index });
    expect(said).toMatch(/^invalid-argument: .*must have blob: and http.* in worker-src/);
    expect(said).toMatch(/workerUrl.*worker/);
  });

  for (const directive of ["worker-src", "connect-src"]) {
    test(`${directive} without the CDN`, async ({ cdn, open, page }) => {
      await open({ policy: policyFor(cdn, { [directive]: directive === "worker-src" ? "blob:" : "'self'" }) });
      const said = await page.evaluate(fails, { index: cdn.index });
      expect(said).toContain(`${cdn.origin} in ${directive}`);
    });
  }

  test("a CDN that answers pages of other origins for all but the worker", async ({ open, page }) => {
    const cdn = await serveCdn({ allows: (path) => path !== worker });
    try {
      await open();
      const said = await page.evaluate(fails, { index: cdn.index });
      expect(said).toMatch(/^network: /);
      expect(said).toContain(`${cdn.origin} must be reachable and send Access-Control-Allow-Origin`);
    } finally {
      cdn.close();
    }
  });

  test("the same for the modules", async ({ open, page }) => {
    const cdn = await serveCdn({ allows: (path) => !path.endsWith(".wasm") });
    try {
      await open();
      const said = await page.evaluate(fails, { index: cdn.index });
      expect(said).toMatch(/^network: /);
      expect(said).toContain(`${cdn.origin} sends Access-Control-Allow-Origin`);
    } finally {
      cdn.close();
    }
  });

  test("a service that rewrites modules and leaves the worker out", async ({ cdn, open, page }) => {
    await open();
    const said = await page.evaluate(fails, { index: `${cdn.origin}/rewritten/+esm` });
    expect(said).toMatch(/^network: .*answered 404: .*dist\/lib\/index\.js as it is/);
  });
});

test("a page of the package's own origin makes no Blob, and needs no policy for one", async ({ page }) => {
  const own = await serve({ root: folder("page"), folders: { "/lib/": folder("../../www/dist/lib"), "/models/": MODELS } });
  try {
    await page.goto(`${own.url}empty.html`);
    await page.evaluate(countUrls);
    const { said, urls } = await page.evaluate(loads, { index: `${own.url}lib/index.js`, prompt, threads: 2 });
    expect(said[1]).toMatchObject({ threads: 2, cached: true });
    expect(urls).toEqual({ made: 0, revoked: 0 });
  } finally {
    own.close();
  }
});
