/** A session of the fake engine: it remembers tokens as the real one does, and says words by chance. */
import { BitNetError } from "../public/errors.js";
import type { Ended } from "./generation.js";
import type { FakeModel } from "./fake-model.js";
import type { GenerateRequest, Piece, Token } from "./protocol.js";

export type Step =
  | { kind: "prefill"; done: number; total: number }
  | { kind: "token"; token: Omit<Token, "elapsedMs"> }
  | { kind: "done"; end: Omit<Ended, "text"> };

interface Run {
  request: GenerateRequest;
  prompt: number;
  cached: number;
  said: number;
  /** What it is to say, where its answer has a form or is calls. */
  form: Uint32Array | undefined;
  /** What the tokens of calls come to, one each. */
  calls: readonly Piece[] | undefined;
  random: number;
  began: number;
  firstTokenAt: number;
}

/** What `save` gives begins so; the token ids follow as text. */
const MAGIC = "fake-kv ";

export class FakeSession {
  readonly #model: FakeModel;
  /** Prompt and answer. */
  #tokens: number[];
  /** How many of them have been read. */
  #held: number;
  #run: Run | undefined;

  constructor(model: FakeModel, tokens: number[] = []) {
    this.#model = model;
    this.#tokens = tokens;
    this.#held = tokens.length;
  }

  static prompt(model: FakeModel, { ids, prompt, messages = [] }: GenerateRequest): number[] {
    return Array.from(ids ?? model.tokenize(prompt ?? messages.map(({ content }) => content && ` ${content}`).join("")));
  }

