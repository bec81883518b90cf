// The Prompt API's interface, and how sessions are created, over the fake. tests/apps/prompt-api.spec.js has a real model and real
// clients. What is right is what the IDL and the explainer of webmachinelearning/prompt-api say (07c4a52, 04f5d0a), and where they leave it open
// what web-platform-tests expect (ai/language-model as servo has it: 1045b9e, 43897bb, 14f8b3c), but for these: a session that is destroyed ends
// what is under way with AbortError, as the explainer has it; and no user activation is asked for.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Deferred } from "../src/internal/deferred.js";
import { partsOf, resolve } from "../src/prompt-api/addresses.js";
import { languageModel, type LanguageModelCreateOptions } from "../src/prompt-api/index.js";
import { fakeWorker } from "../src/public/testing.js";
import { anything, create, end, GGUF, make, named, open, said, sessions, tagOf, tool } from "./prompt-api.js";

/** The members of the IDL (index.bs of webmachinelearning/prompt-api at 07c4a52), deprecated ones too, and how many arguments each needs. */
const IDL = {
  static: { create: 0, availability: 0, params: 0 },
  operations: { prompt: 1, promptStreaming: 1, append: 1, measureContextUsage: 1, measureInputUsage: 1, clone: 0, destroy: 0 },
  readonly: ["contextUsage", "contextWindow", "inputUsage", "inputQuota", "topK", "temperature", "samplingMode"],
  handlers: ["oncontextoverflow", "onquotaoverflow"],
};

const descriptor = (of: object, name: string): TypedPropertyDescriptor<unknown> => Object.getOwnPropertyDescriptor(of, name) ?? {};

describe("the interface", () => {
  it.each(Object.entries(IDL.static))("has the static operation %s", (name, length) => {
    const { value, ...how } = descriptor(make().LanguageModel, name);
    expect(named(value)).toEqual([name, length]);
    expect(how).toEqual({ writable: true, enumerable: true, configurable: true });
  });

  it.each(Object.entries(IDL.operations))("has the operation %s", (name, length) => {
    const { value, ...how } = descriptor(make().LanguageModel.prototype, name);
    expect(named(value)).toEqual([name, length]);
    expect(how).toEqual({ writable: true, enumerable: true, configurable: true });
  });

  it.each([...IDL.readonly, ...IDL.handlers])("has the attribute %s", (name) => {
    const { prototype } = make().LanguageModel;
    const how = descriptor(prototype, name);
    expect(how).toMatchObject({ enumerable: true, configurable: true });
    expect(typeof how.set).toBe(IDL.handlers.includes(name) ? "function" : "undefined");
    expect(() => how.get?.call(prototype)).toThrow(TypeError);
  });

  it("has nothing else", () => {
    const { LanguageModel } = make();
    const own = Object.getOwnPropertyNames(LanguageModel.prototype).filter((name) => name !== "constructor");
    expect(own.sort()).toEqual([...Object.keys(IDL.operations), ...IDL.readonly, ...IDL.handlers].sort());
    expect(Object.keys(LanguageModel)).toEqual(Object.keys(IDL.static));
    expect(named(LanguageModel)).toEqual(["LanguageModel", 0]);
  });

  it("is an EventTarget that nobody constructs", async () => {
    const made = make();
    const session = await create(made);
    expect(session).toBeInstanceOf(made.LanguageModel);
    expect(session).toBeInstanceOf(EventTarget);
    expect(tagOf(session)).toBe("LanguageModel");
    const Class = made.LanguageModel as unknown as new (...args: unknown[]) => unknown;
    expect(() => new Class()).toThrow(new TypeError("Illegal constructor"));
    expect(() => new Class({}, {})).toThrow("Illegal constructor");
  });

  it("rejects where it is told too little, or of something that is no session", async () => {
    const made = make();
    const session = await create(made);
    const { prompt, promptStreaming, clone } = session as unknown as Record<string, (...args: unknown[]) => unknown>;
    expect(await end(() => prompt?.call(session))).toBe("TypeError");
    expect(() => promptStreaming?.call(session)).toThrow(TypeError);
    const strange = prompt?.call({}, "the dog");
    expect(strange).toBeInstanceOf(Promise);
    expect(await end(strange as Promise<unknown>)).toBe("TypeError");
    expect(await end(clone?.call(made.LanguageModel) as Promise<unknown>)).toBe("TypeError");
  });

  it("tells the limits of the raw parameters", async () => {
    const params = await make().LanguageModel.params();
    expect(tagOf(params)).toBe("LanguageModelParams");
    expect(params.defaultTopK).toBeLessThanOrEqual(params.maxTopK);
    expect(params.defaultTemperature).toBeLessThanOrEqual(params.maxTemperature);
  });
});

