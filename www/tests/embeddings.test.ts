// Vectors of texts, asked for in this package's own words and in OpenAI's.
import { afterEach, describe, expect, it } from "vitest";
import { BitNet, type BitNetError, type EmbeddingCreateParams, type EmbedInput, type EmbedOptions } from "../src/public/index.js";
import { fakeWorker } from "../src/public/testing.js";

const models: BitNet[] = [];
async function load(options = {}): Promise<BitNet> {
  const model = await BitNet.load(new Blob(["GGUF"]), { worker: fakeWorker(options) });
  models.push(model);
  return model;
}
afterEach(async () => {
  await Promise.all(models.splice(0).map((model) => model.dispose()));
});

const dot = (a: readonly number[] | Float32Array, b: readonly number[] | Float32Array) => Array.from(a).reduce((sum, x, index) => sum + x * (b[index] ?? NaN), 0);

describe("embed", () => {
  it("gives a vector of length one for each text, in order", async () => {
    const model = await load();
    const { vectors, usage, notes } = await model.embed(["the dog ran", "a cat", "the dog ran"]);
    expect(vectors).toHaveLength(3);
    for (const vector of vectors) expect(dot(vector, vector)).toBeCloseTo(1, 5);
    expect(vectors[2]).toEqual(vectors[0]);
    expect(vectors[1]).not.toEqual(vectors[0]);
    expect(usage.promptTokens).toBe(8);
    expect(notes).toEqual(["it is a fake"]);
  });

  it("takes one text, and token ids", async () => {
    const model = await load();
    const one = await model.embed("the dog");
    const ids = await model.embed([await model.tokenize("the dog")]);
    expect(ids.vectors).toEqual(one.vectors);
    expect((await model.embed(await model.tokenize("the dog"))).vectors).toEqual(one.vectors);
  });

  it("gives shorter vectors of the same length", async () => {
    const model = await load();
    const [vector] = (await model.embed("the dog ran to the park", { dimensions: 3 })).vectors;
    expect(vector).toHaveLength(3);
    expect(dot(vector ?? [], vector ?? [])).toBeCloseTo(1, 5);
    await expect(model.embed("the dog", { dimensions: 9 })).rejects.toMatchObject({ code: "invalid-argument" });
  });

  it("waits for the generations before it, and leaves their session alone", async () => {
    const model = await load();
    const said = model.generate("the dog", { maxTokens: 20, seed: 1 });
    const made = model.embed("a cat");
    await made;
    const { usage } = await said.result();
    expect(usage.completionTokens).toBe(20);
    const again = await model.generate("the dog", { maxTokens: 20, seed: 1 }).result();
    expect(again.usage.cachedTokens).toBeGreaterThan(0);
  });

  it("is given up by its signal, while it waits and before it begins; the engine goes on", async () => {
    const model = await load();
    const controller = new AbortController();
    const said = model.generate("the dog", { maxTokens: 20 });
    const made = model.embed("a cat", { signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(made).rejects.toThrow("enough");
    await expect(model.embed("a cat", { signal: controller.signal })).rejects.toThrow("enough");
    await said.result();
    expect((await model.embed("a cat")).vectors).toHaveLength(1);
  });

  it("rejects when the model goes", async () => {
    const model = await load();
    const made = model.embed("a cat");
    await model.dispose();
    await expect(made).rejects.toMatchObject({ code: "disposed" });
    await expect(model.embed("a cat")).rejects.toMatchObject({ code: "disposed" });
  });

  it("says which text is too long", async () => {
    const model = await load({ contextLength: 4 });
    await expect(model.embed(["the dog", "the dog and the cat ran"])).rejects.toMatchObject({ code: "context-overflow", message: expect.stringContaining("text 2") as string });
  });

  it.each<[unknown, EmbedOptions | undefined, string]>([
    [[], undefined, "input is an empty array"],
    [undefined, undefined, "input is undefined"],
    [7, undefined, "input is 7"],
    [["a", 7], undefined, "input[1] is 7; it may be a string, or token ids"],
    [[null], undefined, "input[0] is null"],
    ["a", { dimensions: 0 }, "dimensions is 0; it may be a whole number from 1"],
    ["a", { dims: 3 } as EmbedOptions, "do you mean dimensions?"],
  ])("refuses %j with %j", async (texts, options, words) => {
    const model = await load();
    const error = await model.embed(texts as EmbedInput, options).catch((error: unknown) => error as BitNetError);
    expect(error).toMatchObject({ code: "invalid-argument", message: expect.stringContaining(words) as string });
  });
});

describe("embeddings.create", () => {
  it("answers in OpenAI's shape", async () => {
    const model = await load();
    const { vectors } = await model.embed(["the dog", "a cat"]);
    const answer = await model.embeddings.create({ input: ["the dog", "a cat"], model: "any", encoding_format: null, user: "me" });
    expect(answer).toEqual({
      object: "list",
      data: vectors.map((vector, index) => ({ object: "embedding", index, embedding: Array.from(vector) })),
      model: "fake",
      usage: { prompt_tokens: 4, total_tokens: 4 },
      notes: ["it is a fake"],
    });
  });

  it("takes a text, texts, ids and lists of ids", async () => {
    const model = await load();
    const ids = Array.from(await model.tokenize("the dog"));
    const asked = async (input: EmbeddingCreateParams["input"]) => (await model.embeddings.create({ input })).data.map(({ embedding }) => embedding);
    const [one] = await asked("the dog");
    for (const input of [["the dog"], ids, [ids]]) expect(await asked(input)).toEqual([one]);
    expect(await asked([ids, ids])).toEqual([one, one]);
  });

  it("writes base64 of little-endian floats", async () => {
    const model = await load();
    const { data } = await model.embeddings.create({ input: "the dog", encoding_format: "base64", dimensions: 4 });
    const bytes = Uint8Array.from(atob(data[0]?.embedding ?? ""), (character) => character.charCodeAt(0));
    const [vector] = (await model.embed("the dog", { dimensions: 4 })).vectors;
    expect(new Float32Array(bytes.buffer)).toEqual(vector);
  });

  it.each<[object, string]>([
    [{}, "input is undefined"],
    [{ input: [] }, "input is an empty array"],
    [{ input: ["a", 1] }, "input[1] is 1"],
    [{ input: [1, "a"] }, "input[1]"],
    [{ input: [[]] }, "input[0] is an empty array"],
    [{ input: "a", encoding_format: "hex" }, 'encoding_format is "hex"; it may be "float" or "base64"'],
    [{ input: "a", signal: AbortSignal.abort() }, "second argument"],
  ])("refuses %j", async (params, words) => {
    const model = await load();
    const error = await model.embeddings.create(params as EmbeddingCreateParams).catch((error: unknown) => error as BitNetError);
    expect(error).toMatchObject({ code: "invalid-argument", message: expect.stringContaining(words) as string });
  });

  it("is given up by its signal", async () => {
    const model = await load();
    await expect(model.embeddings.create({ input: "a" }, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
  });
});
