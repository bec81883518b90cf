/**
 * What the AI SDK asks of a provider, as far as this one has to do with it: versions 4 (ai 7) and 3 (ai 6) of its specification, which differ in what a
 * file in a message looks like. Types of our own, so that the package needs none of the SDK's; tests/apps holds them to the real ones of both versions.
 */
import type { JsonSchema } from "../public/formats.js";

/** Versions of the AI SDK's specification: `v4` is that of ai 7, `v3` that of ai 6. */
export type SpecificationVersion = "v4" | "v3";

/** A value that JSON can say. */
export type JsonValue = null | string | number | boolean | JsonObject | JsonValue[];
/** An object that JSON can say. */
export interface JsonObject {
  [key: string]: JsonValue | undefined;
}

/** What of a request is not done, or done otherwise. */
export type Warning = { type: "unsupported" | "compatibility"; feature: string; details?: string } | { type: "other"; message: string };

/** By the name of a provider. */
export type ProviderOptions = Readonly<Record<string, unknown>>;
/** By the name of the provider. */
export type ProviderMetadata = Record<string, JsonObject>;

/** Bytes, base64, or an address; in version 4 an object that says which. */
export type FileData =
  | Uint8Array
  | string
  | URL
  | { readonly type: "data"; readonly data: Uint8Array | string }
  | { readonly type: "url"; readonly url: URL }
  | { readonly type: "reference"; readonly reference: unknown }
  | { readonly type: "text"; readonly text: string };

/** A file in a message. */
export interface FilePart {
  readonly type: "file";
  readonly data: FileData;
  readonly mediaType: string;
  readonly filename?: string | undefined;
}

/** What a tool gave, or why it gave nothing. */
export type ToolOutput =
  | { readonly type: "text" | "error-text"; readonly value: string }
  | { readonly type: "json" | "error-json"; readonly value: unknown }
  | { readonly type: "execution-denied"; readonly reason?: string | undefined }
  | { readonly type: "content"; readonly value: readonly ToolOutputPart[] };

/** Of version 3 there are more types, all of them files. */
export type ToolOutputPart = { readonly type: "text"; readonly text: string } | FilePart | { readonly type: string; readonly mediaType?: string | undefined; readonly filename?: string | undefined };

/** What a call of a tool gave. */
export interface ToolResultPart {
  readonly type: "tool-result";
  readonly toolCallId: string;
  readonly toolName: string;
  readonly output: ToolOutput;
}

/** A call of a tool, in an assistant's turn. */
export interface ToolCallPart {
  readonly type: "tool-call";
  readonly toolCallId: string;
  readonly toolName: string;
  readonly input: unknown;
}

/** Words in a message. */
export interface TextPart {
  readonly type: "text";
  readonly text: string;
}

/** A turn of a talk. */
export type PromptMessage =
  | { readonly role: "system"; readonly content: string }
  | { readonly role: "user"; readonly content: readonly (TextPart | FilePart)[] }
  | {
      readonly role: "assistant";
      readonly content: readonly (TextPart | FilePart | ToolCallPart | ToolResultPart | { readonly type: "reasoning"; readonly text: string } | { readonly type: "reasoning-file" } | { readonly type: "custom"; readonly kind: string })[];
    }
  | { readonly role: "tool"; readonly content: readonly (ToolResultPart | { readonly type: "tool-approval-response" })[] };

/** A tool that the answer may call; those of other providers run on their servers. */
export type Tool =
  | {
      readonly type: "function";
      readonly name: string;
      readonly description?: string | undefined;
      readonly inputSchema: JsonSchema;
      readonly inputExamples?: readonly unknown[] | undefined;
      readonly strict?: boolean | undefined;
    }
  | { readonly type: "provider"; readonly id: string; readonly name: string };

/** Whether tools are called: as the model sees fit, none, one at least, or the one of this name. */
export type ToolChoice = { readonly type: "auto" | "none" | "required" } | { readonly type: "tool"; readonly toolName: string };

/** An answer in JSON: of a schema, or any object. */
export interface JsonFormat {
  readonly type: "json";
  readonly schema?: JsonSchema | undefined;
  readonly name?: string | undefined;
  readonly description?: string | undefined;
}

