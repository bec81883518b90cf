/** What the provider itself is set to, and what it takes beyond the SDK's own options. */
import type { ChatCompletionCreateParams } from "../public/chat.js";
import type { GenerateOptions } from "../public/types.js";
import { flag, oneOf, text } from "../internal/options/kinds.js";
import { CHAT, EMBEDDING } from "../internal/options/openai-tables.js";
import type { Options } from "../internal/options/read.js";
import type { CallOptions, SpecificationVersion } from "./specification.js";

/** How a model is offered to the AI SDK. */
export interface ModelSettings {
  /** `v4` (default) is what ai 7 has, `v3` what ai 6 has. */
  specificationVersion?: SpecificationVersion;
  /** What the model is called in results and telemetry; by default what its file says. */
  modelId?: string;
}

/** How a model that answers is offered. */
export interface LanguageModelSettings extends ModelSettings {
  /**
   * Whether a system message tells the model of the JSON that is wanted, with its schema, name and descriptions; `true` by default. The answer is held to
   * the schema in either case.
   */
  tellSchema?: boolean;
}

/** `providerOptions.b158` of a request for an answer: what the SDK has no option for, with the meanings of `generate`. */
export interface LanguageModelOptions extends Pick<GenerateOptions, "minP" | "repeatPenalty" | "repeatLastN" | "logitBias" | "chatTemplateKwargs"> {
  /** Whether one answer may have several calls of tools, as it may by default. */
  parallelToolCalls?: boolean;
}

/** `providerOptions.b158` of a request for vectors. */
export interface EmbeddingModelOptions {
  /** The first so many numbers of each vector, of length 1 again; in ai 7 `dimensions` of the request is the same. */
  dimensions?: number;
}

const setting = {
  specificationVersion: { kind: oneOf("v4", "v3"), otherwise: "`\"v4\"`" },
  modelId: { kind: text, otherwise: "what the model's file says" },
};

export const EMBEDDING_MODEL: Options<ModelSettings> = { of: "b158.embeddingModel", table: setting };

export const LANGUAGE_MODEL: Options<LanguageModelSettings> = { of: "b158 of b158/ai-sdk", table: { ...setting, tellSchema: { kind: flag, otherwise: "true" } } };

type Settings = Pick<CallOptions, "maxOutputTokens" | "temperature" | "topP" | "topK" | "presencePenalty" | "frequencyPenalty" | "stopSequences" | "seed">;

/** The SDK's own, by its names. */
export const SETTINGS: Options<Omit<Settings, "stopSequences"> & { stopSequences?: ChatCompletionCreateParams["stop"] }> = {
  of: "a request of the AI SDK",
  table: {
    maxOutputTokens: CHAT.table.max_completion_tokens,
    temperature: CHAT.table.temperature,
    topP: CHAT.table.top_p,
    topK: CHAT.table.top_k,
    presencePenalty: CHAT.table.presence_penalty,
    frequencyPenalty: CHAT.table.frequency_penalty,
    stopSequences: CHAT.table.stop,
    seed: CHAT.table.seed,
  },
};

/** What other options there are, the request has by itself. */
const INSTEAD = { seed: "give it to the request itself", temperature: "give it to the request itself", topK: "give it to the request itself", topP: "give it to the request itself" };

export const LANGUAGE_CALL: Options<LanguageModelOptions> = {
  of: "providerOptions.b158",
  table: {
    minP: CHAT.table.min_p,
    repeatPenalty: CHAT.table.repeat_penalty,
    repeatLastN: CHAT.table.repeat_last_n,
    logitBias: CHAT.table.logit_bias,
    chatTemplateKwargs: CHAT.table.chat_template_kwargs,
    parallelToolCalls: CHAT.table.parallel_tool_calls,
  },
  lacking: { ...INSTEAD, maxTokens: "give maxOutputTokens to the request itself", stop: "give stopSequences to the request itself", responseFormat: "give the request a schema" },
};

export const EMBEDDING_CALL: Options<EmbeddingModelOptions> = { of: "providerOptions.b158", table: { dimensions: EMBEDDING.table.dimensions } };

/** What a message names it by. */
export const CALL_PATH = "providerOptions.b158.";
