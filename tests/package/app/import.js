// Under Node.js, as a server that renders pages does: importing may touch nothing that only browsers have, nor start anything.
const touched = [];
const kept = new Map();
for (const name of ["window", "document", "self", "location", "navigator", "Worker", "SharedWorker", "fetch", "localStorage", "indexedDB", "caches", "crossOriginIsolated", "WebAssembly"]) {
  kept.set(name, globalThis[name]);
  Object.defineProperty(globalThis, name, { configurable: true, get: () => void touched.push(name) });
}
const before = Object.getOwnPropertyNames(globalThis).join();
const { BitNet } = await import("b158");
const { fakeWorker } = await import("b158/testing");
const { b158 } = await import("b158/ai-sdk");
await import("b158/prompt-api");
const after = Object.getOwnPropertyNames(globalThis).join();
const touchedByImport = [...touched];
for (const [name, value] of kept) Object.defineProperty(globalThis, name, { configurable: true, value });

const code = await BitNet.load("model.gguf").then(
  () => "loaded",
  (error) => error.code,
);
const model = await BitNet.load(new Blob(["GGUF"]), { worker: fakeWorker() });
const { text } = await model.generate("Once", { maxTokens: 3 }).result();
const { content } = await b158(model).doGenerate({ prompt: [{ role: "user", content: [{ type: "text", text: "Once" }] }], maxOutputTokens: 3 });
await model.dispose();
console.log(JSON.stringify({ touched: touchedByImport, newGlobals: before !== after, code, words: text.trim().split(" ").length, answered: content[0].text.trim().split(" ").length }));
