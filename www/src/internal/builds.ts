/**
 * The WebAssembly builds.
 *
 * An engine validates a module as a whole, so relaxed opcodes live in a build of their own, and so does shared memory, which
 * not every page may have. One literal `import` and one literal `new URL` for each, since bundlers match the syntax.
 */
import { BitNetError } from "../public/errors.js";
import type { Backend } from "../public/types.js";
import type { Endpoint } from "./channel.js";

export type Flavour = Backend | `${Backend}-threads`;

/** The glue that wasm-bindgen writes with `--target web`, of `src/web` of the crate. */
export interface WasmGlue {
  /** Without `memory` it makes one. */
  default: (input: { module_or_path: WebAssembly.Module; memory?: WebAssembly.Memory; thread_stack_size?: number }) => Promise<{ memory: WebAssembly.Memory }>;
  /** Takes over: from here on the port speaks the messages of `protocol.ts`. */
  serve: (port: Endpoint, threads: number, tuned: boolean, why?: string, keepers?: () => Worker) => void;
  /** Only in the builds with threads, as is the next. False: too late. */
  joinPool?: (() => boolean) | undefined;
  /** Never returns. */
  workInPool?: (() => void) | undefined;
}

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

export async function glueOf(flavour: Flavour): Promise<WasmGlue> {
  try {
    return await BUILDS[flavour].glue();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const folder = new URL(".", BUILDS[flavour].url()).href;
    throw new BitNetError("network", `the script of the engine in ${folder} could not be loaded (${why}); check that the server has the wasm folder, and sends its scripts as JavaScript`, { cause });
  }
}
