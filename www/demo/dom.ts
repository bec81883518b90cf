/** The element with this id, which index.html must have. */
export function byId(id: string): HTMLElement;
export function byId<T extends Element>(id: string, type: new () => T): T;
export function byId(id: string, type: new () => Element = HTMLElement): Element {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`index.html has no ${type.name} #${id}`);
  return element;
}

export function setText(id: string, text: string): void {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

/** What it holds only ever becomes text, never markup. */
export function element<K extends keyof HTMLElementTagNameMap>(name: K, className = "", ...content: (string | Node)[]): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  if (className !== "") made.className = className;
  made.append(...content);
  return made;
}

export function button(text: string, className: string, onClick: () => void): HTMLButtonElement {
  const made = element("button", className, text);
  made.type = "button";
  made.addEventListener("click", onClick);
  return made;
}

export function svg<K extends keyof SVGElementTagNameMap>(name: K, attributes: Record<string, string | number>): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}

/** For screen readers: what happens, without reading out each token. */
export function announce(text: string): void {
  byId("status").textContent = text;
}

/** Puts the text on the clipboard and says so on the button for a moment. */
export async function copy(text: string, pressed: HTMLElement, done = "Copied"): Promise<void> {
  const label = (pressed.dataset["label"] ??= pressed.textContent);
  try {
    await navigator.clipboard.writeText(text);
    pressed.textContent = done;
    announce(done);
  } catch {
    pressed.textContent = "Not allowed";
    announce("The browser does not allow copying");
  }
  setTimeout(() => {
    pressed.textContent = label;
  }, 1500);
}

/** As a download of the browser's. */
export function saveFile(name: string, type: string, content: string): void {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(link.href);
  }, 10_000);
}
