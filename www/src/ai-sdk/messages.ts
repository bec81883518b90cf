/** The SDK's prompt becomes messages of a chat completion. */
import type { ChatCompletionMessageParam, ChatCompletionMessageToolCall } from "../public/chat.js";
import { BitNetError } from "../public/errors.js";
import type { CallOptions, FileData, FilePart, PromptMessage, ToolOutput, ToolOutputPart, ToolResultPart, Warning } from "./specification.js";

/** `warnings` gets what is left out. What a person gives and the model can't read is refused. */
export function messagesOf(prompt: CallOptions["prompt"], warnings: Warning[]): ChatCompletionMessageParam[] {
  return prompt.flatMap((message, index) => messagesOfOne(message, `message ${String(index + 1)}`, warnings));
}

function messagesOfOne(message: PromptMessage, where: string, warnings: Warning[]): ChatCompletionMessageParam[] {
  switch (message.role) {
    case "system":
      return [{ role: "system", content: message.content }];
    case "user":
      return [{ role: "user", content: message.content.map((part, index) => (part.type === "text" ? part.text : fileText(part, `${where}, part ${String(index + 1)}`))).join("") }];
    case "assistant":
      return turnsOf(message.content, warnings);
    case "tool":
      return message.content.flatMap((part) => (part.type === "tool-result" ? [toolMessage(part, warnings)] : []));
  }
}

/** One turn, or several where a tool that ran elsewhere gave something in the middle. */
function turnsOf(content: Extract<PromptMessage, { role: "assistant" }>["content"], warnings: Warning[]): ChatCompletionMessageParam[] {
  const turns: ChatCompletionMessageParam[] = [];
  let said = "";
  let thought = "";
  let calls: ChatCompletionMessageToolCall[] = [];
  const end = () => {
    turns.push({ role: "assistant", content: said, ...(thought !== "" && { reasoning_content: thought }), ...(calls.length > 0 && { tool_calls: calls }) });
    [said, thought, calls] = ["", "", []];
  };
  const more = () => said !== "" || thought !== "" || calls.length > 0;
  for (const part of content) {
    switch (part.type) {
      case "text":
        said += part.text;
        break;
      case "reasoning":
        thought += part.text;
        break;
      case "tool-call":
        // An input that is a text was none of JSON: as a JSON text it stays one in the prompt.
        calls.push({ id: part.toolCallId, type: "function", function: { name: part.toolName, arguments: jsonText(part.input ?? {}) } });
        break;
      case "tool-result":
        if (more()) end();
        turns.push(toolMessage(part, warnings));
        break;
      default:
        warnings.push({ type: "unsupported", feature: `${part.type} in an assistant's turn`, details: "it is left out: these models read text alone" });
    }
  }
  // A turn without a word stays one, so that the roles alternate as templates ask for.
  if (more() || turns.length === 0) end();
  return turns;
}

function toolMessage({ toolCallId, toolName, output }: ToolResultPart, warnings: Warning[]): ChatCompletionMessageParam {
  return { role: "tool", tool_call_id: toolCallId, name: toolName, content: outputText(output, toolName, warnings) };
}

function outputText(output: ToolOutput, tool: string, warnings: Warning[]): string {
  switch (output.type) {
    case "text":
    case "error-text":
      return output.value;
    case "json":
    case "error-json":
      return jsonText(output.value);
    case "execution-denied":
      return output.reason ?? "The call was not allowed.";
    case "content":
      return output.value.map((part) => outputPart(part, tool, warnings)).join("\n");
  }
}

function outputPart(part: ToolOutputPart, tool: string, warnings: Warning[]): string {
  if ("text" in part) return part.text;
  const text = "data" in part ? textOf(part) : undefined;
  if (text !== undefined) return text;
  const what = part.mediaType ?? part.type;
  warnings.push({ type: "unsupported", feature: `${what} from the tool "${tool}"`, details: "the model is told that there was one: these models read text alone" });
  return `[${what}, which can't be read here]`;
}

function jsonText(value: unknown): string {
  return value === undefined ? "null" : JSON.stringify(value);
}

function fileText(part: FilePart, where: string): string {
  const text = textOf(part);
  if (text === undefined) throw new BitNetError("invalid-argument", `${where} is a file of the type ${part.mediaType}; these models read text alone: leave it out, or give what it says as text`);
  return part.filename === undefined ? text : `${part.filename}:\n${text}\n`;
}

/** Types of files that are text, of which the SDK may know the first segment alone. */
const TEXTS = /^(?:text(?:\/|$)|application\/(?:json|x-ndjson|jsonl|xml|yaml|x-yaml|toml|javascript|x-javascript|typescript|sql|graphql|x-sh)\b|[^;]*\+(?:json|xml|yaml)\b)/i;

/** What a file says, if it is one of text and here. */
function textOf({ data, mediaType }: FilePart): string | undefined {
  if (isText(data)) return data.text;
  if (!TEXTS.test(mediaType)) return undefined;
  const held = bytesOrBase64(data);
  if (held === undefined) return undefined;
  try {
    const bytes = typeof held === "string" ? Uint8Array.from(atob(held), (character) => character.charCodeAt(0)) : held;
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function isText(data: FileData): data is Extract<FileData, { type: "text" }> {
  return typeof data === "object" && "type" in data && data.type === "text";
}

function bytesOrBase64(data: FileData): Uint8Array | string | undefined {
  if (typeof data === "string" || data instanceof Uint8Array) return data;
  return "type" in data && data.type === "data" ? data.data : undefined;
}
