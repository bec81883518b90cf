import { afterEach, describe, expect, it, vi } from "vitest";
import type { Sent } from "../src/internal/channel.js";
import { BitNet, BitNetError, type GenerateOptions, type LoadProgress, type Token } from "../src/public/index.js";
import { fakeWorker, type FakeEngineOptions } from "../src/public/testing.js";

const models: BitNet[] = [];
async function load(fake: FakeEngineOptions = {}, worker = fakeWorker(fake)): Promise<BitNet> {
  const model = await BitNet.load(new Blob(["GGUF and more"]), { worker });
  models.push(model);
  return model;
}
afterEach(async () => {
  await Promise.all(models.splice(0).map((model) => model.dispose()));
});

async function text(tokens: AsyncIterable<Token>): Promise<string> {
  let all = "";
  for await (const token of tokens) all += token.text;
  return all;
}

function streamOf(...sizes: number[]): ReadableStream<Uint8Array> {
  let first = true;
  return new ReadableStream({
    pull(controller) {
      const size = sizes.shift();
      if (size === undefined) {
        controller.close();
        return;
      }
      const chunk = new Uint8Array(size);
      if (first) chunk.set(new TextEncoder().encode("GGUF"));
      first = false;
      controller.enqueue(chunk);
    },
  });
}

describe("load", () => {
  it("reads every byte of a stream, however it is cut", async () => {
    const sizes = [4, 1, 3_000_000, 7, 1 << 20];
    const sum = sizes.reduce((a, b) => a + b);
    const model = await BitNet.load(streamOf(...sizes), { worker: fakeWorker() });
    models.push(model);
    expect(model.info.weightBytes).toBe(sum);
  });

  it("leaves the fraction out while the length is unknown", async () => {
    const seen: LoadProgress[] = [];
    models.push(await BitNet.load(streamOf(10, 20), { worker: fakeWorker(), onProgress: (p) => seen.push(p) }));
    const download = seen.filter((p) => p.phase === "download");
    expect(download.length).toBeGreaterThan(0);
    for (const p of download) {
      expect(p).not.toHaveProperty("fraction");
      expect(Object.values(p)).not.toContain(NaN);
    }
    expect(seen.at(-1)).toMatchObject({ phase: "ready", loaded: 30, fraction: 1 });
  });

  it("has a few megabytes in flight at most, while the worker is slow", async () => {
    const worker = fakeWorker();
    const send = worker.postMessage.bind(worker);
    const held: { message: Sent; transfer: Transferable[] }[] = [];
    let most = 0;
    worker.postMessage = (message: Sent, transfer?: unknown) => {
      held.push({ message, transfer: transfer as Transferable[] });
      most = Math.max(most, held.filter(({ message }) => message.type === "chunk").length);
    };
    const slowly = setInterval(() => {
      const next = held.shift();
      if (next) send(next.message, next.transfer);
    }, 1);
    const model = await BitNet.load(streamOf(...Array.from({ length: 20 }, () => 1 << 20)), { worker });
    clearInterval(slowly);
    models.push(model);
    expect(model.info.weightBytes).toBe(20 << 20);
    expect(most).toBe(4);
  });

  it("names what is wrong with the bytes", async () => {
    await expect(BitNet.load(new Blob(["<html>"]), { worker: fakeWorker() })).rejects.toMatchObject({ name: "BitNetError", code: "format" });
    await expect(BitNet.load(new Blob([]), { worker: fakeWorker() })).rejects.toMatchObject({ code: "format" });
  });

  it("stops reading when the bytes are wrong", async () => {
    const cancelled = vi.fn();
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        controller.enqueue(new Uint8Array(1 << 18));
      },
      cancel: cancelled,
    });
    await expect(BitNet.load(endless, { worker: fakeWorker() })).rejects.toMatchObject({ code: "format" });
    expect(cancelled).toHaveBeenCalledOnce();
  });

  it("ends with the reason of the signal, and ends the worker and the stream", async () => {
    const worker = fakeWorker();
    const terminate = vi.spyOn(worker, "terminate");
    const cancelled = vi.fn();
    const never = new ReadableStream<Uint8Array>({ cancel: cancelled });
    const abort = new AbortController();
    const loading = BitNet.load(never, { worker, signal: abort.signal });
    setTimeout(() => { abort.abort(); }, 10);
    await expect(loading).rejects.toMatchObject({ name: "AbortError" });
    expect(terminate).toHaveBeenCalledOnce();
    expect(cancelled).toHaveBeenCalledOnce();
  });

  it("hands over each type of KV cache", async () => {
    for (const [kvCache, bytes] of [["f16", 128], ["f32", 256], ["q8_0", 64]] as const) {
      const model = await BitNet.load(new Blob(["GGUF"]), { worker: fakeWorker(), contextLength: 64, kvCache });
      models.push(model);
      expect(model.info).toMatchObject({ kvCache, kvCacheBytes: bytes });
    }
  });

  it("hands the options to the loader", async () => {
    const model = await BitNet.load(new Blob(["GGUF"]), { worker: fakeWorker(), contextLength: 64, kvCache: "f32", overrides: ["a=int:1"] });
    models.push(model);
    expect(model.info).toMatchObject({ contextLength: 64, kvCache: "f32", notes: ["override a=int:1"] });
  });
});

