/** A model's vectors as the AI SDK wants them. */
import { readOptions } from "../internal/options/read.js";
import { type GivenModel, modelAtHand } from "./given-model.js";
import { CALL_PATH, EMBEDDING_CALL, type ModelSettings } from "./options.js";
import type { EmbeddingModel, SpecificationVersion } from "./specification.js";

/** An object without `this`, as that of `languageModel`. */
export function embeddingModel<Version extends SpecificationVersion>(given: GivenModel, settings: ModelSettings, specificationVersion: Version): EmbeddingModel<Version> {
  const model = modelAtHand(given);
  return {
    specificationVersion,
    provider: "b158",
    get modelId() {
      return settings.modelId ?? model.name ?? "b158";
    },
    // Between two calls, answers that wait have their turn.
    maxEmbeddingsPerCall: 256,
    // One worker makes them, one after the other.
    supportsParallelCalls: false,

    async doEmbed({ values, dimensions: asked, abortSignal: signal, providerOptions }) {
      const own = readOptions(EMBEDDING_CALL, providerOptions?.["b158"], CALL_PATH);
      const dimensions = asked ?? own.dimensions;
      if (values.length === 0) return { embeddings: [], usage: { tokens: 0 }, warnings: [] };
      const engine = await model.engine(signal);
      try {
        const { vectors, usage, notes } = await engine.embed(values, { ...(dimensions !== undefined && { dimensions }), ...(signal && { signal }) });
        return { embeddings: vectors.map((vector) => Array.from(vector)), usage: { tokens: usage.promptTokens }, warnings: notes.map((message) => ({ type: "other", message })) };
      } catch (error) {
        model.failed(engine, error);
        throw error;
      }
    },
  };
}
