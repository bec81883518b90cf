// Tools in OpenAI's shape, on a model that knows no form of calls: whole calls, cut ones, and the talk after them.
import { expect, test } from "./package.js";

const tool = (name, parameters) => ({ type: "function", function: { name, parameters } });
const NOW = tool("now", { type: "object", properties: {}, additionalProperties: false });
const WRITE = tool("write", { type: "object", properties: { text: { type: "string", minLength: 200 } }, required: ["text"] });
const FIND = tool("find", {
  type: "object",
  properties: { animal: { enum: ["fox", "hen"] }, near: { type: "boolean" }, count: { type: "integer", minimum: 1, maximum: 9 } },
  required: ["animal", "near", "count"],
  additionalProperties: false,
});
const USER = { role: "user", content: "What is the time?" };

/** What comes as a whole and in chunks, which are joined as OpenAI's client does. */
const ask = (page, params) =>
  page.evaluate(async (params) => {
    const model = await window.lab.load({});
    try {
      const { choices } = await model.chat.completions.create(params);
      const joined = { content: null, tool_calls: [] };
      const deltas = [];
      let finish_reason = null;
      for await (const { choices } of await model.chat.completions.create({ ...params, stream: true })) {
        for (const { delta, finish_reason: reason } of choices) {
          deltas.push(delta);
          finish_reason = reason ?? finish_reason;
          if (typeof delta.content === "string") joined.content = (joined.content ?? "") + delta.content;
          for (const { index, id, function: { name, arguments: more } = {} } of delta.tool_calls ?? []) {
            const call = (joined.tool_calls[index] ??= { id, name: "", arguments: "" });
            call.name += name ?? "";
            call.arguments += more ?? "";
          }
        }
      }
      return { message: choices[0].message, finish_reason: choices[0].finish_reason, joined, deltas, streamed: finish_reason };
    } catch ({ code, message }) {
      return { code, error: message };
    } finally {
      await model.dispose();
    }
  }, params);

/** The same in both ways. */
function expectSame({ message, finish_reason, joined, deltas, streamed }) {
  expect(streamed).toBe(finish_reason);
  expect(joined.tool_calls.map(({ name, arguments: given }) => [name, given])).toEqual((message.tool_calls ?? []).map(({ function: { name, arguments: given } }) => [name, given]));
  if (finish_reason === "tool_calls") expect(message.tool_calls.length).toBeGreaterThan(0);
  expect(deltas[0].role).toBe("assistant");
  const begins = deltas.flatMap((delta) => delta.tool_calls ?? []).filter(({ id }) => id !== undefined);
  expect(begins.map(({ type, index, function: { arguments: given } }) => [type, index, given])).toEqual(joined.tool_calls.map((_, index) => ["function", index, ""]));
}

test("one that is named is called, with the arguments that it takes", async ({ page }) => {
  const found = await ask(page, { messages: [USER], tools: [NOW], tool_choice: { type: "function", function: { name: "now" } }, max_tokens: 100 });
  expectSame(found);
  expect(found.finish_reason).toBe("tool_calls");
  expect(found.message.tool_calls).toHaveLength(1);
  expect(found.message.tool_calls[0].function.name).toBe("now");
  expect(JSON.parse(found.message.tool_calls[0].function.arguments)).toEqual({});
});

test("a call that the limit cuts is no call", async ({ page }) => {
  const found = await ask(page, { messages: [USER], tools: [WRITE], tool_choice: { type: "function", function: { name: "write" } }, max_tokens: 8 });
  expect([found.finish_reason, found.streamed]).toEqual(["length", "length"]);
});

test("of two that are required one is called, sampled or not, and only one where that is asked for", async ({ page }) => {
  for (const sampling of [{ temperature: 0 }, { temperature: 1.5, seed: 3 }]) {
    const found = await ask(page, { messages: [USER], tools: [NOW, FIND], tool_choice: "required", parallel_tool_calls: false, max_tokens: 200, ...sampling });
    expectSame(found);
    expect(found.finish_reason).toBe("tool_calls");
    expect(found.message.tool_calls).toHaveLength(1);
    const [{ function: called }] = found.message.tool_calls;
    const given = JSON.parse(called.arguments);
    if (called.name === "now") expect(given).toEqual({});
    else expect([["fox", "hen"].includes(given.animal), typeof given.near, given.count >= 1 && given.count <= 9]).toEqual([true, "boolean", true]);
  }
});

test("none are called where none may be, and what they gave goes back into the talk", async ({ page }) => {
  const call = { id: "call_1", type: "function", function: { name: "now", arguments: "{}" } };
  const messages = [USER, { role: "assistant", content: null, tool_calls: [call] }, { role: "tool", tool_call_id: "call_1", content: "12:30" }];
  const found = await ask(page, { messages, tools: [NOW], tool_choice: "none", max_tokens: 10, temperature: 0 });
  expectSame(found);
  expect(found.message.tool_calls).toBeUndefined();
  expect(found.message.content).not.toBe("");
});

test("parameters that can't be kept are refused by the tool's name", async ({ page }) => {
  const found = await ask(page, { messages: [USER], tools: [tool("bad", { type: "object", properties: { a: { type: "strin" } }, required: ["a"] })], tool_choice: "required" });
  expect(found.code).toBe("invalid-argument");
  expect(found.error).toContain("bad");
  expect(found.error).toContain("strin");
});
