/** Tools, and how they are called, in OpenAI's shape. */
import type { ChatCompletionCreateParams } from "../../public/chat.js";
import type { GenerateRequest } from "../protocol.js";

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
