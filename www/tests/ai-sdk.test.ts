// The provider for the AI SDK, over an engine that says what a test has written down. The real SDK with the real engine: tests/apps.
import { describe, expect, it, vi } from "vitest";
import { b158, type CallOptions, type EmbeddingCallOptions, type Engine, type PromptMessage, type StreamPart } from "../src/ai-sdk/index.js";
import { BitNet, BitNetError, type ChatCompletionChunk, type ChatCompletionCreateParams, type ChatCompletionDelta, type ChatCompletionFinishReason } from "../src/public/index.js";
import { fakeWorker } from "../src/public/testing.js";

const COMMON = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_700_000_000, model: "a fox" } as const;
const TIMINGS = { prefillMs: 1, decodeMs: 1, timeToFirstTokenMs: 1, prefillTokensPerSecond: 1, decodeTokensPerSecond: 1, decodeThreads: 1 };
const USAGE = { prompt_tokens: 10, completion_tokens: 4, total_tokens: 14, prompt_tokens_details: { cached_tokens: 7 } };

const call = (index: number, name: string, id = `call_${name}${String(index)}`): ChatCompletionDelta => ({ tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] });
const input = (index: number, text: string): ChatCompletionDelta => ({ tool_calls: [{ index, function: { arguments: text } }] });

/** Chunks as the engine gives them. */
function chunksOf(deltas: readonly ChatCompletionDelta[], finish_reason: ChatCompletionFinishReason): ChatCompletionChunk[] {
  const of = (delta: ChatCompletionDelta, reason: ChatCompletionFinishReason | null = null): ChatCompletionChunk => ({ ...COMMON, choices: [{ index: 0, delta, finish_reason: reason, logprobs: null }], usage: null });
  return [of({ role: "assistant", content: "" }), ...deltas.map((delta) => of(delta)), { ...of({}, finish_reason), timings: TIMINGS }, { ...COMMON, choices: [], usage: USAGE }];
}

interface Told {
  /** What it was asked. */
  asked: ChatCompletionCreateParams[];
  engine: Engine;
}

/** An engine that gives these chunks; an error in their place is thrown. */
function engineOf(chunks: readonly (ChatCompletionChunk | Error)[]): Told {
  const asked: ChatCompletionCreateParams[] = [];
  async function* stream() {
    for (const chunk of chunks) {
      await Promise.resolve();
      if (chunk instanceof Error) throw chunk;
      yield chunk;
    }
  }
  const create = (params: ChatCompletionCreateParams) => {
    asked.push(params);
    return Promise.resolve(stream());
  };
  const embed = (texts: readonly string[], { dimensions = 3 } = {}) => Promise.resolve({ vectors: texts.map(() => new Float32Array(dimensions).fill(0.5)), usage: { promptTokens: texts.length }, notes: ["it is no embedding model"] });
  return { asked, engine: { info: { name: "a fox" }, chat: { completions: { create } }, embed } as unknown as Engine };
}

const USER: PromptMessage = { role: "user", content: [{ type: "text", text: "Hello" }] };
const PROMPT: CallOptions = { prompt: [USER] };

