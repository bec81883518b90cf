/** The SDK's request becomes one for a chat completion, and warnings for what of it is not done. */
import type { ChatCompletionCreateParams, ChatCompletionMessageParam, ChatCompletionTool, ChatCompletionToolChoice } from "../public/chat.js";
import { randomSeed } from "../internal/random.js";
import { readOptions } from "../internal/options/read.js";
import { messagesOf } from "./messages.js";
import { CALL_PATH, LANGUAGE_CALL, SETTINGS } from "./options.js";
import { heldSchema, toldSchema } from "./schema.js";
import type { CallOptions, JsonFormat, Tool, Warning } from "./specification.js";

/** What a message calls it. */
const SCHEMA_NAME = "responseFormat.schema";

export interface Request {
  readonly params: ChatCompletionCreateParams & { stream: true; seed: number };
  /** The tool that stands for an answer in JSON, where others may be called in its place. */
  readonly answerTool?: string;
  readonly warnings: Warning[];
}

export function requestOf(options: CallOptions, { tellSchema = true }: { tellSchema?: boolean | undefined }): Request {
  const { providerOptions } = options;
  const { maxOutputTokens, temperature, topP, topK, presencePenalty, frequencyPenalty, stopSequences, seed } = settingsOf(options);
  const warnings: Warning[] = [];
  const own = readOptions(LANGUAGE_CALL, providerOptions?.["b158"], CALL_PATH);
  const messages = messagesOf(options.prompt, warnings);
  const tools = toolsOf(options.tools ?? [], warnings);
  const toolChoice = tools.length > 0 ? choiceOf(options.toolChoice) : undefined;
  const form = options.responseFormat?.type === "json" ? options.responseFormat : undefined;
  const formed = withForm({ messages, tools, toolChoice, form, tellSchema }, warnings);
  if (formed.answerTool !== undefined && own.parallelToolCalls === true) {
    warnings.push({ type: "unsupported", feature: "parallelToolCalls", details: "beside a schema of the answer one tool is called at a time" });
  }
  const kwargs = { ...thinking(options.reasoning, warnings), ...own.chatTemplateKwargs };
  const params: Request["params"] = {
    ...formed.params,
    stream: true,
    stream_options: { include_usage: true },
    // Asked again without one, the SDK's users expect another answer.
    seed: seed ?? randomSeed(),
    ...given("max_completion_tokens", maxOutputTokens),
    ...given("temperature", temperature),
    ...given("top_p", topP),
    ...given("top_k", topK),
    ...given("presence_penalty", presencePenalty),
    ...given("frequency_penalty", frequencyPenalty),
    ...given("stop", stopSequences),
    ...given("min_p", own.minP),
    ...given("repeat_penalty", own.repeatPenalty),
    ...given("repeat_last_n", own.repeatLastN),
    ...given("logit_bias", own.logitBias),
    ...given("parallel_tool_calls", formed.params.parallel_tool_calls ?? own.parallelToolCalls),
    ...(Object.keys(kwargs).length > 0 && { chat_template_kwargs: kwargs }),
  };
  return { params, warnings, ...(formed.answerTool !== undefined && { answerTool: formed.answerTool }) };
}

/** Refused here, a value bears the name that the caller knows. */
function settingsOf({ maxOutputTokens, temperature, topP, topK, presencePenalty, frequencyPenalty, stopSequences, seed }: CallOptions) {
  return readOptions(SETTINGS, { maxOutputTokens, temperature, topP, topK, presencePenalty, frequencyPenalty, stopSequences, seed });
}

function given<Name extends keyof ChatCompletionCreateParams>(name: Name, value: ChatCompletionCreateParams[Name]): Pick<ChatCompletionCreateParams, Name> {
  return (value === undefined ? {} : { [name]: value }) as Pick<ChatCompletionCreateParams, Name>;
}

