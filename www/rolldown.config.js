// The library. Vite's bundler, but without Vite: the addresses of worker and wasm must stay as they are written, for the
// bundler of whoever uses the package.
import { cp, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { defineConfig } from "rolldown";

const OUT = "dist/lib";

/** What is published, by its names. */
const ENTRIES = { index: "src/public/index.ts", testing: "src/public/testing.ts", "ai-sdk": "src/ai-sdk/index.ts", "prompt-api": "src/prompt-api/index.ts" };

/**
 * The modules' addresses as they are seen from the folder of the output.
 *
 * @param {string} prefix
 * @returns {import("rolldown").Plugin}
 */
const wasmAt = (prefix) => ({
  name: "wasm-beside-the-library",
  resolveId(source) {
    return /\/wasm\/[\w-]+\/(?:b158|grammar)\.js$/.test(source) ? { id: source.replace("../../wasm/", prefix), external: true } : null;
  },
  renderChunk: (code) => code.replaceAll("../../wasm/", prefix),
});

/**
 * @param {string} dir
 * @returns {import("rolldown").OutputOptions}
 */
const output = (dir) => ({ dir, format: "esm", entryFileNames: "[name].js", chunkFileNames: "shared-[name].js" });

export default defineConfig([
  {
    input: { ...ENTRIES, worker: "src/internal/worker.ts" },
    output: output(OUT),
    plugins: [
      wasmAt("./wasm/"),
      {
        name: "wasm",
        async buildStart() {
          await rm(OUT, { recursive: true, force: true });
        },
        async writeBundle() {
          await cp("wasm", `${OUT}/wasm`, { recursive: true, filter: (path) => !path.endsWith("package.json") && !path.endsWith(".gitignore") });
        },
      },
    ],
  },
  {
    // The same for Node.js, Deno and Bun, in a build of its own: what they need is nothing to a browser, and the other way round.
    input: { ...ENTRIES, worker: "src/node/worker.ts", cli: "src/node/cli.ts" },
    platform: "node",
    output: output(`${OUT}/node`),
    // Of what the package's own list counts as published alone.
    treeshake: { moduleSideEffects: (id) => /\/(?:worker|worker-scope)\.ts$/.test(id) },
    transform: { inject: { Worker: [resolve("src/node/thread-worker.ts"), "ThreadWorker"] } },
    plugins: [
      wasmAt("../wasm/"),
      {
        name: "environment",
        resolveId: (source, importer) => (source.endsWith("/environment.js") && importer ? { id: resolve("src/node/environment.ts") } : null),
      },
    ],
  },
]);
