/** OpenAI's request becomes a generation, and what comes out of it becomes OpenAI's answer. */
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionCreateParams,
  ChatCompletionCreateParamsNonStreaming,
  ChatCompletionCreateParamsStreaming,
  ChatCompletionFinishReason,
  ChatCompletionLogprobs,
  ChatCompletions,
  ChatRequestOptions,
  CompletionUsage,
} from "../public/chat.js";
import type { GenerateOptions, Generation, GenerationResult, Prompt, Token, Usage } from "../public/types.js";
import { ofChat } from "./options/format.js";
import { CHAT, IN_GENERATE } from "./options/openai.js";
import { readOptions } from "./options/read.js";
import { CHAT_REQUEST } from "./options/tables.js";
import { randomId } from "./random-id.js";

type Generate = (prompt: Prompt, options: GenerateOptions) => Generation;

export class Completions implements ChatCompletions {
  readonly #generate: Generate;
  readonly #model: string;

  constructor(generate: Generate, model: string) {
    this.#generate = generate;
    this.#model = model;
  }

  create(params: ChatCompletionCreateParamsNonStreaming, options?: ChatRequestOptions): Promise<ChatCompletion>;
  create(params: ChatCompletionCreateParamsStreaming, options?: ChatRequestOptions): Promise<AsyncIterable<ChatCompletionChunk>>;
  create(params: ChatCompletionCreateParams, options?: ChatRequestOptions): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>>;
  async create(params: ChatCompletionCreateParams, options: ChatRequestOptions = {}): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>> {
    const request = readOptions(CHAT, params);
    const { signal } = readOptions(CHAT_REQUEST, options);
    // Where there are none, their kind says what is missing.
    const messages = CHAT.table.messages.kind.read(request.messages, "messages");
    const generation = this.#generate(messages, { ...asOptions(request), ...(signal && { signal }) });
    const common = { id: `chatcmpl-${randomId()}`, created: Math.floor(Date.now() / 1000), model: this.#model };
    if (request.stream !== true) return whole(generation, common, request.logprobs === true);
    // What the request lacks is found out before the stream is handed over, as by OpenAI's own client.
    return chunks(generation, common, { usage: request.stream_options?.include_usage === true, logprobs: request.logprobs === true });
  }
}

interface Common {
  id: string;
  created: number;
  model: string;
}

async function whole(generation: Generation, common: Common, logprobs: boolean): Promise<ChatCompletion> {
  const content = [];
  if (logprobs) for await (const token of generation) content.push(...logprobsOf(token));
  const { text, finishReason, usage, timings } = await generation.result();
  return {
    ...common,
    object: "chat.completion",
    choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: asFinishReason(finishReason), logprobs: logprobs ? { content } : null }],
    usage: asUsage(usage),
    timings,
  };
}

async function* chunks(generation: Generation, common: Common, wanted: { usage: boolean; logprobs: boolean }): AsyncGenerator<ChatCompletionChunk, void> {
  const chunk = (choices: ChatCompletionChunk["choices"], usage: CompletionUsage | null = null): ChatCompletionChunk => ({
    ...common,
    object: "chat.completion.chunk",
    choices,
    ...(wanted.usage && { usage }),
  });
  const logprobs = (token: Token): ChatCompletionLogprobs | null => (wanted.logprobs ? { content: logprobsOf(token) } : null);
  let role: { role?: "assistant" } = { role: "assistant" };
  for await (const token of generation) {
    yield chunk([{ index: 0, delta: { ...role, content: token.text }, finish_reason: null, logprobs: logprobs(token) }]);
    role = {};
  }
  // Whoever joins the chunks begins a message at its role: an answer without a token has one too.
  if (role.role) yield chunk([{ index: 0, delta: { ...role, content: "" }, finish_reason: null, logprobs: null }]);
  const { finishReason, usage, timings } = await generation.result();
  yield { ...chunk([{ index: 0, delta: {}, finish_reason: asFinishReason(finishReason), logprobs: null }]), timings };
  if (wanted.usage) yield chunk([], asUsage(usage));
}

function logprobsOf({ text, logProbability }: Token): ChatCompletionLogprobs["content"] {
  if (logProbability === undefined) return [];
  return [{ token: text, logprob: logProbability, bytes: [...new TextEncoder().encode(text)], top_logprobs: [] }];
}

/** Nobody outside can cancel a completion and still read it. */
function asFinishReason(reason: GenerationResult["finishReason"]): ChatCompletionFinishReason {
  return reason === "length" ? "length" : "stop";
}

function asUsage({ promptTokens, cachedTokens, completionTokens }: Usage): CompletionUsage {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

function asOptions(request: ChatCompletionCreateParams): GenerateOptions {
  const options: GenerateOptions = Object.fromEntries(IN_GENERATE.flatMap(([field, option]) => (Object.hasOwn(request, field) ? [[option, request[field]]] : [])));
  const responseFormat = ofChat(request.response_format);
  return { ...options, ...(responseFormat && { responseFormat }) };
}
