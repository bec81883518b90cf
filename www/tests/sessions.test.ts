import { afterEach, describe, expect, it } from "vitest";
import { BitNet, type Session } from "../src/public/index.js";
import { fakeWorker, type FakeEngineOptions } from "../src/public/testing.js";

const models: BitNet[] = [];
async function load(fake: FakeEngineOptions = {}, contextLength = 256): Promise<BitNet> {
  const model = await BitNet.load(new Blob(["GGUF"]), { worker: fakeWorker(fake), contextLength });
  models.push(model);
  return model;
}
afterEach(async () => {
  await Promise.all(models.splice(0).map((model) => model.dispose()));
});

async function cached(where: BitNet | Session, prompt: string): Promise<number> {
  return (await where.generate(prompt, { maxTokens: 1 }).result()).usage.cachedTokens;
}

describe("sessions", () => {
  it("have a KV cache of their own", async () => {
    const model = await load();
    const session = await model.session();
    expect([await cached(session, "a b c"), await cached(model, "d e f"), await cached(session, "a b c"), await cached(model, "d e f")]).toEqual([0, 0, 2, 2]);
    await session.reset();
    expect([await cached(session, "a b c"), await cached(model, "d e f")]).toEqual([0, 2]);
  });

  it("generate one at a time, in the order they were asked", async () => {
    const model = await load({ answerLength: 30 });
    const sessions = [await model.session(), await model.session()] as const;
    const order: string[] = [];
    const follow = async (name: string, where: BitNet | Session) => {
      for await (const _ of where.generate("go")) order.push(name);
    };
    await Promise.all([follow("a", sessions[0]), follow("own", model), follow("b", sessions[1]), follow("a again", sessions[0])]);
    expect(order.filter((name, i) => name !== order[i - 1])).toEqual(["a", "own", "b", "a again"]);
  });

  it("are copied, and then go their own ways", async () => {
    const model = await load();
    const session = await model.session();
    await cached(session, "a b c d");
    const copy = await session.clone();
    expect(await cached(copy, "a b x")).toBe(2);
    expect(await cached(session, "a b c d")).toBe(3);
  });

  it("are saved after the generations before, and restored, also by another model", async () => {
    const model = await load({ answerLength: 5 });
    const session = await model.session();
    const generation = session.generate("a dog ran");
    const saved = await session.save();
    const { text, usage } = await generation.result();
    const next = `a dog ran${text} and`;
    const other = await (await load()).session();
    await other.restore(saved);
    expect(await cached(other, next)).toBe(usage.promptTokens + usage.completionTokens - 1); // the last one had not been read
    expect(saved.byteLength).toBeGreaterThan(0); // the caller's bytes are still his
    await session.restore(saved);
    expect(await cached(session, next)).toBe(7);
  });

  it("refuse what is not sound, and stay as they were", async () => {
    const session = await (await load()).session();
    await cached(session, "a b c");
    const saved = await session.save();
    for (const bytes of [new Uint8Array(), saved.subarray(0, -1), new TextEncoder().encode("<html>")]) {
      await expect(session.restore(bytes)).rejects.toMatchObject({ name: "BitNetError", code: "format" });
    }
    await expect(session.restore("text" as unknown as Uint8Array)).rejects.toMatchObject({ code: "invalid-argument" });
    const short = await (await load({}, 2)).session();
    await expect(short.restore(saved)).rejects.toMatchObject({ code: "context-overflow" });
    expect(await cached(session, "a b c")).toBe(2);
  });

  it("give their memory back, and end what is under way", async () => {
    const model = await load({ answerLength: Infinity }, 1e9);
    const before = await model.stats();
    expect(before.sessions).toBe(1);
    const session = await model.session();
    await cached(session, "a b c d e f");
    const filled = await model.stats();
    expect(filled.sessions).toBe(2);
    expect(filled.kvCacheBytes).toBeGreaterThan(before.kvCacheBytes);
    const [running, waiting] = [session.generate("go"), session.generate("go on")];
    await session.dispose();
    await session[Symbol.asyncDispose]();
    for (const generation of [running, waiting, session.generate("more")]) {
      await expect(generation.result()).rejects.toMatchObject({ code: "disposed" });
    }
    for (const call of [session.save(), session.clone(), session.reset(), session.restore(new Uint8Array())]) {
      await expect(call).rejects.toMatchObject({ code: "disposed" });
    }
    expect(await model.stats()).toMatchObject({ sessions: 1, kvCacheBytes: before.kvCacheBytes });
    expect((await model.generate("still here", { maxTokens: 2 }).result()).usage.completionTokens).toBe(2);
  });

  it("cancel one generation, not that of another session", async () => {
    const model = await load({ answerLength: Infinity }, 1e9);
    const session = await model.session();
    const [own, other] = [model.generate("go"), session.generate("go", { maxTokens: 20 })];
    own.cancel();
    expect((await own.result()).finishReason).toBe("cancelled");
    expect(await other.result()).toMatchObject({ finishReason: "length", usage: { completionTokens: 20 } });
  });

  it("end with their model", async () => {
    const model = await load({ answerLength: Infinity }, 1e9);
    const session = await model.session();
    const generation = session.generate("go");
    await model.dispose();
    await expect(generation.result()).rejects.toMatchObject({ code: "disposed" });
    await expect(session.save()).rejects.toMatchObject({ code: "disposed" });
    await session.dispose();
    await expect(model.session()).rejects.toMatchObject({ code: "disposed" });
  });
});
