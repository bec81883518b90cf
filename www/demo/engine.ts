import type { BitNet, GenerateOptions, GenerationResult, Prompt, Stats } from "b158";

/** What writes: the model in this tab, or an engine elsewhere. */
export interface Engine {
  /** Tokens that prompt and answer may have together. */
  readonly contextLength: number;
  /** Of the whole context. */
  readonly kvCacheBytes: number;
  generate(prompt: Prompt, options: GenerateOptions): Writing;
  /** What it holds of this tab's memory. */
  stats(): Promise<Stats | undefined>;
}

/** A text that is being written. */
export interface Writing extends AsyncIterable<Piece> {
  result(): Promise<GenerationResult>;
  /** Ends it: iteration ends, and the result is what there is. */
  cancel(): void;
}

export interface Piece {
  readonly text: string;
  /** Since it was asked for. */
  readonly elapsedMs: number;
  /** Its last token has come with it; false for text that was held back. */
  readonly token: boolean;
}

/** The model of this tab. */
export class TabEngine implements Engine {
  readonly #model: BitNet;

  constructor(model: BitNet) {
    this.#model = model;
  }

  get contextLength(): number {
    return this.#model.info.contextLength;
  }

  get kvCacheBytes(): number {
    return this.#model.info.kvCacheBytes;
  }

  generate(prompt: Prompt, options: GenerateOptions): Writing {
    const generation = this.#model.generate(prompt, options);
    return {
      async *[Symbol.asyncIterator]() {
        for await (const { id, text, elapsedMs } of generation) yield { text, elapsedMs, token: id !== undefined };
      },
      result: () => generation.result(),
      cancel: () => {
        generation.cancel();
      },
    };
  }

  stats(): Promise<Stats> {
    return this.#model.stats();
  }
}
