// What a visitor downloads before the model, compressed: the page, its fonts, the worker, the glue and one wasm module.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { brotliCompressSync } from "node:zlib";
import { chromium } from "playwright-core";
import { serve } from "../../www/serve.mjs";
import { ARGUMENTS } from "../browser/chromium.js";
import { WWW } from "./packed.js";

const DEMO = join(WWW, "dist/demo");
const LIMIT = 1_500_000;
/** Of the module of answers' forms with its glue, which come when one is first asked for, with Brotli. */
const GRAMMAR_LIMIT = 450_000;

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

/**
 * Of a file of the page, compressed as for a server that compresses once, at the highest level. By gzip itself: the zlib in Node.js is made for
 * speed, and its files are 1 % larger.
 */
async function sizes(path) {
  const file = join(DEMO, path);
  const gzip = execFileSync("gzip", ["-9", "--no-name", "--stdout", file], { maxBuffer: 100e6 });
  return { path, brotli: brotliCompressSync(await readFile(file)).length, gzip: gzip.length };
}

test("what a visitor downloads before the model is at most 1.5 MB", async (t) => {
  const asked = await visit();
  for (const kind of [/index\.html$/, /index-.*\.js$/, /worker-.*\.js$/, /b158-.*\.js$/, /\.wasm$/, /\.css$/]) {
    assert.ok(asked.some((path) => kind.test(path)), `${kind} is not among ${asked}`);
  }
  assert.deepEqual(asked.filter((path) => path.includes("grammar")), []);
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

test("what an answer of a form needs besides is at most 0.45 MB, and no engine has it in it", async (t) => {
  const names = await readdir(join(DEMO, "assets"));
  const files = await Promise.all(names.filter((name) => /^grammar.*\.(js|wasm)$/.test(name)).map((name) => sizes(`/assets/${name}`)));
  assert.deepEqual(files.map(({ path }) => path.replace(/-.{8}\./, ".")).sort(), ["/assets/grammar.js", "/assets/grammar_bg.wasm"]);
  const total = files.reduce((sum, { brotli }) => sum + brotli, 0);
  t.diagnostic(`${total} bytes with brotli`);
  assert.ok(total <= GRAMMAR_LIMIT, `${total} bytes with brotli, at most ${GRAMMAR_LIMIT}`);
  // What its library says of a grammar with an error, and the engine of a model.
  for (const name of names.filter((name) => name.endsWith(".wasm"))) {
    const bytes = await readFile(join(DEMO, "assets", name));
    assert.equal(bytes.includes("llguidance"), name.startsWith("grammar"), name);
  }
});
