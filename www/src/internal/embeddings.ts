/** Texts become vectors, and OpenAI's request for some becomes a request for these. */
import type { CreateEmbeddingResponse, EmbeddingCreateParams, EmbeddingCreateParamsBase64, EmbeddingCreateParamsFloat, EmbeddingRequestOptions, OpenAIEmbeddings } from "../public/embeddings.js";
import type { EmbedInput, EmbedOptions, Embeddings } from "../public/types.js";
import type { Connection } from "./connection.js";
import { EMBED, readInput, readInputs, REQUEST } from "./options/embed.js";
import { readOptions } from "./options/read.js";
import type * as protocol from "./protocol.js";

type Make = (inputs: readonly protocol.EmbedInput[], options: EmbedOptions) => Promise<Embeddings>;

/** Vectors of what the worker is asked. */
export async function embed(connection: Connection, given: EmbedInput | readonly EmbedInput[], options: EmbedOptions): Promise<Embeddings> {
  return embedRead(connection, readInputs(given), readOptions(EMBED, options));
}

export async function embedRead(connection: Connection, inputs: readonly protocol.EmbedInput[], { dimensions, signal }: EmbedOptions): Promise<Embeddings> {
  const made = await connection.embed({ inputs, ...(dimensions !== undefined && { dimensions }) }, signal);
  const vectors = Array.from(inputs, (_, index) => made.values.slice(index * made.dimensions, (index + 1) * made.dimensions));
  return { vectors, usage: { promptTokens: made.promptTokens }, notes: made.notes };
}

/** `embeddings` of OpenAI's API. */
export class OpenAIShaped implements OpenAIEmbeddings {
  readonly #make: Make;
  readonly #model: string;

  constructor(make: Make, model: string) {
    this.#make = make;
    this.#model = model;
  }

  create(params: EmbeddingCreateParamsFloat, options?: EmbeddingRequestOptions): Promise<CreateEmbeddingResponse>;
  create(params: EmbeddingCreateParamsBase64, options?: EmbeddingRequestOptions): Promise<CreateEmbeddingResponse<string>>;
  create(params: EmbeddingCreateParams, options?: EmbeddingRequestOptions): Promise<CreateEmbeddingResponse<number[] | string>>;
  async create(params: EmbeddingCreateParams, options: EmbeddingRequestOptions = {}): Promise<CreateEmbeddingResponse<number[] | string>> {
    const { input, encoding_format, dimensions } = readOptions(REQUEST.fields, params);
    const { signal } = readOptions(REQUEST.options, options);
    const inputs = readInput(input);
    const { vectors, usage, notes } = await this.#make(inputs, { ...(typeof dimensions === "number" && { dimensions }), ...(signal && { signal }) });
    const form = encoding_format === "base64" ? base64 : (vector: Float32Array) => Array.from(vector);
    return {
      object: "list",
      data: vectors.map((vector, index) => ({ object: "embedding", index, embedding: form(vector) })),
      model: this.#model,
      usage: { prompt_tokens: usage.promptTokens, total_tokens: usage.promptTokens },
      notes,
    };
  }
}

/** Little-endian, which every machine with WebAssembly's engine need not be. */
function base64(vector: Float32Array): string {
  const bytes = new DataView(new ArrayBuffer(vector.length * 4));
  vector.forEach((value, index) => {
    bytes.setFloat32(index * 4, value, true);
  });
  return btoa(Array.from(new Uint8Array(bytes.buffer), (byte) => String.fromCharCode(byte)).join(""));
}
