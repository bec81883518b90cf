// Applications in a page: packages of npm, bundled as anybody would, over the built package, which is found by its own exports. The server
// sends the two headers that threads need, and the content security policy.
import { readFile } from "node:fs/promises";
import { rolldown } from "rolldown";
import { expect, tabTest } from "../browser/tab.js";
import { serve } from "../../www/serve.mjs";

const at = (path) => new URL(path, import.meta.url).pathname;
const { exports: EXPORTS } = JSON.parse(await readFile(at("../../www/package.json"), "utf8"));
const SOURCE = "/models/stories-I2_S.gguf";
/** What pages import as "guide". */
const GUIDE = "b158:guide.tsx";

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

/** Bundles a module of this folder, which may import the text `guide` as a module of that name; without a path, that text itself. */
async function bundle(path, { guide, to }) {
  const given = { name: "guide", resolveId: (id) => (id === "guide" || id === GUIDE ? GUIDE : null), load: (id) => (id === GUIDE ? guide : null) };
  const made = await rolldown({
    input: path === undefined ? GUIDE : at(path),
    cwd: at("."),
    platform: "browser",
    plugins: [ourPackage, given],
    transform: { define: { "process.env.NODE_ENV": '"production"' } },
    // What others' packages are told for.
    onLog: (level, log, next) => {
      if (!/^(EVAL|INVALID_ANNOTATION|MODULE_LEVEL_DIRECTIVE)$/.test(log.code)) next(level, log);
    },
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
      await use((path, guide) => {
        const key = `${path}\n${guide}`;
        if (!known.has(key)) {
          const name = `${known.size}.js`;
          known.set(key, bundle(path, { guide, to: `${server.folder}/${name}` }).then(() => `/apps/${name}`));
        }
        return known.get(key);
      });
    },
    { scope: "worker" },
  ],

  page: async ({ page, server }, use) => {
    await page.goto(server.url, { waitUntil: "commit" });
    await use(page);
  },

  /** Runs a module of this folder in the page, to its end; `guide` is a block of the guide that it imports as "guide". `source` is a model. */
  app: async ({ page, bundled }, use) => {
    await use(async (path, guide) => {
      const url = await bundled(path, guide);
      await page.evaluate(
        ({ url, source }) => {
          Object.assign(window, { source });
          return import(url);
        },
        { url, source: SOURCE },
      );
    });
  },

  /** Runs a block of the guide, and gives what it showed: each call of `show` as a list. */
  shown: async ({ page, bundled }, use) => {
    await use(async (block, source = SOURCE) => {
      const url = await bundled(undefined, block);
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
