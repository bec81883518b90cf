// Options of the wrong kind, name or size, in every place that takes any: each is refused by name before anything begins.
import { afterEach, describe, expect, it, vi } from "vitest";
import { nearest } from "../src/internal/options/nearest.js";
import { CHAT, IN_GENERATE } from "../src/internal/options/openai.js";
import { type Option, type Options, readOptions } from "../src/internal/options/read.js";
import { CHAT_REQUEST, FAKE, GENERATE, LOAD, SESSION, TOKENIZE, VERIFY } from "../src/internal/options/tables.js";
import { oneOf, whole } from "../src/internal/options/kinds.js";
import { BitNet, BitNetError, deleteCachedModel, type ChatCompletionCreateParams, type GenerateOptions, type LoadOptions, type Prompt } from "../src/public/index.js";
import { fakeWorker, type FakeEngineOptions } from "../src/public/testing.js";

const models: BitNet[] = [];
async function load(fake: FakeEngineOptions = {}, worker = fakeWorker(fake)): Promise<BitNet> {
  const model = await BitNet.load(new Blob(["GGUF"]), { worker });
  models.push(model);
  return model;
}
afterEach(async () => {
  await Promise.all(models.splice(0).map((model) => model.dispose()));
});

/** What went wrong; every part of `words` is in it. */
async function refusal(call: () => unknown, ...words: string[]): Promise<BitNetError> {
  const error: unknown = await Promise.resolve()
    .then(call)
    .then(
      (value) => expect.unreachable(`accepted, giving ${String(value)}`),
      (error: unknown) => error,
    );
  if (!(error instanceof BitNetError)) throw error;
  expect(error.code).toBe("invalid-argument");
  for (const word of words) expect(error.message).toContain(word);
  return error;
}

const throwing = Object.defineProperty({}, "topK", {
  enumerable: true,
  get: () => {
    throw new Error("no such luck");
  },
});
const holes: string[] = ["a"];
holes[2] = "c";

const { proxy: revoked, revoke } = Proxy.revocable<unknown[]>([], {});
revoke();

/** What is given, and what the refusal says. */
type Case = readonly [given: unknown, ...words: string[]];
const named = (cases: readonly Case[]) => cases.map(([given, ...words]) => ({ given, words }));

