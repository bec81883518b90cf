// Estimates in a real browser: from how much of the file, and against what loading then takes.
import { expect, test } from "./package.js";

const MODEL = "/models/stories-I2_S.gguf";
/** Most that the estimate may be above what is taken: the module's own part is a round number. */
const SLACK = 3 << 20;

test("an estimate reads the header, and says what loading then takes", async ({ page }) => {
  const asked = [];
  page.on("request", (request) => {
    if (request.url().endsWith(".gguf")) asked.push(request.headers().range);
  });
  for (const options of [{}, { tokenEmbedding: "int8", contextLength: 100, kvCache: "f32" }]) {
    const { estimate, info, stats } = await page.evaluate(
      async ({ model, options }) => {
        const { BitNet } = window.lab;
        const estimate = await BitNet.estimate(model, options);
        const loaded = await BitNet.load(model, { ...options, threads: 1 });
        // To the end of the context.
        await loaded.generate("Once upon a time", { temperature: 0.7, seed: 1 }).result();
        const stats = await loaded.stats();
        await loaded.dispose();
        return { estimate, info: loaded.info, stats };
      },
      { model: MODEL, options },
    );
    for (const field of ["architecture", "name", "parameters", "quantization", "contextLength", "trainedContextLength", "weightBytes", "kvCacheBytes", "kvCache"]) {
      expect(estimate[field], field).toBe(info[field]);
    }
    expect(estimate.fits).toBe(true);
    expect(estimate.why).toBeUndefined();
    expect(stats.wasmBytes).toBeLessThanOrEqual(estimate.wasmBytes);
    expect(stats.wasmBytes).toBeGreaterThan(estimate.wasmBytes - SLACK);
  }
  expect(asked).toContain("bytes=0-1048575");
});

test("a KV cache has 8 bits where f16 would not fit the device, and notes say so", async ({ page }) => {
  const { f16, q8, ...found } = await page.evaluate(async (model) => {
    const { BitNet } = window.lab;
    const device = (bytes) => Object.defineProperty(navigator, "deviceMemory", { value: (2 * bytes) / 2 ** 30, configurable: true });
    const [f16, q8] = [await BitNet.estimate(model, { kvCache: "f16" }), await BitNet.estimate(model, { kvCache: "q8_0" })];
    const of = async (bytes, kvCache) => {
      device(bytes);
      const estimate = await BitNet.estimate(model, { kvCache });
      const loaded = await BitNet.load(model, { kvCache });
      const { metrics } = await loaded.verify({ prompts: ["Once"], maxTokens: 1 });
      await loaded.dispose();
      return { estimate, info: loaded.info, verified: metrics.kvCache };
    };
    const outcome = { f16, q8, roomy: await of(f16.wasmBytes, "auto"), narrow: await of(f16.wasmBytes - 1), asked: await of(1, "f16") };
    delete navigator.deviceMemory;
    return outcome;
  }, MODEL);
  for (const { estimate, info, verified } of Object.values(found)) {
    expect([estimate.kvCache, estimate.kvCacheBytes, verified]).toEqual([info.kvCache, info.kvCacheBytes, info.kvCache]);
    expect(info.notes.some((note) => note.includes("held in 8 bits (q8_0)"))).toBe(info === found.narrow.info);
  }
  expect(found.roomy.estimate.wasmBytes).toBe(f16.wasmBytes);
  expect(found.narrow.estimate.wasmBytes).toBe(q8.wasmBytes);
  expect([found.roomy.info.kvCache, found.narrow.info.kvCache, found.asked.info.kvCache]).toEqual(["f16", "q8_0", "f16"]);
});

test("what does not fit is told by the estimate, and refused by the load at its header", async ({ page }) => {
  const outcome = await page.evaluate(
    async ({ model, overrides }) => {
      const { BitNet } = window.lab;
      const options = { contextLength: 2 ** 23, overrides };
      const { fits, why, wasmBytes } = await BitNet.estimate(model, options);
      const error = await BitNet.load(model, { ...options, cache: false }).catch((error) => error);
      return { fits, why, wasmBytes, code: error.code, message: error.message };
    },
    { model: MODEL, overrides: ["bitnet-b1.58.context_length=int:16777216"] },
  );
  expect(outcome.fits).toBe(false);
  expect(outcome.wasmBytes).toBeGreaterThan(2 ** 32);
  expect(outcome.why).toMatch(/a KV cache of q8_0, 4294967296 are possible; a context of \d+ would fit/);
  expect(outcome).toMatchObject({ code: "out-of-memory", message: outcome.why });
  // The context that it names is right.
  const context = Number(/a context of (\d+) would fit/.exec(outcome.why)[1]);
  const fitting = await page.evaluate(
    async ({ model, contextLength }) => window.lab.BitNet.estimate(model, { contextLength, overrides: ["bitnet-b1.58.context_length=int:16777216"] }),
    { model: MODEL, contextLength: context },
  );
  expect(fitting.fits).toBe(true);
});
