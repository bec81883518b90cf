import type { Shared } from "./address-bar.js";
import { byId, setText } from "./dom.js";
import { EngineError, ServedEngine, type Served } from "./served-engine.js";

/** How often an engine whose model is not there yet is asked again. */
const AGAIN_AFTER_MS = 1000;

/** Where the model runs: in this tab or, where an engine serves the page, there. */
export class Where {
  readonly engine = ServedEngine.ofPage();
  /** The computer of the engine. */
  readonly place = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(location.hostname) ? "this computer" : location.hostname;
  #isEngine = this.engine !== undefined;
  readonly #form = byId("key-form", HTMLFormElement);
  readonly #key = byId("key", HTMLInputElement);

  /** `changed` by a person's hand. */
  constructor(changed: () => void) {
    byId("where").hidden = this.engine === undefined;
    for (const place of document.querySelectorAll(".place")) {
      if (this.place !== "this computer") place.textContent = this.place;
    }
    for (const radio of document.querySelectorAll<HTMLInputElement>("input[name=where]")) {
      radio.addEventListener("change", () => {
        this.#set(radio.value === "engine");
        changed();
      });
    }
    this.#set(this.#isEngine);
  }

  get isEngine(): boolean {
    return this.#isEngine;
  }

  /** A model was chosen, which can be had in this tab alone. */
  toTab(): void {
    this.#set(false);
  }

  /** What the address bar knows of it. */
  get shared(): Shared {
    return {
      get: () => (this.engine && !this.#isEngine ? "tab" : undefined),
      set: (value) => {
        this.#set(value !== "tab");
      },
    };
  }

  /** What the engine serves, once its model is there and its key is right. Rejects with an `EngineError`, or with the signal's reason. */
  async ask(engine: ServedEngine, signal: AbortSignal): Promise<Served> {
    let refused = false;
    try {
      for (;;) {
        try {
          return await engine.ask(signal);
        } catch (error) {
          if (!(error instanceof EngineError)) throw error;
          if (error.code === "loading") {
            setText("load-text", "The engine is loading its model …");
            await after(AGAIN_AFTER_MS, signal);
          } else if (error.code === "key") {
            engine.key = await this.#askForKey(refused, signal);
            refused = true;
          } else throw error;
        }
      }
    } finally {
      this.#form.hidden = true;
    }
  }

  /** `refused`: one that was given was wrong. */
  #askForKey(refused: boolean, signal: AbortSignal): Promise<string> {
    byId("key-complaint").hidden = !refused;
    this.#key.setAttribute("aria-invalid", String(refused));
    setText("load-text", "The engine asks for a key");
    this.#key.value = "";
    this.#form.hidden = false;
    this.#key.focus();
    return new Promise((resolve, reject) => {
      const done = new AbortController();
      this.#form.addEventListener(
        "submit",
        (event) => {
          event.preventDefault();
          const key = this.#key.value.trim();
          if (key === "") return;
          this.#key.value = "";
          done.abort();
          resolve(key);
        },
        { signal: done.signal },
      );
      signal.addEventListener(
        "abort",
        () => {
          done.abort();
          reject(signal.reason as Error);
        },
        { signal: done.signal },
      );
    });
  }

  #set(isEngine: boolean): void {
    this.#isEngine = isEngine && this.engine !== undefined;
    const where = this.#isEngine ? "engine" : "tab";
    document.body.dataset["where"] = where;
    byId(`where-${where}`, HTMLInputElement).checked = true;
    byId("picker-toggle").hidden = this.#isEngine;
  }
}

function after(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason as Error);
      },
      { once: true },
    );
  });
}
