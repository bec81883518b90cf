/**
 * BitNet b1.58 in a browser tab, and in Node.js, Deno and Bun.
 *
 * ```ts
 * const model = await BitNet.load("model.gguf", { onProgress: (p) => console.log(p.phase, p.fraction) });
 * for await (const token of model.generate("Once upon a time")) console.log(token.text);
 * await model.dispose();
 * ```
 *
 * @module
 */
export { BitNet } from "./bitnet.js";
export { clearCachedModels, deleteCachedModel, listCachedModels, persistStorage, storageEstimate } from "./cache.js";
export type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionCreateParams,
  ChatCompletionCreateParamsNonStreaming,
  ChatCompletionCreateParamsStreaming,
  ChatCompletionDelta,
  ChatCompletionFinishReason,
  ChatCompletionLogprobs,
  ChatCompletionMessage,
  ChatCompletionMessageParam,
  ChatCompletionMessageToolCall,
  ChatCompletionResponseFormat,
  ChatCompletions,
  ChatCompletionTextPart,
  ChatCompletionTokenLogprob,
  ChatCompletionTool,
  ChatCompletionToolCallDelta,
  ChatCompletionToolChoice,
  ChatRequestOptions,
  CompletionUsage,
} from "./chat.js";
export type {
  CreateEmbeddingResponse,
  EmbeddingCreateParams,
  EmbeddingCreateParamsBase64,
  EmbeddingCreateParamsFloat,
  EmbeddingObject,
  EmbeddingRequestOptions,
  OpenAIEmbeddings,
} from "./embeddings.js";
export { BitNetError, type BitNetErrorCode } from "./errors.js";
export type { ConstraintStats, JsonSchema, PrepareProgress, ResponseFormat } from "./formats.js";
export { checkSupport } from "./support.js";
export type {
  Backend,
  CachedModel,
  ChatMessage,
  EmbedInput,
  EmbedOptions,
  Embeddings,
  Estimate,
  EstimateOptions,
  GenerateOptions,
  Generation,
  GenerationResult,
  KvCacheType,
  LoadOptions,
  LoadProgress,
  ModelInfo,
  ModelManifest,
  ModelPart,
  ModelSource,
  Prompt,
  Roofline,
  Session,
  SessionOptions,
  Stats,
  Support,
  Timings,
  Token,
  TokenEmbedding,
  TokenizeOptions,
  Usage,
} from "./types.js";
export type { VerifyEntry, VerifyOptions, VerifyProgress, VerifyReport } from "./verify.js";