const GENERATE_REFUSED: readonly Case[] = [
  [{ maxTokens: -1 }, "maxTokens is -1;", "whole number from 0 to 4294967295"],
  [{ maxTokens: 1.5 }, "maxTokens is 1.5"],
  [{ maxTokens: Infinity }, "maxTokens is Infinity"],
  [{ maxTokens: 2 ** 32 }, "maxTokens is 4294967296"],
  [{ maxTokens: "10" }, 'maxTokens is "10"'],
  [{ maxTokens: 10n }, "maxTokens is the BigInt 10"],
  [{ maxTokens: true }, "maxTokens is true"],
  [{ temperature: -0.1 }, "temperature is -0.1", "0 (greedy) or greater"],
  [{ temperature: NaN }, "temperature is NaN"],
  [{ temperature: 1e39 }, "temperature is 1e+39"],
  [{ temperature: "0.7" }, 'temperature is "0.7"'],
  [{ temperature: [1] }, "temperature is an array"],
  [{ temperature: { valueOf: () => 1 } }, "temperature is an object"],
  [{ topK: -1 }, "topK is -1;", "whole number from 0"],
  [{ topK: 0.5 }, "topK is 0.5"],
  [{ topP: 1.01 }, "topP is 1.01", "number from 0 to 1"],
  [{ minP: -1e-9 }, "minP is -1e-9"],
  [{ repeatPenalty: 0 }, "repeatPenalty is 0", "greater than 0"],
  [{ repeatPenalty: 1e-50 }, "repeatPenalty is 1e-50"],
  [{ repeatLastN: -2 }, "repeatLastN is -2", "-1 is the whole context"],
  [{ repeatLastN: 2 ** 31 }, "repeatLastN is 2147483648"],
  [{ presencePenalty: 2.5 }, "presencePenalty is 2.5", "number from -2 to 2"],
  [{ frequencyPenalty: -3 }, "frequencyPenalty is -3"],
  [{ seed: NaN }, "seed is NaN", "whole number from 0 to 9007199254740991"],
  [{ seed: -1 }, "seed is -1"],
  [{ seed: 2 ** 53 }, "seed is 9007199254740992"],
  [{ seed: 5n }, "seed is the BigInt 5"],
  [{ seed: "5" }, 'seed is "5"'],
  [{ seed: new Date(0) }, "seed is a Date"],
  [{ stop: "" }, 'stop is ""', "a string that is not empty, or an array of such strings"],
  [{ stop: ["a", ""] }, 'stop[1] is ""', "not empty"],
  [{ stop: holes }, "stop[1] is undefined"],
  [{ stop: [null] }, "stop[0] is null"],
  [{ stop: [["a"]] }, "stop[0] is an array"],
  [{ stop: /\./ }, "stop is a RegExp"],
  [{ stop: new Set(["."]) }, "stop is a Set"],
  [{ stop: [() => 1] }, "stop[0] is a function"],
  [{ logitBias: [[1, 2]] }, "logitBias is an array", "keys are token ids"],
  [{ logitBias: new Map([[1, 2]]) }, "logitBias is a Map"],
  [{ logitBias: { a: 1 } }, 'a key of logitBias is "a"', "token id"],
  [{ logitBias: { "-1": 1 } }, 'a key of logitBias is "-1"'],
  [{ logitBias: { "01": 1 } }, 'a key of logitBias is "01"'],
  [{ logitBias: { 4294967296: 1 } }, 'a key of logitBias is "4294967296"'],
  [{ logitBias: { 5: NaN } }, "logitBias[5] is NaN", "-Infinity"],
  [{ logitBias: { 5: Infinity } }, "logitBias[5] is Infinity"],
  [{ logitBias: { 5: "1" } }, 'logitBias[5] is "1"'],
  [{ logitBias: { 5: null } }, "logitBias[5] is null"],
  [{ parseSpecial: 1 }, "parseSpecial is 1", "true or false"],
  [{ logProbabilities: "true" }, 'logProbabilities is "true"'],
  [{ signal: new AbortController() }, "signal is an AbortController", "AbortSignal"],
  [{ signal: { aborted: false } }, "signal is an object"],
  [{ signal: () => undefined }, "signal is a function"],
  [{ onPrefill: "log" }, 'onPrefill is "log"', "a function"],
  [{ maxNewTokens: 3 }, "maxNewTokens is not an option of generate; do you mean maxTokens?"],
  [{ max_tokens: 3 }, "max_tokens", "do you mean maxTokens?"],
  [{ MAXTOKENS: 3 }, "do you mean maxTokens?"],
  [{ n_predict: 3 }, "do you mean maxTokens?"],
  [{ temprature: 1 }, "do you mean temperature?"],
  [{ temp: 1 }, "do you mean temperature?"],
  [{ stopSequences: ["a"] }, "do you mean stop?"],
  [{ repetition_penalty: 1.1 }, "do you mean repeatPenalty?"],
  [{ abortSignal: AbortSignal.abort() }, "do you mean signal?"],
  [{ contextLength: 5 }, "contextLength is not an option of generate; it takes maxTokens, temperature,"],
  [{ "a\nb\u202e": 1 }, '"a\\nb\\u202e" is not an option'],
  [{ toString: 1 }, "toString is not an option"],
  [Object.create({ maxNewTokens: 3 }), "do you mean maxTokens?"],
  [{ get seeds() { throw new Error("hidden"); } }, "seeds can't be read", "hidden"],
  [throwing, 'topK can\'t be read: "no such luck"'],
  [new Proxy({}, { ownKeys: () => { throw new Error("shut"); } }), "can't be read", "shut"],
  [5, "the options argument of generate is 5", "an object"],
  ["fast", 'the options argument of generate is "fast"'],
  [[1], "is an array"],
  [AbortSignal.abort(), "is an AbortSignal"],
  [new Map([["seed", 1]]), "is a Map"],
  [Promise.resolve({}), "is a Promise (await it)"],
];