  start(request: GenerateRequest): void {
    const { contextLength } = this.#model.info;
    const prompt = FakeSession.prompt(this.#model, request);
    if (prompt.length > contextLength) {
      throw new BitNetError("context-overflow", `the prompt is too long: it has ${String(prompt.length)} tokens, the context holds ${String(contextLength)}: shorten it or load with a longer context`);
    }
    const calls = this.#calls(request);
    const form = calls ? this.#spelled(calls) : this.#form(request);
    const random = request.temperature === 0 ? 1 : ((request.seed ?? 0) * 2654435761 + 1) >>> 0 || 1;
    let cached = 0;
    while (cached < Math.min(this.#held, prompt.length - 1) && prompt[cached] === this.#tokens[cached]) cached++;
    this.#tokens = prompt;
    this.#held = cached;
    this.#run = { request, prompt: prompt.length, cached, said: 0, form, calls, random, began: performance.now(), firstTokenAt: 0 };
  }

  /** Part of the prompt, or one token. */
  step(cancelled: boolean): Step {
    const run = this.#run;
    if (!run) throw new BitNetError("invalid-argument", "nothing has been started");
    const { fake, end } = this.#model;
    if (cancelled || end.aborted) return this.#done(run, "cancelled");
    if (this.#held < run.prompt) {
      this.#held = Math.min(run.prompt, this.#held + (fake.prefillBatch ?? 16));
      return { kind: "prefill", done: this.#held, total: run.prompt };
    }
    if (run.said === (run.form?.length ?? fake.answerLength ?? 100)) return this.#done(run, "stop");
    if (run.said === run.request.maxTokens || this.#tokens.length === this.#model.info.contextLength) return this.#done(run, "length");
    if (run.said === 0) run.firstTokenAt = performance.now();
    run.said++;
    run.random ^= run.random << 13;
    run.random ^= run.random >>> 17;
    run.random = (run.random ^ (run.random << 5)) >>> 0;
    const id = run.form?.[run.said - 1] ?? run.random % this.#model.spoken;
    this.#held = this.#tokens.length;
    this.#tokens.push(id);
    // Every word is as likely as any other.
    const entropy = Math.log(this.#model.spoken);
    const logprobs = run.request.logProbabilities ? { logProbability: -entropy, entropy } : {};
    const text = this.#model.detokenize(Uint32Array.of(id));
    const call = run.calls?.[run.said - 1];
    const read = run.request.pieces ? { read: { pieces: [call ?? { type: "content" as const, body: text }], inContent: !call } } : {};
    return { kind: "token", token: { id, text, ...logprobs, ...read } };
  }

  reset(): void {
    this.#run = undefined;
    this.#tokens = [];
    this.#held = 0;
  }

  clone(): FakeSession {
    return new FakeSession(this.#model, this.#tokens.slice(0, this.#held));
  }

  save(): Uint8Array<ArrayBuffer> {
    return new TextEncoder().encode(MAGIC + JSON.stringify(this.#tokens.slice(0, this.#held)));
  }

  restore(bytes: Uint8Array): void {
    const tokens = parseSaved(new TextDecoder().decode(bytes));
    if (!tokens) throw new BitNetError("format", "saved session: magic at byte 0: a fake takes only what a fake has saved");
    const { contextLength } = this.#model.info;
    if (tokens.length > contextLength) {
      throw new BitNetError("context-overflow", `saved session: it has ${String(tokens.length)} tokens, the context holds ${String(contextLength)}`);
    }
    this.#run = undefined;
    this.#tokens = tokens;
    this.#held = tokens.length;
  }

  kvCacheBytes(): number {
    const { contextLength, kvCacheBytes } = this.#model.info;
    return (kvCacheBytes / contextLength) * this.#held;
  }

  /** The rest of the text that was given for such an answer. */
  #form({ responseFormat, begun = "" }: GenerateRequest): Uint32Array | undefined {
    if (!responseFormat || responseFormat.type === "parts") return undefined;
    const { formAnswer } = this.#model.fake;
    if (formAnswer === undefined) throw new BitNetError("invalid-argument", "responseFormat: a fake knows no forms; give the answer: fakeWorker({ formAnswer: '{\"a\": 1}' })");
    const text = typeof formAnswer === "string" ? formAnswer : formAnswer(responseFormat);
    if (!text.startsWith(begun)) throw new BitNetError("invalid-argument", "responseFormat.begun is no beginning of the fake's formAnswer");
    return this.#model.tokenize(text.slice(begun.length));
  }

  /** The pieces of the calls that were given for such a request, each of a token. What a tool gave is answered in words, or a loop over calls would not end. */
  #calls({ messages, tools = [], toolChoice = "auto", parallelToolCalls = true }: GenerateRequest): Piece[] | undefined {
    const only = typeof toolChoice === "object" ? toolChoice.function.name : undefined;
    if (toolChoice === "none" || (toolChoice === "auto" && (tools.length === 0 || messages?.at(-1)?.role === "tool"))) return undefined;
    const known = (name: string) => tools.some((tool) => tool.function.name === name && name === (only ?? name));
    if (only !== undefined && !known(only)) throw new BitNetError("invalid-argument", `the tools can't be used: \`${only}\` has to be called, which is none of them`);
    const given = (this.#model.fake.calls ?? []).filter(({ name }) => known(name));
    if (given.length === 0) {
      if (toolChoice === "auto") return undefined;
      throw new BitNetError("invalid-argument", "tool_choice: a fake calls no tool by itself; say what it calls: fakeWorker({ calls: [{ name, arguments }] })");
    }
    return given.slice(0, parallelToolCalls && only === undefined ? given.length : 1).flatMap(({ name, arguments: args = {} }, index): Piece[] => {
      const text = typeof args === "string" ? args : JSON.stringify(args);
      const parts = text.match(/[^]{1,5}/g) ?? [];
      return [{ type: "call", body: { index, id: `call_${String(this.#model.calls++)}`, name } }, ...parts.map((part): Piece => ({ type: "arguments", body: { index, text: part } }))];
    });
  }

  /** A token for each piece. */
  #spelled(pieces: readonly Piece[]): Uint32Array {
    return Uint32Array.from(pieces, (piece) => this.#model.word(piece.type === "arguments" ? piece.body.text : "<tool_call>"));
  }

  #done(run: Run, finishReason: Ended["finishReason"]): Step {
    this.#run = undefined;
    const end = performance.now();
    const prefillMs = (run.firstTokenAt || end) - run.began;
    const decodeMs = run.firstTokenAt ? end - run.firstTokenAt : 0;
    const usage = { promptTokens: run.prompt, cachedTokens: run.cached, completionTokens: run.said };
    const timings = {
      prefillMs,
      decodeMs,
      timeToFirstTokenMs: prefillMs,
      prefillTokensPerSecond: rate(Math.min(this.#held, run.prompt) - run.cached, prefillMs),
      decodeTokensPerSecond: rate(run.said, decodeMs),
      decodeThreads: 1,
    };
    const called = run.request.pieces ? { called: run.calls !== undefined && finishReason === "stop" } : {};
    return { kind: "done", end: { finishReason, usage, timings, ...called } };
  }
}

function parseSaved(text: string): number[] | undefined {
  if (!text.startsWith(MAGIC)) return undefined;
  try {
    const tokens: unknown = JSON.parse(text.slice(MAGIC.length));
    return Array.isArray(tokens) && tokens.every((token) => typeof token === "number") ? tokens : undefined;
  } catch {
    return undefined; // cut short
  }
}

function rate(tokens: number, ms: number): number {
  return ms > 0 ? (tokens / ms) * 1000 : 0;
}
