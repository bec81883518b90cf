/**
 * Models of this package for [Vercel's AI SDK](https://ai-sdk.dev): `generateText`, `streamText`, `generateObject`, agents, `embed`, and `useChat` without
 * a server.
 *
 * ```ts
 * const model = b158(await BitNet.load("/models/model.gguf"));
 * const { text } = await generateText({ model, prompt: "Why is the sky blue?" });
 * ```
 *
 * @module
 */
import { readOptions } from "../internal/options/read.js";
import { embeddingModel } from "./embedding-model.js";
import type { GivenModel } from "./given-model.js";
import { languageModel } from "./language-model.js";
import { EMBEDDING_MODEL, LANGUAGE_MODEL, type LanguageModelSettings, type ModelSettings } from "./options.js";
import type { EmbeddingModel, LanguageModel, SpecificationVersion } from "./specification.js";

export type { Engine, GivenModel } from "./given-model.js";
export type { EmbeddingModelOptions, LanguageModelOptions, LanguageModelSettings, ModelSettings } from "./options.js";
export type * from "./specification.js";

/** Settings of a model for ai 6. */
export type OfVersion3<Settings> = Settings & { specificationVersion: "v3" };
/** Settings of a model for ai 7. */
export type OfVersion4<Settings> = Settings & { specificationVersion?: "v4" };

/** Makes models for the AI SDK. */
export interface B158 {
  /**
   * A model that answers, for ai 7. Requests wait for each other, as generations do. What of one is not done is a warning of its answer, and what can't be
   * done is refused with a `BitNetError`.
   */
  (model: GivenModel, settings?: OfVersion4<LanguageModelSettings>): LanguageModel;
  /** The same for ai 6. */
  (model: GivenModel, settings: OfVersion3<LanguageModelSettings>): LanguageModel<"v3">;
  /** A model that makes vectors. */
  embeddingModel: MakeEmbeddingModel;
}

/** `b158.embeddingModel`. */
export interface MakeEmbeddingModel {
  /** A model that makes vectors, for ai 7. */
  (model: GivenModel, settings?: OfVersion4<ModelSettings>): EmbeddingModel;
  /** The same for ai 6. */
  (model: GivenModel, settings: OfVersion3<ModelSettings>): EmbeddingModel<"v3">;
}

function answers(model: GivenModel, given: LanguageModelSettings = {}): LanguageModel<SpecificationVersion> {
  const settings = readOptions(LANGUAGE_MODEL, given);
  return languageModel(model, settings, settings.specificationVersion ?? "v4");
}

function embeds(model: GivenModel, given: ModelSettings = {}): EmbeddingModel<SpecificationVersion> {
  const settings = readOptions(EMBEDDING_MODEL, given);
  return embeddingModel(model, settings, settings.specificationVersion ?? "v4");
}

/**
 * Makes models for the AI SDK of a loaded `BitNet`, the promise of one, or a function that loads it.
 *
 * A function is called when the model is first asked, and again by the next request after one that failed because the model had been disposed of or its
 * worker had crashed. The same function given twice loads one model.
 */
export const b158 = Object.assign(answers, { embeddingModel: embeds }) as B158;