describe("create", () => {
  const image = { role: "user", content: [{ type: "image", value: new Blob() }] };
  const system = { role: "system", content: "be brief" };
  const user = { role: "user", content: "the dog" };
  it.each<[string, unknown, unknown]>([
    ["options that are none", "text", "TypeError"],
    ["a signal that is none", { signal: {} }, "TypeError"],
    ["a monitor that is none", { monitor: {} }, "TypeError"],
    ["prompts that are no list", { initialPrompts: 3 }, "TypeError"],
    ["an unknown role", { initialPrompts: [{ role: "tool", content: "" }] }, "TypeError"],
    ["no role", { initialPrompts: [{ content: "" }] }, "TypeError"],
    ["no content", { initialPrompts: [{ role: "user" }] }, "TypeError"],
    ["a system prompt that is not first", { initialPrompts: [user, system] }, "TypeError"],
    ["two system prompts", { initialPrompts: [system, system] }, "TypeError"],
    ["a prefix of the user's", { initialPrompts: [{ ...user, prefix: true }] }, "SyntaxError"],
    ["a prefix that is not last", { initialPrompts: [{ role: "assistant", content: "a", prefix: true }, user] }, "SyntaxError"],
    ["a picture", { initialPrompts: [image] }, "NotSupportedError"],
    ["a text that is no string", { initialPrompts: [{ role: "user", content: [{ type: "text", value: 1 }] }] }, "TypeError"],
    ["pictures that are expected", { expectedInputs: [{ type: "image" }] }, "NotSupportedError"],
    ["sounds that are expected", { expectedOutputs: [{ type: "audio" }] }, "NotSupportedError"],
    ["a kind that there is not", { expectedInputs: [{ type: "soup" }] }, "TypeError"],
    ["a language tag that is none", { expectedInputs: [{ type: "text", languages: ["en-abc-invalid"] }] }, "RangeError"],
    ["a mode that there is not", { samplingMode: "wild" }, "TypeError"],
    ["a mode and a temperature", { samplingMode: "balanced", temperature: 1 }, "TypeError"],
    ["a temperature below 0", { temperature: -0.5, topK: 3 }, "RangeError"],
    ["a temperature that is no number", { temperature: "warm" }, "RangeError"],
    ["no top token", { topK: 0, temperature: 1 }, "RangeError"],
    ["tools that are no list", { tools: {} }, "TypeError"],
    ["a tool without a name", { ...open, tools: [{ ...tool, name: "" }] }, "TypeError"],
    ["a tool without a description", { ...open, tools: [{ ...tool, description: "" }] }, "TypeError"],
    ["two tools of one name", { ...open, tools: [tool, tool] }, "TypeError"],
    ["a tool without a schema", { ...open, tools: [{ ...tool, inputSchema: undefined }] }, "TypeError"],
    ["a schema of no object", { ...open, tools: [{ ...tool, inputSchema: { type: "string" } }] }, "TypeError"],
    ["a schema whose properties are none", { ...open, tools: [{ ...tool, inputSchema: { type: "object", properties: "all" } }] }, "TypeError"],
    ["an execute that is no function", { ...open, tools: [{ ...tool, execute: 1 }] }, "TypeError"],
    ["calls that nobody expects", { tools: [tool] }, "TypeError"],
  ])("refuses %s", async (_, options, name) => {
    const { LanguageModel, workers } = make();
    expect(await end(LanguageModel.create(anything(options)))).toBe(name);
    expect(workers).toHaveLength(0);
  });

  it("lets a page's own error through, whoever throws it", async () => {
    const { LanguageModel } = make();
    const mine = new Error("mine");
    const throws = (): never => {
      throw mine;
    };
    await expect(LanguageModel.create({ monitor: throws })).rejects.toBe(mine);
    await expect(LanguageModel.create(anything({ ...open, tools: [{ ...tool, inputSchema: { type: "object", toJSON: throws } }] }))).rejects.toBe(mine);
    const circular: Record<string, unknown> = { type: "object" };
    circular["self"] = circular;
    await expect(LanguageModel.create(anything({ ...open, tools: [{ ...tool, inputSchema: circular }] }))).rejects.toThrow(TypeError);
  });

  it.each<[string, LanguageModelCreateOptions, number, number, string | null]>([
    ["nothing", {}, 0.8, 40, "balanced"],
    ["a mode", { samplingMode: "most-predictable" }, 0, 1, "most-predictable"],
    ["both", { temperature: 0.5, topK: 3.9 }, 0.5, 3, null],
    ["one alone", { temperature: 1.5 }, 1.5, 40, null],
    ["too much", { temperature: Infinity, topK: Infinity }, 2, 128, null],
  ])("draws by %s", async (_, options, temperature, topK, mode) => {
    const made = make();
    const session = await create(made, options);
    expect([session.temperature, session.topK, session.samplingMode]).toEqual([temperature, topK, mode]);
    const copy = await session.clone();
    sessions.push(copy);
    expect([copy.temperature, copy.topK, copy.samplingMode]).toEqual([temperature, topK, mode]);
    await session.prompt("the dog");
    expect(made.requests[0]).toMatchObject({ temperature, topK, seed: 1, chatTemplateKwargs: { enable_thinking: false } });
  });

  it("draws otherwise each time, without a seed", async () => {
    const made = make({}, { seed: undefined as never });
    const session = await create(made);
    await session.prompt("the dog");
    await session.prompt("the dog");
    const [first, second] = made.requests.map(({ seed }) => seed);
    expect(first).not.toBe(second);
  });

  it("reads the first prompts, and counts them", async () => {
    const made = make();
    const session = await create(made, { initialPrompts: [{ role: "system", content: "be brief" }, { role: "user", content: [{ type: "text", value: "the " }, { type: "text", value: "dog" }] }] });
    expect(session.contextUsage).toBe(4);
    expect(session.contextWindow).toBe(256);
    await session.prompt("a cat");
    expect(said(made.requests[0])).toEqual(["system: be brief", "user: the dog", "user: a cat"]);
  });

  it("refuses first prompts that do not fit", async () => {
    const { LanguageModel } = make({ contextLength: 20 });
    const error = await LanguageModel.create({ initialPrompts: [{ role: "system", content: "a ".repeat(30).trim() }] }).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(DOMException);
    expect(error).toMatchObject({ name: "QuotaExceededError", requested: 30, quota: 20, code: 22 });
  });
});

