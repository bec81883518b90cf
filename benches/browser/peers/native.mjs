// Programs beside the browser, each a process of its own for each round.
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** One round of `{ engine, path, threads, promptTokens, tokens }`. */
export async function measureNative(program, { engine, path, threads, promptTokens, tokens }) {
  const numbers = [threads, promptTokens, tokens].map(String);
  if (engine === "llama.cpp") {
    const { stdout } = await run(process.execPath, [new URL("llama.cpp/measure.mjs", import.meta.url).pathname, path, ...numbers]);
    const round = JSON.parse(stdout);
    if (round.threads !== threads) throw new Error(`llama.cpp runs ${round.threads} threads instead of ${threads}`);
    return round;
  }
  const { stdout } = await run(program, ["bench", "-m", path, "-t", numbers[0], "-p", numbers[1], "-n", numbers[2], "-r", "1", "--json"]);
  return JSON.parse(stdout).results[0];
}