const USER = { role: "user", content: "hi" } as const;
const PROMPTS_REFUSED: readonly Case[] = [
  [undefined, "prompt is undefined", "Uint32Array"],
  [null, "prompt is null"],
  [7, "prompt is 7"],
  [[1, 2], "prompt is an array", "token ids as a Uint32Array"],
  [new Uint8Array(2), "prompt is an Uint8Array"],
  [new Int32Array(2), "prompt is an Int32Array"],
  [Promise.resolve("x"), "prompt is a Promise (await it)"],
  [USER, "prompt is an object"],
  [[], "prompt is an empty array"],
  [[USER, , USER], "prompt[1] is undefined", "{ role, content }"],
  [["hi"], 'prompt[0] is "hi"'],
  [[{ content: "hi" }], "prompt[0].role is undefined", '"system", "developer", "user" or "assistant"'],
  [[{ role: "bot", content: "hi" }], 'prompt[0].role is "bot"'],
  [[{ role: "User", content: "hi" }], 'prompt[0].role is "User"'],
  [[USER, { role: "user" }], "prompt[1].content is undefined", "a string, or an array of parts"],
  [[{ role: "user", content: null }], "prompt[0].content is null"],
  [[{ role: "user", content: 5 }], "prompt[0].content is 5"],
  [[{ role: "user", content: { type: "text", text: "x" } }], "prompt[0].content is an object"],
  [[{ role: "user", content: [] }], "prompt[0].content is an empty array"],
  [[{ role: "user", content: ["x"] }], 'prompt[0].content[0] is "x"', '{ type: "text", text }'],
  [[{ role: "user", content: [{ type: "text" }] }], "prompt[0].content[0].text is undefined"],
  [[{ role: "user", content: [{ text: "x" }] }], 'prompt[0].content[0].type is undefined; it may be "text"'],
  [[{ role: "user", content: [{ type: "text", text: "x" }, { type: "image_url", image_url: { url: "data:," } }] }], 'prompt[0].content[1].type is "image_url"', "text alone"],
  [[{ role: "user", content: [{ type: "input_audio" }] }], '"input_audio"'],
  [[{ role: "user", contents: "x" }], "prompt[0].contents", "do you mean content?"],
  [[{ ...USER, name: "Ann" }], "prompt[0].name is not offered", "into the content"],
  [[{ ...USER, tool_calls: [{}] }], "prompt[0].tool_calls is an array", "calls no tools"],
  [[{ role: "user", get content() { throw new Error("hidden"); } }], "prompt[0].content can't be read", "hidden"],
  [revoked, "prompt can't be read", "revoked"],
];

const LOAD_REFUSED: readonly Case[] = [
  [{ onProgress: {} }, "onProgress is an object", "a function"],
  [{ signal: new AbortController() }, "signal is an AbortController"],
  [{ contextLength: 0 }, "contextLength is 0", "whole number from 1"],
  [{ contextLength: "2048" }, 'contextLength is "2048"'],
  [{ contextLength: 1e12 }, "contextLength is 1000000000000"],
  [{ kvCache: "q4_0" }, 'kvCache is "q4_0"; it may be "f16", "f32" or "q8_0"'],
  [{ kvCache: "F16" }, 'kvCache is "F16"'],
  [{ overrides: "a=int:1" }, 'overrides is "a=int:1"', "an array of strings"],
  [{ overrides: ["a=1"] }, 'overrides[0] is "a=1"', "key=type:value"],
  [{ overrides: ["a=u32:1"] }, "int, float, bool or str"],
  [{ overrides: { a: 1 } }, "overrides is an object"],
  [{ hash: "sha256" }, 'hash is "sha256"', "true or false"],
  [{ tokenEmbedding: 8 }, 'tokenEmbedding is 8; it may be "auto", "file" or "int8"'],
  [{ cache: true }, 'cache is true; it may be "auto", "required" or false'],
  [{ cache: "none" }, 'cache is "none"'],
  [{ sha256: "abc" }, 'sha256 is "abc"', "64 hexadecimal digits"],
  [{ sha256: ["abc"] }, 'sha256[0] is "abc"'],
  [{ sha256: new Uint8Array(32) }, "sha256 is an Uint8Array"],
  [{ headers: "Authorization: secret" }, "headers is", "new Headers()"],
  [{ headers: { "a b": "x" } }, "headers is an object"],
  [{ headers: [["a"]] }, "headers is an array"],
  [{ connections: 0 }, "connections is 0", "1 to 16"],
  [{ connections: 17 }, "connections is 17"],
  [{ offline: "yes" }, 'offline is "yes"'],
  [{ backend: "webgpu" }, 'backend is "webgpu"; it may be "auto", "simd128" or "relaxed"'],
  [{ threads: 0 }, 'threads is 0; it may be "auto" or a whole number from 1 to 64'],
  [{ threads: "4" }, 'threads is "4"'],
  [{ threads: [2] }, "threads is an array"],
  [{ wasmUrl: "" }, 'wasmUrl is ""', "an address"],
  [{ wasmUrl: "https://[" }, 'wasmUrl is "https://["'],
  [{ workerUrl: 5 }, "workerUrl is 5"],
  [{ worker: {} }, "worker is an object", "a Worker"],
  [{ worker: "worker.js" }, 'worker is "worker.js"'],
  [{ ctx_size: 5 }, "do you mean contextLength?"],
  [{ context_length: 5 }, "do you mean contextLength?"],
  [{ onprogress: () => undefined }, "do you mean onProgress?"],
  [{ thread: 5 }, "do you mean threads?"],
  [{ gpuLayers: 99 }, "gpuLayers is not an option of load", "it takes onProgress, signal,"],
  [7, "is 7; it may be an object"],
];

