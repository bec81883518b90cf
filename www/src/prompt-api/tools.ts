/** Tools: how they are declared, the objects that calls and responses are, and both in the engine's words. */
import { isRecord } from "../internal/options/kinds.js";
import type { GenerateRequest } from "../internal/protocol.js";
import type { ChatCompletionMessageParam, ChatCompletionMessageToolCall } from "../public/chat.js";
import { exception } from "./errors.js";
import { callback, conform, dictionary, oneOf, required, sequence, string, tag } from "./idl.js";

/** A declaration, read. */
export interface Tool {
  readonly name: string;
  readonly description: string;
  /** JSON text. */
  readonly schema: string;
  readonly execute: ((args: unknown) => unknown) | undefined;
}

export function readTools(value: unknown): Tool[] {
  const names = new Set<string>();
  return sequence(value, "tools", (one, what) => {
    const given = dictionary(one, what);
    const name = string(required(given, "name", what), `${what}.name`);
    const description = string(required(given, "description", what), `${what}.description`);
    if (name === "") throw new TypeError(`${what}.name is empty`);
    if (description === "") throw new TypeError(`${what}.description is empty`);
    if (names.has(name)) throw new TypeError(`${what}.name: two tools are called ${name}`);
    names.add(name);
    const { execute } = given;
    return {
      name,
      description,
      schema: inputSchema(required(given, "inputSchema", what), `${what}.inputSchema`),
      execute: execute === undefined ? undefined : callback(execute, `${what}.execute`),
    };
  });
}

/** Of an object, as JSON text. Getters and `toJSON` may throw what they like. */
function inputSchema(value: unknown, what: string): string {
  if (typeof value !== "object" || value === null) throw new TypeError(`${what} is not an object`);
  const { type, properties, required } = value as { type?: unknown; properties?: unknown; required?: unknown };
  if (type !== "object") throw new TypeError(`${what}.type must be "object": a tool's arguments are one`);
  if (properties !== undefined && !isRecord(properties)) throw new TypeError(`${what}.properties is not an object`);
  if (required !== undefined && !Array.isArray(required)) throw new TypeError(`${what}.required is not an array`);
  const text: unknown = JSON.stringify(value);
  if (typeof text !== "string") throw new TypeError(`${what} is nothing that JSON can say`);
  return text;
}

/** As the engine is asked. */
export function asAsked(tools: readonly Tool[]): Required<Pick<GenerateRequest, "tools">>["tools"] {
  return tools.map(({ name, description, schema }) => ({ type: "function", function: { name, description, parameters: schema } }));
}

/** What all three say: which call it is, and of which tool. */
abstract class OfCall {
  readonly #callId: string;
  readonly #name: string;

  /** The explainer's name of the identifier, or Chromium's. */
  constructor(given: Readonly<Record<string, unknown>>, what: string) {
    const id = given["callId"] ?? given["callID"];
    if (id === undefined) throw new TypeError(`${what} has no callId, which is required`);
    this.#callId = string(id, "callId");
    this.#name = string(required(given, "name", what), "name");
  }

  /** Ties the response to the call. */
  get callId(): string {
    return this.#callId;
  }

  /** As Chromium calls it. */
  get callID(): string {
    return this.#callId;
  }

  get name(): string {
    return this.#name;
  }
}

/** A call of a tool: what the model asks for. */
export class LanguageModelToolCall extends OfCall {
  readonly #arguments: unknown;

  constructor(init: { callId: string; name: string; arguments?: object | undefined }) {
    const what = "LanguageModelToolCall's argument";
    const given = dictionary(init, what);
    super(given, what);
    this.#arguments = given["arguments"] ?? {};
  }

  get arguments(): object {
    return this.#arguments as object;
  }
}

/** A part of what a tool gave. */
export interface LanguageModelToolResultContent {
  type: "text" | "image" | "audio" | "object";
  value: unknown;
}

const RESULTS = ["text", "image", "audio", "object"] as const;

