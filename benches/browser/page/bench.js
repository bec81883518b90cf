// Measures the package as a program that uses it would: through its own exports alone.
import { BitNet } from "/lib/index.js";
import { measurePeers } from "./peers.js";
import { name } from "./stats.js";

/** Tokens of the prompt that is waiting when the file's last byte arrives. */
const FIRST_PROMPT = 16;

/** Any ids do, since the work does not depend on them. A shorter prompt is the beginning of a longer one. */
const ids = (length, vocabulary) => Uint32Array.from({ length }, (_, index) => (index * 37) % Math.min(1000, vocabulary));

/**
 * @param options `{ source, builds: [{ backend, threads: number or "auto" }], rounds, tokens, promptTokens, depths, contextLength?, tokenEmbedding?, peers }`
 * @param tell gets `{ text, done, total }` before each piece of work, and after it `{ results }` with what there is
 */
export async function bench(options, tell) {
  const { builds, rounds, depths, peers } = options;
  const peerRuns = peers.flatMap((peer) => peer.threads.map((threads) => ({ ...peer, threads, rounds: [] })));
  const total = builds.length * (2 + rounds + depths.length * (1 + rounds)) + peerRuns.length * rounds;
  let done = 0;
  const begin = (text) => tell({ text, done: done++, total });

  const runs = [];
  const results = { options, runs, peers: peerRuns };
  const models = [];
  try {
    // All are loaded before the first run, so that the machine's moods fall on all alike.
    for (const build of builds) {
      begin(`${name(build)}: loading`);
      const { model, loadSeconds, lastByte } = await load(options, build);
      models.push(model);
      const { timings } = await model.generate(ids(FIRST_PROMPT, model.info.vocabulary), { temperature: 0, maxTokens: 1 }).result();
      const firstTokenMs = performance.now() - lastByte - timings.prefillMs;
      runs.push({ ...build, options, info: model.info, loadSeconds, firstTokenMs, rounds: [], depths: [] });
    }
    const vocabulary = runs[0]?.info.vocabulary ?? 0;
    const prompt = ids(options.promptTokens, vocabulary);
    for (const [index, model] of models.entries()) {
      begin(`${name(builds[index])}: warming up`);
      await model.generate(prompt, { temperature: 0, maxTokens: options.tokens }).result();
    }
    for (let round = 0; round < rounds; round++) {
      for (const [index, model] of models.entries()) {
        begin(`round ${round + 1} of ${rounds}: ${name(builds[index])}`);
        runs[index].rounds.push(await measure(model, prompt, options.tokens));
      }
      await measurePeers(peerRuns, (run) => begin(`round ${round + 1} of ${rounds}: ${run.name}, ${run.threads} threads`));
      tell({ results });
    }
    for (const depth of depths) {
      await atDepth(models, runs, ids(depth, vocabulary), options, begin);
      tell({ results });
    }
    for (const [index, model] of models.entries()) {
      // At the end: wasm memory never shrinks, so this is the peak.
      const { wasmBytes, weightBytes, kvCacheBytes } = await model.stats();
      runs[index].memory = { wasmBytes, weightBytes, kvCacheBytes, otherBytes: wasmBytes - weightBytes - kvCacheBytes };
    }
  } finally {
    for (const model of models) await model.dispose();
  }
  tell({ results });
  return results;
}


async function load({ source, contextLength, tokenEmbedding }, { backend, threads }) {
  const began = performance.now();
  let lastByte = began;
  // Each phase ends with a report: the download's when all bytes have come.
  const onProgress = ({ phase }) => {
    if (phase === "download") lastByte = performance.now();
  };
  const model = await BitNet.load(source, { backend, threads, cache: false, onProgress, ...(contextLength && { contextLength }), ...(tokenEmbedding && { tokenEmbedding }) });
  if (threads !== "auto" && model.info.threads !== threads) {
    await model.dispose();
    throw new Error(`${threads} threads were asked for, ${model.info.threads} came: ${model.info.whySingleThreaded ?? model.info.notes.join("; ")}`);
  }
  return { model, lastByte, loadSeconds: (performance.now() - began) / 1000 };
}

/** A prompt and a generation, between two measurements of the machine's limits of which the higher counts. */
async function measure(model, prompt, tokens) {
  await model.reset();
  const before = await model.roofline();
  const { timings, usage } = await model.generate(prompt, { temperature: 0, maxTokens: tokens }).result();
  const after = await model.roofline();
  return {
    promptTokensPerSecond: timings.prefillTokensPerSecond,
    generationTokensPerSecond: timings.decodeTokensPerSecond,
    completionTokens: usage.completionTokens,
    limits: {
      ...after,
      readBytesPerSecond: Math.max(before.readBytesPerSecond, after.readBytesPerSecond),
      dotMacsPerSecond: Math.max(before.dotMacsPerSecond, after.dotMacsPerSecond),
      tableMacsPerSecond: Math.max(before.tableMacsPerSecond, after.tableMacsPerSecond),
    },
  };
}

/** Generation behind a long prompt, which is read once: what the KV cache holds of it stays there from round to round. */
async function atDepth(models, runs, prompt, { tokens, rounds }, begin) {
  const depth = prompt.length;
  const generate = (model, maxTokens) => model.generate(prompt, { temperature: 0, maxTokens }).result();
  for (const [index, model] of models.entries()) {
    begin(`${name(runs[index])}: reading a prompt of ${depth}`);
    const { timings } = await generate(model, 1);
    runs[index].depths.push({ depth, promptTokensPerSecond: timings.prefillTokensPerSecond, generation: [] });
  }
  for (let round = 0; round < rounds; round++) {
    for (const [index, model] of models.entries()) {
      begin(`behind ${depth} tokens, round ${round + 1} of ${rounds}: ${name(runs[index])}`);
      const { timings } = await generate(model, tokens);
      runs[index].depths.at(-1).generation.push(timings.decodeTokensPerSecond);
    }
  }
}
