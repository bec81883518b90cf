import { byAddress, type Choice, EMBEDDED, fromDrop, fromFiles } from "./choices.js";
import { byId } from "./dom.js";
import { showError } from "./errors.js";
import { canonical } from "./kept.js";
import { KeptModels } from "./kept-models.js";
import { OfferedModels } from "./offered-models.js";

/** Where models come from: the page, the hub, an address, this computer, the browser's storage. */
export class Picker {
  readonly #box = byId("picker");
  readonly #toggle = byId("picker-toggle");
  readonly #kept: KeptModels;

  constructor(choose: (choice: Choice) => void) {
    const embedded = canonical(EMBEDDED.source as string);
    this.#kept = new KeptModels(({ address }) => {
      choose(address === embedded ? EMBEDDED : byAddress(address));
    });
    this.#toggle.addEventListener("click", () => {
      this.open(this.#box.hidden !== false);
    });
    this.#box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.open(false);
      this.#toggle.focus();
    });
    byId("address-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const address = byId("address", HTMLInputElement).value.trim();
      if (address === "") byId("address").focus();
      else choose(byAddress(address));
    });
    new OfferedModels(choose);
    for (const id of ["file", "folder"]) {
      const input = byId(id, HTMLInputElement);
      input.addEventListener("change", () => {
        const chosen = fromFiles([...(input.files ?? [])]);
        input.value = ""; // so that the same can be chosen again
        if (chosen) choose(chosen);
      });
    }
    // Where it is not known, a single file would be chosen.
    byId("folder-label").hidden = !("webkitdirectory" in HTMLInputElement.prototype);
    acceptDrops((data) => {
      try {
        const chosen = fromDrop(data);
        if (chosen) choose(chosen);
      } catch (error) {
        showError(byId("load-error"), error);
      }
    });
  }

  open(open: boolean): void {
    this.#box.hidden = !open;
    this.#toggle.setAttribute("aria-expanded", String(open));
    if (open) void this.#kept.refresh();
  }

  /** What is kept has changed. */
  refresh(): void {
    if (!this.#box.hidden) void this.#kept.refresh();
  }
}

function acceptDrops(take: (data: DataTransfer) => void): void {
  const veil = byId("drop");
  const hasFile = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
  addEventListener("dragover", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    veil.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) veil.hidden = true;
  });
  addEventListener("drop", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    veil.hidden = true;
    if (event.dataTransfer) take(event.dataTransfer);
  });
}
