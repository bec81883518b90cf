// Sessions of the Prompt API over the fake: what is refused and how, in which order things happen, what is told to the engine.
import { describe, expect, it } from "vitest";
import { Deferred } from "../src/internal/deferred.js";
import { begunAs } from "../src/prompt-api/constraint.js";
import { type LanguageModelMessage, type LanguageModelMessageContent, LanguageModelToolCall, LanguageModelToolError, LanguageModelToolSuccess } from "../src/prompt-api/index.js";
import { type FakeEngineOptions } from "../src/public/testing.js";
import { anything, chunksOf, create, end, make, open, said, sessions, tagOf, tool, words } from "./prompt-api.js";

describe("prompt", () => {
  it("goes on with the conversation, and counts it", async () => {
    const made = make();
    const session = await create(made);
    expect(session.contextUsage).toBe(0);
    const asked = await session.measureContextUsage("the dog saw");
    expect(asked).toBe(3);
    const answer = await session.prompt("the dog saw");
    expect(words(answer)).toBe(5);
    // Each turn is joined by a space, which the fake's answer begins with too.
    expect(session.contextUsage).toBe(3 + 1 + 5);
    expect([session.inputUsage, session.inputQuota]).toEqual([9, 256]);
    expect(await session.measureInputUsage("a cat")).toBe(2);
    await session.prompt([{ role: "user", content: "a cat" }]);
    expect(said(made.requests[1])).toEqual(["user: the dog saw", `assistant: ${answer}`, "user: a cat"]);
  });

  it.each<[unknown, string]>([
    [undefined, "undefined"],
    [null, "null"],
    [{}, "[object Object]"],
    [{ role: "system", content: "a" }, "[object Object]"],
    ["", ""],
    [[], ""],
    [[{ role: "user", content: [] }], ""],
    [[{ role: "user", content: 7 }], "7"],
    [new Set([{ role: "user", content: "a" }]), "a"],
  ])("takes %j", async (input, content) => {
    const made = make();
    expect(typeof (await (await create(made)).prompt(anything(input)))).toBe("string");
    expect(said(made.requests[0])).toEqual([`user: ${content}`]);
  });

  it("goes on where a prefix ends, and keeps the two as one turn", async () => {
    const made = make();
    const session = await create(made);
    const answer = await session.prompt([{ role: "user", content: "the dog" }, { role: "assistant", content: "It is", prefix: true }]);
    expect(said(made.requests[0])).toEqual(["user: the dog", "assistant: It is"]);
    await session.prompt("why");
    expect(said(made.requests[1])).toEqual(["user: the dog", `assistant: It is${answer}`, "user: why"]);
  });

  it("answers anew after an answer that is no prefix", async () => {
    const made = make();
    const session = await create(made);
    await session.prompt([{ role: "user", content: "the dog" }, { role: "assistant", content: "It is" }]);
    expect(said(made.requests[0])).toEqual(["user: the dog", "assistant: It is", "assistant: "]);
    await session.prompt("why");
    expect(made.requests[1]?.messages).toHaveLength(4);
  });

  it("takes a system prompt as the first of all, and later none", async () => {
    const made = make();
    const session = await create(made);
    const system: LanguageModelMessage = { role: "system", content: "be brief" };
    expect(await end(session.prompt([{ role: "user", content: "a" }, system]))).toBe("TypeError");
    expect(await end(session.prompt([system, system]))).toBe("TypeError");
    const first = session.append([system]);
    expect(await end(session.prompt([system]))).toBe("TypeError");
    await first;
    await session.prompt("the dog");
    expect(said(made.requests[0])).toEqual(["system: be brief", "user: the dog"]);
  });

  it.each<[string, unknown, unknown, string]>([
    ["a symbol", Symbol("a"), {}, "TypeError"],
    ["messages that are none", ["a"], {}, "TypeError"],
    ["a picture", [{ role: "user", content: [{ type: "image", value: new Blob() }] }], {}, "NotSupportedError"],
    ["an assistant's sound", [{ role: "assistant", content: [{ type: "audio", value: new Blob() }] }], {}, "NotSupportedError"],
    ["a prefix of the user's", [{ role: "user", content: "a", prefix: true }], {}, "SyntaxError"],
    ["options that are none", "a", 3, "TypeError"],
    ["a signal that is none", "a", { signal: 3 }, "TypeError"],
    ["a constraint that is no object", "a", { responseConstraint: "{}" }, "TypeError"],
    ["a constraint that JSON can't say", "a", { responseConstraint: () => 1 }, "NotSupportedError"],
    ["flags that the answer can't keep", "a", { responseConstraint: /a/m }, "NotSupportedError"],
    ["a constraint that is left out, and none", "a", { omitResponseConstraintInput: true }, "TypeError"],
    ["a call that the session is not for", [{ role: "assistant", content: [{ type: "tool-call", value: new LanguageModelToolCall({ callId: "1", name: "a" }) }] }], {}, "NotSupportedError"],
  ])("refuses %s, and is as before", async (_, input, options, name) => {
    const made = make();
    const session = await create(made);
    expect(await end(session.prompt(anything(input), anything(options)))).toBe(name);
    // What the engine alone can refuse, it is not asked for here.
    if (!_.startsWith("flags")) expect(await end(session.measureContextUsage(anything(input), anything(options)))).toBe(name);
    expect(session.contextUsage).toBe(0);
    expect(words(await session.prompt("the dog"))).toBe(5);
  });

  it("answers in the order of the calls", async () => {
    const made = make();
    const session = await create(made);
    const order: string[] = [];
    const call = async (text: string) => order.push((await session.prompt(text), text));
    await Promise.all([call("a"), session.append("b").then(() => order.push("b")), call("c"), call("d")]);
    expect(order).toEqual(["a", "b", "c", "d"]);
    expect(made.requests.map((request) => request.messages?.length)).toEqual([1, 4, 6]);
  });

  it("ends at a signal, while it waits and while it runs, and leaves nothing behind", async () => {
    const made = make({ answerLength: 100_000, contextLength: 200_000 });
    const session = await create(made);
    const [first, second] = [new AbortController(), new AbortController()];
    const mine = new Error("mine");
    const running = session.prompt("the dog", { signal: first.signal });
    const waiting = session.prompt("a cat", { signal: second.signal });
    const third = new AbortController();
    const last = session.append("the end", { signal: third.signal });
    await expect.poll(() => made.requests).toHaveLength(1);
    second.abort(mine);
    await expect(waiting).rejects.toBe(mine);
    first.abort();
    expect(await end(running)).toBe("AbortError");
    await last;
    third.abort();
    expect(session.contextUsage).toBe(2);
    expect(await end(session.prompt("a", { signal: first.signal }))).toBe("AbortError");
    expect(await end(session.append("a", { signal: second.signal }))).toBe("Error");
    expect(await end(session.clone({ signal: first.signal }))).toBe("AbortError");
    expect(await end(session.measureContextUsage("a", { signal: first.signal }))).toBe("AbortError");
    expect(made.requests).toHaveLength(1);
  });
});

