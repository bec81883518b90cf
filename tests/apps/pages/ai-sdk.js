// The AI SDK's packages and ours, for what tests do in the page.
import * as ai from "ai";
import * as ai6 from "ai-6";
import { BitNet } from "b158";
import { b158 } from "b158/ai-sdk";
import { z } from "zod";

const load = (options) => BitNet.load("/models/stories-I2_S.gguf", { threads: 1, cache: false, ...options });
/** The small model was trained with 512 tokens; told otherwise it goes on, with nonsense, but for long. */
const LONG = { contextLength: 20_000, overrides: ["bitnet-b1.58.context_length=int:20000"] };
/** Warnings are in results; on the console they would be noise. */
globalThis.AI_SDK_LOG_WARNINGS = false;

/** What a promise comes to, or the error in its place. */
const outcome = (promise) =>
  Promise.resolve(promise).then(
    (value) => ({ value }),
    (error) => ({ name: error?.name, code: error?.code, message: error?.message, finishReason: error?.finishReason, text: error?.text, cause: error?.cause?.message }),
  );

/** All parts of a stream. */
async function all(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

Object.assign(window, { ai, ai6, b158, BitNet, load, LONG, z, outcome, all });
