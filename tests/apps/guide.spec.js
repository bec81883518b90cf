// The guide's programs that stand on other packages: the text itself is run, and compiled against those packages' own types.
import { readFileSync } from "node:fs";
import ts from "typescript";
import { guideBlock } from "../../www/tests/guide.mjs";
import { expect, test } from "./app.js";

test("the AI SDK writes, answers by a schema and calls a tool", async ({ shown }) => {
  const found = await shown(guideBlock("Vercel's AI SDK"));
  const [output, results] = found.pop();
  expect(found.flat().join("")).toMatch(/\w+ \w+/);
  expect(output).toEqual({ name: expect.any(String), legs: expect.any(Number) });
  expect(results).toMatchObject([{ toolName: "find", output: expect.stringMatching(/^a fox in the (wood|field)$/) }]);
});

test.describe("useChat", () => {
  const block = guideBlock("A chat in React");
  const parts = (page) => ({ input: page.locator("input"), button: page.locator("button"), answers: page.locator("p.assistant"), alert: page.getByRole("alert") });
  const send = async ({ input }, text) => {
    await input.fill(text);
    await input.press("Enter");
  };

  test("answers, in a talk, and again; errors are told", async ({ page, app }) => {
    await app("pages/use-chat.jsx", block);
    const chat = parts(page);
    await send(chat, "Tell me of a fox.");
    await expect(chat.answers).toHaveText(/\w+ \w+/);
    await expect(chat.button).toHaveText("Again");
    await expect(page.locator("p.user")).toHaveText("Tell me of a fox.");
    await send(chat, "And then?");
    await expect(chat.answers).toHaveCount(2);
    await expect(chat.button).toHaveText("Again");
    // The hook takes the last answer away when it begins to ask again.
    await chat.answers.last().evaluate((answer) => void (window.last = answer));
    await chat.button.click();
    await page.waitForFunction(() => !window.last.isConnected);
    await expect(chat.answers).toHaveCount(2);
    await expect(chat.answers.last()).toHaveText(/\w/);
    await expect(chat.button).toHaveText("Again");
    await expect(chat.alert).toHaveCount(0);
    await send(chat, "fox ".repeat(600));
    await expect(chat.alert).toHaveText(/^BitNetError: .*context/);
  });

  test("stops an answer, and goes on", async ({ page, app }) => {
    // An answer without an end.
    const endless = block
      .replace("BitNet.load(source)", 'BitNet.load(source, { contextLength: 20_000, overrides: ["bitnet-b1.58.context_length=int:20000"] })')
      .replace("maxOutputTokens: 300", "providerOptions: { b158: { logitBias: { 1017: -1e4, 1018: -1e4 } } }");
    await app("pages/use-chat.jsx", endless);
    const chat = parts(page);
    for (const [count, text] of [[1, "Tell me of a fox."], [2, "And then?"]]) {
      await send(chat, text);
      await expect(chat.button).toHaveText("Stop");
      await expect(chat.answers).toHaveCount(count);
      await expect(chat.answers.last()).toHaveText(/\w+ \w+/);
      await chat.button.click();
      await expect(chat.button).toHaveText("Again");
    }
    await expect(chat.answers.first()).toHaveText(/\w+ \w+/);
    await expect(chat.alert).toHaveCount(0);
  });
});

test("LangChain answers", async ({ shown }) => {
  const [[text]] = await shown(guideBlock("LangChain.js"));
  expect(text).toMatch(/\w+ \w+/);
});

/** The guide's blocks that import other packages than ours. */
function withOthers() {
  const guide = readFileSync(new URL("../../www/GUIDE.md", import.meta.url), "utf8");
  const blocks = [...guide.matchAll(/^```(?:ts|tsx)\n([^]*?)^```$/gm)].map(([, code]) => code);
  return blocks.filter((code) => /from "(?!b158[/"])/.test(code));
}

test("what the guide shows of them compiles", () => {
  const found = withOthers();
  expect(found.length).toBeGreaterThan(2);
  const named = 'import { generateText } from "ai";\nimport { b158 } from "b158/ai-sdk";\nvoid generateText({ model: b158("a name"), prompt: "A fox" });\n';
  const [wrong, ...others] = complaints([named, ...found]);
  expect(wrong).toEqual([expect.stringContaining("'string'")]);
  for (const [index, said] of others.entries()) expect(said, found[index]).toEqual([]);
});

test("models are of the SDK's own types, to its letter, and no other version's", () => {
  const program = (version, of) => `import type { LanguageModelV${version}, EmbeddingModelV${version}, LanguageModelV${version}CallOptions } from "${of}";
import type { BitNet } from "b158";
import { b158, type CallOptions } from "b158/ai-sdk";
declare const model: BitNet;
export const answers: LanguageModelV${version} = b158(model, { specificationVersion: "v${version}" });
export const embeds: EmbeddingModelV${version} = b158.embeddingModel(model, { specificationVersion: "v${version}" });
export const options = (options: LanguageModelV${version}CallOptions): CallOptions => options;
`;
  const default4 = program(4, "@ai-sdk/provider").replaceAll(', { specificationVersion: "v4" }', "");
  const programs = [program(4, "@ai-sdk/provider"), default4, program(3, "ai-sdk-provider-3"), default4.replaceAll("V4", "V3").replace("@ai-sdk/provider", "ai-sdk-provider-3")];
  for (const exactOptionalPropertyTypes of [false, true]) {
    const [v4, usual, v3, other] = complaints(programs, { exactOptionalPropertyTypes });
    expect([v4, usual, v3]).toEqual([[], [], []]);
    expect(other).toHaveLength(2);
  }
});

/** What the compiler says of each program. */
function complaints(programs, more = {}) {
  const here = new URL(".", import.meta.url).pathname;
  const files = new Map(programs.map((code, index) => [`${here}example-${index}.tsx`, `declare function show(...what: unknown[]): void;\ndeclare const source: string;\n${code}`]));
  const types = `${here}../../www/dist/lib/types`;
  const options = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    lib: ["lib.es2022.d.ts", "lib.esnext.disposable.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts", "lib.dom.asynciterable.d.ts"],
    jsx: ts.JsxEmit.ReactJSX,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    paths: { b158: [`${types}/public/index.d.ts`], "b158/*": [`${types}/*/index.d.ts`] },
    types: [],
    ...more,
  };
  const host = ts.createCompilerHost(options);
  const disk = { ...host };
  host.fileExists = (name) => files.has(name) || disk.fileExists(name);
  host.readFile = (name) => files.get(name) ?? disk.readFile(name);
  host.getSourceFile = (name, ...rest) => (files.has(name) ? ts.createSourceFile(name, files.get(name), ts.ScriptTarget.ES2022, false, ts.ScriptKind.TSX) : disk.getSourceFile(name, ...rest));
  host.getCurrentDirectory = () => here;
  const program = ts.createProgram([...files.keys()], options, host);
  return [...files.keys()].map((file) => ts.getPreEmitDiagnostics(program, program.getSourceFile(file)).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n")));
}
