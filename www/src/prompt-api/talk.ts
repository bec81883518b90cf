/** One conversation: its turns, and what is done with them one after the other. What a page holds is a {@link LanguageModel} around it. */
import type { GenerationStream } from "../internal/generation.js";
import { randomSeed } from "../internal/random.js";
import { piecesOf, WhatIsSaid } from "../internal/said.js";
import type { Asked, WorkerSession } from "../internal/session.js";
import type { BitNet } from "../public/bitnet.js";
import type { ChatCompletionMessageToolCall } from "../public/chat.js";
import { BitNetError } from "../public/errors.js";
import type { ResponseFormat } from "../public/formats.js";
import type { Session } from "../public/types.js";
import { either, orAborted } from "./aborts.js";
import { begunAs } from "./constraint.js";
import { exception, quotaExceeded } from "./errors.js";
import type { Prompt, Turn } from "./prompt.js";
import type { Sampling } from "./sampling.js";
import type { LoadedModel } from "./loaded-model.js";
import { asAsked, ofExecuted, type Tool } from "./tools.js";

/** Rounds of tools that one prompt may take: a model may call for ever. */
const MOST_ROUNDS = 16;
/** Of the context, kept free for the answer while there are old turns to drop. */
const ROOM = { share: 1 / 8, most: 512 };

/** What a session is created with, and its clones have too. */
export interface Setup {
  readonly model: LoadedModel;
  readonly sampling: Sampling;
  readonly tools: readonly Tool[];
  readonly seed: number | undefined;
  readonly chatTemplateKwargs: Readonly<Record<string, unknown>>;
}

/** What is asked with a prompt. */
export interface Request {
  /** Whether something has been said before is known when its turn comes. */
  readonly read: (talked: boolean) => Prompt;
  readonly format?: ResponseFormat | undefined;
  /** Said to the model of the form. */
  readonly hint?: string | undefined;
}

/** Who hears of it while it is under way. */
export interface Listener {
  readonly overflow: () => void;
  readonly text?: (delta: string) => void;
}

/** An answer: what was said, and what was called that nobody here runs. */
export interface Answer {
  readonly text: string;
  readonly calls: readonly ChatCompletionMessageToolCall[];
}

/** What a session of the model can do beyond what it promises in public. */
type EngineSession = Session & Pick<WorkerSession, "generate" | "countTokens">;

interface Turns {
  /** Never dropped. */
  readonly pinned: readonly Turn[];
  /** Each a prompt, what it came to, and nothing more. */
  readonly rounds: readonly (readonly Turn[])[];
}

export class Talk {
  readonly setup: Setup;
  /** Tokens that conversation and answer may have together. */
  readonly contextWindow: number;
  #turns: Turns;
  #usage: number;
  #session: Promise<EngineSession> | undefined;
  /** The model that the session is of. */
  #model: BitNet | undefined;
  /** Why the last one is gone. */
  #lostBy: BitNetError | undefined;
  /** Settled when all that was asked for before has been done. */
  #before: Promise<unknown> = Promise.resolve();
  readonly #end = new AbortController();
  #later: unknown;

  private constructor(setup: Setup, contextWindow: number, turns: Turns, usage: number) {
    this.setup = setup;
    this.contextWindow = contextWindow;
    this.#turns = turns;
    this.#usage = usage;
    setup.model.hold();
  }

  /** With a model that is loaded. The first turns are read, and must fit. */
  static async begin(setup: Setup, first: Prompt | undefined, signal: AbortSignal): Promise<Talk> {
    const model = await setup.model.load();
    const talk = new Talk(setup, model.info.contextLength, { pinned: [], rounds: [] }, 0);
    try {
      const session = await talk.#opened();
      if (first) {
        const pinned = [...(first.system ? [first.system] : []), ...first.turns];
        const usage = await talk.#count(pinned);
        if (usage > talk.contextWindow) throw quotaExceeded(`the initial prompts have ${String(usage)} tokens, and the context ${String(talk.contextWindow)}`, usage, talk.contextWindow);
        await talk.#readAhead(session, pinned, signal);
        signal.throwIfAborted();
        talk.#turns = { pinned, rounds: [] };
        talk.#usage = usage;
      }
      return talk;
    } catch (error) {
      talk.destroy(error);
      throw error;
    }
  }

