import { afterEach, describe, expect, it, vi } from "vitest";
import { Completions } from "../src/internal/chat-completions.js";
import { GenerationStream } from "../src/internal/generation.js";
import { BitNet, type ChatCompletionChunk, type ChatCompletionCreateParams, type ChatCompletionMessageParam, type GenerateOptions } from "../src/public/index.js";
import { fakeWorker, type FakeEngineOptions } from "../src/public/testing.js";

const models: BitNet[] = [];
async function load(fake: FakeEngineOptions = {}): Promise<BitNet> {
  const model = await BitNet.load(new Blob(["GGUF"]), { worker: fakeWorker(fake) });
  models.push(model);
  return model;
}
afterEach(async () => {
  await Promise.all(models.splice(0).map((model) => model.dispose()));
});

const messages = [
  { role: "system", content: "be brief" },
  { role: "user", content: "the cat saw a dog" },
] as const;

async function all(stream: AsyncIterable<ChatCompletionChunk>): Promise<ChatCompletionChunk[]> {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

describe("chat.completions.create", () => {
  it("answers what generate answers, with usage and timings", async () => {
    const model = await load({ answerLength: 7 });
    const plain = await model.generate(messages, { seed: 3 }).result();
    await model.reset();
    const completion = await model.chat.completions.create({ messages, seed: 3, model: "any", n: 1, temperature: null });
    expect(completion).toMatchObject({ object: "chat.completion", model: "fake" });
    expect(completion.choices).toEqual([{ index: 0, message: { role: "assistant", content: plain.text, refusal: null }, finish_reason: "stop", logprobs: null }]);
    expect(completion.usage).toEqual({
      prompt_tokens: plain.usage.promptTokens,
      completion_tokens: 7,
      total_tokens: plain.usage.promptTokens + 7,
      prompt_tokens_details: { cached_tokens: 0 },
    });
    expect(completion.timings.timeToFirstTokenMs).toBeGreaterThanOrEqual(0);
    expect(Math.abs(completion.created - Date.now() / 1000)).toBeLessThan(60);
  });

  it("streams the same text, role first, finish reason last, usage behind it when asked for", async () => {
    const model = await load({ answerLength: 5 });
    const whole = await model.chat.completions.create({ messages, seed: 1 });
    const chunks = await all(await model.chat.completions.create({ messages, seed: 1, stream: true, stream_options: { include_usage: true } }));
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe(whole.choices[0].message.content);
    expect(chunks[0]?.choices[0]?.delta.role).toBe("assistant");
    expect(chunks.filter((chunk) => chunk.choices[0]?.delta.role !== undefined)).toHaveLength(1);
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe("stop");
    expect(chunks.at(-2)?.timings).toBeDefined();
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 5 } });
    expect(chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
    expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1);
  });

  it("says the role first, and once, also where the answer has no token", async () => {
    for (const answerLength of [0, 1, 3]) {
      const model = await load({ answerLength });
      const chunks = await all(await model.chat.completions.create({ messages, stream: true }));
      expect(chunks.map((chunk) => chunk.choices[0]?.delta.role)).toEqual(["assistant", ...chunks.slice(1).map(() => undefined)]);
      expect(chunks.slice(0, -1).every((chunk) => typeof chunk.choices[0]?.delta.content === "string")).toBe(true);
      expect(chunks.map((chunk) => chunk.choices[0]?.finish_reason)).toEqual([...chunks.slice(1).map(() => null), "stop"]);
    }
    const model = await load();
    const [first, ...rest] = await all(await model.chat.completions.create({ messages, stream: true, max_tokens: 0 }));
    expect(first?.choices[0]?.delta).toEqual({ role: "assistant", content: "" });
    expect(rest.map((chunk) => chunk.choices[0]?.finish_reason)).toEqual(["length"]);
  });

  it("has an id on a page of plain http too", async () => {
    vi.stubGlobal("crypto", { getRandomValues: crypto.getRandomValues.bind(crypto) });
    const model = await load({ answerLength: 1 });
    const ids = [1, 2].map(async () => (await model.chat.completions.create({ messages })).id);
    expect(await Promise.all(ids)).toEqual([expect.stringMatching(/^chatcmpl-[0-9a-f]{32}$/), expect.stringMatching(/^chatcmpl-/)]);
    vi.unstubAllGlobals();
  });

  it("says nothing of usage where nobody asks", async () => {
    const model = await load({ answerLength: 2 });
    const chunks = await all(await model.chat.completions.create({ messages, stream: true }));
    expect(chunks.some((chunk) => "usage" in chunk)).toBe(false);
  });

  it("ends at the limit with length; max_completion_tokens goes before max_tokens", async () => {
    const model = await load();
    const { choices, usage } = await model.chat.completions.create({ messages, max_completion_tokens: 3, max_tokens: 9 });
    expect(choices[0].finish_reason).toBe("length");
    expect(usage.completion_tokens).toBe(3);
    expect((await model.chat.completions.create({ messages, max_tokens: 4 })).usage.completion_tokens).toBe(4);
  });

  it("hands every field to generate under the name it has there", async () => {
    const model = await load({ answerLength: 1 });
    const asked: GenerateOptions[] = [];
    const wanted: unknown[] = [];
    const { usage, timings } = await model.generate("the").result();
    const completions = new Completions((_prompt, options, more) => {
      asked.push(options);
      wanted.push(more);
      const ended = new GenerationStream(() => undefined);
      ended.finish({ finishReason: "stop", usage, timings });
      return ended;
    }, "fake");
    const tools = [{ type: "function", function: { name: "now", description: null, strict: true, parameters: { type: "object" } } }] as const;
    const fields = { temperature: 0.5, top_p: 0.9, seed: 4, presence_penalty: 0.1, frequency_penalty: 0.2, logit_bias: { "7": -1 }, logprobs: true };
    await completions.create({ messages, ...fields, top_k: 30, min_p: 0.02, repeat_penalty: 1.1, repeat_last_n: 32, chat_template_kwargs: { enable_thinking: false }, stop: "cat" });
    await completions.create({ messages, stop: ["cat", "dog"], stream: false, user: "somebody", seed: null });
    await completions.create({ messages, tools, tool_choice: "required", parallel_tool_calls: false });
    const sent = [{ type: "function", function: { name: "now", parameters: '{"type":"object"}' } }];
    expect(wanted).toEqual([{ pieces: true }, { pieces: true }, { pieces: true, tools: sent, toolChoice: "required", parallelToolCalls: false }]);
    expect(asked).toEqual([
      {
        temperature: 0.5,
        topP: 0.9,
        seed: 4,
        presencePenalty: 0.1,
        frequencyPenalty: 0.2,
        logitBias: { "7": -1 },
        logProbabilities: true,
        topK: 30,
        chatTemplateKwargs: { enable_thinking: false },
        minP: 0.02,
        repeatPenalty: 1.1,
        repeatLastN: 32,
        stop: "cat",
      },
      { stop: ["cat", "dog"] },
      {},
    ]);
  });

  describe("with tools", () => {
    const parameters = { type: "object", properties: { place: { type: "string" } } };
    const tools = [
      { type: "function", function: { name: "weather", parameters } },
      { type: "function", function: { name: "now" } },
    ] as const;
    const calls = [{ name: "weather", arguments: { place: "Rome" } }, { name: "now" }];

    it("gives calls, whole and in chunks, with the same reason", async () => {
      const model = await load({ calls });
      const { choices } = await model.chat.completions.create({ messages, tools });
      const [{ message, finish_reason }] = choices;
      expect(message).toEqual({
        role: "assistant",
        content: null,
        refusal: null,
        tool_calls: [
          { id: expect.stringMatching(/^call_/) as string, type: "function", function: { name: "weather", arguments: '{"place":"Rome"}' } },
          { id: expect.stringMatching(/^call_/) as string, type: "function", function: { name: "now", arguments: "{}" } },
        ],
      });
      expect(finish_reason).toBe("tool_calls");

      const chunks = await all(await model.chat.completions.create({ messages, tools, tool_choice: "required", stream: true, logprobs: true }));
      const deltas = chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta));
      expect(deltas[0]).toEqual({ role: "assistant", content: "" });
      const parts = deltas.flatMap((delta) => delta.tool_calls ?? []);
      const first = parts.filter((part) => part.id !== undefined);
      expect(first.map(({ index, type, function: called }) => [index, type, called])).toEqual([
        [0, "function", { name: "weather", arguments: "" }],
        [1, "function", { name: "now", arguments: "" }],
      ]);
      for (const [index, text] of ['{"place":"Rome"}', "{}"].entries()) expect(parts.filter((part) => part.index === index).map((part) => part.function.arguments).join("")).toBe(text);
      expect(parts.every((part) => part.id !== undefined || Object.keys(part).join() === "index,function")).toBe(true);
      expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe("tool_calls");
      // Probabilities are those of what is said.
      expect(new Set(chunks.map((chunk) => JSON.stringify(chunk.choices[0]?.logprobs)))).toEqual(new Set(["null", '{"content":[],"refusal":null}']));
    });

    it("takes the answer back, with what the tools gave", async () => {
      const model = await load({ calls: calls.slice(1), answerLength: 3 });
      const asked = await model.chat.completions.create({ messages, tools });
      const [{ message }] = asked.choices;
      const results = (message.tool_calls ?? []).map(({ id }) => ({ role: "tool", tool_call_id: id, name: "now", content: [{ type: "text", text: " noon" }] }) as const);
      const { choices, usage } = await model.chat.completions.create({ messages: [...messages, message, ...results], tools, tool_choice: "none" });
      expect(choices[0].finish_reason).toBe("stop");
      expect(choices[0].message.tool_calls).toBeUndefined();
      expect(usage.prompt_tokens).toBeGreaterThan(asked.usage.prompt_tokens);
    });

    it("ends a loop that goes on while there are calls", async () => {
      const model = await load({ calls, answerLength: 3 });
      const talk: ChatCompletionMessageParam[] = [...messages];
      const reasons: string[] = [];
      while (reasons.at(-1) !== "stop" && reasons.length < 5) {
        const { choices } = await model.chat.completions.create({ messages: talk, tools });
        const [{ message, finish_reason }] = choices;
        reasons.push(finish_reason);
        talk.push(message, ...(message.tool_calls ?? []).map(({ id }) => ({ role: "tool", tool_call_id: id, content: "noon" }) as const));
      }
      expect(reasons).toEqual(["tool_calls", "stop"]);
      const { choices } = await model.chat.completions.create({ messages: talk.slice(0, -1), tools, tool_choice: "required" });
      expect(choices[0].finish_reason).toBe("tool_calls");
    });

    it("calls one where one is named, or where they may not be parallel", async () => {
      const model = await load({ calls });
      const names = async (params: Partial<ChatCompletionCreateParams>) => {
        const { choices } = await model.chat.completions.create({ messages, tools, ...params, stream: false });
        return choices[0].message.tool_calls?.map((call) => call.function.name);
      };
      expect(await names({ tool_choice: { type: "function", function: { name: "now" } } })).toEqual(["now"]);
      expect(await names({ parallel_tool_calls: false })).toEqual(["weather"]);
      expect(await names({ tool_choice: "none" })).toBeUndefined();
    });

    it("says length where a call is cut, in chunks as well", async () => {
      const model = await load({ calls });
      const { choices } = await model.chat.completions.create({ messages, tools, max_tokens: 2 });
      expect(choices[0].finish_reason).toBe("length");
      expect(choices[0].message.tool_calls?.[0]?.function.arguments).toBe('{"pla');
      const chunks = await all(await model.chat.completions.create({ messages, tools, max_tokens: 2, stream: true }));
      expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe("length");
    });

    it("rejects before the stream where the worker refuses the tools", async () => {
      const model = await load();
      const missing = { type: "function", function: { name: "then" } } as const;
      await expect(model.chat.completions.create({ messages, tools, tool_choice: missing, stream: true })).rejects.toMatchObject({ code: "invalid-argument", message: expect.stringContaining("`then`") as string });
    });
  });

  it("hands over the stream, and the role, before there is a token", async () => {
    const model = await load({ answerLength: 100_000, contextLength: 200_000 });
    const stream = await model.chat.completions.create({ messages, stream: true });
    const chunks = stream[Symbol.asyncIterator]();
    expect((await chunks.next()).value).toMatchObject({ choices: [{ delta: { role: "assistant", content: "" } }] });
    await chunks.return?.();
  });

  it("is cancelled by leaving the loop, and the model answers again", async () => {
    const model = await load({ answerLength: 1000, contextLength: 5000 });
    let seen = 0;
    for await (const _chunk of await model.chat.completions.create({ messages, stream: true })) if (++seen === 3) break;
    const after = await model.chat.completions.create({ messages, max_tokens: 2 });
    expect(after.usage.completion_tokens).toBe(2);
  });

  it("rejects with the signal's reason", async () => {
    const model = await load({ answerLength: 100_000, contextLength: 200_000 });
    const abort = new AbortController();
    const answer = model.chat.completions.create({ messages }, { signal: abort.signal });
    abort.abort(new Error("enough"));
    await expect(answer).rejects.toThrow("enough");
  });

  it("reads text parts and the developer's role", async () => {
    const model = await load({ answerLength: 3 });
    const parts = [
      { role: "developer", content: [{ type: "text", text: "be brief" }] },
      { role: "user", content: [{ type: "text", text: "the cat " }, { type: "text", text: "saw a dog" }] },
    ] as const;
    const a = await model.chat.completions.create({ messages: parts, seed: 2 });
    const b = await model.chat.completions.create({ messages, seed: 2 });
    expect(a.choices[0].message).toEqual(b.choices[0].message);
  });

  it.each<[string, object]>([
    ["tools[0].type is", { tools: [{}] }],
    ["top_logprobs", { logprobs: true, top_logprobs: 2 }],
    ["n is 2", { n: 2 }],
    ["messages is an empty array", { messages: [] }],
    ["messages[0].tool_call_id", { messages: [{ role: "tool", content: "x" }] }],
    ["messages[0].content[0]", { messages: [{ role: "user", content: [{ type: "image_url" }] }] }],
    ["messages[0].content is 7", { messages: [{ role: "user", content: 7 }] }],
  ])("refuses what it can't do, by name: %s", async (named, wrong) => {
    const model = await load();
    const create = model.chat.completions.create({ messages, ...wrong } as ChatCompletionCreateParams);
    await expect(create).rejects.toMatchObject({ name: "BitNetError", code: "invalid-argument", message: expect.stringContaining(named) as string });
  });
});
