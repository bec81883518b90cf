// Fields of OpenAI's requests, made from src/openai/tables.rs. Do not edit; after a change there:
// B158_RENEW=1 cargo test --features cli --lib openai
import type { ChatCompletionCreateParams, ChatCompletionMessageParam, ChatCompletionMessageToolCall, ChatCompletionTextPart, ChatCompletionTool } from "../../public/chat.js";
import type { EmbeddingCreateParams } from "../../public/embeddings.js";
import * as kinds from "./kinds.js";
import { type JsonSchemaField, messageRule, type NamedTool, type ResponseFormatFields, responseFormatRule } from "./openai-rules.js";
import { type Options, record } from "./read.js";
import { schema } from "./schema.js";

const PART: Options<ChatCompletionTextPart> = {
  of: "a part of a message",
  table: {
    type: { kind: kinds.only("these models read and write text alone", "text") },
    text: { kind: kinds.text },
  },
};

const partKind = record(PART, "a part of a message: { type: \"text\", text }", ["type", "text"]);

const CALLED: Options<ChatCompletionMessageToolCall["function"]> = {
  of: "a function that was called",
  table: {
    name: { kind: kinds.text },
    arguments: { kind: kinds.textAlone("a string: the JSON text of the arguments") },
  },
  passedOver: ["parsed_arguments"],
};

const calledKind = record(CALLED, "the function that was called: { name, arguments }", ["name", "arguments"]);

const CALL: Options<ChatCompletionMessageToolCall> = {
  of: "a call",
  table: {
    id: { kind: kinds.text },
    type: { kind: kinds.only("functions are all that can be called", "function") },
    function: { kind: calledKind },
  },
  passedOver: ["index"],
};

const callKind = record(CALL, "a call: { id, type: \"function\", function: { name, arguments } }", ["id", "function"]);

const MESSAGE: Options<ChatCompletionMessageParam> = {
  of: "a message",
  table: {
    role: { kind: kinds.oneOf("system", "developer", "user", "assistant", "tool") },
    content: { kind: kinds.textOr(kinds.listOf(partKind, "a string, or an array of parts, { type: \"text\", text }, and not an empty one", 1)) },
    reasoning_content: { kind: kinds.text },
    tool_calls: { kind: kinds.listOf(callKind, "an array of calls") },
    tool_call_id: { kind: kinds.text },
    name: { kind: kinds.text },
    annotations: { kind: kinds.empty("these models read and write text alone") },
  },
  lacking: {
    refusal: "write what was said into the content",
    audio: "these models read and write text alone",
    images: "these models read and write text alone",
    function_call: "give tool_calls: [{ id, type: \"function\", function: { name, arguments } }]",
  },
  passedOver: ["parsed"],
};

const messageKind = record(MESSAGE, "a message: { role, content }", ["role"], messageRule);

const FUNCTION: Options<ChatCompletionTool["function"]> = {
  of: "a function",
  table: {
    name: { kind: kinds.text },
    description: { kind: kinds.text },
    parameters: { kind: schema },
    strict: { kind: kinds.flag },
  },
  lacking: {
    schema: "give parameters",
    input_schema: "give parameters",
  },
};

const functionKind = record(FUNCTION, "a function: { name, description, parameters }", ["name"]);

const TOOL: Options<ChatCompletionTool> = {
  of: "a tool",
  table: {
    type: { kind: kinds.only("functions are all that can be called", "function") },
    function: { kind: functionKind },
  },
  lacking: {
    name: "it stands one level deeper, in function.name",
    description: "it stands one level deeper, in function.description",
    parameters: "it stands one level deeper, in function.parameters",
  },
};

const toolKind = record(TOOL, "a tool: { type: \"function\", function: { name, description, parameters } }", ["type", "function"]);

const CHOSEN: Options<NamedTool["function"]> = {
  of: "tool_choice.function",
  table: {
    name: { kind: kinds.text },
  },
};

const chosenKind = record(CHOSEN, "an object: { name }", ["name"]);

const TOOL_CHOICE: Options<NamedTool> = {
  of: "tool_choice",
  table: {
    type: { kind: kinds.only("functions are all that can be called", "function") },
    function: { kind: chosenKind },
  },
};

const toolChoiceKind = record(TOOL_CHOICE, "\"none\", \"auto\", \"required\" or { type: \"function\", function: { name } }", ["type", "function"]);

const JSON_SCHEMA: Options<JsonSchemaField> = {
  of: "response_format.json_schema",
  table: {
    name: { kind: kinds.text },
    description: { kind: kinds.text },
    schema: { kind: schema },
    strict: { kind: kinds.flag },
  },
};

const jsonSchemaKind = record(JSON_SCHEMA, "an object: { name, schema }", ["schema"]);

const RESPONSE_FORMAT: Options<ResponseFormatFields> = {
  of: "response_format",
  table: {
    type: { kind: kinds.oneOf("text", "json_object", "json_schema") },
    json_schema: { kind: jsonSchemaKind },
  },
  lacking: {
    schema: "a schema stands one level deeper, in response_format.json_schema.schema, with the type json_schema",
  },
};

const responseFormatKind = record(RESPONSE_FORMAT, "an object: { type: \"text\" }, { type: \"json_object\" } or { type: \"json_schema\", json_schema: { name, schema } }", ["type"], responseFormatRule);