  get contextUsage(): number {
    return this.#usage;
  }

  /** Aborted when it ends. */
  get ended(): AbortSignal {
    return this.#end.signal;
  }

  throwIfDestroyed(): void {
    if (this.ended.aborted) throw this.#later;
  }

  /** Ends it: what is under way rejects with the reason, what is asked for afterwards with `later`. */
  destroy(reason: unknown, later = reason): void {
    if (this.ended.aborted) return;
    this.#later = later;
    this.#end.abort(reason);
    // Where the worker is gone, so is the session.
    this.#session?.then((session) => session.dispose()).catch(() => undefined);
    this.setup.model.release();
  }

  answer(request: Request, listener: Listener, signal: AbortSignal | undefined): Promise<Answer> {
    const handed = { any: false };
    const text = (delta: string) => {
      handed.any ||= listener.text !== undefined;
      listener.text?.(delta);
    };
    return this.#inTurn(signal, (signal) => this.#answer(request, { ...listener, text }, signal, handed), handed);
  }

  append(read: Request["read"], listener: Listener, signal: AbortSignal | undefined): Promise<void> {
    return this.#inTurn(signal, async (signal) => {
      const prompt = read(this.#talked());
      const before = await this.#makeRoom(prompt, prompt.turns, 0, listener);
      const pinned = [...before.pinned, ...before.added];
      const rounds = prompt.turns.length > 0 ? [...before.rounds, prompt.turns] : before.rounds;
      const all = [...pinned, ...rounds.flat()];
      await this.#readAhead(await this.#opened(), all, signal);
      const usage = await this.#count(all);
      signal.throwIfAborted();
      this.#turns = { pinned, rounds };
      this.#usage = usage;
    });
  }

  clone(signal: AbortSignal | undefined): Promise<Talk> {
    return this.#inTurn(signal, async (signal) => {
      const session = await this.#opened();
      const copied = await session.clone();
      const talk = new Talk(this.setup, this.contextWindow, this.#turns, this.#usage);
      talk.#session = Promise.resolve(copied as EngineSession);
      talk.#model = this.#model;
      if (signal.aborted) talk.destroy(signal.reason);
      return talk;
    });
  }

  /** Tokens that these turns would add. */
  async measure(prompt: Prompt, hint: string | undefined, signal: AbortSignal | undefined): Promise<number> {
    const stop = either(this.ended, signal);
    const added = [...(prompt.system ? [prompt.system] : []), ...told(prompt, hint)];
    const count = async () => {
      const before = prompt.system ? [] : this.#all();
      const [all, own] = await Promise.all([this.#count([...before, ...added]), this.#count(before)]);
      return Math.max(0, all - own);
    };
    try {
      const counted = count().catch((error: unknown) => (this.#lost(error) ? count() : Promise.reject(error)));
      return await orAborted(stop.signal, counted);
    } finally {
      stop.forget();
    }
  }

  #all(): Turn[] {
    return [...this.#turns.pinned, ...this.#turns.rounds.flat()];
  }

  #talked(): boolean {
    return this.#turns.pinned.length + this.#turns.rounds.length > 0;
  }

  /**
   * When those before it have ended. An abort is not waited for, wherever it finds it; nothing comes of it then. Where the worker is gone it is
   * begun again once, unless something of it has been handed out, or run.
   */
  #inTurn<T>(given: AbortSignal | undefined, run: (signal: AbortSignal) => Promise<T>, handed = { any: false }): Promise<T> {
    const stop = either(this.ended, given);
    const turn = this.#before.then(async () => {
      stop.signal.throwIfAborted();
      try {
        return await run(stop.signal);
      } catch (error) {
        if (!this.#lost(error) || handed.any) throw error;
        stop.signal.throwIfAborted();
        return run(stop.signal);
      }
    });
    this.#before = turn.then(stop.forget, stop.forget);
    return orAborted(stop.signal, turn);
  }

  /** Whether the worker is gone, and its sessions with it. The turns are here: the next session is told them. */
  #lost(error: unknown): boolean {
    // A session that has been destroyed is gone by itself.
    if (this.ended.aborted || !(error instanceof BitNetError) || (error.code !== "worker-crashed" && error.code !== "disposed")) return false;
    // All that a worker leaves behind ends with one error: by the second of them there may be another session.
    if (error === this.#lostBy) return true;
    this.#lostBy = error;
    if (this.#model) this.setup.model.lost(this.#model);
    this.#session = this.#model = undefined;
    return true;
  }

  #opened(): Promise<EngineSession> {
    this.#session ??= this.#open();
    return this.#session;
  }

  async #open(): Promise<EngineSession> {
    try {
      const model = await this.setup.model.load();
      this.#model = model;
      return (await model.session()) as EngineSession;
    } catch (error) {
      this.#session = undefined;
      throw error;
    }
  }

  async #answer({ read, format, hint }: Request, listener: Listener, signal: AbortSignal, handed: { any: boolean }): Promise<Answer> {
    const prompt = read(this.#talked());
    let turns = [...told(prompt, hint)];
    let begun = prompt.begun;
    for (let round = 0; ; round++) {
      const before = await this.#makeRoom(prompt, turns, ROOM.share, listener);
      const pinned = [...before.pinned, ...before.added];
      const said = [...pinned, ...before.rounds.flat(), ...turns];
      const session = await this.#opened();
      signal.throwIfAborted();
      const form = format && begun ? { ...format, begun: begunAs(format, turns.at(-1)?.content ?? "") } : format;
      const { text, calls, usage } = await this.#generate(session, said, begun, form, listener, signal);
      turns = withAnswer(turns, begun, text, calls);
      begun = false;
      const run = calls.map(({ function: { name } }) => this.setup.tools.find((tool) => tool.name === name)?.execute);
      if (calls.length > 0 && run.every((execute) => execute !== undefined)) {
        if (round === MOST_ROUNDS) throw exception("UnknownError", `the model has called tools ${String(MOST_ROUNDS)} times, and still has no answer`);
        handed.any = true;
        const results = Promise.all(
          calls.map(async (call, index) => {
            // A callback has no `this`.
            const execute = run[index];
            return ofExecuted(call, await execute?.(JSON.parse(call.function.arguments)));
          }),
        );
        turns.push(...((await orAborted(signal, results)) as Turn[]));
        continue;
      }
      const rounds = [...before.rounds, turns];
      // A talk that ends with calls can't be told before they are answered.
      const used = calls.length > 0 ? usage : await this.#count([...pinned, ...rounds.flat()]);
      signal.throwIfAborted();
      this.#turns = { pinned, rounds };
      this.#usage = used;
      return { text, calls };
    }
  }

  async #generate(session: EngineSession, turns: readonly Turn[], begun: boolean, format: ResponseFormat | undefined, listener: Listener, signal: AbortSignal): Promise<Answer & { usage: number }> {
    const { sampling, seed = randomSeed(), chatTemplateKwargs } = this.setup;
    const options = { temperature: sampling.temperature, topK: sampling.topK, seed, chatTemplateKwargs, signal, ...(format && { responseFormat: format }) };
    const generation = session.generate(begun ? turns : anew(turns), options, { ...this.#asked(format !== undefined), pieces: true });
    const answer = await read(generation, (delta) => listener.text?.(delta));
    const { finishReason, usage } = await generation.result();
    if (answer.calls.length > 0 && finishReason === "length") throw exception("UnknownError", "the context's end has cut the answer within a call of a tool: it can't be run");
    if (format !== undefined && finishReason === "length") throw exception("SyntaxError", "the context's end has cut the answer: it is the beginning of one that fits responseConstraint");
    return { ...answer, usage: usage.promptTokens + usage.completionTokens };
  }

  /** An answer that keeps to a form calls nothing. */
  #asked(isForm: boolean): Asked {
    const { tools } = this.setup;
    return tools.length > 0 ? { tools: asAsked(tools), toolChoice: isForm ? "none" : "auto" } : {};
  }

  /** Drops the oldest rounds until the prompt fits, and there is room for an answer; where it would not fit alone, none is dropped. */
  async #makeRoom({ system }: Prompt, turns: readonly Turn[], share: number, listener: Listener): Promise<Turns & { readonly added: readonly Turn[] }> {
    const window = this.contextWindow;
    const room = Math.min(window * share, ROOM.most);
    const added = system && !this.#turns.pinned.includes(system) ? [system] : [];
    const pinned = [...this.#turns.pinned, ...added];
    const count = (rounds: Turns["rounds"]) => this.#count([...pinned, ...rounds.flat(), ...turns]);
    let { rounds } = this.#turns;
    if ((await count(rounds)) > window - (rounds.length > 0 ? room : 0)) {
      const least = await count([]);
      if (least > window) throw quotaExceeded(`the prompt has ${String(least)} tokens, with what is never dropped, and the context ${String(window)}`, least, window);
      if (rounds.length > 0) listener.overflow();
      do rounds = rounds.slice(1);
      while (rounds.length > 0 && (await count(rounds)) > window - room);
      // They do not come back, whatever becomes of the prompt.
      this.#turns = { ...this.#turns, rounds };
      this.#usage = await this.#count(this.#all());
    }
    return { pinned: this.#turns.pinned, added, rounds };
  }

  /** Of the prompt that these turns are, with what stands before the answer to them. */
  async #count(turns: readonly Turn[]): Promise<number> {
    if (turns.length === 0) return 0;
    const session = await this.#opened();
    const ask = (turns: readonly Turn[]) => session.countTokens(turns, { chatTemplateKwargs: this.setup.chatTemplateKwargs }, this.#asked(false));
    const calls = turns.at(-1)?.tool_calls ?? [];
    if (calls.length > 0) return ask([...turns, ...calls.map(({ id, function: { name } }) => ({ role: "tool", content: "", tool_call_id: id, name }) as const)]);
    try {
      return await ask(turns);
    } catch (error) {
      // Some templates begin with a user's turn, or not at all.
      if (!refusesTalk(error) || turns.some(({ role }) => role !== "system")) throw error;
      return ask([...turns, { role: "user", content: "" }]);
    }
  }

  /** Only saves time. */
  async #readAhead(session: EngineSession, turns: readonly Turn[], signal: AbortSignal): Promise<void> {
    if (turns.length === 0 || turns.at(-1)?.tool_calls) return;
    try {
      await session.generate(turns, { maxTokens: 0, chatTemplateKwargs: this.setup.chatTemplateKwargs, signal }, this.#asked(false)).result();
    } catch (error) {
      if (!refusesTalk(error)) throw error;
    }
  }
}