const CHAT_REFUSED: readonly Case[] = [
  [{ messages: undefined }, "messages is undefined", "{ role, content }"],
  [{ messages: "hi" }, 'messages is "hi"'],
  [{ messages: [] }, "messages is an empty array"],
  [{ messages: [{ role: "tool", content: "x" }] }, 'messages[0].role is "tool"'],
  [{ messages: [{ role: "user", content: [{ type: "image_url" }] }] }, "messages[0].content[0].type", "text alone"],
  [{ max_tokens: -1 }, "max_tokens is -1"],
  [{ max_completion_tokens: 6000.5 }, "max_completion_tokens is 6000.5"],
  [{ max_completion_tokens: 5, max_tokens: "x" }, 'max_tokens is "x"'],
  [{ temperature: "hot" }, 'temperature is "hot"'],
  [{ top_p: 2 }, "top_p is 2", "from 0 to 1"],
  [{ top_k: -1 }, "top_k is -1"],
  [{ seed: 1.5 }, "seed is 1.5"],
  [{ stop: [5] }, "stop[0] is 5"],
  [{ logit_bias: { "5": "x" } }, 'logit_bias[5] is "x"'],
  [{ logprobs: 5 }, "logprobs is 5", "true or false"],
  [{ top_logprobs: 2 }, "top_logprobs is 2", "not offered"],
  [{ n: 2 }, "n is 2; it may be 1: one answer"],
  [{ stream: "true" }, 'stream is "true"'],
  [{ stream_options: true }, "stream_options is true"],
  [{ stream_options: { include_usage: 1 } }, "stream_options.include_usage is 1"],
  [{ stream_options: { includeUsage: true } }, "stream_options.includeUsage", "do you mean include_usage?"],
  [{ model: 5 }, "model is 5"],
  [{ tools: [{ type: "function", function: { name: "now" } }] }, "tools is an array; it may be an empty array", "calls no tools"],
  [{ tools: {} }, "tools is an object"],
  [{ tool_choice: "required" }, 'tool_choice is "required"'],
  [{ tool_choice: { type: "function" } }, "tool_choice is an object"],
  [{ functions: [{}] }, "functions is an array"],
  [{ response_format: { type: "json" } }, 'response_format.type is "json"; it may be "text"'],
  [{ response_format: { type: "json_schema", json_schema: {} } }, 'response_format.type is "json_schema"'],
  [{ response_format: {} }, "response_format.type is undefined"],
  [{ response_format: "json" }, 'response_format is "json"'],
  [{ modalities: ["text", "audio"] }, 'modalities[1] is "audio"'],
  [{ audio: { voice: "alloy" } }, "audio is not offered", "text alone"],
  [{ prediction: { type: "content" } }, "prediction is not offered"],
  [{ web_search_options: {} }, "web_search_options is not offered"],
  [{ store: true }, "store is true", "nothing is stored"],
  [{ metadata: { a: "b" } }, "metadata.a is not an option", "nothing is stored"],
  [{ reasoning_effort: "high" }, 'reasoning_effort is "high"'],
  [{ verbosity: "low" }, 'verbosity is "low"'],
  [{ service_tier: "priority" }, 'service_tier is "priority"'],
  [{ maxTokens: 5 }, "maxTokens is not an option", "do you mean max_tokens?"],
  [{ temprature: 1 }, "do you mean temperature?"],
  [{ logprob: true }, "do you mean logprobs?"],
  [{ repetition_penalty: 1 }, "do you mean repeat_penalty?"],
  [{ signal: AbortSignal.abort() }, "signal is not offered", "second argument"],
  [{ x_custom: 1 }, "x_custom is not an option of chat.completions.create; it takes messages, model,"],
];

