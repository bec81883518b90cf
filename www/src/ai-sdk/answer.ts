/** Chunks of a chat completion become the parts of the SDK's answers. */
import type { ChatCompletionChunk, ChatCompletionFinishReason, CompletionUsage } from "../public/chat.js";
import type { FinishReason, GenerateResult, JsonObject, ProviderMetadata, ResponseMetadata, StreamPart, Usage } from "./specification.js";

export type Finish = Omit<Extract<StreamPart, { type: "finish" }>, "type">;

export const UNKNOWN_USAGE: Usage = {
  inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: undefined, text: undefined, reasoning: undefined },
};

interface Asked {
  /** The tool whose arguments are the text of the answer. */
  readonly answerTool?: string | undefined;
  readonly raw: boolean;
  readonly seed: number;
}

/** What is being said: begun, and not ended yet. */
type Open = { readonly type: "text" | "reasoning"; readonly id: string; readonly asTool?: boolean } | { readonly type: "tool"; readonly id: string; readonly toolName: string; input: string };

export async function* partsOf(chunks: AsyncIterable<ChatCompletionChunk>, { answerTool, raw, seed }: Asked): AsyncGenerator<StreamPart, void, void> {
  let open: Open | undefined;
  let blocks = 0;
  let answered = false;
  let calls = 0;
  let told = false;
  let reason: ChatCompletionFinishReason = "stop";
  let usage = UNKNOWN_USAGE;
  let metadata: ProviderMetadata = { b158: { seed } };

  function* begin(type: "text" | "reasoning", asTool = false): Generator<StreamPart> {
    if (open?.type === type && !asTool) return;
    yield* end();
    open = { type, id: String(blocks++), asTool };
    yield { type: `${type}-start`, id: open.id };
  }
  function* end(cut = false): Generator<StreamPart> {
    if (!open) return;
    const { id } = open;
    if (open.type === "tool") {
      yield { type: "tool-input-end", id };
      // One that was cut before its arguments would be taken for one without any.
      if (!cut || open.input !== "") yield { type: "tool-call", toolCallId: id, toolName: open.toolName, input: open.input };
    } else {
      yield { type: `${open.type}-end`, id };
    }
    open = undefined;
  }

  for await (const chunk of chunks) {
    if (raw) yield { type: "raw", rawValue: chunk };
    if (!told) yield { type: "response-metadata", ...metadataOf(chunk) };
    told = true;
    if (chunk.usage) usage = usageOf(chunk.usage);
    if (chunk.timings) metadata = { b158: { seed, timings: { ...chunk.timings } as unknown as JsonObject } };
    for (const { delta, finish_reason } of chunk.choices) {
      if (delta.reasoning_content) {
        yield* begin("reasoning");
        if (open) yield { type: "reasoning-delta", id: open.id, delta: delta.reasoning_content };
      }
      if (delta.content) {
        yield* begin("text");
        if (open) yield { type: "text-delta", id: open.id, delta: delta.content };
      }
      for (const { id, function: called } of delta.tool_calls ?? []) {
        if (id !== undefined && called.name !== undefined && called.name === answerTool) {
          answered = true;
          yield* begin("text", true);
        } else if (id !== undefined && called.name !== undefined) {
          yield* end();
          calls++;
          open = { type: "tool", id, toolName: called.name, input: "" };
          yield { type: "tool-input-start", id, toolName: called.name };
        }
        if (called.arguments === "" || !open) continue;
        if (open.type === "tool") {
          open.input += called.arguments;
          yield { type: "tool-input-delta", id: open.id, delta: called.arguments };
        } else {
          yield { type: "text-delta", id: open.id, delta: called.arguments };
        }
      }
      reason = finish_reason ?? reason;
    }
  }
  yield* end(reason === "length");
  yield { type: "finish", finishReason: reasonOf(reason, answered && calls === 0), usage, providerMetadata: metadata };
}

function metadataOf({ id, created, model }: ChatCompletionChunk): ResponseMetadata {
  return { id, timestamp: new Date(created * 1000), modelId: model };
}

function reasonOf(raw: ChatCompletionFinishReason, answeredByTool: boolean): FinishReason {
  if (raw !== "tool_calls") return { unified: raw, raw };
  return { unified: answeredByTool ? "stop" : "tool-calls", raw };
}

/** How many of the tokens were thoughts, the engine does not tell. */
function usageOf(usage: CompletionUsage): Usage {
  const { prompt_tokens: total, completion_tokens, prompt_tokens_details } = usage;
  const cached = prompt_tokens_details.cached_tokens;
  return {
    inputTokens: { total, noCache: total - cached, cacheRead: cached, cacheWrite: undefined },
    outputTokens: { total: completion_tokens, text: undefined, reasoning: undefined },
    raw: { ...usage, prompt_tokens_details: { ...prompt_tokens_details } },
  };
}

/** The whole answer that the parts come to. */
export async function wholeOf(parts: AsyncIterable<StreamPart>): Promise<Pick<GenerateResult, "content" | "response"> & Finish> {
  const content: GenerateResult["content"] = [];
  let response: ResponseMetadata | undefined;
  let finish: Finish | undefined;
  for await (const part of parts) {
    switch (part.type) {
      case "response-metadata": {
        const { type: _, ...rest } = part;
        response = rest;
        break;
      }
      case "text-start":
      case "reasoning-start":
        content.push({ type: part.type === "text-start" ? "text" : "reasoning", text: "" });
        break;
      case "text-delta":
      case "reasoning-delta": {
        const last = content.at(-1);
        if (last && last.type !== "tool-call") last.text += part.delta;
        break;
      }
      case "tool-call":
        content.push(part);
        break;
      case "finish": {
        const { type: _, ...rest } = part;
        finish = rest;
      }
    }
  }
  if (!response || !finish) throw new Error("b158/ai-sdk: the answer has no beginning or no end");
  return { content, response, ...finish };
}
