/**
 * The Prompt API (https://webmachinelearning.github.io/prompt-api) over a model of this package: what Chrome and Edge call `LanguageModel`, for every
 * browser that runs the package.
 *
 * ```ts
 * await install("model.gguf"); // leaves the browser's own alone, where it has one that works
 * const session = await LanguageModel.create({ initialPrompts: [{ role: "system", content: "Be brief." }] });
 * for await (const text of session.promptStreaming("Why is the sky blue?")) document.body.append(text);
 * ```
 *
 * What is left to implementations, and what this one does: it asks for no user activation before a download. Of the calls of a session one runs at a
 * time, the others wait, `clone` among them. A prompt that does not fit beside the turns before it drops the oldest of them, each prompt with its
 * answer, but never `initialPrompts` and the system prompt; an eighth of the context, 512 tokens at most, is kept free for the answer as long as
 * there is something to drop. An answer that is aborted or cancelled is taken out of the conversation with its prompt. The form of an answer is said to the
 * model at the end of the user's words, and stays there. Tools with `execute` are run here, side by side, until the model answers in words; with one that has none, calls are
 * the answer (`LanguageModelToolCall`), and what came of them is prompted as `tool-response`. All sessions, clones too, share one model: it is loaded
 * when the first is created, and leaves the memory `unloadAfterMs` after the last was destroyed or forgotten.
 *
 * @module
 */
import { readOptions } from "../internal/options/read.js";
import type { BitNet } from "../public/bitnet.js";
import type { ModelSource } from "../public/types.js";
import { languageModelOf } from "./language-model.js";
import { CreateMonitor } from "./monitor.js";
import { INSTALL, LANGUAGE_MODEL, type InstallOptions, type LanguageModelOptions } from "./options.js";
import { SharedModel } from "./shared-model.js";
import { LanguageModelToolCall, LanguageModelToolError, LanguageModelToolSuccess } from "./tools.js";
import type { LanguageModelConstructor } from "./types.js";

export type { InstallOptions, LanguageModelOptions } from "./options.js";
export { LanguageModelToolCall, LanguageModelToolError, LanguageModelToolSuccess, type LanguageModelToolResultContent } from "./tools.js";
export type * from "./types.js";

/** What {@link install} has done. */
export interface Installed {
  /** The page's from here on: this package's, or the browser's own where that works. */
  readonly LanguageModel: LanguageModelConstructor;
  /** Whether it is this package's. */
  readonly installed: boolean;
  /** Puts back what was there before, unless somebody else has taken the place since. Sessions live on. */
  uninstall(): void;
}

/**
 * `LanguageModel` of a model, which is loaded when the first session is created; or of one that is loaded already, which stays its owner's to dispose of.
 *
 * @throws BitNetError `invalid-argument` for an option that makes no sense.
 */
export function languageModel(source: ModelSource | BitNet, options: LanguageModelOptions = {}): LanguageModelConstructor {
  return made(source, readOptions(LANGUAGE_MODEL, options));
}

/**
 * Makes it the page's `LanguageModel`, with the classes of its tools, where the browser has none, or has one that says `unavailable`: on a device
 * with too little memory or disk, for example. With `force` in any case.
 *
 * @throws BitNetError `invalid-argument` for an option that makes no sense.
 */
export async function install(source: ModelSource | BitNet, options: InstallOptions = {}): Promise<Installed> {
  const { force = false, ...read } = readOptions(INSTALL, options);
  const { LanguageModel: own } = globalThis as { LanguageModel?: LanguageModelConstructor };
  if (own && !force && (await isUsable(own))) return { LanguageModel: own, installed: false, uninstall: () => undefined };
  const LanguageModel = made(source, read);
  return { LanguageModel, installed: true, uninstall: put({ LanguageModel, LanguageModelToolCall, LanguageModelToolError, LanguageModelToolSuccess, CreateMonitor }) };
}

function made(source: ModelSource | BitNet, { unloadAfterMs, languages, seed, chatTemplateKwargs, ...load }: LanguageModelOptions): LanguageModelConstructor {
  return languageModelOf(new SharedModel(source, load, unloadAfterMs), {
    ...(languages && { languages }),
    ...(seed !== undefined && { seed }),
    ...(chatTemplateKwargs && { chatTemplateKwargs }),
  });
}

/** One that can't tell is none. */
async function isUsable(own: LanguageModelConstructor): Promise<boolean> {
  try {
    return (await own.availability()) !== "unavailable";
  } catch {
    return false;
  }
}

/** Puts classes where a page finds them, and gives what takes them away again. */
function put(classes: Readonly<Record<string, unknown>>): () => void {
  const undo = Object.entries(classes).map(([name, value]) => {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
    return () => {
      if ((globalThis as Record<string, unknown>)[name] !== value) return;
      if (before) Object.defineProperty(globalThis, name, before);
      else Reflect.deleteProperty(globalThis, name);
    };
  });
  return () => {
    for (const one of undo) one();
  };
}
