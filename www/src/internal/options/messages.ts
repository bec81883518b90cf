/** Prompts, and the messages of a talk. */
import type { GenerateRequest, Message } from "../protocol.js";
import { listOf, U32, whole } from "./kinds.js";
import { CHAT } from "./openai-tables.js";
import { guarded, kindOf, refused } from "./refuse.js";

/** Messages as the engine reads them: `developer` is what newer clients call `system`, and the parts of a text make one. */
function readMessages(value: unknown, name: string): Message[] {
  return CHAT.table.messages.kind.read(value, name).map(({ role, content, tool_calls, annotations: _, ...rest }) => ({
    ...(rest as Pick<Message, "reasoning_content" | "tool_call_id" | "name">),
    role: role === "developer" ? "system" : role,
    content: typeof content === "string" ? content : (content ?? []).map(({ text }) => text).join(""),
    ...(tool_calls && tool_calls.length > 0 && { tool_calls: tool_calls.map((call) => ({ ...call, type: "function" as const })) }),
  }));
}

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
