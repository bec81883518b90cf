// Kept in the declarations: a program whose own `lib` lacks it compiles all the same.
/// <reference lib="esnext.disposable" preserve="true" />
import { Completions } from "../internal/chat-completions.js";
import type { Connection } from "../internal/connection.js";
import { embed, embedRead, OpenAIShaped } from "../internal/embeddings.js";
import { estimateModel } from "../internal/estimate.js";
import { type Loaded, loadModel } from "../internal/load.js";
import { text as textKind } from "../internal/options/kinds.js";
import { readIds } from "../internal/options/messages.js";
import { readOptions } from "../internal/options/read.js";
import { SESSION, TOKENIZE } from "../internal/options/tables.js";
import { OWN_SESSION } from "../internal/protocol.js";
import { WorkerSession } from "../internal/session.js";
import { verify } from "../internal/verify.js";
import type { ChatCompletions } from "./chat.js";
import type { OpenAIEmbeddings } from "./embeddings.js";
import { BitNetError } from "./errors.js";
import type { EmbedInput, EmbedOptions, Embeddings, Estimate, EstimateOptions, GenerateOptions, Generation, LoadOptions, ModelInfo, ModelSource, Prompt, Roofline, Session, SessionOptions, Stats, TokenizeOptions } from "./types.js";
import type { VerifyOptions, VerifyReport } from "./verify.js";

/**
 * A loaded model in a worker of its own.
 *
 * Generations run one after the other, those of all sessions: a `generate()` while another runs waits for its turn.
 * `tokenize`, `detokenize`, `stats` and `session` are answered in between, also during a generation.
 */
export class BitNet {
  /** The same in the shape of OpenAI's API: `chat.completions.create({ messages })`. */
  readonly chat: { readonly completions: ChatCompletions };
  /** {@link BitNet.embed} in the shape of OpenAI's API: `embeddings.create({ input })`. */
  readonly embeddings: OpenAIEmbeddings;
  readonly #loaded: Loaded;
  readonly #connection: Connection;
  readonly #own: WorkerSession;

  private constructor(loaded: Loaded) {
    const { connection, info } = loaded;
    this.#loaded = loaded;
    this.#connection = connection;
    this.#own = new WorkerSession(connection, OWN_SESSION);
    this.embeddings = new OpenAIShaped((inputs, given) => embedRead(connection, inputs, given), info.name ?? info.architecture);
    this.chat = { completions: new Completions((prompt, options, asked) => this.#own.generate(prompt, options, asked), info.name ?? info.architecture) };
  }

  /**
   * Loads a GGUF file, or a checkpoint from its folder. It is read and repacked while it arrives, so that the memory needed is the packed model
   * and a few megabytes (and, of a checkpoint, its largest matrix), never a second copy of the file.
   *
   * @throws BitNetError with a `code`, or the reason of `options.signal`.
   */
  static async load(source: ModelSource, options: LoadOptions = {}): Promise<BitNet> {
    return new BitNet(await loadModel(source, options));
  }

  /** What was loaded, and how it runs. Of a `shared` model it tells of the tab that holds the engine. */
  get info(): ModelInfo {
    return this.#loaded.info;
  }

  /**
   * What loading would need, from the header alone: some megabytes of an address (a request for a range, which ends as soon as the header is
   * whole) or of a file; a stream or `Response` is read so far and ended. A ready `worker` is terminated afterwards.
   *
   * @throws BitNetError where the header is not one that `load` would take, or the reason of `options.signal`.
   */
  static estimate(source: ModelSource, options: EstimateOptions = {}): Promise<Estimate> {
    return estimateModel(source, options);
  }

  /** Begins at once (or when those before it have ended), and streams the answer. Never throws: iteration and `result()` do. */
  generate(prompt: Prompt, options: GenerateOptions = {}): Generation {
    return this.#own.generate(prompt, options);
  }

  /**
   * A vector of each text, of length 1: what its last token knows at the end of the model. Texts that mean the same point the same way,
   * with a model that was trained for it; with any other `notes` says so. Waits for the generations before it, and leaves all sessions as
   * they are. An empty array and more tokens than the context has are errors.
   */
  embed(texts: EmbedInput | readonly EmbedInput[], options: EmbedOptions = {}): Promise<Embeddings> {
    return embed(this.#connection, texts, options);
  }

  /** Opens a session with a KV cache of its own, beside the one that `generate` of the model uses. */
  async session(options: SessionOptions = {}): Promise<Session> {
    readOptions(SESSION, options);
    return new WorkerSession(this.#connection, await this.#connection.call("openSession"));
  }

  /** Ids of a text, without the begin-of-text token that `generate` puts before a text prompt. */
  async tokenize(text: string, options: TokenizeOptions = {}): Promise<Uint32Array> {
    const { parseSpecial = false } = readOptions(TOKENIZE, options);
    return this.#connection.call("tokenize", { text: textKind.read(text, "text"), parseSpecial });
  }

  /** The text of ids; special tokens by their names. */
  async detokenize(ids: Uint32Array | readonly number[]): Promise<string> {
    return this.#connection.call("detokenize", { ids: readIds(ids) });
  }

  /** Forgets the model's own KV cache once the generations before it have ended. Never needed for right results: only the part that still fits is reused. */
  reset(): Promise<void> {
    return this.#own.reset();
  }

  /**
   * Asks ten prompts, greedy, and tells whether the answers are text, loops or word salad; the same report as `b158 verify` of the
   * native program, so that two machines compare.
   */
  verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    return verify(this.#own, this.#connection, options);
  }

  /** Memory now, of a `shared` engine that of all tabs, and the timings of the last generation of this model that ended. */
  async stats(): Promise<Stats> {
    const memory = await this.#connection.call("memory");
    const timings = this.#connection.lastTimings;
    return { ...memory, ...(timings && { timings }) };
  }

  /**
   * What this machine allows, for comparison with the speed of generations: takes some tenths of a second after those before it,
   * in which nothing else is answered.
   */
  roofline(): Promise<Roofline> {
    return this.#connection.call("roofline");
  }

  /**
   * Ends the worker and frees all its memory. What is under way rejects with the code `disposed`. Of a `shared` model another tab takes over, if
   * there is one.
   */
  dispose(): Promise<void> {
    this.#connection.close(new BitNetError("disposed", "the model has been disposed of; load it again"));
    return Promise.resolve();
  }

  /** `await using model = await BitNet.load(…)` disposes of it at the end of the block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