describe("generate refuses", () => {
  it.each(named(GENERATE_REFUSED))("options %#: $words", async ({ given, words }) => {
    const worker = fakeWorker();
    const model = await load({}, worker);
    const session = await model.session();
    const send = vi.spyOn(worker, "postMessage");
    for (const speaker of [model, session]) {
      const generation = speaker.generate("the", given as GenerateOptions);
      await refusal(() => generation.result(), ...words);
      await refusal(() => generation[Symbol.asyncIterator]().next(), ...words);
    }
    expect(send).not.toHaveBeenCalled();
  });

  it.each(named(PROMPTS_REFUSED))("prompts %#: $words", async ({ given, words }) => {
    const worker = fakeWorker();
    const model = await load({}, worker);
    const send = vi.spyOn(worker, "postMessage");
    await refusal(() => model.generate(given as Prompt).result(), ...words);
    expect(send).not.toHaveBeenCalled();
  });
});

describe("load and estimate refuse", () => {
  it.each(named(LOAD_REFUSED))("options %#: $words", async ({ given, words }) => {
    const worker = vi.fn(() => fakeWorker());
    const options = (typeof given === "object" ? { worker, ...given } : given) as LoadOptions;
    const source = new ReadableStream<Uint8Array>();
    for (const start of [() => BitNet.load(source, options), () => BitNet.estimate(source, options)]) await refusal(start, ...words);
    expect(worker).not.toHaveBeenCalled();
    expect(source.locked).toBe(false);
  });

  it.each(
    named([
    [undefined, "the source is undefined"],
    [null, "the source is null"],
    ["", 'the source is ""'],
    [5, "the source is 5"],
    [new ArrayBuffer(8), "the source is an ArrayBuffer", "new Blob([bytes])"],
    [new Uint8Array(8), "new Blob([bytes])"],
    [fetch("data:,GGUF"), "the source is a Promise (await it)"],
    [{ url: "model.gguf" }, "the source is an object"],
    [[], "empty array"],
    [[new Blob(["GGUF"]), , new Blob(["GGUF"])], "part 1 of the source is undefined"],
  ]),
  )("sources %#: $words", async ({ given, words }) => {
    const worker = vi.fn(() => fakeWorker());
    for (const start of [BitNet.load.bind(BitNet), BitNet.estimate.bind(BitNet)]) await refusal(() => start(given as Blob, { worker }), ...words);
    expect(worker).not.toHaveBeenCalled();
  });

  it("a function that makes no worker, and say nothing of headers, which may hold a secret", async () => {
    await refusal(() => BitNet.load(new Blob(["GGUF"]), { worker: () => ({}) as Worker }), "worker gives is an object");
    const failing = () => {
      throw new Error("not here");
    };
    await refusal(() => BitNet.load(new Blob(["GGUF"]), { worker: failing }), "no worker could be made (not here)", "workerUrl");
    await refusal(() => BitNet.load(new Blob(["GGUF"]), { worker: Blob as never }), "worker could be made");
    const { message, cause } = await refusal(() => BitNet.load("https://localhost/x.gguf", { headers: { authorization: "Bearer top\nsecret" } }));
    expect(message).not.toContain("secret");
    expect(cause).toBeUndefined();
  });
});

describe("chat.completions.create refuses", () => {
  it.each(named(CHAT_REFUSED))("fields %#: $words", async ({ given, words }) => {
    const worker = fakeWorker();
    const model = await load({}, worker);
    const send = vi.spyOn(worker, "postMessage");
    for (const stream of [false, true]) {
      const params = { messages: [USER], stream, ...(given as object) } as unknown as ChatCompletionCreateParams;
      await refusal(() => model.chat.completions.create(params), ...words);
    }
    expect(send).not.toHaveBeenCalled();
  });

  it("a request that is none, and what belongs to a client of a server", async () => {
    const { completions } = (await load()).chat;
    await refusal(() => completions.create(undefined as unknown as ChatCompletionCreateParams), "messages is undefined");
    await refusal(() => completions.create("hi" as unknown as ChatCompletionCreateParams), '"hi"', "an object");
    const cases: Case[] = [[{ timeout: 5 }, "AbortSignal.timeout"], [{ maxRetries: 2 }, "no server"], [{ signal: "x" }, 'signal is "x"'], [{ abort: 1 }, "abort is not"], [5, "is 5"]];
    for (const [options, ...words] of cases) await refusal(() => completions.create({ messages: [USER] }, options as object), ...words);
  });
});

