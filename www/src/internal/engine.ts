/**
 * What the WebAssembly module offers (src/web of the crate), as the worker uses it. The real module and the fake of
 * `b158/testing` both have this shape. Every method may throw a JavaScript `Error` with a `code`.
 */
import type { ChatMessage, Estimate, GenerationResult, KvCacheType, ModelInfo, Roofline, Timings, TokenEmbedding, Usage, VerifyReport } from "../public/types.js";

export interface LoaderOptions {
  fileSize?: number;
  contextLength?: number;
  kvCache?: KvCacheType;
  overrides?: readonly string[];
  hash?: boolean;
  tokenEmbedding?: TokenEmbedding;
  threads?: number;
  tuneThreads?: boolean;
}

export interface Loader {
  push(chunk: Uint8Array): void;
  /** Between the parts of a split file. */
  nextPart(): void;
  /** Whether the header says that no part follows; a whole model may bear a part's name. */
  isLastPart(): boolean;
  /** Bytes of the whole file, known once its header has been read. */
  expectedSize(): number | undefined;
  /** Consumes the loader. */
  finish(): Engine;
  free(): void;
}

/** Reads headers alone. */
export interface Estimator {
  /** True as soon as the header is complete. */
  push(chunk: Uint8Array): boolean;
  /** Between the parts of a split file; the size of the next one where it is certain. */
  nextPart(fileSize?: number): void;
  /** Whether the header says that no part follows; a whole model may bear a part's name. */
  isLastPart(): boolean;
  /** Consumes the estimator. */
  finish(): Nullable<EngineEstimate>;
}

/** Without a word of the device. */
export type EngineEstimate = Required<Omit<Estimate, "name" | "why">> & Pick<Estimate, "name" | "why">;

export interface GenerateRequest {
  prompt?: string;
  messages?: readonly ChatMessage[];
  ids?: Uint32Array;
  chatTemplateKwargs?: Readonly<Record<string, unknown>>;
  parseSpecial?: boolean;
  maxTokens?: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repeatPenalty?: number;
  repeatLastN?: number;
  presencePenalty?: number;
  frequencyPenalty?: number;
  seed?: number;
  stop?: readonly string[];
  logitBias?: Readonly<Record<number, number>>;
  logProbabilities?: boolean;
}

/** What is asked where nothing else is said. */
export interface VerifyDefaults {
  prompts: string[];
  maxTokens: number;
}

/** A greedy answer, as `src/verify` of the crate takes it. */
export interface Answer extends GenerationResult {
  prompt: string;
  ids: number[];
  logProbabilities: number[];
  entropies: number[];
}

/** What a report needs besides model and answers. */
export interface About {
  file?: string;
  os: string;
  processor: string;
  maxTokens: number;
  reference?: unknown;
}

export type Step =
  | { kind: "prefill"; done: number; total: number }
  | { kind: "token"; id: number; text: string; logProbability?: number | null; entropy?: number | null }
  | { kind: "done"; finishReason: GenerationResult["finishReason"]; text: string; usage: Usage; timings: Timings };

/** Of the module; sessions say themselves what their KV cache has. */
export interface MemoryUse {
  wasmBytes: number;
  weightBytes: number;
}

/** What Rust's `None` becomes on this side. */
export type Nullable<T> = { [Key in keyof T]: T[Key] | null };

export interface Engine {
  info(): Nullable<ModelInfo>;
  tokenize(text: string, parseSpecial: boolean): Uint32Array;
  detokenize(ids: Uint32Array): string;
  /** A new one, with a KV cache of its own. */
  session(): EngineSession;
  memory(): MemoryUse;
  roofline(): Roofline;
  verifyDefaults(): VerifyDefaults;
  report(answers: readonly Answer[], about: About): VerifyReport;
  free(): void;
}

export interface EngineSession {
  start(request: GenerateRequest): { promptTokens: number; cachedTokens: number };
  /** A few milliseconds of work: part of the prompt, or one token. */
  step(): Step;
  /** The next `step()` is done, with `cancelled`. */
  cancel(): void;
  reset(): void;
  clone(): EngineSession;
  save(): Uint8Array;
  restore(bytes: Uint8Array): void;
  kvCacheBytes(): number;
  free(): void;
}

/** A module that is ready to load a model. */
export interface EngineModule {
  createLoader(options: LoaderOptions): Loader;
  createEstimator(options: LoaderOptions): Estimator;
  /** How many there should be, and why they are fewer, or one. */
  threads?: { wanted: number; why: string | undefined };
}

/** The glue that wasm-bindgen writes with `--target web`. */
export interface WasmGlue {
  /** Without `memory` it makes one. */
  default(input: { module_or_path: WebAssembly.Module; memory?: WebAssembly.Memory; thread_stack_size?: number }): Promise<{ memory: WebAssembly.Memory }>;
  Loader: new (options: LoaderOptions) => Loader;
  Estimator: new (options: LoaderOptions) => Estimator;
  /** Only in the builds with threads, as is the next. False: too late. */
  joinPool?: (() => boolean) | undefined;
  /** Never returns. */
  workInPool?: (() => void) | undefined;
}
