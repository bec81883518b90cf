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
type Open = { readonly type: "text" | "reasoning"; readonly id: string } | { readonly type: "tool"; readonly id: string; readonly toolName: string; input: string };

/** Blocks of an answer, each of which ends where the next begins. */
class Blocks {
  #open: Open | undefined;
  #begun = 0;

  *begin(type: "text" | "reasoning"): Generator<StreamPart, string> {
    yield* this.end();
    const id = String(this.#begun++);
    this.#open = { type, id };
    yield { type: `${type}-start`, id };
    return id;
  }

  *say(type: "text" | "reasoning", delta: string): Generator<StreamPart, void> {
    const id = this.#open?.type === type ? this.#open.id : yield* this.begin(type);
    yield { type: `${type}-delta`, id, delta };
  }

  *call(id: string, toolName: string): Generator<StreamPart, void> {
    yield* this.end();
    this.#open = { type: "tool", id, toolName, input: "" };
    yield { type: "tool-input-start", id, toolName };
  }

  /** Of the call that has begun, or of the answer that is one. */
  *input(delta: string): Generator<StreamPart, void> {
    if (this.#open?.type !== "tool") return yield* this.say("text", delta);
    this.#open.input += delta;
    yield { type: "tool-input-delta", id: this.#open.id, delta };
  }

  *end(cut = false): Generator<StreamPart, void> {
    if (!this.#open) return;
    const { id } = this.#open;
    if (this.#open.type === "tool") {
      const { toolName, input } = this.#open;
      yield { type: "tool-input-end", id };
      // One that was cut before its arguments would be taken for one without any.
      if (!cut || input !== "") yield { type: "tool-call", toolCallId: id, toolName, input };
    } else {
      yield { type: `${this.#open.type}-end`, id };
    }
  }
}

export async function* partsOf(chunks: AsyncIterable<ChatCompletionChunk>, { answerTool, raw, seed }: Asked): AsyncGenerator<StreamPart, void, void> {
  const blocks = new Blocks();
  let told = false;
  let answered = false;
  let reason: ChatCompletionFinishReason = "stop";
  let usage = UNKNOWN_USAGE;
  let metadata: ProviderMetadata = { b158: { seed } };
  for await (const chunk of chunks) {
    if (raw) yield { type: "raw", rawValue: chunk };
    if (!told) yield { type: "response-metadata", ...metadataOf(chunk) };
    told = true;
    if (chunk.usage) usage = usageOf(chunk.usage);
    if (chunk.timings) metadata = { b158: { seed, timings: { ...chunk.timings } as unknown as JsonObject } };
    for (const { delta, finish_reason } of chunk.choices) {
      if (delta.reasoning_content) yield* blocks.say("reasoning", delta.reasoning_content);
      if (delta.content) yield* blocks.say("text", delta.content);
      for (const { id, function: called } of delta.tool_calls ?? []) {
        if (id !== undefined && called.name !== undefined) {
          answered = called.name === answerTool;
          yield* answered ? blocks.begin("text") : blocks.call(id, called.name);
        }
        if (called.arguments !== "") yield* blocks.input(called.arguments);
      }
      reason = finish_reason ?? reason;
    }
  }
  yield* blocks.end(reason === "length");
  yield { type: "finish", finishReason: reasonOf(reason, answered), usage, providerMetadata: metadata };
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
