import { svg } from "./dom.js";

const CELL = 12;

/** A weave of −, 0 and + that is inked from left to right: a progress bar of the stuff the model is made of. */
export class Band {
  readonly #host: HTMLElement;
  readonly #rows: number;
  readonly #clip = svg("rect", { x: 0, y: 0, width: 0, height: "100%" });
  readonly #weave: SVGSVGElement;
  #columns = 0;
  #fraction: number | undefined = 0;

  constructor(host: HTMLElement, rows: number) {
    this.#host = host;
    this.#rows = rows;
    const id = `${host.id}-clip`;
    this.#weave = svg("svg", { height: rows * CELL, "aria-hidden": "true" });
    const clipPath = svg("clipPath", { id });
    clipPath.append(this.#clip);
    const inked = svg("g", { class: "inked", "clip-path": `url(#${id})` });
    this.#weave.append(clipPath, svg("g", { class: "bare" }), inked);
    for (const group of this.#weave.querySelectorAll("g")) {
      for (const name of ["minus", "zero", "plus"]) group.append(svg("path", { class: name }));
    }
    host.append(this.#weave);
    new ResizeObserver(() => {
      this.#layOut();
    }).observe(host);
  }

  /** 0 to 1; undefined while nobody knows how far it is. */
  set(fraction: number | undefined): void {
    this.#fraction = fraction;
    this.#host.classList.toggle("unknown", fraction === undefined);
    if (this.#host.role === "progressbar") {
      if (fraction === undefined) this.#host.removeAttribute("aria-valuenow");
      else this.#host.setAttribute("aria-valuenow", String(Math.round(fraction * 100)));
    }
    this.#ink();
  }

  #ink(): void {
    const inkedColumns = this.#fraction === undefined ? this.#columns : Math.ceil(this.#fraction * this.#columns);
    this.#clip.setAttribute("width", String(inkedColumns * CELL));
  }

  #layOut(): void {
    // The last column may be cut: the host hides what goes beyond it.
    const columns = Math.ceil(this.#host.clientWidth / CELL);
    if (columns === this.#columns) return;
    this.#columns = columns;
    this.#weave.setAttribute("width", String(columns * CELL));
    const paths = { minus: "", zero: "", plus: "" };
    for (let column = 0; column < columns; column++) {
      for (let row = 0; row < this.#rows; row++) {
        const x = column * CELL + CELL / 2;
        const y = row * CELL + CELL / 2;
        const trit = weight(column * this.#rows + row);
        if (trit < 0) paths.minus += `M${String(x - 4)} ${String(y - 1)}h8v2h-8z`;
        else if (trit === 0) paths.zero += `M${String(x - 1)} ${String(y - 1)}h2v2h-2z`;
        else paths.plus += `M${String(x - 4)} ${String(y - 1)}h3v-3h2v3h3v2h-3v3h-2v-3h-3z`;
      }
    }
    for (const group of this.#weave.querySelectorAll("g")) {
      for (const [name, d] of Object.entries(paths)) group.querySelector(`.${name}`)?.setAttribute("d", d);
    }
    this.#ink();
  }
}

/** −1, 0 or +1, about as often as in a trained model; the same for the same place. */
function weight(place: number): number {
  let mixed = Math.imul(place + 1, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (((mixed ^ (mixed >>> 16)) >>> 0) % 3) - 1;
}
