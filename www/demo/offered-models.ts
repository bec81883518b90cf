import { checkSupport } from "b158";
import { CATALOGUE, type Choice, choiceOf, type Offered } from "./choices.js";
import { button, byId, element } from "./dom.js";
import * as format from "./format.js";

/** The models that the page offers by name: what each is good for, and what it costs, before anything of it is asked for. */
export class OfferedModels {
  readonly #choose: (choice: Choice) => void;

  constructor(choose: (choice: Choice) => void) {
    this.#choose = choose;
    this.#show(undefined);
    // Without it nothing is said of the device.
    checkSupport().then(
      ({ modelMemory }) => {
        if (modelMemory !== undefined) this.#show(modelMemory);
      },
      () => undefined,
    );
  }

  #show(memory: number | undefined): void {
    byId("offered-list").replaceChildren(...CATALOGUE.map((offered) => this.#row(offered, memory)));
  }

  #row(offered: Offered, memory: number | undefined): HTMLElement {
    const { facts, costs, warning } = lines(offered, memory);
    const load = button("Load", "", () => {
      this.#choose(choiceOf(offered));
    });
    load.ariaLabel = `Load ${offered.name}`;
    load.dataset["testid"] = `load-${offered.id}`;
    const words = element("div", "words", element("strong", "", offered.name), " ", element("span", "hint", facts), element("p", "", offered.use), element("p", "hint", costs));
    if (warning !== undefined) words.append(element("p", "warning", warning));
    return element("li", "choice", words, load);
  }
}

/** What a row says of a model besides its name; `memory`: bytes that one may take here, where that is known. */
export function lines({ id, from, licence, weights, fileBytes, contextLength, kvCacheBytes, memoryBytes, leastMemoryBytes }: Offered, memory: number | undefined) {
  const eightBits = memory !== undefined && memoryBytes > memory;
  const needed = eightBits ? leastMemoryBytes : memoryBytes;
  const size = id === "embedded" ? `${format.bytes(fileBytes)}, here already` : `${format.bytes(fileBytes)} to download once`;
  const cache = kvCacheBytes - (memoryBytes - needed);
  return {
    facts: `${weights} · ${from} · ${licence}`,
    costs: `${size} · up to ${format.bytes(needed)} of memory, ${format.bytes(cache)} of it for ${format.tokens(contextLength)} of context${eightBits ? ", held in 8 bits" : ""}`,
    warning: memory !== undefined && needed > memory ? `Likely too much for this device, where a model may take about ${format.bytes(memory)}.` : undefined,
  };
}
