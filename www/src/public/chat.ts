/**
 * Chat completions in the shape of OpenAI's API (https://platform.openai.com/docs/api-reference/chat), so that programs written for it
 * run on a model in the tab. Names inside requests and answers are snake_case, as there.
 */
import type { JsonSchema } from "./formats.js";
import type { Timings } from "./types.js";

/** A piece of a message; text is all that these models read. */
export interface ChatCompletionTextPart {
  type: "text";
  text: string;
}

/** A tool that was called. */
export interface ChatCompletionMessageToolCall {
  /** Ties the tool's message to the call. */
  id: string;
  type: "function";
  /** `arguments` is a JSON text. */
  function: { name: string; arguments: string };
}

/** A tool that may be called: a function, its arguments by a JSON schema of an object. They fit it to the letter, whatever `strict` says. */
export interface ChatCompletionTool {
  type: "function";
  function: { name: string; description?: string | null; parameters?: JsonSchema | null; strict?: boolean | null };
}

/** Whether tools are called: none, as the model sees fit, one at least, or the one of this name. */
export type ChatCompletionToolChoice = "none" | "auto" | "required" | { type: "function"; function: { name: string } };

/** One turn of the conversation. */
export interface ChatCompletionMessageParam {
  /** `developer` is what newer clients call `system`. */
  role: "system" | "developer" | "user" | "assistant" | "tool";
  /** What was said, or what a tool gave. It may be absent where an assistant called tools. */
  content?: string | readonly ChatCompletionTextPart[] | null;
  /** What an assistant thought; the model's template decides whether it is told again. */
  reasoning_content?: string | null;
  /** The tools that an assistant called: a message of the role `tool` follows for each. */
  tool_calls?: readonly ChatCompletionMessageToolCall[] | null;
  /** Of a tool's message: the call that it answers. */
  tool_call_id?: string | null;
  /** Of a tool's message: the tool. */
  name?: string | null;
  /** Accepted where there are none. */
  annotations?: readonly [] | null;
}

/**
 * What an answer has to be: any text, any JSON object, or a value of a JSON schema. The schema alone holds the answer; the model sees neither it nor
 * `name` and `description`, so say in a message what is wanted. Every schema is kept to the letter, whatever `strict` says.
 */
export type ChatCompletionResponseFormat =
  | { type: "text" }
  | { type: "json_object" }
  | { type: "json_schema"; json_schema: { name?: string | null; description?: string | null; schema: JsonSchema; strict?: boolean | null } };

/**
 * A field that is `null` or `undefined` counts as absent, and so does one with a value that asks for nothing, such as `tools: []`. What
 * this engine does not know or can't do is refused by its name, not ignored.
 */
export interface ChatCompletionCreateParams {
  messages: readonly ChatCompletionMessageParam[];
  /** Accepted for the sake of programs that send it; there is one model. */
  model?: string | null;
  /** Accepted, and used for nothing, as are the next two. */
  user?: string | null;
  safety_identifier?: string | null;
  prompt_cache_key?: string | null;
  /** One answer is all that is offered. */
  n?: 1 | null;
  /** Whether the answer comes in chunks. */
  stream?: boolean | null;
  stream_options?: { include_usage?: boolean | null; include_obfuscation?: false | null } | null;
  max_completion_tokens?: number | null;
  /** The older name of `max_completion_tokens`. */
  max_tokens?: number | null;
  temperature?: number | null;
  top_p?: number | null;
  stop?: string | readonly string[] | null;
  seed?: number | null;
  presence_penalty?: number | null;
  frequency_penalty?: number | null;
  /** Added to the logit of a token id. */
  logit_bias?: Readonly<Record<string, number>> | null;
  /** ln of each token's probability, of the chosen tokens only. */
  logprobs?: boolean | null;
  /** Alternatives to the chosen tokens are not offered. */
  top_logprobs?: 0 | null;
  /** Extensions, with the names that llama.cpp's server gave them. */
  top_k?: number | null;
  min_p?: number | null;
  repeat_penalty?: number | null;
  repeat_last_n?: number | null;
  /** Variables for the model's chat template, such as `enable_thinking`. */
  chat_template_kwargs?: Readonly<Record<string, unknown>> | null;
  /**
   * Tools that the answer may call. The model is told of them by its own chat template, or by a system message where that takes none. What it
   * calls, and with which arguments, is held to them as `responseFormat` of `generate` holds an answer to its form.
   */
  tools?: readonly ChatCompletionTool[] | null;
  /** `"auto"` by default. */
  tool_choice?: ChatCompletionToolChoice | null;
  /** Whether one answer may have several calls, as it may by default. */
  parallel_tool_calls?: boolean | null;
  /** Deprecated name of `tools`. Accepted where they ask for none. */
  functions?: readonly [] | null;
  function_call?: "none" | "auto" | null;
  /** The form that the answer has to have: as `responseFormat` of `generate`. With tools it needs `tool_choice: "none"`; with `"required"` or a name the calls decide. */
  response_format?: ChatCompletionResponseFormat | null;
  /** The rest are accepted with the values that ask for no more than text. */
  modalities?: readonly "text"[] | null;
  metadata?: Readonly<Record<string, never>> | null;
  store?: false | null;
  service_tier?: "auto" | "default" | null;
  prompt_cache_retention?: "in-memory" | "in_memory" | null;
  reasoning_effort?: "none" | null;
  verbosity?: "medium" | null;
}

