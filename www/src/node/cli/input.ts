/** Where messages come from: a person, with editing and history, or a file or a pipe, whose lines are taken as they are. */
import process from "node:process";
import { createInterface } from "node:readline";

/** The longest line, in bytes: far beyond any context. */
const MOST_BYTES = 16 << 20;

export type Line = { text: string } | { refused: string };

/** Ends where the input does. */
export function lines(): AsyncGenerator<Line> {
  return process.stdin.isTTY ? typed() : piped(process.stdin);
}

/** Ctrl-C leaves the line, Ctrl-D the conversation. What is typed or pasted while an answer is written, waits. */
async function* typed(): AsyncGenerator<Line> {
  const editor = createInterface({ input: process.stdin, output: process.stderr, terminal: true, prompt: "> " });
  const waiting: string[] = [];
  let come: (() => void) | undefined;
  const state = { ended: false };
  editor.on("line", (line) => {
    waiting.push(line);
    come?.();
  });
  editor.on("close", () => {
    state.ended = true;
    come?.();
  });
  editor.on("SIGINT", () => {
    if (!come) {
      process.emit("SIGINT");
      return;
    }
    process.stderr.write("\n");
    editor.write(null, { ctrl: true, name: "e" });
    editor.write(null, { ctrl: true, name: "u" });
    editor.prompt();
  });
  try {
    for (;;) {
      const next = waiting.shift();
      if (next !== undefined) {
        yield { text: next };
        continue;
      }
      if (state.ended) {
        process.stderr.write("\n");
        return;
      }
      editor.prompt();
      await new Promise<void>((resolve) => {
        come = resolve;
      });
      come = undefined;
    }
  } finally {
    editor.close();
  }
}

/** Lines without their ends, be that LF, CR LF or the end of the input. */
export async function* piped(input: AsyncIterable<Buffer | string>): AsyncGenerator<Line> {
  let pieces: Buffer[] = [];
  let length = 0;
  const take = (piece: Buffer) => {
    length += piece.length;
    if (length <= MOST_BYTES) pieces.push(piece);
  };
  const end = (): Line => {
    const line = read(Buffer.concat(pieces), length);
    pieces = [];
    length = 0;
    return line;
  };
  for await (const chunk of input) {
    let bytes = Buffer.from(chunk);
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10)) {
      take(bytes.subarray(0, at));
      bytes = bytes.subarray(at + 1);
      yield end();
    }
    take(bytes);
  }
  if (length > 0) yield end();
}

function read(bytes: Buffer, length: number): Line {
  if (length > MOST_BYTES) return { refused: `the line is longer than ${String(MOST_BYTES)} bytes` };
  try {
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes).replace(/\r$/, "") };
  } catch {
    return { refused: "the line is not UTF-8" };
  }
}
