// Answers of a form, as the page asks for them: what the engine is told, what the fake answers, and how the module comes.
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Sent } from "../src/internal/channel.js";
import { Connection } from "../src/internal/connection.js";
import { loadGrammar } from "../src/internal/load-grammar.js";
import { BitNet, type ChatCompletionResponseFormat, type GenerateOptions, type LoadOptions, type PrepareProgress, type ResponseFormat } from "../src/public/index.js";
import { fakeWorker, type FakeEngineOptions } from "../src/public/testing.js";

const glue = vi.hoisted(() => ({ start: vi.fn(), Vocabulary: vi.fn(), renew: vi.fn() }));
vi.mock("../src/internal/builds.js", () => ({
  GRAMMAR: { url: () => new URL("https://localhost/wasm/grammar/grammar_bg.wasm") },
  grammarGlue: () => Promise.resolve({ default: glue.start, Vocabulary: glue.Vocabulary, __wbg_reset_state: glue.renew }),
}));

const models: BitNet[] = [];
async function load(fake: FakeEngineOptions = {}, options: LoadOptions = {}, worker = fakeWorker(fake)): Promise<BitNet> {
  const model = await BitNet.load(new Blob(["GGUF"]), { ...options, worker });
  models.push(model);
  return model;
}
afterEach(async () => {
  vi.unstubAllGlobals();
  await Promise.all(models.splice(0).map((model) => model.dispose()));
});

/** What the engine is asked for, of a form. */
async function sent(responseFormat: unknown): Promise<unknown> {
  const worker = fakeWorker({ formAnswer: "{}" });
  const model = await load({}, {}, worker);
  const send = vi.spyOn(worker, "postMessage");
  await model.generate("a", { responseFormat: responseFormat as ResponseFormat }).result().catch(() => undefined);
  const [request] = send.mock.calls.flatMap(([message]) => ((message as Sent).type === "generate" ? [(message as Extract<Sent, { type: "generate" }>).body.request] : []));
  return { ...request?.responseFormat, ...(request?.begun !== undefined && { begun: request.begun }) };
}

class Schema {
  type = "string";
  maxLength = 3;
}

