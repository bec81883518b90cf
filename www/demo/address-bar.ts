import { mark } from "./fields.js";

/** One thing that the address bar can hold; undefined is its default. */
export interface Shared {
  get: () => string | undefined;
  set: (value: string | undefined) => void;
}

type Field = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

/** Browsers let a page change its address only some hundred times in half a minute. */
const WRITE_AFTER_MS = 400;
/** What is longer stays out of the address: programs that pass links on cut them. */
const LONGEST = 4000;

/**
 * What differs from the defaults, kept in the address bar for sharing. It stands behind the #, which browsers send to no server.
 */
export class AddressBar {
  readonly #shared: ReadonlyMap<string, Shared>;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Fields with a `data-link` are in it by themselves, between those that are set `before` and `after` them. */
  constructor(before: Readonly<Record<string, Shared>>, after: Readonly<Record<string, Shared>>) {
    const fields = Array.from(document.querySelectorAll<Field>("[data-link]"), (field): [string, Shared] => [field.dataset["link"] ?? field.id, ofField(field)]);
    this.#shared = new Map([...Object.entries(before), ...fields, ...Object.entries(after)]);
    for (const event of ["input", "change"]) {
      document.addEventListener(event, () => {
        this.changed();
      });
    }
    addEventListener("hashchange", () => {
      this.#apply();
    });
    this.#apply();
  }

  /** Sets everything as the address has it. */
  #apply(): void {
    const given = new URLSearchParams(location.hash.slice(1));
    for (const [name, shared] of this.#shared) shared.set(given.get(name) ?? undefined);
    document.dispatchEvent(new Event("change")); // fields that are set say nothing themselves
  }

  /** Something may differ now; the address follows soon. */
  changed(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.write();
    }, WRITE_AFTER_MS);
  }

  /** The page's address with all of it, and the names of what is too long for it. */
  write(): { url: string; leftOut: string[] } {
    clearTimeout(this.#timer);
    const { url, leftOut } = withSettings(location.href, Array.from(this.#shared, ([name, { get }]) => [name, get()]));
    if (url !== location.href) history.replaceState(history.state, "", url);
    return { url, leftOut };
  }
}

/** The address with these settings behind the #, without those that are undefined; and the names of what is too long for it. */
export function withSettings(address: string, settings: readonly (readonly [name: string, value: string | undefined])[]): { url: string; leftOut: string[] } {
  const given = new URLSearchParams();
  const leftOut: string[] = [];
  for (const [name, value] of settings) {
    if (value === undefined) continue;
    if (value.length > LONGEST) leftOut.push(name);
    else given.set(name, value);
  }
  const url = new URL(address);
  url.hash = given.toString();
  return { url: url.href, leftOut };
}

/** What the button says that copies the address. */
export function copied(leftOut: readonly string[]): string {
  return leftOut.length > 0 ? `Copied; too long for it: ${leftOut.join(", ")}` : "Copied";
}

function ofField(field: Field): Shared {
  const standard = field instanceof HTMLSelectElement ? (field.options[0]?.value ?? "") : field.defaultValue;
  return {
    get: () => (field.value === standard ? undefined : field.value),
    set: (value) => {
      const senseless = value === undefined || (field.type === "number" && !Number.isFinite(Number(value)));
      field.value = senseless ? standard : value;
      if (field instanceof HTMLSelectElement && field.selectedIndex < 0) field.value = standard;
      if (field instanceof HTMLInputElement && field.type === "number") mark(field);
    },
  };
}
