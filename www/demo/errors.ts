import { BitNetError, type BitNetErrorCode } from "b158";

const TITLES: Record<BitNetErrorCode, string> = {
  "unsupported-browser": "This browser can't run the engine",
  network: "The model could not be fetched",
  integrity: "The model is not the one that was asked for",
  quota: "There is no room to keep the model",
  storage: "The model can't be kept",
  format: "This is not a sound GGUF file",
  "unsupported-model": "This model is of a kind the engine does not run",
  "out-of-memory": "The model does not fit into memory",
  "context-overflow": "The prompt is longer than the context",
  "invalid-argument": "A setting has no sense",
  disposed: "The model was closed",
  "worker-crashed": "The engine has stopped",
};

const ADVICE: Partial<Record<BitNetErrorCode, string>> = {
  "out-of-memory": "Close other tabs, choose a smaller context under Advanced, or use a smaller model.",
  "context-overflow": "Shorten the prompt, clear the chat, or load the model with a longer context under Advanced.",
  "worker-crashed": "Load the model again; if it happens each time, please report it.",
  "unsupported-model": "The engine runs BitNet b1.58 models in I2_S, TQ1_0 or TQ2_0.",
};

/** Ended because a person wanted it: cancelled, or another model took its place. */
export function isIntended(error: unknown): boolean {
  return (error instanceof DOMException && error.name === "AbortError") || (error instanceof BitNetError && error.code === "disposed");
}

/** What went wrong and what to do, as text only. */
export function showError(box: HTMLElement, error: unknown): void {
  const code = error instanceof BitNetError ? error.code : undefined;
  const parts: [string, string | undefined][] = [
    ["strong", code ? TITLES[code] : "Something went wrong"],
    ["p", error instanceof Error ? sentence(error.message) : String(error)],
    ["p", code && ADVICE[code]],
  ];
  box.replaceChildren();
  for (const [name, text] of parts) {
    if (text === undefined) continue;
    const element = document.createElement(name);
    element.textContent = text;
    box.append(element);
  }
  box.dataset["code"] = code ?? "unknown";
  box.hidden = false;
}

function sentence(message: string): string {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?)]$/.test(text) ? text : `${text}.`;
}
