// Vercel's AI SDK over a model in the tab: the real packages `ai` 7 and 6, with a real model. What each message and option comes to:
// www/tests/ai-sdk.test.ts.
import { expect, test } from "./app.js";

const ASK = "Tell me of a fox.";
/** The packages with the version of the specification that each has. */
const VERSIONS = [["ai", "v4"], ["ai6", "v3"]];

test.beforeEach(({ app }) => app("pages/ai-sdk.js"));

for (const [sdk, specificationVersion] of VERSIONS) {
  test.describe(`${sdk} with ${specificationVersion}`, () => {
    test("text is that of the engine, whole and streamed, with usage and the reason of its end", async ({ page }) => {
      const found = await page.evaluate(
        async ({ sdk, specificationVersion, prompt }) => {
          const ai = window[sdk];
          const engine = await window.load();
          const model = window.b158(engine, { specificationVersion });
          const { choices, usage } = await engine.chat.completions.create({ messages: [{ role: "user", content: prompt }], seed: 7, max_tokens: 5 });
          await engine.reset();
          const cut = await ai.generateText({ model, prompt, seed: 7, maxOutputTokens: 5 });
          const streamed = ai.streamText({ model, prompt, seed: 7, maxOutputTokens: 5 });
          // Two who read it both get all of it.
          const [parts, text] = await Promise.all([window.all(streamed.fullStream), streamed.text]);
          const ended = await ai.generateText({ model, prompt: "Hi", seed: 7 });
          const stopped = await ai.generateText({ model, prompt, seed: 7, stopSequences: ["nothing", choices[0].message.content.slice(-2)] });
          const others = await Promise.all([1, 2, 3, 4].map(() => ai.generateText({ model, prompt, temperature: 3, topK: 1000, topP: 1, maxOutputTokens: 5 })));
          await engine.dispose();
          const told = ({ text, finishReason, usage, warnings, response }) => ({ text, finishReason, usage, warnings, modelId: response.modelId });
          return { said: choices[0].message.content, usage, cut: told(cut), parts, text, ended: told(ended), stopped: told(stopped), others: others.map(({ text }) => text) };
        },
        { sdk, specificationVersion, prompt: ASK },
      );
      const { said } = found;
      expect(found.cut).toMatchObject({ text: said, finishReason: "length", warnings: [], modelId: "b158 stories" });
      expect(found.cut.usage).toMatchObject({ inputTokens: found.usage.prompt_tokens, outputTokens: 5, totalTokens: found.usage.prompt_tokens + 5 });
      expect(found.text).toBe(said);
      const types = found.parts.map(({ type }) => type);
      expect(types.filter((type, index) => type !== types[index - 1])).toEqual(["start", "start-step", "text-start", "text-delta", "text-end", "finish-step", "finish"]);
      expect(found.parts.filter(({ type }) => type === "text-delta").map(({ text }) => text).join("")).toBe(said);
      expect(new Set(found.parts.flatMap(({ id }) => id ?? [])).size).toBe(1);
      const step = found.parts.find(({ type }) => type === "finish-step");
      expect(step).toMatchObject({ finishReason: "length", usage: { outputTokens: 5 }, providerMetadata: { b158: { seed: 7, timings: { decodeTokensPerSecond: expect.any(Number) } } } });
      expect(step.usage.inputTokenDetails.cacheReadTokens).toBeGreaterThan(10);
      expect(found.ended.finishReason).toBe("stop");
      expect(found.stopped.finishReason).toBe("stop");
      expect(found.stopped.text === said.slice(0, -2)).toBe(true);
      expect(new Set(found.others).size).toBeGreaterThan(1);
    });

    test("an object is of its schema, and one that was cut says so", async ({ page }) => {
      const found = await page.evaluate(
        async ({ sdk, specificationVersion }) => {
          const { generateObject, streamObject, generateText, Output } = window[sdk];
          const { z } = window;
          const engine = await window.load(window.LONG);
          const model = window.b158(engine, { specificationVersion });
          const request = { model, schema: z.object({ playerName: z.string().max(12) }), prompt: "Name a player" };
          const { object, warnings, finishReason } = await generateObject({ ...request, maxOutputTokens: 100 });
          const cut = await window.outcome(generateObject({ ...request, maxOutputTokens: 2, seed: 3 }));
          const streamed = streamObject({ ...request, maxOutputTokens: 100 });
          const partial = await window.all(streamed.partialObjectStream);
          const output = await generateText({ model, prompt: "A fox", output: Output.object({ schema: z.object({ legs: z.literal([2, 4]), tame: z.boolean() }) }), maxOutputTokens: 100 });
          // Nothing bounds its length but the limit.
          const list = await window.outcome(generateObject({ model, output: "array", schema: z.enum(["fox", "hen"]), prompt: "Animals", maxOutputTokens: 200 }).then(({ object }) => object));
          const choice = await generateObject({ model, output: "enum", enum: ["yes", "no"], prompt: "Is it?", maxOutputTokens: 60 });
          const any = await window.outcome(generateObject({ model, output: "no-schema", prompt: "Any", maxOutputTokens: 200 }).then(({ object }) => object));
          const types = { id: z.nanoid(), mail: z.email(), day: z.iso.date(), begins: z.string().startsWith("ab").max(6), kind: z.union([z.literal("x"), z.number().int().max(9)]), maybe: z.boolean().nullable(), pair: z.tuple([z.boolean(), z.enum(["y"])]) };
          const typed = await generateObject({ model, schema: z.object(types), prompt: "A fox", maxOutputTokens: 600 });
          const refused = await window.outcome(generateObject({ model, schema: z.object({ a: z.string().regex(/(?=x)y/) }), prompt: "A" }));
          await engine.dispose();
          return { object, warnings, finishReason, cut, partial, streamed: await streamed.object, output: output.output, list, choice: choice.object, any, typed: typed.object, refused };
        },
        { sdk, specificationVersion },
      );
      expect(found.object).toEqual({ playerName: expect.any(String) });
      expect([...found.object.playerName].length).toBeLessThanOrEqual(12);
      expect(found).toMatchObject({ warnings: [], finishReason: "stop" });
      expect(found.cut).toMatchObject({ name: "AI_NoObjectGeneratedError", finishReason: "length" });
      expect(found.cut.text).toMatch(/^\{/);
      expect(found.partial.at(-1)).toEqual(found.streamed);
      expect(found.partial.length).toBeGreaterThan(2);
      expect(found.output).toEqual({ legs: expect.any(Number), tame: expect.any(Boolean) });
      if (found.list.value === undefined) expect(found.list.text).toMatch(/^\{"elements": \[("(fox|hen)"(, )?)*/);
      else for (const one of found.list.value) expect(["fox", "hen"]).toContain(one);
      expect(["yes", "no"]).toContain(found.choice);
      if (found.any.value === undefined) expect(found.any).toMatchObject({ name: "AI_NoObjectGeneratedError", finishReason: "length" });
      else expect(typeof found.any.value).toBe("object");
      expect(found.typed).toMatchObject({ id: expect.stringMatching(/^[\w-]{21}$/), begins: expect.stringMatching(/^ab/) });
      expect(found.refused).toMatchObject({ name: "BitNetError", code: "invalid-argument", message: expect.stringContaining("pattern") });
    });

    test("tools are called, and what they give comes back to the model", async ({ page }) => {
      const found = await page.evaluate(
        async ({ sdk, specificationVersion }) => {
          const ai = window[sdk];
          const { z } = window;
          const engine = await window.load(window.LONG);
          const model = window.b158(engine, { specificationVersion });
          const tool = (execute) => ai.tool({ description: "Picks a fox", inputSchema: z.object({ color: z.enum(["red", "grey"]) }), execute });
          const once = { b158: { parallelToolCalls: false } };
          // A call is required in the first step, and none in the next.
          const loop = { model, prompt: "Pick", providerOptions: once, stopWhen: ai.stepCountIs(2), maxOutputTokens: 150, prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "none" }) };
          const steps = (result) => result.steps.map(({ content, finishReason, request, warnings }) => ({ content, finishReason, warnings, messages: request.body?.messages }));
          const include = { requestBody: true };
          const ran = await ai.generateText({ ...loop, include, tools: { pick: tool(async ({ color }) => ({ picked: color })) } });
          const threw = await ai.generateText({ ...loop, include, tools: { pick: tool(async () => Promise.reject(new Error("too dark"))) } });
          const streamed = ai.streamText({ ...loop, tools: { pick: tool(async ({ color }) => color), other: tool(async ({ color }) => color) } });
          const parts = await window.all(streamed.fullStream);
          const named = await ai.generateText({ model, prompt: "Pick", providerOptions: once, maxOutputTokens: 150, toolChoice: { type: "tool", toolName: "second" }, tools: { first: tool(), second: tool() } });
          const both = (seed) => ai.generateText({ model, prompt: "Pick", maxOutputTokens: 250, seed, temperature: 1.5, toolChoice: "required", tools: { pick: tool(async ({ color }) => color) } });
          let several = await both(1);
          for (let seed = 2; seed < 10 && several.toolCalls.length < 2; seed++) several = await both(seed);
          const none = await ai.generateText({ model, prompt: "Pick", maxOutputTokens: 5, toolChoice: "none", tools: { pick: tool() } });
          const cut = await window.outcome(ai.generateText({ model, prompt: "Say", seed: 1, maxOutputTokens: 40, toolChoice: "required", tools: { say: ai.tool({ inputSchema: z.object({ text: z.string().min(300) }) }) } }).then(({ finishReason, toolCalls, toolResults }) => ({ finishReason, toolCalls, toolResults })));
          await engine.dispose();
          return {
            ran: steps(ran),
            threw: steps(threw),
            parts,
            named: named.toolCalls,
            several: { calls: several.toolCalls, results: several.toolResults, finishReason: several.finishReason },
            none: { text: none.text, calls: none.toolCalls },
            cut,
          };
        },
        { sdk, specificationVersion },
      );
      const [first, second] = found.ran;
      expect(first).toMatchObject({ finishReason: "tool-calls", warnings: [], content: [{ type: "tool-call", toolName: "pick", toolCallId: expect.stringMatching(/^call_\w{24}$/) }, { type: "tool-result" }] });
      const [{ input, toolCallId }, { output }] = first.content;
      expect(["red", "grey"]).toContain(input.color);
      expect(output).toEqual({ picked: input.color });
      expect(second.finishReason).not.toBe("tool-calls");
      expect(second.messages.slice(-2)).toEqual([
        { role: "assistant", content: "", tool_calls: [{ id: toolCallId, type: "function", function: { name: "pick", arguments: JSON.stringify(input) } }] },
        { role: "tool", tool_call_id: toolCallId, name: "pick", content: JSON.stringify(output) },
      ]);
      expect(found.threw[0].content[1]).toMatchObject({ type: "tool-error" });
      expect(found.threw[1].messages.at(-1)).toMatchObject({ role: "tool", content: expect.stringMatching(/too dark$/) });

      const types = found.parts.map(({ type }) => type);
      const order = types.filter((type, index) => type !== types[index - 1]);
      expect(order.slice(0, 9)).toEqual(["start", "start-step", "tool-input-start", "tool-input-delta", "tool-input-end", "tool-call", "tool-result", "finish-step", "start-step"]);
      const [begin] = found.parts.filter(({ type }) => type === "tool-input-start");
      const [call] = found.parts.filter(({ type }) => type === "tool-call");
      expect(call).toMatchObject({ toolCallId: begin.id, toolName: begin.toolName });
      const spelled = found.parts.filter(({ type, id }) => type === "tool-input-delta" && id === begin.id);
      expect(JSON.parse(spelled.map(({ delta }) => delta).join(""))).toEqual(call.input);

      expect(found.named).toMatchObject([{ toolName: "second" }]);
      expect(found.several.calls.length).toBeGreaterThan(1);
      expect(new Set(found.several.calls.map(({ toolCallId }) => toolCallId)).size).toBe(found.several.calls.length);
      if (found.several.finishReason === "tool-calls") expect(found.several.results.map(({ toolCallId }) => toolCallId)).toEqual(found.several.calls.map(({ toolCallId }) => toolCallId));
      expect(found.none).toEqual({ text: expect.stringMatching(/\w/), calls: [] });
      expect(found.cut.value).toMatchObject({ finishReason: "length", toolCalls: [{ toolName: "say", invalid: true, input: expect.stringContaining('{"text') }] });
    });

    test("beside tools an object is still of its schema", async ({ page }) => {
      const found = await page.evaluate(
        async ({ sdk, specificationVersion }) => {
          const ai = window[sdk];
          const { z } = window;
          const engine = await window.load();
          const model = window.b158(engine, { specificationVersion });
          const results = [];
          for (const seed of [1, 2, 3, 4, 5, 6]) {
            const result = await ai.generateText({
              model,
              seed,
              temperature: 1.5,
              prompt: "Say how many",
              tools: { look: ai.tool({ inputSchema: z.object({}) }) },
              output: ai.Output.object({ schema: z.object({ count: z.literal([1, 2]) }) }),
              maxOutputTokens: 100,
            });
            results.push({ finishReason: result.finishReason, calls: result.toolCalls, text: result.text, output: result.finishReason === "stop" ? result.output : undefined });
          }
          await engine.dispose();
          return results;
        },
        { sdk, specificationVersion },
      );
      for (const { finishReason, calls, output } of found) {
        if (finishReason === "tool-calls") expect(calls).toMatchObject([{ toolName: "look", input: {} }]);
        else expect({ finishReason, calls, output }).toEqual({ finishReason: "stop", calls: [], output: { count: expect.any(Number) } });
      }
      expect(found.some(({ finishReason }) => finishReason === "stop")).toBe(true);
    });

    test("an abort ends it, before, in the prompt and in the answer, and the model goes on", async ({ page }) => {
      const found = await page.evaluate(
        async ({ sdk, specificationVersion, prompt }) => {
          const ai = window[sdk];
          const engine = await window.load(window.LONG);
          const model = window.b158(engine, { specificationVersion });
          const endless = { model, prompt, temperature: 0, providerOptions: { b158: { logitBias: { 1017: -1e4, 1018: -1e4 } } } };
          const before = await window.outcome(ai.generateText({ ...endless, abortSignal: AbortSignal.abort() }));
          const inPrompt = new AbortController();
          const long = window.outcome(ai.generateText({ ...endless, prompt: "fox ".repeat(9000), abortSignal: inPrompt.signal }));
          const waits = window.outcome(ai.generateText({ ...endless, abortSignal: AbortSignal.timeout(1) }));
          await engine.tokenize("the worker has both");
          inPrompt.abort();
          const whole = await Promise.all([long, waits]);

          const streams = [];
          for (const reason of [undefined, new Error("enough")]) {
            const stop = new AbortController();
            const told = [];
            const stream = ai.streamText({ ...endless, abortSignal: stop.signal, onAbort: () => void told.push("abort"), onError: ({ error }) => void told.push(error.message) });
            let deltas = 0;
            const types = new Set();
            const end = await window.outcome(
              (async () => {
                for await (const part of stream.fullStream) {
                  types.add(part.type);
                  if (part.type === "text-delta" && ++deltas === 5) stop.abort(reason);
                }
              })(),
            );
            streams.push({ types: [...types], told, end });
          }
          // Left in the middle of the prompt.
          const words = "fox ".repeat(9000);
          const { stream } = await model.doStream({ ...endless, prompt: [{ role: "user", content: [{ type: "text", text: words }] }] });
          await stream.cancel();
          const after = await ai.generateText({ model, prompt, temperature: 0, maxOutputTokens: 5 });
          await engine.dispose();
          return { before, whole, streams, after: after.text };
        },
        { sdk, specificationVersion, prompt: ASK },
      );
      expect(found.before).toMatchObject({ name: "AbortError" });
      expect(found.whole).toMatchObject([{ name: "AbortError" }, { name: "TimeoutError" }]);
      expect(found.streams[0]).toMatchObject({ told: ["abort"], end: {} });
      expect(found.streams[0].types).toContain("abort");
      expect(found.streams[1].types).not.toContain("finish");
      expect(found.after).toMatch(/\w/);
    });

    test("errors name what is wrong, and end what is under way", async ({ page }) => {
      const found = await page.evaluate(
        async ({ sdk, specificationVersion, prompt }) => {
          const ai = window[sdk];
          const engine = await window.load();
          const model = window.b158(engine, { specificationVersion });
          const wrong = await window.outcome(ai.generateText({ model, prompt, presencePenalty: 5 }));
          const told = [];
          const stream = ai.streamText({ model, prompt, presencePenalty: 5, onError: ({ error }) => void told.push(error.message) });
          const parts = await window.all(stream.fullStream);
          const image = await window.outcome(ai.generateText({ model, messages: [{ role: "user", content: [{ type: "text", text: "See" }, { type: "file", mediaType: "image/png", data: new Uint8Array(8) }] }] }));
          const text = await ai.generateText({ model, maxOutputTokens: 1, messages: [{ role: "user", content: [{ type: "file", mediaType: "text/plain", data: new TextEncoder().encode("A fox.") }] }] });
          const tooLong = await window.outcome(ai.generateText({ model, prompt: "fox ".repeat(600) }));
          const tools = { search: { type: "provider", id: "other.search", name: "search", args: {}, inputSchema: ai.jsonSchema({ type: "object" }) } };
          const warned = await ai.generateText({ model, prompt, tools, maxOutputTokens: 1 });

          const streamed = ai.streamText({ model, prompt, providerOptions: { b158: { logitBias: { 1017: -1e4, 1018: -1e4 } } }, onError: ({ error }) => void told.push(error.code) });
          const types = [];
          for await (const { type, finishReason } of streamed.fullStream) {
            types.push(type === "finish" ? `${type} ${finishReason}` : type);
            if (type === "text-delta") void engine.dispose();
          }
          const gone = await window.outcome(ai.generateText({ model, prompt }));
          return { wrong, told, parts: parts.map(({ type }) => type), image, text: text.text, tooLong, warnings: warned.warnings, types: [...new Set(types)], gone };
        },
        { sdk, specificationVersion, prompt: ASK },
      );
      expect(found.wrong).toMatchObject({ name: "BitNetError", code: "invalid-argument", message: expect.stringContaining("presencePenalty is 5") });
      expect(found.parts).toContain("error");
      expect(found.told).toEqual([found.wrong.message, "disposed"]);
      expect(found.image).toMatchObject({ code: "invalid-argument", message: expect.stringContaining("message 1, part 2 is a file of the type image/png") });
      expect(found.text).toMatch(/./);
      expect(found.tooLong).toMatchObject({ code: "context-overflow" });
      expect(found.warnings).toMatchObject([{ type: "unsupported", feature: "tool other.search" }]);
      expect(found.types).toContain("error");
      expect(found.types.at(-1)).toBe("finish error");
      expect(found.gone).toMatchObject({ name: "BitNetError", code: "disposed" });
    });

    test("a talk is read with all that may be in it", async ({ page }) => {
      const found = await page.evaluate(
        async ({ sdk, specificationVersion }) => {
          const ai = window[sdk];
          const engine = await window.load(window.LONG);
          const model = window.b158(engine, { specificationVersion });
          const user = (content) => ({ role: "user", content });
          const call = (toolCallId, input = {}, more) => ({ type: "tool-call", toolCallId, toolName: "look", input, ...more });
          const result = (toolCallId, output) => ({ type: "tool-result", toolCallId, toolName: "look", output });
          const outputs = [{ type: "text", value: "a fox" }, { type: "json", value: { a: 1 } }, { type: "error-text", value: "too dark" }, { type: "error-json", value: [1] }, { type: "content", value: [{ type: "text", text: "two" }] }, { type: "execution-denied" }];
          const talks = {
            "results of every type": [user("a"), { role: "assistant", content: outputs.map((_, index) => call(String(index))) }, { role: "tool", content: outputs.map((output, index) => result(String(index), output)) }, user("b")],
            "an empty turn": [user("a"), { role: "assistant", content: [] }, user("b")],
            "an empty turn at the end": [user("a"), { role: "assistant", content: [] }],
            "a turn that goes on": [user("a"), { role: "assistant", content: "Once upon" }],
            "two of a person": [user("a"), user("b")],
            "a call that ran elsewhere": [user("a"), { role: "assistant", content: [call("1", {}, { providerExecuted: true }), result("1", outputs[1]), { type: "text", text: "Done." }] }, user("b")],
            "arguments that were none": [user("a"), { role: "assistant", content: [call("1", '{"a": "cut')] }, { role: "tool", content: [result("1", outputs[2])] }],
            "a thought": [user("a"), { role: "assistant", content: [{ type: "reasoning", text: "Hm." }, { type: "text", text: "Yes." }] }, user("b")],
          };
          const told = {};
          for (const [name, messages] of Object.entries(talks)) {
            const { value, message } = await window.outcome(ai.generateText({ model, messages, maxOutputTokens: 4, temperature: 0 }));
            told[name] = value ? { text: /\w/.test(value.text), warnings: value.warnings } : message;
          }
          await engine.dispose();
          return told;
        },
        { sdk, specificationVersion },
      );
      expect(Object.keys(found)).toHaveLength(8);
      for (const [name, told] of Object.entries(found)) expect(told, name).toEqual({ text: true, warnings: [] });
    });

    test("texts become vectors", async ({ page }) => {
      const found = await page.evaluate(
        async ({ sdk, specificationVersion }) => {
          const { embed, embedMany, cosineSimilarity } = window[sdk];
          const engine = await window.load();
          const model = window.b158.embeddingModel(engine, { specificationVersion });
          const texts = ["a fox", "a tax return", "a fox"];
          const { vectors, usage } = await engine.embed(texts);
          const one = await embed({ model, value: texts[0] });
          const many = await embedMany({ model, values: texts });
          const short = await embed({ model, value: texts[0], providerOptions: { b158: { dimensions: 4 } } });
          const lots = await embedMany({ model, values: Array.from({ length: 600 }, (_, index) => `fox ${index}`) });
          const aborted = await window.outcome(embedMany({ model, values: texts, abortSignal: AbortSignal.abort() }));
          await engine.dispose();
          return {
            same: [one.embedding, ...many.embeddings].map((embedding, index) => JSON.stringify(embedding) === JSON.stringify(Array.from(vectors[[0, 0, 1, 2][index]]))),
            usage: [usage.promptTokens, many.usage.tokens],
            alike: [cosineSimilarity(many.embeddings[0], many.embeddings[2]), cosineSimilarity(many.embeddings[0], many.embeddings[1])],
            short: short.embedding.length,
            lots: lots.embeddings.length,
            warnings: many.warnings,
            aborted,
          };
        },
        { sdk, specificationVersion },
      );
      expect(found.same).toEqual([true, true, true, true]);
      expect(found.usage[1]).toBe(found.usage[0]);
      expect(found.alike[0]).toBeCloseTo(1, 5);
      expect(found.alike[1]).toBeLessThan(0.99);
      expect(found).toMatchObject({ short: 4, lots: 600, aborted: { name: "AbortError" } });
      expect(found.warnings).toMatchObject([{ type: "other", message: expect.stringContaining("no embedding model") }]);
    });
  });
}

test("a thought is reasoning, and none is asked for where none is wanted", async ({ page }) => {
  const found = await page.evaluate(async (prompt) => {
    const { ai, b158, load } = window;
    // Of a model that thinks: its template begins the thought.
    const template = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}<|assistant|>{% if enable_thinking is not defined or enable_thinking %}<think>\n{% endif %}";
    const engine = await load({ overrides: [`tokenizer.chat_template=str:${template}`] });
    const model = b158(engine);
    const request = { model, prompt, maxOutputTokens: 8, seed: 1 };
    const [thought, high, none] = [await ai.generateText(request), await ai.generateText({ ...request, reasoning: "high" }), await ai.generateText({ ...request, reasoning: "none" })];
    const parts = await window.all(ai.streamText(request).fullStream);
    await engine.dispose();
    const told = ({ text, reasoningText, warnings }) => ({ text, reasoningText, warnings });
    return { thought: told(thought), high: told(high), none: told(none), types: [...new Set(parts.map(({ type }) => type))] };
  }, ASK);
  expect(found.thought).toEqual({ text: "", reasoningText: expect.stringMatching(/\w/), warnings: [] });
  expect(found.high).toMatchObject({ reasoningText: found.thought.reasoningText, warnings: [{ type: "compatibility", feature: "reasoning" }] });
  expect(found.none).toMatchObject({ text: expect.stringMatching(/\w/), warnings: [] });
  expect(found.none.reasoningText ?? "").toBe("");
  expect(found.types).toEqual(["start", "start-step", "reasoning-start", "reasoning-delta", "reasoning-end", "finish-step", "finish"]);
});

test("answers wait for each other, of several models and of a registry", async ({ page }) => {
  const found = await page.evaluate(async (prompt) => {
    const { ai, b158, load } = window;
    let loads = 0;
    const model = b158(() => {
      loads++;
      return load();
    });
    const registry = ai.createProviderRegistry({ local: ai.customProvider({ languageModels: { fox: model } }) });
    const wrapped = ai.wrapLanguageModel({ model, middleware: ai.defaultSettingsMiddleware({ settings: { temperature: 0, maxOutputTokens: 10 } }) });
    const ask = (model) => ai.generateText({ model, prompt, temperature: 0, maxOutputTokens: 10 });
    const texts = (await Promise.all([ask(model), ask(registry.languageModel("local:fox")), ask(wrapped), ask(model)])).map(({ text }) => text);
    return { texts, loads, modelId: model.modelId };
  }, ASK);
  expect(new Set(found.texts).size).toBe(1);
  expect(found.texts[0]).toMatch(/\w/);
  expect(found).toMatchObject({ loads: 1, modelId: "b158 stories" });
});
