// What a visitor downloads before the model, compressed: the page, its fonts, the worker, the glue and one wasm module.
import assert from "node:assert/strict";
import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { chromium } from "playwright-core";
import { serve } from "../../www/serve.mjs";
import { ARGUMENTS } from "../browser/chromium.js";
import { WWW } from "./packed.js";

const DEMO = join(WWW, "dist/demo");
const LIMIT = 1_500_000;

/** Paths that the page asks for until it begins to write, without models. */
async function visit() {
  const server = await serve({ root: DEMO });
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGUMENTS });
  try {
    const page = await browser.newPage({ serviceWorkers: "block" });
    const paths = new Set();
    page.on("requestfinished", (request) => paths.add(new URL(request.url()).pathname));
    await page.goto(server.url);
    await page.getByTestId("run").filter({ hasText: /Write|Send/ }).waitFor({ timeout: 60_000 });
    return [...paths].filter((path) => !path.endsWith(".gguf") && path !== "/favicon.ico").map((path) => (path === "/" ? "/index.html" : path));
  } finally {
    await browser.close();
    server.close();
  }
}

/** Of a file of the page, compressed as a server does it once, at the highest level. */
async function sizes(path) {
  const bytes = await readFile(join(DEMO, path));
  return { path, brotli: brotliCompressSync(bytes).length, gzip: gzipSync(bytes, { level: 9 }).length };
}

test("what a visitor downloads before the model is at most 1.5 MB", async (t) => {
  const asked = await visit();
  for (const kind of [/index\.html$/, /index-.*\.js$/, /worker-.*\.js$/, /b158-.*\.js$/, /\.wasm$/, /\.css$/]) {
    assert.ok(asked.some((path) => kind.test(path)), `${kind} is not among ${asked}`);
  }
  // Another browser takes another module: the largest counts.
  const modules = (await readdir(join(DEMO, "assets"))).filter((name) => name.endsWith(".wasm"));
  const largest = (await Promise.all(modules.map(async (name) => ({ path: `/assets/${name}`, size: (await stat(join(DEMO, "assets", name))).size })))).sort((a, b) => b.size - a.size)[0];
  const files = await Promise.all([...asked.filter((path) => !path.endsWith(".wasm")), largest.path].map(sizes));
  for (const { path, brotli, gzip } of files.sort((a, b) => b.gzip - a.gzip)) t.diagnostic(`${path}: ${brotli} brotli, ${gzip} gzip`);
  for (const name of ["brotli", "gzip"]) {
    const total = files.reduce((sum, file) => sum + file[name], 0);
    t.diagnostic(`${(total / 1e6).toFixed(2)} MB with ${name}`);
    assert.ok(total <= LIMIT, `${total} bytes with ${name}, at most ${LIMIT}`);
  }
});
