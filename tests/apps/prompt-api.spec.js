// The Prompt API over the small model in Chromium: beside the browser's own, through a client that knows nothing of this package, and in what only a real
// model and a real cache can show. The finer points are in www/tests/prompt-api*.test.ts.
import { guideBlock } from "../../www/tests/guide.mjs";
import { expect, test } from "./app.js";

const MODEL = "/models/stories-I2_S.gguf";
const SCHEMA = { type: "object", properties: { name: { type: "string", maxLength: 12 }, legs: { enum: [2, 4] } }, required: ["name", "legs"], additionalProperties: false };

/** Runs a function of `[{ LanguageModel, …entry }, argument]` in the page, with a model of these options. */
async function run(page, inPage, options = {}, argument = null) {
  const kit = await page.evaluateHandle(
    async ({ MODEL, options }) => {
      const entry = await import("/lib/prompt-api.js");
      const chunksOf = async (stream) => {
        const chunks = [];
        for await (const chunk of stream) chunks.push(chunk);
        return chunks;
      };
      const end = (what) => Promise.resolve().then(what).then(() => "no error", ({ name }) => name);
      return { ...entry, LanguageModel: entry.languageModel(MODEL, { unloadAfterMs: 0, ...options }), chunksOf, end };
    },
    { MODEL, options },
  );
  return page.evaluate(inPage, [kit, argument]);
}

test("the browser's own says that it can't here, and ours takes its place and leaves it again", async ({ page }) => {
  const found = await run(page, async ([{ install }]) => {
    const own = globalThis.LanguageModel;
    const said = await own?.availability();
    const { installed, LanguageModel, uninstall } = await install("/models/stories-I2_S.gguf", { unloadAfterMs: 0 });
    const session = await globalThis.LanguageModel.create({ samplingMode: "most-predictable" });
    const answer = await session.prompt("What is your name?");
    const found = { own: typeof own, said, installed, ours: globalThis.LanguageModel === LanguageModel, is: session instanceof globalThis.LanguageModel, answer };
    session.destroy();
    uninstall();
    return { ...found, back: globalThis.LanguageModel === own };
  });
  expect(found).toEqual({ own: "function", said: "unavailable", installed: true, ours: true, is: true, answer: expect.stringMatching(/\w/), back: true });
});

test("a browser without one gets ours, and loses it again; one that works keeps its own", async ({ page }) => {
  const found = await run(page, async ([{ install }]) => {
    delete globalThis.LanguageModel;
    const first = await install("/models/stories-I2_S.gguf", { unloadAfterMs: 0 });
    const there = globalThis.LanguageModel === first.LanguageModel;
    first.uninstall();
    const gone = !("LanguageModel" in globalThis);
    const own = class LanguageModel {
      static availability = async () => "downloadable";
    };
    globalThis.LanguageModel = own;
    const { installed, LanguageModel } = await install("/models/stories-I2_S.gguf");
    return { first: first.installed, there, gone, installed, kept: globalThis.LanguageModel === own && LanguageModel === own };
  });
  expect(found).toEqual({ first: true, there: true, gone: true, installed: false, kept: true });
});

test("all that the browser's own interface has, ours has in the same way", async ({ page }) => {
  const { own, ours } = await run(page, ([{ LanguageModel }]) => {
    const told = (object) =>
      Object.fromEntries(
        Object.entries(Object.getOwnPropertyDescriptors(object)).map(([name, { value, get, set, ...how }]) => [
          name,
          { ...how, ...(typeof value === "function" && name !== "constructor" ? { length: value.length, name: value.name } : {}), get: typeof get, set: typeof set },
        ]),
      );
    const both = (Class) => ({ static: told(Class), prototype: told(Class.prototype), tag: Class.prototype[Symbol.toStringTag], parent: Object.getPrototypeOf(Class) === EventTarget, name: Class.name, length: Class.length });
    return { own: both(globalThis.LanguageModel), ours: both(LanguageModel) };
  });
  expect(Object.keys(own.prototype).length).toBeGreaterThan(8);
  // That a class's prototype can't be replaced is so of both; that "length" and "name" are there, too.
  expect(ours).toMatchObject(own);
});