describe("the monitor", () => {
  it("tells from 0 to 1, rising, of 1, and nothing afterwards", async () => {
    const events: ProgressEvent[] = [];
    let monitor: EventTarget | undefined;
    const big = new Blob(["GGUF", new Uint8Array(3_000_000)]);
    const LanguageModel = languageModel(big, { worker: () => fakeWorker(), unloadAfterMs: 0 });
    const session = await LanguageModel.create({
      monitor(given) {
        monitor = given;
        given.ondownloadprogress = (event) => events.push(event);
      },
    });
    sessions.push(session);
    expect(tagOf(monitor)).toBe("CreateMonitor");
    const loaded = events.map((event) => event.loaded);
    expect(loaded[0]).toBe(0);
    expect(loaded.at(-1)).toBe(1);
    expect(loaded).toEqual([...new Set(loaded)].sort((a, b) => a - b));
    for (const event of events) {
      expect(event).toMatchObject({ type: "downloadprogress", total: 1, lengthComputable: true });
      expect(event.loaded * 0x10000 % 1).toBe(0);
    }
    // With a model that is there already.
    const more: number[] = [];
    sessions.push(await LanguageModel.create({ monitor: (given) => { given.addEventListener("downloadprogress", (event) => more.push(event.loaded)); } }));
    expect(more).toEqual([0, 1]);
  });

  it.each([0, 1])("is silent after an abort at %d, which ends the creation", async (at) => {
    const { LanguageModel } = make();
    const stop = new AbortController();
    const loaded: number[] = [];
    const mine = new Error("mine");
    const { promise, resolve } = new Deferred<undefined>();
    const created = LanguageModel.create({
      signal: stop.signal,
      monitor(given) {
        given.addEventListener("downloadprogress", (event) => {
          loaded.push(event.loaded);
          if (event.loaded === at) resolve(undefined);
        });
      },
    });
    await promise;
    stop.abort(mine);
    await expect(created).rejects.toBe(mine);
    const count = loaded.length;
    await end(create(make()));
    expect(loaded).toHaveLength(count);
  });
});

