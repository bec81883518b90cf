// Node.js, Deno and Bun, and how a file runs in each: by its name, with what it may do.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WORK } from "./packed.js";

const HERE = import.meta.dirname;
const bin = (path) => join(HERE, "node_modules", path);
/** What the guide says Deno must be allowed. */
export const DENO = ["run", "--allow-read", "--allow-write", "--allow-env", "--allow-net", "--allow-sys", "--allow-run=flock"];

const ALL = {
  node: { program: process.execPath, options: [] },
  "node-24": { program: bin("node-24/bin/node"), options: [] },
  deno: { program: bin(".bin/deno"), options: DENO },
  bun: { program: bin(".bin/bun"), options: [] },
};
/** Those that RUNTIMES names, or all. */
export const RUNTIMES = Object.entries(ALL)
  .filter(([name]) => !process.env.RUNTIMES || process.env.RUNTIMES.split(",").includes(name))
  .map(([name, how]) => ({ name, ...how }));
if (RUNTIMES.length === 0) throw new Error(`RUNTIMES is ${process.env.RUNTIMES}: it knows ${Object.keys(ALL)}`);

export const ROOT = join(HERE, "../..");
export const MODEL = join(ROOT, "tests/models/stories-I2_S.gguf");
export const BYTES = await readFile(MODEL);
export const PINS = JSON.parse(await readFile(join(ROOT, "tests/models/greedy.json"), "utf8"));
export const FORMS = JSON.parse(await readFile(join(ROOT, "tests/models/forms.json"), "utf8"));
/** The native program, which shares its cache. */
export const PROGRAM = process.env.B158_PROGRAM ?? join(ROOT, "target/debug/b158");
/** Far beyond what anything takes: a process that does not end by itself is killed then, and fails. */
const PATIENCE_MS = 60_000;

/** A folder for a cache, removed after `use`. */
export async function withCache(use) {
  const folder = await mkdtemp(join(tmpdir(), "b158-cache-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Starts a program of the work folder. `ended` has its exit code and what it said. */
export function start(program, args, { cache, env = {}, input } = {}) {
  const child = spawn(program, args, {
    cwd: WORK,
    env: { ...process.env, NO_COLOR: "1", ...(cache && { B158_CACHE: cache }), ...env },
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    timeout: PATIENCE_MS,
    killSignal: "SIGKILL",
  });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (err += text));
  if (input !== undefined && input !== true) child.stdin.end(input);
  const ended = once(child, "close").then(([code, signal]) => ({ code, signal, out, err }));
  return { child, ended, said: () => ({ out, err }) };
}

/** A case of `cases/`, in a process of its own that must end by itself, and what it gives. */
export async function runCase(runtime, name, given = {}, options = {}) {
  const { code, signal, out, err } = await startCase(runtime, name, given, options).ended;
  if (code !== 0) throw new Error(`${runtime.name} ${name}: ${signal ?? `code ${code}`}\n${out}${err}`);
  return JSON.parse(out.trim().split("\n").at(-1));
}

export function startCase({ program, options }, name, given, more) {
  return start(program, [...options, join("cases", "run.js"), name, JSON.stringify({ model: MODEL, ...given })], more);
}