describe("promptStreaming", () => {
  it("gives the answer in pieces", async () => {
    const made = make();
    const [one, other] = [await create(made), await create(made)];
    const pieces = await chunksOf(one.promptStreaming("the dog"));
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.join("")).toBe(await other.prompt("the dog"));
    expect(one.contextUsage).toBe(other.contextUsage);
  });

  it("is ended by cancelling, which takes the prompt out again", async () => {
    const made = make({ answerLength: 100_000, contextLength: 200_000 });
    const session = await create(made);
    const reader = session.promptStreaming("the dog").getReader();
    expect((await reader.read()).value).toMatch(/\w/);
    await reader.cancel();
    expect((await reader.read()).done).toBe(true);
    await session.append("a cat");
    expect(session.contextUsage).toBe(2);
  });

  it("fails as prompt does: at once where the call is wrong, else as a stream", async () => {
    const made = make({ answerLength: 100_000, contextLength: 200_000 });
    const session = await create(made);
    const stop = new AbortController();
    const stream = session.promptStreaming("the dog", { signal: stop.signal });
    stop.abort();
    expect(await end(chunksOf(stream))).toBe("AbortError");
    expect(await end(() => session.promptStreaming("a", { signal: stop.signal }))).toBe("AbortError");
    expect(() => session.promptStreaming("a", anything({ signal: 1 }))).toThrow(TypeError);
    await session.append("a");
    expect(await end(chunksOf(session.promptStreaming([{ role: "system", content: "a" }])))).toBe("TypeError");
    const under = session.promptStreaming("the dog");
    session.destroy();
    expect(await end(chunksOf(under))).toBe("AbortError");
    expect(await end(() => session.promptStreaming("a"))).toBe("InvalidStateError");
  });
});

