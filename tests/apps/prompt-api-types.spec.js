// Programs in TypeScript, written against what others declare: what this package gives serves where theirs is asked for. Compiled only.
import { fileURLToPath } from "node:url";
import ts from "../../www/node_modules/typescript/lib/typescript.js";
import { guideBlock } from "../../www/tests/guide.mjs";
import { expect, test } from "./app.js";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const WWW = at("../../www");

/** What the compiler says of a program, with the settings of the package's own sources. */
function complaints(code, types = []) {
  const config = ts.getParsedCommandLineOfConfigFile(`${WWW}/tsconfig.json`, {}, { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => undefined });
  const options = { ...config.options, allowJs: false, checkJs: false, skipLibCheck: true, types, typeRoots: [at("node_modules/@types")] };
  const file = at("program.ts");
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = { ...host };
  host.fileExists = (name) => name === file || fileExists(name);
  host.readFile = (name) => (name === file ? code : readFile(name));
  host.getSourceFile = (name, ...rest) => (name === file ? ts.createSourceFile(name, code, ts.ScriptTarget.ES2022) : getSourceFile(name, ...rest));
  const program = ts.createProgram([file], options, host);
  return ts.getPreEmitDiagnostics(program, program.getSourceFile(file)).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
}

const GIVEN = "declare function show(...what: unknown[]): void;\ndeclare const source: string;\n";

test("@types/dom-chromium-ai 0.0.17: ours is a LanguageModel", () => {
  const code = `
    import { languageModel } from "b158/prompt-api";
    const Ours: typeof LanguageModel = languageModel("model.gguf");
    const session: LanguageModel = await Ours.create({ initialPrompts: [{ role: "system", content: "Be brief." }], monitor: (monitor) => { monitor.ondownloadprogress = ({ loaded }) => void loaded; } });
    const told: string = await session.prompt([{ role: "user", content: [{ type: "text", value: "Hello" }] }], { responseConstraint: { type: "string" } });
    const stream: ReadableStream<string> = session.promptStreaming(told);
    const availability: Availability = await Ours.availability({ expectedInputs: [{ type: "text", languages: ["en"] }] });
    session.oncontextoverflow = () => void [stream, availability];
    // What is made with their options, and goes where ours is asked for.
    const theirs: LanguageModelCreateOptions = { samplingMode: "creative", tools: [{ name: "a", description: "b", inputSchema: {}, execute: () => Promise.resolve("c") }] };
    const direct: LanguageModel = await languageModel("model.gguf").create(theirs);
    void direct.clone();
    export {};
  `;
  expect(complaints(code, ["dom-chromium-ai"])).toEqual([]);
  expect(complaints(code.replace("Promise<string>", "").replace('prompt([{ role: "user"', 'prompt([{ role: "nobody"'), ["dom-chromium-ai"])).toHaveLength(1);
});

test("@huggingface/transformers 4.3.2: the guide's pipeline gives what theirs declares, and takes what theirs takes", () => {
  const code = `${GIVEN}${guideBlock("As in transformers.js")}
    import type { TextGenerationChatOutput, TextGenerationConfig, TextGenerationPipelineCallback, TextGenerationStringOutput } from "./node_modules/@huggingface/transformers/types/pipelines/text-generation.js";
    const options: Pick<TextGenerationConfig, "max_new_tokens" | "do_sample" | "temperature" | "top_k"> = { max_new_tokens: 5, do_sample: true, temperature: 1, top_k: 50 };
    const text: TextGenerationStringOutput = await generator("Once", options);
    const chat: TextGenerationChatOutput = await generator([{ role: "user", content: "Hello" }], options);
    // One that a program has of theirs, and of ours: both are called alike.
    const call = async (generator: TextGenerationPipelineCallback) => [(await generator("Once", options))[0]?.generated_text, (await generator([{ role: "user", content: "Hello" }], options))[0]?.generated_text.at(-1)?.content];
    const told = [text[0]?.generated_text, chat[0]?.generated_text.at(-1)?.content];
    show(call, told);
  `;
  expect(complaints(code)).toEqual([]);
  expect(complaints(code.replace("const text: TextGenerationStringOutput", "const text: TextGenerationChatOutput"))).not.toEqual([]);
});
