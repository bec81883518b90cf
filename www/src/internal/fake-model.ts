/** A model in plain JavaScript that knows no language: words of a list, and what there is to say of it. */
import { BitNetError } from "../public/errors.js";
import type { ResponseFormat } from "../public/formats.js";
import type { About, Answer, EmbedRequest, Embeddings, KvType, LoaderOptions, ModelInfo, WrittenReport } from "./protocol.js";

/** What the fake says, and how much of it. */
export interface FakeEngineOptions {
  /** Words it speaks. */
  vocabulary?: readonly string[];
  contextLength?: number;
  /** Tokens it says before it stops by itself. */
  answerLength?: number;
  /** Prompt tokens a step reads. */
  prefillBatch?: number;
  /**
   * What it answers where a request has `responseFormat`: a text, or what a function makes of the form (in which a schema is JSON text). A fake
   * knows no schemas: without this such a request is refused.
   */
  formAnswer?: string | ((format: ResponseFormat) => string);
  /**
   * What it calls where a request has tools, and `tool_choice` is not `"none"`: names, and arguments as an object or as JSON text. With `"auto"`
   * it calls nothing where the last message is what a tool gave.
   */
  calls?: readonly FakeCall[];
}

/** A tool that the fake calls. */
export interface FakeCall {
  name: string;
  arguments?: object | string;
}

const FAKE_DIMENSIONS = 8;

const WORDS = "the a little girl boy dog cat saw ran to and was very happy sad big red blue ball park tree mom said they played all day".split(" ");

export class FakeModel {
  readonly info: ModelInfo;
  /** Words that it says; those of prompts come behind them. */
  readonly spoken: number;
  /** Calls that it has made, for their ids. */
  calls = 0;
  readonly #words: string[];
  readonly #ids: Map<string, number>;

  constructor(
    readonly fake: FakeEngineOptions,
    options: LoaderOptions,
    weightBytes: number,
    readonly end: AbortSignal,
  ) {
    this.#words = (fake.vocabulary ?? WORDS).map((word) => ` ${word}`);
    this.spoken = this.#words.length;
    this.#ids = new Map(this.#words.map((word, id) => [word, id]));
    const contextLength = options.contextLength ?? fake.contextLength ?? 256;
    const cacheBytes = (type: KvType) => contextLength * { q8_0: 1, f16: 2, f32: 4 }[type];
    const tooLarge = weightBytes + cacheBytes("f16") > Math.min(2 ** 32, options.deviceMemory ?? Infinity);
    const kvCache = options.kvCache ?? (tooLarge ? "q8_0" : "f16");
    this.info = {
      architecture: "fake",
      name: "fake",
      parameters: 4 * weightBytes,
      layers: 1,
      embedding: 1,
      vocabulary: this.#words.length,
      contextLength,
      trainedContextLength: contextLength,
      quantization: "TQ2_0",
      weightBytes,
      kvCacheBytes: cacheBytes(kvCache),
      kvCache,
      backend: "fake",
      threads: 1,
      whySingleThreaded: "it is a fake",
      notes: [...(options.overrides ?? []).map((override) => `override ${override}`), ...(options.kvCache === undefined && tooLarge ? ["the KV cache is held in 8 bits (q8_0)"] : [])],
    };
  }

  tokenize(text: string): Uint32Array {
    const words = text.match(/\s?[^\s]+|\s/g) ?? [];
    return Uint32Array.from(words, (word) => this.word(word));
  }

  /** The id of a text as a whole. */
  word(text: string): number {
    const id = this.#ids.get(text) ?? this.#words.push(text) - 1;
    this.#ids.set(text, id);
    return id;
  }

  detokenize(ids: Uint32Array): string {
    return Array.from(ids, (id) => this.#words[id] ?? "").join("");
  }

  /** Which words a text has, and how often: texts of the same words point the same way. */
  embed({ inputs, dimensions = FAKE_DIMENSIONS }: EmbedRequest): Embeddings {
    if (dimensions > FAKE_DIMENSIONS) throw new BitNetError("invalid-argument", `dimensions is ${String(dimensions)}; a fake's vectors have ${String(FAKE_DIMENSIONS)} numbers`);
    const texts = inputs.map((input) => (input.type === "text" ? this.tokenize(input.body) : input.body));
    texts.forEach((ids, index) => {
      if (ids.length === 0) throw new BitNetError("invalid-argument", `text ${String(index + 1)}: the prompt has no tokens`);
      if (ids.length > this.info.contextLength) throw new BitNetError("context-overflow", `text ${String(index + 1)}: ${String(ids.length)} tokens, the context has ${String(this.info.contextLength)}`);
    });
    const values = new Float32Array(texts.length * dimensions);
    texts.forEach((ids, index) => {
      const counts = Array.from({ length: FAKE_DIMENSIONS }, (_, dimension) => ids.filter((id) => id % FAKE_DIMENSIONS === dimension).length).slice(0, dimensions);
      const length = Math.hypot(...counts) || 1;
      values.set(counts.map((count) => count / length), index * dimensions);
    });
    return { values, dimensions, promptTokens: texts.reduce((sum, ids) => sum + ids.length, 0), notes: ["it is a fake"] };
  }

  report(answers: readonly Answer[], about: About): WrittenReport {
    const { architecture, parameters, kvCache } = this.info;
    const prompts = answers.map(({ prompt, text, ids, entropies, logProbabilities, finishReason, usage, timings }) => ({
      prompt,
      text,
      ids,
      verdict: "salad" as const,
      why: "it is a fake",
      measures: {
        repeatedFourGrams: 0,
        ownWords: null,
        meanEntropy: mean(entropies),
        meanLogProbability: mean(logProbabilities),
      },
      ended: finishReason === "stop",
      promptTokens: usage.promptTokens,
      generatedTokens: usage.completionTokens,
      timeToFirstTokenMs: timings.timeToFirstTokenMs,
      promptTokensPerSecond: timings.prefillTokensPerSecond,
      generationTokensPerSecond: timings.decodeTokensPerSecond,
      reference: null,
      published: null,
    }));
    const text = prompts.map((entry) => entry.prompt + entry.text).join("\n");
    const model = { file: about.file ?? null, sha256: null, name: "fake", architecture, parameters };
    const machine = { os: about.os, processor: about.processor, backend: "fake", threads: 1, program: "fake" };
    return { metrics: { model, machine, kvCache, maxTokens: about.maxTokens, notes: [], prompts }, text, html: "<!doctype html>" };
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);
}
