import { svg } from "./dom.js";
import * as format from "./format.js";

const WIDTH = 280;
const HEIGHT = 72;
const TOP = 8;
/** A point is the mean over this many tokens, since a single one is mostly noise. */
const OVER = 8;
const MOST_POINTS = 140;

/** Tokens a second over the text, from the times the worker gave the tokens. */
export class SpeedPlot {
  readonly #host: SVGSVGElement;
  readonly #area = svg("path", { class: "area" });
  readonly #line = svg("path", { class: "line", "vector-effect": "non-scaling-stroke" });
  #times: number[] = [];

  constructor(host: SVGSVGElement) {
    this.#host = host;
    const base = svg("path", { class: "base", d: `M0 ${String(HEIGHT - 0.5)}H${String(WIDTH)}`, "vector-effect": "non-scaling-stroke" });
    host.replaceChildren(base, this.#area, this.#line);
  }

  clear(): void {
    this.#times = [];
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
    return speed(this.#times, first, this.#times.length - 1);
  }

  draw(): void {
    const speeds: number[] = [];
    const stride = Math.max(1, Math.ceil(this.#times.length / MOST_POINTS));
    for (let end = Math.max(1, Math.min(OVER, this.#times.length - 1)); end < this.#times.length; end += stride) {
      const value = speed(this.#times, Math.max(0, end - Math.max(OVER, stride)), end);
      if (value !== undefined) speeds.push(value);
    }
    if (speeds.length < 2) {
      this.#area.setAttribute("d", "");
      this.#line.setAttribute("d", "");
      this.#host.setAttribute("aria-label", "Tokens a second over the text: nothing yet");
      return;
    }
    const most = Math.max(...speeds);
    const points = speeds.map((value, index) => {
      const x = (index / (speeds.length - 1)) * WIDTH;
      const y = HEIGHT - (value / most) * (HEIGHT - TOP);
      return `${x.toFixed(1)} ${y.toFixed(1)}`;
    });
    this.#line.setAttribute("d", `M${points.join("L")}`);
    this.#area.setAttribute("d", `M0 ${String(HEIGHT)}L${points.join("L")}L${String(WIDTH)} ${String(HEIGHT)}Z`);
    const least = Math.min(...speeds);
    this.#host.setAttribute("aria-label", `Tokens a second over the text: between ${format.rate(least)} and ${format.rate(most)}`);
  }
}

function speed(times: readonly number[], first: number, last: number): number | undefined {
  const ms = (times[last] ?? 0) - (times[first] ?? 0);
  return ms > 0 ? ((last - first) / ms) * 1000 : undefined;
}
