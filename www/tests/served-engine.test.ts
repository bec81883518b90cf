// The page's way to the engine that serves it, against answers of every kind, cut anywhere. tests/browser/serve.spec.js has the real one.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { EngineError, ServedEngine } from "../demo/served-engine.js";
import type { Prompt } from "../src/public/index.js";

const TIMINGS = { prefillMs: 5, decodeMs: 20, timeToFirstTokenMs: 6, prefillTokensPerSecond: 100, decodeTokensPerSecond: 50, decodeThreads: 2 };
const USAGE = { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9, prompt_tokens_details: { cached_tokens: 3 } };

const delta = (delta: object) => ({ choices: [{ index: 0, delta, finish_reason: null }] });
const END = [{ choices: [{ index: 0, delta: {}, finish_reason: "stop" }], timings: TIMINGS }, { choices: [], usage: USAGE }];
const events = (...chunks: object[]) => chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join("");

/** A stream of pieces of `size` bytes; one that does not end where it is left open. */
function stream(text: string, { size = 1 << 16, open = false, fault }: { size?: number; open?: boolean; fault?: Error } = {}): Response {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at < bytes.length) controller.enqueue(bytes.slice(at, (at += size)));
      else if (fault) controller.error(fault);
      else if (!open) controller.close();
      else return new Promise(() => undefined);
      return undefined;
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

let asked: { url: string; init: RequestInit }[] = [];
let answers: ((init: RequestInit) => Response | Promise<Response>)[] = [];
const kept = new Map<string, string>();
let engine: ServedEngine;

beforeEach(() => {
  asked = [];
  answers = [];
  kept.clear();
  vi.stubGlobal("location", new URL("http://localhost:8080/"));
  vi.stubGlobal("document", { querySelector: () => ({ content: "v1/" }) });
  vi.stubGlobal("sessionStorage", { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => kept.set(key, value), removeItem: (key: string) => kept.delete(key) });
  vi.stubGlobal("fetch", async (url: URL, init: RequestInit) => {
    asked.push({ url: url.href, init });
    const answer = answers.shift();
    if (!answer) throw new TypeError("nobody is there");
    return answer(init);
  });
  const found = ServedEngine.ofPage();
  if (!found) throw new Error("the page has no engine");
  engine = found;
});
afterEach(() => {
  vi.unstubAllGlobals();
});

async function write(prompt: Prompt = [{ role: "user", content: "hi" }]): Promise<{ texts: string[]; result: Awaited<ReturnType<ReturnType<ServedEngine["generate"]>["result"]>> }> {
  const writing = engine.generate(prompt, { maxTokens: 5, temperature: 0, seed: 1 });
  const texts: string[] = [];
  for await (const { text } of writing) texts.push(text);
  return { texts, result: await writing.result() };
}

async function failure(call: Promise<unknown>): Promise<EngineError> {
  const error: unknown = await call.then(
    () => expect.unreachable("it was answered"),
    (error: unknown) => error,
  );
  if (!(error instanceof EngineError)) throw error;
  return error;
}

