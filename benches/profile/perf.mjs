// Where a token's time goes natively: `perf script -F period,ip,sym` of each phase, as run.sh records it.
//   node perf.mjs --folded OUT  NAME TOKENS FILE  [NAME TOKENS FILE ...]
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { folded, table } from "./parts.mjs";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { folded: { type: "string" } } });

/** Loading the model is in the recording too: what counts is below a pass of the model. */
function samples(text) {
  return text
    .split(/\n\s*\n/)
    .map((block) => block.split("\n").filter((line) => line.trim() !== ""))
    .filter((lines) => lines.length > 1)
    .map(([head, ...frames]) => ({ microseconds: Number(head.trim()) / 1000, frames: frames.map((line) => line.trim().replace(/^[0-9a-f]+ /, "")) }))
    .map((sample) => ({ ...sample, frames: sample.frames.slice(0, sample.frames.findLastIndex((frame) => frame.includes("model::forward")) + 1) }))
    .filter(({ frames }) => frames.length > 0);
}

const phases = [];
for (let at = 0; at + 2 < positionals.length; at += 3) {
  const [name, tokens, file] = positionals.slice(at, at + 3);
  phases.push({ name, tokens: Number(tokens), samples: samples(readFileSync(file, "utf8")) });
}
console.log(table(phases));
writeFileSync(values.folded, folded(phases));
