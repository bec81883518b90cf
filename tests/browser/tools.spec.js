// Tools in chat completions, of a real model that knows no form of calls: whole and in chunks, cut, refused, and with what they gave.
import { expect, test } from "./package.js";

const NOW = { type: "function", function: { name: "now", parameters: { type: "object", properties: {}, additionalProperties: false } } };
const LONG = { type: "function", function: { name: "now", parameters: { type: "object", properties: { text: { type: "string", minLength: 200 } }, required: ["text"] } } };
const PICK = { type: "function", function: { name: "pick", description: "Picks a fox", parameters: { type: "object", properties: { color: { enum: ["red", "grey"] } }, required: ["color"], additionalProperties: false } } };
const named = (name) => ({ type: "function", function: { name } });

/** Asks each of some requests on one model, whole and in chunks, and tells what came or why nothing did. */
function ask(page, requests) {
  return page.evaluate(async (requests) => {
    const model = await window.lab.load({});
    const messages = [{ role: "user", content: "Tell me of a fox." }];
    const found = [];
    for (const params of requests) {
      try {
        const { choices, usage, timings } = await model.chat.completions.create({ messages, temperature: 0, ...params });
        const chunks = [];
        for await (const chunk of await model.chat.completions.create({ messages, temperature: 0, ...params, stream: true })) chunks.push(chunk.choices[0]);
        found.push({ choice: choices[0], usage, constraint: timings.constraint, chunks });
      } catch ({ code, name, message }) {
        found.push({ code: code ?? name, message });
      }
    }
    await model.dispose();
    return found;
  }, requests);
}

/** What the chunks come to, put together as OpenAI's clients do it. */
function joined(chunks) {
  const message = { role: undefined, content: "", calls: [] };
  for (const { delta } of chunks) {
    if (delta.role) message.role = delta.role;
    message.content += delta.content ?? "";
    for (const { index, id, type, function: called } of delta.tool_calls ?? []) {
      if (id) message.calls[index] = { id, type, function: { name: called.name, arguments: "" } };
      message.calls[index].function.arguments += called.arguments;
    }
  }
  return { ...message, finish_reason: chunks.at(-1).finish_reason };
}

test("a tool of that name is called, whole and in chunks", async ({ page }) => {
  const [{ choice, usage, constraint, chunks }] = await ask(page, [{ tools: [NOW], tool_choice: named("now"), max_tokens: 100 }]);
  expect(choice.message.content).toBeNull();
  expect(choice.message.tool_calls).toEqual([{ id: expect.stringMatching(/^call_\w{24}$/), type: "function", function: { name: "now", arguments: "{}" } }]);
  expect(choice.finish_reason).toBe("tool_calls");
  const streamed = joined(chunks);
  expect(streamed).toEqual({ role: "assistant", content: "", calls: choice.message.tool_calls, finish_reason: "tool_calls" });
  expect(chunks[0].delta).toEqual({ role: "assistant", content: "" });
  expect(constraint.certainTokens).toBeGreaterThan(usage.completion_tokens / 2);
});

test("a call that the limit cuts is told as length", async ({ page }) => {
  const [{ choice, chunks }] = await ask(page, [{ tools: [LONG], tool_choice: named("now"), max_tokens: 8 }]);
  expect(choice.finish_reason).toBe("length");
  expect(chunks.at(-1).finish_reason).toBe("length");
  expect(choice.message.tool_calls ?? [0]).not.toEqual([]);
});

test("arguments fit their schema, calls are one where they may not be parallel, and none where none is wanted", async ({ page }) => {
  const sampled = { tools: [NOW, PICK], temperature: 1.5, top_k: 0, top_p: 1, min_p: 0, max_tokens: 150 };
  const found = await ask(page, [
    ...[1, 2, 3].map((seed) => ({ ...sampled, seed, tool_choice: "required", parallel_tool_calls: false })),
    { ...sampled, tool_choice: named("pick") },
    { tools: [NOW], tool_choice: "none", max_tokens: 10 },
    { tools: [NOW], max_tokens: 10 },
  ]);
  for (const { choice, chunks } of found.slice(0, 4)) {
    expect(choice.finish_reason).toBe("tool_calls");
    expect(choice.message.tool_calls).toHaveLength(1);
    const [{ function: called }] = choice.message.tool_calls;
    if (called.name === "now") expect(called.arguments).toBe("{}");
    else expect(["red", "grey"]).toContain(JSON.parse(called.arguments).color);
    expect(joined(chunks).calls).toEqual(choice.message.tool_calls);
  }
  for (const { choice } of found.slice(4)) {
    expect(["length", "stop"]).toContain(choice.finish_reason);
    expect(choice.message.content).toMatch(/\w/);
    expect(choice.message).not.toHaveProperty("tool_calls");
  }
  expect(found[4].usage.prompt_tokens).toBeLessThan(found[5].usage.prompt_tokens - 100);
});

test("what can't be kept is refused by its tool, before the first token, and the model goes on", async ({ page }) => {
  const looks = { type: "function", function: { name: "look", parameters: { type: "object", properties: { a: { type: "string", pattern: "(?=x)y" } } } } };
  const [pattern, missing, twice, both, after] = await ask(page, [
    { tools: [NOW, looks] },
    { tools: [NOW], tool_choice: named("then") },
    { tools: [NOW, NOW] },
    { tools: [NOW], response_format: { type: "json_object" } },
    { tools: [NOW], tool_choice: "required", parallel_tool_calls: false },
  ]);
  for (const refused of [pattern, missing, twice, both]) expect(refused.code).toBe("invalid-argument");
  expect(pattern.message).toMatch(/look.*pattern/);
  expect(missing.message).toContain("`then`");
  expect(twice.message).toContain("two tools are called `now`");
  expect(both.message).toContain("has a form");
  expect(after.choice.finish_reason).toBe("tool_calls");
});

test("a talk goes on with what a tool gave", async ({ page }) => {
  const found = await page.evaluate(async (tools) => {
    const model = await window.lab.load({});
    const messages = [{ role: "user", content: "Tell me of a fox." }];
    const first = await model.chat.completions.create({ messages, tools, tool_choice: "required", parallel_tool_calls: false, temperature: 0 });
    const { message } = first.choices[0];
    messages.push(message, { role: "tool", tool_call_id: message.tool_calls[0].id, content: "noon" });
    const second = await model.chat.completions.create({ messages, tools, max_tokens: 5, temperature: 0 });
    const open = await model.chat.completions.create({ messages: messages.slice(0, 2), tools }).catch(({ code, message }) => ({ code, message }));
    await model.dispose();
    return { first, second, open };
  }, [NOW]);
  expect(found.second.choices[0].message.content).not.toBe("");
  // The list of tools and the question are not read again.
  expect(found.second.usage.prompt_tokens_details.cached_tokens).toBeGreaterThan(found.first.usage.prompt_tokens - 5);
  expect(found.open).toMatchObject({ code: "invalid-argument", message: expect.stringContaining("role tool") });
});
