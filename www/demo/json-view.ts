import { element } from "./dom.js";

type Kind = "key" | "string" | "number" | "word" | "mark";

/**
 * A JSON text as it comes, laid out on lines of its own and coloured. The text comes in any pieces, and each costs what it is long.
 * White space outside of strings is dropped, since lines and spaces are its own; what else is no JSON is shown as it is.
 */
export class JsonView {
  readonly #host: HTMLElement;
  /** What is open, outermost first. */
  readonly #open: ("{" | "[")[] = [];
  /** Nothing has come since the last bracket was opened. */
  #fresh = false;
  /** In an object: the next string is a key. */
  #key = false;
  #inString = false;
  #escaped = false;
  #kind: Kind | undefined;
  #run: Text | undefined;

  constructor(host: HTMLElement) {
    this.#host = host;
    host.classList.add("json");
  }

  append(text: string): void {
    for (const character of text) this.#take(character);
  }

  #take(character: string): void {
    if (this.#inString) {
      this.#put(character, this.#kind ?? "string");
      if (this.#escaped) this.#escaped = false;
      else if (character === "\\") this.#escaped = true;
      else if (character === '"') this.#inString = false;
      return;
    }
    switch (character) {
      case '"':
        this.#line();
        this.#run = undefined;
        this.#inString = true;
        this.#put(character, this.#key ? "key" : "string");
        break;
      case "{":
      case "[":
        this.#line();
        this.#put(character, "mark");
        this.#open.push(character);
        this.#fresh = true;
        this.#key = character === "{";
        break;
      case "}":
      case "]": {
        this.#open.pop();
        if (!this.#fresh) this.#break();
        this.#fresh = false;
        this.#key = false;
        this.#put(character, "mark");
        break;
      }
      case ",":
        this.#put(character, "mark");
        this.#break();
        this.#key = this.#open.at(-1) === "{";
        break;
      case ":":
        this.#put(": ", "mark");
        this.#key = false;
        break;
      case " ":
      case "\n":
      case "\r":
      case "\t":
        break; // the lines are its own
      default:
        this.#line();
        this.#put(character, /[-+.\dE]/.test(character) || (character === "e" && this.#kind === "number") ? "number" : "word");
    }
  }

  /** The first thing in brackets begins a line. */
  #line(): void {
    if (!this.#fresh) return;
    this.#fresh = false;
    this.#break();
  }

  #break(): void {
    this.#put(`\n${"  ".repeat(this.#open.length)}`, "mark");
  }

  #put(text: string, kind: Kind): void {
    if (this.#run && this.#kind === kind) {
      this.#run.appendData(text);
      return;
    }
    this.#kind = kind;
    this.#run = document.createTextNode(text);
    this.#host.append(kind === "mark" ? this.#run : element("span", `json-${kind}`, this.#run));
  }
}

/** Whether a whole text is a JSON object or list. */
export function isJson(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null;
  } catch {
    return false;
  }
}
