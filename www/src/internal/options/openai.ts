/**
 * The fields of OpenAI's request for a chat completion: those that mean here what they mean there, those that are accepted where they
 * ask for nothing, and those that are refused, each with the reason.
 */
import type { ChatCompletionCreateParams } from "../../public/chat.js";
import type { GenerateOptions } from "../../public/types.js";
import { chatFormat } from "./format.js";
import * as kinds from "./kinds.js";
import { messages, record, TEXT_ALONE } from "./messages.js";
import type { Options } from "./read.js";
import { GENERATE } from "./tables.js";
import { toolChoice, tools } from "./tools.js";

type Fields = Required<{ [Name in keyof ChatCompletionCreateParams]: NonNullable<ChatCompletionCreateParams[Name]> }>;

const STREAM: Options<Fields["stream_options"]> = {
  of: "stream_options",
  table: { include_usage: { kind: kinds.flag }, include_obfuscation: { kind: kinds.only("chunks are not padded", false) } },
};

const { maxTokens, temperature, topK, topP, minP, repeatPenalty, repeatLastN, presencePenalty, frequencyPenalty, seed, stop, logitBias, logProbabilities, chatTemplateKwargs } = GENERATE.table;
/** Accepted for the sake of programs that send it. */
const unused = { kind: kinds.text };

export const CHAT: Options<ChatCompletionCreateParams> = {
  of: "chat.completions.create",
  table: {
    messages: { kind: messages, otherwise: "needed" },
    model: unused,
    user: unused,
    safety_identifier: unused,
    prompt_cache_key: unused,
    n: { kind: kinds.only("one answer is all that is offered", 1), otherwise: "1" },
    stream: { kind: kinds.flag, otherwise: "false" },
    stream_options: { kind: record(STREAM, "an object: { include_usage }"), otherwise: "no usage" },
    max_completion_tokens: maxTokens,
    max_tokens: maxTokens,
    temperature,
    top_p: topP,
    stop,
    seed,
    presence_penalty: presencePenalty,
    frequency_penalty: frequencyPenalty,
    logit_bias: logitBias,
    logprobs: logProbabilities,
    top_logprobs: { kind: kinds.only("alternatives to the chosen token are not offered", 0), otherwise: "0" },
    top_k: topK,
    min_p: minP,
    repeat_penalty: repeatPenalty,
    repeat_last_n: repeatLastN,
    chat_template_kwargs: chatTemplateKwargs,
    tools: { kind: tools, otherwise: "none" },
    tool_choice: { kind: toolChoice, otherwise: '`"auto"`' },
    parallel_tool_calls: { kind: kinds.flag, otherwise: "true" },
    functions: { kind: kinds.empty('give tools: [{ type: "function", function }]'), otherwise: "none" },
    function_call: { kind: kinds.only("give tool_choice", "none", "auto"), otherwise: "none" },
    response_format: { kind: chatFormat, otherwise: "text" },
    modalities: { kind: kinds.listOf(kinds.only(TEXT_ALONE, "text"), 'an array of "text" alone'), otherwise: "text" },
    metadata: { kind: record({ of: "metadata (nothing is stored here)", table: {} }, "an empty object: nothing is stored here"), otherwise: "none" },
    store: { kind: kinds.only("nothing is stored here", false), otherwise: "false" },
    service_tier: { kind: kinds.only("there is one machine, this one", "auto", "default") },
    prompt_cache_retention: { kind: kinds.only("what has been read is kept in memory", "in-memory", "in_memory"), otherwise: "in memory" },
    reasoning_effort: { kind: kinds.only("how much a model thinks can't be set here", "none"), otherwise: "none" },
    verbosity: { kind: kinds.only("how much a model says can't be set here; ask it in a message", "medium"), otherwise: "medium" },
  },
  alias: { npredict: "max_tokens", numpredict: "max_tokens", maxnewtokens: "max_tokens", logprobabilities: "logprobs" },
  lacking: {
    audio: TEXT_ALONE,
    prediction: "answers are not guessed ahead; leave it out, the answer is the same",
    web_search_options: "nothing is searched",
    best_of: "one answer is all that is offered",
    echo: "the prompt is not repeated",
    signal: "give it in the second argument: create(params, { signal })",
  },
};

/** What a field is called in `GenerateOptions`, where it goes there as it is. Of two names for one, the later counts. */
export const IN_GENERATE: readonly (readonly [keyof ChatCompletionCreateParams, keyof GenerateOptions])[] = [
  ["max_tokens", "maxTokens"],
  ["max_completion_tokens", "maxTokens"],
  ["temperature", "temperature"],
  ["top_p", "topP"],
  ["stop", "stop"],
  ["seed", "seed"],
  ["presence_penalty", "presencePenalty"],
  ["frequency_penalty", "frequencyPenalty"],
  ["logit_bias", "logitBias"],
  ["logprobs", "logProbabilities"],
  ["top_k", "topK"],
  ["min_p", "minP"],
  ["repeat_penalty", "repeatPenalty"],
  ["repeat_last_n", "repeatLastN"],
  ["chat_template_kwargs", "chatTemplateKwargs"],
];