describe("generate", () => {
  it("streams tokens, and gives the whole at the end", async () => {
    const model = await load({ answerLength: 12 });
    const generation = model.generate("a dog");
    const streamed = await text(generation);
    const result = await generation.result();
    expect(result.text).toBe(streamed);
    expect(result).toMatchObject({ finishReason: "stop", usage: { promptTokens: 2, completionTokens: 12 } });
    expect(await text(generation)).toBe(streamed); // late iteration loses nothing
    expect((await model.stats()).timings).toEqual(result.timings);
  });

  it("says the same for the same seed, something else for another", async () => {
    const model = await load();
    const [a, b, c] = await Promise.all([1, 1, 2].map((seed) => text(model.generate("the cat", { seed, temperature: 1 }))));
    expect(a).toBe(b);
    expect(c).not.toBe(a);
  });

  it("takes messages and ids", async () => {
    const model = await load({ answerLength: 1 });
    const talk = await model.generate([{ role: "user", content: "a b c" }]).result();
    const ids = await model.generate(await model.tokenize("one two")).result();
    expect([talk.usage.promptTokens, ids.usage.promptTokens]).toEqual([3, 2]);
  });

  it("leaves out options that are undefined", async () => {
    const worker = fakeWorker();
    const model = await load({}, worker);
    const send = vi.spyOn(worker, "postMessage");
    const careless = { seed: undefined, maxTokens: 1 } as unknown as GenerateOptions;
    await model.generate("go", careless).result();
    expect(send.mock.calls[0]?.[0]).toMatchObject({ type: "generate" });
    const { request } = (send.mock.calls[0]?.[0] as { body: { request: object } }).body;
    expect(request).toEqual({ prompt: "go", maxTokens: 1 });
    expect(request).not.toHaveProperty("seed");
  });

  it("is cancelled by break, and the next one runs", async () => {
    const model = await load({ answerLength: Infinity, contextLength: 1e9 });
    const generation = model.generate("go");
    for await (const token of generation) {
      expect(token.text).not.toBe("");
      break;
    }
    expect((await generation.result()).finishReason).toBe("cancelled");
    expect((await model.generate("again", { maxTokens: 3 }).result()).finishReason).toBe("length");
  });

  it("is cancelled while the prompt is read", async () => {
    const model = await load({ contextLength: 1e9, prefillBatch: 1 });
    const progress: number[] = [];
    const generation = model.generate(new Uint32Array(5_000_000), { onPrefill: ({ done }) => { progress.push(done); generation.cancel(); } });
    expect(await generation.result()).toMatchObject({ text: "", finishReason: "cancelled" });
    expect(progress[0]).toBeLessThan(5_000_000);
  });

  it("waits for its turn, and can be cancelled while it waits", async () => {
    const model = await load({ answerLength: Infinity, contextLength: 1e9 });
    const first = model.generate("first");
    const waiting = model.generate("waiting");
    const last = model.generate("last", { maxTokens: 2 });
    waiting.cancel();
    expect(await waiting.result()).toMatchObject({ finishReason: "cancelled", usage: { completionTokens: 0 } });
    expect(await model.tokenize("a dog")).toHaveLength(2); // answered while the first runs
    first.cancel();
    await first.result();
    expect((await last.result()).usage.completionTokens).toBe(2);
  });

  it("rejects with the reason of the signal, and the engine stays usable", async () => {
    const model = await load({ answerLength: Infinity, contextLength: 1e9 });
    const abort = new AbortController();
    const generation = model.generate("go", { signal: abort.signal });
    const why = new Error("enough");
    const iterating = (async () => {
      for await (const _ of generation) abort.abort(why);
    })();
    await expect(iterating).rejects.toBe(why);
    await expect(generation.result()).rejects.toBe(why);
    await expect(model.generate("x", { signal: abort.signal }).result()).rejects.toBe(why);
    expect((await model.generate("x", { maxTokens: 1 }).result()).usage.completionTokens).toBe(1);
  });

  it("gives the engine's errors their class and code", async () => {
    const model = await load({ contextLength: 4 });
    const failing = model.generate("one two three four five").result();
    await expect(failing).rejects.toBeInstanceOf(BitNetError);
    await expect(failing).rejects.toMatchObject({ code: "context-overflow" });
    expect((await model.generate("one").result()).finishReason).toBe("length");
  });
});

