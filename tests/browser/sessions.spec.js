// Sessions of a real model: kept over a reload of the page, beside each other; and chat completions.
import { expect, prepare, test } from "./package.js";

const PIP = "Once upon a time, there was a brave fox named Pip.";

/** Defines `window.lib`: what the tests below do in the page. A reload takes it away, as it does the model. */
function define(page) {
  return page.evaluate(() => {
    const load = (options) => window.lab.BitNet.load(window.lab.MODEL, options);
    /** Everything that is known of each token, so that a bit that differs shows. */
    const say = async (session, prompt, maxTokens) => {
      const generation = session.generate(prompt, { maxTokens, temperature: 0.8, seed: 5, logProbabilities: true });
      const said = [];
      for await (const { id, text, logProbability, entropy } of generation) said.push([id, text, logProbability, entropy]);
      const { text, usage } = await generation.result();
      return { said, text, usage };
    };
    const file = async () => (await navigator.storage.getDirectory()).getFileHandle("session", { create: true });
    Object.assign(window, { lib: { load, say, file } });
  });
}

test.beforeEach(({ page }) => define(page));

test.describe("sessions", () => {
  for (const kvCache of ["f16", "q8_0"]) {
    test(`go on after a reload as if nothing had been, with a KV cache of ${kvCache}`, async ({ page }) => {
      const before = await page.evaluate(
        async ({ prompt, kvCache }) => {
          const { load, say, file } = window.lib;
          const model = await load({ kvCache, threads: 2 });
          const session = await model.session();
          // Over the end of a page of the cache, which has 256 positions.
          const first = await say(session, `${prompt} She had a red ball and a small dog. `.repeat(11), 40);
          const saved = await session.save();
          const writable = await (await file()).createWritable();
          await writable.write(saved);
          await writable.close();
          const next = `${prompt} She had a red ball and a small dog. `.repeat(11) + first.text + " Then";
          return { next, answer: await say(session, next, 40), bytes: saved.byteLength, read: first.usage.promptTokens + first.usage.completionTokens - 1 };
        },
        { prompt: PIP, kvCache },
      );
      expect(before.read).toBeGreaterThan(256);

      await page.reload({ waitUntil: "commit" });
      await prepare(page);
      await define(page);
      const after = await page.evaluate(
        async ({ next, kvCache }) => {
          const { load, say, file } = window.lib;
          // Another backend with another number of threads: the bits are the same.
          const model = await load({ kvCache, threads: 1, backend: "simd128" });
          const fresh = await say(model, next, 40);
          const session = await model.session();
          const saved = new Uint8Array(await (await (await file()).getFile()).arrayBuffer());
          await session.restore(saved);
          const again = await session.save();
          const answer = await say(session, next, 40);
          await model.dispose();
          return { fresh, answer, same: again.every((byte, i) => byte === saved[i]), bytes: again.byteLength };
        },
        { next: before.next, kvCache },
      );
      expect(after.answer).toEqual(before.answer);
      expect(after.answer.said).toEqual(after.fresh.said);
      expect(after.answer.usage.cachedTokens).toBeGreaterThan(256);
      expect(after.fresh.usage.cachedTokens).toBe(0);
      expect([after.same, after.bytes]).toEqual([true, before.bytes]);
    });
  }

  test("are refused by name when they are damaged or of another cache, and nothing is lost", async ({ page }) => {
    const found = await page.evaluate(async (prompt) => {
      const { load, say } = window.lib;
      const [model, other] = [await load({}), await load({ kvCache: "f32" })];
      const session = await model.session();
      const { said } = await say(session, prompt, 10);
      const saved = await session.save();
      const damaged = saved.slice();
      damaged[damaged.length >> 1] ^= 1;
      const errors = [];
      for (const [target, bytes] of [[session, damaged], [session, saved.subarray(0, -1)], [session, new TextEncoder().encode("<html>")], [await other.session(), saved]]) {
        errors.push(await target.restore(bytes).then(() => "none", ({ name, code, message }) => `${name} ${code} ${message}`));
      }
      const again = await say(session, prompt, 10);
      await Promise.all([model.dispose(), other.dispose()]);
      return { errors, said, again };
    }, PIP);
    expect(found.errors).toEqual([
      expect.stringMatching(/^BitNetError format saved session: checksum at byte \d+/),
      expect.stringMatching(/^BitNetError format saved session: checksum at byte \d+: the bytes end/),
      expect.stringMatching(/^BitNetError format saved session: magic at byte 0/),
      expect.stringMatching(/^BitNetError invalid-argument saved session: type of the KV cache at byte 12 is f16, here it is f32/),
    ]);
    expect(found.again.said).toEqual(found.said);
    expect(found.again.usage.cachedTokens).toBeGreaterThan(0);
  });

  test("are copied, take turns, and give their memory back", async ({ page }) => {
    const found = await page.evaluate(async (prompt) => {
      const { load, say } = window.lib;
      const model = await load({});
      const session = await model.session();
      const alone = await say(session, prompt, 30);
      const copy = await session.clone();
      const [one, two, own] = await Promise.all([say(session, prompt, 30), say(copy, prompt, 30), say(model, prompt, 30)]);
      const full = await model.stats();
      await Promise.all([session.dispose(), copy.dispose()]);
      const less = await model.stats();
      // A new one finds the memory of the old.
      for (let i = 0; i < 20; i++) {
        const another = await model.session();
        await say(another, prompt, 2);
        await another.dispose();
      }
      const { wasmBytes } = await model.stats();
      await model.dispose();
      return { alone, one, two, own, full, less, grown: wasmBytes - less.wasmBytes };
    }, PIP);
    for (const { said } of [found.one, found.two, found.own]) expect(said).toEqual(found.alone.said);
    expect(found.two.usage.cachedTokens).toBe(found.one.usage.cachedTokens);
    expect(found.own.usage.cachedTokens).toBe(0);
    expect([found.full.sessions, found.less.sessions]).toEqual([3, 1]);
    expect(found.less.kvCacheBytes * 3).toBe(found.full.kvCacheBytes);
    expect(found.grown).toBe(0);
  });
});

test("chat completions reuse the conversation so far", async ({ page }) => {
  const found = await page.evaluate(async () => {
    const model = await window.lib.load({});
    const messages = [{ role: "user", content: "What is the capital of France?" }];
    const whole = await model.chat.completions.create({ messages, temperature: 0, max_tokens: 20, logprobs: true });
    const chunks = [];
    for await (const chunk of await model.chat.completions.create({ messages, temperature: 0, max_tokens: 20, stream: true, stream_options: { include_usage: true } })) chunks.push(chunk);
    for await (const _ of await model.chat.completions.create({ messages, stream: true })) break;
    messages.push(whole.choices[0].message, { role: "user", content: "And of Spain?" });
    const next = await model.chat.completions.create({ messages, max_tokens: 1 });
    await model.dispose();
    return { whole, chunks, next };
  });
  const [choice] = found.whole.choices;
  expect(choice.message.content).not.toBe("");
  expect(found.chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe(choice.message.content);
  expect(choice.logprobs.content).toHaveLength(found.whole.usage.completion_tokens);
  expect(found.chunks.at(-1).usage.prompt_tokens_details.cached_tokens).toBe(found.whole.usage.prompt_tokens - 1);
  expect(found.next.usage.prompt_tokens_details.cached_tokens).toBeGreaterThanOrEqual(found.whole.usage.prompt_tokens - 1);
});
