import { BitNetError } from "../../public/errors.js";
import type { Clock, Tuning } from "./request.js";

/** A request that failed in a way that the next one may not; `waitMs` is what the server asked for. */
export class Fault extends Error {
  constructor(
    message: string,
    readonly waitMs = 0,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** There was no answer at all: perhaps a wrong address, or one that the page may not read. */
export class Unreachable extends Fault {}

/** Decides how often and how soon to try again. One for each thing that is tried. */
export class Patience {
  readonly #tuning: Tuning;
  readonly #unreachableTries: number;
  readonly #signal: AbortSignal;
  #failures = 0;

  constructor(tuning: Tuning, signal: AbortSignal, unreachableTries = tuning.tries) {
    this.#tuning = tuning;
    this.#unreachableTries = unreachableTries;
    this.#signal = signal;
  }

  /** Bytes came. */
  renew(): void {
    this.#failures = 0;
  }

  /** Resolves when it is time for the next try; throws what is no fault, and what has been tried often enough. */
  async after(error: unknown): Promise<void> {
    this.#signal.throwIfAborted();
    if (!(error instanceof Fault)) throw error;
    const { tries, backoffMs, mostBackoffMs, longestWaitMs } = this.#tuning;
    if (error.waitMs > longestWaitMs) {
      throw new BitNetError("network", `${error.message}; the server asks to wait ${String(Math.ceil(error.waitMs / 1000))} s: load again then, what has come is kept where there is a cache`, { cause: error.cause });
    }
    if (++this.#failures >= (error instanceof Unreachable ? this.#unreachableTries : tries)) {
      throw new BitNetError("network", `${error.message} (tried ${String(this.#failures)} times)`, { cause: error.cause });
    }
    // Spread, so that connections that failed together do not come back together.
    const backoff = Math.min(mostBackoffMs, backoffMs * 2 ** (this.#failures - 1)) * (0.5 + Math.random() / 2);
    await sleep(Math.max(backoff, error.waitMs), this.#tuning.clock, this.#signal);
  }
}

function sleep(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      takeBack();
      reject(signal.reason);
    };
    const takeBack = clock(ms, () => {
      signal.removeEventListener("abort", stop);
      resolve();
    });
    signal.addEventListener("abort", stop, { once: true });
  });
}