describe("destroy", () => {
  it("ends what is under way, and leaves what can be read", async () => {
    const made = make({ answerLength: 100_000, contextLength: 200_000 });
    const session = await create(made);
    const under = [session.prompt("the dog"), session.prompt("a"), session.append("a"), session.clone()];
    session.destroy();
    expect(await Promise.all(under.map(end))).toEqual(under.map(() => "AbortError"));
    const later = [session.prompt("a"), session.append("a"), session.clone(), session.measureContextUsage("a")];
    expect(await Promise.all(later.map(end))).toEqual(later.map(() => "InvalidStateError"));
    expect([session.contextWindow, session.contextUsage]).toEqual([200_000, 0]);
    session.destroy();
  });

  it("is what the signal of create does, with its reason", async () => {
    const made = make({ answerLength: 100_000, contextLength: 200_000 });
    const stop = new AbortController();
    const session = await create(made, { signal: stop.signal });
    const mine = new Error("mine");
    const under = session.prompt("the dog");
    stop.abort(mine);
    await expect(under).rejects.toBe(mine);
    await expect(session.prompt("a")).rejects.toBe(mine);
    await expect(made.LanguageModel.create({ signal: stop.signal })).rejects.toBe(mine);
  });
});

describe("clone", () => {
  it("has what was asked before, and goes its own way", async () => {
    const made = make();
    const session = await create(made, { initialPrompts: [{ role: "system", content: "be brief" }] });
    const answer = session.prompt("the dog");
    const copy = await session.clone();
    sessions.push(copy);
    expect(copy).not.toBe(session);
    expect(copy).toBeInstanceOf(made.LanguageModel);
    expect(copy.contextUsage).toBe(session.contextUsage);
    await copy.prompt("a cat");
    expect(said(made.requests[1])).toEqual(["system: be brief", "user: the dog", `assistant: ${await answer}`, "user: a cat"]);
    expect(copy.contextUsage).toBeGreaterThan(session.contextUsage);
    session.destroy();
    expect(words(await copy.prompt("why"))).toBe(5);
  });
});

describe("a full context", () => {
  const forty = Array.from({ length: 40 }, () => "a").join(" ");

  it("drops the oldest prompts with their answers, and never what it was created with", async () => {
    const made = make({ contextLength: 100 });
    const session = await create(made, { initialPrompts: [{ role: "system", content: "be brief" }, { role: "user", content: "a first one" }] });
    const heard: string[] = [];
    session.oncontextoverflow = function (event) {
      heard.push(event.type);
      expect(this).toBe(session);
    };
    session.addEventListener("contextoverflow", () => heard.push("listener"));
    session.onquotaoverflow = (event) => heard.push(event.type);
    await session.prompt(`one ${forty}`);
    const second = await session.prompt("two");
    expect(heard).toEqual([]);
    await session.prompt(`three ${forty}`);
    expect(heard).toEqual(["contextoverflow", "listener", "quotaoverflow"]);
    expect(said(made.requests[2])).toEqual(["system: be brief", "user: a first one", "user: two", `assistant: ${second}`, `user: three ${forty}`]);
    expect(session.contextUsage).toBeLessThanOrEqual(100);
    session.oncontextoverflow = null;
    await session.append(`four ${forty} ${forty}`);
    expect(heard.slice(3)).toEqual(["listener", "quotaoverflow"]);
    await session.prompt("five");
    expect(said(made.requests[3])?.slice(0, 3)).toEqual(["system: be brief", "user: a first one", `user: four ${forty} ${forty}`]);
  });

  it("keeps a system prompt that came with the first prompt", async () => {
    const made = make({ contextLength: 100 });
    const session = await create(made);
    await session.prompt([{ role: "system", content: "be brief" }, { role: "user", content: forty }]);
    await session.prompt(`two ${forty}`);
    await session.prompt(`three ${forty}`);
    expect(said(made.requests[2])).toEqual(["system: be brief", `user: three ${forty}`]);
  });

  it.each(["prompt", "append"] as const)("refuses what would not fit alone, and drops nothing: %s", async (method) => {
    const made = make({ contextLength: 50 });
    const session = await create(made, { initialPrompts: [{ role: "system", content: "be brief" }] });
    await session.prompt("the dog");
    const before = session.contextUsage;
    let heard = 0;
    session.oncontextoverflow = () => {
      heard++;
    };
    const error = await session[method](`${forty} ${forty}`).catch((error: unknown) => error);
    expect(error).toMatchObject({ name: "QuotaExceededError", requested: 82, quota: 50 });
    expect([session.contextUsage, heard]).toEqual([before, 0]);
  });

  it("takes what just fits", async () => {
    const made = make({ contextLength: 40 });
    const session = await create(made);
    await session.prompt("the dog");
    expect(await session.prompt(forty)).toBe("");
    expect(session.contextUsage).toBe(40);
  });

  it("does not bring back what was dropped for a prompt that was aborted", async () => {
    const made = make({ contextLength: 100, answerLength: 50 });
    const session = await create(made);
    await session.prompt(forty);
    const stop = new AbortController();
    session.oncontextoverflow = () => {
      stop.abort();
    };
    expect(await end(session.prompt(forty, { signal: stop.signal }))).toBe("AbortError");
    await session.append("a");
    expect(session.contextUsage).toBe(1);
  });
});

