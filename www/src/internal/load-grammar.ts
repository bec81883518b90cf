/**
 * The module that knows schemas and grammars: fetched when an answer first has to have a form. What it gives, the engine calls:
 * `src/web/worker/forms.rs` of the crate.
 */
import { GRAMMAR, grammarGlue } from "./builds.js";
import { compile, type OnProgress } from "./load-wasm.js";

/** A model's tokens in it; `free` gives memory back. */
export interface Vocabulary {
  answer: (kind: string, text: string) => unknown;
  free: () => void;
}

export interface Grammar {
  vocabulary: (bytes: Uint8Array, lengths: Uint32Array, control: Uint32Array, names: string[], ends: Uint32Array) => Vocabulary;
  /** Another instance, with a memory of its own: nothing that the one before gave may be touched any more. */
  renew: () => void;
}

export async function loadGrammar(url: string | URL | undefined, onProgress: OnProgress): Promise<Grammar> {
  const address = url ?? GRAMMAR.url();
  const [module, { default: start, Vocabulary, __wbg_reset_state }] = await Promise.all([compile(address, "the grammar module", "grammarUrl", onProgress), grammarGlue()]);
  await start({ module_or_path: module });
  return {
    vocabulary: (bytes, lengths, control, names, ends) => new Vocabulary(bytes, lengths, control, names, ends),
    renew: __wbg_reset_state,
  };
}
