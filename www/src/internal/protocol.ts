// The messages between page and worker, made from src/web/protocol.rs. Do not edit; after a change there:
// B158_RENEW=1 cargo test --lib protocol
import type { BitNetErrorCode } from "../public/errors.js";

/** The session that a model has from the start. */
export const OWN_SESSION = 0;

/**
 * What a report needs besides model and answers.
 */
export type About = {
/**
 * The model file's name.
 */
file?: string,
/**
 * Operating system or browser.
 */
os: string,
/**
 * Processor.
 */
processor: string,
/**
 * Tokens that an answer could have.
 */
maxTokens: number,
/**
 * Another run's metrics.json.
 */
reference?: unknown, };

/**
 * A greedy answer, with the logprobs of its tokens.
 */
export type Answer = {
/**
 * The text that it goes on from.
 */
prompt: string,
/**
 * The answer alone.
 */
text: string,
/**
 * Its tokens.
 */
ids: Array<number>,
/**
 * ln of the probability of each token.
 */
logProbabilities: Array<number>,
/**
 * Entropy of the distribution that each token was taken from, in nats.
 */
entropies: Array<number>,
/**
 * Why it ended.
 */
finishReason: FinishReason,
/**
 * Token counts.
 */
usage: Usage,
/**
 * Times.
 */
timings: Timings, };

/**
 * Whether a file is kept.
 */
export type CacheMode = "auto" | "required" | "off";

/**
 * What gives one value back: the [`Reply`] of the same name.
 */
export type Call = { "name": "tokenize", "args": { text: string, parseSpecial: boolean, } }
  | { "name": "detokenize", "args": { ids: Uint32Array, } }
  | { "name": "countTokens", "args": { request: GenerateRequest, } }
  | { "name": "memory" }
  | { "name": "openSession" }
  | { "name": "cloneSession", "args": { session: number, } }
  | { "name": "saveSession", "args": { session: number, } }
  | { "name": "restoreSession", "args": { session: number, bytes: Uint8Array, } }
  | { "name": "resetSession", "args": { session: number, } }
  | { "name": "closeSession", "args": { session: number, } }
  | { "name": "roofline" }
  | { "name": "verifyDefaults" }
  | { "name": "report", "args": { answers: Array<Answer>, about: About, } };

/**
 * A function, and what it was given.
 */
export type CalledFunction = {
/**
 * Its name.
 */
name: string,
/**
 * A JSON text.
 */
arguments: string, };

/**
 * An answer against another run's.
 */
export type Comparison = {
/**
 * The same tokens, and as many.
 */
same: boolean,
/**
 * The first token that differs, from 0.
 */
partsAtToken: number | null, };

/**
 * An answer's form, when it has ended.
 */
export type Constrained = {
/**
 * What of it was passed over.
 */
notes: Array<string>,
/**
 * Making it of the text that describes it, in milliseconds.
 */
compileMs: number,
/**
 * Times that it was worked out which tokens may follow.
 */
masks: number,
/**
 * The time of all of them, and of finding what is certain, in milliseconds.
 */
maskMsTotal: number,
/**
 * The time of the middle one of all masks.
 */
medianMaskMs: number,
/**
 * The time of the slowest.
 */
slowestMaskMs: number,
/**
 * Tokens that the form left no choice of, which were taken unsampled.
 */
certainTokens: number,
/**
 * Rows of the output head that were computed for the others. The whole head has as many as the vocabulary has tokens.
 */
rowsComputed: number, };

/**
 * One of them, or its tokens.
 */
export type EmbedInput = { "type": "text", "body": string }
  | { "type": "ids", "body": Uint32Array };

/**
 * Texts that are to become vectors.
 */
export type EmbedRequest = { inputs: Array<EmbedInput>,
/**
 * Numbers of each vector; all of them where absent.
 */
dimensions?: number, };

/**
 * How the token embedding is held, which is the output head too; a head of its own likewise.
 */
