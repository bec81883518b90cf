import { checkSupport, deleteCachedModel, persistStorage, storageEstimate } from "b158";
import { announce, button, byId, element, setText } from "./dom.js";
import { showError } from "./errors.js";
import * as format from "./format.js";
import { type Kept, keptModels } from "./kept.js";

/** How long a pressed Delete waits for being pressed again. */
const SURE_WITHIN_MS = 5000;

/** The models that this browser keeps: what there is, what room it takes, away with it. */
export class KeptModels {
  readonly #load: (model: Kept) => void;

  constructor(load: (model: Kept) => void) {
    this.#load = load;
    byId("persist").addEventListener("click", () => void this.#persist());
  }

  async refresh(): Promise<void> {
    try {
      const [models, storage, support] = await Promise.all([keptModels(), storageEstimate(), checkSupport()]);
      byId("kept-list").replaceChildren(...models.map((model) => this.#row(model)));
      byId("persist").hidden = storage.persisted || models.length === 0;
      const parts = [models.length === 0 && "Nothing yet: a model that has been downloaded stays for the next time."];
      if (!support.opfs) parts.splice(0, 1, "This browser lets a page keep no files: a model is downloaded anew each time.");
      else if (storage.usage !== undefined && storage.quota !== undefined) parts.push(`${format.bytes(storage.usage)} of ${format.bytes(storage.quota)} used.`);
      if (models.length > 0) parts.push(storage.persisted ? "The browser deletes nothing of it by itself." : "The browser may delete them when it runs short of room.");
      setText("storage", parts.filter((part) => part !== false).join(" "));
      byId("kept-error").hidden = true;
    } catch (error) {
      showError(byId("kept-error"), error);
    }
  }

  #row(model: Kept): HTMLElement {
    const { name, from, bytes, totalBytes, complete, lastUsed } = model;
    const size = complete ? format.bytes(bytes) : `${format.bytes(bytes)} of ${totalBytes === undefined ? "an unknown size" : format.bytes(totalBytes)}, will resume`;
    const load = button(complete ? "Load" : "Resume", "", () => {
      this.#load(model);
    });
    load.ariaLabel = `${load.textContent} ${name}`;
    const words = element("div", "words", element("strong", "", name), element("p", "hint", `${size} · from ${from} · used ${format.day(lastUsed)}`));
    const row = element("li", "choice", words, load, this.#deleteButton(model));
    row.dataset["testid"] = "kept-model";
    row.title = model.address;
    return row;
  }

  /** A gigabyte is soon deleted and long in coming back: it wants to be pressed twice. */
  #deleteButton({ keys, name }: Kept): HTMLElement {
    let sure: ReturnType<typeof setTimeout> | undefined;
    const say = (text: string) => {
      made.textContent = text;
      made.ariaLabel = `${text} ${name}`;
    };
    const made = button("Delete", "quiet", () => {
      if (sure === undefined) {
        say("Really delete");
        sure = setTimeout(() => {
          sure = undefined;
          say("Delete");
        }, SURE_WITHIN_MS);
        return;
      }
      clearTimeout(sure);
      void this.#delete(keys, name);
    });
    say("Delete");
    return made;
  }

  async #delete(keys: readonly string[], name: string): Promise<void> {
    try {
      for (const key of keys) await deleteCachedModel(key);
      await this.refresh();
      announce(`${name} is deleted`);
      byId("kept-heading").focus(); // the button that was pressed is gone
    } catch (error) {
      showError(byId("kept-error"), error);
    }
  }

  async #persist(): Promise<void> {
    const persisted = await persistStorage();
    await this.refresh();
    announce(persisted ? "The browser keeps them" : "The browser refused");
    if (!persisted) setText("storage", `${byId("storage").textContent} It refused to promise more: browsers do that for pages that are seldom used; a bookmark or installing the page helps.`);
  }
}
