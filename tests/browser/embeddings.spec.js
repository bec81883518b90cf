// Vectors of texts in a real browser: those of the native program, beside generations, and given up in the middle.
import { expect, test } from "./package.js";

const TEXTS = ["A fox sat in the park.", "Once upon a time", "A fox sat in the park."];

test("texts become vectors, the same on either build and with any threads", async ({ page }) => {
  const found = await page.evaluate(async (texts) => {
    const { BitNet, MODEL } = window.lab;
    const made = [];
    for (const options of [{ backend: "simd128", threads: 1 }, { backend: "relaxed", threads: 2 }]) {
      const model = await BitNet.load(MODEL, options);
      const { vectors, usage, notes } = await model.embed(texts);
      const short = await model.embed(texts[0], { dimensions: 5 });
      const ids = await model.embed([await model.tokenize(texts[1])]);
      const { data } = await model.embeddings.create({ input: texts, encoding_format: "base64" });
      made.push({ vectors: vectors.map((vector) => Array.from(vector)), usage, notes, short: Array.from(short.vectors[0]), ids: ids.vectors.length, data });
      await model.dispose();
    }
    return made;
  }, TEXTS);
  const [one, other] = found;
  expect(other).toEqual(one);
  expect(one.vectors.map((vector) => vector.length)).toEqual([256, 256, 256]);
  for (const vector of [...one.vectors, one.short]) expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
  expect(one.vectors[2]).toEqual(one.vectors[0]);
  expect(one.vectors[1]).not.toEqual(one.vectors[0]);
  expect(one.short.length).toBe(5);
  expect(one.usage.promptTokens).toBeGreaterThan(10);
  expect(one.notes).toEqual([expect.stringContaining("no embedding model")]);
  const decoded = new Float32Array(Uint8Array.from(Buffer.from(one.data[1].embedding, "base64")).buffer);
  expect(Array.from(decoded)).toEqual(one.vectors[1]);
});

test("vectors leave conversations alone, can be given up, and say what is wrong", async ({ page }) => {
  const found = await page.evaluate(async (texts) => {
    const { BitNet, MODEL } = window.lab;
    const model = await BitNet.load(MODEL);
    const prompt = "Once upon a time, there was a brave fox named Pip.";
    const before = await model.generate(prompt, { temperature: 0, maxTokens: 10 }).result();
    const [said] = await Promise.all([model.generate(prompt, { temperature: 0, maxTokens: 10 }).result(), model.embed(texts)]);
    const after = await model.generate(prompt, { temperature: 0, maxTokens: 10 }).result();
    const controller = new AbortController();
    const many = model.embed(Array.from({ length: 5000 }, () => prompt), { signal: controller.signal }).catch((error) => error.message);
    const early = model.embed(texts, { signal: AbortSignal.timeout(1) }).catch((error) => error.name);
    await model.tokenize("the worker listens");
    controller.abort(new Error("enough"));
    const [given, timedOut] = [await many, await early];
    const refused = await model.embed([texts[0], "fox ".repeat(600)]).catch(({ code, message }) => ({ code, message }));
    const wide = await model.embed(texts[0], { dimensions: 257 }).catch(({ code }) => code);
    const again = await model.embed(texts);
    await model.dispose();
    return { before, said, after, given, timedOut, refused, wide, again: again.vectors.length };
  }, TEXTS);
  for (const { text } of [found.said, found.after]) expect(text).toBe(found.before.text);
  expect(found.after.usage.cachedTokens).toBeGreaterThan(0);
  expect(found.given).toBe("enough");
  expect(found.timedOut).toBe("TimeoutError");
  expect(found.refused).toMatchObject({ code: "context-overflow", message: expect.stringContaining("text 2: ") });
  expect(found.wide).toBe("invalid-argument");
  expect(found.again).toBe(3);
});
