/** Picks the WebAssembly build, fetches it, and gets threads for it. */
import { relaxedSimd, simd } from "wasm-feature-detect";
import { BitNetError } from "../public/errors.js";
import type { Backend } from "../public/types.js";
import { BUILDS, glueOf, type WasmGlue } from "./builds.js";
import type { Help } from "./channel.js";
import { chooseThreads } from "./threads.js";
import { isForeign } from "./worker-script.js";

export type OnProgress = (loaded: number, total: number | undefined) => void;

export interface WasmOptions {
  backend: "auto" | Backend;
  wasmUrl: string | undefined;
  threads: "auto" | number;
  onProgress: OnProgress;
  /** Resolves when all helpers that come have joined; with the reason where some have not. */
  startHelpers: (count: number, help: Help) => Promise<string | undefined>;
}

/** A module that runs, with its threads. */
export interface Wasm {
  serve: WasmGlue["serve"];
  /** How many there should be, whether fewer may be faster, and why there are not more. */
  threads: number;
  tuned: boolean;
  why: string | undefined;
}

export async function loadWasm(options: WasmOptions): Promise<Wasm> {
  const { wasmUrl, onProgress } = options;
  const backend = await chooseBackend(options.backend);
  const { count, why } = await chooseThreads(options.threads);
  if (wasmUrl !== undefined) {
    // Which kind of module it is, the file decides.
    const module = await compileEngine(wasmUrl, onProgress);
    const shared = WebAssembly.Module.imports(module).some(({ kind }) => kind === "memory");
    return shared ? threaded(backend, module, count, why, options) : single(backend, module, why ?? "the module of wasmUrl is for one thread");
  }
  const plain = async (why: string | undefined) => single(backend, await compileEngine(BUILDS[backend].url(), onProgress), why);
  if (count === 1) return plain(why);
  const module = await compileEngine(BUILDS[`${backend}-threads`].url(), onProgress);
  try {
    return await threaded(backend, module, count, undefined, options);
  } catch (error) {
    // What WebAssembly.Memory throws where there is no address space.
    if (!(error instanceof RangeError)) throw error;
    return plain(`the browser gave no shared memory (${error.message})`);
  }
}

async function single(backend: Backend, module: WebAssembly.Module, why: string | undefined): Promise<Wasm> {
  const { default: start, serve } = await glueOf(backend);
  try {
    await start({ module_or_path: module });
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new BitNetError("out-of-memory", `the browser gave the engine no memory (${cause.message}); close other tabs, or load again`, { cause });
  }
  return { serve, threads: 1, tuned: false, why };
}

async function threaded(backend: Backend, module: WebAssembly.Module, count: number, why: string | undefined, options: WasmOptions): Promise<Wasm> {
  const flavour = `${backend}-threads` as const;
  const { default: start, serve } = await glueOf(flavour);
  const { memory } = await start({ module_or_path: module });
  if (count > 1) why = await options.startHelpers(count - 1, { flavour, module, memory });
  return { serve, threads: count, tuned: options.threads === "auto", why };
}

async function chooseBackend(backend: "auto" | Backend): Promise<Backend> {
  if (!(await simd())) {
    throw new BitNetError("unsupported-browser", "this browser has no WebAssembly SIMD; use a Chrome, Firefox or Safari (16.4 or newer) of recent years");
  }
  if (backend === "auto") return (await relaxedSimd()) ? "relaxed" : "simd128";
  if (backend === "relaxed" && !(await relaxedSimd())) {
    throw new BitNetError("unsupported-browser", 'this browser has no relaxed SIMD; use backend "auto" or "simd128"');
  }
  return backend;
}

function compileEngine(url: string | URL, onProgress: OnProgress): Promise<WebAssembly.Module> {
  return compile(url, "the engine", "wasmUrl", onProgress);
}

/** `what` it is, and the option that names another address, are for the errors. */
export async function compile(url: string | URL, what: string, option: string, onProgress: OnProgress): Promise<WebAssembly.Module> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch (cause) {
    const allowed = isForeign(url) ? `, that ${new URL(url).origin} sends Access-Control-Allow-Origin with it, and that the page's policy has ${new URL(url).origin} in connect-src` : " and reload";
    throw new BitNetError("network", `${what} at ${String(url)} could not be fetched; check the connection${allowed}`, { cause });
  }
  if (!response.ok) {
    throw new BitNetError("network", `${what} at ${String(url)} answered ${String(response.status)}; check that the server has the wasm folder`);
  }
  try {
    return await WebAssembly.compileStreaming(counted(response, onProgress));
  } catch (cause) {
    if (cause instanceof WebAssembly.CompileError) {
      const type = response.headers.get("content-type") ?? "without a content type";
      throw new BitNetError("network", `what came from ${String(url)} is not ${what}'s WebAssembly (${type}); check that the server has the wasm folder, and ${option} if it is set`, { cause });
    }
    if (!(cause instanceof TypeError)) throw cause;
    throw new BitNetError("network", `${what} at ${String(url)} broke off on its way; check the connection and reload`, { cause });
  }
}

/** The same response, but it reports as it is read. Its length is known only where it was not compressed on the way. */
function counted(response: Response, onProgress: OnProgress): Response {
  const headers = { "content-type": "application/wasm" };
  if (!response.body) return new Response(response.body, { headers });
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
  return new Response(response.body.pipeThrough(counter), { headers });
}
