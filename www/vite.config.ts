// The demo page. It uses the library as any other program does, from the package's own exports.
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import sirv from "sirv";
import { defineConfig, type Plugin } from "vite";
import { CONTENT_SECURITY_POLICY, ISOLATION } from "./headers.mjs";
import { precache } from "./precache.js";

const DEMO = resolve(import.meta.dirname, "demo");
const MODELS = resolve(import.meta.dirname, "../tests/models");
const EMBEDDED = "stories-I2_S.gguf";

function embeddedModel(): Plugin {
  return {
    name: "embedded-model",
    configureServer(server) {
      server.middlewares.use("/models", sirv(MODELS, { dev: true }));
    },
    async generateBundle() {
      this.emitFile({ type: "asset", fileName: `models/${EMBEDDED}`, source: await readFile(resolve(MODELS, EMBEDDED)) });
    },
  };
}

/** Not in development, where Vite puts scripts and styles into the page. */
function contentSecurityPolicy(): Plugin {
  return {
    name: "content-security-policy",
    apply: "build",
    transformIndexHtml: () => [{ tag: "meta", attrs: { "http-equiv": "Content-Security-Policy", content: CONTENT_SECURITY_POLICY }, injectTo: "head-prepend" }],
  };
}

/** The WebAssembly builds are told apart by their folders. */
function engine(file: string): string | undefined {
  return /wasm\/([\w-]+)\/b158_bg\.wasm$/.exec(file)?.[1];
}

export default defineConfig({
  root: DEMO,
  base: "./",
  publicDir: "public",
  plugins: [embeddedModel(), contentSecurityPolicy(), precache(resolve(DEMO, "public"))],
  worker: { format: "es", rolldownOptions: { output: { assetFileNames: ({ originalFileNames: [from = ""] }) => `assets/${engine(from) ?? "[name]"}-[hash][extname]` } } },
  server: { headers: ISOLATION },
  build: {
    outDir: "../dist/demo",
    emptyOutDir: true,
    assetsInlineLimit: 0, // data: addresses are not in the policy
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { index: resolve(DEMO, "index.html"), sw: resolve(DEMO, "sw/sw.ts") },
      output: {
        // A service worker has power over the folder it lies in.
        entryFileNames: ({ name }) => (name === "sw" ? "sw.js" : "assets/[name]-[hash].js"),
      },
    },
  },
});