describe("availability", () => {
  it.each<[string, unknown, unknown]>([
    ["nothing", undefined, "available"],
    ["text", { expectedInputs: [{ type: "text", languages: ["EN", "de-AT"] }], expectedOutputs: [] }, "available"],
    ["tools", open, "available"],
    ["a language that the model does not know", { expectedInputs: [{ type: "text", languages: ["en", "ja"] }] }, "unavailable"],
    ["pictures", { expectedInputs: [{ type: "image" }] }, "unavailable"],
    ["pictures in the answer", { expectedOutputs: [{ type: "image" }] }, "unavailable"],
    ["a response in the answer", { expectedOutputs: [{ type: "tool-response" }] }, "unavailable"],
    ["a temperature below 0", { temperature: -1 }, "unavailable"],
    ["what only create looks at", { initialPrompts: [{ role: "system", content: "a" }, { role: "system", content: "b" }] }, "available"],
    ["a kind that there is not", { expectedInputs: [{ type: "soup" }] }, "TypeError"],
    ["a language tag that is none", { expectedInputs: [{ type: "text", languages: ["en-abc-invalid"] }] }, "RangeError"],
  ])("of %s", async (_, options, expected) => {
    const { LanguageModel } = make({}, { languages: ["en", "de"] });
    expect(await end(LanguageModel.availability(anything(options)))).toBe(expected);
    if (expected === "unavailable") expect(["NotSupportedError", "RangeError"]).toContain(await end(LanguageModel.create(anything(options))));
  });

  it("of a file that is no model, of one that is too large, and where there are no workers", async () => {
    const worker = () => fakeWorker();
    const none = languageModel(new Blob(["<html>"]), { worker });
    expect(await none.availability()).toBe("unavailable");
    expect(await end(none.create())).toBe("OperationError");
    expect(await languageModel(GGUF, { worker, contextLength: 2 ** 32 - 1 }).availability()).toBe("unavailable");
    expect(await languageModel(GGUF).availability()).toBe("unavailable");
    expect(await end(languageModel(GGUF).create())).toBe("NotSupportedError");
    expect(await languageModel("https://localhost:1/x.gguf", { worker }).availability()).toBe("unavailable");
    expect(await end(languageModel("https://localhost:1/x.gguf", { worker }).create())).toBe("NetworkError");
  });

  it("knows the addresses of the cache, as the crate's own test has them", () => {
    const rust = readFileSync(join(import.meta.dirname, "../../tests/download/address.rs"), "utf8");
    const [, hub = ""] = /let hub = \[([^]*?)\n {4}\];/.exec(rust) ?? [];
    const pairs = [...hub.matchAll(/\(\s*"(.*?)",\s*"(.*?)",?\s*\)/g)];
    expect(pairs.length).toBeGreaterThan(4);
    for (const [, given = "", path = ""] of pairs) expect(resolve(given)?.href).toBe(`https://huggingface.co/${path}`);
    const parts = (address: string) => partsOf(new URL(address));
    expect(parts("https://example.org/m-00001-of-00003.gguf?token=1")).toEqual([1, 2, 3].map((part) => `https://example.org/m-0000${String(part)}-of-00003.gguf?token=1`));
    expect(parts("https://example.org/M-00001-OF-00002.GGUF")[1]).toBe("https://example.org/M-00002-OF-00002.GGUF");
    for (const alone of ["https://example.org/m.gguf", "https://example.org/m-0001-of-0003.gguf", "https://example.org/m-00001-of-00000.gguf"]) expect(parts(alone)).toHaveLength(1);
    expect(resolve("hf:owner/file.gguf")?.protocol).toBe("hf:");
    expect(resolve("no/base.gguf")).toBeUndefined();
  });

  it("of one that is on its way, and of one that is there", async () => {
    const { promise, resolve } = new Deferred<undefined>();
    const source = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await promise;
        controller.enqueue(new TextEncoder().encode("GGUF"));
        controller.close();
      },
    });
    const LanguageModel = languageModel(source, { worker: () => fakeWorker(), unloadAfterMs: 0 });
    const creating = LanguageModel.create();
    resolve(undefined);
    const session = await creating;
    expect(await LanguageModel.availability()).toBe("available");
    session.destroy();
  });
});
