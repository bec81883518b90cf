import { element } from "./dom.js";

const NUMBER = new Intl.NumberFormat("en");

/** The steps of a number field are for its arrows; only a step of 1 means whole numbers. */
export function isSound(input: HTMLInputElement): boolean {
  return complaint(input) === undefined;
}

/** Marks number fields that have no sense, in words beside the field. */
export function markFields(): void {
  for (const input of document.querySelectorAll<HTMLInputElement>("input[type=number]")) {
    input.addEventListener("input", () => {
      mark(input);
    });
    mark(input);
  }
}

export function mark(input: HTMLInputElement): void {
  const wrong = complaint(input);
  const id = `${input.id}-complaint`;
  const shown = document.getElementById(id);
  if (wrong === undefined) {
    shown?.remove();
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-describedby");
    return;
  }
  const instead = input.defaultValue === "" ? "" : `; ${input.defaultValue} is used`;
  const text = `${wrong}${instead}`;
  if (shown) {
    shown.textContent = text;
  } else {
    const made = element("small", "complaint", text);
    made.id = id;
    made.dataset["testid"] = id;
    input.after(made);
  }
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", id);
}

/** What is wrong with a number field, if anything is. */
export function complaint(input: Pick<HTMLInputElement, "validity" | "value" | "valueAsNumber" | "min" | "max" | "step">): string | undefined {
  const { validity } = input;
  if (validity.badInput) return "This is not a number";
  if (input.value === "") return undefined;
  const whole = input.step === "1";
  const value = input.valueAsNumber;
  if (!validity.rangeUnderflow && !validity.rangeOverflow && (!whole || Number.isSafeInteger(value))) return undefined;
  const kind = whole ? "a whole number" : "a number";
  const [least, most] = [input.min, input.max].map((bound) => (bound === "" ? undefined : NUMBER.format(Number(bound))));
  if (least !== undefined && most !== undefined) return `It must be ${kind} from ${least} to ${most}`;
  return least === undefined ? `It must be ${kind}` : `It must be ${kind}, ${least} or more`;
}
