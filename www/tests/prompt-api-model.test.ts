// The model behind the Prompt API's sessions, and the place that it takes in a page, over the fake.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, it } from "vitest";
import { install, languageModel, LanguageModelToolCall } from "../src/prompt-api/index.js";
import { BitNet, type LoadOptions } from "../src/public/index.js";
import { fakeWorker } from "../src/public/testing.js";
import { anything, create, end, GGUF, make, said, sessions, words } from "./prompt-api.js";


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
