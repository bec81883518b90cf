import type { ChatMessage, GenerationResult, Prompt } from "b158";
import type { Shared } from "./address-bar.js";
import { AnswerForm } from "./answer-form.js";
import { announce, button, byId, copy, saveFile, setText } from "./dom.js";
import type { Writing } from "./engine.js";
import { isIntended, showError } from "./errors.js";
import { asText, exportFile, type ExportFormat, type Written } from "./export.js";
import { mark } from "./fields.js";
import * as format from "./format.js";
import { Instruments } from "./instruments.js";
import type { ModelState } from "./model-panel.js";
import { Page } from "./page.js";
import { LARGE_SAMPLES, type Mode, SAMPLES } from "./samples.js";
import { anySeed, readSettings, type Sampling } from "./settings.js";
import { Conversation } from "./conversation.js";

const LABELS: Record<Mode, { prompt: string; run: string }> = {
  story: { prompt: "How the text begins", run: "Write" },
  chat: { prompt: "Your message", run: "Send" },
};

const REASONS: Record<GenerationResult["finishReason"], string> = {
  stop: "Ended by itself",
  length: "Ended at the limit",
  cancelled: "Stopped",
};

const MEMORY_EVERY_MS = 1000;

export interface WriterHooks {
  /** The mode is another, or a message has been sent. */
  changed: () => void;
  /** The engine is gone, and somebody wants it back. */
  reload: () => void;
}

