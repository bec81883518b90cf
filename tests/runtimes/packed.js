// The package as npm would publish it, installed in a folder of its own, with the cases beside it.
import { execFile } from "node:child_process";
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const HERE = import.meta.dirname;
export const WORK = join(HERE, "work");

if (process.argv[1] === import.meta.filename) {
  await rm(WORK, { recursive: true, force: true });
  await mkdir(WORK);
  await cp(join(HERE, "cases"), join(WORK, "cases"), { recursive: true });
  await writeFile(join(WORK, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", WORK], { cwd: join(HERE, "../../www") });
  const [{ filename }] = JSON.parse(stdout);
  // It needs no other package, so that this asks no registry.
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", join(WORK, filename)], { cwd: WORK });
}
