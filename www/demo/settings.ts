import type { GenerateOptions } from "b158";
import { byId } from "./dom.js";

type Numbers = Required<Pick<GenerateOptions, "temperature" | "topK" | "topP" | "minP" | "repeatPenalty" | "maxTokens" | "seed">>;

/** What the settings say. A field that is empty or out of its range counts as its default and is marked. */
export function readSettings(): Numbers {
  const form = byId("settings", HTMLFormElement);
  const value = (name: keyof Numbers): number => {
    const input = form.elements.namedItem(name) as HTMLInputElement;
    const valid = input.value !== "" && input.validity.valid;
    input.toggleAttribute("aria-invalid", !input.validity.valid);
    return valid ? input.valueAsNumber : Number(input.defaultValue);
  };
  const seedInput = form.elements.namedItem("seed") as HTMLInputElement;
  const [random = 0] = crypto.getRandomValues(new Uint32Array(1));
  return {
    temperature: value("temperature"),
    topK: value("topK"),
    topP: value("topP"),
    minP: value("minP"),
    repeatPenalty: value("repeatPenalty"),
    maxTokens: value("maxTokens"),
    seed: seedInput.value !== "" && seedInput.validity.valid ? seedInput.valueAsNumber : random,
  };
}
