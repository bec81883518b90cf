// One engine for all tabs of a site: three tabs, of which the one that holds it goes in the middle of the others' answers.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "@playwright/test";
import { servePackage } from "./end-to-end.js";
import { expect, open, test } from "./package.js";
import { OFTEN, until } from "./patience.js";
import { slowModel } from "./program.js";
import { residentBytes } from "./resident.js";

const MIB = 1 << 20;
/** Long enough that a tab can be closed in the middle of it. */
const TOKENS = 1200;
const ASKED = { prompt: "Once upon a time, there was a brave fox named Pip.", options: { seed: 7, maxTokens: TOKENS } };
const OTHER = { ...ASKED, options: { ...ASKED.options, seed: 8 } };

/** Loads the model in a tab, as `window.model`. */
const load = (tab, options = {}) =>
  tab.evaluate(async (options) => {
    const { BitNet, MODEL, LONG } = window.lab;
    window.model = await BitNet.load(MODEL, { ...LONG, threads: 1, shared: true, ...options });
    return window.model.info;
  }, options);

/** Asks for an answer: `window.answer` ends with all that is known of its tokens, `window.heard` says how many there are by now. */
const ask = (tab, asked = ASKED) =>
  tab.evaluate(({ prompt, options }) => {
    const { ENDLESS } = window.lab;
    const said = (window.said = []);
    window.answer = (async () => {
      const generation = window.model.generate(prompt, { logProbabilities: true, ...ENDLESS, ...options });
      for await (const { id, text, logProbability, entropy } of generation) said.push([id, text, logProbability, entropy]);
      const { finishReason, usage } = await generation.result();
      return { said, finishReason, tokens: usage.completionTokens };
    })();
    // It is asked for later.
    window.answer.catch(() => undefined);
  }, asked);

const answer = (tab) => tab.evaluate(() => window.answer);
const heard = (tab, count) => until(tab, (count) => window.said.length >= count, count);

let told;

/** What an engine of one's own says to both. */
const alone = (tab) => (told ??= sayAlone(tab, ASKED).then(async (first) => [first, await sayAlone(tab, OTHER)]));

async function sayAlone(tab, asked) {
  await load(tab, { shared: false });
  await ask(tab, asked);
  const said = await answer(tab);
  await tab.evaluate(() => window.model.dispose());
  return said;
}

/** Of all tabs, the one that has the engine's worker, and the others. */
async function apart(tabs) {
  const held = await Promise.all(tabs.map((tab) => tab.evaluate(() => window.model.info.shared)));
  expect(held.filter((where) => where === "here")).toHaveLength(1);
  const holder = tabs[held.indexOf("here")];
  for (const tab of tabs) expect(tab.workers().length > 0).toBe(tab === holder);
  return { holder, others: tabs.filter((tab) => tab !== holder) };
}

const three = test.extend({
  // The page that all tests have stays open.
  tabs: async ({ page: _page, context, server }, use) => {
    const tabs = [];
    while (tabs.length < 3) {
      const tab = await context.newPage();
      await open(tab, server.url);
      tabs.push(tab);
    }
    await use(tabs);
  },
});

/** How a holder may go. */
const ENDS = {
  "is closed": (tab) => tab.close(),
  "goes to another page": (tab) => tab.goto("about:blank"),
  "crashes": (tab) => tab.goto("chrome://crash").catch(() => undefined),
  "disposes of its model": (tab) => tab.evaluate(() => window.model.dispose()),
  "is put aside": (tab) => tab.evaluate(() => void window.dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }))),
};

