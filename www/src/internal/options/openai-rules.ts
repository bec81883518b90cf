/** What fields of OpenAI's requests have to do with each other: `Rule` in src/openai says the same in Rust. */
import type { ChatCompletionMessageParam, ChatCompletionResponseFormat, ChatCompletionToolChoice } from "../../public/chat.js";
import type { Rule } from "./read.js";
import { refused } from "./refuse.js";

/** A choice of a tool by its name. */
export type NamedTool = Exclude<ChatCompletionToolChoice, string>;

export type JsonSchemaField = Extract<ChatCompletionResponseFormat, { type: "json_schema" }>["json_schema"];

/** A form's fields, whichever go together. */
export interface ResponseFormatFields {
  type: ChatCompletionResponseFormat["type"];
  json_schema?: JsonSchemaField;
}

export const messageRule: Rule<ChatCompletionMessageParam> = ({ table }, read, given, name) => {
  const { role, tool_calls, tool_call_id } = read;
  const called = tool_calls !== undefined && tool_calls !== null && tool_calls.length > 0;
  const ofTool = role === "tool";
  if (read.content === undefined && !called) throw refused(`${name}.content`, given.content, table.content.kind.what);
  if (called && role !== "assistant") throw refused(`${name}.tool_calls`, tool_calls, "left out: only an assistant calls tools");
  if (ofTool && tool_call_id === undefined) throw refused(`${name}.tool_call_id`, given.tool_call_id, "the id of the call that this tool's message answers");
  if (!ofTool && tool_call_id !== undefined) throw refused(`${name}.tool_call_id`, tool_call_id, 'left out: only a message of the role "tool" has it');
  if (!ofTool && read.name !== undefined) throw refused(`${name}.name`, read.name, "left out: templates know roles alone; write the name into the content");
  return read;
};

export const responseFormatRule: Rule<ResponseFormatFields, ChatCompletionResponseFormat> = ({ table }, { type, json_schema }, given, name) => {
  if (type === "json_schema") {
    if (!json_schema) throw refused(`${name}.json_schema`, given.json_schema, table.json_schema.kind.what);
    return { type, json_schema };
  }
  if (json_schema) throw refused(`${name}.json_schema`, json_schema, `left out where type is ${JSON.stringify(type)}`);
  return { type };
};
