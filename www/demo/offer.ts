import type { Estimate } from "b158";
import { announce, byId, element, setText } from "./dom.js";
import * as format from "./format.js";
import type { Kept } from "./kept.js";

/** Says what a model costs before it is downloaded. */
export class Offer {
  readonly #box = byId("offer");
  #answer: ((yes: boolean) => void) | undefined;

  constructor() {
    byId("offer-accept").addEventListener("click", () => {
      this.#close(true);
    });
    byId("offer-decline").addEventListener("click", () => {
      this.close();
    });
    this.#box.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
    });
  }

  /** Whether it is wanted. `room`: bytes that the browser's storage still takes. */
  ask(name: string, estimate: Estimate, kept: Kept | undefined, room: number | undefined): Promise<boolean> {
    this.close();
    const { title, facts, costs, warnings, accept } = describe(name, estimate, kept, room);
    setText("offer-title", title);
    setText("offer-facts", facts);
    byId("offer-costs").replaceChildren(...costs.map(([what, value]) => element("div", "", element("dt", "", what), element("dd", "", value))));
    byId("offer-warning").hidden = warnings.length === 0;
    setText("offer-warning", warnings.join(" "));
    setText("offer-accept", accept);
    this.#box.hidden = false;
    byId("offer-accept").focus();
    announce(`${title}: ${costs.map((cost) => cost.join(" ")).join(". ")}. ${warnings.join(" ")}`);
    return new Promise((answer) => {
      this.#answer = answer;
    });
  }

  close(): void {
    this.#close(false);
  }

  #close(yes: boolean): void {
    this.#box.hidden = true;
    this.#answer?.(yes);
    this.#answer = undefined;
  }
}

/** What an offer says, in words. */
export function describe(name: string, estimate: Estimate, kept: Pick<Kept, "bytes"> | undefined, room: number | undefined) {
  const { fileBytes } = estimate;
  const here = kept?.bytes ?? 0;
  const costs: [what: string, value: string][] = [
    ["To download", fileBytes === undefined ? "its server does not say how much" : here > 0 ? `${format.bytes(fileBytes - here)}: ${format.bytes(here)} of ${format.bytes(fileBytes)} are here` : format.bytes(fileBytes)],
    ["Memory", `about ${format.bytes(estimate.wasmBytes)}: ${format.bytes(estimate.weightBytes)} of weights, up to ${format.bytes(estimate.kvCacheBytes)} for the context${estimate.kvCache === "q8_0" ? ", in 8 bits" : ""}`],
  ];
  if (room !== undefined) costs.push(["Room on this device", format.bytes(room)]);
  const warnings: string[] = [];
  if (!estimate.fits) warnings.push(`It will hardly fit${estimate.why === undefined ? "" : `: ${estimate.why}`}. A smaller context under Advanced needs less.`);
  else if (estimate.why !== undefined) warnings.push(`It may be too much for this device: ${estimate.why}.`);
  if (room !== undefined && fileBytes !== undefined && fileBytes - here > room) {
    warnings.push("It is larger than the room that the browser gives: it will run, but can't be kept for the next time.");
  }
  return {
    title: estimate.name ?? name,
    facts: [format.parameters(estimate.parameters), `context of ${format.tokens(estimate.contextLength)}`].join(" · "),
    costs,
    warnings,
    accept: here > 0 ? "Download the rest" : estimate.fits ? "Download and load" : "Try it all the same",
  };
}
