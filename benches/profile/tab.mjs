// Where a token's time goes in a tab: V8's sampling profiler in the engine's worker, while the demo page as it is built
// reads and writes with a large model. run.sh calls this.
//   node tab.mjs --file MODEL.gguf --symbols MAP --folded OUT  [--backend relaxed] [--tokens 32] [--prompt-tokens 128]
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { ARGUMENTS } from "../../tests/browser/chromium.js";
import { serve } from "../../www/serve.mjs";
import { folded, table } from "./parts.mjs";

// The browser tests have Playwright already.
const { chromium } = createRequire(new URL("../../tests/browser/package.json", import.meta.url))("@playwright/test");

const { values } = parseArgs({
  options: {
    file: { type: "string" },
    symbols: { type: "string" },
    folded: { type: "string" },
    backend: { type: "string", default: "relaxed" },
    tokens: { type: "string", default: "32" },
    "prompt-tokens": { type: "string", default: "128" },
  },
});
const [tokens, promptTokens] = [Number(values.tokens), Number(values["prompt-tokens"])];

// The module that a visitor downloads has no names; wasm-opt wrote them down as `index:name` when it made it.
const names = new Map(
  readFileSync(values.symbols, "utf8").split("\n").map((line) => [Number(line.split(":", 1)[0]), line.slice(line.indexOf(":") + 1)]),
);

/** Runs `work(page, address of the model)` in the demo page, without the model that it comes with. */
async function inDemo(file, work) {
  const server = await serve({ root: new URL("../../www/dist/demo/", import.meta.url).pathname, file });
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGUMENTS });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(20 * 60_000);
    await page.goto(server.url);
    await page.waitForFunction(() => window.b158?.model !== undefined);
    await page.evaluate(() => window.b158.model.dispose());
    return await work(page, server.fileUrl);
  } finally {
    await browser.close();
    server.close();
  }
}

/** Sends to a worker through the page's session, for Playwright has none of its own for workers. */
async function workers(page) {
  const session = await page.context().newCDPSession(page);
  const attached = [];
  const pending = new Map();
  let last = 0;
  session.on("Target.attachedToTarget", ({ sessionId, targetInfo }) => {
    if (targetInfo.type === "worker") attached.push(sessionId);
  });
  session.on("Target.receivedMessageFromTarget", ({ message }) => {
    const { id, result, error } = JSON.parse(message);
    pending.get(id)?.(error === undefined ? result : Promise.reject(new Error(error.message)));
    pending.delete(id);
  });
  await session.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  const send = (sessionId, method, params = {}) =>
    new Promise((resolve, reject) => {
      const id = ++last;
      pending.set(id, resolve);
      session.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify({ id, method, params }) }).catch(reject);
    });
  return { all: (method, params) => Promise.all(attached.map((sessionId) => send(sessionId, method, params))) };
}

/** Samples with their frames. Idle time, and what is no part of a step of the engine, is left out. */
function samples(profile) {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const frames = new Map();
  for (const { id } of profile.nodes) {
    const stack = [];
    for (let at = id; at !== undefined; at = parents.get(at)) {
      const { functionName } = nodes.get(at).callFrame;
      const index = /^wasm-function\[(\d+)\]$/.exec(functionName)?.[1];
      if (index !== undefined) stack.push(names.get(Number(index)) ?? functionName);
      else if (stack.length === 0 && !["(idle)", "(root)"].includes(functionName)) stack.push(functionName || "(anonymous)");
    }
    frames.set(id, stack);
  }
  return profile.samples
    .map((id, index) => ({ frames: frames.get(id), microseconds: profile.timeDeltas[index] }))
    .filter(({ frames }) => frames.some((frame) => frame.includes("::")));
}

const phases = await inDemo(values.file, async (page, address) => {
  await page.evaluate(
    async ({ address, backend }) => {
      window.profiled = await window.b158.BitNet.load(address, { backend, threads: 1 });
    },
    { address, backend: values.backend },
  );
  const generate = (length, maxTokens) =>
    page.evaluate(
      async ({ length, maxTokens }) => {
        const model = window.profiled;
        await model.reset();
        const prompt = Uint32Array.from({ length }, (_, index) => (index * 37) % Math.min(1000, model.info.vocabulary));
        const { timings } = await model.generate(prompt, { temperature: 0, maxTokens }).result();
        return { timings, backend: model.info.backend };
      },
      { length, maxTokens },
    );
  const { backend } = await generate(promptTokens, 8); // from here on V8 has compiled for good
  const targets = await workers(page);
  await targets.all("Profiler.enable");
  await targets.all("Profiler.setSamplingInterval", { interval: 1000 });
  const phases = [];
  // One token of a prompt is a token of work, all but the head.
  for (const [name, length, count] of [["generation", 1, tokens], ["prompt", promptTokens, 1]]) {
    await targets.all("Profiler.start");
    const { timings } = await generate(length, count);
    const profiles = (await targets.all("Profiler.stop")).map(({ profile }) => samples(profile));
    console.error(`${backend}, ${name}: ${profiles.flat().length} samples; by the engine's clock ${JSON.stringify(timings)}`);
    phases.push({ name: `${backend}: ${name}`, tokens: Math.max(length, count), samples: profiles.flat() });
  }
  return phases;
});
console.log(table(phases));
writeFileSync(values.folded, folded(phases));