describe("responseConstraint", () => {
  const schema = { type: "object", properties: { legs: { enum: [2, 4] } } };
  const fake: FakeEngineOptions = { formAnswer: ({ type }) => (type === "regex" ? "1999" : '{"legs": 4}') };

  it("holds the answer to a schema, and tells the model of it", async () => {
    const made = make(fake);
    const session = await create(made);
    expect(JSON.parse(await session.prompt("A fox:", { responseConstraint: schema }))).toEqual({ legs: 4 });
    expect(made.requests[0]?.responseFormat).toEqual({ type: "json_schema", schema: JSON.stringify(schema) });
    expect(said(made.requests[0])?.[0]).toMatch(/^user: A fox:\n\n.*JSON.*"legs"/s);
    expect((await chunksOf(session.promptStreaming("A hen:", { responseConstraint: schema, omitResponseConstraintInput: true }))).join("")).toBe('{"legs": 4}');
    expect(said(made.requests[1])?.at(-1)).toBe("user: A hen:");
    expect(await session.measureContextUsage("A hen:", { responseConstraint: schema })).toBeGreaterThan(await session.measureContextUsage("A hen:", { responseConstraint: schema, omitResponseConstraintInput: true }));
  });

  it("holds the answer to an expression, of which a prefix has a part", async () => {
    const made = make(fake);
    const session = await create(made);
    expect(await session.prompt([{ role: "user", content: "When?" }, { role: "assistant", content: "19", prefix: true }], { responseConstraint: /^\d{4}$/i })).toBe("99");
    expect(made.requests[0]).toMatchObject({ responseFormat: { type: "regex", pattern: "(?i:^\\d{4}$)" }, begun: "19" });
    expect(said(made.requests[0])?.[0]).toContain("\\d{4}");
    expect(await end(session.prompt([{ role: "assistant", content: "18", prefix: true }], { responseConstraint: /^\d{4}$/ }))).toBe("NotSupportedError");
  });

  it.each([
    ['{ "legs":', '{"legs":'],
    ['{ "legs": ', '{"legs": '],
    ['{\n  "a, b" :\t"c:  d\\" ,  ', '{"a, b": "c:  d\\" ,  '],
    ['{"a":[1 ,\n2', '{"a": [1, 2'],
    ['{"a": "x\\', '{"a": "x\\'],
    ["", ""],
  ])("has a space where its JSON does, whatever the prefix %j has", (prefix, begun) => {
    expect(begunAs({ type: "json_schema", schema: {} }, prefix)).toBe(begun);
    expect(begunAs({ type: "regex", pattern: "" }, prefix)).toBe(prefix);
  });

  it("fails where the context's end cuts the answer", async () => {
    const made = make({ formAnswer: "a ".repeat(100), contextLength: 60 });
    const session = await create(made);
    expect(await end(session.prompt("the dog", { responseConstraint: /(a )*/ }))).toBe("SyntaxError");
    expect(session.contextUsage).toBe(0);
  });

  it("takes it as it was when it was called", async () => {
    const made = make(fake);
    const session = await create(made);
    const mine = { ...schema, title: "before" };
    const answer = session.prompt("A fox:", { responseConstraint: mine });
    mine.title = "after";
    await answer;
    expect(made.requests[0]?.responseFormat).toMatchObject({ schema: expect.stringContaining("before") as string });
    const circular: Record<string, unknown> = {};
    circular["self"] = circular;
    expect(await end(session.prompt("a", { responseConstraint: circular }))).toBe("NotSupportedError");
  });
});

