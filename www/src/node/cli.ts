#!/usr/bin/env node
/** `npx b158 chat`: the native program's conversation without the program. 0 is success, 1 an error, 2 a command line that cannot be read. */
import { readFileSync } from "node:fs";
import process from "node:process";
import { chat } from "./cli/chat.js";
import { help, readArguments, UsageError } from "./cli/options.js";
import { inLine, say, write } from "./cli/terminal.js";

const USAGE = "Usage: b158 chat [OPTIONS] --model <FILE>\n\nA talk with a model in the terminal; b158 chat --help tells the options. The other commands of b158 are the native program's.\n";

process.exitCode = await main(process.argv.slice(2));

async function main([command, ...rest]: string[]): Promise<number> {
  // A reader that has seen enough is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") say(`error: standard output: ${error.message}`);
    process.exit(error.code === "EPIPE" ? 0 : 1);
  });
  try {
    if (command === "--version" || command === "-V") {
      await write(`b158 ${version()}\n`);
    } else if (command === undefined || command === "--help" || command === "-h" || command === "help") {
      await write(USAGE);
      return command === undefined ? 2 : 0;
    } else if (command === "chat") {
      const options = readArguments(rest);
      await (options ? chat(options) : write(help()));
    } else {
      throw new UsageError(`unrecognized subcommand '${command}'`);
    }
    return 0;
  } catch (error) {
    // The engine's own name for an option of ours.
    const message = (error instanceof Error ? error.message : String(error)).replace(/^option `context` is/, "--ctx-size is");
    if (!(error instanceof UsageError)) {
      say(`error: ${message}`);
      return 1;
    }
    process.stderr.write(`${message.split("\n").map((line, index) => inLine(index === 0 ? `error: ${line}` : line)).join("\n")}\n\nFor more information, try '--help'.\n`);
    return 2;
  }
}

function version(): string {
  const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as { version: string };
  return version;
}
