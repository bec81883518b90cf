// Applications in a page: packages of npm, bundled as anybody would, over the built package, which is found by its own exports. The server
// sends the two headers that threads need, and the content security policy.
import { readFile } from "node:fs/promises";
import { rolldown } from "rolldown";
import { expect, tabTest } from "../browser/tab.js";
import { serve } from "../../www/serve.mjs";

const at = (path) => new URL(path, import.meta.url).pathname;
const { exports: EXPORTS } = JSON.parse(await readFile(at("../../www/package.json"), "utf8"));
const GIVEN = "b158:given.ts";

/** As a bundler resolves the package in a page, but left outside: worker and wasm lie beside it. */
const ourPackage = {
  name: "b158",
  resolveId(source) {
    const [, entry] = /^b158(|\/.*)$/.exec(source) ?? [];
    if (entry === undefined) return null;
    const found = EXPORTS[`.${entry}`];
    if (found === undefined) throw new Error(`www/package.json exports no "${source}"`);
    return { id: (found.browser ?? found.default).replace("./dist/lib/", "/lib/"), external: true };
  },
};

/** Bundles a module of this folder, by its path, or a text. */
async function bundle(entry, { isText, to }) {
  const given = { name: "given", resolveId: (id) => (id === GIVEN ? GIVEN : null), load: (id) => (id === GIVEN ? entry : null) };
  const made = await rolldown({
    input: isText ? GIVEN : at(entry),
    cwd: at("."),
    platform: "browser",
    plugins: [ourPackage, given],
    transform: { define: { "process.env.NODE_ENV": '"production"' } },
    onLog: (level, log, next) => void (level === "warn" && /^(EVAL|INVALID_ANNOTATION)$/.test(log.code) ? 0 : next(level, log)),
  });
  await made.write({ file: to, format: "esm", codeSplitting: false });
  await made.close();
}

export const test = tabTest.extend({
  server: [
    async ({}, use, { workerIndex }) => {
      const folder = at(`results/apps/${workerIndex}`);
      const folders = { "/apps/": folder, "/lib/": at("../../www/dist/lib"), "/models/": at("../models") };
      const server = await serve({ root: at("page"), folders });
      await use({ ...server, folder });
      server.close();
    },
    { scope: "worker" },
  ],

  bundled: [
    async ({ server }, use) => {
      const known = new Map();
      await use((entry, isText = false) => {
        if (!known.has(entry)) {
          const name = `${known.size}.js`;
          known.set(entry, bundle(entry, { isText, to: `${server.folder}/${name}` }).then(() => `/apps/${name}`));
        }
        return known.get(entry);
      });
    },
    { scope: "worker" },
  ],

  page: async ({ page, server }, use) => {
    await page.goto(server.url, { waitUntil: "commit" });
    await use(page);
  },

  /** Runs a module of this folder in the page, to its end. */
  app: async ({ page, bundled }, use) => {
    await use(async (path) => void (await page.evaluate((url) => import(url), await bundled(path))));
  },

  /** Runs a block of the guide, and gives what it showed: each call of `show` as a list. */
  shown: async ({ page, bundled }, use) => {
    await use(async (block, source = "/models/stories-I2_S.gguf") => {
      const url = await bundled(block, true);
      return page.evaluate(
        async ({ url, source }) => {
          const shown = [];
          Object.assign(window, { source, show: (...what) => void shown.push(what) });
          await import(url);
          return shown;
        },
        { url, source },
      );
    });
  },
});

export { expect };
