// What a program does with the package, the same in every runtime. Each gives what the tests look at.
import { readFile } from "node:fs/promises";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { BitNet, checkSupport, clearCachedModels, deleteCachedModel, listCachedModels, persistStorage, storageEstimate } from "b158";
import { fakeWorker } from "b158/testing";

const GREEDY = { temperature: 0 };

async function ids(model, prompt, options) {
  const found = [];
  const generation = model.generate(prompt, options);
  for await (const { id } of generation) if (id !== undefined) found.push(id);
  await generation.result();
  return found;
}

/** The outcome of a promise that must fail. */
const failure = (promise) =>
  promise.then(
    () => "no error",
    ({ name, code, message }) => ({ name, code, message }),
  );

/** Greedy ids of `pins` by a model of each number of threads. */
export async function greedy({ model: path, pins, threads }) {
  const outcome = [];
  for (const count of threads) {
    const model = await BitNet.load(path, { threads: count });
    const found = [];
    for (const { prompt, ids: pinned } of pins) found.push(await ids(model, prompt, { ...GREEDY, maxTokens: pinned.length }));
    outcome.push({ found, info: model.info });
    await model.dispose();
  }
  return { outcome, support: await checkSupport() };
}

/** Everything that can be a source, but for what has an address. */
export async function sources({ model: path, prompt, split, checkpoint }) {
  const bytes = await readFile(path);
  const say = async (source, options) => {
    const model = await BitNet.load(source, { threads: 1, contextLength: 64, ...options });
    const found = await ids(model, prompt, { ...GREEDY, maxTokens: 8 });
    const { name } = model.info;
    await model.dispose();
    return { found, name };
  };
  const { pathname } = pathToFileURL(path);
  process.chdir(pathname.slice(0, pathname.lastIndexOf("/")));
  const halves = [bytes.subarray(0, 1_000_000), bytes.subarray(1_000_000)];
  const stream = () => new ReadableStream({ pull: (controller) => (halves.length > 0 ? controller.enqueue(halves.shift()) : controller.close()) });
  const found = {
    path: await say(path),
    "relative path": await say("stories-I2_S.gguf"),
    address: await say(pathToFileURL(path)),
    "address as text": await say(pathToFileURL(path).href),
    blob: await say(new Blob([bytes])),
    stream: await say(stream()),
    response: await say(new Response(bytes)),
    "first part": await say(split[0]),
    parts: await say(split),
    "a folder with parts": await say(split[0].slice(0, split[0].lastIndexOf("/"))),
  };
  return {
    found,
    checkpoint: await say(checkpoint),
    estimate: await BitNet.estimate(path),
    checkpointEstimate: (await BitNet.estimate(checkpoint, { contextLength: 64 })).architecture,
  };
}

export async function missing({ folder }) {
  return {
    file: await failure(BitNet.load("no such file.gguf")),
    address: await failure(BitNet.load("file:///no/such/file.gguf")),
    folder: await failure(BitNet.load(folder)),
    "no model": await failure(BitNet.load(import.meta.url)),
    scheme: await failure(BitNet.load("gopher://localhost/model.gguf")),
    nothing: await failure(BitNet.load("")),
    bytes: await failure(BitNet.load(new Uint8Array(4))),
    worker: await failure(BitNet.load(import.meta.url, { workerUrl: "https://localhost/worker.js" })),
  };
}

