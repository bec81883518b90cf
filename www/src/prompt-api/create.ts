/** The options of a creation, read as Web IDL has it. */
import { callback, dictionary, oneOf, required, sequence, signal, string } from "./idl.js";
import { canonical, convertMessages, type Prompt, TYPES } from "./prompt.js";
import { type AskedSampling, readSampling, settle } from "./sampling.js";
import { readTools, type Tool } from "./tools.js";
import type { CreateMonitor, LanguageModelMessageType } from "./types.js";

/** What a language model is asked to be. */
export interface Core {
  readonly sampling: AskedSampling;
  readonly inputs: readonly Expected[];
  readonly outputs: readonly Expected[];
  readonly tools: readonly Tool[];
}

interface Expected {
  readonly type: LanguageModelMessageType;
  readonly languages: readonly string[];
}

export interface Created extends Core {
  readonly signal: AbortSignal | undefined;
  readonly monitor: ((monitor: CreateMonitor) => unknown) | undefined;
  readonly initialPrompts: Prompt | undefined;
  /** Types that prompts may have. */
  readonly expected: ReadonlySet<LanguageModelMessageType>;
}

/** What is read and written here; pictures and sounds are neither. */
const INPUTS: ReadonlySet<LanguageModelMessageType> = new Set(["text", "tool-call", "tool-response"]);
const OUTPUTS: ReadonlySet<LanguageModelMessageType> = new Set(["text", "tool-call"]);

export function readCore(given: Readonly<Record<string, unknown>>): Core {
  const list = (name: string) => (given[name] === undefined ? [] : sequence(given[name], name, expectedOf));
  const inputs = list("expectedInputs");
  const outputs = list("expectedOutputs");
  return { inputs, outputs, sampling: readSampling(given), tools: given["tools"] === undefined ? [] : readTools(given["tools"]) };
}

export function readCreate(options: unknown): Created {
  const given = dictionary(options, "options");
  const core = readCore(given);
  const { initialPrompts, monitor } = given;
  const messages = initialPrompts === undefined ? [] : convertMessages(initialPrompts, "initialPrompts");
  const expected = new Set<LanguageModelMessageType>(["text", ...core.inputs.map(({ type }) => type)]);
  const created = {
    ...core,
    expected,
    signal: signal(given["signal"], "signal"),
    monitor: monitor === undefined ? undefined : callback(monitor, "monitor"),
    initialPrompts: messages.length === 0 ? undefined : canonical(messages, expected, false),
  };
  settle(core.sampling);
  // Who runs no tools has to say that calls are welcome.
  if (core.tools.some(({ execute }) => execute === undefined) && !core.outputs.some(({ type }) => type === "tool-call")) {
    throw new TypeError('tools without execute are called by the answer: expectedOutputs must have { type: "tool-call" }');
  }
  return created;
}

function expectedOf(value: unknown, what: string): Expected {
  const given = dictionary(value, what);
  const { languages } = given;
  const tags = languages === undefined ? [] : sequence(languages, `${what}.languages`, string);
  // A tag that is none is a RangeError.
  return { languages: Intl.getCanonicalLocales(tags), type: oneOf(TYPES, required(given, "type", what), `${what}.type`) };
}

/** Whether a model of these languages, or of any, does what is asked. */
export function isSupported({ inputs, outputs }: Core, languages: readonly string[] | undefined): boolean {
  const known = languages && new Set(Intl.getCanonicalLocales([...languages]));
  const speaks = (tag: string) => known === undefined || prefixes(tag).some((prefix) => known.has(prefix));
  const offers = (asked: readonly Expected[], types: ReadonlySet<LanguageModelMessageType>) => asked.every(({ type, languages: tags }) => types.has(type) && tags.every(speaks));
  return offers(inputs, INPUTS) && offers(outputs, OUTPUTS);
}

/** The tag, and what is left of it as its ends are taken away: `en-GB`, `en`. */
function prefixes(tag: string): readonly string[] {
  const parts = tag.split("-");
  return parts.map((_, index) => parts.slice(0, parts.length - index).join("-"));
}
