// What the documents show for a page: it compiles against the package, and runs.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { CATALOGUE } from "../demo/choices.js";
import * as format from "../demo/format.js";
import { expect, it } from "vitest";
import { BitNet, BitNetError, type LoadOptions } from "../src/public/index.js";
import { fakeWorker } from "../src/public/testing.js";

const WWW = join(import.meta.dirname, "..");
const DOCUMENTS = ["../README.md", "README.md", "GUIDE.md"];

/** A name that documents use without saying what it is. */
const GIVEN = "declare function show(...what: unknown[]): void;\ndeclare const source: string;\n";

/** The fenced blocks of a document in JavaScript or TypeScript that use the package, and no other: tests/apps compiles those where the others are. */
function examples(document: string): string[] {
  const blocks = readFileSync(join(WWW, document), "utf8").matchAll(/^```(?:js|ts)\n([^]*?)^```$/gm);
  return [...blocks].map(([, code = ""]) => code).filter((code) => /BitNet|from "b158/.test(code) && !/ from "(?!b158[/"])/.test(code));
}

const withImport = (code: string) => (code.includes("import ") ? code : `import { BitNet } from "b158";\n${code}`);

/** What the compiler says of each program, with the settings of the package's own sources. */
function complaints(programs: readonly string[]): string[][] {
  const config = ts.getParsedCommandLineOfConfigFile(join(WWW, "tsconfig.json"), {}, { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => undefined });
  const options = { ...config?.options, allowJs: false, checkJs: false, types: [] };
  const files = new Map(programs.map((code, index) => [join(WWW, `example-${String(index)}.ts`), code]));
  const host = ts.createCompilerHost(options);
  const disk = { ...host };
  host.fileExists = (name) => files.has(name) || disk.fileExists(name);
  host.readFile = (name) => files.get(name) ?? disk.readFile(name);
  host.getSourceFile = (name, ...rest) => {
    const code = files.get(name);
    return code === undefined ? disk.getSourceFile(name, ...rest) : ts.createSourceFile(name, code, ts.ScriptTarget.ES2022);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  const said = (file: string) => ts.getPreEmitDiagnostics(program, program.getSourceFile(file)).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
  return Array.from(files.keys(), said);
}

/** Runs a program over the fake engine, and gives what it appends to the page. */
async function run(code: string): Promise<string> {
  let text = "";
  const given = {
    BitNet: { load: (_: unknown, options: LoadOptions = {}) => BitNet.load(new Blob(["GGUF"]), { ...options, worker: fakeWorker({ answerLength: 5 }) }) },
    BitNetError,
    document: { body: { append: (more: string) => void (text += more) } },
    console: { log: () => undefined },
    show: () => undefined,
  };
  const body = ts.transpile(code, { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext }).replaceAll(/^import .*$/gm, "");
  // The documents are this repository's own.
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  const program = new Function(...Object.keys(given), `return (async () => {${body}})();`) as (...given: unknown[]) => Promise<void>;
  await program(...Object.values(given));
  return text;
}

it("compiles", () => {
  const found = DOCUMENTS.flatMap(examples).map((code) => GIVEN + withImport(code));
  expect(found.length).toBeGreaterThan(3);
  const [wrong, ...right] = complaints([withImport('await BitNet.lode("x");'), ...found]);
  expect(wrong).toEqual([expect.stringContaining("lode")]);
  for (const [index, said] of right.entries()) expect(said, found[index]).toEqual([]);
});

it("says of the models that the page offers what the page says", () => {
  const models = readFileSync(join(WWW, "MODELS.md"), "utf8");
  for (const { id, name, address, fileBytes, memoryBytes, leastMemoryBytes, contextLength, licence } of CATALOGUE) {
    const where = id === "embedded" ? "comes with the page" : `\`${address}\``;
    const memory = `${format.bytes(memoryBytes)}, ${format.bytes(leastMemoryBytes)}`;
    expect(models).toContain(`| ${name} | ${where} | ${format.bytes(fileBytes)} | ${memory} | ${format.count(contextLength)} | ${licence} |\n`);
  }
});

it.each(DOCUMENTS)("streams text: %s", async (document) => {
  const [first = ""] = examples(document);
  const text = await run(first);
  expect(text.trim().split(" ")).toHaveLength(5);
});
