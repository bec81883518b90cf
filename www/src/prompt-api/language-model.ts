/** The class that a page calls `LanguageModel`, of one model. */
import type { LanguageModelOptions } from "./options.js";
import { either, orAborted } from "./aborts.js";
import { destroyed, exception, ofCreating, ofPrompting } from "./errors.js";
import { conform, dictionary, Handlers, signal as readSignal, tag } from "./idl.js";
import { Progress } from "./monitor.js";
import { readConstraint } from "./constraint.js";
import { canonical, convert, type Prompt } from "./prompt.js";
import { type Created, isSupported, readCore, readCreate } from "./create.js";
import { PARAMS, settle } from "./sampling.js";
import type { SharedModel } from "./shared-model.js";
import { type Answer, type Request, Talk } from "./talk.js";
import { asCall } from "./tools.js";
import type { Availability, LanguageModelConstructor, LanguageModelMessageContent, LanguageModelMessageType, LanguageModelParams as Params, LanguageModelPromptResult, LanguageModelSamplingMode } from "./types.js";

const INTERFACE = "LanguageModel";

/** Only this module makes its objects. */
const KEY = Symbol("b158");

function onlyHere(key: unknown): void {
  if (key !== KEY) throw new TypeError("Illegal constructor");
}

class LanguageModelParams implements Params {
  constructor(key: unknown) {
    onlyHere(key);
  }

  get defaultTopK(): number {
    return PARAMS.defaultTopK;
  }

  get maxTopK(): number {
    return PARAMS.maxTopK;
  }

  get defaultTemperature(): number {
    return PARAMS.defaultTemperature;
  }

  get maxTemperature(): number {
    return PARAMS.maxTemperature;
  }
}
conform(LanguageModelParams.prototype, {});
tag(LanguageModelParams.prototype, "LanguageModelParams");

/** Whoever drops a session without destroying it leaves its memory to us. */
const forgotten = new FinalizationRegistry<Talk>((talk) => {
  talk.destroy(destroyed());
});

/** What a session is, and its clones are: what the page holds, and what the conversation does not know of it. */
interface Of {
  readonly talk: Talk;
  readonly expected: ReadonlySet<LanguageModelMessageType>;
  readonly mode: LanguageModelSamplingMode | null;
}