for (const [how, end] of Object.entries(ENDS)) {
  three(`when the holder ${how} in the middle of their answers, the others go on with the same bits`, async ({ tabs }) => {
    const expected = await alone(tabs[0]);
    await Promise.all(tabs.map((tab) => load(tab)));
    const { holder, others } = await apart(tabs);
    await Promise.all([ask(others[0]), ask(others[1], OTHER)]);
    // One of them is being answered, the other waits.
    await Promise.race(others.map((tab) => heard(tab, 50)));
    await end(holder);
    expect(await Promise.all(others.map(answer))).toEqual(expected);
    await apart(others);
    if (how === "is put aside") {
      await holder.evaluate(() => void window.dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
      await ask(holder);
      expect(await answer(holder)).toEqual(expected[0]);
      expect(await holder.evaluate(() => window.model.info.shared)).toBe("elsewhere");
    }
  });
}

test("a holder that goes into the back/forward cache gives up the engine", async ({ launchOptions, server }) => {
  // Playwright's browsers have none.
  const browser = await chromium.launch({ ...launchOptions, ignoreDefaultArgs: ["--disable-back-forward-cache"] });
  const context = await browser.newContext();
  const tabs = [await context.newPage(), await context.newPage()];
  for (const tab of tabs) {
    await open(tab, server.url);
    await load(tab);
  }
  const [holder, other] = tabs;
  await holder.evaluate(() => addEventListener("pagehide", ({ persisted }) => localStorage.setItem("persisted", persisted)));
  await ask(other);
  await heard(other, 20);
  await holder.goto(`${server.url}empty.html`);
  expect((await answer(other)).tokens).toBe(TOKENS);
  expect(await other.evaluate(() => [localStorage.getItem("persisted"), window.model.info.shared])).toEqual(["true", "here"]);
  await browser.close();
});

three("tabs that load at once download the model once, and each hears how far it is", async ({ tabs, context }) => {
  const asked = [];
  await context.route("**/models/*.gguf*", (route) => {
    asked.push(route.request().headers().range);
    return route.continue();
  });
  const phases = await Promise.all(
    tabs.map((tab) =>
      tab.evaluate(async () => {
        const { BitNet, MODEL, LONG } = window.lab;
        const phases = new Set();
        window.model = await BitNet.load(MODEL, { ...LONG, threads: 1, connections: 1, shared: true, onProgress: ({ phase }) => phases.add(phase) });
        return [...phases];
      }),
    ),
  );
  await apart(tabs);
  expect(asked.length).toBeGreaterThan(0);
  expect(new Set(asked).size).toBe(asked.length);
  for (const seen of phases) expect(seen).toContain("ready");
  // The rest of the interface, from each of them.
  for (const tab of tabs) {
    const all = await tab.evaluate(async () => {
      const { model } = window;
      const ids = await model.tokenize("Once upon a time");
      const session = await model.session();
      const said = await session.generate("Once upon a time", { maxTokens: 5 }).result();
      const copy = await session.clone();
      await copy.restore(await session.save());
      const { vectors } = await model.embed(["a cat", "a dog"]);
      const { readBytesPerSecond } = await model.roofline();
      const report = await model.verify({ prompts: ["Once upon a time"], maxTokens: 20 });
      const stop = new AbortController();
      const aborted = model.generate("Once", { signal: stop.signal }).result().catch((error) => error.name);
      stop.abort();
      const kept = await model.stats();
      await Promise.all([session.dispose(), copy.dispose()]);
      const { sessions } = await model.stats();
      return { text: await model.detokenize(ids), tokens: said.usage.completionTokens, vectors: vectors.length, readBytesPerSecond, answers: report.metrics.prompts.length, aborted: await aborted, freed: kept.sessions - sessions };
    });
    expect(all).toEqual({ text: "Once upon a time", tokens: 5, vectors: 2, readBytesPerSecond: expect.any(Number), answers: 1, aborted: "AbortError", freed: 2 });
  }
  for (const tab of tabs) await tab.evaluate(() => window.model.dispose());
  for (const tab of tabs) await expect.poll(() => tab.workers().length, OFTEN).toBe(0);
});

three("other options make another engine, which is told of", async ({ tabs: [first, second, third] }) => {
  await load(first);
  const { notes } = await load(second, { contextLength: 4000 });
  expect(notes.join()).toContain("the same model with other options");
  expect(second.workers().length).toBe(1);
  const { shared, notes: told } = await load(third, { threads: 2, hash: true });
  expect(shared).toBe("elsewhere");
  expect(told.join()).toContain("threads is 1, as the tab that holds the engine asked for, not 2");
  expect(told.join()).toContain("hash is as by default");
});

async function collectGarbage(tab) {
  const session = await tab.context().newCDPSession(tab);
  await session.send("HeapProfiler.collectGarbage");
  await session.detach();
}

test.describe("memory", () => {
  let folder;
  let made;

  test.beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "b158-shared-"));
    slowModel(join(folder, "made.gguf"));
    made = await servePackage({ folders: { "/lib/": new URL("../../www/dist/lib", import.meta.url).pathname, "/models/": new URL("../models", import.meta.url).pathname, "/made/": folder } });
  });

  test.afterAll(async () => {
    made?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test("of three tabs is that of one engine and two pages", async ({ context, page }) => {
    test.setTimeout(15 * 60_000);
    const measure = async (count, options) => {
      const tabs = [];
      while (tabs.length < count) {
        const tab = await context.newPage();
        await open(tab, made.url);
        tabs.push(tab);
      }
      const empty = await residentBytes(page);
      let weightBytes;
      for (const tab of tabs) {
        weightBytes = await tab.evaluate(async (options) => {
          window.model = await window.lab.BitNet.load("/made/made.gguf", { threads: 1, contextLength: 256, ...options });
          await window.model.generate("a", { maxTokens: 3 }).result();
          return (await window.model.stats()).weightBytes;
        }, options);
      }
      for (const tab of tabs) await collectGarbage(tab);
      const bytes = (await residentBytes(page)) - empty;
      for (const tab of tabs) await tab.close();
      return { bytes, weightBytes };
    };
    // What a browser keeps of the first.
    await measure(1, { shared: true });
    const one = await measure(1, { shared: true });
    const three = await measure(3, { shared: true });
    const apart = await measure(3, { shared: false });
    const mib = ({ bytes }) => (bytes / MIB).toFixed(0);
    console.log(`    weights of ${(one.weightBytes / MIB).toFixed(0)} MiB: one tab ${mib(one)} MiB, three that share ${mib(three)}, three that do not ${mib(apart)}`);
    // Pages have some megabytes of their own; a second copy of the weights is more than two of them.
    expect(three.bytes - one.bytes).toBeLessThan(one.weightBytes);
    expect(apart.bytes - three.bytes).toBeGreaterThan(2 * one.weightBytes);
  });
});
