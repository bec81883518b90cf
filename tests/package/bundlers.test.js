// Fixtures of the packed tarball, run in Chromium: the same ids as everywhere, with threads exactly where the page may have them.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";
import { serve } from "../../www/serve.mjs";
import { ARGUMENTS } from "../browser/chromium.js";
import { DEVELOPMENT, FIXTURES } from "./fixtures.js";
import { MODELS, WORK } from "./packed.js";

const [{ prompt, ids }] = JSON.parse(await readFile(join(MODELS, "greedy.json"), "utf8"));
/** `FIXTURE=webpack node --test …` runs one. */
const wanted = (name) => process.env.FIXTURE === undefined || process.env.FIXTURE === name;

let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGUMENTS });
});
after(() => browser?.close());

/** Opens the page at `url`, and holds it to what it must say. */
async function check(url, isolated, query = {}) {
  const page = await browser.newPage();
  try {
    const said = [];
    page.on("console", (message) => {
      const { url } = message.location();
      // Asked for by the browser, not by the page.
      if (["error", "warning"].includes(message.type()) && !url.endsWith("/favicon.ico")) said.push(`${message.text()} ${url}`);
    });
    page.on("pageerror", (error) => said.push(String(error)));
    await page.goto(`${url}?${new URLSearchParams({ prompt, ...query })}`);
    const result = page.locator("body[data-result]");
    await result.waitFor({ state: "attached", timeout: 60_000 });
    const { whySingleThreaded, ...rest } = JSON.parse(await result.getAttribute("data-result"));
    assert.deepEqual(rest, { ids, formed: '["a fox"]', threads: isolated ? 2 : 1, backend: rest.backend, notes: [] });
    assert.match(whySingleThreaded ?? "", isolated ? /^$/ : /not cross-origin isolated/);
    assert.deepEqual(said, []);
  } finally {
    await page.close();
  }
}

for (const [name, write] of Object.entries(FIXTURES).filter(([name]) => wanted(name))) {
  describe(name, () => {
    const out = join(WORK, "dist", name.replaceAll(" ", "-"));
    before(() => write(out));
    for (const isolated of [true, false]) {
      test(isolated ? "isolated" : "without COOP and COEP", async () => {
        // With a policy that allows no eval, no blob: and nothing inline, which an import map is.
        const server = await serve({ root: out, isolated, guarded: name !== "import map" });
        try {
          await check(server.url, isolated, name === "esbuild with workerUrl" ? { workerUrl: "./b158/worker.js" } : {});
        } finally {
          server.close();
        }
      });
    }
  });
}

for (const [name, start] of Object.entries(DEVELOPMENT).filter(([name]) => wanted(name))) {
  describe(`${name}: the development server`, () => {
    for (const isolated of [true, false]) {
      test(isolated ? "isolated" : "without COOP and COEP", async () => {
        const server = await start(isolated);
        try {
          await check(server.url, isolated);
        } finally {
          await server.close();
        }
      });
    }
  });
}
