// A client of the global LanguageModel as it is published, the AI SDK's provider for it, over whatever stands there: what it says is left in `window.told`.
import { browserAI, doesBrowserSupportBrowserAI } from "@browser-ai/core";
import { generateText, jsonSchema, Output, streamText } from "ai-6";

const model = browserAI("text", { samplingMode: "most-predictable" });
const told = { supported: doesBrowserSupportBrowserAI(), availability: await model.availability() };

const progress = [];
await model.createSessionWithProgress((fraction) => progress.push(fraction));
told.progress = progress;

const system = "You are kind.";
const ask = { model, system, prompt: "What is your name?" };
const { text, finishReason, warnings } = await generateText(ask);
Object.assign(told, { text, finishReason, warnings });

told.streamed = [];
for await (const delta of streamText({ ...ask, prompt: "Who are you?" }).textStream) told.streamed.push(delta);

const schema = jsonSchema({ type: "object", properties: { legs: { type: "integer", minimum: 2, maximum: 4 } }, required: ["legs"], additionalProperties: false });
told.object = (await generateText({ model, prompt: "How many legs has a dog?", output: Output.object({ schema }) })).output;

const stop = new AbortController();
stop.abort();
told.aborted = await generateText({ ...ask, abortSignal: stop.signal, maxRetries: 0 }).catch(({ name }) => name);
window.told = told;
