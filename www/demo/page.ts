import type { ChatMessage } from "b158";
import { button, copy, element } from "./dom.js";

export interface TurnActions {
  again: () => void;
  edit: () => void;
}

/** The sheet the text appears on. Text of people and models only ever becomes text nodes. */
export class Page {
  readonly #host: HTMLElement;
  readonly #actions: TurnActions;
  #empty = true;
  #target: Text | undefined;
  #pending = "";
  #frame = 0;

  constructor(host: HTMLElement, actions: TurnActions) {
    this.#host = host;
    this.#actions = actions;
  }

  get empty(): boolean {
    return this.#empty;
  }

  clear(hint: string): void {
    this.flush();
    this.#empty = true;
    this.#target = undefined;
    this.#host.replaceChildren(element("p", "empty", hint));
  }

  startStory(prompt: string): void {
    this.#empty = false;
    this.#host.replaceChildren(element("p", "story", element("span", "prompt", prompt), this.#newText()));
  }

  /** The whole conversation anew. */
  showConversation(messages: readonly ChatMessage[]): void {
    this.#empty = messages.length === 0;
    this.#host.replaceChildren(...messages.map(({ role, content }) => turn(role, role === "user" ? element("span", "words", content) : said(content))));
    this.#addTools();
    this.#host.scrollTop = this.#host.scrollHeight;
  }

  /** An answer to the last message, which comes with `append`. */
  startAnswer(): void {
    for (const tools of this.#host.querySelectorAll(".latest")) tools.remove();
    this.#host.append(turn("assistant", this.#newText()));
    this.#host.scrollTop = this.#host.scrollHeight;
  }

  /** Shown with the next frame: tokens may come faster than the screen can show them. */
  append(text: string): void {
    this.#pending += text;
    this.#frame ||= requestAnimationFrame(() => {
      this.flush();
    });
  }

  flush(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.#pending === "" || !this.#target) return;
    const atEnd = this.#host.scrollHeight - this.#host.scrollTop - this.#host.clientHeight < 40;
    this.#target.appendData(this.#pending);
    this.#pending = "";
    if (atEnd) this.#host.scrollTop = this.#host.scrollHeight;
  }

  end(): void {
    this.flush();
    const ended = this.#target?.parentElement;
    ended?.classList.remove("live");
    this.#target = undefined;
    if (ended?.closest(".turn")) this.#addTools();
  }

  /** The last message is being written anew: it and its answer will go. */
  markEdited(edited: boolean): void {
    const from = [...this.#host.querySelectorAll(".turn.you")].at(-1);
    for (let each: Element | null = from ?? null; each; each = each.nextElementSibling) each.classList.toggle("edited", edited);
  }

  /** Every answer can be copied; the last one and its question can be had anew. */
  #addTools(): void {
    const turns = [...this.#host.querySelectorAll(".turn")];
    const question = turns.filter((each) => each.classList.contains("you")).at(-1);
    const answer = turns.at(-1);
    for (const each of turns) {
      each.querySelector(".turn-tools")?.remove();
      const latest = element("span", "latest");
      const tools = element("div", "turn-tools");
      if (each.classList.contains("answer")) {
        const pressed = button("Copy", "quiet", () => void copy(each.querySelector(".said")?.textContent ?? "", pressed));
        pressed.dataset["testid"] = "copy-answer";
        tools.append(pressed);
      }
      if (each === question) latest.append(withTestId("edit", button("Edit", "quiet", this.#actions.edit)));
      if (each === answer && each !== question) latest.append(withTestId("regenerate", button("Regenerate", "quiet", this.#actions.again)));
      if (latest.hasChildNodes()) tools.append(latest);
      if (tools.hasChildNodes()) each.append(tools);
    }
    this.#host.scrollTop = this.#host.scrollHeight;
  }

  #newText(): HTMLElement {
    const span = said("");
    span.classList.add("live");
    this.#target = document.createTextNode("");
    span.append(this.#target);
    return span;
  }
}

function turn(role: ChatMessage["role"], words: HTMLElement): HTMLElement {
  const made = element("article", role === "user" ? "turn you" : "turn answer", words);
  made.ariaLabel = role === "user" ? "You" : "Model";
  return made;
}

function said(text: string): HTMLElement {
  return withTestId("said", element("span", "said", text));
}

function withTestId<T extends HTMLElement>(testId: string, made: T): T {
  made.dataset["testid"] = testId;
  return made;
}
