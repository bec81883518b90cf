/**
 * The one way out, as `src/cli/terminal.rs` of the crate has it: names, errors and generated text come from files that anyone may have made,
 * and a terminal obeys what it is sent. A line is escaped as a whole; generated text where standard output is a terminal, and in a pipe it is
 * the exact text.
 */
import process from "node:process";

/** Control characters, separators of lines, and what turns the order of the others. */
const HARMFUL = "\\p{Cc}\\u202a-\\u202e\\u2066-\\u2069\\u2028\\u2029";
/** Besides, in a line of ours: what is not seen. */
const UNSEEN = "\\u00ad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}";
const IN_TEXT = new RegExp(`(?![\\n\\t])[${HARMFUL}]`, "gu");
const IN_A_LINE = new RegExp(`[${HARMFUL}${UNSEEN}]`, "gu");

function spelled(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[character];
  return short ?? (code < 0x80 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`);
}

/** Text for a line. */
export function inLine(text: string): string {
  return text.replace(IN_A_LINE, spelled);
}

/** Generated text, for a terminal. */
export function inText(text: string): string {
  return text.replace(IN_TEXT, spelled);
}

/** A line on standard error. */
export function say(line: string): void {
  process.stderr.write(`${inLine(line)}\n`);
}

/** Generated text on standard output; resolves when that takes more. */
export function write(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(process.stdout.isTTY ? inText(text) : text, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}