/** Prompt in, text out: runs generations and shows them. */
export class Writer {
  readonly #prompt = byId("prompt", HTMLTextAreaElement);
  readonly #system = byId("system", HTMLTextAreaElement);
  readonly #run = byId("run", HTMLButtonElement);
  readonly #page = new Page(byId("output"), {
    again: () => void this.#regenerate(),
    edit: () => {
      this.#edit();
    },
  });
  readonly #instruments = new Instruments();
  readonly #form = new AnswerForm();
  readonly #hooks: WriterHooks;
  #mode: Mode = "story";
  #state: ModelState = { model: undefined, engine: undefined, name: "", file: "", embedded: true, loading: true };
  #generation: Writing | undefined;
  #conversation = new Conversation();
  /** What is on the sheet; a new object for each text, so that one that still runs knows when it has been cleared. */
  #story = { prompt: "", text: "" };
  /** Of the last text. */
  #sampling: Sampling | undefined;
  #editing = false;

  constructor(hooks: WriterHooks) {
    this.#hooks = hooks;
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#generation) this.#generation.cancel();
      else void this.#send();
    });
    this.#prompt.addEventListener("keydown", (event) => {
      if (event.key === "ArrowUp" && this.#prompt.value === "" && !this.#generation) {
        if (this.#mode === "chat" && !this.#conversation.empty) event.preventDefault();
        this.#edit();
      }
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      if (!this.#generation) void this.#send();
    });
    addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      if (this.#generation) this.#generation.cancel();
      else if (this.#editing) this.#endEdit();
    });
    byId("copy").addEventListener("click", () => void copy(asText(this.#written), byId("copy")));
    for (const choice of byId("save").querySelectorAll<HTMLButtonElement>("button[value]")) {
      choice.addEventListener("click", () => {
        const { name, type, content } = exportFile(this.#written, choice.value as ExportFormat);
        saveFile(name, type, content);
        byId("save").removeAttribute("open");
        byId("save").querySelector("summary")?.focus();
      });
    }
    byId("clear").addEventListener("click", () => {
      this.#clear();
      this.#prompt.focus();
    });
    byId("keep-seed").addEventListener("click", () => {
      const seed = byId("seed", HTMLInputElement);
      seed.value = String(this.#sampling?.seed ?? "");
      mark(seed);
      seed.dispatchEvent(new Event("change", { bubbles: true }));
      byId("keep-seed").hidden = true;
      announce("The seed is kept");
    });
    for (const radio of document.querySelectorAll<HTMLInputElement>("input[name=mode]")) {
      radio.addEventListener("change", () => {
        this.#setMode(radio.value as Mode);
      });
    }
    this.#setMode("story");
  }

  /** What the address bar knows of it. In a conversation, once the box is empty, the message that was sent last. */
  get shared(): Record<"mode" | "prompt", Shared> {
    return {
      mode: {
        get: () => (this.#mode === "story" ? undefined : this.#mode),
        set: (value) => {
          const mode = value === "chat" ? "chat" : "story";
          if (mode !== this.#mode) this.#setMode(mode);
        },
      },
      prompt: {
        get: () => {
          const { value, defaultValue } = this.#prompt;
          const text = value === "" && this.#mode === "chat" ? (this.#conversation.question ?? "") : value;
          return text === defaultValue ? undefined : text;
        },
        set: (value) => {
          this.#prompt.value = value ?? this.#prompt.defaultValue;
        },
      },
    };
  }

  use(state: ModelState): void {
    const before = this.#state;
    this.#state = { ...state };
    if (state.engine !== before.engine) {
      // A model of this tab ends its text itself.
      if (!before.model) this.#generation?.cancel();
      this.#instruments.clear(state.engine);
      void this.#showMemory();
      this.#showSamples();
    }
    if (this.#page.empty) this.#clear();
    this.#showState();
  }

  async #send(): Promise<void> {
    const text = this.#prompt.value.trimEnd();
    if (!this.#state.engine || text === "") {
      this.#prompt.focus();
      return;
    }
    if (this.#mode === "story") {
      const story = (this.#story = { prompt: text, text: "" });
      this.#page.startStory(text, this.#form.responseFormat !== undefined);
      story.text = (await this.#generate(text, readSettings())) ?? "";
      return;
    }
    const before = this.#conversation.messages;
    if (this.#editing) {
      this.#endEdit();
      this.#conversation.takeBack("user");
    }
    this.#prompt.value = "";
    this.#conversation.add("user", text);
    // What could not be answered goes back into the box.
    if (!(await this.#answer(before, readSettings())) && this.#prompt.value === "") this.#prompt.value = text;
  }

  /** Another answer to the same message: a fixed seed would only give the same one. */
  async #regenerate(): Promise<void> {
    const before = this.#conversation.messages;
    if (!this.#state.engine || this.#generation || this.#conversation.takeBack("assistant") === undefined) return;
    this.#endEdit();
    this.#prompt.focus(); // the button that was pressed goes
    await this.#answer(before, { ...readSettings(), seed: anySeed() });
  }

  /** Answers the conversation's last message; where that fails, the conversation is what it was before. */
  async #answer(before: readonly ChatMessage[], sampling: Sampling): Promise<boolean> {
    const conversation = this.#conversation;
    conversation.system = this.#system.value.trim();
    this.#page.showConversation(conversation.messages);
    this.#page.startAnswer(this.#form.responseFormat !== undefined);
    this.#hooks.changed();
    const said = await this.#generate(conversation.prompt, sampling);
    if (conversation !== this.#conversation) return true; // cleared meanwhile
    if (said === undefined) {
      conversation.messages = before;
      if (before.length > 0) this.#page.showConversation(before);
      else this.#page.clear(this.#hint());
    } else {
      conversation.add("assistant", said);
    }
    this.#showState();
    return said !== undefined;
  }

  #edit(): void {
    if (this.#generation || this.#mode !== "chat") return;
    if (this.#editing) {
      this.#endEdit();
      return;
    }
    const last = this.#conversation.question;
    if (last === undefined) return;
    this.#editing = true;
    this.#page.markEdited(true);
    this.#prompt.value = last;
    this.#prompt.focus();
    setText("prompt-label", "Your message, again: it and its answer will be replaced (Esc leaves them)");
  }

  #endEdit(): void {
    if (!this.#editing) return;
    this.#editing = false;
    this.#page.markEdited(false);
    this.#prompt.value = "";
    setText("prompt-label", LABELS[this.#mode].prompt);
  }

  /** What the model said; undefined where it ended with an error, which is shown. */
  async #generate(prompt: Prompt, sampling: Sampling): Promise<string | undefined> {
    const { engine } = this.#state;
    if (!engine) return undefined;
    this.#sampling = sampling;
    byId("run-error").hidden = true;
    byId("keep-seed").hidden = true;
    setText("outcome", "");
    this.#instruments.begin();
    const { responseFormat } = this.#form;
    const generation = engine.generate(prompt, {
      ...sampling,
      ...(responseFormat && { responseFormat }),
      onPrepare: ({ phase, loaded }) => {
        setText("outcome", phase === "fetch" ? `Fetching what reads schemas: ${format.bytes(loaded)}` : `Sorting the model's tokens: ${format.count(loaded)}`);
      },
      onPrefill: ({ done, total }) => {
        setText("outcome", `Reading the prompt: ${format.count(done)} of ${format.tokens(total)}`);
      },
    });
    this.#generation = generation;
    this.#showState();
    announce("Writing");
    const memory = setInterval(() => void this.#showMemory(), MEMORY_EVERY_MS);
    let said: string | undefined;
    try {
      let tokens = 0;
      for await (const { text, elapsedMs, token } of generation) {
        if (token) {
          this.#instruments.token(elapsedMs);
          setText("outcome", format.tokens(++tokens));
        }
        this.#page.append(text);
      }
      const result = await generation.result();
      said = result.text;
      this.#instruments.end(result);
      const outcome = `${REASONS[result.finishReason]} · ${format.tokens(result.usage.completionTokens)}`;
      setText("outcome", `${outcome} · ${sampling.temperature > 0 ? `seed ${String(sampling.seed)}` : "greedy"}`);
      byId("keep-seed").hidden = sampling.temperature === 0 || byId("seed", HTMLInputElement).value === String(sampling.seed);
      announce(`${said} … ${REASONS[result.finishReason]} after ${format.tokens(result.usage.completionTokens)}`);
    } catch (error) {
      const intended = isIntended(error);
      setText("outcome", intended ? "Stopped: another model was loaded" : "");
      if (!intended) showError(byId("run-error"), error, { [this.#state.model ? "Load the model again" : "Connect again"]: this.#hooks.reload });
    }
    clearInterval(memory);
    this.#page.end();
    this.#generation = undefined;
    this.#showState();
    void this.#showMemory();
    return said;
  }

  #setMode(mode: Mode): void {
    this.#editing = false;
    this.#mode = mode;
    byId(`mode-${mode}`, HTMLInputElement).checked = true;
    setText("prompt-label", LABELS[mode].prompt);
    byId("system-box").hidden = mode !== "chat";
    this.#showSamples();
    this.#prompt.defaultValue = mode === "story" ? (SAMPLES.story[0] ?? "") : "";
    this.#prompt.value = this.#prompt.defaultValue;
    this.#clear();
  }

  #showSamples(): void {
    const samples = this.#state.embedded ? SAMPLES : LARGE_SAMPLES;
    byId("samples").replaceChildren(
      ...samples[this.#mode].map((sample) =>
        button(sample.trim(), "", () => {
          this.#prompt.value = sample;
          this.#prompt.dispatchEvent(new Event("input", { bubbles: true }));
          this.#prompt.focus();
        }),
      ),
    );
  }

  #clear(): void {
    this.#generation?.cancel();
    this.#endEdit();
    this.#conversation = new Conversation();
    this.#story = { prompt: "", text: "" };
    this.#page.clear(this.#hint());
    for (const id of ["run-error", "keep-seed"]) byId(id).hidden = true;
    setText("outcome", "");
    this.#showState();
  }

  #hint(): string {
    if (this.#mode === "story") return "The text will appear here.";
    return this.#state.embedded ? "The conversation will appear here. This small model knows stories and what a small child knows, no more." : "The conversation will appear here.";
  }

  get #written(): Written {
    return {
      model: this.#state.name,
      sampling: this.#sampling ?? readSettings(),
      content: this.#mode === "story" ? this.#story : { messages: this.#conversation.prompt },
    };
  }

  #showState(): void {
    const running = this.#generation !== undefined;
    const { engine, loading } = this.#state;
    this.#run.textContent = running ? "Stop" : engine ? LABELS[this.#mode].run : loading ? "Loading…" : "No model yet";
    this.#run.disabled = !engine && !running;
    this.#run.classList.toggle("stop", running);
    byId("output").setAttribute("aria-busy", String(running));
    byId("copy", HTMLButtonElement).disabled = this.#page.empty || running;
    byId("clear", HTMLButtonElement).disabled = this.#page.empty;
    byId("save").hidden = this.#page.empty || running;
    for (const radio of document.querySelectorAll<HTMLInputElement>("input[name=mode]")) radio.disabled = running;
  }

  async #showMemory(): Promise<void> {
    try {
      const stats = await this.#state.engine?.stats();
      this.#instruments.memory(stats);
    } catch {
      this.#instruments.memory(undefined); // the model has just gone
    }
  }
}
