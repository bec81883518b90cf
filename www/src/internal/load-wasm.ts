/**
 * Picks the WebAssembly build and fetches it.
 *
 * An engine validates a module as a whole, so relaxed opcodes live in a build of their own. One literal `import` and one
 * literal `new URL` for each, since bundlers match the syntax.
 */
import { relaxedSimd, simd } from "wasm-feature-detect";
import { BitNetError } from "../public/errors.js";
import type { Backend } from "../public/types.js";
import type { EngineModule, WasmGlue } from "./engine.js";

interface Build {
  glue: () => Promise<WasmGlue>;
  url: () => URL;
}

const BUILDS: Record<Backend, Build> = {
  simd128: {
    glue: () => import("../../wasm/simd128/b158.js"),
    url: () => new URL("../../wasm/simd128/b158_bg.wasm", import.meta.url),
  },
  relaxed: {
    glue: () => import("../../wasm/relaxed/b158.js"),
    url: () => new URL("../../wasm/relaxed/b158_bg.wasm", import.meta.url),
  },
};

export interface WasmOptions {
  backend: "auto" | Backend;
  wasmUrl: string | undefined;
  onProgress: (loaded: number, total: number | undefined) => void;
}

export async function loadWasm({ backend, wasmUrl, onProgress }: WasmOptions): Promise<EngineModule> {
  const build = BUILDS[await choose(backend)];
  const glue = await build.glue();
  const url = wasmUrl ?? build.url();
  let response: Response;
  try {
    response = await fetch(url);
  } catch (cause) {
    throw new BitNetError("network", `the engine at ${String(url)} could not be fetched; check the connection and reload`, { cause });
  }
  if (!response.ok) {
    throw new BitNetError("network", `the engine at ${String(url)} answered ${String(response.status)}; check that the server has the wasm folder`);
  }
  await glue.default({ module_or_path: counted(response, onProgress) });
  return { createLoader: (options) => new glue.Loader(options) };
}

async function choose(backend: "auto" | Backend): Promise<Backend> {
  if (!(await simd())) {
    throw new BitNetError("unsupported-browser", "this browser has no WebAssembly SIMD; use a Chrome, Firefox or Safari (16.4 or newer) of recent years");
  }
  if (backend === "auto") return (await relaxedSimd()) ? "relaxed" : "simd128";
  if (backend === "relaxed" && !(await relaxedSimd())) {
    throw new BitNetError("unsupported-browser", 'this browser has no relaxed SIMD; use backend "auto" or "simd128"');
  }
  return backend;
}

/** The same response, but it reports as it is read. Its length is known only where it was not compressed on the way. */
function counted(response: Response, onProgress: WasmOptions["onProgress"]): Response {
  if (!response.body) return response;
  const length = Number(response.headers.get("content-length"));
  const total = length > 0 && !response.headers.has("content-encoding") ? length : undefined;
  let loaded = 0;
  const counter = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      loaded += chunk.byteLength;
      onProgress(loaded, total);
      controller.enqueue(chunk);
    },
  });
  return new Response(response.body.pipeThrough(counter), { headers: { "content-type": "application/wasm" } });
}
