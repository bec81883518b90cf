/** An engine in plain JavaScript that keeps the real one's promises about order, errors and repeatability, but knows no language. */
import type { ModelInfo, Roofline, VerifyReport } from "../public/types.js";
import type { About, Answer, Engine, EngineEstimate, EngineModule, EngineSession, Estimator, Loader, LoaderOptions, MemoryUse, VerifyDefaults } from "./engine.js";
import { codedError, type FakeEngineOptions, type FakeModel } from "./fake-model.js";
import { FakeSession } from "./fake-session.js";

const WORDS = "the a little girl boy dog cat saw ran to and was very happy sad big red blue ball park tree mom said they played all day".split(" ");

/** `ended` tells when the worker has been terminated: a real one stops by itself. */
export function fakeEngineModule(options: FakeEngineOptions, ended: () => boolean): EngineModule {
  return {
    createLoader: (loaderOptions) => new FakeLoader(options, loaderOptions, ended),
    createEstimator: (loaderOptions) => new FakeEstimator(options, loaderOptions, ended),
  };
}

/** Its files have four bytes of header, and weights to their end. */
class FakeEstimator implements Estimator {
  readonly #loader: FakeLoader;
  #bytes: number;
  #pushed = 0;

  constructor(
    readonly fake: FakeEngineOptions,
    readonly options: LoaderOptions,
    readonly ended: () => boolean,
  ) {
    this.#loader = new FakeLoader(fake, options, ended);
    this.#bytes = options.fileSize ?? 0;
  }

  push(chunk: Uint8Array): boolean {
    this.#loader.push(chunk);
    this.#pushed += chunk.byteLength;
    return this.#pushed >= 4;
  }

  nextPart(fileSize = 0): void {
    this.#loader.nextPart();
    this.#pushed = 0;
    this.#bytes += fileSize;
  }

  /** Its headers say nothing of parts. */
  isLastPart(): boolean {
    return false;
  }

  finish(): EngineEstimate {
    this.#loader.finish();
    const { architecture, parameters, quantization, contextLength, trainedContextLength, weightBytes, kvCacheBytes } = new FakeEngine(
      this.fake,
      this.options,
      this.#bytes,
      this.ended,
    ).info();
    const wasmBytes = weightBytes + kvCacheBytes;
    const fits = wasmBytes <= 2 ** 32;
    return {
      fileBytes: this.#bytes,
      architecture,
      name: "fake",
      parameters,
      quantization,
      contextLength,
      trainedContextLength,
      weightBytes,
      kvCacheBytes,
      wasmBytes,
      fits,
      ...(!fits && { why: "it is too large" }),
    };
  }
}

class FakeLoader implements Loader {
  #bytes = 0;
  #start: number[] = [];

  constructor(
    readonly fake: FakeEngineOptions,
    readonly options: LoaderOptions,
    readonly ended: () => boolean,
  ) {}

  push(chunk: Uint8Array): void {
    this.#bytes += chunk.byteLength;
    if (this.#start.length >= 4) return;
    this.#start.push(...chunk.subarray(0, 4 - this.#start.length));
    if (this.#start.length === 4 && String.fromCharCode(...this.#start) !== "GGUF") {
      throw codedError("format", "not a GGUF file");
    }
  }

  nextPart(): void {
    this.#checkStart();
    this.#start = [];
  }

  /** Its headers say nothing of parts. */
  isLastPart(): boolean {
    return false;
  }

  expectedSize(): number | undefined {
    return this.options.fileSize;
  }

  finish(): Engine {
    this.#checkStart();
    return new FakeEngine(this.fake, this.options, this.#bytes, this.ended);
  }

  free(): void {
    // Nothing is held.
  }

  #checkStart(): void {
    if (this.#start.length < 4) throw codedError("format", `the file ends at byte ${String(this.#bytes)}, inside magic`);
  }
}

class FakeEngine implements Engine, FakeModel {
  readonly #words: string[];
  readonly #ids: Map<string, number>;
  readonly #info: ModelInfo;
  readonly spoken: number;

  constructor(
    readonly fake: FakeEngineOptions,
    options: LoaderOptions,
    weightBytes: number,
    readonly ended: () => boolean,
  ) {
    this.#words = (fake.vocabulary ?? WORDS).map((word) => ` ${word}`);
    this.spoken = this.#words.length;
    this.#ids = new Map(this.#words.map((word, id) => [word, id]));
    const contextLength = options.contextLength ?? fake.contextLength ?? 256;
    const kvCache = options.kvCache ?? "f16";
    this.#info = {
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
      kvCacheBytes: contextLength * { q8_0: 1, f16: 2, f32: 4 }[kvCache],
      kvCache,
      backend: "fake",
      threads: 1,
      whySingleThreaded: "it is a fake",
      notes: (options.overrides ?? []).map((override) => `override ${override}`),
    };
  }

  info(): ModelInfo {
    return this.#info;
  }

  tokenize(text: string): Uint32Array {
    const words = text.match(/\s?[^\s]+|\s/g) ?? [];
    return Uint32Array.from(words, (word) => {
      const id = this.#ids.get(word) ?? this.#words.push(word) - 1;
      this.#ids.set(word, id);
      return id;
    });
  }

  detokenize(ids: Uint32Array): string {
    return Array.from(ids, (id) => this.#words[id] ?? "").join("");
  }

  session(): EngineSession {
    return new FakeSession(this);
  }

  memory(): MemoryUse {
    const { weightBytes, kvCacheBytes } = this.#info;
    return { wasmBytes: weightBytes + kvCacheBytes, weightBytes };
  }

  roofline(): Roofline {
    return { readBytesPerSecond: 1e9, readBytes: this.#info.weightBytes, dotMacsPerSecond: 1e9, tableMacsPerSecond: 2e9, macsPerPromptToken: this.#info.parameters };
  }

  verifyDefaults(): VerifyDefaults {
    return { prompts: ["the dog", "the cat"], maxTokens: 500 };
  }

  report(answers: readonly Answer[], about: About): VerifyReport {
    const { architecture, parameters, kvCache } = this.#info;
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

  free(): void {
    // Nothing is held.
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);
}
