/** Prompts and the messages of a talk, of which the engine gets role and text alone. */
import type { ChatCompletionMessageParam, ChatCompletionTextPart } from "../../public/chat.js";
import type { ChatMessage } from "../../public/types.js";
import type { GenerateRequest } from "../protocol.js";
import { empty, isRecord, type Kind, listOf, oneOf, only, text, U32, whole } from "./kinds.js";
import { type Options, readOptions } from "./read.js";
import { guarded, kindOf, refused } from "./refuse.js";

export const CALLS_NONE = "this engine calls no tools";
export const TEXT_ALONE = "these models read and write text alone";

const PART: Options<ChatCompletionTextPart> = {
  of: "a part of a message",
  table: { type: { kind: only(TEXT_ALONE, "text") }, text: { kind: text } },
};

const part: Kind<ChatCompletionTextPart> = record(PART, "a part of a message: { type: \"text\", text }", ["type", "text"]);

const parts = listOf(part, 'a string, or an array of parts, { type: "text", text }, and not an empty one', 1);

const content: Kind<ChatCompletionMessageParam["content"]> = {
  what: parts.what,
  read: (value, name) => (typeof value === "string" ? value : parts.read(value, name)),
};

const MESSAGE: Options<ChatCompletionMessageParam> = {
  of: "a message",
  table: {
    role: { kind: oneOf("system", "developer", "user", "assistant") },
    content: { kind: content },
    tool_calls: { kind: empty(CALLS_NONE) },
    annotations: { kind: empty(TEXT_ALONE) },
  },
  lacking: {
    name: "templates know roles alone; write the name into the content",
    refusal: "write what was said into the content",
    audio: TEXT_ALONE,
    function_call: CALLS_NONE,
    tool_call_id: CALLS_NONE,
  },
};

const message: Kind<ChatCompletionMessageParam> = record(MESSAGE, "a message: { role, content }", ["role", "content"]);

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
export function readMessages(value: unknown, name: string): ChatMessage[] {
  return talk.read(value, name).map(({ role, content }) => ({
    role: role === "developer" ? "system" : role,
    content: typeof content === "string" ? content : content.map(({ text }) => text).join(""),
  }));
}

export const messages: Kind<readonly ChatCompletionMessageParam[]> = { what: talk.what, read: readMessages };

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
