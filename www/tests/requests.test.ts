// Requests in OpenAI's shape, in the same cases as the server's (src/openai): refused in the same words, or meant the same.
import { afterEach, describe, expect, it, vi } from "vitest";
import cases from "../../tests/openai/requests.json";
import { BitNet, type ChatCompletionCreateParams, type EmbeddingCreateParams } from "../src/public/index.js";
import { fakeWorker } from "../src/public/testing.js";

interface Case {
  /** The completions of texts are the server's alone. */
  of: string;
  /** Beside the least that is needed. */
  request: object;
  /** Word for word. */
  refusal?: string;
  /** What the worker is asked. */
  means?: object;
  /** Fields that the server passes over, and names. */
  foreign?: readonly string[];
}

const models: BitNet[] = [];
afterEach(async () => {
  await Promise.all(models.splice(0).map((model) => model.dispose()));
});

/** How the request ends, and what the worker was asked. */
async function ask({ of, request }: Case): Promise<{ message: string; sent: unknown }> {
  const worker = fakeWorker({ formAnswer: "{}", calls: [{ name: "now", arguments: {} }] });
  const send = vi.spyOn(worker, "postMessage");
  const model = await BitNet.load(new Blob(["GGUF"]), { worker });
  models.push(model);
  send.mockClear();
  const chat = { messages: [{ role: "user", content: "hi" }], ...request } as ChatCompletionCreateParams;
  const asked: Promise<unknown> = of === "chat" ? model.chat.completions.create(chat) : model.embeddings.create({ input: "hi", ...request } as EmbeddingCreateParams);
  const message = await asked.then(() => "answered", (error: unknown) => (error instanceof Error ? error.message : "no error"));
  const [sent] = send.mock.calls[0] ?? [];
  return { message, sent: (sent as { body: { request: unknown } } | undefined)?.body.request };
}

const ours = (cases as readonly Case[]).filter(({ of }) => of !== "completion");
const named = (having: keyof Case) => ours.filter((one) => one[having] !== undefined).map((one) => ({ ...one, shown: JSON.stringify(one.request) }));

describe("as by the server", () => {
  it.each(named("refusal"))("refused: $shown", async (one) => {
    const { message, sent } = await ask(one);
    expect(message).toBe(one.refusal);
    expect(sent).toBeUndefined();
  });

  it.each(named("means"))("meant: $shown", async (one) => {
    const { message, sent } = await ask(one);
    expect(message).toBe("answered");
    // Arrays of their own kinds as plain ones.
    const plain: unknown = JSON.parse(JSON.stringify(sent, (_, value: unknown) => (value instanceof Uint32Array ? [...value] : value)));
    expect(plain).toMatchObject(one.means ?? {});
  });

  it.each(named("foreign"))("but for foreign fields, which are unknown here: $shown", async (one) => {
    const { message, sent } = await ask(one);
    expect(message).toContain(" is not an option of ");
    expect(sent).toBeUndefined();
  });
});
