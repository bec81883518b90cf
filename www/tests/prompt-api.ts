/** What the tests of the Prompt API share: a `LanguageModel` over the fake, and what its engine was asked. */
import { afterEach } from "vitest";
import type { GenerateRequest, ToWorker } from "../src/internal/protocol.js";
import { languageModel, type LanguageModel, type LanguageModelConstructor, type LanguageModelCreateOptions, type LanguageModelOptions } from "../src/prompt-api/index.js";
import { fakeWorker, type FakeEngineOptions } from "../src/public/testing.js";

export const GGUF = new Blob(["GGUF"]);

export interface Made {
  LanguageModel: LanguageModelConstructor;
  /** What the engine was asked. */
  requests: GenerateRequest[];
  /** One for each time that the model was loaded. */
  workers: Worker[];
}

export const sessions: { destroy(): undefined }[] = [];
afterEach(() => {
  for (const session of sessions.splice(0)) session.destroy();
});

export function make(fake: FakeEngineOptions = {}, options: LanguageModelOptions = {}): Made {
  const requests: GenerateRequest[] = [];
  const workers: Worker[] = [];
  const worker = () => {
    const made = fakeWorker({ answerLength: 5, ...fake });
    const post = made.postMessage.bind(made) as (message: ToWorker, transfer?: Transferable[]) => void;
    workers.push(made);
    return Object.assign(made, {
      postMessage: (message: ToWorker, transfer?: Transferable[]) => {
        if (message.type === "generate" && message.body.request.maxTokens !== 0) requests.push(message.body.request);
        post(message, transfer);
      },
    });
  };
  return { LanguageModel: languageModel(GGUF, { worker, unloadAfterMs: 0, seed: 1, ...options }), requests, workers };
}

export async function create({ LanguageModel }: Made, options?: LanguageModelCreateOptions): Promise<LanguageModel> {
  const session = await LanguageModel.create(options);
  sessions.push(session);
  return session;
}

/** How something ends: the name of its error, or what it gives. */
export async function end(what: Promise<unknown> | (() => unknown)): Promise<unknown> {
  try {
    return await (typeof what === "function" ? what() : what);
  } catch (error) {
    return error instanceof Error ? error.name : error;
  }
}

export const words = (text: string) => text.trim().split(/\s+/).length;
export const said = (request: GenerateRequest | undefined) => request?.messages?.map(({ role, content }) => `${role}: ${content}`);
export const anything = (value: unknown) => value as never;
export const tagOf = (value: unknown) => Object.prototype.toString.call(value).slice("[object ".length, -1);
export const named = (value: unknown) => [(value as () => void).name, (value as () => void).length];
export const tool = { name: "weather", description: "Tells the weather", inputSchema: { type: "object", properties: { place: { type: "string" } }, required: ["place"] } };
export const open = { tools: [tool], expectedOutputs: [{ type: "tool-call" }], expectedInputs: [{ type: "tool-response" }, { type: "tool-call" }] } as const;

export async function chunksOf<T>(stream: ReadableStream<T>): Promise<T[]> {
  const chunks: T[] = [];
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return chunks;
    chunks.push(value);
  }
}
