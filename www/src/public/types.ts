import type { ChatCompletionMessageParam } from "./chat.js";
import type { ConstraintStats, PrepareProgress, ResponseFormat } from "./formats.js";

/** One file of a split model. */
export type ModelPart = string | URL | Request | Blob;

/** What `b158 split` writes beside the parts of a model: their names, sizes and digests, in order. */
export interface ModelManifest {
  /** Each lies beside the manifest: a name without folders. */
  readonly files: readonly { readonly name: string; readonly size: number; readonly sha256: string }[];
  readonly format?: string;
  readonly version?: number;
  /** Address of the manifest, or of the folder with a slash at its end: what the names are relative to. The page's own address by default. */
  readonly base?: string | URL;
}

/**
 * Where a model comes from.
 *
 * An address may be one of Hugging Face's hub, `hf:owner/repository/file.gguf` or `hf:owner/repository@revision/file.gguf`. One that ends
 * in `-00001-of-0000N.gguf` stands for all N parts; an array has the parts of a split file in order. Addresses, `Request`s of GET among
 * them, are downloaded in parallel, resumed, checked and kept: see {@link LoadOptions.cache}. A `Response`, `Blob` or stream is read once,
 * as it is.
 *
 * One that ends in `.json` is that of a split model's manifest: its parts must have the sizes and digests that stand there. The manifest
 * itself serves as well.
 *
 * A folder (the handle that `showDirectoryPicker()` gives, the entry that a drop gives, or the files of an `<input webkitdirectory>`), or
 * several files in an array or a `FileList`: where `config.json` or `*.safetensors` is among them, they are a checkpoint of
 * Hugging Face's libraries, which is opened as it is, without a GGUF in between. Else they are a GGUF file, or all parts of one, and whatever
 * else lies in the folder is left alone.
 *
 * In Node.js, Deno and Bun a text without a scheme is a path: of a file, of the first part of a split one, or of a folder; so is a `file:`
 * address.
 */
export type ModelSource =
  | ModelPart
  | Response
  | ReadableStream<Uint8Array>
  | readonly ModelPart[]
  | FileList
  | FileSystemDirectoryHandle
  | FileSystemDirectoryEntry
  | ModelManifest;

/** `simd128` runs in every browser of today; `relaxed` is faster where relaxed SIMD exists. Both compute the same bits. */
export type Backend = "simd128" | "relaxed";

/** How the token embedding is held: see {@link LoadOptions.tokenEmbedding}. */
export type TokenEmbedding = "auto" | "file" | "int8";

/** What loading is doing, at most ten times a second and once at the end of each phase. */
export interface LoadProgress {
  /**
   * `engine`: the WebAssembly module; `verify`: parts of the model that are in the cache, checked and read; `download`: the model, read and
   * repacked as it arrives; `load`: the last touches; `formats`: what `prepareFormats` asks for, where it comes last.
   */
  readonly phase: "engine" | "verify" | "download" | "load" | "formats" | "ready";
  /** Bytes so far: of the engine, or of the model with what the cache had of it. */
  readonly loaded: number;
  /** Bytes in all; absent while nobody knows (a stream, a compressed response). */
  readonly total?: number;
  /** 0 to 1; absent exactly when `total` is. */
  readonly fraction?: number;
  /** Bytes a second over the last seconds. */
  readonly bytesPerSecond?: number;
  /** Seconds until this phase ends, at that rate. */
  readonly secondsLeft?: number;
  /** These bytes come from the cache. */
  readonly cached: boolean;
  /** Which part of a split file this is; bytes are those of all parts. */
  readonly part?: { readonly index: number; readonly count: number };
}

/** How the numbers in the KV cache are held. */
export type KvCacheType = "f16" | "f32" | "q8_0";

/**
 * How a model is loaded and held; everything has a default.
 *
 * Here and wherever the package takes options: one that is `undefined` or `null` counts as absent; one of the wrong kind or out of
 * range, and one that there is not, give the error `invalid-argument`, which names it and says what it may be, before anything begins.
 */
