// What a program in TypeScript writes; compiled only, against the declarations in the package.
import { BitNet, BitNetError, type GenerateOptions, type LoadProgress, type ResponseFormat } from "b158";
import { b158, type LanguageModel } from "b158/ai-sdk";
import { install, type LanguageModelConstructor } from "b158/prompt-api";
import { fakeWorker } from "b158/testing";

export const models: [LanguageModel, LanguageModel<"v3">] = [b158(() => BitNet.load("model.gguf")), b158(BitNet.load("model.gguf"), { specificationVersion: "v3" })];

export const place = async (): Promise<LanguageModelConstructor> => (await install("model.gguf", { threads: 1 })).LanguageModel;

export async function tell(signal: AbortSignal): Promise<string> {
  const onProgress = ({ fraction }: LoadProgress) => fraction?.toFixed(2);
  const responseFormat: ResponseFormat = { type: "json_schema", schema: { type: "object" } };
  const options: GenerateOptions = { maxTokens: 5, responseFormat, signal };
  const model = await BitNet.load("model.gguf", { onProgress, signal, worker: fakeWorker() });
  try {
    let told = "";
    for await (const { text } of model.generate([{ role: "user", content: "Hello" }], options)) told += text;
    return told;
  } catch (error) {
    return error instanceof BitNetError && error.code === "context-overflow" ? "too long" : Promise.reject(error);
  } finally {
    await model[Symbol.asyncDispose]();
  }
}
