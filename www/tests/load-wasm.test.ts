// The engine's module from the network: what comes may be something else.
import { afterEach, describe, expect, it, vi } from "vitest";
import { loadWasm } from "../src/internal/load-wasm.js";

vi.mock("../src/internal/builds.js", () => {
  const glue = () => Promise.resolve({ default: () => Promise.reject(new RangeError("could not allocate memory")) });
  return { BUILDS: { simd128: { glue } }, glueOf: glue };
});

/** The smallest module that there is. */
const EMPTY = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

function load(answer: () => Response) {
  vi.stubGlobal("fetch", () => Promise.resolve(answer()));
  const startHelpers = () => Promise.resolve(undefined);
  return loadWasm({ backend: "simd128", wasmUrl: "https://localhost/b158.wasm", threads: 1, onProgress: () => undefined, startHelpers });
}

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("the engine's module", () => {
  it.each([
    ["a web page", () => new Response("<!doctype html>", { headers: { "content-type": "text/html" } }), "text/html"],
    ["nothing", () => new Response(new Uint8Array()), "not the engine's WebAssembly"],
    ["half a module", () => new Response(EMPTY.slice(0, 6)), "not the engine's WebAssembly"],
    ["an error", () => new Response("", { status: 404 }), "404"],
  ])("that is %s is no crash: the error says what to look at", async (_, answer, words) => {
    await expect(load(answer)).rejects.toMatchObject({ name: "BitNetError", code: "network", message: expect.stringContaining(words) as string });
  });

  it("that gets no memory says so, by the code that a load is tried again for", async () => {
    const module = () => new Response(EMPTY);
    await expect(load(module)).rejects.toMatchObject({ code: "out-of-memory", message: expect.stringContaining("could not allocate memory") as string });
  });

  it("that breaks off is an error of the network", async () => {
    const broken = () =>
      new Response(
        new ReadableStream({
          start(controller) {
            controller.enqueue(EMPTY.slice(0, 4));
            controller.error(new TypeError("network error"));
          },
        }),
      );
    await expect(load(broken)).rejects.toMatchObject({ code: "network", message: expect.stringContaining("broke off") as string });
  });
});