export interface LoadOptions {
  /** Called at most ten times a second, and at the end of each phase. */
  onProgress?: (progress: LoadProgress) => void;
  /** Ends loading: the promise rejects with the signal's reason, the worker and its memory are gone. */
  signal?: AbortSignal;
  /** Tokens of context; the model's own by default. More context, more memory for the KV cache. */
  contextLength?: number;
  /**
   * Numbers in the KV cache: `f16`, `f32`, twice the memory, or `q8_0`, 8 bits: half of it, faster in long texts, logits a little off.
   * `auto`, the default, is `f16` wherever the whole model fits with it, in the 4 GiB of WebAssembly and, where the browser tells how much
   * memory the device has, in half of that; and `q8_0` where not. `info.kvCache` says which it is, `info.notes` why.
   */
  kvCache?: "auto" | KvCacheType;
  /** Metadata to replace, as llama.cpp spells it: `key=type:value` with the types `int`, `float`, `bool`, `str`; for example `tokenizer.ggml.pre=str:llama-bpe`. */
  overrides?: readonly string[];
  /** Take the file's SHA-256 on the way, for `verify()`: it names the file, and the official one is held against what was published of it. */
  hash?: boolean;
  /**
   * How the token embedding is held, which is the output head too: as in the `file`, which gives the file's own logits; in
   * `int8`, with a scale a row, half of F16's memory and faster, for logits that are a little off; or `auto` (default), which
   * is `int8` where the embedding has 2^24 weights and more. `info.notes` says what was done.
   */
  tokenEmbedding?: TokenEmbedding;
  /**
   * Fetch what `responseFormat` needs (0.44 MB with Brotli) and make it ready while the model loads, not when an answer first needs it. Where it can't be had the
   * model loads all the same, and `info.notes` says why.
   */
  prepareFormats?: boolean;
  /**
   * Keeps what is downloaded from an address in the browser's origin private file system. A load that was cut short goes on from there, also after a
   * reload; one that is whole is read from there, each MiB held against its SHA-256. Before that the server is asked whether it still has
   * the same file, with a request for one byte; it is not where `sha256` has been checked before or a commit of the hub is named, and where it can't be
   * had, the cache is good enough. `auto`, the default, does without where there is no such file system, no room, or another
   * tab is writing the same file, and says so in `ModelInfo.notes`; `required` fails there with `quota` or `storage`; `false` leaves it alone.
   */
  cache?: "auto" | "required" | false;
  /**
   * SHA-256 that the file must have, in hexadecimal; an array for the parts of a split file. Another one gives the error `integrity`, and nothing of it
   * is kept. It costs 2 ms a MB, once. A manifest has those of its parts by itself; a checkpoint has none.
   */
  sha256?: string | readonly string[];
  /** Headers for addresses, such as `Authorization`. For another origin they need its permission (CORS). */
  headers?: HeadersInit;
  /** Requests at a time for one file, 1 to 16; 4 by default. */
  connections?: number;
  /** Only from the cache: what is not whole there gives the error `network`. */
  offline?: boolean;
  backend?: "auto" | Backend;
  /**
   * Threads that compute, the engine's own among them. `auto`, the default: as many as `navigator.hardwareConcurrency` says, 8 at most,
   * for reading a prompt; while it generates the engine tries fewer, and keeps the number that is fastest (`Timings.decodeThreads`).
   * More than one need a page that is cross-origin isolated; `ModelInfo` tells how many there are and why not more. They change no bit.
   */
  threads?: "auto" | number;
  /**
   * One engine for all tabs of the site that load the same address with `shared`: one of them holds it, the others ask it. When that one is
   * closed, ends or is put aside, another takes over and loads from the cache; what is under way in the others goes on where it was, with
   * the same text. Sessions read their text again; what one had read is read again for `save()` and `clone()` too. Tabs that ask for another
   * `contextLength`, `kvCache`, `overrides` or `tokenEmbedding` share another engine; of `threads`, `backend`, `prepareFormats` and `hash` the
   * holder's count, and `info.notes` says so. A source that only one tab can read, such as a `Blob`, is refused. Where a browser lacks Web
   * Locks, or with a ready `worker`, the model is not shared, and `info.notes` says why.
   */
  shared?: boolean;
  /** Address of the `.wasm` file, where the package's own is out of reach. It must be of the chosen `backend`; with threads or without. */
  wasmUrl?: string | URL;
  /** Address of `grammar_bg.wasm`, which holds answers to a form, where the package's own is out of reach. */
  grammarUrl?: string | URL;
  /** Address of `worker.js`. One of another origin needs `blob:` in `worker-src` of a page that has a content security policy. */
  workerUrl?: string | URL;
  /**
   * A ready worker, for example from `b158/testing`; or a function that makes one of `b158/worker`, which is called for the engine and
   * for each further thread. `dispose()` terminates them.
   */
  worker?: Worker | (() => Worker);
}

