/** The command line of `b158 chat`: the options of the native program, as far as they are for this engine, with the same words. */
import { readFileSync } from "node:fs";

/** What is wrong with a command line: exit code 2. */
export class UsageError extends Error {}

interface Option {
  /** As they are typed; the first one names it. */
  names: string[];
  /** What stands for its value in the help; a flag has none. */
  value?: string;
  help: string;
  read?: (text: string) => unknown;
  /** May be given more than once. */
  many?: boolean;
}

const whole = (least: number, what: string) => (text: string) => {
  const number = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(number) || number < least) throw new Error(`it is ${what}`);
  return number;
};

const real = (least: number, most: number, what: string) => (text: string) => {
  const number = Number(text);
  if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) || !(number >= least && number <= most)) throw new Error(`it is ${what}`);
  return number;
};

const oneOf = (...words: string[]) => (text: string) => {
  if (!words.includes(text)) throw new Error(`it is one of ${words.join(", ")}`);
  return text;
};

const digests = (text: string) =>
  text.split(",").map((digest) => {
    if (!/^[0-9a-f]{64}$/i.test(digest)) throw new Error("it is 64 hexadecimal digits");
    return digest.toLowerCase();
  });

const MOST = 3.4028234663852886e38;

const OPTIONS = {
  model: { names: ["-m", "--model"], value: "FILE", help: "the GGUF file, of a split model the first; hf:owner/repository/file.gguf and https://… are downloaded, and kept in a cache; or the folder of a checkpoint" },
  offline: { names: ["--offline"], help: "take what has an address from the cache alone, and ask no server" },
  noCache: { names: ["--no-cache"], help: "keep nothing of what is downloaded" },
  sha256: { names: ["--sha256"], value: "HEX", help: "SHA-256 that the file must have; of a split model that of each part, parted by commas", read: digests },
  threads: { names: ["-t", "--threads"], value: "T", help: "threads, -1 for as many as are best [default: -1]", read: whole(-1, "a number of threads, or -1 for as many as are best") },
  backend: { names: ["--backend"], value: "NAME", help: "kernels: simd128 or relaxed [default: the fastest here]", read: oneOf("simd128", "relaxed") },
  overrideKv: { names: ["--override-kv"], value: "K=T:V", help: "change a metadata value: key=type:value, type int, float, bool or str; may be repeated", many: true },
  tokenEmbedding: { names: ["--token-embedding-type"], value: "TYPE", help: "how the token embedding is held: file, int8 or auto [default: auto]", read: oneOf("auto", "file", "int8") },
  contextLength: { names: ["-c", "--ctx-size"], value: "N", help: "tokens of context, prompt and answer [default: what the model was trained for, at most 4096]", read: whole(1, "a number of tokens, 1 or more") },
  kvCache: { names: ["--kv-cache"], value: "TYPE", help: "type of the KV cache: f16, f32, q8_0 or auto [default: auto]", read: oneOf("auto", "f16", "f32", "q8_0") },
  predict: { names: ["-n", "--predict", "--n-predict"], value: "N", help: "tokens of an answer, -1 to go on until the model ends [default: -1]", read: whole(-2, "a number of tokens, or -1 to go on to the end") },
  temperature: { names: ["--temp", "--temperature"], value: "X", help: "temperature; 0 or less always takes the likeliest token [default: 0.8]", read: real(-MOST, MOST, "a number; 0 or less always takes the likeliest token") },
  topK: { names: ["--top-k"], value: "K", help: "keep the K likeliest tokens; 0 or less keeps all [default: 40]", read: whole(-MOST, "a number of tokens; 0 or less keeps all") },
  topP: { names: ["--top-p"], value: "P", help: "keep the likeliest tokens that together have this probability [default: 0.95]", read: real(0, 1, "a number between 0 and 1, which keeps all") },
  minP: { names: ["--min-p"], value: "P", help: "drop tokens less likely than this share of the likeliest one's probability [default: 0.05]", read: real(0, 1, "a number between 0, which keeps all, and 1") },
  repeatPenalty: { names: ["--repeat-penalty"], value: "X", help: "divide the logits of recent tokens by this [default: 1]", read: real(1.1754943508222875e-38, MOST, "a number greater than 0; 1 does nothing") },
  repeatLastN: { names: ["--repeat-last-n"], value: "N", help: "how many recent tokens the penalties look at, -1 for all [default: 64]", read: whole(-1, "a number of tokens, or -1 for all") },
  presencePenalty: { names: ["--presence-penalty"], value: "X", help: "subtract this from the logits of recent tokens [default: 0]", read: real(-2, 2, "a number between -2 and 2; 0 does nothing") },
  frequencyPenalty: { names: ["--frequency-penalty"], value: "X", help: "the same, once for each time they occur [default: 0]", read: real(-2, 2, "a number between -2 and 2; 0 does nothing") },
  seed: { names: ["-s", "--seed"], value: "S", help: "seed of the draw; -1 takes any, and says which [default: 0]", read: whole(-1, `a whole number from 0 to ${String(Number.MAX_SAFE_INTEGER)}, or -1 for any`) },
  stop: { names: ["-r", "--reverse-prompt", "--stop"], value: "TEXT", help: "stop at this text; may be repeated", many: true },
  system: { names: ["--system-prompt", "--sys", "--system"], value: "TEXT", help: "system message before the first turn" },
  systemFile: { names: ["--system-prompt-file"], value: "FILE", help: "read the system message from a file, without the line feed at its end" },
  prompt: { names: ["-p", "--prompt"], value: "TEXT", help: "the first message; the others come from standard input, a line each" },
  promptFile: { names: ["-f", "--file"], value: "FILE", help: "read the first message from a file, without the line feed at its end" },
  singleTurn: { names: ["--single-turn"], help: "end after the first answer" },
  noEscape: { names: ["--no-escape"], help: "take the texts of -p, -f and -r as they are: \\n and \\x41 stand for what they say otherwise" },
  quiet: { names: ["-q", "--quiet"], help: "say nothing on standard error but errors" },
  help: { names: ["-h", "--help"], help: "print help" },
} satisfies Record<string, Option>;

