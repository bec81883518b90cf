// The package itself: what is in it, what resolves, what it does where there is no browser.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { HERE, INSTALLED, WORK, WWW, packed, run } from "./packed.js";

const BIN = join(HERE, "node_modules/.bin");
const { tarball, files, size } = await packed();

/** Runs a program, and shows what it said where it fails. */
const passes = (program, ...args) => run(program, args, { cwd: WORK }).catch(({ stdout, stderr }) => assert.fail(`${program}\n${stdout}${stderr}`));

const FLAVOUR = "(simd128|relaxed)(-threads)?";
/** What may be in the tarball: no sources, no source maps, nothing that a tool left behind. */
const ALLOWED = [
  /^(package\.json|README\.md|GUIDE\.md|MODELS\.md|OPTIONS\.md|THIRD-PARTY\.md|LICENSE(-\w+)?)$/,
  /^dist\/lib\/LICENSES\.txt$/,
  /^dist\/lib\/(index|testing|worker|ai-sdk|prompt-api|shared-[\w-]+)\.js$/,
  /^dist\/lib\/node\/(index|testing|worker|cli|ai-sdk|prompt-api|shared-[\w-]+)\.js$/,
  /^dist\/lib\/types\/(public|internal|ai-sdk|prompt-api)(\/(download|options|shared))?\/[\w-]+\.d\.ts$/,
  new RegExp(`^dist/lib/wasm/${FLAVOUR}/(b158\\.js|b158\\.d\\.ts|b158_bg\\.wasm|b158_bg\\.wasm\\.d\\.ts)$`),
  /^dist\/lib\/wasm\/grammar\/(grammar\.js|grammar\.d\.ts|grammar_bg\.wasm|grammar_bg\.wasm\.d\.ts)$/,
];

test("the tarball holds the library and nothing else", () => {
  const paths = files.map(({ path }) => path);
  assert.deepEqual(paths.filter((path) => !ALLOWED.some((allowed) => allowed.test(path))), []);
  assert.deepEqual(paths.filter((path) => path.endsWith(".wasm")).length, 5);
  for (const path of ["README.md", "GUIDE.md", "MODELS.md", "OPTIONS.md", "THIRD-PARTY.md", "dist/lib/types/public/index.d.ts"]) assert.ok(paths.includes(path), path);
});

test("the tarball is small", (t) => {
  t.diagnostic(`${(size / 1e6).toFixed(2)} MB, ${files.length} files`);
  assert.ok(size <= 6_300_000, `${size} bytes`);
  assert.ok(files.length <= 160, `${files.length} files`);
});

test("the list of what others made is that of what is compiled in", () => passes(process.execPath, join(WWW, "../.ci/third-party.mjs")));

test("every one of them has the text of its licence in the tarball", async () => {
  const texts = await readFile(join(INSTALLED, "dist/lib/LICENSES.txt"), "utf8");
  const list = (await readFile(join(INSTALLED, "THIRD-PARTY.md"), "utf8")).split("## In the demo page")[0];
  const rows = [...list.matchAll(/^\| \[(.+?)\]\(.*?\) \| (\S+) \|/gm)];
  assert.ok(rows.length > 50, `${rows.length} rows`);
  const missing = rows.filter(([, name, version]) => !texts.includes(`${name} ${version}`));
  assert.deepEqual(missing.map(([row]) => row), []);
});

test("publint finds nothing", () => passes(join(BIN, "publint"), "run", tarball, "--strict"));

test("arethetypeswrong finds nothing", () => passes(join(BIN, "attw"), tarball, "--profile", "esm-only"));

for (const [module, moduleResolution] of [["nodenext", "nodenext"], ["esnext", "bundler"]]) {
  test(`the declarations are enough for a strict program, resolved by ${moduleResolution}`, async () => {
    await passes(join(WWW, "node_modules/.bin/tsc"), "--project", ".", "--module", module, "--moduleResolution", moduleResolution);
  });
}

test("importing it under Node.js touches nothing of a browser's, and leaves nothing running", async () => {
  // It would time out if something went on.
  const { stdout } = await run(process.execPath, ["import.js"], { cwd: WORK, timeout: 20_000 });
  assert.deepEqual(JSON.parse(stdout), { touched: [], newGlobals: false, code: "io", words: 3, answered: 3 });
});