/** As for `load`, as far as memory or the way to the header depends on it. The other options of `load` may be there too, so that one object serves both. */
export type EstimateOptions = Pick<
  LoadOptions,
  "contextLength" | "kvCache" | "overrides" | "tokenEmbedding" | "headers" | "signal" | "backend" | "wasmUrl" | "workerUrl" | "worker"
>;

/** What the header alone tells of a model. */
export interface Estimate {
  /** Of the file, or of all parts together; of a checkpoint, of the GGUF that it becomes. */
  readonly fileBytes?: number;
  readonly architecture: string;
  readonly name?: string;
  readonly parameters: number;
  /** Block formats of the tensors, and how many there are of each: `42 × TQ2_0, 26 × F32`. */
  readonly quantization: string;
  /** Tokens that prompt and answer may have together, with these options. */
  readonly contextLength: number;
  /** Tokens of context the model was trained with. */
  readonly trainedContextLength: number;
  /** What `ModelInfo.weightBytes` will be. */
  readonly weightBytes: number;
  /** Of the whole context: what `ModelInfo.kvCacheBytes` will be. */
  readonly kvCacheBytes: number;
  /** What `ModelInfo.kvCache` will be. */
  readonly kvCache: KvCacheType;
  /** The expected peak of the WebAssembly memory, with a full context and one thread; each further thread takes one to three megabytes. */
  readonly wasmBytes: number;
  /** Within the 4 GiB of WebAssembly memory. What the device has, a page is told in coarse steps or not at all. */
  readonly fits: boolean;
  /** Why not, and which context would fit; or, where it fits, that it may be too much for this device. */
  readonly why?: string;
}

/** What was loaded, and how it runs. */
export interface ModelInfo {
  readonly architecture: string;
  readonly name?: string;
  readonly parameters: number;
  readonly layers: number;
  readonly embedding: number;
  readonly vocabulary: number;
  /** Tokens that prompt and answer may have together. */
  readonly contextLength: number;
  /** Tokens of context the model was trained with. */
  readonly trainedContextLength: number;
  /** Block formats of the tensors, and how many there are of each: `42 × TQ2_0, 26 × F32`. */
  readonly quantization: string;
  readonly weightBytes: number;
  /** Of the whole context; it grows up to that as the context fills. */
  readonly kvCacheBytes: number;
  readonly kvCache: KvCacheType;
  readonly backend: string;
  readonly threads: number;
  /** Why it is one thread, if it is. */
  readonly whySingleThreaded?: string;
  /** Every byte came from the cache; absent where the page gave some. */
  readonly cached?: boolean;
  /** Of a model loaded with `shared`: whether this tab holds the engine. It may when another has gone. */
  readonly shared?: "here" | "elsewhere";
  /** What the loader had to decide by itself, in plain words. */
  readonly notes: readonly string[];
}

/** One turn of a conversation. */
export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/**
 * Text to go on from, a conversation to answer (the model's chat template is applied), or token ids as they are. Messages may be in OpenAI's form too.
 * A conversation that ends with an assistant's turn is continued: the answer goes on where that turn's text ends.
 */
export type Prompt = string | readonly ChatCompletionMessageParam[] | Uint32Array;

