// Lists the work of others that is compiled into what this repository makes, with versions and licences, and says whether
// www/THIRD-PARTY.md is that list; --renew writes it. Asks the two lock files, by cargo and directly.
// --texts FILE ...: the licences themselves, of what is in the package or the page, each once, as their authors ship them.
// --native TARGET FILE NAME=TEXT ...: those of the program for a target, and of what its linker adds.
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
const modules = ["b158", "b158-grammar"].map((name) => crates("--package", name, "--no-default-features", "--target", "wasm32-unknown-unknown"));
const wasm = new Map(modules.flatMap((found) => [...found]));
const program = (...targets) => new Map(targets.flatMap((target) => [...crates("--target", target, "--features", "cli")]));
const linux = program("x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl");
const windows = program("x86_64-pc-windows-gnu");
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
  ...table("In the native program besides, on Linux", without(linux, wasm)),
  ...table("In the native program besides, on Windows", without(without(windows, wasm), linux)),
].join("\n");

const LICENCE = /^(licen[cs]e|copying|unlicense|notice|copyright)/i;
const licences = (folder) => readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isFile() && LICENCE.test(entry.name) ? [join(folder, entry.name)] : []));

/** Name and version → the files with its licence. A crate that is packed without them has those of another from the same repository. */
function licenceFiles(target) {
  const metadata = execFileSync("cargo", ["metadata", "--locked", "--format-version", "1", "--filter-platform", target], { cwd: ROOT, encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "inherit"] });
  const crates = JSON.parse(metadata).packages.map((crate) => ({ ...crate, files: licences(dirname(crate.manifest_path)) }));
  // Some name the folder in it as well.
  const home = ({ repository }) => repository?.replace(/\/tree\/.*/, "");
  const lent = new Map(crates.filter((crate) => crate.files.length > 0 && home(crate)).map((crate) => [home(crate), crate.files]));
  return new Map(crates.map((crate) => [`${crate.name} ${crate.version}`, crate.files.length > 0 ? crate.files : (lent.get(home(crate)) ?? [])]));
}

/** Every text once, under the names of all who ship it, from names with the files of their licences. Where only spaces and line ends differ, it is one text. */
function texts(shipped) {
  const found = new Map();
  for (const [name, files] of shipped) {
    if (files.length === 0) throw new Error(`${name} comes without the text of its licence, and so does what else is in its repository`);
    for (const file of files) {
      const text = readFileSync(file, "utf8").trim();
      const key = text.replaceAll(/\s+/g, " ");
      const entry = found.get(key) ?? { text, names: new Set() };
      found.set(key, { ...entry, names: entry.names.add(name) });
    }
  }
  const rule = "-".repeat(80);
  return [...found.values()].map(({ text, names }) => `${rule}\n${[...names].join(", ")}\n${rule}\n\n${text}\n`).join("\n");
}

/** Of the package and the page. */
function ofThePage() {
  const ofCrates = licenceFiles("wasm32-unknown-unknown");
  const names = [...wasm.keys(), ...packages("www/src").keys(), ...packages("www/demo").keys()];
  return names.map((name) => [name, ofCrates.get(name) ?? licences(join(ROOT, "www/node_modules", name.split(" ")[0]))]);
}

/** Of the program for a target. */
function ofTheProgram(target, added) {
  const ofCrates = licenceFiles(target);
  // Boost's licence asks for no text beside object code, and crates under it come without one.
  const asking = [...program(target)].filter(([name, row]) => ofCrates.get(name)?.length > 0 || !row.endsWith("| BSL-1.0 |")).map(([name]) => name);
  return [...asking.map((name) => [name, ofCrates.get(name) ?? []]), ...added.map((pair) => [pair.split("=")[0], [pair.slice(pair.indexOf("=") + 1)]])];
}

const [what, ...given] = process.argv.slice(2);
if (what === "--texts") {
  const all = texts(ofThePage());
  for (const file of given) writeFileSync(file, all);
} else if (what === "--native") {
  const [target, file, ...added] = given;
  writeFileSync(file, texts(ofTheProgram(target, added)));
} else if (what === "--renew") {
  writeFileSync(FILE, list);
} else if (readFileSync(FILE, "utf8") !== list) {
  console.error("www/THIRD-PARTY.md is not the list of what is compiled in. Look at what has changed and commit it: node .ci/third-party.mjs --renew");
  process.exit(1);
}
