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

/** Ctrl-C leaves the line, Ctrl-D the conversation. */
async function* typed(): AsyncGenerator<Line> {
  let history: string[] = [];
  for (;;) {
    // One for each line: while an answer is written, the terminal sends Ctrl-C as a signal.
    const editor = createInterface({ input: process.stdin, output: process.stderr, terminal: true, history });
    editor.on("history", (lines) => {
      history = [...lines];
    });
    const line = await new Promise<string | typeof END | typeof AGAIN>((resolve) => {
      editor.on("SIGINT", () => {
        resolve(AGAIN);
      });
      editor.on("close", () => {
        resolve(END);
      });
      editor.question("> ", resolve);
    });
    editor.close();
    if (line === AGAIN || line === END) process.stderr.write("\n");
    if (line === END) return;
    if (line !== AGAIN) yield { text: line };
  }
}

const END = Symbol("the input has ended");
const AGAIN = Symbol("the line was left");

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
