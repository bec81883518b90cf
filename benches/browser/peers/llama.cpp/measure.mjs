// llama.cpp natively, as node-llama-cpp ships it compiled for each processor: node measure.mjs FILE THREADS PROMPT_TOKENS TOKENS
// prints a prompt's and a generation's speed as JSON.
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const [file, ...numbers] = process.argv.slice(2);
const [threads, promptTokens, tokens] = numbers.map(Number);
const prompt = Array.from({ length: promptTokens }, (_, index) => (index * 37) % 1000);

const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: threads });
const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 });
const context = await model.createContext({ contextSize: 512, batchSize: 512, threads: { ideal: threads, min: threads } });
const sequence = context.getSequence();

/** The prompt without its last token, which the first generated one needs; the clock starts when that one is out. */
async function measure(prompt, tokens) {
  await sequence.clearHistory();
  const began = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(prompt.slice(0, -1));
  const read = performance.now();
  let generated = 0;
  let first = 0;
  for await (const _ of sequence.evaluate(prompt.slice(-1), { temperature: 0, yieldEogToken: true })) {
    if (generated++ === 0) first = performance.now();
    if (generated === tokens) break;
  }
  return {
    promptTokensPerSecond: (1000 * (prompt.length - 1)) / (read - began),
    generationTokensPerSecond: (1000 * (generated - 1)) / (performance.now() - first),
    promptTokens: prompt.length,
    completionTokens: generated,
  };
}

await measure(prompt.slice(-8), 2);
const result = await measure(prompt, tokens);
console.log(JSON.stringify({ ...result, threads: context.currentThreads, system: llama.systemInfo }));
process.exit(0);
