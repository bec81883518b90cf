/** The model that a provider stands on: at hand, on its way, or loaded when it is first asked. */
import type { BitNet } from "../public/bitnet.js";
import { refused } from "../internal/options/refuse.js";
import { BitNetError } from "../public/errors.js";

/** What is asked of a model. */
export type Engine = Pick<BitNet, "info" | "chat" | "embed">;

/** A model, the promise of one, or a function that loads it, which is called when the model is first needed. */
export type GivenModel = Engine | PromiseLike<Engine> | (() => Engine | PromiseLike<Engine>);

const KNOWN = new WeakMap<GivenModel, ModelAtHand>();

/** The same for the same: a function that answers and vectors have in common loads one model for both. */
export function modelAtHand(given: GivenModel): ModelAtHand {
  const fits = typeof given === "function" || (typeof given === "object" && (given as GivenModel | null) !== null && ("chat" in given || "then" in given));
  if (!fits) throw refused("model", given, "a loaded BitNet, the promise of one, or a function that loads it");
  const model = KNOWN.get(given) ?? new ModelAtHand(given);
  KNOWN.set(given, model);
  return model;
}

export class ModelAtHand {
  readonly #given: GivenModel;
  #asked: Promise<Engine> | undefined;
  #engine: Engine | undefined;

  constructor(given: GivenModel) {
    this.#given = given;
    if (typeof given === "object" && "chat" in given) this.#engine = given;
  }

  /** As soon as it is known. */
  get name(): string | undefined {
    const { name, architecture } = this.#engine?.info ?? {};
    return name ?? architecture;
  }

  /** The first to ask makes it load; who gives up leaves it to those who wait. */
  async engine(signal: AbortSignal | undefined): Promise<Engine> {
    signal?.throwIfAborted();
    return this.#engine ?? given(this.#load(), signal);
  }

  /** A request to this engine failed: one that has gone is loaded again for the next, where a function was given. */
  failed(engine: Engine, error: unknown): void {
    // What an answer of the one before it comes to may be read late.
    if (typeof this.#given !== "function" || engine !== this.#engine || !(error instanceof BitNetError)) return;
    if (error.code === "disposed" || error.code === "worker-crashed") this.#forget();
  }

  #load(): Promise<Engine> {
    if (!this.#asked) {
      const asked = (async () => (typeof this.#given === "function" ? this.#given() : this.#given))();
      this.#asked = asked;
      asked.then(
        (engine) => {
          if (this.#asked === asked) this.#engine = engine;
        },
        () => {
          this.#forget();
        },
      );
    }
    return this.#asked;
  }

  #forget(): void {
    this.#asked = undefined;
    this.#engine = undefined;
  }
}

/** What is promised, unless the signal comes first. */
function given<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => {
      reject(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => {
      signal.removeEventListener("abort", abort);
    });
  });
}
