import type { LoadProgress } from "../public/types.js";

const EVERY_MS = 100;
const WINDOW_MS = 3000;
/** A rate from less time than this says nothing. */
const RATE_AFTER_MS = 250;

/** Turns byte counts into progress events: not too many, with a rate over the last seconds, and never NaN. */
export class ProgressMeter {
  readonly #report: ((progress: LoadProgress) => void) | undefined;
  readonly #now: () => number;
  #phase: LoadProgress["phase"] | undefined;
  #reportedAt = -Infinity;
  #samples: { at: number; loaded: number }[] = [];

  constructor(report: ((progress: LoadProgress) => void) | undefined, now = () => performance.now()) {
    this.#report = report;
    this.#now = now;
  }

  update(phase: LoadProgress["phase"], loaded: number, total: number | undefined, origin: Pick<LoadProgress, "cached" | "part"> = { cached: false }): void {
    const at = this.#now();
    const complete = loaded === total;
    if (phase !== this.#phase) {
      this.#phase = phase;
      this.#samples = [];
    } else if (!complete && at - this.#reportedAt < EVERY_MS) {
      return;
    }
    this.#reportedAt = at;
    this.#samples.push({ at, loaded });
    while (this.#samples.length > 2 && at - (this.#samples[0]?.at ?? at) > WINDOW_MS) this.#samples.shift();
    this.#report?.({ ...this.#describe(phase, loaded, total, at), ...origin });
  }

  #describe(phase: LoadProgress["phase"], loaded: number, total: number | undefined, at: number): Omit<LoadProgress, "cached"> {
    const first = this.#samples[0];
    const ms = first ? at - first.at : 0;
    const rate = first && ms >= RATE_AFTER_MS ? ((loaded - first.loaded) / ms) * 1000 : undefined;
    // A length that has been passed was wrong.
    const known = total !== undefined && total > 0 && loaded <= total ? total : undefined;
    return {
      phase,
      loaded,
      ...(known !== undefined && { total: known, fraction: loaded / known }),
      ...(rate !== undefined && { bytesPerSecond: rate }),
      ...(rate !== undefined && rate > 0 && known !== undefined && { secondsLeft: (known - loaded) / rate }),
    };
  }
}