/** Every part of the public interface, once. */
export async function everything({ model: path, prompt, forms, verifyPrompts }) {
  const model = await BitNet.load(path);
  const found = {};
  found.forms = [];
  for (const { prompt, format, temperature, seed } of forms) {
    const responseFormat = format.type === "json_schema" ? { type: "json_schema", schema: JSON.parse(format.schema) } : format;
    found.forms.push(await ids(model, prompt, { responseFormat, temperature, seed, maxTokens: 100 }));
  }
  const { data, usage } = await model.embeddings.create({ input: ["a fox", "a dog"], model: "x" });
  found.embeddings = { lengths: data.map(({ embedding }) => Math.hypot(...embedding)), usage };
  const session = await model.session();
  const first = await session.generate(prompt, { ...GREEDY, maxTokens: 5 }).result();
  const saved = await session.save();
  const clone = await session.clone();
  const again = await model.session();
  await again.restore(saved);
  const next = { ...GREEDY, maxTokens: 5 };
  const more = prompt + first.text;
  found.sessions = await Promise.all([session, clone, again].map(async (one) => {
    const { text, usage } = await one.generate(more, next).result();
    return { text, cached: usage.cachedTokens > 0 };
  }));
  for (const one of [session, clone, again]) await one.dispose();
  const completion = await model.chat.completions.create({ messages: [{ role: "user", content: "Hello" }], max_tokens: 4, temperature: 0 });
  found.completion = { object: completion.object, tokens: completion.usage.completion_tokens };
  const pieces = [];
  for await (const chunk of await model.chat.completions.create({ messages: [{ role: "user", content: "Hello" }], max_tokens: 4, temperature: 0, stream: true })) pieces.push(chunk.choices[0]?.delta.content ?? "");
  found.streamed = pieces.join("") === completion.choices[0].message.content;
  found.tokens = await model.detokenize(await model.tokenize("Once upon a time"));
  found.report = await model.verify({ prompts: verifyPrompts, maxTokens: 8 });
  found.roofline = (await model.roofline()).readBytesPerSecond > 0;
  found.stats = (await model.stats()).wasmBytes > 0;
  const stop = new AbortController();
  const stopped = model.generate(prompt, { maxTokens: 1000, signal: stop.signal });
  const aborted = failure(stopped.result());
  await stopped[Symbol.asyncIterator]().next();
  stop.abort();
  found.aborted = await aborted;
  found.after = await ids(model, prompt, { ...GREEDY, maxTokens: 3 });
  for await (const _ of model.generate(prompt, { maxTokens: 1000 })) break;
  const reason = failure(model.generate(prompt, { maxTokens: 1000 }).result());
  await model.dispose();
  found.disposed = await reason;
  found.used = await failure(model.tokenize("x"));
  const fake = await BitNet.load(new Blob(["GGUF"]), { worker: fakeWorker() });
  found.fake = (await fake.generate("Once", { maxTokens: 3 }).result()).text.trim().split(" ").length;
  await fake.dispose();
  return found;
}

export async function load({ model: _, url, prompt, ...options }) {
  const phases = new Set();
  const model = await BitNet.load(url, { threads: 1, onProgress: ({ phase, cached }) => phases.add(`${phase}${cached ? ", cached" : ""}`), ...options });
  const { cached, notes } = model.info;
  const found = await ids(model, prompt, { ...GREEDY, maxTokens: 8 });
  await model.dispose();
  return { found, cached, notes, phases: [...phases], listed: await listCachedModels() };
}

/** Says when it has begun, and goes on for as long as the server. */
export async function download({ url }) {
  await BitNet.load(url, { threads: 1, connections: 1, onProgress: ({ phase, loaded }) => console.log(phase, loaded) });
}

/** Gives up when it is told to, and begins anew when it is told to. */
export async function abandoned({ url, prompt }) {
  const stop = new AbortController();
  const told = () => new Promise((resolve) => process.stdin.once("data", resolve));
  const given = failure(BitNet.load(url, { threads: 1, connections: 1, signal: stop.signal }));
  await told();
  stop.abort();
  console.log("given up", (await given).name);
  await told();
  process.stdin.pause();
  return { given: await given, ...(await load({ url, prompt })) };
}

export async function cache() {
  const before = await listCachedModels();
  const estimate = await storageEstimate();
  const deleted = [await deleteCachedModel(before[0].key), await deleteCachedModel(before[0].key), await deleteCachedModel("../..")];
  const between = await listCachedModels();
  await clearCachedModels();
  return { before, estimate, deleted, between: between.length, after: (await listCachedModels()).length, persisted: await persistStorage() };
}

export async function deleteAll() {
  return failure(clearCachedModels());
}

/** Without `dispose()`, and with nothing under way. */
export async function idle({ model: path }) {
  const model = await BitNet.load(path, { threads: 2 });
  return { threads: model.info.threads, text: (await model.generate("Once", { maxTokens: 2 }).result()).usage.completionTokens };
}

/** A worker that throws, and one that exits, when it is asked for something. */
export async function crash({ model: path }) {
  const found = {};
  for (const how of ["throw", "exit"]) {
    const model = await BitNet.load(path, { threads: 1, workerUrl: new URL(`./${how}.js`, import.meta.url) });
    const under = failure(model.generate("Once", { maxTokens: 1000 }).result());
    found[how] = { under: await under, after: await failure(model.tokenize("x")) };
  }
  return found;
}