/** How an answer is drawn, and when it ends. Samplers have llama.cpp's meanings and apply in its order. */
export interface GenerateOptions {
  /** At most this many tokens; the rest of the context by default. */
  maxTokens?: number;
  /** 0 is greedy: always the likeliest token. */
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repeatPenalty?: number;
  repeatLastN?: number;
  presencePenalty?: number;
  frequencyPenalty?: number;
  /** The same seed, prompt and options give the same tokens, on every backend. A whole number, not a BigInt. */
  seed?: number;
  /** Generation ends before any of these; they are not part of the text. One text is one stop string, as in OpenAI's API. */
  stop?: string | readonly string[];
  /** Added to the logit of a token id; -Infinity bans it. */
  logitBias?: Readonly<Record<number, number>>;
  /**
   * The form that the answer has to have. Whatever the samplers draw, no other text comes out. It is whole unless it was
   * cut, by `maxTokens`, the context's end, a stop string or a cancel: then it is the beginning of one. Where the model thinks first, which it
   * may do on messages, its thought comes before it in the text: `chat.completions.create` tells the two apart. The model does not see the
   * form: say in the prompt what is wanted. A schema or grammar that can't be honoured is refused by the name of what is wrong with it
   * (`invalid-argument`) before the first token. What it needs is fetched once, when first asked for ({@link LoadOptions.prepareFormats}).
   */
  responseFormat?: ResponseFormat;
  /**
   * Variables for the model's chat template, where the prompt is a talk: `{ enable_thinking: false }`, for example. Which ones mean
   * something, the template says.
   */
  chatTemplateKwargs?: Readonly<Record<string, unknown>>;
  /** Read special tokens such as `<|eot_id|>` in a text prompt as tokens. */
  parseSpecial?: boolean;
  /** Give each token's log-probability and the entropy of its distribution. Costs an exponential for each token of the vocabulary. */
  logProbabilities?: boolean;
  /** Ends generation: iteration and `result()` reject with the signal's reason. The engine stays usable. */
  signal?: AbortSignal;
  /** While the prompt is read: tokens done, of all that are new to the KV cache. */
  onPrefill?: (progress: { readonly done: number; readonly total: number }) => void;
  /** While what `responseFormat` needs is made ready, once a model. */
  onPrepare?: (progress: PrepareProgress) => void;
}

/** A text whose vector is wanted, or its token ids. */
export type EmbedInput = string | Uint32Array;

/** How vectors are made. */
export interface EmbedOptions {
  /** The first so many numbers of each vector, of length 1 again; for models that were trained so. All of them by default. */
  dimensions?: number;
  /** Ends it: the promise rejects with the signal's reason. The engine stays usable. */
  signal?: AbortSignal;
}

/** Vectors of texts. Those of length 1 are compared by their dot product: the nearer to 1, the more alike the texts. */
export interface Embeddings {
  /** One for each text, in their order. */
  readonly vectors: readonly Float32Array<ArrayBuffer>[];
  readonly usage: Pick<Usage, "promptTokens">;
  /** What there is to know of them: that the model is not made for this, for example. */
  readonly notes: readonly string[];
}

/** How a text is read. */
export interface TokenizeOptions {
  /** Read special tokens such as `<|eot_id|>` as tokens. */
  parseSpecial?: boolean;
}

/** A session has none of its own: its context and the type of its KV cache are those that the model was loaded with. */
export type SessionOptions = Readonly<Record<string, never>>;

/** A piece of an answer as it comes. */
export interface Token {
  /** Absent for the last piece of text, which had been held back while a stop string was still possible. */
  readonly id?: number;
  /** Whole characters only; may be empty while a character is incomplete. */
  readonly text: string;
  /** Milliseconds since the worker began with this generation. */
  readonly elapsedMs: number;
  /**
   * ln of its probability after bias and penalties, before anything is cut off or tempered; with `logProbabilities`. With `responseFormat`
   * it is that among the tokens that the form allows: 0 where there is but one.
   */
  readonly logProbability?: number;
  /** Entropy of the same distribution, in nats; with `logProbabilities`. */
  readonly entropy?: number;
}

/** Tokens that a generation took and gave. */
export interface Usage {
  readonly promptTokens: number;
  /** Of the prompt's tokens, those that were in the KV cache from the call before. */
  readonly cachedTokens: number;
  readonly completionTokens: number;
}

/** How fast a generation was; milliseconds are the worker's. */
export interface Timings {
  readonly prefillMs: number;
  readonly decodeMs: number;
  readonly timeToFirstTokenMs: number;
  readonly prefillTokensPerSecond: number;
  readonly decodeTokensPerSecond: number;
  /** Threads that the last token had; 0 where there was none. */
  readonly decodeThreads: number;
  /** With `responseFormat`. */
  readonly constraint?: ConstraintStats;
}

/** A generation as a whole. */
export interface GenerationResult {
  readonly text: string;
  /** `stop`: the model ended or a stop string came; `length`: `maxTokens` or the context's end; `cancelled`: `cancel()` or `break`. */
  readonly finishReason: "stop" | "length" | "cancelled";
  readonly usage: Usage;
  readonly timings: Timings;
}