/** A request for chunks. */
export type ChatCompletionCreateParamsStreaming = ChatCompletionCreateParams & { stream: true };
/** A request for the whole answer. */
export type ChatCompletionCreateParamsNonStreaming = ChatCompletionCreateParams & { stream?: false | null };

/** Tokens that the request took and gave. */
export interface CompletionUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  /** Prompt tokens that were in the KV cache. */
  prompt_tokens_details: { cached_tokens: number };
}

/** A token of the answer and ln of its probability. */
export interface ChatCompletionTokenLogprob {
  token: string;
  logprob: number;
  /** UTF-8 of `token`. */
  bytes: number[];
  /** Always empty: alternatives are not offered. */
  top_logprobs: [];
}

/** Of a whole answer, or of one chunk: the tokens of what is said, without those of thoughts and calls. */
export interface ChatCompletionLogprobs {
  content: ChatCompletionTokenLogprob[];
  /** Always `null`: refusals are not told from other answers. */
  refusal: null;
}

/**
 * `stop`: the model ended or a stop string came; `length`: the limit or the context's end; `tool_calls`: the model ended, it has called tools,
 * and each call is whole.
 */
export type ChatCompletionFinishReason = "stop" | "length" | "tool_calls";

/** An answer. */
export interface ChatCompletionMessage {
  role: "assistant";
  /** `null` where nothing was said and tools were called. */
  content: string | null;
  /** Always `null`: refusals are not told from other answers. */
  refusal: null;
  /** What the model thought before it answered, between `<think>` and `</think>`; absent where it did not. */
  reasoning_content?: string;
  /** Never empty. The last one's arguments are cut where the finish reason is `length`. */
  tool_calls?: ChatCompletionMessageToolCall[];
}

/** A piece of a call: the first has all but the arguments, the others have them in parts. */
export interface ChatCompletionToolCallDelta {
  index: number;
  id?: string;
  type?: "function";
  function: { name?: string; arguments: string };
}

/** A piece of an answer. */
export interface ChatCompletionDelta {
  role?: "assistant";
  content?: string;
  reasoning_content?: string;
  tool_calls?: ChatCompletionToolCallDelta[];
}

/** The whole answer. */
export interface ChatCompletion {
  id: string;
  object: "chat.completion";
  /** Seconds since 1970. */
  created: number;
  model: string;
  choices: [{ index: 0; message: ChatCompletionMessage; finish_reason: ChatCompletionFinishReason; logprobs: ChatCompletionLogprobs | null }];
  usage: CompletionUsage;
  /** An extension. */
  timings: Timings;
}

/** A piece of the answer as it comes. */
export interface ChatCompletionChunk {
  id: string;
  object: "chat.completion.chunk";
  created: number;
  model: string;
  /** Empty in the last chunk where usage was asked for. */
  choices: { index: 0; delta: ChatCompletionDelta; finish_reason: ChatCompletionFinishReason | null; logprobs: ChatCompletionLogprobs | null }[];
  /** With `stream_options.include_usage`: null in all chunks but the last. */
  usage?: CompletionUsage | null;
  /** An extension, in the chunk that has the finish reason. */
  timings?: Timings;
}

/** What is not part of OpenAI's request. */
export interface ChatRequestOptions {
  /** Ends the answer: what is awaited rejects with the signal's reason. The model stays usable. */
  signal?: AbortSignal;
}

/** `model.chat.completions`. */
export interface ChatCompletions {
  /**
   * Answers a conversation. The part of it that the KV cache holds from the call before is not read again.
   *
   * A promise of the whole answer, or with `stream: true` of its chunks, which is kept when the model begins to read; leaving the loop over them
   * cancels the answer.
   *
   * @throws BitNetError `invalid-argument` with the field's name; else as `BitNet.generate`.
   */
  create(params: ChatCompletionCreateParamsNonStreaming, options?: ChatRequestOptions): Promise<ChatCompletion>;
  /** The same in chunks. */
  create(params: ChatCompletionCreateParamsStreaming, options?: ChatRequestOptions): Promise<AsyncIterable<ChatCompletionChunk>>;
  /** The same where it is known at run time only. */
  create(params: ChatCompletionCreateParams, options?: ChatRequestOptions): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>>;
}