describe("a form is told", () => {
  it.each<readonly [given: unknown, told: unknown]>([
    [{ type: "json_object" }, { type: "json_object" }],
    [{ type: "json_object", schema: undefined, pattern: null }, { type: "json_object" }],
    [{ type: "json_schema", schema: true }, { type: "json_schema", schema: "true" }],
    [{ type: "json_schema", schema: { b: 1, a: [null, "ä"], none: undefined } }, { type: "json_schema", schema: '{"b":1,"a":[null,"ä"]}' }],
    [{ type: "json_schema", schema: new Schema() }, { type: "json_schema", schema: '{"type":"string","maxLength":3}' }],
    // A text stays what it is: no digit is lost.
    [{ type: "json_schema", schema: '{"const": 12345678901234567890}' }, { type: "json_schema", schema: '{"const": 12345678901234567890}' }],
    [{ type: "regex", pattern: "a+" }, { type: "regex", pattern: "a+" }],
    [{ type: "regex", pattern: /a\/[[b]+/ }, { type: "regex", pattern: "a\\/[[b]+" }],
    [{ type: "regex", pattern: /a/isu }, { type: "regex", pattern: "(?is:a)" }],
    [{ type: "regex", pattern: /a/g }, { type: "regex", pattern: "a" }],
    [{ type: "lark", grammar: 'start: "a"' }, { type: "lark", grammar: 'start: "a"' }],
    [{ type: "json_object", begun: '{"a' }, { type: "json_object", begun: '{"a' }],
  ])("%j", async (given, told) => {
    expect(await sent(given)).toEqual(told);
  });

  it("as it is when generate is called", async () => {
    const asked: ResponseFormat[] = [];
    const model = await load({ formAnswer: (format) => (asked.push(format), '"a"') });
    const schema = { enum: ["a"] };
    const generation = model.generate("a", { responseFormat: { type: "json_schema", schema } });
    schema.enum[0] = "b";
    await generation.result();
    expect(asked).toEqual([{ type: "json_schema", schema: '{"enum":["a"]}' }]);
  });
});

describe("chat completions", () => {
  const messages = [{ role: "user", content: "a fox" }] as const;
  it.each<readonly [given: ChatCompletionResponseFormat | null, told: unknown]>([
    [{ type: "text" }, undefined],
    [null, undefined],
    [{ type: "json_object" }, { type: "json_object" }],
    [{ type: "json_schema", json_schema: { name: "fox", description: "a fox", strict: true, schema: { type: "object" } } }, { type: "json_schema", schema: '{"type":"object"}' }],
    [{ type: "json_schema", json_schema: { name: null, strict: null, schema: "{}" } }, { type: "json_schema", schema: "{}" }],
  ])("%j", async (response_format, told) => {
    const asked: unknown[] = [];
    const model = await load({ formAnswer: (format) => (asked.push(format), '{"name": "Pip"}') });
    const whole = await model.chat.completions.create({ messages, response_format });
    expect(asked).toEqual(told === undefined ? [] : [told]);
    if (told !== undefined) expect(JSON.parse(whole.choices[0].message.content ?? "")).toEqual({ name: "Pip" });
  });
});

describe("the fake", () => {
  it("answers with the text that it was given, and ends; a limit cuts it", async () => {
    const model = await load({ formAnswer: '{"name": "Pip", "age": 3}', answerLength: 1 });
    const responseFormat = { type: "json_object" } as const;
    expect(await model.generate("a", { responseFormat }).result()).toMatchObject({ text: '{"name": "Pip", "age": 3}', finishReason: "stop" });
    expect(await model.generate("a", { responseFormat: { ...responseFormat, begun: '{"name":' } }).result()).toMatchObject({ text: ' "Pip", "age": 3}' });
    expect(await (await model.session()).generate("a", { responseFormat, maxTokens: 2 }).result()).toMatchObject({ text: '{"name": "Pip",', finishReason: "length" });
    expect((await model.generate("a").result()).usage.completionTokens).toBe(1);
  });

  it("never answers with free text in its place", async () => {
    const model = await load();
    await expect(model.generate("a", { responseFormat: { type: "json_object" } }).result()).rejects.toMatchObject({ code: "invalid-argument", message: expect.stringContaining("formAnswer") as string });
    const other = await load({ formAnswer: "[1]" });
    await expect(other.generate("a", { responseFormat: { type: "json_object", begun: "{" } }).result()).rejects.toMatchObject({ message: expect.stringContaining("begun") as string });
  });
});

it("how far it is reaches the generation that waits, and what it cost its timings", () => {
  const worker = fakeWorker();
  const connection = new Connection(worker);
  const told: PrepareProgress[] = [];
  const options: GenerateOptions = { onPrepare: (progress) => told.push(progress) };
  const generation = connection.generate(0, { prompt: "a" }, options);
  const say = (data: unknown) => worker.dispatchEvent(new MessageEvent("message", { data }));
  say({ type: "preparing", body: { id: 1, phase: "fetch", loaded: 5 } });
  say({ type: "preparing", body: { id: 2, phase: "fetch", loaded: 6 } });
  say({ type: "preparing", body: { id: 1, phase: "vocabulary", loaded: 0, total: 9 } });
  expect(told).toEqual([{ phase: "fetch", loaded: 5 }, { phase: "vocabulary", loaded: 0, total: 9 }]);
  const usage = { promptTokens: 1, cachedTokens: 0, completionTokens: 0 };
  say({ type: "done", body: { id: 1, finishReason: "stop", usage, timings: { prefillMs: 1 }, constraint: { masks: 3, notes: ["n"] } } });
  connection.close(undefined);
  return expect(generation.result()).resolves.toEqual({ text: "", finishReason: "stop", usage, timings: { prefillMs: 1, constraint: { masks: 3, notes: ["n"] } } });
});

it("what a model needs for it is asked for at load", async () => {
  const worker = fakeWorker();
  const send = vi.spyOn(worker, "postMessage");
  await load({}, { prepareFormats: true, grammarUrl: new URL("https://localhost/grammar.wasm") }, worker);
  const messages = send.mock.calls.map(([message]) => message as Sent);
  expect(messages.find(({ type }) => type === "open")).toMatchObject({ grammarUrl: "https://localhost/grammar.wasm" });
  expect(messages.find(({ type }) => type === "load")).toMatchObject({ body: { options: { prepareFormats: true } } });
});

describe("the grammar module", () => {
  const EMPTY = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  const fetched = (response: Response) => {
    const fetch = vi.fn((_: string | URL) => Promise.resolve(response));
    vi.stubGlobal("fetch", fetch);
    return fetch;
  };

  it("comes from its place or from grammarUrl, is counted, and can begin anew", async () => {
    for (const url of [undefined, "https://localhost/other.wasm"]) {
      const fetch = fetched(new Response(EMPTY, { headers: { "content-length": "8", "content-type": "application/wasm" } }));
      const told: unknown[] = [];
      const { vocabulary, renew } = await loadGrammar(url, (loaded, total) => told.push([loaded, total]));
      expect(String(fetch.mock.calls[0]?.[0])).toBe(url ?? "https://localhost/wasm/grammar/grammar_bg.wasm");
      expect(told).toEqual([[8, 8]]);
      expect(glue.start).toHaveBeenLastCalledWith({ module_or_path: expect.any(WebAssembly.Module) as unknown });
      vocabulary(Uint8Array.of(97), Uint32Array.of(1), new Uint32Array(), [], Uint32Array.of(0));
      expect(glue.Vocabulary).toHaveBeenLastCalledWith(Uint8Array.of(97), Uint32Array.of(1), new Uint32Array(), [], Uint32Array.of(0));
      expect(renew).toBe(glue.renew);
    }
  });

  it.each([
    ["a web page", () => new Response("<!doctype html>", { headers: { "content-type": "text/html" } }), "text/html"],
    ["nothing", () => new Response(new Uint8Array()), "not the grammar module's WebAssembly"],
    ["an error", () => new Response("", { status: 404 }), "404"],
  ])("that is %s is an error with its address, and with the option that names another", async (_, response, words) => {
    fetched(response());
    const error: unknown = await loadGrammar(undefined, () => undefined).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: "network", message: expect.stringContaining(words) as string });
    expect(String(error)).toContain("https://localhost/wasm/grammar/grammar_bg.wasm");
    expect(String(error)).toContain("wasm folder");
  });
});