export type EmbeddingType = "auto" | "file" | "int8";

/**
 * Vectors of length 1, one after the other.
 */
export type Embeddings = {
/**
 * `[text][dimension]`
 */
values: Float32Array<ArrayBuffer>, dimensions: number,
/**
 * Of all texts together.
 */
promptTokens: number, notes: Array<string>, };

/**
 * One prompt's part of a [`Report`].
 */
export type Entry = {
/**
 * The text that the answer goes on from.
 */
prompt: string,
/**
 * The answer.
 */
text: string,
/**
 * Its tokens.
 */
ids: Array<number>,
/**
 * What the measures make of it.
 */
verdict: Verdict,
/**
 * The verdict's reason, for a person.
 */
why: string,
/**
 * What was measured.
 */
measures: Measures,
/**
 * The model ended by itself.
 */
ended: boolean,
/**
 * Tokens of the prompt.
 */
promptTokens: number,
/**
 * Tokens of the answer.
 */
generatedTokens: number,
/**
 * From the start to the first token.
 */
timeToFirstTokenMs: number,
/**
 * Rate of reading the prompt.
 */
promptTokensPerSecond: number,
/**
 * Rate of the answer without its first token.
 */
generationTokensPerSecond: number,
/**
 * Against another run, where it has the prompt.
 */
reference: Comparison | null,
/**
 * Against what was published of the official file, where this is that file and the prompt is one of those.
 */
published: PublishedComparison | null, };

/**
 * What headers tell of a model, without a word of the device.
 */
export type Estimate = { fileBytes: number, architecture: string, name?: string, parameters: number, quantization: string, contextLength: number, trainedContextLength: number, weightBytes: number, kvCacheBytes: number, kvCache: KvType, wasmBytes: number, fits: boolean, why?: string, };

/**
 * Why generation ended.
 */
export type FinishReason = "stop" | "length" | "cancelled";

/**
 * From the worker.
 */
export type FromWorker = { "type": "open-part", "body": { index: number, } }
  | { "type": "taken" }
  | { "type": "progress", "body": LoadProgress }
  | { "type": "loaded", "body": ModelInfo }
  | { "type": "load-failed", "body": PlainError }
  | { "type": "estimated", "body": Estimate }
  | { "type": "prefill", "body": { id: number, done: number, total: number, } }
  | { "type": "preparing", "body": { id: number, phase: Preparing, loaded: number, total?: number, } }
  | { "type": "tokens", "body": { id: number, tokens: Array<Token>, } }
  | { "type": "done", "body": { id: number, finishReason: FinishReason, usage: Usage, timings: Timings, constraint?: Constrained,
/**
 * With pieces: tools were called, and every call is whole.
 */
called?: boolean, } }
  | { "type": "embedded", "body": { id: number, embeddings: Embeddings, } }
  | { "type": "failed", "body": { id: number, error: PlainError, } }
  | { "type": "value", "body": { id: number, reply: Reply, } }
  | { "type": "crashed", "body": { message: string, } };

/**
 * A prompt, messages or token ids, and how the answer is drawn.
 */
export type GenerateRequest = { prompt?: string, messages?: Array<Message>, chatTemplateKwargs?: Record<string, unknown>, ids?: Uint32Array, parseSpecial?: boolean, maxTokens?: number, temperature?: number, topK?: number, topP?: number, minP?: number, repeatPenalty?: number, repeatLastN?: number, presencePenalty?: number, frequencyPenalty?: number, seed?: number, logProbabilities?: boolean, stop?: Array<string>,
/**
 * Token ids are an object's keys, so they come as strings.
 */
logitBias?: Record<number, number>, responseFormat?: ResponseFormat,
/**
 * What of the answer the prompt ends with.
 */
begun?: string,
/**
 * That an answer to messages may call. The parameters are JSON texts.
 */
tools?: Array<{ type: "function", function: { name: string, description?: string, parameters?: string } }>, toolChoice?: "none" | "auto" | "required"
  | { type: "function", function: { name: string } }, parallelToolCalls?: boolean,
/**
 * The answer is read into what is said, what is thought and which tools are called: its tokens have pieces.
 */
pieces?: boolean, };