const STREAM: Options<NonNullable<ChatCompletionCreateParams["stream_options"]>> = {
  of: "stream_options",
  table: {
    include_usage: { kind: kinds.flag },
    include_obfuscation: { kind: kinds.only("chunks are not padded", false) },
  },
};

const streamKind = record(STREAM, "an object: { include_usage }");

const METADATA: Options<NonNullable<ChatCompletionCreateParams["metadata"]>> = {
  of: "metadata (nothing is stored here)",
  table: {},
};

const metadataKind = record(METADATA, "an empty object: nothing is stored here");

export const CHAT: Options<ChatCompletionCreateParams> = {
  of: "chat.completions.create",
  table: {
    messages: { kind: kinds.listOf(messageKind, "an array of messages, { role, content }, and not an empty one", 1), otherwise: "needed" },
    model: { kind: kinds.text },
    user: { kind: kinds.text },
    safety_identifier: { kind: kinds.text },
    prompt_cache_key: { kind: kinds.text },
    n: { kind: kinds.only("one answer is all that is offered", 1), otherwise: "1" },
    stream: { kind: kinds.flag, otherwise: "false" },
    stream_options: { kind: streamKind, otherwise: "no usage" },
    max_completion_tokens: { kind: kinds.whole(0, kinds.U32), otherwise: "the rest of the context" },
    max_tokens: { kind: kinds.whole(0, kinds.U32), otherwise: "the rest of the context" },
    temperature: { kind: kinds.float("a number, 0 (greedy) or greater", (value) => value >= 0), otherwise: "0.8" },
    top_p: { kind: kinds.between(0, 1), otherwise: "0.95" },
    stop: { kind: kinds.oneOrMore(/[^]/, "a string that is not empty", "an array of such strings"), otherwise: "none" },
    seed: { kind: kinds.whole(0, Number.MAX_SAFE_INTEGER), otherwise: "0" },
    presence_penalty: { kind: kinds.between(-2, 2), otherwise: "0" },
    frequency_penalty: { kind: kinds.between(-2, 2), otherwise: "0" },
    logit_bias: { kind: kinds.biases, otherwise: "none" },
    logprobs: { kind: kinds.flag, otherwise: "false" },
    top_logprobs: { kind: kinds.only("alternatives to the chosen token are not offered", 0), otherwise: "0" },
    top_k: { kind: kinds.whole(0, kinds.U32, "; 0 keeps all"), otherwise: "40" },
    min_p: { kind: kinds.between(0, 1), otherwise: "0.05" },
    repeat_penalty: { kind: kinds.float("a number greater than 0; 1 is off", (value) => value > 0), otherwise: "1" },
    repeat_last_n: { kind: kinds.whole(-1, 2147483647, "; -1 is the whole context"), otherwise: "64" },
    chat_template_kwargs: { kind: kinds.json("an object of the template's variables: { enable_thinking: false }"), otherwise: "none" },
    tools: { kind: kinds.listOf(toolKind, "an array of tools: { type: \"function\", function: { name, description, parameters } }"), otherwise: "none" },
    tool_choice: { kind: kinds.wordOr(toolChoiceKind, "none", "auto", "required"), otherwise: "`\"auto\"`" },
    parallel_tool_calls: { kind: kinds.flag, otherwise: "true" },
    functions: { kind: kinds.empty("give tools: [{ type: \"function\", function }]"), otherwise: "none" },
    function_call: { kind: kinds.only("give tool_choice", "none", "auto"), otherwise: "none" },
    response_format: { kind: responseFormatKind, otherwise: "text" },
    modalities: { kind: kinds.listOf(kinds.only("these models read and write text alone", "text"), "an array of \"text\" alone"), otherwise: "text" },
    metadata: { kind: metadataKind, otherwise: "none" },
    store: { kind: kinds.only("nothing is stored here", false), otherwise: "false" },
    service_tier: { kind: kinds.only("there is one machine, this one", "auto", "default") },
    prompt_cache_retention: { kind: kinds.only("what has been read is kept in memory", "in-memory", "in_memory"), otherwise: "in memory" },
    reasoning_effort: { kind: kinds.only("how much a model thinks can't be set here", "none"), otherwise: "none" },
    verbosity: { kind: kinds.only("how much a model says can't be set here; ask it in a message", "medium"), otherwise: "medium" },
  },
  alias: {
    npredict: "max_tokens",
    numpredict: "max_tokens",
    maxnewtokens: "max_tokens",
    logprobabilities: "logprobs",
  },
  lacking: {
    audio: "these models read and write text alone",
    prediction: "answers are not guessed ahead; leave it out, the answer is the same",
    web_search_options: "nothing is searched",
    best_of: "one answer is all that is offered",
    echo: "the prompt is not repeated",
    signal: "give it in the second argument: create(params, { signal })",
  },
};

export const EMBEDDING: Options<EmbeddingCreateParams> = {
  of: "embeddings.create",
  table: {
    input: { kind: kinds.inputs, otherwise: "needed" },
    model: { kind: kinds.text },
    encoding_format: { kind: kinds.oneOf("float", "base64"), otherwise: "`\"float\"`" },
    dimensions: { kind: kinds.whole(1, kinds.U32, ", and no more than the model's vectors have"), otherwise: "all of them" },
    user: { kind: kinds.text },
  },
  lacking: {
    signal: "give it in the second argument: create(params, { signal })",
  },
};
