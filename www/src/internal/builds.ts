/**
 * The WebAssembly builds.
 *
 * An engine validates a module as a whole, so relaxed opcodes live in a build of their own, and so does shared memory, which
 * not every page may have. One literal `import` and one literal `new URL` for each, since bundlers match the syntax.
 */
import type { Backend } from "../public/types.js";
import type { WasmGlue } from "./engine.js";

export type Flavour = Backend | `${Backend}-threads`;

interface Build {
  glue: () => Promise<WasmGlue>;
  url: () => URL;
}

export const BUILDS: Record<Flavour, Build> = {
  simd128: {
    glue: () => import("../../wasm/simd128/b158.js"),
    url: () => new URL("../../wasm/simd128/b158_bg.wasm", import.meta.url),
  },
  relaxed: {
    glue: () => import("../../wasm/relaxed/b158.js"),
    url: () => new URL("../../wasm/relaxed/b158_bg.wasm", import.meta.url),
  },
  "simd128-threads": {
    glue: () => import("../../wasm/simd128-threads/b158.js"),
    url: () => new URL("../../wasm/simd128-threads/b158_bg.wasm", import.meta.url),
  },
  "relaxed-threads": {
    glue: () => import("../../wasm/relaxed-threads/b158.js"),
    url: () => new URL("../../wasm/relaxed-threads/b158_bg.wasm", import.meta.url),
  },
};
