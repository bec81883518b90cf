// The same small program, built with each bundler as www/GUIDE.md says, and without one.
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as esbuild from "esbuild";
import * as vite from "vite";
import * as vite7 from "vite-7";
import webpack from "webpack";
import { ISOLATION } from "../../www/headers.mjs";
import { INSTALLED, WORK } from "./packed.js";

/** The page and the model beside what the bundler wrote. */
async function copyPage(out) {
  await cp(join(WORK, "public"), out, { recursive: true });
  await cp(join(WORK, "index.html"), join(out, "index.html"));
}

const VITE = { root: WORK, base: "./", configFile: false, logLevel: "warn" };
/** What Vite needed before 8. */
const BEFORE_8 = { worker: { format: "es" }, optimizeDeps: { exclude: ["b158"] } };

/** By name, how each writes its files into the folder `out`. */
export const FIXTURES = {
  vite: (out) => vite.build({ ...VITE, build: { outDir: out } }),
  "vite 7": (out) => vite7.build({ ...VITE, ...BEFORE_8, build: { outDir: out } }),

  async webpack(out) {
    const compiler = webpack({ mode: "production", context: WORK, entry: "./main.js", output: { path: out, filename: "main.js" }, performance: false });
    const stats = await new Promise((done, failed) => compiler.run((error, stats) => (error ? failed(error) : done(stats))));
    if (stats.hasErrors() || stats.hasWarnings()) throw new Error(stats.toString("errors-warnings"));
    await copyPage(out);
  },

  async esbuild(out) {
    await bundle(out);
    // It leaves `new URL("./worker.js", import.meta.url)` as it is: the file must lie beside the bundle.
    await cp(join(INSTALLED, "dist/lib"), out, { recursive: true });
    await copyPage(out);
  },

  async "esbuild with workerUrl"(out) {
    await bundle(out);
    await cp(join(INSTALLED, "dist/lib"), join(out, "b158"), { recursive: true });
    await copyPage(out);
  },

  async "no bundler"(out) {
    await mkdir(out, { recursive: true });
    const program = await readFile(join(WORK, "main.js"), "utf8");
    await writeFile(join(out, "main.js"), program.replace('"b158"', '"./node_modules/b158/dist/lib/index.js"'));
    await cp(INSTALLED, join(out, "node_modules/b158"), { recursive: true });
    await copyPage(out);
  },

  async "import map"(out) {
    await FIXTURES["no bundler"](out);
    await cp(join(WORK, "main.js"), join(out, "main.js"));
    const map = JSON.stringify({ imports: { b158: "./node_modules/b158/dist/lib/index.js" } });
    const page = await readFile(join(WORK, "index.html"), "utf8");
    await writeFile(join(out, "index.html"), page.replace("<script", `<script type="importmap">${map}</script>\n    <script`));
  },
};

const bundle = (out) => esbuild.build({ entryPoints: [join(WORK, "main.js")], outdir: out, bundle: true, format: "esm", minify: true, logLevel: "warning" });

/** Vite's development servers. */
export const DEVELOPMENT = {
  vite: (isolated) => develop(vite, VITE, isolated),
  "vite 7": (isolated) => develop(vite7, { ...VITE, ...BEFORE_8 }, isolated),
};

async function develop({ createServer, version }, config, isolated) {
  // A cache of its own, so that each run is a first one.
  const cacheDir = join(WORK, `.vite-${version}-${isolated}`);
  const server = await createServer({ ...config, cacheDir, server: { port: 0, host: "localhost", headers: isolated ? ISOLATION : {} } });
  await server.listen();
  return { url: server.resolvedUrls.local[0], close: () => server.close() };
}