describe("the engine that serves the page", () => {
  it("is that of the page's own host, and of no other page", () => {
    vi.stubGlobal("document", { querySelector: () => null });
    expect(ServedEngine.ofPage()).toBeUndefined();
    vi.stubGlobal("document", { querySelector: () => ({ content: "https://elsewhere.example/v1/" }) });
    expect(ServedEngine.ofPage()).toBeUndefined();
  });

  it.each([1, 2, 3, 7, 1 << 16])("is heard in pieces of %i bytes", async (size) => {
    const text = `: reading\n\n${events(delta({ role: "assistant", content: "" }), delta({ content: "Ein Füchs" }), delta({ content: "chen 🦊" }), ...END)}data: [DONE]\n\n`;
    answers.push(() => stream(text, { size }));
    const { texts, result } = await write();
    expect(texts).toEqual(["Ein Füchs", "chen 🦊"]);
    expect(result).toEqual({ text: "Ein Füchschen 🦊", finishReason: "stop", usage: { promptTokens: 7, cachedTokens: 3, completionTokens: 2 }, timings: TIMINGS });
  });

  it("is asked in OpenAI's words", async () => {
    answers.push(() => stream(events(...END)), () => stream(events({ choices: [{ index: 0, text: "x", finish_reason: null }] }, { choices: [{ index: 0, text: "", finish_reason: "length" }], timings: TIMINGS }, { choices: [], usage: USAGE })));
    await write();
    const { texts, result } = await write("Once");
    expect([texts, result.finishReason]).toEqual([["x"], "length"]);
    expect(asked.map(({ url }) => url)).toEqual(["http://localhost:8080/v1/chat/completions", "http://localhost:8080/v1/completions"]);
    const [chat, completion] = asked.map(({ init }) => JSON.parse(init.body as string) as object);
    expect(chat).toEqual({ messages: [{ role: "user", content: "hi" }], max_tokens: 5, temperature: 0, seed: 1, stream: true, stream_options: { include_usage: true } });
    expect(completion).toMatchObject({ prompt: "Once", max_tokens: 5 });
  });

  it("thinks where the tab's model would", async () => {
    answers.push(() => stream(events(delta({ reasoning_content: "Hm" }), delta({ reasoning_content: "…" }), delta({ content: "Yes" }), delta({ content: "." }), ...END)));
    expect((await write()).result.text).toBe("<think>Hm…</think>Yes.");
  });

  it.each([
    ["in the middle", () => stream(events(delta({ content: "Once" })))],
    ["by a fault of the network", () => stream(events(delta({ content: "Once" })), { fault: new TypeError("network error") })],
    ["with an error of its own", () => stream(events(delta({ content: "Once" }), { error: { message: "the server is going down" } }))],
  ])("tells an answer that breaks off %s from a whole one", async (_, answer) => {
    answers.push(answer);
    const writing = engine.generate("Once", {});
    const texts: string[] = [];
    const error = await failure(
      (async () => {
        for await (const { text } of writing) texts.push(text);
      })(),
    );
    expect([texts, error.code]).toEqual([["Once"], "cut"]);
    expect(await failure(writing.result())).toBe(error);
  });

  it("is left where an answer is stopped: what there is, is the text", async () => {
    let signal: AbortSignal | null | undefined;
    answers.push((init) => {
      ({ signal } = init);
      return stream(events(delta({ content: "Once" }), delta({ content: " upon" })), { open: true });
    });
    const writing = engine.generate("Once", {});
    const texts: string[] = [];
    for await (const { text } of writing) {
      texts.push(text);
      if (texts.length === 2) break;
    }
    expect(signal?.aborted).toBe(true);
    expect(await writing.result()).toMatchObject({ text: "Once upon", finishReason: "cancelled", usage: { completionTokens: 2 } });
  });

  it("is not asked once it has been cancelled before", async () => {
    answers.push(({ signal }) => new Promise((_, reject) => signal?.addEventListener("abort", () => { reject(signal.reason as Error); })));
    const writing = engine.generate("Once", {});
    const read = (async () => {
      for await (const _ of writing) expect.unreachable("it says something");
    })();
    writing.cancel();
    await read;
    expect(await writing.result()).toMatchObject({ text: "", finishReason: "cancelled" });
  });

  it.each([
    [400, '{"error": {"message": "n is 2"}}', "refused", "n is 2"],
    [429, '{"error": {"message": "come again"}}', "busy", "come again"],
    [503, '{"error": {"message": "not yet"}}', "loading", "not yet"],
    [502, "<html>Bad gateway</html>", "refused", "status 502"],
    [500, "null", "refused", "status 500"],
  ])("says why it does not answer: %i", async (status, body, code, words) => {
    answers.push(() => new Response(body, { status }));
    const error = await failure(write());
    expect(error.code).toBe(code);
    expect(error.message).toContain(words);
  });

  it("is missed where nobody answers", async () => {
    const error = await failure(write());
    expect([error.code, error.message]).toEqual(["gone", "nobody answers at localhost:8080; is b158 serve running there?"]);
  });

  it("gets the key of this tab, and a wrong one is forgotten", async () => {
    engine.key = "sk-1";
    answers.push(() => stream(events(...END)), () => new Response("{}", { status: 401 }), () => new Response("{}", { status: 401 }));
    await write();
    expect((await failure(write())).code).toBe("key");
    await failure(write());
    expect(asked.map(({ init }) => new Headers(init.headers).get("authorization"))).toEqual(["Bearer sk-1", "Bearer sk-1", null]);
    expect(kept.size).toBe(0);
  });
});