test("what the model says is what it says to generate, and the context is counted to the token", async ({ page }) => {
  const found = await run(page, async ([{ LanguageModel }]) => {
    const { BitNet } = await import("/lib/index.js");
    const messages = [{ role: "system", content: "You are kind." }, { role: "user", content: "What is your name?" }];
    const session = await LanguageModel.create({ samplingMode: "most-predictable", initialPrompts: messages.slice(0, 1) });
    const empty = session.contextUsage;
    const added = await session.measureContextUsage("What is your name?");
    const answer = await session.prompt("What is your name?");
    const used = session.contextUsage;
    session.destroy();
    const model = await BitNet.load("/models/stories-I2_S.gguf");
    const plain = await model.generate(messages, { temperature: 0 }).result();
    await model.dispose();
    return { empty, added, answer, used, window: session.contextWindow, plain };
  });
  expect(found.answer).toBe(found.plain.text);
  expect(found.empty + found.added).toBe(found.plain.usage.promptTokens);
  // The end of a turn is a token, which the answer's own end stands for.
  expect(Math.abs(found.used - found.plain.usage.promptTokens - found.plain.usage.completionTokens)).toBeLessThanOrEqual(1);
  expect(found.window).toBe(512);
});

test("availability follows the cache and the network, and progress the download", async ({ page }) => {
  const availability = (options) => run(page, ([{ LanguageModel }]) => LanguageModel.availability(), options);
  expect(await availability()).toBe("downloadable");
  expect(await availability({ cache: false })).toBe("downloadable");
  expect(await availability({ offline: true })).toBe("unavailable");
  const found = await run(page, async ([{ LanguageModel }]) => {
    const told = [];
    const creating = LanguageModel.create({ monitor: (monitor) => monitor.addEventListener("downloadprogress", ({ loaded, total }) => told.push([loaded, total])) });
    const during = await LanguageModel.availability();
    const session = await creating;
    const after = await LanguageModel.availability();
    session.destroy();
    return { told, during, after };
  });
  expect(found).toMatchObject({ during: "downloading", after: "available" });
  expect([found.told[0], found.told.at(-1)]).toEqual([[0, 1], [1, 1]]);
  expect(found.told.map(([loaded]) => loaded)).toEqual(found.told.map(([loaded]) => loaded).sort((a, b) => a - b));
  expect(await availability()).toBe("available");
  expect(await availability({ offline: true })).toBe("available");
  // Four gigabytes of context are more than there is room for.
  expect(await availability({ cache: false, contextLength: 2 ** 31, overrides: ["bitnet-b1.58.context_length=int:2147483647"] })).toBe("unavailable");
});

test("a stream can be cut short, and the conversation is as if nothing had been asked", async ({ page }) => {
  const found = await run(page, async ([{ LanguageModel, chunksOf, end }]) => {
    const session = await LanguageModel.create({ samplingMode: "most-predictable" });
    for await (const chunk of session.promptStreaming("Tell me a story.")) {
      if (chunk !== "") break;
    }
    const stop = new AbortController();
    const aborted = end(async () => {
      for await (const _ of session.promptStreaming("Tell me a story.", { signal: stop.signal })) stop.abort();
    });
    const ended = await aborted;
    const used = session.contextUsage;
    const chunks = await chunksOf(session.promptStreaming("What is your name?"));
    const other = await LanguageModel.create({ samplingMode: "most-predictable" });
    const answer = await other.prompt("What is your name?");
    session.destroy();
    other.destroy();
    return { ended, used, chunks, answer };
  });
  expect(found).toMatchObject({ ended: "AbortError", used: 0 });
  expect(found.chunks.length).toBeGreaterThan(3);
  expect(found.chunks.join("")).toBe(found.answer);
});

test("a clone goes on from the same bits, and the session does not hear of it", async ({ page }) => {
  const found = await run(page, async ([{ LanguageModel }]) => {
    const session = await LanguageModel.create({ samplingMode: "most-predictable" });
    const first = session.prompt("Tell me of a fox.");
    const copy = await session.clone();
    await first;
    const [one, other] = await Promise.all([session.prompt("Why?"), copy.prompt("Why?")]);
    const used = [session.contextUsage, copy.contextUsage];
    await copy.prompt("And then?");
    const after = session.contextUsage;
    session.destroy();
    const alive = await copy.prompt("Who are you?");
    copy.destroy();
    return { one, other, used, after, alive };
  });
  expect(found.one).toBe(found.other);
  expect(found.used[0]).toBe(found.used[1]);
  expect(found.after).toBe(found.used[0]);
  expect(found.alive).toMatch(/\w/);
});

