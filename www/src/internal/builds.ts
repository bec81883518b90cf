/**
 * The WebAssembly builds of the engine, and the module of answers' forms beside them.
 *
 * A browser validates a module as a whole, so relaxed opcodes live in a build of their own, and so does shared memory, which
 * not every page may have. One literal `import` and one literal `new URL` for each, since bundlers match the syntax.
 */
import { BitNetError } from "../public/errors.js";
import type { Backend } from "../public/types.js";
import type { Endpoint } from "./channel.js";
import type { Grammar, Vocabulary } from "./load-grammar.js";

export type Flavour = Backend | `${Backend}-threads`;

/** The glue that wasm-bindgen writes with `--target web`, of `src/web` of the crate. */
export interface WasmGlue {
  /** Without `memory` it makes one. */
  default: (input: { module_or_path: WebAssembly.Module; memory?: WebAssembly.Memory; thread_stack_size?: number }) => Promise<{ memory: WebAssembly.Memory }>;
  /** Takes over: from here on the port speaks the messages of `protocol.ts`. */
  serve: (port: Endpoint, threads: number, tuned: boolean, why?: string, keepers?: () => Worker, forms?: (onProgress: (loaded: number, total: number | undefined) => void) => Promise<Grammar>) => void;
  /** Only in the builds with threads, as is the next. False: too late. */
  joinPool?: (() => boolean) | undefined;
  /** Never returns. */
  workInPool?: (() => void) | undefined;
}

/** The same for `src/grammar/web.rs`. */
export interface GrammarGlue {
  default: (input: { module_or_path: WebAssembly.Module }) => Promise<unknown>;
  Vocabulary: new (...given: Parameters<Grammar["vocabulary"]>) => Vocabulary;
  __wbg_reset_state: () => void;
}

interface Build<Glue> {
  glue: () => Promise<Glue>;
  url: () => URL;
}

export const BUILDS: Record<Flavour, Build<WasmGlue>> = {
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

export const GRAMMAR: Build<GrammarGlue> = {
  glue: () => import("../../wasm/grammar/grammar.js"),
  url: () => new URL("../../wasm/grammar/grammar_bg.wasm", import.meta.url),
};

export function glueOf(flavour: Flavour): Promise<WasmGlue> {
  return glue(BUILDS[flavour], "the engine");
}

export function grammarGlue(): Promise<GrammarGlue> {
  return glue(GRAMMAR, "the grammar module");
}

async function glue<Glue>(build: Build<Glue>, what: string): Promise<Glue> {
  try {
    return await build.glue();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const folder = new URL(".", build.url()).href;
    throw new BitNetError("network", `the script of ${what} in ${folder} could not be loaded (${why}); check that the server has the wasm folder, and sends its scripts as JavaScript`, { cause });
  }
}