/**
 * How keys and values are stored.
 */
export type KvType = "f16" | "f32" | "q8_0";

/**
 * How far a load is.
 */
export type LoadProgress = {
/**
 * What it is at.
 */
phase: Phase,
/**
 * Bytes so far, of all parts.
 */
loaded: number,
/**
 * Bytes in all; absent while nobody knows.
 */
total?: number,
/**
 * 0 to 1; absent exactly when `total` is.
 */
fraction?: number,
/**
 * Over the last seconds.
 */
bytesPerSecond?: number,
/**
 * Until this phase ends, at that rate.
 */
secondsLeft?: number,
/**
 * These bytes come from the cache.
 */
cached: boolean,
/**
 * Which part of a split model this is.
 */
part?: PartNumber, };

/**
 * How a model is loaded and held.
 */
export type LoaderOptions = { contextLength?: number,
/**
 * Chosen by the memory that there is where absent.
 */
kvCache?: KvType,
/**
 * Bytes that the device is thought to have for the model.
 */
deviceMemory?: number, overrides?: Array<string>, hash?: boolean, tokenEmbedding?: EmbeddingType,
/**
 * What answers of a form need is to be there with the model.
 */
prepareFormats?: boolean, };

/**
 * What computed the answers.
 */
export type Machine = {
/**
 * Operating system, or the browser's name for itself.
 */
os: string,
/**
 * Processor.
 */
processor: string,
/**
 * Kernels in use.
 */
backend: string,
/**
 * Threads in use.
 */
threads: number,
/**
 * This program and its version.
 */
program: string, };

/**
 * What was measured of one answer.
 */
export type Measures = {
/**
 * Share of the runs of four tokens that occurred before.
 */
repeatedFourGrams: number,
/**
 * Share of the words that the vocabulary has as one token; absent for small vocabularies.
 */
ownWords: number | null,
/**
 * Mean entropy of the distributions, in nats.
 */
meanEntropy: number,
/**
 * Mean ln of the probability of the tokens taken.
 */
meanLogProbability: number, };

/**
 * Memory in use, in bytes.
 */
export type Memory = { wasmBytes: number, weightBytes: number, kvCacheBytes: number, sessions: number, };

/**
 * One turn of a conversation.
 */
export type Message = {
/**
 * `system`, `user`, `assistant` or `tool`.
 */
role: string,
/**
 * What was said, or what a tool gave: plain text. Empty where an assistant called tools and said nothing.
 */
content: string,
/**
 * What an assistant thought before it answered.
 */
reasoning_content?: string,
/**
 * The tools that an assistant called.
 */
tool_calls?: Array<ToolCall>,
/**
 * Of a tool's message: the call that it answers.
 */
tool_call_id?: string,
/**
 * Of a tool's message: the tool.
 */
name?: string, };

/**
 * Which model answered.
 */
export type ModelFacts = {
/**
 * Its file's name.
 */
file: string | null,
/**
 * SHA-256 of the file, where it was taken.
 */
sha256: string | null,
/**
 * `general.name`.
 */
name: string | null,
/**
 * `general.architecture`.
 */
architecture: string,
/**
 * Number of weights.
 */
parameters: number, };

/**
 * What was loaded, and how it runs.
 */
export type ModelInfo = { architecture: string, name?: string, parameters: number, layers: number, embedding: number, vocabulary: number, contextLength: number, trainedContextLength: number, quantization: string, weightBytes: number, kvCacheBytes: number, kvCache: KvType, backend: string, threads: number, whySingleThreaded?: string, cached?: boolean, notes: Array<string>, };

