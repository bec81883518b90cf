import { element, svg } from "./dom.js";
import * as format from "./format.js";

const HEIGHT = 86;
const TOP = 10;
const RIGHT = 6;
const BOTTOM = 16;
const LEFT = 34;

/** A value over the tokens of a text, from 0 to a round number. */
export class Curve {
  readonly #host: HTMLElement;
  readonly #chart = svg("svg", { height: HEIGHT, "aria-hidden": "true" });
  readonly #axes = svg("g", { class: "axes" });
  readonly #area = svg("path", { class: "area" });
  readonly #line = svg("path", { class: "line" });
  readonly #cursor = svg("path", { class: "cursor" });
  readonly #dot = svg("circle", { class: "dot", r: 3.5 });
  #tokens: readonly number[] = [];
  #values: readonly number[] = [];

  constructor(host: HTMLElement, name: string, what: string) {
    this.#host = host;
    this.#chart.dataset["testid"] = `plot-${name}`;
    this.#chart.append(this.#axes, this.#area, this.#line, this.#cursor, this.#dot);
    host.append(element("div", `curve ${name}`, element("span", "what", what), this.#chart));
    this.pick(undefined);
  }

  /** The value that stands after so many tokens. */
  draw(tokens: readonly number[], values: readonly number[]): void {
    this.#tokens = tokens;
    this.#values = values;
    const width = this.#host.clientWidth;
    this.#chart.setAttribute("width", String(width));
    this.#drawAxes(width);
    const points = values.map((value, i) => `${this.#x(tokens[i] ?? 0).toFixed(1)} ${this.#y(value).toFixed(1)}`);
    const drawn = points.length > 1;
    this.#line.setAttribute("d", drawn ? `M${points.join("L")}` : "");
    const base = HEIGHT - BOTTOM;
    const [from, to] = [this.#x(tokens[0] ?? 0), this.#x(tokens.at(-1) ?? 0)].map((x) => x.toFixed(1));
    this.#area.setAttribute("d", drawn ? `M${String(from)} ${String(base)}L${points.join("L")}L${String(to)} ${String(base)}Z` : "");
  }

  /** Marks one of the values. */
  pick(index: number | undefined): void {
    const value = index === undefined ? undefined : this.#values[index];
    const shown = index !== undefined && value !== undefined;
    for (const mark of [this.#cursor, this.#dot]) mark.toggleAttribute("hidden", !shown);
    if (!shown) return;
    const x = this.#x(this.#tokens[index] ?? 0);
    this.#cursor.setAttribute("d", `M${x.toFixed(1)} ${String(TOP)}V${String(HEIGHT - BOTTOM)}`);
    this.#dot.setAttribute("cx", x.toFixed(1));
    this.#dot.setAttribute("cy", this.#y(value).toFixed(1));
  }

  /** The token below this place of the chart, as a share of all. */
  share(clientX: number): number {
    const { left, width } = this.#chart.getBoundingClientRect();
    return (clientX - left - LEFT) / Math.max(1, width - LEFT - RIGHT);
  }

  #drawAxes(width: number): void {
    const most = this.#most;
    const last = this.#tokens.at(-1);
    const base = HEIGHT - BOTTOM;
    const ticks = this.#values.length > 1 ? [0, most / 2, most] : [0];
    const drawn: SVGElement[] = ticks.flatMap((tick) => {
      const y = this.#y(tick);
      return [svg("path", { d: `M${String(LEFT)} ${y.toFixed(1)}H${String(width - RIGHT)}` }), label(LEFT - 5, y + 3.5, "end", format.rate(tick))];
    });
    if (last !== undefined && this.#values.length > 1) drawn.push(label(LEFT, base + 12, "start", "1"), label(width - RIGHT, base + 12, "end", `${format.count(last)} tokens`));
    this.#axes.replaceChildren(...drawn);
  }

  get #most(): number {
    return roundUp(Math.max(0, ...this.#values));
  }

  #x(token: number): number {
    const last = this.#tokens.at(-1) ?? 1;
    const inner = (Number(this.#chart.getAttribute("width")) || 0) - LEFT - RIGHT;
    return LEFT + ((token - 1) / Math.max(1, last - 1)) * inner;
  }

  #y(value: number): number {
    return HEIGHT - BOTTOM - (value / this.#most) * (HEIGHT - BOTTOM - TOP);
  }
}

/** The next number of the kind 1, 2, 4, 6, 8 or 10. */
function roundUp(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 6, 8].find((step) => value <= step * power) ?? 10) * power;
}

function label(x: number, y: number, anchor: string, text: string): SVGTextElement {
  const made = svg("text", { x, y, "text-anchor": anchor });
  made.textContent = text;
  return made;
}
