/** OpenAI's `embeddings.create`, as far as this engine has it. */
import type { Embeddings } from "./types.js";

/** What is asked: texts, or the token ids of one or of several. What is null counts as absent. */
export interface EmbeddingCreateParams {
  input: string | readonly string[] | readonly number[] | readonly (readonly number[])[];
  /** Accepted, and not used: the model is the one that is loaded. */
  model?: string | null;
  /** `float` (default): numbers; `base64`: little-endian floats of 32 bits. */
  encoding_format?: "float" | "base64" | null;
  /** The first so many numbers of each vector, of length 1 again; for models that were trained so. */
  dimensions?: number | null;
  /** Accepted, and not used. */
  user?: string | null;
}

/** Asked for with `encoding_format: "base64"`. */
export type EmbeddingCreateParamsBase64 = EmbeddingCreateParams & { encoding_format: "base64" };
/** Asked for as numbers. */
export type EmbeddingCreateParamsFloat = EmbeddingCreateParams & { encoding_format?: "float" | null };

/** The vector of one text. */
export interface EmbeddingObject<Form = number[]> {
  object: "embedding";
  index: number;
  embedding: Form;
}

/** The vectors of all texts, in their order. */
export interface CreateEmbeddingResponse<Form = number[]> {
  object: "list";
  data: EmbeddingObject<Form>[];
  model: string;
  usage: { prompt_tokens: number; total_tokens: number };
  /** Not of OpenAI's API: what there is to know of the vectors. */
  notes: Embeddings["notes"];
}

/** What goes with a request and is no field of it. */
export interface EmbeddingRequestOptions {
  signal?: AbortSignal | null;
}

/** `embeddings` of a model. */
export interface OpenAIEmbeddings {
  /**
   * Vectors of texts, as numbers.
   *
   * @throws BitNetError `invalid-argument` with the field's name; else as `BitNet.embed`.
   */
  create(params: EmbeddingCreateParamsFloat, options?: EmbeddingRequestOptions): Promise<CreateEmbeddingResponse>;
  /** The same as text: little-endian floats in base64. */
  create(params: EmbeddingCreateParamsBase64, options?: EmbeddingRequestOptions): Promise<CreateEmbeddingResponse<string>>;
  /** The same where the form is known at run time only. */
  create(params: EmbeddingCreateParams, options?: EmbeddingRequestOptions): Promise<CreateEmbeddingResponse<number[] | string>>;
}
