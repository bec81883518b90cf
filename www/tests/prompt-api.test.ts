// The Prompt API's interface, how sessions are created, and the model behind them, over the fake. tests/apps/prompt-api.spec.js has a real model and real
// clients. What is right is what the IDL and the explainer of webmachinelearning/prompt-api say (07c4a52, 04f5d0a), and where they leave it open
// what web-platform-tests expect (ai/language-model as servo has it: 1045b9e, 43897bb, 14f8b3c), but for these: a session that is destroyed ends
// what is under way with AbortError, as the explainer has it; and no user activation is asked for.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, it } from "vitest";
import { Deferred } from "../src/internal/deferred.js";
import { partsOf, resolve } from "../src/prompt-api/addresses.js";
import { install, languageModel, type LanguageModelCreateOptions, LanguageModelToolCall } from "../src/prompt-api/index.js";
import { BitNet, type LoadOptions } from "../src/public/index.js";
import { fakeWorker } from "../src/public/testing.js";
import { anything, create, end, GGUF, make, named, open, said, sessions, tagOf, tool, words } from "./prompt-api.js";

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

describe("one model", () => {
  it("is loaded once, and gone after the last session", async () => {
    const made = make();
    const [one, other] = await Promise.all([create(made), create(made)]);
    expect(made.workers).toHaveLength(1);
    const copy = await one.clone();
    one.destroy();
    other.destroy();
    const ended: string[] = [];
    for (const worker of made.workers) {
      const terminate = worker.terminate.bind(worker);
      worker.terminate = () => {
        ended.push("ended");
        terminate();
      };
    }
    await new Promise((done) => setTimeout(done, 20));
    expect(ended).toEqual([]);
    expect(words(await copy.prompt("the dog"))).toBe(5);
    copy.destroy();
    await expect.poll(() => ended).toEqual(["ended"]);
    await create(made);
    expect(made.workers).toHaveLength(2);
  });

  it.each(["prompt", "append", "measureContextUsage"] as const)("is gone after a session that was destroyed at any moment of %s", async (method) => {
    for (let moment = 0; moment < 40; moment++) {
      let ended = 0;
      const worker = () => {
        const made = fakeWorker({ answerLength: 3 });
        const terminate = made.terminate.bind(made);
        return Object.assign(made, {
          terminate: () => {
            ended++;
            terminate();
          },
        });
      };
      const session = await languageModel(GGUF, { worker, unloadAfterMs: 0 }).create();
      const under = end(session[method]("the dog"));
      for (let i = 0; i < moment; i++) await Promise.resolve();
      session.destroy();
      await under;
      await expect.poll(() => ended, { interval: 1 }).toBe(1);
    }
  });

  it("goes on loading when one of two gives up, and ends when both do", async () => {
    const made = make();
    const [one, other] = [new AbortController(), new AbortController()];
    const [first, second] = [made.LanguageModel.create({ signal: one.signal }), made.LanguageModel.create({ signal: other.signal })];
    one.abort();
    expect(await end(first)).toBe("AbortError");
    sessions.push(await second);
    expect(made.workers).toHaveLength(1);
    const alone = make();
    const stop = new AbortController();
    const given = alone.LanguageModel.create({ signal: stop.signal });
    stop.abort();
    expect(await end(given)).toBe("AbortError");
    await create(alone);
  });

  const crash = (worker: Worker | undefined) => worker?.dispatchEvent(new MessageEvent("message", { data: { type: "crashed", body: { message: "for a test" } } }));

  it("that has crashed is loaded again, and told what was said", async () => {
    const made = make();
    const session = await create(made);
    const answer = await session.prompt("the dog");
    crash(made.workers[0]);
    expect(words(await session.prompt("a hen"))).toBe(5);
    expect(made.workers).toHaveLength(2);
    expect(said(made.requests.at(-1))).toEqual(["user: the dog", `assistant: ${answer}`, "user: a hen"]);
    const under = session.prompt("a cat");
    crash(made.workers[1]);
    expect(words(await under)).toBe(5);
    crash(made.workers[2]);
    const [first, second] = await Promise.all([session.measureContextUsage("why"), session.clone(), session.measureContextUsage("why")]);
    expect(first).toBe(1);
    second.destroy();
    expect(made.workers).toHaveLength(4);
  });

  it("that has died while nobody asked is loaded again for the next session", async () => {
    const made = make({}, { unloadAfterMs: Infinity });
    const idle = await create(made);
    crash(made.workers[0]);
    expect(await made.LanguageModel.availability()).toBe("available");
    expect(words(await (await create(made)).prompt("the dog"))).toBe(5);
    crash(made.workers.at(-1));
    await create(made);
    expect(words(await idle.prompt("the dog"))).toBe(5);
    expect(made.workers.length).toBeLessThanOrEqual(4);
  });

  it("that crashes in an answer of which something is known ends it", async () => {
    const made = make({ answerLength: 100_000, contextLength: 200_000 });
    const session = await create(made);
    const reader = session.promptStreaming("the dog").getReader();
    await reader.read();
    crash(made.workers[0]);
    const error = await (async () => {
      while (!(await reader.read()).done);
    })().catch((error: unknown) => error);
    expect(error).toMatchObject({ name: "UnknownError", cause: { code: "worker-crashed" } });
    expect(session.contextUsage).toBe(0);
    await session.append("a cat");
    expect(session.contextUsage).toBe(2);
  });

  it("that was given is its owner's", async () => {
    const model = await BitNet.load(GGUF, { worker: fakeWorker({ answerLength: 3 }) } satisfies LoadOptions);
    const LanguageModel = languageModel(model, { unloadAfterMs: 0 });
    expect(await LanguageModel.availability()).toBe("available");
    const session = await LanguageModel.create();
    expect(words(await session.prompt("the dog"))).toBe(3);
    session.destroy();
    await new Promise((done) => setTimeout(done, 20));
    expect((await model.generate("the dog").result()).usage.completionTokens).toBe(3);
    await model.dispose();
    expect(await end(LanguageModel.create())).toBe("OperationError");
  });

  it("is let go by a session that nobody holds any more", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const made = make();
    const ended: string[] = [];
    await (async () => {
      const session = await made.LanguageModel.create();
      // It is held while it answers.
      const answer = session.prompt("the dog");
      collect();
      expect(words(await answer)).toBe(5);
    })();
    const [worker] = made.workers;
    if (worker) {
      const terminate = worker.terminate.bind(worker);
      worker.terminate = () => {
        ended.push("ended");
        terminate();
      };
    }
    await expect
      .poll(() => {
        collect();
        return ended;
      })
      .toEqual(["ended"]);
  });
});

