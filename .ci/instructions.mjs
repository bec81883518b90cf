// Compares the instruction counts of benches/instructions.rs (Gungraun's JSON, a case a line, on standard input) with
// benches/instructions.txt; --renew writes that file instead. RUSTC_VERSION is the compiler's `rustc --version`.
import { readFileSync, writeFileSync } from "node:fs";

const file = "benches/instructions.txt";
const renew = process.argv.includes("--renew");
const rustc = (process.env.RUSTC_VERSION ?? "").split(" ").slice(0, 2).join(" ");
// The same compiler gives the same code, to within what the C library adds. Another one may do better or worse, so that
// only a real loss counts until the numbers are renewed.
const SAME = 3;
const OTHER = 15;

const found = new Map();
for (const line of readFileSync(0, "utf8").split("\n").filter((line) => line.startsWith("{"))) {
  const { function_name, id, profiles } = JSON.parse(line);
  found.set(`${function_name}.${id}`, profiles[0].data.total.metrics.Ir.values.new);
}
if (found.size === 0) throw new Error("no counts on standard input");

if (renew) {
  const lines = [
    "# Instructions of each case of instructions.rs, avx2 backend, as Callgrind counts them. Written by the command",
    "#     ./build.sh test --renew guard",
    "# which is what to run where a count changed for a reason: a faster kernel, a case that came or went, another rustc.",
    "# Look at the difference before committing it: more instructions need a word of why.",
    `# ${rustc}`,
    ...[...found].map(([name, count]) => `${name.padEnd(32)} ${String(count).padStart(9)}`),
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  console.log(`${file}: ${found.size} counts of ${rustc}`);
  process.exit();
}

const text = readFileSync(file, "utf8");
const recorded = /^# (rustc .*)$/m.exec(text)?.[1];
const expected = new Map(text.split("\n").filter((line) => /^\w/.test(line)).map((line) => line.split(/\s+/)));
const tolerance = rustc === recorded ? SAME : OTHER;
if (tolerance === OTHER) console.log(`the counts are those of ${recorded}, here is ${rustc}: ${OTHER} % are allowed instead of ${SAME}`);

let worse = 0;
let stale = 0;
for (const name of new Set([...expected.keys(), ...found.keys()])) {
  const [before, now] = [Number(expected.get(name)), found.get(name)];
  const percent = (now / before - 1) * 100;
  let verdict = "ok";
  if (!expected.has(name) || now === undefined) verdict = now === undefined ? "GONE" : "NEW";
  else if (percent > tolerance) verdict = "WORSE";
  else if (Math.abs(percent) > SAME) verdict = percent < 0 ? "better" : "more";
  if (verdict === "better" || verdict === "more") stale++;
  else if (verdict !== "ok") worse++;
  const change = Number.isNaN(percent) ? "" : `${percent >= 0 ? "+" : ""}${percent.toFixed(2)} %`;
  console.log(`${verdict.padEnd(6)} ${name.padEnd(32)} ${String(now ?? "-").padStart(9)} ${change.padStart(10)}`);
}
const how = "./build.sh test --renew guard, then commit benches/instructions.txt";
if (stale > 0) console.log(`${stale} counts are no longer those in ${file}. To keep what was won: ${how}`);
if (worse > 0) {
  console.log(`${worse} cases are not as ${file} says. If that is meant: ${how}`);
  process.exit(1);
}