/**
 * One file.
 */
export type Part = { "type": "address", "body": {
/**
 * As it was given.
 */
url: string, headers: Array<[string, string]>, credentials?: string, redirect?: string, referrerPolicy?: string,
/**
 * The text of a split model's manifest, whose files lie beside this address.
 */
manifest?: string, } }
  | { "type": "blob", "body": { blob: Blob,
/**
 * Of a file.
 */
name?: string, } }
  | { "type": "page", "body": {
/**
 * Bytes to come, as far as the sender says and it is open.
 */
total?: number,
/**
 * The same, where it is certain.
 */
fileSize?: number, } };

/**
 * One part of several.
 */
export type PartNumber = {
/**
 * Counted from 0.
 */
index: number,
/**
 * Of all.
 */
count: number, };

/**
 * What a load is at.
 */
export type Phase = "engine" | "verify" | "download" | "load" | "formats" | "ready";

/**
 * A piece of an answer.
 */
export type Piece = { "type": "content", "body": string }
  | { "type": "reasoning", "body": string }
  | { "type": "call", "body": {
/**
 * Of the answer's calls, from 0.
 */
index: number,
/**
 * What ties the tool's message to the call.
 */
id: string,
/**
 * The tool's name.
 */
name: string, } }
  | { "type": "arguments", "body": {
/**
 * Of the call.
 */
index: number,
/**
 * The next part.
 */
text: string, } };

/**
 * What went wrong, for a program and for a person.
 */
export type PlainError = { code: BitNetErrorCode, message: string, };

/**
 * What an answer's form waits for.
 */
export type Preparing = "fetch" | "vocabulary";

/**
 * An answer of the official file against a published one, which is text: word by word, as far as both go.
 */
export type PublishedComparison = {
/**
 * No word differs.
 */
same: boolean,
/**
 * Words that agree, from the prompt's first.
 */
agreeingWords: number,
/**
 * Words that were published.
 */
words: number, };

/**
 * What a token comes to in an answer that is read.
 */
export type Read = {
/**
 * What is certain with it.
 */
pieces: Array<Piece>,
/**
 * It is a part of what is said, and of no thought or call.
 */
inContent: boolean, };

/**
 * What a [`Call`] of the same name gives.
 */
export type Reply = { "name": "tokenize", "value": Uint32Array }
  | { "name": "detokenize", "value": string }
  | { "name": "countTokens", "value": number }
  | { "name": "memory", "value": Memory }
  | { "name": "openSession", "value": number }
  | { "name": "cloneSession", "value": number }
  | { "name": "saveSession", "value": Uint8Array<ArrayBuffer> }
  | { "name": "restoreSession", "value": null }
  | { "name": "resetSession", "value": null }
  | { "name": "closeSession", "value": null }
  | { "name": "roofline", "value": Roofline }
  | { "name": "verifyDefaults", "value": VerifyDefaults }
  | { "name": "report", "value": WrittenReport };

/**
 * Everything that was found. Serialized it is metrics.json, which [`Run`] reads back.
 */
export type Report = {
/**
 * Which model.
 */
model: ModelFacts,
/**
 * On what.
 */
machine: Machine,
/**
 * Type of the KV cache.
 */
kvCache: string,
/**
 * Tokens that an answer could have.
 */
maxTokens: number,
/**
 * What the loader had to decide.
 */
notes: Array<string>,
/**
 * The answers.
 */
prompts: Array<Entry>, };

/**
 * What an answer has to be.
 */
export type ResponseFormat = { "type": "json_object" }
  | { "type": "json_schema",
/**
 * The JSON text.
 */
schema: string, }
  | { "type": "regex",
/**
 * In JavaScript's syntax.
 */
pattern: string, }
  | { "type": "lark",
/**
 * In Lark's form, as llguidance reads it.
 */
grammar: string, }
  | { "type": "parts",
/**
 * A JSON text: what stands `before` a choice, the `choices`, what stands `after` it and, where another may follow, before it
 * `again`. Each is a list of parts: `{"text": …}`, which may be `"optional": true`, `{"token": …}`, a control token's name, or
 * `{"schema": …}`; a choice has a `name` for errors and its `parts`.
 */
parts: string, };