const refusesTalk = (error: unknown) => error instanceof BitNetError && error.code === "invalid-argument";

/** The prompt's turns, with what is said of the form at the end of the user's last words. */
function told({ turns }: Prompt, hint: string | undefined): readonly Turn[] {
  if (hint === undefined) return turns;
  const at = turns.map(({ role }) => role).lastIndexOf("user");
  const asks = turns[at];
  if (asks) return [...turns.slice(0, at), { ...asks, content: asks.content === "" ? hint : `${asks.content}\n\n${hint}` }, ...turns.slice(at + 1)];
  // Answers alone, or what tools gave: it goes before the answer that is to go on.
  const before = turns.at(-1)?.role === "assistant" ? -1 : turns.length;
  return [...turns.slice(0, before), { role: "user", content: hint }, ...turns.slice(before)];
}

/** So that an answer after an answer is another, and not the rest of it. */
function anew(turns: readonly Turn[]): readonly Turn[] {
  return turns.at(-1)?.role === "assistant" ? [...turns, { role: "assistant", content: "" }] : turns;
}

function withAnswer(turns: readonly Turn[], begun: boolean, text: string, calls: readonly ChatCompletionMessageToolCall[]): Turn[] {
  const last = begun ? turns.at(-1) : undefined;
  const answer: Turn = { role: "assistant", content: (last?.content ?? "") + text, ...(calls.length > 0 && { tool_calls: calls }) };
  return [...(last ? turns.slice(0, -1) : turns), answer];
}

/** What is said and called; thoughts are nobody's business. */
async function read(generation: GenerationStream, tell: (delta: string) => void): Promise<Answer> {
  const said = new WhatIsSaid();
  for await (const token of generation) {
    for (const piece of piecesOf(token)) {
      said.take(piece);
      if (piece.type === "content" && piece.body !== "") tell(piece.body);
    }
  }
  return { text: said.content, calls: said.calls };
}
