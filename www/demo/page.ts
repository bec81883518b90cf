/** The sheet the text appears on. Text of people and models only ever becomes text nodes. */
export class Page {
  readonly #host: HTMLElement;
  #empty = true;
  #target: Text | undefined;
  #pending = "";
  #frame = 0;

  constructor(host: HTMLElement) {
    this.#host = host;
  }

  get empty(): boolean {
    return this.#empty;
  }

  get text(): string {
    return Array.from(this.#host.children, (child) => child.textContent).join("\n\n");
  }

  clear(hint: string): void {
    this.flush();
    this.#empty = true;
    this.#target = undefined;
    this.#host.replaceChildren(element("p", "empty", hint));
  }

  startStory(prompt: string): void {
    this.#empty = false;
    const story = element("p", "story");
    story.append(element("span", "prompt", prompt), this.#newText("said"));
    this.#host.replaceChildren(story);
  }

  startTurn(message: string): void {
    if (this.#empty) this.#host.replaceChildren();
    this.#empty = false;
    const turn = element("p", "turn answer");
    turn.append(this.#newText("said"));
    this.#host.append(element("p", "turn you", message), turn);
    this.#host.scrollTop = this.#host.scrollHeight;
  }

  /** Takes back the last turn, which has got no answer. */
  dropTurn(): void {
    this.#host.lastElementChild?.remove();
    this.#host.lastElementChild?.remove();
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
    this.#target?.parentElement?.classList.remove("live");
    this.#target = undefined;
  }

  #newText(className: string): HTMLElement {
    const span = element("span", `${className} live`);
    span.dataset["testid"] = "said";
    this.#target = document.createTextNode("");
    span.append(this.#target);
    return span;
  }
}

function element(name: string, className: string, text?: string): HTMLElement {
  const made = document.createElement(name);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