/**
 * What the machine allows.
 */
export type Roofline = { readBytesPerSecond: number, readBytes: number, dotMacsPerSecond: number, tableMacsPerSecond: number, macsPerPromptToken: number, };

/**
 * Where a model comes from.
 */
export type Source = { parts: Array<Part>,
/**
 * What they are.
 */
kind: SourceKind,
/**
 * Of their folder: what the model is called where it has no name of its own.
 */
folder?: string,
/**
 * Of each file, 64 lower-case hexadecimal digits.
 */
sha256?: Array<string>,
/**
 * What addresses are relative to: the page's.
 */
base?: string,
/**
 * The page's, which tells what a cross-origin request is.
 */
origin?: string,
/**
 * Whether downloads are kept.
 */
cache: CacheMode,
/**
 * From the cache alone.
 */
offline: boolean,
/**
 * Requests at a time for one file.
 */
connections: number, };

/**
 * What the parts of a source are.
 */
export type SourceKind = "alone" | "split" | "checkpoint";

/**
 * Times of a finished generation.
 */
export type Timings = {
/**
 * Reading the prompt, to its last token's logits, in milliseconds.
 */
prefillMs: number,
/**
 * From the first token to the last, in milliseconds.
 */
decodeMs: number,
/**
 * From the start to the first token, in milliseconds.
 */
timeToFirstTokenMs: number,
/**
 * Prompt tokens (without cached ones) a second.
 */
prefillTokensPerSecond: number,
/**
 * Generated tokens (without the first) a second.
 */
decodeTokensPerSecond: number,
/**
 * Threads that the last token had.
 */
decodeThreads: number, };

/**
 * From the page. A worker loads one model or makes one estimate.
 */
export type ToWorker = { "type": "load", "body": { source: Source, options: LoaderOptions, } }
  | { "type": "estimate", "body": { source: Source, options: LoaderOptions, } }
  | { "type": "part-opened", "body": { stream?: ReadableStream<Uint8Array>, } }
  | { "type": "chunk", "body": { bytes: Uint8Array<ArrayBuffer>, } }
  | { "type": "part-end" }
  | { "type": "generate", "body": { id: number, session: number, request: GenerateRequest, } }
  | { "type": "embed", "body": { id: number, request: EmbedRequest, } }
  | { "type": "cancel", "body": { id: number, } }
  | { "type": "call", "body": { id: number, call: Call, } };

/**
 * A piece of an answer.
 */
export type Token = { id?: number, text: string, elapsedMs: number, logProbability?: number, entropy?: number, read?: Read, };

/**
 * A tool that an assistant called.
 */
export type ToolCall = {
/**
 * Ties the tool's message to the call.
 */
id: string,
/**
 * What is called; functions are all that there is.
 */
type: ToolKind,
/**
 * The function, and what it was given.
 */
function: CalledFunction, };

/**
 * What is called.
 */
export type ToolKind = "function";

/**
 * Counts of a finished generation.
 */
export type Usage = {
/**
 * Tokens of the prompt.
 */
promptTokens: number,
/**
 * Of these, taken from the cache.
 */
cachedTokens: number,
/**
 * Tokens generated.
 */
completionTokens: number, };

/**
 * What an answer is.
 */
export type Verdict = "text" | "loop" | "salad" | "empty";

/**
 * What is asked where nothing else is said.
 */
export type VerifyDefaults = { prompts: Array<string>, maxTokens: number, };

/**
 * A report in its three forms.
 */
export type WrittenReport = { metrics: Report, text: string, html: string, };