export function languageModelOf(shared: SharedModel, { languages, seed, chatTemplateKwargs }: LanguageModelOptions): LanguageModelConstructor {
  class LanguageModel extends EventTarget {
    readonly #of: Of;
    readonly #handlers = new Handlers(this);

    constructor(key: unknown, of: Of) {
      onlyHere(key);
      super();
      this.#of = of;
      forgotten.register(this, of.talk);
    }

    static async create(options: unknown = {}): Promise<LanguageModel> {
      const created = readCreate(options);
      const { signal, monitor } = created;
      signal?.throwIfAborted();
      const stop = either(signal);
      const progress = new Progress(stop.signal);
      monitor?.(progress.monitor);
      shared.hold();
      try {
        if (!isSupported(created, languages)) throw exception("NotSupportedError", "the model does not offer what is expected of it: see expectedInputs and expectedOutputs");
        return await orAborted(stop.signal, begin(created, progress, stop.signal));
      } catch (error) {
        throw ofCreating(error);
      } finally {
        stop.forget();
        shared.release();
      }
    }

    static async availability(options: unknown = {}): Promise<Availability> {
      const core = readCore(dictionary(options, "options"));
      try {
        settle(core.sampling);
      } catch {
        return "unavailable"; // out of range
      }
      return isSupported(core, languages) ? shared.availability() : "unavailable";
    }

    static params(): Promise<Params> {
      return Promise.resolve(new LanguageModelParams(KEY));
    }

    async prompt(input: unknown, options: unknown = {}): Promise<LanguageModelPromptResult> {
      const { request, signal } = this.#request(input, options);
      signal?.throwIfAborted();
      try {
        return asResult(await this.#of.talk.answer(request, { overflow: () => { this.#overflow(); } }, signal));
      } catch (error) {
        throw ofPrompting(error);
      }
    }

    promptStreaming(input: unknown, options: unknown = {}): ReadableStream<unknown> {
      const { request, signal } = this.#request(input, options);
      signal?.throwIfAborted();
      const { talk } = this.#of;
      const cancelled = new AbortController();
      const stop = either(signal, cancelled.signal);
      // Where tools are not run here, chunks are of several kinds.
      const parts = talk.setup.tools.some(({ execute }) => execute === undefined);
      const chunk = (text: string) => (parts ? { type: "text", value: text } : text);
      const stream = new ReadableStream<unknown>({
        start: (controller) => {
          const tell = (value: unknown) => {
            if (!stop.signal.aborted && !talk.ended.aborted) controller.enqueue(value);
          };
          const listener = { overflow: () => { this.#overflow(); }, text: (delta: string) => { tell(chunk(delta)); } };
          talk
            .answer(request, listener, stop.signal)
            .then(
              ({ calls }) => {
                for (const call of calls) tell({ type: "tool-call", value: asCall(call) });
                if (!cancelled.signal.aborted) controller.close();
              },
              (error: unknown) => {
                if (!cancelled.signal.aborted) controller.error(ofPrompting(error));
              },
            )
            .finally(stop.forget);
        },
        cancel: (reason) => {
          cancelled.abort(reason);
        },
      });
      return iterable(stream);
    }

    async append(input: unknown, options: unknown = {}): Promise<undefined> {
      const messages = convert(input, "input");
      const signal = readSignal(dictionary(options, "options")["signal"], "signal");
      const { talk, expected } = this.#open();
      signal?.throwIfAborted();
      const prompt = canonicalLater(messages, expected);
      try {
        await talk.append(prompt, { overflow: () => { this.#overflow(); } }, signal);
      } catch (error) {
        throw ofPrompting(error);
      }
    }

    async measureContextUsage(input: unknown, options: unknown = {}): Promise<number> {
      const { request, signal } = this.#request(input, options);
      signal?.throwIfAborted();
      try {
        return await this.#of.talk.measure(request.read(false), request.hint, signal);
      } catch (error) {
        throw ofPrompting(error);
      }
    }

    measureInputUsage(input: unknown, options: unknown = {}): Promise<number> {
      return this.measureContextUsage(input, options);
    }

    get contextUsage(): number {
      return this.#of.talk.contextUsage;
    }

    get contextWindow(): number {
      return this.#of.talk.contextWindow;
    }

    get inputUsage(): number {
      return this.#of.talk.contextUsage;
    }

    get inputQuota(): number {
      return this.#of.talk.contextWindow;
    }

    get topK(): number {
      return this.#of.talk.setup.sampling.topK;
    }

    get temperature(): number {
      return this.#of.talk.setup.sampling.temperature;
    }

    get samplingMode(): LanguageModelSamplingMode | null {
      return this.#of.mode;
    }

    get oncontextoverflow(): ((event: Event) => unknown) | null {
      return this.#handlers.get("contextoverflow");
    }

    set oncontextoverflow(value: unknown) {
      this.#handlers.set("contextoverflow", value);
    }

    get onquotaoverflow(): ((event: Event) => unknown) | null {
      return this.#handlers.get("quotaoverflow");
    }

    set onquotaoverflow(value: unknown) {
      this.#handlers.set("quotaoverflow", value);
    }

    async clone(options: unknown = {}): Promise<LanguageModel> {
      const signal = readSignal(dictionary(options, "options")["signal"], "signal");
      const { talk, ...of } = this.#open();
      signal?.throwIfAborted();
      try {
        return new LanguageModel(KEY, { ...of, talk: await talk.clone(signal) });
      } catch (error) {
        throw ofCreating(error);
      }
    }

    destroy(): undefined {
      this.#of.talk.destroy(exception("AbortError", "the session has been destroyed"), destroyed());
    }

    #open(): Of {
      this.#of.talk.throwIfDestroyed();
      return this.#of;
    }

    /** Read at once, so that nothing that is changed afterwards counts. */
    #request(input: unknown, options: unknown): { request: Request; signal: AbortSignal | undefined } {
      const messages = convert(input, "input");
      const given = dictionary(options, "options");
      const omit = Boolean(given["omitResponseConstraintInput"]);
      const constraint = given["responseConstraint"];
      const signal = readSignal(given["signal"], "signal");
      if (omit && constraint === undefined) throw new TypeError("omitResponseConstraintInput is for a responseConstraint, and there is none");
      const { expected } = this.#open();
      const form = constraint === undefined ? undefined : readConstraint(constraint);
      return { request: { read: canonicalLater(messages, expected), format: form?.format, hint: omit ? undefined : form?.hint }, signal };
    }

    #overflow(): void {
      for (const name of ["contextoverflow", "quotaoverflow"]) this.dispatchEvent(new Event(name));
    }
  }

  async function begin(created: Created, progress: Progress, signal: AbortSignal): Promise<LanguageModel> {
    const { initialPrompts, expected, sampling: asked, tools } = created;
    const sampling = settle(asked);
    progress.tell(0);
    await shared.load((fraction) => {
      progress.tell(fraction);
    }, signal);
    progress.end();
    const setup = { model: shared, sampling, tools, seed, chatTemplateKwargs: { enable_thinking: false, ...chatTemplateKwargs } };
    const talk = await Talk.begin(setup, initialPrompts, signal);
    if (signal.aborted) talk.destroy(signal.reason);
    signal.throwIfAborted();
    created.signal?.addEventListener("abort", () => { talk.destroy(created.signal?.reason); }, { signal: talk.ended });
    return new LanguageModel(KEY, { talk, expected, mode: sampling.mode });
  }

  conform(LanguageModel, { create: { least: 0 }, availability: { least: 0 }, params: { least: 0 } });
  conform(LanguageModel.prototype, {
    prompt: { least: 1 },
    promptStreaming: { least: 1, promises: false },
    append: { least: 1 },
    measureContextUsage: { least: 1 },
    measureInputUsage: { least: 1 },
    clone: { least: 0 },
    destroy: { least: 0, promises: false },
  });
  tag(LanguageModel.prototype, INTERFACE);
  // An interface object takes no arguments, also where it can't be constructed.
  Object.defineProperty(LanguageModel, "length", { value: 0, configurable: true });
  return LanguageModel as unknown as LanguageModelConstructor;
}

/** `for await` over a stream, which Safari has not. */
function iterable(stream: ReadableStream<unknown>): ReadableStream<unknown> {
  if (Symbol.asyncIterator in stream) return stream;
  return Object.assign(stream as ReadableStream<unknown>, {
    async *[Symbol.asyncIterator]() {
      const reader = (stream as ReadableStream<unknown>).getReader();
      try {
        for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
      } finally {
        await reader.cancel();
      }
    },
  });
}

/** What can be refused without the conversation is refused at once; the rest when its turn comes. */
function canonicalLater(messages: ReturnType<typeof convert>, expected: ReadonlySet<LanguageModelMessageType>): (talked: boolean) => Prompt {
  canonical(messages, expected, false);
  return (talked) => canonical(messages, expected, talked);
}

function asResult({ text, calls }: Answer): LanguageModelPromptResult {
  if (calls.length === 0) return text;
  const parts: LanguageModelMessageContent[] = calls.map((call) => ({ type: "tool-call", value: asCall(call) }));
  return text === "" ? parts : [{ type: "text", value: text }, ...parts];
}
