/** OpenAI's request becomes a generation, and what comes out of it becomes OpenAI's answer. */
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionCreateParams,
  ChatCompletionCreateParamsNonStreaming,
  ChatCompletionCreateParamsStreaming,
  ChatCompletionDelta,
  ChatCompletionFinishReason,
  ChatCompletionLogprobs,
  ChatCompletionMessage,
  ChatCompletions,
  ChatRequestOptions,
  CompletionUsage,
} from "../public/chat.js";
import type { GenerateOptions, Prompt, Usage } from "../public/types.js";
import type { Ended, GenerationStream } from "./generation.js";
import { ofChat } from "./options/format.js";
import { IN_GENERATE } from "./options/openai.js";
import { CHAT } from "./options/openai-tables.js";
import { readOptions } from "./options/read.js";
import { CHAT_REQUEST } from "./options/tables.js";
import { asAsked } from "./options/tools.js";
import type { Piece, Token } from "./protocol.js";
import { randomId } from "./random.js";
import { piecesOf, WhatIsSaid } from "./said.js";
import type { Asked } from "./session.js";

/** As `WorkerSession` does it. */
type Generate = (prompt: Prompt, options: GenerateOptions, asked: Asked) => GenerationStream;

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
    const generation = this.#generate(messages, { ...asOptions(request), ...(signal && { signal }) }, { ...asAsked(request), pieces: true });
    const common = { id: `chatcmpl-${randomId()}`, created: Math.floor(Date.now() / 1000), model: this.#model };
    if (request.stream !== true) return whole(generation, common, request.logprobs === true);
    // What the request lacks is found out before the stream is handed over, as by OpenAI's own client.
    await generation.begun();
    return chunks(generation, common, { usage: request.stream_options?.include_usage === true, logprobs: request.logprobs === true });
  }
}

interface Common {
  id: string;
  created: number;
  model: string;
}

async function whole(generation: GenerationStream, common: Common, wanted: boolean): Promise<ChatCompletion> {
  const said = new WhatIsSaid();
  const logprobs: ChatCompletionLogprobs["content"] = [];
  for await (const token of generation) {
    if (wanted) logprobs.push(...logprobsOf(token));
    for (const piece of piecesOf(token)) said.take(piece);
  }
  const ended = await generation.result();
  const { content, reasoning, calls } = said;
  const message: ChatCompletionMessage = {
    role: "assistant",
    content: content === "" && calls.length > 0 ? null : content,
    refusal: null,
    ...(reasoning !== "" && { reasoning_content: reasoning }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
  return {
    ...common,
    object: "chat.completion",
    choices: [{ index: 0, message, finish_reason: asFinishReason(ended), logprobs: wanted ? { content: logprobs, refusal: null } : null }],
    usage: asUsage(ended.usage),
    timings: ended.timings,
  };
}

async function* chunks(generation: GenerationStream, common: Common, wanted: { usage: boolean; logprobs: boolean }): AsyncGenerator<ChatCompletionChunk, void> {
  const chunk = (choices: ChatCompletionChunk["choices"], usage: CompletionUsage | null = null): ChatCompletionChunk => ({
    ...common,
    object: "chat.completion.chunk",
    choices,
    ...(wanted.usage && { usage }),
  });
  const piece = (delta: ChatCompletionDelta, logprobs: ChatCompletionLogprobs | null = null) => chunk([{ index: 0, delta, finish_reason: null, logprobs }]);
  // Whoever joins the chunks begins a message at its role, which waits for no token.
  yield piece({ role: "assistant", content: "" });
  for await (const token of generation) {
    let logprobs: ChatCompletionLogprobs | null = wanted.logprobs ? { content: logprobsOf(token), refusal: null } : null;
    const deltas = piecesOf(token).map(asDelta);
    // One that completes no character has a probability all the same.
    if (deltas.length === 0 && logprobs?.content.length) deltas.push({ content: "" });
    for (const delta of deltas) {
      yield piece(delta, logprobs);
      if (logprobs) logprobs = { content: [], refusal: null };
    }
  }
  const ended = await generation.result();
  yield { ...chunk([{ index: 0, delta: {}, finish_reason: asFinishReason(ended), logprobs: null }]), timings: ended.timings };
  if (wanted.usage) yield chunk([], asUsage(ended.usage));
}

function asDelta(piece: Piece): ChatCompletionDelta {
  switch (piece.type) {
    case "content":
      return { content: piece.body };
    case "reasoning":
      return { reasoning_content: piece.body };
    case "call": {
      const { index, id, name } = piece.body;
      return { tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] };
    }
    case "arguments":
      return { tool_calls: [{ index: piece.body.index, function: { arguments: piece.body.text } }] };
  }
}

/** Of tokens of what is said alone, as OpenAI has it. */
function logprobsOf({ text, logProbability, read }: Token): ChatCompletionLogprobs["content"] {
  if (logProbability === undefined || read?.inContent !== true) return [];
  return [{ token: text, logprob: logProbability, bytes: [...new TextEncoder().encode(text)], top_logprobs: [] }];
}

/** Nobody outside can cancel a completion and still read it. */
function asFinishReason({ finishReason, called }: Ended): ChatCompletionFinishReason {
  if (finishReason === "length") return "length";
  return called === true ? "tool_calls" : "stop";
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