describe("the other places refuse", () => {
  it("what they can't take", async () => {
    const model = await load();
    const session = await model.session();
    const cases: [() => unknown, ...string[]][] = [
      [() => model.verify({ prompts: "a" } as never), 'prompts is "a"'],
      [() => model.verify({ prompts: [] }), "prompts is an empty array"],
      [() => model.verify({ prompts: ["a", 5] } as never), "prompts[1] is 5"],
      [() => model.verify({ maxTokens: 0 }), "maxTokens is 0"],
      [() => model.verify({ reference: "metrics.json" }), 'reference is "metrics.json"'],
      [() => model.verify({ file: 5 } as never), "file is 5"],
      [() => model.verify({ prompt: "a" } as never), "do you mean prompts?"],
      [() => model.session({ contextLength: 5 } as never), "contextLength is not an option of session"],
      [() => model.tokenize(5 as never), "text is 5"],
      [() => model.tokenize("a", { parseSpecials: true } as never), "do you mean parseSpecial?"],
      [() => model.tokenize("a", { parseSpecial: "no" } as never), 'parseSpecial is "no"'],
      [() => model.detokenize("a" as never), 'ids is "a"'],
      [() => model.detokenize([1, -1]), "ids[1] is -1"],
      [() => model.detokenize([1, 1.5]), "ids[1] is 1.5"],
      [() => model.detokenize([NaN]), "ids[0] is NaN"],
      [() => session.restore(new ArrayBuffer(8) as never), "bytes is an ArrayBuffer"],
      [() => session.restore([1] as never), "bytes is an array"],
      [() => deleteCachedModel(5 as never), "key is 5"],
      [() => deleteCachedModel({ key: "a" } as never), "key is an object", "`key`"],
      [() => fakeWorker({ vocabulary: [] }), "vocabulary is an empty array"],
      [() => fakeWorker({ words: ["a"] } as never), "words is not an option of fakeWorker"],
      [() => fakeWorker({ prefillBatch: 0 }), "prefillBatch is 0"],
      [() => fakeWorker({ answerLength: -1 }), "answerLength is -1", "or Infinity"],
    ];
    for (const [call, ...words] of cases) await refusal(call, ...words);
  });
});

describe("what asks for nothing is accepted", () => {
  const none: readonly Partial<ChatCompletionCreateParams>[] = [
    { tools: [], tool_choice: "none", parallel_tool_calls: true },
    { tool_choice: "auto", functions: [], function_call: "none" },
    { response_format: { type: "text" }, modalities: ["text"], n: 1 },
    { stream_options: {}, logit_bias: {}, stop: [], metadata: {} },
    { stream_options: { include_usage: false, include_obfuscation: false }, store: false },
    { top_logprobs: 0, logprobs: false, reasoning_effort: "none", verbosity: "medium", service_tier: "auto" },
    { model: "gpt-4o", user: "u", safety_identifier: "s", prompt_cache_key: "k", prompt_cache_retention: "in-memory" },
    Object.fromEntries([...Object.keys(CHAT.table), "x_foreign", "audio"].filter((name) => name !== "messages").map((name) => [name, null])),
    { messages: [{ ...USER, tool_calls: [], annotations: null, refusal: null } as never] },
  ];
  it.each(none)("by chat.completions.create %#", async (fields) => {
    const worker = fakeWorker({ answerLength: 3 });
    const model = await load({}, worker);
    const send = vi.spyOn(worker, "postMessage");
    const { choices } = await model.chat.completions.create({ messages: [USER], ...fields, stream: false });
    expect(choices[0].message.content).not.toBe("");
    const request = (send.mock.calls[0]?.[0] as { request: object }).request;
    expect(request).toMatchObject({ messages: [USER] });
    for (const [field, option] of IN_GENERATE) if (!(field in fields)) expect(request).not.toHaveProperty(option);
  });

  it("undefined and null are as if they were not there, everywhere", async () => {
    const blank = (options: Options<never>) => Object.fromEntries(Object.keys(options.table).map((name, index) => [name, index % 2 ? null : undefined])) as never;
    const worker = fakeWorker(blank(FAKE as Options<never>));
    const model = await BitNet.load(new Blob(["GGUF"]), { ...(blank(LOAD as Options<never>) as object), worker });
    models.push(model);
    const send = vi.spyOn(worker, "postMessage");
    await model.generate("the", blank(GENERATE as Options<never>)).result();
    await model.generate("the", null as never).result();
    for (const call of [0, 1]) expect((send.mock.calls[call]?.[0] as { request: object }).request).toEqual({ prompt: "the" });
    await model.verify({ ...(blank(VERIFY as Options<never>) as object), maxTokens: 1 });
    await model.tokenize("a", null as never);
    await model.session(null as never);
    await model.chat.completions.create({ messages: [USER] }, blank(CHAT_REQUEST as Options<never>));
  });
});