function toolsOf(tools: readonly Tool[], warnings: Warning[]): ChatCompletionTool[] {
  return tools.flatMap((tool) => {
    if (tool.type !== "function") {
      warnings.push({ type: "unsupported", feature: `tool ${tool.id}`, details: "it runs on a provider's server; there is none here" });
      return [];
    }
    const { name, description, inputSchema, inputExamples, strict } = tool;
    if (inputExamples && inputExamples.length > 0) {
      warnings.push({ type: "unsupported", feature: `inputExamples of the tool "${name}"`, details: "addToolInputExamplesMiddleware of the AI SDK writes them into the description" });
    }
    return [{ type: "function", function: { name, parameters: heldSchema(inputSchema, `inputSchema of the tool ${JSON.stringify(name)}`), ...(description !== undefined && { description }), ...(strict !== undefined && { strict }) } }];
  });
}

function choiceOf(choice: CallOptions["toolChoice"]): ChatCompletionToolChoice | undefined {
  return choice?.type === "tool" ? { type: "function", function: { name: choice.toolName } } : choice?.type;
}

interface Formless {
  readonly messages: ChatCompletionMessageParam[];
  readonly tools: readonly ChatCompletionTool[];
  readonly toolChoice: ChatCompletionToolChoice | undefined;
  readonly form: JsonFormat | undefined;
  readonly tellSchema: boolean;
}

/** With the form that the answer is to have. Beside tools that may be called it is one more of them, which is called to answer. */
function withForm({ messages, tools, toolChoice, form, tellSchema }: Formless, warnings: Warning[]): { params: Omit<ChatCompletionCreateParams, "stream">; answerTool?: string } {
  const withTools = { messages, ...(tools.length > 0 && { tools, ...(toolChoice && { tool_choice: toolChoice }) }) };
  if (!form) return { params: withTools };
  const schema = form.schema === undefined ? undefined : heldSchema(form.schema, SCHEMA_NAME);
  if (tools.length === 0 || toolChoice === "none") {
    const response_format: ChatCompletionCreateParams["response_format"] = schema === undefined ? { type: "json_object" } : { type: "json_schema", json_schema: { schema } };
    return { params: { ...withTools, messages: tellSchema ? told(messages, form) : messages, response_format } };
  }
  if (toolChoice !== undefined && toolChoice !== "auto") {
    warnings.push({ type: "unsupported", feature: "responseFormat", details: "toolChoice asks for a call, and so the answer is one" });
    return { params: withTools };
  }
  const answerTool = freeName(tools);
  const description = ["Gives the answer, when no other tool is needed.", form.name, form.description].filter((part) => part !== undefined).join(" ");
  const answer: ChatCompletionTool = { type: "function", function: { name: answerTool, description, parameters: schema ?? { type: "object" } } };
  return { params: { messages, tools: [...tools, answer], tool_choice: "required", parallel_tool_calls: false }, answerTool };
}

function freeName(tools: readonly ChatCompletionTool[]): string {
  let name = "answer";
  while (tools.some((tool) => tool.function.name === name)) name += "_";
  return name;
}

/** With words of the form that is wanted, at the end of what the system says: the schema alone shapes the answer, but the model does not see it. */
function told(messages: readonly ChatCompletionMessageParam[], { schema, name, description }: JsonFormat): ChatCompletionMessageParam[] {
  const about = [name, description].filter((part) => part !== undefined).join(": ");
  const shape = schema === undefined ? "a JSON object" : `JSON of this schema: ${toldSchema(schema, SCHEMA_NAME)}`;
  const words = `Answer with ${shape}${about === "" ? "" : `\n${about}`}`;
  const [first, ...rest] = messages;
  if (first?.role === "system" && typeof first.content === "string") return [{ ...first, content: `${first.content}\n\n${words}` }, ...rest];
  return [{ role: "system", content: words }, ...messages];
}

function thinking(reasoning: string | undefined, warnings: Warning[]): { enable_thinking?: boolean } {
  if (reasoning === undefined || reasoning === "provider-default") return {};
  if (reasoning === "none") return { enable_thinking: false };
  warnings.push({ type: "compatibility", feature: "reasoning", details: `how much a model thinks can't be set here: "${reasoning}" asks its template for thoughts (enable_thinking), where it knows of them` });
  return { enable_thinking: true };
}