/** A request. */
export interface CallOptions {
  readonly prompt: readonly PromptMessage[];
  readonly maxOutputTokens?: number | undefined;
  readonly temperature?: number | undefined;
  readonly stopSequences?: readonly string[] | undefined;
  readonly topP?: number | undefined;
  readonly topK?: number | undefined;
  readonly presencePenalty?: number | undefined;
  readonly frequencyPenalty?: number | undefined;
  readonly responseFormat?: { readonly type: "text" } | JsonFormat | undefined;
  readonly seed?: number | undefined;
  readonly tools?: readonly Tool[] | undefined;
  readonly toolChoice?: ToolChoice | undefined;
  readonly includeRawChunks?: boolean | undefined;
  readonly abortSignal?: AbortSignal | undefined;
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined;
  /** Of version 4. */
  readonly reasoning?: string | undefined;
  readonly providerOptions?: ProviderOptions | undefined;
}

/** Why an answer ended: in the SDK's words, and in the engine's. */
export interface FinishReason {
  unified: "stop" | "length" | "tool-calls" | "error";
  raw: string | undefined;
}

/** Tokens that a request took and gave; `undefined` is not known. */
export interface Usage {
  inputTokens: { total: number | undefined; noCache: number | undefined; cacheRead: number | undefined; cacheWrite: number | undefined };
  outputTokens: { total: number | undefined; text: number | undefined; reasoning: number | undefined };
  raw?: JsonObject;
}

/** Which answer it is. */
export interface ResponseMetadata {
  id: string;
  timestamp: Date;
  modelId: string;
}

/** A tool that the answer calls. */
export interface ToolCall {
  type: "tool-call";
  toolCallId: string;
  toolName: string;
  /** A JSON text. */
  input: string;
}

/** A piece of an answer as it comes. */
export type StreamPart =
  | { type: "stream-start"; warnings: Warning[] }
  | ({ type: "response-metadata" } & ResponseMetadata)
  | { type: "text-start" | "text-end" | "reasoning-start" | "reasoning-end" | "tool-input-end"; id: string }
  | { type: "text-delta" | "reasoning-delta" | "tool-input-delta"; id: string; delta: string }
  | { type: "tool-input-start"; id: string; toolName: string }
  | ToolCall
  | { type: "raw"; rawValue: unknown }
  | { type: "error"; error: unknown }
  | { type: "finish"; finishReason: FinishReason; usage: Usage; providerMetadata?: ProviderMetadata };

/** A whole answer. */
export interface GenerateResult {
  content: ({ type: "text" | "reasoning"; text: string } | ToolCall)[];
  finishReason: FinishReason;
  usage: Usage;
  providerMetadata: ProviderMetadata;
  request: { body: unknown };
  response: ResponseMetadata;
  warnings: Warning[];
}

/** An answer as it comes. */
export interface StreamResult {
  stream: ReadableStream<StreamPart>;
  request: { body: unknown };
}

/** A model that answers, for `generateText`, `streamText` and what is built on them. */
export interface LanguageModel<Version extends SpecificationVersion = "v4"> {
  readonly specificationVersion: Version;
  readonly provider: string;
  readonly modelId: string;
  readonly supportedUrls: Record<string, RegExp[]>;
  /** Answers as a whole. */
  doGenerate(options: CallOptions): Promise<GenerateResult>;
  /** Answers in parts; a stream that is cancelled ends the answer. */
  doStream(options: CallOptions): Promise<StreamResult>;
}

/** A request for vectors. */
export interface EmbeddingCallOptions {
  readonly values: readonly string[];
  /** Of version 4; of version 3 in `providerOptions`. */
  readonly dimensions?: number | undefined;
  readonly abortSignal?: AbortSignal | undefined;
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined;
  readonly providerOptions?: ProviderOptions | undefined;
}

/** Vectors, one for each text. */
export interface EmbeddingResult {
  embeddings: number[][];
  usage: { tokens: number };
  warnings: Warning[];
}

/** A model that makes vectors, for `embed` and `embedMany`. */
export interface EmbeddingModel<Version extends SpecificationVersion = "v4"> {
  readonly specificationVersion: Version;
  readonly provider: string;
  readonly modelId: string;
  readonly maxEmbeddingsPerCall: number;
  readonly supportsParallelCalls: boolean;
  /** Makes a vector of each text. */
  doEmbed(options: EmbeddingCallOptions): Promise<EmbeddingResult>;
}
