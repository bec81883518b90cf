// Loads a large GGUF in the demo page and prints what it took, as JSON:
//   node measure-memory.mjs --file MODEL.gguf | --address URL  [--context N] [--backend simd128|relaxed] [--threads N] [--tokens 32]
//     [--prompt-tokens 128] [--token-embedding q8_0]
import { statSync } from "node:fs";
import { parseArgs } from "node:util";
import { inDemo } from "./measure.js";

const { values } = parseArgs({
  options: {
    file: { type: "string" },
    address: { type: "string" },
    context: { type: "string", default: "" },
    backend: { type: "string", default: "auto" },
    threads: { type: "string", default: "auto" },
    tokens: { type: "string", default: "32" },
    "token-embedding": { type: "string", default: "file" },
    "prompt-tokens": { type: "string", default: "128" },
  },
});
if ((values.file === undefined) === (values.address === undefined)) throw new Error("give one of --file and --address");

const measured = await inDemo(values.file, (page, fileUrl) =>
  page.evaluate(
    async ({ address, contextLength, backend, threads, tokens, promptTokens, tokenEmbedding }) => {
      const began = performance.now();
      const model = await window.b158.BitNet.load(address, { backend, threads, tokenEmbedding, ...(contextLength && { contextLength }) });
      const loadSeconds = (performance.now() - began) / 1000;
      const prompt = Uint32Array.from({ length: promptTokens }, (_, index) => (index * 37) % Math.min(1000, model.info.vocabulary));
      const { timings, usage } = await model.generate(prompt, { temperature: 0, maxTokens: tokens }).result();
      // After the generation: wasm memory never shrinks, so this is the peak.
      const { wasmBytes, weightBytes, kvCacheBytes } = await model.stats();
      return {
        backend: model.info.backend,
        threads: model.info.threads,
        contextLength: model.info.contextLength,
        weightBytes,
        kvCacheBytes,
        wasmBytes,
        overheadBytes: wasmBytes - weightBytes - kvCacheBytes,
        loadSeconds,
        completionTokens: usage.completionTokens,
        tokensPerSecond: timings.decodeTokensPerSecond,
        prefillTokensPerSecond: timings.prefillTokensPerSecond,
      };
    },
    {
      address: fileUrl ?? values.address,
      contextLength: Number(values.context),
      backend: values.backend,
      threads: values.threads === "auto" ? "auto" : Number(values.threads),
      tokens: Number(values.tokens),
      promptTokens: Number(values["prompt-tokens"]),
      tokenEmbedding: values["token-embedding"],
    },
  ),
);
const fileBytes = values.file === undefined ? undefined : statSync(values.file).size;
console.log(JSON.stringify({ fileBytes, ...measured }, undefined, 2));
