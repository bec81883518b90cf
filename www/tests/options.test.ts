// Options of the wrong kind, name or size, in every place that takes any: each is refused by name before anything begins.
import type { Sent } from "../src/internal/channel.js";
import { afterEach, describe, expect, it, vi } from "vitest";
import { nearest } from "../src/internal/options/nearest.js";
import { EMBED, REQUEST } from "../src/internal/options/embed.js";
import { IN_GENERATE } from "../src/internal/options/openai.js";
import { CHAT } from "../src/internal/options/openai-tables.js";
import { type Option, type Options, readOptions } from "../src/internal/options/read.js";
import { CHAT_REQUEST, FAKE, GENERATE, LOAD, SESSION, TOKENIZE, VERIFY } from "../src/internal/options/tables.js";
import { oneOf, whole } from "../src/internal/options/kinds.js";
import { EMBEDDING_CALL, EMBEDDING_MODEL, LANGUAGE_CALL, LANGUAGE_MODEL } from "../src/ai-sdk/options.js";
import { INSTALL } from "../src/prompt-api/options.js";
import { BitNet, BitNetError, deleteCachedModel, type ChatCompletionCreateParams, type GenerateOptions, type LoadOptions, type Prompt } from "../src/public/index.js";
import { fakeWorker, type FakeEngineOptions } from "../src/public/testing.js";
import { type Case, CHAT_REFUSED, endless, GENERATE_REFUSED, holes, LOAD_REFUSED, named, PROMPTS_REFUSED, revoked, USER } from "./refused.js";

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
      [() => model.verify({ reference: { a: [1, { b: () => 1 }] } }), "reference.a[1].b is a function", "what JSON can say"],
      [() => model.verify({ reference: { a: NaN } }), "reference.a is NaN"],
      [() => model.verify({ reference: { a: new Map() } }), "reference.a is a Map"],
      [() => model.verify({ reference: { "a b": 1n } }), 'reference."a b" is the BigInt 1'],
      [() => model.verify({ reference: endless }), "reference.self.self", "is an object", "32 levels deep"],
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
    const { request } = (send.mock.calls[0]?.[0] as { body: { request: object } }).body;
    expect(request).toMatchObject({ messages: [USER] });
    for (const [field, option] of IN_GENERATE) if (!(field in fields)) expect(request).not.toHaveProperty(option);
  });

  it("in messages that other programs made of answers", async () => {
    const worker = fakeWorker({ answerLength: 1 });
    const model = await load({}, worker);
    const send = vi.spyOn(worker, "postMessage");
    const call = { id: "call_0", type: "function", function: { name: "now", arguments: "{}" } } as const;
    const joined = { role: "assistant", content: null, refusal: null, tool_calls: [{ ...call, index: 0 }] } as const;
    const parsed = {
      role: "assistant",
      content: null,
      refusal: null,
      annotations: [],
      audio: null,
      function_call: null,
      parsed: { a: 1 },
      tool_calls: [{ ...call, function: { ...call.function, parsed_arguments: {} } }],
    } as const;
    const result = { role: "tool", tool_call_id: "call_0", content: "noon" } as const;
    await model.chat.completions.create({ messages: [USER, joined, result, parsed, result] });
    const { request } = (send.mock.calls[0]?.[0] as { body: { request: { messages: unknown } } }).body;
    const plain = { role: "assistant", content: "", tool_calls: [call] };
    expect(request.messages).toStrictEqual([USER, plain, result, plain, result]);
  });

  it("undefined and null are as if they were not there, everywhere", async () => {
    const blank = (options: Options<never>) => Object.fromEntries(Object.keys(options.table).map((name, index) => [name, index % 2 ? null : undefined])) as never;
    const worker = fakeWorker(blank(FAKE as Options<never>));
    const model = await BitNet.load(new Blob(["GGUF"]), { ...(blank(LOAD as Options<never>) as object), worker });
    models.push(model);
    const send = vi.spyOn(worker, "postMessage");
    await model.generate("the", blank(GENERATE as Options<never>)).result();
    await model.generate("the", null as never).result();
    for (const call of [0, 1]) expect((send.mock.calls[call]?.[0] as { body: { request: object } }).body.request).toEqual({ prompt: "the" });
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
      return (send.mock.calls[0]?.[0] as { body: { request: unknown } }).body.request;
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

  it("is what JSON can say, whole", async () => {
    const worker = fakeWorker({ answerLength: 1 });
    const model = await load({}, worker);
    const send = vi.spyOn(worker, "postMessage");
    const reference = { a: [1, null, { b: "c", none: undefined }], d: { e: false, f: -1.5 } };
    await model.verify({ prompts: ["a"], reference });
    const sent = send.mock.calls.map(([message]) => message as Sent);
    const report = sent.flatMap((message) => (message.type === "call" && message.body.call.name === "report" ? [message.body.call] : []))[0];
    expect(report?.args.about.reference).toEqual(reference);
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
const ALL = [GENERATE, LOAD, VERIFY, TOKENIZE, SESSION, CHAT, CHAT_REQUEST, LANGUAGE_MODEL, LANGUAGE_CALL, EMBEDDING_MODEL, EMBEDDING_CALL, FAKE] as unknown as Options<Record<string, unknown>>[];

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
    const { worker: makeWorker, languages, unloadAfterMs, seed, chatTemplateKwargs, force } = INSTALL.table;
    const promptApi = { worker: makeWorker, languages, unloadAfterMs, seed: { ...seed, otherwise: "another for each answer" }, chatTemplateKwargs, force };
    const text = `# Options

Every option of the package, written from the tables that it checks them with. The API reference says what each is for.

\`undefined\` and \`null\` count as absent. A value of the wrong kind or out of range, and a name that is no option, give the error
\`invalid-argument\` before anything begins. Its message has the option, the value and what it may be, or the name that was probably meant.
Options are read once, when the function is called.
${section("BitNet.load, BitNet.estimate", LOAD)}
\`estimate\` checks all of them, and uses those that memory or the way to the header depends on.
${section("generate, of a model or a session", GENERATE)}
\`stop: "."\` is one stop string. A seed is a number, not a BigInt.
${section("verify", VERIFY)}${section("embed", EMBED)}${section("tokenize", TOKENIZE)}${section("chat.completions.create", CHAT)}
Of \`max_tokens\` and \`max_completion_tokens\` the newer name counts. \`model\`, \`user\`, \`safety_identifier\`, \`prompt_cache_key\` and \`service_tier\` are accepted and not used. What OpenAI defines and this table
lacks, such as \`audio\` or \`web_search_options\`, is refused with the reason. The second argument takes \`signal\`.
${section("embeddings.create", REQUEST.fields)}
\`model\` and \`user\` are accepted and not used. The second argument takes \`signal\`.
${section("b158, of b158/ai-sdk", LANGUAGE_MODEL)}${section("providerOptions.b158 of an answer, of b158/ai-sdk", LANGUAGE_CALL)}${section("b158.embeddingModel, of b158/ai-sdk", EMBEDDING_MODEL)}${section("providerOptions.b158 of vectors, of b158/ai-sdk", EMBEDDING_CALL)}${section("install, languageModel, of b158/prompt-api", { table: promptApi })}
Beside these they take the options of \`BitNet.load\`, but for \`signal\`. \`force\` is for \`install\` alone.
${section("fakeWorker, of b158/testing", FAKE)}`;
    await expect(text).toMatchFileSnapshot("../OPTIONS.md");
  });
});
