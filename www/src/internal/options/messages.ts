/** Prompts, and the messages of a talk. */
import type { ChatCompletionMessageParam, ChatCompletionMessageToolCall, ChatCompletionTextPart } from "../../public/chat.js";
import type { GenerateRequest, Message } from "../protocol.js";
import { empty, isRecord, type Kind, listOf, oneOf, only, text, textAlone, U32, whole } from "./kinds.js";
import { type Options, readOptions } from "./read.js";
import { guarded, kindOf, refused } from "./refuse.js";

export const TEXT_ALONE = "these models read and write text alone";

const PART: Options<ChatCompletionTextPart> = {
  of: "a part of a message",
  table: { type: { kind: only(TEXT_ALONE, "text") }, text: { kind: text } },
};

const part: Kind<ChatCompletionTextPart> = record(PART, "a part of a message: { type: \"text\", text }", ["type", "text"]);

const parts = listOf(part, 'a string, or an array of parts, { type: "text", text }, and not an empty one', 1);

const content: Kind<NonNullable<ChatCompletionMessageParam["content"]>> = {
  what: parts.what,
  read: (value, name) => (typeof value === "string" ? value : parts.read(value, name)),
};

const CALLED: Options<ChatCompletionMessageToolCall["function"]> = {
  of: "a function that was called",
  table: { name: { kind: text }, arguments: { kind: textAlone("a string: the JSON text of the arguments") } },
  // Of openai-node's parse(): the same arguments, read.
  passedOver: ["parsed_arguments"],
};

const CALL: Options<ChatCompletionMessageToolCall> = {
  of: "a call",
  table: {
    id: { kind: text },
    type: { kind: only("functions are all that can be called", "function") },
    function: { kind: record(CALLED, "the function that was called: { name, arguments }", ["name", "arguments"]) },
  },
  // Whoever joins the deltas of chunks keeps it; the calls stand in its order.
  passedOver: ["index"],
};

const calls = listOf(record(CALL, 'a call: { id, type: "function", function: { name, arguments } }', ["id", "function"]), "an array of calls");

const MESSAGE: Options<ChatCompletionMessageParam> = {
  of: "a message",
  table: {
    role: { kind: oneOf("system", "developer", "user", "assistant", "tool") },
    content: { kind: content },
    reasoning_content: { kind: text },
    tool_calls: { kind: calls },
    tool_call_id: { kind: text },
    name: { kind: text },
    annotations: { kind: empty(TEXT_ALONE) },
  },
  // Of openai-node's parse(): the same content, read.
  passedOver: ["parsed"],
  lacking: {
    refusal: "write what was said into the content",
    audio: TEXT_ALONE,
    function_call: "give tool_calls: [{ id, type: \"function\", function: { name, arguments } }]",
  },
};

const anyMessage = record(MESSAGE, "a message: { role, content }", ["role"]);

const message: Kind<ChatCompletionMessageParam> = {
  what: anyMessage.what,
  read: (value, name) => {
    const read = anyMessage.read(value, name);
    const { role, tool_calls, tool_call_id } = read;
    const called = tool_calls !== undefined && tool_calls !== null && tool_calls.length > 0;
    const ofTool = role === "tool";
    if (read.content === undefined && !called) throw refused(`${name}.content`, (value as ChatCompletionMessageParam).content, content.what);
    if (called && role !== "assistant") throw refused(`${name}.tool_calls`, tool_calls, "left out: only an assistant calls tools");
    if (ofTool && tool_call_id === undefined) throw refused(`${name}.tool_call_id`, tool_call_id, "the id of the call that this tool's message answers");
    if (!ofTool && tool_call_id !== undefined) throw refused(`${name}.tool_call_id`, tool_call_id, 'left out: only a message of the role "tool" has it');
    if (!ofTool && read.name !== undefined) throw refused(`${name}.name`, read.name, "left out: templates know roles alone; write the name into the content");
    return read;
  },
};

/** An object with fields of its own, some of which must be there. */
export function record<T extends object>(options: Options<T>, what: string, needed: readonly (keyof T & string)[] = []): Kind<T> {
  return {
    what,
    read: (value, name) => {
      if (!isRecord(value)) throw refused(name, value, what);
      const read = readOptions(options, value, `${name}.`);
      for (const field of needed) if (!Object.hasOwn(read, field)) throw refused(`${name}.${field}`, value[field], options.table[field].kind.what);
      return read;
    },
  };
}

const talk = listOf(message, "an array of messages, { role, content }, and not an empty one", 1);

/** Messages as the engine reads them: `developer` is what newer clients call `system`, and the parts of a text make one. */
function readMessages(value: unknown, name: string): Message[] {
  return talk.read(value, name).map(({ role, content, tool_calls, annotations: _, ...rest }) => ({
    ...(rest as Pick<Message, "reasoning_content" | "tool_call_id" | "name">),
    role: role === "developer" ? "system" : role,
    content: typeof content === "string" ? content : (content ?? []).map(({ text }) => text).join(""),
    ...(tool_calls && tool_calls.length > 0 && { tool_calls: tool_calls.map((call) => ({ ...call, type: "function" as const })) }),
  }));
}

export const messages: Kind<readonly ChatCompletionMessageParam[]> = talk;

const PROMPT = "a string, an array of messages, { role, content }, or token ids as a Uint32Array";

/** What `generate` goes on from, as the engine is asked. */
export function readPrompt(value: unknown): GenerateRequest {
  if (typeof value === "string") return { prompt: value };
  if (kindOf(value) === "Uint32Array") return { ids: readIds(value) };
  return guarded("prompt", () => {
    if (!Array.isArray(value) || value.some((one) => typeof one === "number")) throw refused("prompt", value, PROMPT);
    return { messages: readMessages(value, "prompt") };
  });
}

const IDS = listOf(whole(0, U32), "a Uint32Array, or an array of token ids");

/** Ids of tokens, copied. */
export function readIds(value: unknown, name = "ids"): Uint32Array {
  if (kindOf(value) === "Uint32Array") return Uint32Array.from(value as Uint32Array);
  return guarded(name, () => Uint32Array.from(IDS.read(value, name)));
}