describe("the rest", () => {
  it("tokenizes there and back", async () => {
    const model = await load();
    expect(await model.detokenize(await model.tokenize("a big dog"))).toBe("a big dog");
  });

  it("rejects everything under way when the worker crashes", async () => {
    const worker = fakeWorker({ answerLength: Infinity, contextLength: 1e9 });
    const model = await load({}, worker);
    const generation = model.generate("go");
    worker.dispatchEvent(Object.assign(new Event("error"), { message: "unreachable" }));
    await expect(generation.result()).rejects.toMatchObject({ code: "worker-crashed" });
    await expect(text(generation)).rejects.toMatchObject({ code: "worker-crashed" });
    await expect(model.tokenize("a")).rejects.toMatchObject({ code: "worker-crashed" });
  });

  it("rejects with `disposed` after dispose, which may come twice", async () => {
    const model = await load({ answerLength: Infinity, contextLength: 1e9 });
    const generation = model.generate("go");
    await model.dispose();
    await model[Symbol.asyncDispose]();
    await expect(generation.result()).rejects.toMatchObject({ code: "disposed" });
    await expect(model.stats()).rejects.toMatchObject({ code: "disposed" });
    await expect(model.generate("more").result()).rejects.toMatchObject({ code: "disposed" });
  });

  it("resets only between generations", async () => {
    const model = await load({ answerLength: 50 });
    const generation = model.generate("go");
    await model.reset();
    expect((await generation.result()).usage.completionTokens).toBe(50);
  });

  it("measures the machine only between generations", async () => {
    const model = await load({ answerLength: 50 });
    const order: string[] = [];
    const generation = model.generate("go").result().then(() => order.push("generation"));
    const { readBytesPerSecond, dotMacsPerSecond } = await model.roofline();
    order.push("roofline");
    await generation;
    expect(order).toEqual(["generation", "roofline"]);
    expect(Math.min(readBytesPerSecond, dotMacsPerSecond)).toBeGreaterThan(0);
  });
});

describe("verify", () => {
  it("asks each prompt and says how far it is", async () => {
    const model = await load({ answerLength: 3 });
    const seen: number[] = [];
    const report = await model.verify({ file: "m.gguf", onProgress: ({ index, count, tokens }) => seen.push(100 * index + 10 * count + tokens) });
    expect(seen).toEqual([20, 21, 22, 23, 120, 121, 122, 123]);
    expect(report.metrics.model.file).toBe("m.gguf");
    expect(report.metrics.maxTokens).toBe(500);
    expect(report.metrics.prompts).toHaveLength(2);
    for (const { ids, measures } of report.metrics.prompts) {
      expect(ids).toHaveLength(3);
      expect(measures.meanLogProbability).toBeCloseTo(-measures.meanEntropy);
    }
    expect((await model.verify({ prompts: ["other"], maxTokens: 2 })).metrics.prompts[0]).toMatchObject({ prompt: "other", generatedTokens: 2 });
  });

  it("stops at a signal, and the model goes on", async () => {
    const model = await load({ answerLength: 1000 });
    const stop = new AbortController();
    const verified = model.verify({ signal: stop.signal, onProgress: ({ tokens }) => { if (tokens > 2) stop.abort(); } });
    await expect(verified).rejects.toThrow("abort");
    expect(await text(model.generate("the", { maxTokens: 2 }))).not.toBe("");
  });

  it("says nothing of probabilities that was not asked for", async () => {
    const model = await load();
    for await (const token of model.generate("the", { maxTokens: 2 })) expect(token).not.toHaveProperty("entropy");
  });
});
