import type { GenerateOptions } from "b158";
import { byId } from "./dom.js";
import { isSound, mark } from "./fields.js";

export type Sampling = Required<Pick<GenerateOptions, "temperature" | "topK" | "topP" | "minP" | "repeatPenalty" | "maxTokens" | "seed">>;

/** What the settings say. A field that is empty or marked counts as its default; a seed that is not there is made up. */
export function readSettings(): Sampling {
  const value = (id: string): number => {
    const input = byId(id, HTMLInputElement);
    return input.value !== "" && isSound(input) ? input.valueAsNumber : Number(input.defaultValue);
  };
  const seed = byId("seed", HTMLInputElement);
  return {
    temperature: value("temperature"),
    topK: value("top-k"),
    topP: value("top-p"),
    minP: value("min-p"),
    repeatPenalty: value("repeat-penalty"),
    maxTokens: value("max-tokens"),
    seed: seed.value !== "" && isSound(seed) ? seed.valueAsNumber : anySeed(),
  };
}

export function anySeed(): number {
  const [random = 0] = crypto.getRandomValues(new Uint32Array(1));
  return random;
}

/** A button back to the defaults, while there is something to take back. */
export function setUpReset(): void {
  const reset = byId("reset-settings");
  const fields = [...byId("settings").querySelectorAll("input")];
  const show = () => {
    reset.hidden = fields.every((field) => field.value === field.defaultValue && !field.validity.badInput);
  };
  for (const event of ["input", "change"]) document.addEventListener(event, show);
  reset.addEventListener("click", () => {
    byId("settings", HTMLFormElement).reset();
    fields.forEach(mark);
    document.dispatchEvent(new Event("change"));
    byId("copy-link").focus(); // this button goes
  });
}
