import { BitNetError, type BitNetErrorCode } from "b158";
import { button, element } from "./dom.js";
import { EngineError } from "./served-engine.js";

const TITLES: Record<BitNetErrorCode, string> = {
  "unsupported-browser": "This browser can't run the engine",
  network: "The model could not be fetched",
  integrity: "The model is not the one that was asked for",
  quota: "There is no room to keep the model",
  storage: "The model can't be kept",
  io: "The file could not be read",
  format: "This is not a sound model",
  "unsupported-model": "This model is of a kind the engine does not run",
  "out-of-memory": "The model does not fit into memory",
  "context-overflow": "The prompt is longer than the context",
  "invalid-argument": "This can't be done",
  constraint: "The answer could not keep its form",
  disposed: "The model was closed",
  "worker-crashed": "The engine has stopped",
};

const OF_ENGINE: Record<EngineError["code"], string> = {
  key: "The engine asks for a key",
  loading: "The engine is not ready",
  busy: "The engine is busy",
  gone: "The engine can't be reached",
  refused: "The engine does not answer this",
  cut: "The answer broke off",
};

const ADVICE: Partial<Record<BitNetErrorCode, string>> = {
  "unsupported-browser": "A current Chrome, Edge, Firefox or Safari can: the engine needs WebAssembly SIMD and web workers.",
  format: "If it was downloaded, a file may have been cut short: get it again, and compare its size with the one its publisher names.",
  integrity: "Nothing of it has been kept. Load it again; if it is the same then, the file at this address is another one than it should be.",
  quota: "Delete models that are kept, under “Use another model”, or make room on this device.",
  io: "It has changed since it was chosen, or is gone: choose the file again.",
  storage: "Close other tabs of this page, which may be at work on the same file.",
  "out-of-memory": "Close other tabs, choose a smaller context under Advanced, or use a smaller model.",
  "context-overflow": "Shorten the prompt, clear the conversation, or load the model with a longer context under Advanced.",
  "worker-crashed": "Load the model again; if it happens each time, please report it.",
  "unsupported-model": "The engine runs BitNet b1.58 models in I2_S, TQ1_0 or TQ2_0.",
};

const OFFLINE = "This device has no network just now. Models that are kept on it load all the same: they are listed under “Use another model”.";

/** For these, the same once more may end otherwise. */
const WORTH_A_RETRY: readonly string[] = ["network", "worker-crashed", "integrity", "quota", "storage", "key", "loading", "busy", "gone", "cut", "unknown"];

/** Ended because a person wanted it: cancelled, or another model took its place. */
export function isIntended(error: unknown): boolean {
  return (error instanceof DOMException && error.name === "AbortError") || (error instanceof BitNetError && error.code === "disposed");
}

/** What went wrong and what to do, as text only. `actions` are for errors that may pass. */
export function showError(box: HTMLElement, error: unknown, actions: Readonly<Record<string, () => void>> = {}): void {
  const code = error instanceof BitNetError ? error.code : undefined;
  const advice = code === "network" && !navigator.onLine ? OFFLINE : code && ADVICE[code];
  const title = code ? TITLES[code] : error instanceof EngineError ? OF_ENGINE[error.code] : "Something went wrong";
  box.replaceChildren(element("strong", "", title), element("p", "", error instanceof Error ? sentence(error.message) : String(error)));
  if (advice !== undefined) box.append(element("p", "", advice));
  box.dataset["code"] = code ?? (error instanceof EngineError ? error.code : "unknown");
  if (WORTH_A_RETRY.includes(box.dataset["code"])) box.append(...Object.entries(actions).map(([label, act]) => button(label, "", act)));
  box.hidden = false;
}

function sentence(message: string): string {
  // The name of a file stays as it is.
  const text = message.replace(/^[a-z](?=[a-z]* )/, (first) => first.toUpperCase());
  return /[.!?)]$/.test(text) ? text : `${text}.`;
}
