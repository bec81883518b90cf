// The package as npm would publish it, installed in a folder of its own: what these tests see of it is what a user gets.
import { execFile } from "node:child_process";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

export const run = promisify(execFile);
export const HERE = import.meta.dirname;
export const WWW = join(HERE, "../../www");
export const MODELS = join(HERE, "../models");

/** Files that a fixture is made of, beside the installed package. */
export const WORK = join(HERE, "work");
export const INSTALLED = join(WORK, "node_modules/b158");

/** The tarball, and what npm says is in it: `npm test` makes both first. */
export const packed = async () => JSON.parse(await readFile(join(WORK, "packed.json"), "utf8"));

if (process.argv[1] === import.meta.filename) {
  await rm(WORK, { recursive: true, force: true });
  await cp(join(HERE, "app"), WORK, { recursive: true });
  await writeFile(join(WORK, "package.json"), JSON.stringify({ private: true, type: "module" }));
  await mkdir(join(WORK, "public"));
  await cp(join(MODELS, "stories-I2_S.gguf"), join(WORK, "public/stories-I2_S.gguf"));
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", WORK], { cwd: WWW });
  const [{ filename, files, size }] = JSON.parse(stdout);
  const tarball = join(WORK, filename);
  // It needs no other package, so that this asks no registry.
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", tarball], { cwd: WORK });
  await writeFile(join(WORK, "packed.json"), JSON.stringify({ tarball, files, size }));
}
