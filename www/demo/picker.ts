import { byAddress, type Choice, EMBEDDED, fromFiles } from "./choices.js";
import { byId } from "./dom.js";
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
    const file = byId("file", HTMLInputElement);
    file.addEventListener("change", () => {
      const chosen = fromFiles([...(file.files ?? [])]);
      file.value = ""; // so that the same file can be chosen again
      if (chosen) choose(chosen);
    });
    acceptDrops((files) => {
      const chosen = fromFiles(files);
      if (chosen) choose(chosen);
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

function acceptDrops(take: (files: File[]) => void): void {
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
    take([...(event.dataTransfer?.files ?? [])]);
  });
}
