// The library. Vite's bundler, but without Vite: the addresses of worker and wasm must stay as they are written, for the
// bundler of whoever uses the package.
import { cp, rm } from "node:fs/promises";
import { defineConfig } from "rolldown";

const OUT = "dist/lib";

export default defineConfig({
  input: {
    index: "src/public/index.ts",
    "ai-sdk": "src/ai-sdk/index.ts",
    testing: "src/public/testing.ts",
    worker: "src/internal/worker.ts",
  },
  output: {
    dir: OUT,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: "shared-[name].js",
  },
  plugins: [
    {
      name: "wasm-beside-the-worker",
      async buildStart() {
        await rm(OUT, { recursive: true, force: true });
      },
      resolveId(source) {
        return /\/wasm\/[\w-]+\/(?:b158|grammar)\.js$/.test(source) ? { id: source.replace("../../wasm/", "./wasm/"), external: true } : null;
      },
      renderChunk: (code) => code.replaceAll("../../wasm/", "./wasm/"),
      async writeBundle() {
        await cp("wasm", `${OUT}/wasm`, { recursive: true, filter: (path) => !path.endsWith("package.json") && !path.endsWith(".gitignore") });
      },
    },
  ],
});
