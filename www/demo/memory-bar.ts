import type { Stats } from "b158";
import { byId, setText, svg } from "./dom.js";
import * as format from "./format.js";

/** In per mille of the bar's width. */
const WHOLE = 1000;

/** What the engine's memory holds. */
export class MemoryBar {
  readonly #weights = svg("rect", { class: "minus", height: 8 });
  readonly #kv = svg("rect", { class: "plus", height: 8 });
  /** Of the whole context. */
  kvCacheBytes = 0;

  constructor() {
    const bar = svg("svg", { viewBox: `0 0 ${String(WHOLE)} 8`, preserveAspectRatio: "none", "aria-hidden": "true" });
    bar.append(svg("rect", { class: "zero", width: WHOLE, height: 8 }), this.#weights, this.#kv);
    byId("memory-bar").append(bar);
  }

  show(stats: Stats | undefined): void {
    setText("memory", stats ? format.bytes(stats.wasmBytes) : "–");
    setText("weights", stats ? format.bytes(stats.weightBytes) : "–");
    setText("kv", stats ? `${format.bytes(stats.kvCacheBytes)} of ${format.bytes(this.kvCacheBytes)}` : "–");
    const share = (bytes: number) => (stats && stats.wasmBytes > 0 ? Math.min(WHOLE, Math.round((bytes / stats.wasmBytes) * WHOLE)) : 0);
    const weights = share(stats?.weightBytes ?? 0);
    this.#weights.setAttribute("width", String(weights));
    this.#kv.setAttribute("x", String(weights));
    this.#kv.setAttribute("width", String(Math.min(WHOLE - weights, share(stats?.kvCacheBytes ?? 0))));
  }
}
