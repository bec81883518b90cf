/** Tools, and how they are called, in OpenAI's shape. */
import type { ChatCompletionCreateParams, ChatCompletionTool, ChatCompletionToolChoice } from "../../public/chat.js";
import type { GenerateRequest } from "../protocol.js";
import { schema } from "./format.js";
import { flag, type Kind, listOf, only, text } from "./kinds.js";
import { record } from "./messages.js";
import type { Options } from "./read.js";

const FUNCTION: Options<ChatCompletionTool["function"]> = {
  of: "a function",
  table: { name: { kind: text }, description: { kind: text }, parameters: { kind: schema }, strict: { kind: flag } },
};

const TOOL: Options<ChatCompletionTool> = {
  of: "a tool",
  table: {
    type: { kind: only("functions are all that can be called", "function") },
    function: { kind: record(FUNCTION, "a function: { name, description, parameters }", ["name"]) },
  },
  lacking: Object.fromEntries(["name", "description", "parameters"].map((field) => [field, `it stands one level deeper, in function.${field}`])),
};

const tool = record(TOOL, 'a tool: { type: "function", function: { name, description, parameters } }', ["type", "function"]);

export const tools: Kind<readonly ChatCompletionTool[]> = listOf(tool, 'an array of tools: { type: "function", function: { name, description, parameters } }');

type Named = Exclude<ChatCompletionToolChoice, string>;

const NAMED: Options<Named> = {
  of: "tool_choice",
  table: {
    type: { kind: only("functions are all that can be called", "function") },
    function: { kind: record<Named["function"]>({ of: "tool_choice.function", table: { name: { kind: text } } }, "an object: { name }", ["name"]) },
  },
};

const CHOICE = '"none", "auto", "required" or { type: "function", function: { name } }';
const words: readonly unknown[] = ["none", "auto", "required"];
const named = record(NAMED, CHOICE, ["type", "function"]);

export const toolChoice: Kind<ChatCompletionToolChoice> = {
  what: CHOICE,
  read: (value, name) => (words.includes(value) ? (value as ChatCompletionToolChoice) : named.read(value, name)),
};

/** As the engine is asked. */
export function asAsked({ tools, tool_choice, parallel_tool_calls }: ChatCompletionCreateParams): Pick<GenerateRequest, "tools" | "toolChoice" | "parallelToolCalls"> {
  const sent = tools?.map(({ type, function: { name, description, parameters } }) => ({
    type,
    function: {
      name,
      ...(typeof description === "string" && { description }),
      ...(parameters !== undefined && parameters !== null && { parameters: typeof parameters === "string" ? parameters : JSON.stringify(parameters) }),
    },
  }));
  return {
    ...(sent && sent.length > 0 && { tools: sent }),
    ...(tool_choice && { toolChoice: tool_choice }),
    ...(typeof parallel_tool_calls === "boolean" && { parallelToolCalls: parallel_tool_calls }),
  };
}