describe("install", () => {
  const page = globalThis as { LanguageModel?: unknown; LanguageModelToolCall?: unknown };
  const worker = () => fakeWorker({ answerLength: 5 });
  afterEach(() => {
    delete page.LanguageModel;
  });
  const browsers = (availability: () => Promise<string>) => ({ availability });

  it("puts it where there is none, and takes it away again", async () => {
    const { installed, LanguageModel, ...done } = await install(GGUF, { worker, unloadAfterMs: 0 });
    expect(installed).toBe(true);
    expect(page.LanguageModel).toBe(LanguageModel);
    expect(page.LanguageModelToolCall).toBe(LanguageModelToolCall);
    expect(Object.getOwnPropertyDescriptor(page, "LanguageModel")).toMatchObject({ writable: true, enumerable: false, configurable: true });
    const session = await LanguageModel.create();
    done.uninstall();
    expect("LanguageModel" in page || "LanguageModelToolCall" in page).toBe(false);
    expect(words(await session.prompt("the dog"))).toBe(5);
    session.destroy();
  });

  it.each<[string, () => Promise<string>, boolean, boolean]>([
    ["works", () => Promise.resolve("available"), false, false],
    ["could be downloaded", () => Promise.resolve("downloadable"), false, false],
    ["can't work here", () => Promise.resolve("unavailable"), false, true],
    ["fails", () => Promise.reject(new Error("no")), false, true],
    ["works, by force", () => Promise.resolve("available"), true, true],
  ])("knows one that %s", async (_, availability, force, expected) => {
    const own = browsers(availability);
    page.LanguageModel = own;
    const { installed, LanguageModel, ...done } = await install(GGUF, { worker, force });
    expect(installed).toBe(expected);
    expect(page.LanguageModel).toBe(LanguageModel);
    expect(page.LanguageModel === own).toBe(!expected);
    done.uninstall();
    expect(page.LanguageModel).toBe(own);
  });

  it("leaves the place to who has taken it since", async () => {
    const done = await install(GGUF, { worker });
    const other = browsers(() => Promise.resolve("available"));
    page.LanguageModel = other;
    done.uninstall();
    expect(page.LanguageModel).toBe(other);
  });

  it("refuses an option that there is not", async () => {
    await expect(install(GGUF, anything({ contextLenght: 3 }))).rejects.toMatchObject({ code: "invalid-argument", message: expect.stringContaining("contextLength") as string });
    expect(() => languageModel(GGUF, anything({ signal: AbortSignal.abort() }))).toThrow("create's own");
  });
});