describe("what is accepted", () => {
  it("reaches the engine as it is meant", async () => {
    const worker = fakeWorker({ answerLength: 1 });
    const model = await load({}, worker);
    const send = vi.spyOn(worker, "postMessage");
    const request = async (prompt: unknown, options: object) => {
      send.mockClear();
      await model.generate(prompt as Prompt, options).result();
      return (send.mock.calls[0]?.[0] as { request: unknown }).request;
    };
    expect(await request("a", { stop: "." })).toEqual({ prompt: "a", stop: ["."] });
    expect(await request("a", { stop: [".", "\n"], logitBias: { 5: -Infinity, 7: 1e9 } })).toEqual({ prompt: "a", stop: [".", "\n"], logitBias: { 5: -Infinity, 7: 1e9 } });
    expect(await request("a", { maxTokens: 0, topK: 0, topP: 1.00000001, minP: -0, repeatLastN: -1, seed: Number.MAX_SAFE_INTEGER })).toMatchObject({ maxTokens: 0, seed: Number.MAX_SAFE_INTEGER });
    const inherited = Object.create({ maxTokens: 1 }) as object;
    expect(await request("a", Object.assign(inherited, { seed: 3 }))).toEqual({ prompt: "a", maxTokens: 1, seed: 3 });
    class Settings {
      temperature = 0;
      get topK() {
        return this.temperature + 7;
      }
      describe() {
        return "mine";
      }
    }
    expect(await request("a", new Settings())).toEqual({ prompt: "a", temperature: 0, topK: 7 });
    const parts = [{ type: "text", text: "a " }, { type: "text", text: "b" }];
    expect(await request([{ role: "developer", content: "s" }, { role: "user", content: parts }], {})).toEqual({
      messages: [
        { role: "system", content: "s" },
        { role: "user", content: "a b" },
      ],
    });
    expect(await request(Uint32Array.of(1, 2), {})).toEqual({ ids: Uint32Array.of(1, 2) });
  });

  it("is read once, at once", async () => {
    let reads = 0;
    const options = { get maxTokens() { return ++reads; } };
    expect((await (await load()).generate("a", options).result()).usage.completionTokens).toBe(1);
    expect(reads).toBe(1);
    const stop = ["zebra"];
    const generation = (await load({ answerLength: 2 })).generate("a", { stop });
    stop[0] = 5 as never;
    expect((await generation.result()).finishReason).toBe("stop");
  });

  it("may be a signal of another frame, or a worker that only behaves like one", async () => {
    const { signal: own } = new AbortController();
    const foreign = { aborted: false, addEventListener: own.addEventListener.bind(own), removeEventListener: own.removeEventListener.bind(own) };
    expect((await (await load({ answerLength: 2 })).generate("a", { signal: foreign as AbortSignal }).result()).usage.completionTokens).toBe(2);
  });

  it("in estimate may be all that load takes", async () => {
    const estimate = await BitNet.estimate(new Blob(["GGUF"]), { worker: fakeWorker(), threads: 4, cache: false, hash: true, onProgress: () => undefined } as LoadOptions);
    expect(estimate.architecture).toBe("fake");
  });
});

/** Whatever JavaScript can hold, with what is awkward to look at. */
const ODD: readonly unknown[] = [
  ...[0, -0, -1, 0.5, 1e-400, 1e308, 2 ** 31, 2 ** 53, NaN, Infinity, -Infinity, 1n, -(2n ** 70n), true, false, "", "1", "auto", "\u202e", "x".repeat(100_000)],
  ...[Symbol("s"), () => 1, Map, {}, [], [[]], [undefined], holes, new Date(NaN), new Map(), new WeakMap(), /x/, new Error("e"), new Proxy({}, {})],
  ...[Object.create(null) as object, revoked, new Uint32Array(2), new ArrayBuffer(2), Promise.resolve(), new URL("https://localhost"), globalThis],
  { toString: () => { throw new Error("t"); } },
  { get [Symbol.toStringTag]() { throw new Error("t"); } },
  { get type() { throw "no error"; } },
  { role: 5, type: {}, content: [[[]]], 1: 2 },
  new Proxy({}, { get: () => { throw new Error("get"); }, has: () => { throw new Error("has"); }, getPrototypeOf: () => { throw new Error("proto"); } }),
];
const ALL = [GENERATE, LOAD, VERIFY, TOKENIZE, SESSION, CHAT, CHAT_REQUEST, FAKE] as unknown as Options<Record<string, unknown>>[];

