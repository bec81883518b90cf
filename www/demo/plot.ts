import { Curve } from "./curve.js";
import { setText } from "./dom.js";
import * as format from "./format.js";

/** A speed is the mean over this many tokens, since a single one is mostly noise. */
const OVER = 8;
/** And over this time: tokens that are certain come several at once. */
const OVER_MS = 4;
const MOST_POINTS = 120;

interface Point {
  /** Tokens said up to here. */
  readonly token: number;
  readonly perSecond: number;
  readonly ms: number;
}

/** Speed and time per token over the text, from the times the worker gave the tokens. It can be walked along, by mouse, touch and arrow keys. */
export class SpeedPlot {
  readonly #host: HTMLElement;
  readonly #speed: Curve;
  readonly #time: Curve;
  #times: number[] = [];
  #points: Point[] = [];
  #picked: number | undefined;

  constructor(host: HTMLElement) {
    this.#host = host;
    this.#speed = new Curve(host, "speed", "tokens/s");
    this.#time = new Curve(host, "time", "ms per token");
    new ResizeObserver(() => {
      this.draw();
    }).observe(host);
    for (const event of ["pointermove", "pointerdown"] as const) {
      host.addEventListener(event, ({ clientX }) => {
        this.#pick(Math.round(this.#speed.share(clientX) * (this.#points.length - 1)));
      });
    }
    host.addEventListener("pointerleave", () => {
      if (!host.matches(":focus-visible")) this.#pick(undefined);
    });
    host.addEventListener("blur", () => {
      this.#pick(undefined);
    });
    host.addEventListener("focus", () => {
      if (host.matches(":focus-visible")) this.#pick(this.#picked ?? this.#points.length - 1);
    });
    host.addEventListener("keydown", (event) => {
      const last = this.#points.length - 1;
      const at = this.#picked ?? last;
      const to = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageDown: at - 10, PageUp: at + 10, Home: 0, End: last }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.#pick(to);
    });
    this.#pick(undefined);
  }

  clear(): void {
    this.#times = [];
    this.#pick(undefined);
    this.draw();
  }

  add(elapsedMs: number): void {
    this.#times.push(elapsedMs);
  }

  /** Tokens a second over the last second (or over what there is). */
  get now(): number | undefined {
    const last = this.#times.at(-1);
    if (last === undefined) return undefined;
    let first = this.#times.length - 1;
    while (first > 0 && last - (this.#times[first - 1] ?? last) <= 1000) first--;
    return perSecond(this.#times, first, this.#times.length - 1);
  }

  draw(): void {
    this.#points = points(this.#times);
    const tokens = this.#points.map(({ token }) => token);
    this.#speed.draw(
      tokens,
      this.#points.map((point) => point.perSecond),
    );
    this.#time.draw(
      tokens,
      this.#points.map((point) => point.ms),
    );
    this.#host.setAttribute("aria-valuemax", String(Math.max(1, this.#points.length)));
    this.#pick(this.#picked);
  }

  #pick(index: number | undefined): void {
    const last = this.#points.length - 1;
    this.#picked = index === undefined || last < 0 ? undefined : Math.min(last, Math.max(0, index));
    for (const curve of [this.#speed, this.#time]) curve.pick(this.#picked);
    const at = this.#picked ?? last;
    const point = this.#points[at];
    const text = point ? `Token ${format.count(point.token)}: ${format.rate(point.perSecond)} tokens/s, ${format.milliseconds(point.ms)}` : "Nothing yet";
    setText("plot-readout", this.#picked === undefined ? "" : text);
    this.#host.setAttribute("aria-valuenow", String(Math.max(0, at + 1)));
    this.#host.setAttribute("aria-valuetext", text);
  }
}

function points(times: readonly number[]): Point[] {
  const made: Point[] = [];
  const stride = Math.max(1, Math.ceil(times.length / MOST_POINTS));
  // The first tokens of a long text say little; of a short one they are all there is.
  for (let end = Math.max(1, Math.min(OVER, Math.floor(times.length / 4))); end < times.length; end += stride) {
    let from = Math.max(0, end - Math.max(OVER, stride));
    while (from > 0 && (times[end] ?? 0) - (times[from] ?? 0) < OVER_MS) from--;
    const speed = perSecond(times, from, end);
    const first = Math.max(0, end - stride);
    if (speed !== undefined) made.push({ token: end + 1, perSecond: speed, ms: ((times[end] ?? 0) - (times[first] ?? 0)) / (end - first) });
  }
  return made;
}

function perSecond(times: readonly number[], first: number, last: number): number | undefined {
  const ms = (times[last] ?? 0) - (times[first] ?? 0);
  return ms > 0 ? ((last - first) / ms) * 1000 : undefined;
}