type Name = keyof typeof OPTIONS;

export interface ChatOptions {
  model: string;
  offline?: true;
  noCache?: true;
  sha256?: string[];
  threads?: number;
  backend?: "simd128" | "relaxed";
  overrideKv?: string[];
  tokenEmbedding?: "auto" | "file" | "int8";
  contextLength?: number;
  kvCache?: "auto" | "f16" | "f32" | "q8_0";
  predict?: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repeatPenalty?: number;
  repeatLastN?: number;
  presencePenalty?: number;
  frequencyPenalty?: number;
  seed?: number;
  stop?: string[];
  system?: string;
  systemFile?: string;
  prompt?: string;
  promptFile?: string;
  singleTurn?: true;
  noEscape?: true;
  quiet?: true;
  help?: true;
}

const TOGETHER: [Name, Name][] = [
  ["system", "systemFile"],
  ["prompt", "promptFile"],
  ["offline", "noCache"],
];

/** Undefined where help is asked for. */
export function readArguments(given: readonly string[]): ChatOptions | undefined {
  const found: Record<string, unknown> = {};
  const rest = [...given];
  for (;;) {
    const next = rest.shift();
    if (next === undefined) break;
    // -n5 and --seed=5, as everywhere.
    const [, word = next, joined] = /^(--[^=]+)=([^]*)$/.exec(next) ?? /^(-[a-zA-Z])([^]+)$/.exec(next) ?? [];
    const [name, option] = (Object.entries(OPTIONS) as [Name, Option][]).find(([, { names }]) => names.includes(word)) ?? [];
    if (!name || !option) throw new UsageError(`unexpected argument '${next}' found`);
    const shown = `'${option.names.at(-1)?.startsWith("--") ? (option.names.find((name) => name.startsWith("--")) ?? word) : word}${option.value ? ` <${option.value}>` : ""}'`;
    if (found[name] !== undefined && !option.many) throw new UsageError(`the argument ${shown} cannot be used multiple times`);
    if (option.value === undefined) {
      if (joined !== undefined) throw new UsageError(`unexpected value '${joined}' for ${shown} found; no more were expected`);
      found[name] = true;
      continue;
    }
    const text = joined ?? rest.shift();
    if (text === undefined) throw new UsageError(`a value is required for ${shown} but none was supplied`);
    try {
      const value = option.read ? option.read(text) : text;
      found[name] = option.many ? [...((found[name] as unknown[] | undefined) ?? []), value] : value;
    } catch (error) {
      throw new UsageError(`invalid value '${text}' for ${shown}: ${(error as Error).message}`);
    }
  }
  if (found["help"]) return undefined;
  for (const [one, other] of TOGETHER) {
    if (found[one] !== undefined && found[other] !== undefined) throw new UsageError(`the argument '${OPTIONS[one].names.at(-1) ?? one}' cannot be used with '${OPTIONS[other].names.at(-1) ?? other}'`);
  }
  if (found["model"] === undefined) throw new UsageError("the following required arguments were not provided:\n  --model <FILE>");
  return found as unknown as ChatOptions;
}

export function help(): string {
  const rows = Object.values(OPTIONS as Record<string, Option>).map(({ names, value, help }) => `  ${names.join(", ")}${value ? ` <${value}>` : ""}\n        ${help}`);
  return `Talk with a model.\n\nUsage: b158 chat [OPTIONS] --model <FILE>\n\nOptions:\n${rows.join("\n")}\n`;
}

/** `\n`, `\r`, `\t`, `\'`, `\"`, `\\` and `\x41` become what they stand for; others stay as they are. */
export function unescape(option: string, text: string): string {
  const short: Record<string, string> = { n: "\n", r: "\r", t: "\t" };
  const pieces = text.split(/(\\x[0-9a-fA-F]{2}|\\[nrt'"\\])/).map((piece, index) => {
    if (index % 2 === 0) return Buffer.from(piece);
    return piece.startsWith("\\x") ? Buffer.of(Number.parseInt(piece.slice(2), 16)) : Buffer.from(short[piece.slice(1)] ?? piece.slice(1));
  });
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(pieces));
  } catch {
    throw new Error(`${option}: its escapes \\x.. make bytes that are not UTF-8; --no-escape takes the text as it is`);
  }
}

/** A file's text without the line feed that editors put at its end. */
export function fileText(path: string): string {
  const bytes = readFileSync(path);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes).replace(/\r?\n$/, "");
  } catch {
    throw new Error(`${path}: it is not UTF-8`);
  }
}