async function partsOf(chunks: readonly (ChatCompletionChunk | Error)[], options: Partial<CallOptions> = {}): Promise<StreamPart[]> {
  const { engine } = engineOf(chunks);
  const { stream } = await b158(engine).doStream({ ...PROMPT, ...options });
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

/** What is asked of the engine, and the warnings. */
async function asked(options: Partial<CallOptions>, settings = {}): Promise<{ params: ChatCompletionCreateParams; warnings: unknown[] }> {
  const { engine, asked } = engineOf(chunksOf([], "stop"));
  const { warnings } = await b158(engine, settings).doGenerate({ ...PROMPT, ...options });
  const [params] = asked;
  if (!params) throw new Error("nothing was asked");
  return { params, warnings };
}

const messagesOf = async (...prompt: PromptMessage[]) => {
  const { params, warnings } = await asked({ prompt });
  return { messages: params.messages, warnings };
};

describe("parts of a stream", () => {
  const THOUGHT = [{ reasoning_content: "Hm" }, { reasoning_content: "." }, { content: "Ye" }, { content: "s" }];

  it("come in order, each block with an id of its own", async () => {
    const parts = await partsOf(chunksOf([...THOUGHT, call(0, "look"), input(0, '{"a":'), input(0, "1}"), call(1, "look"), input(1, "{}"), { content: "!" }], "tool_calls"));
    expect(parts).toEqual([
      { type: "stream-start", warnings: [] },
      { type: "response-metadata", id: "chatcmpl-1", timestamp: new Date(1_700_000_000_000), modelId: "a fox" },
      { type: "reasoning-start", id: "0" },
      { type: "reasoning-delta", id: "0", delta: "Hm" },
      { type: "reasoning-delta", id: "0", delta: "." },
      { type: "reasoning-end", id: "0" },
      { type: "text-start", id: "1" },
      { type: "text-delta", id: "1", delta: "Ye" },
      { type: "text-delta", id: "1", delta: "s" },
      { type: "text-end", id: "1" },
      { type: "tool-input-start", id: "call_look0", toolName: "look" },
      { type: "tool-input-delta", id: "call_look0", delta: '{"a":' },
      { type: "tool-input-delta", id: "call_look0", delta: "1}" },
      { type: "tool-input-end", id: "call_look0" },
      { type: "tool-call", toolCallId: "call_look0", toolName: "look", input: '{"a":1}' },
      { type: "tool-input-start", id: "call_look1", toolName: "look" },
      { type: "tool-input-delta", id: "call_look1", delta: "{}" },
      { type: "tool-input-end", id: "call_look1" },
      { type: "tool-call", toolCallId: "call_look1", toolName: "look", input: "{}" },
      { type: "text-start", id: "2" },
      { type: "text-delta", id: "2", delta: "!" },
      { type: "text-end", id: "2" },
      {
        type: "finish",
        finishReason: { unified: "tool-calls", raw: "tool_calls" },
        usage: { inputTokens: { total: 10, noCache: 3, cacheRead: 7, cacheWrite: undefined }, outputTokens: { total: 4, text: undefined, reasoning: undefined }, raw: USAGE },
        providerMetadata: { b158: { seed: expect.any(Number) as number, timings: TIMINGS } },
      },
    ]);
  });

  it("and the whole answer are the same", async () => {
    const { engine } = engineOf(chunksOf([...THOUGHT, call(0, "look"), input(0, "{}")], "tool_calls"));
    const whole = await b158(engine).doGenerate(PROMPT);
    expect(whole).toMatchObject({
      content: [
        { type: "reasoning", text: "Hm." },
        { type: "text", text: "Yes" },
        { type: "tool-call", toolCallId: "call_look0", toolName: "look", input: "{}" },
      ],
      finishReason: { unified: "tool-calls", raw: "tool_calls" },
      usage: { outputTokens: { total: 4 } },
      response: { id: "chatcmpl-1", modelId: "a fox" },
      warnings: [],
    });
  });

  it("have no block where nothing was said", async () => {
    const parts = await partsOf(chunksOf([{ content: "" }], "stop"));
    expect(parts.map(({ type }) => type)).toEqual(["stream-start", "response-metadata", "finish"]);
  });

  it("tell a call that was cut as it came, and none that has no arguments yet", async () => {
    const cut = await partsOf(chunksOf([call(0, "look"), input(0, "{}"), call(1, "say"), input(1, '{"text": "On')], "length"));
    expect(cut.filter(({ type }) => type === "tool-call")).toMatchObject([{ input: "{}" }, { input: '{"text": "On' }]);
    expect(cut.at(-1)).toMatchObject({ finishReason: { unified: "length", raw: "length" } });
    const bare = await partsOf(chunksOf([call(0, "look")], "length"));
    expect(bare.map(({ type }) => type)).toEqual(["stream-start", "response-metadata", "tool-input-start", "tool-input-end", "finish"]);
  });

  it("tell an error, and end with it", async () => {
    const error = new BitNetError("worker-crashed", "it is gone");
    const parts = await partsOf([...chunksOf([{ content: "On" }], "stop").slice(0, 2), error]);
    expect(parts.slice(-2)).toEqual([
      { type: "error", error },
      expect.objectContaining({ type: "finish", finishReason: { unified: "error", raw: "worker-crashed" } }),
    ]);
  });

  it("have the engine's own chunks where they are asked for", async () => {
    const chunks = chunksOf([{ content: "Yes" }], "stop");
    const parts = await partsOf(chunks, { includeRawChunks: true });
    expect(parts.filter((part) => part.type === "raw").map(({ rawValue }) => rawValue)).toEqual(chunks);
  });
});

describe("messages", () => {
  it("are told with all that is in them", async () => {
    const { messages, warnings } = await messagesOf(
      { role: "system", content: "Be brief." },
      { role: "user", content: [{ type: "text", text: "Look " }, { type: "text", text: "there." }] },
      { role: "assistant", content: [{ type: "reasoning", text: "Hm." }, { type: "text", text: "I look." }, { type: "tool-call", toolCallId: "1", toolName: "look", input: { far: true } }, { type: "tool-call", toolCallId: "2", toolName: "look", input: {} }] },
      { role: "tool", content: [{ type: "tool-result", toolCallId: "1", toolName: "look", output: { type: "text", value: "a fox" } }, { type: "tool-approval-response" }, { type: "tool-result", toolCallId: "2", toolName: "look", output: { type: "json", value: { seen: 2 } } }] },
    );
    expect(warnings).toEqual([]);
    expect(messages).toEqual([
      { role: "system", content: "Be brief." },
      { role: "user", content: "Look there." },
      {
        role: "assistant",
        content: "I look.",
        reasoning_content: "Hm.",
        tool_calls: [
          { id: "1", type: "function", function: { name: "look", arguments: '{"far":true}' } },
          { id: "2", type: "function", function: { name: "look", arguments: "{}" } },
        ],
      },
      { role: "tool", tool_call_id: "1", name: "look", content: "a fox" },
      { role: "tool", tool_call_id: "2", name: "look", content: '{"seen":2}' },
    ]);
  });

  it.each([
    [{ type: "text", value: "a fox" }, "a fox"],
    [{ type: "json", value: null }, "null"],
    [{ type: "json", value: undefined }, "null"],
    [{ type: "error-text", value: "too dark" }, "too dark"],
    [{ type: "error-json", value: { why: "too dark" } }, '{"why":"too dark"}'],
    [{ type: "execution-denied", reason: "not at night" }, "not at night"],
    [{ type: "execution-denied" }, "The call was not allowed."],
    [{ type: "content", value: [{ type: "text", text: "one" }, { type: "text", text: "two" }] }, "one\ntwo"],
    [{ type: "content", value: [{ type: "file", mediaType: "text/csv", data: { type: "data", data: btoa("a;b") } }] }, "a;b"],
    [{ type: "content", value: [] }, ""],
  ] as const)("have what a tool gave: %j", async (output, content) => {
    const { messages, warnings } = await messagesOf({ role: "assistant", content: [{ type: "tool-call", toolCallId: "1", toolName: "look", input: {} }] }, { role: "tool", content: [{ type: "tool-result", toolCallId: "1", toolName: "look", output }] });
    expect(messages[1]).toEqual({ role: "tool", tool_call_id: "1", name: "look", content });
    expect(warnings).toEqual([]);
  });

  it.each([
    { type: "image-data", data: "AAAA", mediaType: "image/png" },
    { type: "file", mediaType: "image/png", data: { type: "data", data: new Uint8Array(3) } },
    { type: "image-url", url: "https://example.com/fox.png" },
    { type: "custom" },
  ] as const)("tell the model, and the caller, of what a tool gave and nobody can read: $type", async (part) => {
    const output = { type: "content", value: [{ type: "text", text: "Here:" }, part] } as const;
    const { messages, warnings } = await messagesOf({ role: "tool", content: [{ type: "tool-result", toolCallId: "1", toolName: "look", output }] });
    expect(messages[0]?.content).toMatch(/^Here:\n\[.+ can't be read here\]$/);
    expect(warnings).toEqual([expect.objectContaining({ type: "unsupported", feature: expect.stringContaining('"look"') as string })]);
  });

  it("keep an assistant's turn without a word, and what other providers' tools gave in the middle of one", async () => {
    const { messages } = await messagesOf(
      USER,
      { role: "assistant", content: [] },
      USER,
      { role: "assistant", content: [{ type: "tool-call", toolCallId: "1", toolName: "search", input: { q: "fox" } }, { type: "tool-result", toolCallId: "1", toolName: "search", output: { type: "text", value: "a fox" } }, { type: "text", text: "Found." }] },
    );
    expect(messages.slice(1)).toEqual([
      { role: "assistant", content: "" },
      { role: "user", content: "Hello" },
      { role: "assistant", content: "", tool_calls: [{ id: "1", type: "function", function: { name: "search", arguments: '{"q":"fox"}' } }] },
      { role: "tool", tool_call_id: "1", name: "search", content: "a fox" },
      { role: "assistant", content: "Found." },
    ]);
  });

  it("keep the arguments of a call that were none of JSON as a text", async () => {
    const { messages } = await messagesOf({ role: "assistant", content: [{ type: "tool-call", toolCallId: "1", toolName: "look", input: '{"a": "' }, { type: "tool-call", toolCallId: "2", toolName: "look", input: undefined }] });
    expect(messages[0]?.tool_calls?.map((one) => one.function.arguments)).toEqual(['"{\\"a\\": \\""', "{}"]);
  });

  it("leave out, with a warning, what an assistant made and can't be told", async () => {
    const { messages, warnings } = await messagesOf({ role: "assistant", content: [{ type: "text", text: "Here." }, { type: "file", mediaType: "image/png", data: "AAAA" }, { type: "reasoning-file" }, { type: "custom", kind: "other.state" }] });
    expect(messages).toEqual([{ role: "assistant", content: "Here." }]);
    expect(warnings.map((warning) => (warning as { feature: string }).feature)).toEqual(["file in an assistant's turn", "reasoning-file in an assistant's turn", "custom in an assistant's turn"]);
  });

  it.each([
    ["image/x", "text of v4", { type: "text", text: "a;ä" }],
    ["text/csv", "base64 of v4", { type: "data", data: Buffer.from("a;ä").toString("base64") }],
    ["text", "base64 of v3", Buffer.from("a;ä").toString("base64")],
    ["application/x-ndjson", "bytes of v3", new TextEncoder().encode("a;ä")],
    ["application/ld+json; charset=utf-8", "bytes of v4", { type: "data", data: new TextEncoder().encode("a;ä") }],
  ] as const)("have a person's files of text: %s as %s", async (mediaType, _form, data) => {
    const { messages } = await messagesOf({ role: "user", content: [{ type: "file", mediaType, filename: "foxes.csv", data }, { type: "text", text: "Sum it up." }] });
    expect(messages).toEqual([{ role: "user", content: "foxes.csv:\na;ä\nSum it up." }]);
  });

  it.each([
    { mediaType: "image/png", data: { type: "data", data: "AAAA" } },
    { mediaType: "text/plain", data: { type: "data", data: new Uint8Array([0xff, 0xfe, 0xfd]) } },
    { mediaType: "text/plain", data: { type: "data", data: "no base64!" } },
    { mediaType: "text/plain", data: { type: "url", url: new URL("https://example.com/") } },
    { mediaType: "text/plain", data: { type: "reference", reference: { other: "1" } } },
    { mediaType: "application/pdf", data: "AAAA" },
    { mediaType: "texture/x", data: "AAAA" },
  ] as const)("refuse other files of a person by their place: %j", async (file) => {
    await expect(messagesOf(USER, { role: "user", content: [{ type: "text", text: "See:" }, { type: "file", ...file }] })).rejects.toMatchObject({ code: "invalid-argument", message: expect.stringMatching(`^message 2, part 2 is a file of the type ${file.mediaType};`) as string });
  });
});

describe("options", () => {
  it("go by the engine's names", async () => {
    const { params, warnings } = await asked({
      maxOutputTokens: 7,
      temperature: 0,
      topP: 0.5,
      topK: 3,
      presencePenalty: 1,
      frequencyPenalty: -1,
      stopSequences: ["\n"],
      seed: 5,
      headers: { "user-agent": "ai/7" },
      providerOptions: { b158: { minP: 0.1, repeatPenalty: 1.1, repeatLastN: 8, logitBias: { 3: -5 }, chatTemplateKwargs: { a: 1 } }, other: { anything: true } },
    });
    expect(warnings).toEqual([]);
    expect(params).toEqual({
      messages: [{ role: "user", content: "Hello" }],
      stream: true,
      stream_options: { include_usage: true },
      max_completion_tokens: 7,
      temperature: 0,
      top_p: 0.5,
      top_k: 3,
      presence_penalty: 1,
      frequency_penalty: -1,
      stop: ["\n"],
      seed: 5,
      min_p: 0.1,
      repeat_penalty: 1.1,
      repeat_last_n: 8,
      logit_bias: { 3: -5 },
      chat_template_kwargs: { a: 1 },
    });
  });

  it("without a seed have another one each time", async () => {
    const seeds = await Promise.all([asked({}), asked({})]);
    expect(seeds[0].params.seed).not.toBe(seeds[1].params.seed);
  });

  it("of the provider that there are not are refused by name", async () => {
    await expect(asked({ providerOptions: { b158: { minp: 0.1 } } })).rejects.toMatchObject({ code: "invalid-argument", message: expect.stringContaining("do you mean minP?") as string });
    await expect(asked({ providerOptions: { b158: { seed: 1 } } })).rejects.toThrow("to the request itself");
  });

  it("of the SDK that are wrong are refused by its names", async () => {
    await expect(asked({ topK: 1.5 })).rejects.toMatchObject({ code: "invalid-argument", message: expect.stringMatching(/^topK is 1.5/) as string });
    await expect(asked({ maxOutputTokens: -1 })).rejects.toThrow(/^maxOutputTokens is -1/);
    expect(() => b158(engineOf([]).engine, { specificationVersion: "v2" as never })).toThrow(/specificationVersion.*"v4" or "v3"/);
    for (const odd of ["a name", null, undefined, 5, {}]) expect(() => b158(odd as never)).toThrow(/^model is .*; it may be a loaded BitNet/);
    expect(() => b158.embeddingModel(engineOf([]).engine, { tellSchema: true } as never)).toThrow("tellSchema");
  });

  it("for thinking say what they can't do", async () => {
    expect(await asked({ reasoning: "provider-default" })).toMatchObject({ params: expect.not.objectContaining({ chat_template_kwargs: expect.anything() as unknown }) as unknown, warnings: [] });
    expect(await asked({ reasoning: "none" })).toMatchObject({ params: { chat_template_kwargs: { enable_thinking: false } }, warnings: [] });
    expect(await asked({ reasoning: "high" })).toMatchObject({ params: { chat_template_kwargs: { enable_thinking: true } }, warnings: [{ type: "compatibility", feature: "reasoning" }] });
  });

  const LOOK = { type: "function", name: "look", description: "Looks", inputSchema: { type: "object" }, strict: true } as const;
  const SCHEMA = { $schema: "http://json-schema.org/draft-07/schema#", type: "object", properties: { a: { type: "string", description: "a colour" } } };
  const FORM = { type: "json", schema: SCHEMA, name: "fox", description: "of the woods" } as const;

  it("have tools, and a warning for each that is not ours", async () => {
    const { params, warnings } = await asked({ tools: [LOOK, { type: "provider", id: "other.search", name: "search" }, { ...LOOK, name: "see", inputExamples: [{ input: {} }] }], toolChoice: { type: "tool", toolName: "look" }, providerOptions: { b158: { parallelToolCalls: false } } });
    expect(params).toMatchObject({ tools: [{ type: "function", function: { name: "look", description: "Looks", parameters: { type: "object" }, strict: true } }, { function: { name: "see" } }], tool_choice: { type: "function", function: { name: "look" } }, parallel_tool_calls: false });
    expect(warnings).toEqual([expect.objectContaining({ type: "unsupported", feature: "tool other.search" }), expect.objectContaining({ type: "unsupported", feature: 'inputExamples of the tool "see"' })]);
    for (const type of ["auto", "none", "required"] as const) expect((await asked({ tools: [LOOK], toolChoice: { type } })).params.tool_choice).toBe(type);
    const none = await asked({ tools: [], toolChoice: { type: "auto" } });
    expect(none.params).not.toHaveProperty("tools");
    expect(none.params).not.toHaveProperty("tool_choice");
  });

  it("tell the model of the form", async () => {
    const { params, warnings } = await asked({ responseFormat: FORM, prompt: [{ role: "system", content: "Be brief." }, USER] });
    expect(warnings).toEqual([]);
    expect(params.response_format).toEqual({ type: "json_schema", json_schema: { schema: SCHEMA } });
    expect(params.messages).toHaveLength(2);
    expect(params.messages[0]?.content).toMatch(/^Be brief\.\n\nAnswer with JSON of this schema: \{"type":"object",.*"a colour".*\}\nfox: of the woods$/);
    const plain = await asked({ responseFormat: { type: "json" } });
    expect(plain.params).toMatchObject({ response_format: { type: "json_object" }, messages: [{ role: "system", content: "Answer with a JSON object" }, { role: "user" }] });
    expect((await asked({ responseFormat: FORM }, { tellSchema: false })).params.messages).toHaveLength(1);
    expect((await asked({ responseFormat: { type: "text" } })).params).not.toHaveProperty("response_format");
    expect((await asked({ responseFormat: FORM, tools: [LOOK], toolChoice: { type: "none" } })).params).toMatchObject({ response_format: { type: "json_schema" }, tool_choice: "none" });
  });

  it("have schemas without zod's names of patterns, wherever they are, and with all else", async () => {
    const nano = { type: "string", format: "nanoid", pattern: "^x{21}$" };
    const held = { type: "string", pattern: "^x{21}$" };
    const value = { format: "x", pattern: "y" };
    const schemaWith = (text: object) => ({
      type: "object",
      properties: { $schema: true, format: text, pattern: { type: "string", format: "date", pattern: "^2" }, list: { items: text, prefixItems: [text, true] }, const: { const: value }, bare: { type: "string", format: "jwt" } },
      $defs: { a: { anyOf: [text, { enum: [value] }] } },
      additionalProperties: { not: text },
      default: value,
    });
    const { params } = await asked({ responseFormat: { type: "json", schema: schemaWith(nano) }, tools: [{ ...LOOK, inputSchema: schemaWith(nano) }], toolChoice: { type: "none" } });
    expect(params.response_format).toEqual({ type: "json_schema", json_schema: { schema: schemaWith(held) } });
    expect(params.tools?.[0]?.function.parameters).toEqual(schemaWith(held));
    const told = schemaWith({ type: "string", format: "nanoid" });
    told.properties.pattern = { type: "string", format: "date" } as typeof told.properties.pattern;
    expect(JSON.parse(/of this schema: (.*)$/.exec(params.messages[0]?.content as string)?.[1] ?? "")).toEqual(told);
    const endless: { items?: object } = {};
    endless.items = { anyOf: [endless, endless] };
    await expect(asked({ responseFormat: { type: "json", schema: endless } })).rejects.toMatchObject({ code: "invalid-argument", message: expect.stringContaining("responseFormat.schema") as string });
    await expect(asked({ tools: [{ ...LOOK, inputSchema: 5 as never }] })).rejects.toMatchObject({ code: "invalid-argument", message: expect.stringContaining('inputSchema of the tool "look"') as string });
    expect((await asked({ responseFormat: { type: "json", schema: '{"type": "string"}' } })).params.response_format).toMatchObject({ json_schema: { schema: '{"type": "string"}' } });
  });

  it("make the form one of the tools where others may be called", async () => {
    const options = { responseFormat: FORM, tools: [LOOK, { ...LOOK, name: "answer" }] };
    const { params } = await asked(options);
    expect(params).toMatchObject({ tools: [{}, {}, { function: { name: "answer_", description: expect.stringContaining("of the woods") as string, parameters: SCHEMA } }], tool_choice: "required", parallel_tool_calls: false });
    expect(params).not.toHaveProperty("response_format");

    const answer = await partsOf(chunksOf([call(0, "answer_"), input(0, '{"a":'), input(0, '"red"}')], "tool_calls"), options);
    expect(answer.slice(2)).toEqual([
      { type: "text-start", id: "0" },
      { type: "text-delta", id: "0", delta: '{"a":' },
      { type: "text-delta", id: "0", delta: '"red"}' },
      { type: "text-end", id: "0" },
      expect.objectContaining({ type: "finish", finishReason: { unified: "stop", raw: "tool_calls" } }),
    ]);
    const called = await partsOf(chunksOf([call(0, "look"), input(0, "{}")], "tool_calls"), options);
    expect(called.at(-1)).toMatchObject({ finishReason: { unified: "tool-calls" } });
    expect((await asked({ ...options, providerOptions: { b158: { parallelToolCalls: true } } })).warnings).toEqual([expect.objectContaining({ feature: "parallelToolCalls" })]);
    expect((await asked({ ...options, toolChoice: { type: "required" } })).warnings).toEqual([expect.objectContaining({ feature: "responseFormat" })]);
  });
});

describe("a model", () => {
  it("may be on its way, or be loaded when it is first asked", async () => {
    const { engine } = engineOf(chunksOf([{ content: "Yes" }], "stop"));
    const load = vi.fn(() => Promise.resolve(engine));
    const model = b158(load);
    expect([model.modelId, load.mock.calls.length]).toEqual(["b158", 0]);
    await Promise.all([model.doGenerate(PROMPT), model.doGenerate(PROMPT)]);
    expect([model.modelId, load.mock.calls.length]).toEqual(["a fox", 1]);
    expect(b158(engine, { modelId: "mine" }).modelId).toBe("mine");
    await expect(b158(Promise.resolve(engine)).doGenerate(PROMPT)).resolves.toMatchObject({ content: [{ text: "Yes" }] });
  });

  it("that can't be loaded is tried again by the next request", async () => {
    const { engine } = engineOf(chunksOf([], "stop"));
    const load = vi.fn<() => Promise<Engine>>().mockRejectedValueOnce(new BitNetError("network", "no answer")).mockResolvedValue(engine);
    const model = b158(load);
    await expect(model.doGenerate(PROMPT)).rejects.toMatchObject({ code: "network" });
    await expect(model.doGenerate(PROMPT)).resolves.toBeDefined();
  });

  it("that has gone is loaded again for the next request", async () => {
    const load = vi.fn(() => BitNet.load(new Blob(["GGUF"]), { worker: fakeWorker({ answerLength: 3 }) }));
    const model = b158(load);
    await model.doGenerate(PROMPT);
    const first = await (load.mock.results[0]?.value as Promise<BitNet>);
    await first.dispose();
    await expect(model.doGenerate(PROMPT)).rejects.toMatchObject({ code: "disposed" });
    await expect(model.doGenerate(PROMPT)).resolves.toMatchObject({ finishReason: { unified: "stop" } });
    expect(load).toHaveBeenCalledTimes(2);
    await (await (load.mock.results[1]?.value as Promise<BitNet>)).dispose();
  });

  it("that came after one that had gone is kept when what became of the first is read late", async () => {
    const gone = engineOf([...chunksOf([{ content: "On" }], "stop").slice(0, 2), new BitNetError("worker-crashed", "it is gone")]).engine;
    const { engine } = engineOf(chunksOf([], "stop"));
    const load = vi.fn<() => Engine>().mockReturnValueOnce(gone).mockReturnValue(engine);
    const model = b158(load);
    const { stream } = await model.doStream(PROMPT);
    await expect(model.doGenerate(PROMPT)).rejects.toMatchObject({ code: "worker-crashed" });
    await model.doGenerate(PROMPT);
    for await (const _ of stream);
    await model.doGenerate(PROMPT);
    expect(load).toHaveBeenCalledTimes(2);
  });

  it("is one for answers and vectors by the same function", async () => {
    const { engine } = engineOf(chunksOf([], "stop"));
    const load = vi.fn(() => Promise.resolve(engine));
    await Promise.all([b158(load).doGenerate(PROMPT), b158.embeddingModel(load).doEmbed({ values: ["a"] }), b158(load, { modelId: "mine" }).doGenerate(PROMPT)]);
    expect(load).toHaveBeenCalledTimes(1);
  });

  it("is not waited for by who gives up, and still comes to the others", async () => {
    const { engine } = engineOf(chunksOf([], "stop"));
    let come: (engine: Engine) => void = () => undefined;
    const model = b158(() => new Promise<Engine>((resolve) => void (come = resolve)));
    const controller = new AbortController();
    const given = model.doGenerate({ ...PROMPT, abortSignal: controller.signal });
    const kept = model.doGenerate(PROMPT);
    controller.abort(new Error("enough"));
    await expect(given).rejects.toThrow("enough");
    come(engine);
    await expect(kept).resolves.toBeDefined();
    await expect(model.doStream({ ...PROMPT, abortSignal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
  });

  it("answers through a proxy", async () => {
    const { engine } = engineOf(chunksOf([{ content: "Yes" }], "stop"));
    const model = new Proxy(b158(engine), {});
    await expect(model.doGenerate(PROMPT)).resolves.toMatchObject({ content: [{ text: "Yes" }] });
    await expect(new Proxy(b158.embeddingModel(engine), {}).doEmbed({ values: ["a"] })).resolves.toMatchObject({ embeddings: [[0.5, 0.5, 0.5]] });
  });

  it("leaves no listener at a signal when its answer has ended", async () => {
    const { engine } = engineOf(chunksOf([{ content: "Yes" }], "stop"));
    const { signal } = new AbortController();
    const [add, remove] = [vi.spyOn(signal, "addEventListener"), vi.spyOn(signal, "removeEventListener")];
    await b158(engine).doGenerate({ ...PROMPT, abortSignal: signal });
    const { stream } = await b158(() => Promise.resolve(engine)).doStream({ ...PROMPT, abortSignal: signal });
    for await (const _ of stream);
    expect(add).toHaveBeenCalled();
    expect(remove).toHaveBeenCalledTimes(add.mock.calls.length);
  });

  it("leaves no listener at a signal, and ends the answer when its stream is cancelled", async () => {
    const model = await BitNet.load(new Blob(["GGUF"]), { worker: fakeWorker({ answerLength: 1_000_000, contextLength: 2_000_000 }) });
    const controller = new AbortController();
    const [add, remove] = [vi.spyOn(controller.signal, "addEventListener"), vi.spyOn(controller.signal, "removeEventListener")];
    const { stream } = await b158(model).doStream({ ...PROMPT, abortSignal: controller.signal });
    const reader = stream.getReader();
    await reader.read();
    await reader.cancel("enough");
    expect(remove).toHaveBeenCalledTimes(add.mock.calls.length);
    // It would wait for a million words.
    await expect(b158(model).doGenerate({ ...PROMPT, maxOutputTokens: 2 })).resolves.toMatchObject({ finishReason: { unified: "length" } });
    await model.dispose();
  });

  it("makes vectors", async () => {
    const { engine } = engineOf([]);
    const model = b158.embeddingModel(engine, { specificationVersion: "v3" });
    expect(model).toMatchObject({ specificationVersion: "v3", provider: "b158", modelId: "a fox", maxEmbeddingsPerCall: 256, supportsParallelCalls: false });
    const embed = (options: Partial<EmbeddingCallOptions>) => model.doEmbed({ values: ["a", "b"], ...options });
    expect(await embed({})).toEqual({ embeddings: [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]], usage: { tokens: 2 }, warnings: [{ type: "other", message: "it is no embedding model" }] });
    expect((await embed({ dimensions: 1 })).embeddings).toEqual([[0.5], [0.5]]);
    expect((await embed({ providerOptions: { b158: { dimensions: 2 } } })).embeddings[0]).toHaveLength(2);
    expect(await embed({ values: [] })).toEqual({ embeddings: [], usage: { tokens: 0 }, warnings: [] });
    await expect(embed({ providerOptions: { b158: { dimension: 2 } } })).rejects.toThrow("do you mean dimensions?");
    await expect(embed({ abortSignal: AbortSignal.abort(new Error("before")) })).rejects.toThrow("before");
  });
});
