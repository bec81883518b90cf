/** Answers that keep to a form: a JSON schema, a regular expression, a grammar. */

/** A JSON schema: an object, `true` or `false`, or the JSON text of one, in which numbers keep all their digits. */
export type JsonSchema = object | boolean | string;

/**
 * What an answer has to be, to the last character:
 *
 * - `json_schema`: a JSON value of this schema, its properties in the schema's order, with one space after each comma and colon and no other white space
 *   between its parts;
 * - `json_object`: any JSON object;
 * - `regex`: a text that the expression matches as a whole, in JavaScript's syntax, as far as that needs no memory of what came before: back
 *   references and look-around are refused;
 * - `lark`: a text of a grammar in Lark's form, as llguidance reads it.
 *
 * `begun` is the part of the answer that the prompt already ends with: in a session that was saved in the middle of an object, for
 * example. It is no part of the result's text.
 */
export type ResponseFormat = (
  | { readonly type: "json_schema"; readonly schema: JsonSchema }
  | { readonly type: "json_object" }
  | { readonly type: "regex"; readonly pattern: string | RegExp }
  | { readonly type: "lark"; readonly grammar: string }
) & { readonly begun?: string };

/** What an answer of a form waits for, the first time that a model gives one. */
export interface PrepareProgress {
  /** `fetch`: the WebAssembly module that reads schemas and grammars; `vocabulary`: the model's tokens, half a second for 128,000 of them. */
  readonly phase: "fetch" | "vocabulary";
  /** Bytes, or tokens, so far. */
  readonly loaded: number;
  /** In all; absent while nobody knows. */
  readonly total?: number;
}

/** What the form of an answer cost. */
export interface ConstraintStats {
  /** To read the schema or grammar. */
  readonly compileMs: number;
  /** Times that it was worked out which tokens may follow. */
  readonly masks: number;
  /** All of them, and finding what is certain. */
  readonly maskMsTotal: number;
  readonly medianMaskMs: number;
  readonly slowestMaskMs: number;
  /** Tokens that the form left no choice of: they are taken unsampled, and read in one pass. */
  readonly certainTokens: number;
  /** Rows of the output head that were computed for the others; the whole head has one for each token of the vocabulary. */
  readonly rowsComputed: number;
  /** What of a schema was passed over, since it limits nothing that is known here; why tools are not offered in the way of the model's own template. */
  readonly notes: readonly string[];
}
