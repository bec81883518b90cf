// Lists the work of others that is compiled into what this repository makes, with versions and licences, and says whether
// www/THIRD-PARTY.md is that list; --renew writes it. Asks the two lock files, by cargo and directly.
// --texts FILE ...: the licences themselves, of what is in the package or the page, each once, as their authors ship them.
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const FILE = join(ROOT, "www/THIRD-PARTY.md");

/** Crates linked into a build: name and version → row. `cargo metadata` would add the features of the tests to those of the build. */
function crates(...options) {
  const args = ["tree", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}|{l}|{r}|", ...options];
  const found = new Map();
  for (const line of execFileSync("cargo", args, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim().split("\n")) {
    const [, name, version, where, licence, source] = /^(\S+) v(\S+)( \(.*\))?\|(.*?)\|(.*?)\|/.exec(line);
    // What lies in a folder is our own.
    if (!where) found.set(`${name} ${version}`, row(name, version, licence, source));
  }
  return found;
}

/** npm packages that the TypeScript files of a folder import, but not our own: name and version → row. */
function packages(folder) {
  const lock = JSON.parse(readFileSync(join(ROOT, "www/package-lock.json"), "utf8"));
  const found = new Map();
  for (const path of readdirSync(join(ROOT, folder), { recursive: true }).filter((path) => path.endsWith(".ts"))) {
    const text = readFileSync(join(ROOT, folder, path), "utf8");
    for (const [, name] of text.matchAll(/(?:\bfrom|\bimport|\bimport\() ?"((?:@[\w.-]+\/)?[a-z][\w.-]*)[/"]/g)) {
      if (name === lock.name) continue;
      const entry = lock.packages[`node_modules/${name}`];
      if (!entry?.license) throw new Error(`www/package-lock.json has no licence of ${name}, which ${folder}/${path} imports`);
      if (entry.dependencies) throw new Error(`${name} has dependencies of its own: they belong into the list too`);
      found.set(`${name} ${entry.version}`, row(name, entry.version, entry.license, `https://www.npmjs.com/package/${name}`));
    }
  }
  return found;
}

/** "MIT/Apache-2.0" is the old way to write OR. */
const row = (name, version, licence, source) => `| [${name}](${source}) | ${version} | ${licence.replaceAll(/ ?\/ ?/g, " OR ").replaceAll(" or ", " OR ")} |`;

function table(title, found) {
  const rows = [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  return [`## ${title}`, "", "| name | version | licence |", "|---|---|---|", ...rows, ""];
}

const without = (found, others) => new Map([...found].filter(([key]) => !others.has(key)));
const wasm = crates("--target", "wasm32-unknown-unknown");
const native = crates("--target", "x86_64-unknown-linux-gnu", "--features", "cli");
const library = packages("www/src");

const list = [
  "# What others made",
  "",
  "Compiled into this project's builds, with the licences under which their authors give them. Written by",
  "`node .ci/third-party.mjs --renew` from the two lock files. Rust's own standard library (MIT OR Apache-2.0) is in each build too.",
  "",
  ...table("In the WebAssembly modules", wasm),
  ...table("In the package's JavaScript", library),
  ...table("In the demo page besides", without(packages("www/demo"), library)),
  ...table("In the native program besides, on Linux, x86-64", without(native, wasm)),
].join("\n");

/** Name and version → folder with the sources. */
function folders() {
  const metadata = execFileSync("cargo", ["metadata", "--locked", "--format-version", "1", "--filter-platform", "wasm32-unknown-unknown"], { cwd: ROOT, encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "inherit"] });
  const crate = ({ name, version, manifest_path: manifest }) => [`${name} ${version}`, dirname(manifest)];
  return new Map(JSON.parse(metadata).packages.map(crate));
}

/** Every text once, under the names of all who ship it. Where only spaces and line ends differ, it is one text. */
function texts() {
  const sources = folders();
  const found = new Map();
  const all = new Map([...wasm, ...packages("www/src"), ...packages("www/demo")]);
  /** Those without a text may be had under the Apache License, which has the same one for all. */
  const bare = [];
  for (const [name, row] of all) {
    const folder = sources.get(name) ?? join(ROOT, "www/node_modules", name.split(" ")[0]);
    const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile() && /^(licen[cs]e|copying|unlicense|notice|copyright)/i.test(entry.name));
    if (files.length === 0 && /\bMIT OR Apache-2\.0\b|\bApache-2\.0 OR MIT\b/.test(row)) bare.push(name);
    else if (files.length === 0) throw new Error(`${name} comes without the text of its licence: ${folder}`);
    for (const { name: file } of files) {
      const text = readFileSync(join(folder, file), "utf8").trim();
      const key = text.replaceAll(/\s+/g, " ");
      const entry = found.get(key) ?? { text, names: new Set() };
      found.set(key, { ...entry, names: entry.names.add(name) });
    }
  }
  const apache = [...found].find(([key]) => key.startsWith("Apache License Version 2.0, January 2004"));
  if (bare.length > 0 && !apache) throw new Error(`nobody ships the Apache License, under which ${bare.join(", ")} may be had`);
  for (const name of bare) apache?.[1].names.add(name);
  const rule = "-".repeat(80);
  return [...found.values()].map(({ text, names }) => `${rule}\n${[...names].join(", ")}\n${rule}\n\n${text}\n`).join("\n");
}

const at = process.argv.indexOf("--texts");
if (at !== -1) {
  const all = texts();
  for (const file of process.argv.slice(at + 1)) writeFileSync(file, all);
} else if (process.argv.includes("--renew")) {
  writeFileSync(FILE, list);
} else if (readFileSync(FILE, "utf8") !== list) {
  console.error("www/THIRD-PARTY.md is not the list of what is compiled in. Look at what has changed and commit it: node .ci/third-party.mjs --renew");
  process.exit(1);
}
