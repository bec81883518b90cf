/** What is given as a prompt: read as Web IDL has it, then checked and put in the engine's words, as the specification's "validate and canonicalize a prompt" does it. */
import type { ChatCompletionMessageParam } from "../public/chat.js";
import { exception } from "./errors.js";
import { dictionary, isIterable, oneOf, required, sequence, string } from "./idl.js";
import { asEngineCall, asEngineResult } from "./tools.js";
import type { LanguageModelMessageRole, LanguageModelMessageType } from "./types.js";

export const TYPES = ["text", "image", "audio", "tool-call", "tool-response"] as const satisfies readonly LanguageModelMessageType[];
const ROLES = ["system", "user", "assistant"] as const satisfies readonly LanguageModelMessageRole[];

/** A turn as the engine is told of it. */
export type Turn = ChatCompletionMessageParam & { readonly content: string };

interface Content {
  readonly type: LanguageModelMessageType;
  readonly value: unknown;
}

interface Message {
  readonly role: LanguageModelMessageRole;
  readonly content: readonly Content[];
  readonly prefix: boolean;
}

/** A prompt, ready to be told. */
export interface Prompt {
  /** The one that is never dropped, if it begins with one. */
  readonly system: Turn | undefined;
  readonly turns: readonly Turn[];
  /** The last turn is an answer that goes on. */
  readonly begun: boolean;
}

const text = (value: string): Content => ({ type: "text", value });

/** A string, or messages: an object that can be iterated is a list of them, anything else a string. */
export function convert(input: unknown, what: string): readonly Message[] {
  const messages = isIterable(input) ? sequence(input, what, message) : [{ role: "user", content: [text(string(input, what))], prefix: false } as const];
  return messages.length > 0 ? messages : [{ role: "user", content: [text("")], prefix: false }];
}

/** A list of messages. */
export function convertMessages(input: unknown, what: string): readonly Message[] {
  return sequence(input, what, message);
}

function message(value: unknown, what: string): Message {
  const given = dictionary(value, what);
  const content = required(given, "content", what);
  const { prefix = false } = given;
  return {
    content: isIterable(content) ? sequence(content, `${what}.content`, part) : [text(string(content, `${what}.content`))],
    prefix: Boolean(prefix),
    role: oneOf(ROLES, required(given, "role", what), `${what}.role`),
  };
}

function part(value: unknown, what: string): Content {
  const given = dictionary(value, what);
  return { type: oneOf(TYPES, required(given, "type", what), `${what}.type`), value: required(given, "value", what) };
}

/**
 * @param expected types that the session was created for.
 * @param talked whether something has been said already: then there is no place for a system prompt.
 */
export function canonical(messages: readonly Message[], expected: ReadonlySet<LanguageModelMessageType>, talked: boolean): Prompt {
  let system: Turn | undefined;
  const turns: Turn[] = [];
  for (const [index, { role, content, prefix }] of messages.entries()) {
    const last = index === messages.length - 1;
    if (prefix && (role !== "assistant" || !last)) throw exception("SyntaxError", "prefix is for the last message, and that an assistant's");
    if (role === "system" && (talked || index > 0)) throw new TypeError("a system prompt must be the first message of all");
    const told = turnsOf(role, content, expected, `message ${String(index + 1)}`);
    if (role === "system") system = told[0];
    else turns.push(...told);
  }
  return { system, turns, begun: messages.at(-1)?.prefix ?? false };
}

/** One, but for what tools gave, each of which is one of its own. */
function turnsOf(role: Message["role"], content: readonly Content[], expected: ReadonlySet<LanguageModelMessageType>, what: string): Turn[] {
  const results: Turn[] = [];
  const calls: NonNullable<Turn["tool_calls"]>[number][] = [];
  let said = "";
  let texts = 0;
  for (const { type, value } of content) {
    if (type === "text") {
      if (typeof value !== "string") throw new TypeError(`${what}: a content of type text has a value that is no string`);
      said += value;
      texts++;
      continue;
    }
    if (type === "tool-call" && role !== "assistant") throw new TypeError(`${what}: a tool is called by an assistant, not by the role ${role}`);
    if (type === "tool-response" && role !== "user") throw new TypeError(`${what}: a tool's response has the role user, not ${role}`);
    if (!expected.has(type) || type === "image" || type === "audio") {
      throw exception("NotSupportedError", `${what} has a content of type ${type}, which the session was not created for: see expectedInputs`);
    }
    if (type === "tool-call") calls.push(asEngineCall(value, what));
    else results.push(asEngineResult(value, what) as Turn);
  }
  if (texts === 0 && results.length > 0) return results;
  return [...results, { role, content: said, ...(calls.length > 0 && { tool_calls: calls }) }];
}