describe("tools", () => {
  const calls = [{ name: "weather", arguments: { place: "Rome" } }];

  it("are called by the answer, and what they gave is told to the model", async () => {
    const made = make({ calls });
    const session = await made.LanguageModel.create(open);
    sessions.push(session);
    const result = (await session.prompt("Is it warm in Rome?")) as LanguageModelMessageContent[];
    expect(made.requests[0]?.tools).toEqual([{ type: "function", function: { name: "weather", description: "Tells the weather", parameters: JSON.stringify(tool.inputSchema) } }]);
    expect(result).toEqual([{ type: "tool-call", value: expect.any(LanguageModelToolCall) as unknown }]);
    const call = result[0]?.value as LanguageModelToolCall;
    expect(call).toMatchObject({ name: "weather", arguments: { place: "Rome" } });
    expect(call.callID).toBe(call.callId);
    expect(tagOf(call)).toBe("LanguageModelToolCall");
    const before = session.contextUsage;
    expect(before).toBeGreaterThan(4);
    const response = new LanguageModelToolSuccess({ callId: call.callId, name: "weather", result: [{ type: "text", value: "warm" }, { type: "object", value: { degrees: 25 } }] });
    expect(typeof (await session.prompt([{ role: "user", content: [{ type: "tool-response", value: response }] }]))).toBe("string");
    expect(made.requests[1]?.messages?.slice(1)).toEqual([
      { role: "assistant", content: "", tool_calls: [{ id: call.callId, type: "function", function: { name: "weather", arguments: '{"place":"Rome"}' } }] },
      { role: "tool", tool_call_id: call.callId, name: "weather", content: 'warm\n{"degrees":25}' },
    ]);
    expect(session.contextUsage).toBeGreaterThan(before);
  });

  it("come in a stream of parts", async () => {
    const made = make({ calls: [...calls, ...calls] });
    const session = await made.LanguageModel.create(open);
    sessions.push(session);
    expect((await chunksOf(session.promptStreaming("Is it warm?"))).map(({ type }) => type)).toEqual(["tool-call", "tool-call"]);
    const error = new LanguageModelToolError({ callId: "a", name: "weather", errorMessage: "no idea" });
    const parts = await chunksOf(session.promptStreaming([{ role: "user", content: [{ type: "tool-response", value: error }, { type: "text", value: "And now?" }] }]));
    expect(made.requests[1]?.messages?.slice(2)).toEqual([{ role: "tool", tool_call_id: "a", name: "weather", content: '{"error":"no idea"}' }, { role: "user", content: "And now?" }]);
    expect(parts.every(({ type }) => type === "tool-call")).toBe(true);
  });

  it("with execute are run until the model answers", async () => {
    const made = make({ calls: [...calls, ...calls] });
    const given: unknown[] = [];
    const execute = (args: unknown) => {
      given.push(args);
      return Promise.resolve("warm");
    };
    const session = await create(made, { tools: [{ ...tool, execute }] });
    expect(words(await session.prompt("Is it warm in Rome?"))).toBe(5);
    expect(given).toEqual([{ place: "Rome" }, { place: "Rome" }]);
    expect(made.requests[1]?.messages?.map(({ role }) => role)).toEqual(["user", "assistant", "tool", "tool"]);
    expect((await chunksOf(session.promptStreaming("And now?"))).join("")).toMatch(/\w/);
    expect(await session.prompt("A form:", { responseConstraint: /a/ }).catch((error: unknown) => (error as Error).name)).toBe("NotSupportedError");
    expect(made.requests.at(-1)?.toolChoice).toBe("none");
  });

  it("that fail, fail the prompt; that never end, end at its signal", async () => {
    const made = make({ calls });
    const mine = new Error("mine");
    const failing = await create(made, { tools: [{ ...tool, execute: () => Promise.reject(mine) }] });
    await expect(failing.prompt("Is it warm?")).rejects.toBe(mine);
    expect(failing.contextUsage).toBe(0);
    const stop = new AbortController();
    const execute = () => {
      stop.abort();
      return new Deferred<string>().promise;
    };
    const endless = await create(made, { tools: [{ ...tool, execute }] });
    expect(await end(endless.prompt("Is it warm?", { signal: stop.signal }))).toBe("AbortError");
    await endless.append("a");
    expect(endless.contextUsage).toBe(1);
  });

  it("are told of by a session that is given their past", async () => {
    const made = make();
    const session = await made.LanguageModel.create({
      ...open,
      initialPrompts: [{ role: "user", content: "Is it warm?" }, { role: "assistant", content: [{ type: "tool-call", value: new LanguageModelToolCall({ callId: "1", name: "weather" }) }] }],
    });
    sessions.push(session);
    await session.append([{ role: "user", content: [{ type: "tool-response", value: new LanguageModelToolSuccess({ callId: "1", name: "weather", result: [] }) }] }]);
    await session.prompt("And now?");
    expect(made.requests[0]?.messages?.slice(1, 3)).toEqual([
      { role: "assistant", content: "", tool_calls: [{ id: "1", type: "function", function: { name: "weather", arguments: "{}" } }] },
      { role: "tool", tool_call_id: "1", name: "weather", content: "" },
    ]);
  });

  const success = (result: unknown) => ({ role: "user", content: [{ type: "tool-response", value: new LanguageModelToolSuccess({ callId: "1", name: "a", result: anything(result) }) }] });
  const call = (args: unknown, role = "assistant") => ({ role, content: [{ type: "tool-call", value: new LanguageModelToolCall({ callId: "1", name: "a", arguments: anything(args) }) }] });
  const circular: Record<string, unknown> = {};
  circular["self"] = circular;
  it.each<[string, unknown, string]>([
    ["a call of the user's", call({}, "user"), "TypeError"],
    ["a response of the assistant's", { ...success([]), role: "assistant" }, "TypeError"],
    ["a call that is none", { role: "assistant", content: [{ type: "tool-call", value: { name: "a" } }] }, "TypeError"],
    ["a response that is none", { role: "user", content: [{ type: "tool-response", value: {} }] }, "TypeError"],
    ["arguments that are a list", call([]), "DataError"],
    ["arguments without end", call(circular), "DataError"],
    ["a picture", success([{ type: "image", value: new Blob() }]), "NotSupportedError"],
    ["a function", success([{ type: "object", value: () => 1 }]), "DataError"],
    ["a BigInt", success([{ type: "object", value: 1n }]), "DataError"],
    ["what the browser alone knows", success([{ type: "object", value: new Blob() }]), "DataError"],
  ])("refuse %s", async (_, message, name) => {
    const session = await make().LanguageModel.create(open);
    sessions.push(session);
    expect(await end(session.prompt(anything([message])))).toBe(name);
  });

  it("have classes that need what they need", () => {
    expect(() => new LanguageModelToolCall(anything({ name: "a" }))).toThrow(TypeError);
    expect(() => new LanguageModelToolCall(anything({ callId: "a" }))).toThrow(TypeError);
    expect(() => new LanguageModelToolSuccess(anything({ callID: "a", name: "a" }))).toThrow(TypeError);
    expect(() => new LanguageModelToolSuccess(anything({ callID: "a", name: "a", result: [{ type: "b", value: 1 }] }))).toThrow(TypeError);
    expect(() => new LanguageModelToolError(anything({ callID: "a", name: "a" }))).toThrow(TypeError);
    expect(new LanguageModelToolError({ callId: "a", name: "b", errorMessage: "c" })).toMatchObject({ callId: "a", callID: "a", name: "b", errorMessage: "c" });
  });
});