test("a full context loses its oldest prompts, and never the system prompt", async ({ page }) => {
  const found = await run(
    page,
    async ([{ LanguageModel }]) => {
      const session = await LanguageModel.create({ samplingMode: "most-predictable", initialPrompts: [{ role: "system", content: "You are kind." }] });
      const fresh = await session.clone();
      let heard = 0;
      session.addEventListener("contextoverflow", () => heard++);
      const used = [session.contextUsage];
      for (let i = 0; heard === 0 && i < 30; i++) {
        await session.prompt("What is your name?");
        used.push(session.contextUsage);
      }
      const own = globalThis.QuotaExceededError;
      const error = await session.prompt("What is your name? ".repeat(100)).catch((error) => error);
      const need = await fresh.measureContextUsage("What is your name? ".repeat(100));
      const told = { is: error instanceof own, name: error.name, requested: error.requested, quota: error.quota, need };
      const first = await LanguageModel.create({ initialPrompts: [{ role: "system", content: "You are kind. ".repeat(100) }] }).catch((error) => [error.name, error.quota]);
      session.destroy();
      fresh.destroy();
      return { heard, used, told, first };
    },
    { contextLength: 200 },
  );
  expect(found.heard).toBe(1);
  expect(Math.max(...found.used)).toBeLessThanOrEqual(200);
  expect(found.used.at(-1)).toBeLessThan(found.used.at(-2) + 10);
  expect(found.told).toMatchObject({ is: true, name: "QuotaExceededError", quota: 200 });
  // With the system prompt, which is not part of what the prompt adds.
  expect(found.told.requested).toBe(found.told.need + found.used[0]);
  expect(found.first).toEqual(["QuotaExceededError", 200]);
});

test("answers keep to schemas and expressions, whole and in pieces, also after a prefix", async ({ page }) => {
  const found = await run(
    page,
    async ([{ LanguageModel, chunksOf, end }, SCHEMA]) => {
      const session = await LanguageModel.create({ samplingMode: "most-creative" });
      const ask = (input, responseConstraint, more = {}) => session.prompt(input, { responseConstraint, ...more });
      const found = {
        object: JSON.parse(await ask("A fox, as JSON:", SCHEMA)),
        omitted: JSON.parse(await ask("A hen, as JSON:", SCHEMA, { omitResponseConstraintInput: true })),
        date: await ask("When was it?", /^\d{4}-\d{2}-\d{2}$/),
        streamed: (await chunksOf(session.promptStreaming("Yes or no?", { responseConstraint: /yes|no/i }))).join(""),
        begun: `{"name": "${await ask([{ role: "user", content: "A cat:" }, { role: "assistant", content: '{"name": "', prefix: true }], SCHEMA)}`,
        // Spaces where the engine has none.
        spaced: `{ "legs" :${await ask([{ role: "user", content: "A cow:" }, { role: "assistant", content: '{ "legs" :', prefix: true }], { type: "object", properties: { legs: { const: 4 } }, required: ["legs"], additionalProperties: false })}`,
        deviates: await end(() => ask([{ role: "user", content: "A cat:" }, { role: "assistant", content: "no", prefix: true }], SCHEMA)),
        soup: await end(() => ask("A soup:", { type: "soup" })),
        behind: await end(() => ask("A cat:", /(?<=a)b/)),
        flags: await end(() => ask("A cat:", /a/m)),
      };
      session.destroy();
      return found;
    },
    {},
    SCHEMA,
  );
  const fits = { name: expect.any(String), legs: expect.any(Number) };
  expect(found).toMatchObject({ object: fits, omitted: fits, deviates: "NotSupportedError", soup: "NotSupportedError", behind: "NotSupportedError", flags: "NotSupportedError" });
  expect(found.date).toMatch(/^\d{4}-\d{2}-\d{2}$/);
  expect(found.streamed).toMatch(/^(yes|no)$/i);
  expect(JSON.parse(found.begun)).toEqual(fits);
  expect(JSON.parse(found.spaced)).toEqual({ legs: 4 });
});

