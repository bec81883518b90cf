import type { ChatMessage, Generation, GenerationResult, Prompt } from "b158";
import { announce, byId, setText } from "./dom.js";
import { isIntended, showError } from "./errors.js";
import * as format from "./format.js";
import { Instruments } from "./instruments.js";
import type { ModelState } from "./model-panel.js";
import { Page } from "./page.js";
import { readSettings } from "./settings.js";

type Mode = "story" | "chat";

const SAMPLES: Record<Mode, readonly string[]> = {
  story: [
    "Once upon a time, there was a brave fox named Pip.",
    "There was once a shy rabbit named Hazel.",
    "One night, Sam was in bed. Then he heard a strange noise.",
    "Once upon a time, in a small village, there lived a curious girl. Her name was Nora.",
  ],
  chat: ["Tell me a story about a brave cat named Momo.", "Who are you?", "What color is the sky?", "Ben has a green kite. What does Ben have?"],
};

const LABELS: Record<Mode, { prompt: string; run: string; keys: string }> = {
  story: { prompt: "How the story begins", run: "Write", keys: "Enter to write, Esc to stop" },
  chat: { prompt: "Your message", run: "Send", keys: "Enter to send, Esc to stop" },
};

const REASONS: Record<GenerationResult["finishReason"], string> = {
  stop: "Ended by itself",
  length: "Ended at the limit",
  cancelled: "Stopped",
};

/** Prompt in, text out: runs generations and shows them. */
export class Writer {
  readonly #prompt = byId("prompt", HTMLTextAreaElement);
  readonly #run = byId("run", HTMLButtonElement);
  readonly #page = new Page(byId("output"));
  readonly #instruments = new Instruments();
  #mode: Mode = "story";
  #state: ModelState = { model: undefined, file: "", embedded: false, loading: true };
  #generation: Generation | undefined;
  #talk: ChatMessage[] = [];

  constructor() {
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#generation) this.#generation.cancel();
      else void this.#write();
    });
    this.#prompt.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      if (!this.#generation) void this.#write();
    });
    addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#generation?.cancel();
    });
    byId("copy").addEventListener("click", () => void this.#copy());
    byId("clear").addEventListener("click", () => {
      this.#clear();
    });
    for (const radio of document.querySelectorAll<HTMLInputElement>("input[name=mode]")) {
      radio.addEventListener("change", () => {
        this.#setMode(radio.value as Mode);
      });
    }
    this.#setMode("story");
  }

  use(state: ModelState): void {
    const before = this.#state.model;
    this.#state = { ...state };
    if (state.model !== before) {
      this.#instruments.clear(state.model?.info);
      void this.#showMemory();
    }
    if (this.#page.empty) this.#clear();
    this.#showState();
  }

  async #write(): Promise<void> {
    const { model } = this.#state;
    const text = this.#prompt.value.trimEnd();
    if (!model || text === "") {
      this.#prompt.focus();
      return;
    }
    byId("run-error").hidden = true;
    setText("outcome", "");
    const settings = readSettings();
    const prompt = this.#begin(text);
    this.#instruments.begin();
    const generation = model.generate(prompt, {
      ...settings,
      onPrefill: ({ done, total }) => {
        setText("outcome", `Reading the prompt: ${format.count(done)} of ${format.tokens(total)}`);
      },
    });
    this.#generation = generation;
    this.#showState();
    announce("Writing");
    try {
      let said = 0;
      for await (const token of generation) {
        if (token.id !== undefined) {
          this.#instruments.token(token.elapsedMs);
          setText("outcome", format.tokens(++said));
        }
        this.#page.append(token.text);
      }
      const result = await generation.result();
      this.#page.flush();
      if (this.#mode === "chat") this.#talk.push({ role: "assistant", content: result.text });
      this.#instruments.end(result);
      const { completionTokens } = result.usage;
      const seed = settings.temperature > 0 ? `seed ${String(settings.seed)}` : "greedy";
      setText("outcome", `${REASONS[result.finishReason]} · ${format.tokens(completionTokens)} · ${seed}`);
      announce(`${REASONS[result.finishReason]} after ${format.tokens(completionTokens)}`);
    } catch (error) {
      this.#page.flush();
      setText("outcome", "");
      // The message that could not be answered goes back into the box.
      if (this.#mode === "chat" && this.#talk.at(-1)?.role === "user") {
        this.#talk.pop();
        this.#page.dropTurn();
        if (this.#prompt.value === "") this.#prompt.value = text;
      }
      if (!isIntended(error)) showError(byId("run-error"), error);
    }
    this.#page.end();
    this.#generation = undefined;
    this.#showState();
    void this.#showMemory();
  }

  #begin(text: string): Prompt {
    if (this.#mode === "story") {
      this.#page.startStory(text);
      return text;
    }
    this.#prompt.value = "";
    this.#talk.push({ role: "user", content: text });
    this.#page.startTurn(text);
    return [...this.#talk];
  }

  #setMode(mode: Mode): void {
    this.#mode = mode;
    setText("prompt-label", LABELS[mode].prompt);
    setText("keys", LABELS[mode].keys);
    this.#prompt.value = mode === "story" ? (SAMPLES.story[0] ?? "") : "";
    byId("samples").replaceChildren(
      ...SAMPLES[mode].map((sample) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = sample;
        button.addEventListener("click", () => {
          this.#prompt.value = sample;
          this.#prompt.focus();
        });
        return button;
      }),
    );
    this.#clear();
  }

  #clear(): void {
    this.#generation?.cancel();
    this.#talk = [];
    this.#page.clear(this.#hint());
    byId("run-error").hidden = true;
    setText("outcome", "");
    this.#showState();
  }

  #hint(): string {
    if (this.#mode === "story") return "The story will appear here.";
    return this.#state.embedded ? "The talk will appear here. This small model knows stories and what a small child knows, no more." : "The talk will appear here.";
  }

  async #copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.#page.text);
      announce("Copied");
      setText("copy", "Copied");
    } catch {
      setText("copy", "Not allowed");
    }
    setTimeout(() => {
      setText("copy", "Copy");
    }, 1500);
  }

  #showState(): void {
    const running = this.#generation !== undefined;
    const { model, loading } = this.#state;
    this.#run.textContent = running ? "Stop" : model ? LABELS[this.#mode].run : loading ? "Loading…" : "No model yet";
    this.#run.disabled = !model && !running;
    this.#run.classList.toggle("stop", running);
    byId("output").setAttribute("aria-busy", String(running));
    byId("copy", HTMLButtonElement).disabled = this.#page.empty;
    byId("clear", HTMLButtonElement).disabled = this.#page.empty;
    for (const radio of document.querySelectorAll<HTMLInputElement>("input[name=mode]")) radio.disabled = running;
  }

  async #showMemory(): Promise<void> {
    try {
      const stats = await this.#state.model?.stats();
      this.#instruments.memory(stats);
    } catch {
      this.#instruments.memory(undefined); // the model has just gone
    }
  }
}