/** What a tool gave. */
export class LanguageModelToolSuccess extends OfCall {
  readonly #result: readonly LanguageModelToolResultContent[];

  constructor(init: { callId: string; name: string; result: readonly LanguageModelToolResultContent[] }) {
    const what = "LanguageModelToolSuccess's argument";
    const given = dictionary(init, what);
    super(given, what);
    this.#result = Object.freeze(
      sequence(required(given, "result", what), "result", (one, what) => {
        const content = dictionary(one, what);
        return { type: oneOf(RESULTS, required(content, "type", what), `${what}.type`), value: required(content, "value", what) };
      }),
    );
  }

  get result(): readonly LanguageModelToolResultContent[] {
    return this.#result;
  }
}

/** Why a tool gave nothing. */
export class LanguageModelToolError extends OfCall {
  readonly #message: string;

  constructor(init: { callId: string; name: string; errorMessage: string }) {
    const what = "LanguageModelToolError's argument";
    const given = dictionary(init, what);
    super(given, what);
    this.#message = string(required(given, "errorMessage", what), "errorMessage");
  }

  get errorMessage(): string {
    return this.#message;
  }
}

conform(OfCall.prototype, {});
for (const Class of [LanguageModelToolCall, LanguageModelToolSuccess, LanguageModelToolError]) {
  conform(Class.prototype, {});
  tag(Class.prototype, Class.name);
}

/** A call of the talk, as the engine is told of it. */
export function asEngineCall(value: unknown, what: string): ChatCompletionMessageToolCall {
  if (!(value instanceof LanguageModelToolCall)) throw new TypeError(`${what} is not a LanguageModelToolCall`);
  if (!isRecord(value.arguments)) throw exception("DataError", `${what}.arguments is not an object`);
  return { id: value.callId, type: "function", function: { name: value.name, arguments: json(value.arguments, `${what}.arguments`) } };
}

/** A call of the engine's, as the caller is told of it. Held to a schema of an object it always parses, unless it was cut. */
export function asCall({ id, function: called }: ChatCompletionMessageToolCall): LanguageModelToolCall {
  return new LanguageModelToolCall({ callId: id, name: called.name, arguments: JSON.parse(called.arguments) as object });
}

/** What a tool gave, as the engine is told of it. */
export function asEngineResult(value: unknown, what: string): ChatCompletionMessageParam {
  if (value instanceof LanguageModelToolError) {
    return { role: "tool", tool_call_id: value.callId, name: value.name, content: JSON.stringify({ error: value.errorMessage }) };
  }
  if (!(value instanceof LanguageModelToolSuccess)) throw new TypeError(`${what} is not a LanguageModelToolSuccess or a LanguageModelToolError`);
  const parts = value.result.map(({ type, value: part }, index) => {
    if (type === "image" || type === "audio") throw exception("NotSupportedError", `${what}.result[${String(index)}]: this model reads text, and no ${type}`);
    return typeof part === "string" ? part : json(part, `${what}.result[${String(index)}].value`);
  });
  return { role: "tool", tool_call_id: value.callId, name: value.name, content: parts.join("\n") };
}

/** What `execute` gave, as the engine is told of it. */
export function ofExecuted(call: ChatCompletionMessageToolCall, given: unknown): ChatCompletionMessageParam {
  return { role: "tool", tool_call_id: call.id, name: call.function.name, content: string(given, `what the tool ${call.function.name} gave`) };
}

/** JSON text of a value; of an object of the browser's, which JSON would say nothing of, there is none. */
function json(value: unknown, what: string): string {
  let text: unknown;
  try {
    const plain = typeof value !== "object" || value === null || Array.isArray(value) || isRecord(value);
    text = plain ? JSON.stringify(value) : undefined;
  } catch (cause) {
    throw exception("DataError", `${what} is nothing that JSON can say`, cause);
  }
  if (typeof text !== "string") throw exception("DataError", `${what} is nothing that JSON can say`);
  return text;
}
