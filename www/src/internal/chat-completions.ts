/** OpenAI's request becomes a generation, and what comes out of it becomes OpenAI's answer. */
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionCreateParams,
  ChatCompletionCreateParamsNonStreaming,
  ChatCompletionCreateParamsStreaming,
  ChatCompletionFinishReason,
  ChatCompletionLogprobs,
  ChatCompletionMessageParam,
  ChatCompletions,
  ChatRequestOptions,
  CompletionUsage,
} from "../public/chat.js";
import { BitNetError } from "../public/errors.js";
import type { ChatMessage, GenerateOptions, Generation, GenerationResult, Prompt, Token, Usage } from "../public/types.js";

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
  async create(params: ChatCompletionCreateParams, { signal }: ChatRequestOptions = {}): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>> {
    const request = withoutNulls(params);
    check(request);
    const generation = this.#generate(request.messages.map(asMessage), { ...asOptions(request), ...(signal && { signal }) });
    const common = { id: `chatcmpl-${crypto.randomUUID()}`, created: Math.floor(Date.now() / 1000), model: this.#model };
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
  let first = true;
  for await (const token of generation) {
    const delta = first ? { role: "assistant" as const, content: token.text } : { content: token.text };
    first = false;
    yield chunk([{ index: 0, delta, finish_reason: null, logprobs: logprobs(token) }]);
  }
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

type Given = { [Key in keyof ChatCompletionCreateParams]: NonNullable<ChatCompletionCreateParams[Key]> };

function withoutNulls(params: ChatCompletionCreateParams): Given {
  return Object.fromEntries(Object.entries(params).filter(([, value]) => value !== null && value !== undefined)) as Given;
}

/** All fields there are, each with its name in `GenerateOptions` if it has one of the same meaning. */
const FIELDS: Record<keyof ChatCompletionCreateParams, keyof GenerateOptions | undefined> = {
  messages: undefined,
  model: undefined,
  user: undefined,
  n: undefined,
  stream: undefined,
  stream_options: undefined,
  stop: undefined,
  max_completion_tokens: "maxTokens",
  max_tokens: "maxTokens",
  temperature: "temperature",
  top_p: "topP",
  seed: "seed",
  presence_penalty: "presencePenalty",
  frequency_penalty: "frequencyPenalty",
  logit_bias: "logitBias",
  logprobs: "logProbabilities",
  top_k: "topK",
  min_p: "minP",
  repeat_penalty: "repeatPenalty",
  repeat_last_n: "repeatLastN",
  chat_template_kwargs: "chatTemplateKwargs",
};

function check(request: Given): void {
  for (const field of Object.keys(request)) {
    if (!Object.hasOwn(FIELDS, field)) throw refused(field, `is not offered by this engine; leave it out. It knows ${Object.keys(FIELDS).join(", ")}`);
  }
  if (!Array.isArray(request.messages) || request.messages.length === 0) throw refused("messages", "must be an array of messages, and not an empty one");
  const n: unknown = request.n ?? 1;
  if (n !== 1) throw refused("n", `is ${String(n)}; one answer is all that is offered`);
}

function asOptions(request: Given): GenerateOptions {
  const options = Object.entries(request).flatMap(([field, value]) => {
    const option = FIELDS[field as keyof ChatCompletionCreateParams];
    return option ? [[option, value] as const] : [];
  });
  const { stop, max_completion_tokens } = request;
  return {
    ...(Object.fromEntries(options) as GenerateOptions),
    ...(max_completion_tokens !== undefined && { maxTokens: max_completion_tokens }),
    ...(stop !== undefined && { stop: typeof stop === "string" ? [stop] : stop }),
  };
}

const ROLES: Record<ChatCompletionMessageParam["role"], ChatMessage["role"]> = { system: "system", developer: "system", user: "user", assistant: "assistant" };

function asMessage({ role, content }: ChatCompletionMessageParam, index: number): ChatMessage {
  const field = `messages[${String(index)}]`;
  if (!Object.hasOwn(ROLES, role)) throw refused(`${field}.role`, `is "${role}"; it may be ${Object.keys(ROLES).join(", ")}`);
  return { role: ROLES[role], content: asText(content, `${field}.content`) };
}

function asText(content: ChatCompletionMessageParam["content"], field: string): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) throw refused(field, "must be text, or an array of parts of the type text");
  return content
    .map((part: { type: string; text?: string }, index) => {
      if (part.type !== "text" || typeof part.text !== "string") throw refused(`${field}[${String(index)}]`, `is of the type "${part.type}"; this model reads text only`);
      return part.text;
    })
    .join("");
}

function refused(field: string, why: string): BitNetError {
  return new BitNetError("invalid-argument", `${field} ${why}`);
}
