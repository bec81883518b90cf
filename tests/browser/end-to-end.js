// The end-to-end tests that every browser takes, told to a driver with `goto`, `evaluate`, `click`, `fill` and `setFile`:
// the package in a page of its own (page/scenarios.js), and the demo as a person uses it.
import { readFile } from "node:fs/promises";
import { serve } from "../../www/serve.mjs";
import { scenarios } from "./page/scenarios.js";

const folder = (path) => new URL(path, import.meta.url).pathname;
const MODELS = folder("../models");
const [{ prompt, text }] = JSON.parse(await readFile(`${MODELS}/greedy.json`, "utf8"));

/**
 * A test is a name and a function of the driver. `expected`: whether this browser has threads, and relaxed SIMD; `pairs`, where not all
 * are wanted: builds with numbers of threads.
 */
export function packageTests({ pairs = [], ...expected }) {
  const query = new URLSearchParams([...Object.entries(expected), ...pairs.map((pair) => ["pair", pair])]);
  const run = (name) => async (driver, url) => {
    await driver.goto(`${url}?${query}`);
    await until(driver, "window.scenario !== undefined");
    const wrong = await driver.evaluate(`window.scenario(${JSON.stringify(name)})`);
    if (wrong !== null) throw new Error(wrong);
  };
  return Object.keys(scenarios({})).map((name) => ({ name, run: run(name) }));
}

export const servePackage = (options = {}) =>
  serve({ root: folder("page"), folders: { "/lib/": folder("../../www/dist/lib"), "/models/": MODELS, "/checkpoints/": folder("../golden/checkpoints") }, ...options });

export const serveDemo = () => serve({ root: folder("../../www/dist/demo") });

const inPage = (testId) => `document.querySelector('[data-testid="${testId}"]')`;
/** What the model said last, and what the page says of it. */
const SAID = `[...document.querySelectorAll('[data-testid="said"]')].at(-1)?.textContent`;
const OUTCOME = `${inPage("outcome")}.textContent`;
const READY = `/Write|Send/.test(${inPage("run")}?.textContent) && !${inPage("run")}.disabled`;

export const DEMO_TESTS = [
  {
    name: "writes what is pinned, stops, opens a file and refuses a bad one",
    async run(driver, url) {
      await driver.goto(url);
      await until(driver, READY);
      await settings(driver, { temperature: 0, "repeat-penalty": 1, "max-tokens": 60 });
      await write(driver);

      // Stopped by the page itself at the first words: a story of this model is over before a driver has looked twice.
      await settings(driver, { "max-tokens": 400 });
      await driver.click("clear");
      await driver.evaluate(`void new MutationObserver((_, observer) => {
        if (!(${SAID})?.trim() || !/Stop/.test(${inPage("run")}.textContent)) return;
        observer.disconnect();
        ${inPage("run")}.click();
      }).observe(${inPage("output")}, { subtree: true, childList: true, characterData: true })`);
      await driver.fill("prompt", prompt);
      await driver.click("run");
      await until(driver, `/Stopped/.test(${OUTCOME}) && ${READY}`);

      if (await driver.evaluate(`${inPage("address")}.checkVisibility() === false`)) await driver.click("picker-toggle");
      await driver.setFile("file", folder("../golden/README.md"));
      await until(driver, `${inPage("load-error")}.dataset.code === "format"`);
      await driver.evaluate(`void (${inPage("model-name")}.textContent = "")`);
      await driver.setFile("file", `${MODELS}/stories-I2_S.gguf`);
      await until(driver, `${inPage("model-name")}.textContent !== "" && ${READY}`);
      await settings(driver, { "max-tokens": 60 });
      await write(driver);
    },
  },
];

async function settings(driver, values) {
  for (const [testId, value] of Object.entries(values)) await driver.fill(testId, String(value));
}

/** Writes a story as a person would, and holds it to what is pinned. */
async function write(driver) {
  await driver.evaluate(`void (${OUTCOME.replace(".textContent", ".textContent = ''")})`);
  await driver.fill("prompt", prompt);
  await driver.click("run");
  await until(driver, `/Ended|Stopped/.test(${OUTCOME}) && ${READY}`);
  const said = await driver.evaluate(SAID);
  if (said?.trim() !== text.trim()) throw new Error(`the page says ${JSON.stringify(said)}, not ${JSON.stringify(text)}`);
}

/** Asks until the expression is true. */
async function until(driver, expression, seconds = 240) {
  for (const end = Date.now() + seconds * 1000; ; await new Promise((done) => setTimeout(done, 50))) {
    if (await driver.evaluate(`Boolean(${expression})`)) return;
    if (Date.now() > end) throw new Error(`after ${seconds} seconds this is not so: ${expression}\n${await driver.evaluate("document.body.innerText")}`);
  }
}