describe("every option", () => {
  it("takes an odd value or refuses it by name", () => {
    const look = (options: Options<Record<string, unknown>>, given: unknown, name: string) => {
      try {
        readOptions(options, given);
      } catch (error) {
        expect(error).toBeInstanceOf(BitNetError);
        expect((error as BitNetError).message).toContain(name);
        expect((error as BitNetError).message.length).toBeLessThan(1000);
      }
    };
    for (const options of ALL) {
      for (const odd of ODD) {
        look(options, odd, "");
        for (const name of Object.keys(options.table)) look(options, { [name]: odd }, name);
      }
    }
  });

  it("that is near a known name is told which; what is far is not", () => {
    for (const { table } of ALL) {
      const names = Object.keys(table);
      for (const name of names) {
        expect(nearest(name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), names)).toBe(name);
        if (name.length > 5) expect(nearest(name.slice(1), names)).toBe(name);
      }
    }
    for (const far of ["", "x", "gpuLayers", "quantization", "zzzzzzzzzz".repeat(50)]) expect(nearest(far, Object.keys(GENERATE.table))).toBeUndefined();
  });

  it("is in its table, and nothing else: this would not compile otherwise", () => {
    const a = { kind: whole(0, 1) };
    // @ts-expect-error: `b` is missing
    const less: Options<{ a?: number; b?: number }> = { of: "", table: { a } };
    // @ts-expect-error: there is no `b`
    const more: Options<{ a?: number }> = { of: "", table: { a, b: a } };
    // @ts-expect-error: a number is no text
    const other: Options<{ a?: string }> = { of: "", table: { a } };
    // @ts-expect-error: of three values one is missing
    const fewer: Options<{ a?: 1 | 2 | 3 }> = { of: "", table: { a: { kind: oneOf(1, 2) } } };
    expect([less, more, other, fewer]).toHaveLength(4);
  });
});

describe("the reference", () => {
  it("is OPTIONS.md, as these tables have it (`npx vitest run tests/options.test.ts -u` writes it anew)", async () => {
    const rows = ({ table }: Options<never>) =>
      Object.entries(table as Record<string, Option<unknown>>)
        .map(([name, { kind, otherwise }]) => `| \`${name}\` | ${kind.what} | ${otherwise ?? "none"} |\n`)
        .join("");
    const section = (title: string, options: unknown) => `\n## ${title}\n\n| Option | It may be | Without it |\n|---|---|---|\n${rows(options as Options<never>)}`;
    const text = `# Options

Every option of the package, written from the tables that it checks them with. The API reference says what each is for.

\`undefined\` and \`null\` count as absent. A value of the wrong kind or out of range, and a name that is no option, give the error
\`invalid-argument\` before anything begins. Its message has the option, the value and what it may be, or the name that was probably meant.
Options are read once, when the function is called.
${section("BitNet.load, BitNet.estimate", LOAD)}
\`estimate\` checks all of them, and uses those that memory or the way to the header depends on.
${section("generate, of a model or a session", GENERATE)}
\`stop: "."\` is one stop string. A seed is a number, not a BigInt.
${section("verify", VERIFY)}${section("tokenize", TOKENIZE)}${section("chat.completions.create", CHAT)}
Of \`max_tokens\` and \`max_completion_tokens\` the newer name counts. \`model\`, \`user\`, \`safety_identifier\`, \`prompt_cache_key\`, \`parallel_tool_calls\` and \`service_tier\` are accepted and not used. What OpenAI defines and this table
lacks, such as \`audio\` or \`web_search_options\`, is refused with the reason. The second argument takes \`signal\`.
${section("fakeWorker, of b158/testing", FAKE)}`;
    await expect(text).toMatchFileSnapshot("../OPTIONS.md");
  });
});
