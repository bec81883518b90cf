// Prompt and generation speed of a large GGUF with several numbers of threads, alternating in one tab, as medians and ratios to the first:
//   node measure-threads.mjs --file MODEL.gguf  [--threads 1,2] [--rounds 5] [--backend simd128|relaxed] [--tokens 32] [--prompt-tokens 128]
import { parseArgs } from "node:util";
import { inDemo } from "./measure.js";

const { values } = parseArgs({
  options: {
    file: { type: "string" },
    threads: { type: "string", default: "1,2" },
    rounds: { type: "string", default: "5" },
    backend: { type: "string", default: "auto" },
    tokens: { type: "string", default: "32" },
    "prompt-tokens": { type: "string", default: "128" },
  },
});
if (values.file === undefined) throw new Error("give a model: --file MODEL.gguf");

const runs = await inDemo(values.file, (page, fileUrl) =>
  page.evaluate(
    async ({ address, counts, rounds, backend, tokens, promptTokens }) => {
      // A model for each number, all loaded at once, so that the machine's moods fall on all of them alike.
      const models = [];
      for (const threads of counts) models.push(await window.b158.BitNet.load(address, { backend, threads }));
      const prompt = Uint32Array.from({ length: promptTokens }, (_, index) => (index * 37) % Math.min(1000, models[0].info.vocabulary));
      const runs = models.map(({ info }) => ({ backend: info.backend, threads: info.threads, prompt: [], generation: [] }));
      for (let round = -1; round < rounds; round++) {
        for (const [index, model] of models.entries()) {
          await model.reset();
          const { timings } = await model.generate(prompt, { temperature: 0, maxTokens: tokens }).result();
          if (round < 0) continue; // the code is warm from here on
          runs[index].prompt.push(timings.prefillTokensPerSecond);
          runs[index].generation.push(timings.decodeTokensPerSecond);
        }
      }
      return runs;
    },
    {
      address: fileUrl,
      counts: values.threads.split(",").map(Number),
      rounds: Number(values.rounds),
      backend: values.backend,
      tokens: Number(values.tokens),
      promptTokens: Number(values["prompt-tokens"]),
    },
  ),
);
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
for (const { backend, threads, prompt, generation } of runs) {
  const ratio = (now, first) => `${median(now).toFixed(2)} tok/s (× ${(median(now) / median(first)).toFixed(2)}; ${now.map((n) => n.toFixed(2)).join(" ")})`;
  console.log(`${backend}, ${threads} threads: prompt ${ratio(prompt, runs[0].prompt)}, generation ${ratio(generation, runs[0].generation)}`);
}
