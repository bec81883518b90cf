/** What comes of an engine's answer as it streams: loaded with the first that is asked for, since most pages have no engine. */
import type { ChatCompletionChunk, GenerationResult } from "b158";
import { EventSourceParserStream } from "eventsource-parser/stream";
import { EngineError } from "./served-engine.js";

/** A chunk of either kind, or what went wrong in the middle. */
type Chunk = Omit<ChatCompletionChunk, "choices"> & {
  choices: readonly { delta?: ChatCompletionChunk["choices"][number]["delta"]; text?: string; finish_reason: string | null }[];
  error?: { message: string };
};

export async function* chunksOf(response: Response): AsyncGenerator<Chunk, void> {
  if (!response.body) return;
  const events = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await events.read();
      if (done || value.data === "[DONE]") return;
      yield JSON.parse(value.data) as Chunk;
    }
  } catch (cause) {
    throw cause instanceof TypeError ? new EngineError("cut", "the answer broke off: the engine has been stopped, or the way to it is gone", { cause }) : cause;
  } finally {
    await events.cancel().catch(() => undefined);
  }
}

/** The text as the model has it: OpenAI's API tells thoughts from words by the field. */
export class Words {
  #thinks = false;

  of({ delta, text }: Chunk["choices"][number]): string {
    const thought = delta?.reasoning_content ?? "";
    const said = text ?? delta?.content ?? "";
    const begins = thought !== "" && !this.#thinks ? "<think>" : "";
    const ends = said !== "" && this.#thinks ? "</think>" : "";
    if (begins !== "") this.#thinks = true;
    if (ends !== "") this.#thinks = false;
    return begins + thought + ends + said;
  }
}

/** What an answer comes to. */
export class Tally {
  ended = false;
  #text = "";
  #tokens = 0;
  #first = 0;
  #last = 0;
  #reason: GenerationResult["finishReason"] = "cancelled";
  #usage: GenerationResult["usage"] | undefined;
  #timings: GenerationResult["timings"] | undefined;

  take({ choices: [choice], usage, timings }: Chunk): void {
    if (timings) this.#timings = timings;
    if (usage) {
      const { prompt_tokens, completion_tokens, prompt_tokens_details } = usage;
      this.#usage = { promptTokens: prompt_tokens, completionTokens: completion_tokens, cachedTokens: prompt_tokens_details.cached_tokens };
    }
    if (choice?.finish_reason == null) return;
    this.ended = true;
    this.#reason = choice.finish_reason === "length" ? "length" : "stop";
  }

  piece(text: string, elapsedMs: number, token: boolean): void {
    this.#text += text;
    if (!token) return;
    this.#tokens++;
    this.#first ||= elapsedMs;
    this.#last = elapsedMs;
  }

  /** As the engine has it, or where it was stopped as seen from here. */
  get result(): GenerationResult {
    const decodeMs = this.#last - this.#first;
    return {
      text: this.#text,
      finishReason: this.#reason,
      usage: this.#usage ?? { promptTokens: 0, cachedTokens: 0, completionTokens: this.#tokens },
      timings: this.#timings ?? {
        prefillMs: 0,
        decodeMs,
        timeToFirstTokenMs: this.#first,
        prefillTokensPerSecond: 0,
        decodeTokensPerSecond: decodeMs > 0 ? ((this.#tokens - 1) / decodeMs) * 1000 : 0,
        decodeThreads: 0,
      },
    };
  }
}
