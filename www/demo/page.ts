import type { ChatMessage } from "b158";
import { button, copy, element } from "./dom.js";
import { isJson, JsonView } from "./json-view.js";

export interface TurnActions {
  again: () => void;
  edit: () => void;
}

/** The sheet the text appears on. Text of people and models only ever becomes text nodes. */
export class Page {
  readonly #host: HTMLElement;
  readonly #actions: TurnActions;
  #empty = true;
  #target: { append: (text: string) => void } | undefined;
  /** The element that the target fills. */
  #live: HTMLElement | undefined;
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
    this.#target = this.#live = undefined;
    this.#host.replaceChildren(element("p", "empty", hint));
  }

  /** `json` lays the text that comes out as such. */
  startStory(prompt: string, json: boolean): void {
    this.#empty = false;
    this.#host.replaceChildren(element("p", "story", element("span", "prompt", prompt), this.#newText(json)));
  }

  /** The whole conversation anew. */
  showConversation(messages: readonly ChatMessage[]): void {
    this.#empty = messages.length === 0;
    this.#host.replaceChildren(...messages.map(({ role, content }) => turn(role, role === "user" ? element("span", "words", content) : said(content))));
    this.#addTools();
    this.#host.scrollTop = this.#host.scrollHeight;
  }

  /** An answer to the last message, which comes with `append`. */
  startAnswer(json: boolean): void {
    for (const tools of this.#host.querySelectorAll(".latest")) tools.remove();
    this.#host.append(turn("assistant", this.#newText(json)));
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
    this.#target.append(this.#pending);
    this.#pending = "";
    if (atEnd) this.#host.scrollTop = this.#host.scrollHeight;
  }

  end(): void {
    this.flush();
    const ended = this.#live;
    ended?.classList.remove("live");
    this.#target = this.#live = undefined;
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

  #newText(json: boolean): HTMLElement {
    const span = element("span", "said live");
    this.#target = json ? new JsonView(span) : new PlainView(span);
    this.#live = span;
    return withTestId("said", span);
  }
}

/** One text node, whatever comes. */
class PlainView {
  readonly #text = document.createTextNode("");

  constructor(host: HTMLElement) {
    host.append(this.#text);
  }

  append(text: string): void {
    this.#text.appendData(text);
  }
}

function turn(role: ChatMessage["role"], words: HTMLElement): HTMLElement {
  const made = element("article", role === "user" ? "turn you" : "turn answer", words);
  made.ariaLabel = role === "user" ? "You" : "Model";
  return made;
}

function said(text: string): HTMLElement {
  const span = element("span", "said");
  if (isJson(text)) new JsonView(span).append(text);
  else span.append(text);
  return withTestId("said", span);
}

function withTestId<T extends HTMLElement>(testId: string, made: T): T {
  made.dataset["testid"] = testId;
  return made;
}