/** What a model holds of memory now, in bytes, and how fast it was. */
export interface Stats {
  /** Size of the WebAssembly memory, which holds all that follows. */
  readonly wasmBytes: number;
  readonly weightBytes: number;
  /** Of the KV caches of all sessions, as they are now. */
  readonly kvCacheBytes: number;
  /** Open sessions, the model's own among them. */
  readonly sessions: number;
  /** Timings of the last generation that ended. */
  readonly timings?: Timings;
}

/** What a machine allows, measured on the engine's own threads. */
export interface Roofline {
  /** Memory read, over the model's weights: a generated token reads them all once. */
  readonly readBytesPerSecond: number;
  /** Bytes that were read for that: where they fit a cache, it is the cache's speed. */
  readonly readBytes: number;
  /** Multiply-accumulates of the backend's dot instruction with all operands in registers. */
  readonly dotMacsPerSecond: number;
  /** Multiply-accumulates that loads out of the first cache and additions stand for, where prompts are read by tables. */
  readonly tableMacsPerSecond: number;
  /** Of all ternary matrices, which each token of a prompt needs. */
  readonly macsPerPromptToken: number;
}

/**
 * A generation under way. Iterate it for tokens as they come; leaving the loop early cancels it.
 * It runs whether or not anybody iterates.
 */
export interface Generation extends AsyncIterable<Token> {
  /** Everything, at the end. Rejects as iteration does: with a `BitNetError`, or with the reason of the abort signal. */
  result(): Promise<GenerationResult>;
  /** Ends it within one token: iteration ends, `result()` resolves with what there is and `finishReason: "cancelled"`. */
  cancel(): void;
}

/**
 * A text with a KV cache of its own, beside others of the same model: what is read in one is not forgotten for another. Only the
 * model is shared; each session takes memory for its KV cache as its text grows.
 *
 * Of all sessions of a model one generation runs at a time; the others wait. `clone`, `save`, `restore` and `reset` wait for the
 * generations before them.
 */
export interface Session {
  /** As {@link BitNet.generate}, with this session's KV cache. */
  generate(prompt: Prompt, options?: GenerateOptions): Generation;
  /** Another session that has read the same; neither sees what the other does from here on. */
  clone(): Promise<Session>;
  /**
   * What has been read, prompts and answers, as bytes: about `kvCacheBytes` of the model's info, times the share of the context
   * in use. The format is the crate's (`session::saved`), for every backend and the native program alike.
   */
  save(): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Takes saved bytes in place of what it has read: the next prompt that begins with the same tokens goes on from there, with the
   * same bits as if it had never been away. The same model is needed, and the same `kvCache`; the context may differ, if the tokens fit.
   *
   * @throws BitNetError with the code `format` (no saved session, cut short, damaged), `invalid-argument` (of another model or
   * `kvCache`), `context-overflow` or `out-of-memory`. The session is then as it was.
   */
  restore(bytes: Uint8Array): Promise<void>;
  /** Forgets what it has read; its memory stays for the next text. */
  reset(): Promise<void>;
  /** Frees its memory. Its generations, waiting or running, reject with the code `disposed`, as does all that is called later. */
  dispose(): Promise<void>;
  /** `await using session = await model.session()` disposes of it at the end of the block. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What this browser and this page can do. */
export interface Support {
  /** WebAssembly SIMD, without which nothing runs. */
  readonly simd: boolean;
  /** The faster build. */
  readonly relaxedSimd: boolean;
  /** More than one thread: shared memory, which needs `crossOriginIsolated`. */
  readonly threads: boolean;
  readonly crossOriginIsolated: boolean;
  /** The origin private file system, in which models are kept. */
  readonly opfs: boolean;
  /** Bytes that this site may use and does use, as far as the browser says. */
  readonly storage?: { readonly quota?: number; readonly usage?: number };
  /** Bytes that a model may well take: half of the device's memory, where the browser tells that, in coarse steps; never more than the 4 GiB of WebAssembly. */
  readonly modelMemory?: number;
}

/** A file in the cache, or what there is of it. Each part of a split model is one. */
export interface CachedModel {
  /** For `deleteCachedModel`. */
  readonly key: string;
  readonly url: string;
  /** The last part of the address. */
  readonly name: string;
  /** Bytes that are there. */
  readonly bytes: number;
  /** Bytes of the file, where the server told. */
  readonly totalBytes?: number;
  readonly complete: boolean;
  readonly lastUsed: Date;
  /** Of the file, where a load has checked it. */
  readonly sha256?: string;
}
