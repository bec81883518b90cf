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

/** Makes models for the AI SDK. */
export interface B158 {
  /**
   * A model that answers. Requests wait for each other, as generations do. What of one is not done is a warning of its answer, and what can't be done is
   * refused with a `BitNetError`.
   */
  <Version extends SpecificationVersion = "v4">(model: GivenModel, settings?: LanguageModelSettings<Version>): LanguageModel<Version>;
  /** A model that makes vectors. */
  embeddingModel<Version extends SpecificationVersion = "v4">(model: GivenModel, settings?: ModelSettings<Version>): EmbeddingModel<Version>;
}

/**
 * Makes models for the AI SDK of a loaded `BitNet`, the promise of one, or a function that loads it.
 *
 * A function is called when the model is first asked, and again when it is asked after it was disposed of or its worker had crashed.
 */
export const b158: B158 = Object.assign(
  <Version extends SpecificationVersion = "v4">(model: GivenModel, given: LanguageModelSettings<Version> = {}): LanguageModel<Version> => {
    const settings = readOptions(LANGUAGE_MODEL, given);
    return languageModel(model, settings, (settings.specificationVersion ?? "v4") as Version);
  },
  {
    embeddingModel: <Version extends SpecificationVersion = "v4">(model: GivenModel, given: ModelSettings<Version> = {}): EmbeddingModel<Version> => {
      const settings = readOptions(EMBEDDING_MODEL, given);
      return embeddingModel(model, settings, (settings.specificationVersion ?? "v4") as Version);
    },
  },
);
