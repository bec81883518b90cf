import type { KvCacheType, LoadOptions, TokenEmbedding } from "b158";
import { byId } from "./dom.js";

/** What stands under Advanced, for the next model that is loaded. */
export function loadOptions(): LoadOptions {
  const contextLength = byId("context-length", HTMLInputElement).valueAsNumber;
  const threads = byId("thread-count", HTMLInputElement).valueAsNumber;
  const overrides = byId("overrides", HTMLTextAreaElement)
    .value.split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  return {
    kvCache: byId("kv-cache", HTMLSelectElement).value as "auto" | KvCacheType,
    tokenEmbedding: byId("embedding", HTMLSelectElement).value as TokenEmbedding,
    backend: byId("backend", HTMLSelectElement).value as "auto" | "simd128" | "relaxed",
    ...(Number.isFinite(threads) && { threads }),
    ...(Number.isFinite(contextLength) && { contextLength }),
    ...(overrides.length > 0 && { overrides }),
  };
}