test("a prefix is gone on from, and an answer that is none is answered anew", async ({ page }) => {
  const found = await run(page, async ([{ LanguageModel }]) => {
    const { BitNet } = await import("/lib/index.js");
    const messages = [{ role: "user", content: "What is your name?" }, { role: "assistant", content: "I am" }];
    const [one, other] = [await LanguageModel.create({ samplingMode: "most-predictable" }), await LanguageModel.create({ samplingMode: "most-predictable" })];
    const begun = await one.prompt([messages[0], { ...messages[1], prefix: true }]);
    const anew = await other.prompt(messages);
    one.destroy();
    other.destroy();
    const model = await BitNet.load("/models/stories-I2_S.gguf");
    const plain = await model.generate(messages, { temperature: 0 }).result();
    await model.dispose();
    return { begun, anew, plain: plain.text };
  });
  expect(found.begun).toBe(found.plain);
  expect(found.anew).not.toBe(found.plain);
  expect(found.anew).toMatch(/\w/);
});

test("tools are offered to a model that answers in words", async ({ page }) => {
  const found = await run(page, async ([{ LanguageModel, LanguageModelToolCall, LanguageModelToolSuccess, chunksOf }]) => {
    const tools = [{ name: "weather", description: "Tells the weather", inputSchema: { type: "object", properties: { place: { type: "string", maxLength: 20 } } } }];
    const open = await LanguageModel.create({ tools, expectedOutputs: [{ type: "tool-call" }], expectedInputs: [{ type: "tool-call" }, { type: "tool-response" }], samplingMode: "most-predictable" });
    const asked = await open.measureContextUsage("What is your name?");
    const bare = await LanguageModel.create();
    const without = await bare.measureContextUsage("What is your name?");
    await open.append([
      { role: "user", content: "Is it warm?" },
      { role: "assistant", content: [{ type: "tool-call", value: new LanguageModelToolCall({ callId: "1", name: "weather", arguments: { place: "Rome" } }) }] },
      { role: "user", content: [{ type: "tool-response", value: new LanguageModelToolSuccess({ callId: "1", name: "weather", result: [{ type: "text", value: "warm" }] }) }] },
    ]);
    const answer = await open.prompt("What is your name?");
    const parts = await chunksOf(open.promptStreaming("Who are you?"));
    open.destroy();
    bare.destroy();
    return { asked, without, answer, parts };
  });
  expect(found.asked).toBeGreaterThan(found.without + 20);
  expect(found.answer).toMatch(/\w/);
  expect(found.parts.every(({ type, value }) => type === "text" && typeof value === "string")).toBe(true);
});

test("one engine for all tabs serves it too", async ({ page }) => {
  const found = await run(
    page,
    async ([{ LanguageModel }]) => {
      const session = await LanguageModel.create({ samplingMode: "most-predictable" });
      const asked = await session.measureContextUsage("What is your name?");
      const answer = await session.prompt("What is your name?");
      const copy = await session.clone();
      session.destroy();
      const more = await copy.prompt("Who are you?");
      copy.destroy();
      return { asked, answer, more };
    },
    { shared: true },
  );
  expect(found).toEqual({ asked: expect.any(Number), answer: expect.stringMatching(/\w/), more: expect.stringMatching(/\w/) });
});

test("@browser-ai/core 2.1.13 talks to it as to the browser's own", async ({ page, app }) => {
  await page.evaluate(async (MODEL) => {
    const { install } = await import("/lib/prompt-api.js");
    window.installed = await install(MODEL, { unloadAfterMs: 0 });
  }, MODEL);
  await app("prompt-api-client.js");
  const told = await page.evaluate(() => window.told);
  expect(told).toMatchObject({ supported: true, availability: "downloadable", text: expect.stringMatching(/\w/), finishReason: "stop", object: { legs: expect.any(Number) }, aborted: "AbortError" });
  expect([told.progress[0], told.progress.at(-1)]).toEqual([0, 1]);
  expect(told.streamed.length).toBeGreaterThan(1);
});

test("the guide's example runs", async ({ shown }) => {
  const [progress, ...told] = await shown(guideBlock("The Prompt API"));
  expect(progress).toEqual([0]);
  expect(told.at(-1)).toEqual([expect.any(Number), 512]);
  expect(told.length).toBeGreaterThan(4);
});

test("the guide's pipeline runs", async ({ shown }) => {
  const [[chat], [text]] = await shown(guideBlock("As in transformers.js"));
  expect(chat[0].generated_text).toEqual([{ role: "user", content: "What is your name?" }, { role: "assistant", content: expect.stringMatching(/\w/) }]);
  expect(text[0].generated_text).toMatch(/^Once upon a time,.*\w/);
});
