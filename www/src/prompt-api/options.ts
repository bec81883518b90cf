/** Options of this entry: those of loading, and what a page that asks for "the language model" can't say. */
import * as kinds from "../internal/options/kinds.js";
import { CHAT } from "../internal/options/openai-tables.js";
import type { Options } from "../internal/options/read.js";
import { LOAD } from "../internal/options/tables.js";
import type { LoadOptions } from "../public/types.js";

/** How the model is loaded, when the first session is created, and what is not the page's to say. */
export interface LanguageModelOptions extends Omit<LoadOptions, "signal" | "worker"> {
  /** Makes a worker of `b158/worker`: for the engine, each time that it is loaded, and for each further thread. */
  worker?: () => Worker;
  /**
   * Languages that the model knows, as BCP 47 tags: `["en", "de"]`; `en` stands for `en-GB` too. A page that expects another is told `unavailable`.
   * By default any is taken, since a file does not say.
   */
  languages?: readonly string[];
  /** How long the model stays in memory after its last session was destroyed; 30,000 by default, `Infinity` keeps it. */
  unloadAfterMs?: number;
  /** Of every answer: the same calls give the same text. By default each answer has another. */
  seed?: number;
  /** Variables for the model's chat template; `enable_thinking` is `false` unless something else stands here. Thoughts are never part of an answer. */
  chatTemplateKwargs?: Readonly<Record<string, unknown>>;
}

/** Of {@link install}. */
export interface InstallOptions extends LanguageModelOptions {
  /** Also in the place of one that the browser has, and that works. */
  force?: boolean;
}

const { signal: _, ...loading } = LOAD.table;

export const LANGUAGE_MODEL: Options<LanguageModelOptions> = {
  of: "languageModel",
  table: {
    ...loading,
    worker: { kind: kinds.callback(), otherwise: "one of `workerUrl`" },
    languages: { kind: kinds.listOf(kinds.text, "an array of language tags"), otherwise: "any" },
    unloadAfterMs: { kind: kinds.count, otherwise: "30000" },
    seed: CHAT.table.seed,
    chatTemplateKwargs: CHAT.table.chat_template_kwargs,
  },
  lacking: { signal: "a session is ended by create's own" },
};

export const INSTALL: Options<InstallOptions> = {
  ...LANGUAGE_MODEL,
  of: "install",
  table: { ...LANGUAGE_MODEL.table, force: { kind: kinds.flag, otherwise: "false" } },
};
