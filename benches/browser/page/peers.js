// Other engines. @wllama/wllama is llama.cpp compiled to WebAssembly, loaded anew for each round, since its files are large;
// programs run outside, where run.mjs calls them.

const FOLDER = "/peers/wllama/node_modules/@wllama/wllama/esm";
/** Digits are tokens of their own in the synthetic vocabulary: nothing merges them. The first token is that of the beginning of a text. */
const prompt = (tokens, first) => first + "1234567890".repeat(Math.ceil(tokens / 10)).slice(0, tokens - 2);
const QUIET = { debug: () => undefined, log: () => undefined, warn: () => undefined, error: (...all) => console.error(...all) };

/** Adds a round to each of `runs`: `{ native, file, threads, promptTokens, tokens, rounds }`. */
export async function measurePeers(runs, begin) {
  for (const run of runs) {
    begin(run);
    run.rounds.push(run.native ? await window.measureNative(run) : await measureWllama(run));
  }
}

async function measureWllama({ file, threads, promptTokens, tokens }) {
  const { Wllama } = await import(`${FOLDER}/index.js`);
  const model = [...document.getElementById("peer-files").files].find(({ name }) => name === file);
  const wllama = new Wllama({ default: `${FOLDER}/wasm/wllama.wasm` }, { logger: QUIET, suppressNativeLog: true });
  const began = performance.now();
  try {
    await wllama.loadModel([model], { n_ctx: 512, n_batch: 128, n_threads: threads, n_gpu_layers: 0 });
    const loadSeconds = (performance.now() - began) / 1000;
    const complete = (text, count) => wllama.createCompletion({ prompt: text, max_tokens: count, temperature: 0 });
    // Another text: the one that is measured must not be in the cache.
    await complete(prompt(8, "="), 2);
    const { timings } = await complete(prompt(promptTokens, "+"), tokens);
    if (wllama.getNumThreads() !== threads) throw new Error(`wllama runs ${wllama.getNumThreads()} threads instead of ${threads}`);
    return {
      promptTokensPerSecond: timings.prompt_per_second,
      generationTokensPerSecond: timings.predicted_per_second,
      promptTokens: timings.prompt_n,
      completionTokens: timings.predicted_n,
      loadSeconds,
    };
  } finally {
    await wllama.exit();
  }
}
