// The end-to-end tests in the browsers that WebDriver drives: BROWSER=firefox npm run test:webdriver, or webkit.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { By } from "selenium-webdriver";
import { DEMO_TESTS, packageTests, serveDemo, servePackage } from "../end-to-end.js";
import { serveCdn } from "../cdn.js";
import { start } from "./start.mjs";

const BROWSER = process.env.BROWSER;

async function open(environment) {
  const { browser, close } = await start(BROWSER, environment);
  await browser.manage().setTimeouts({ script: 120_000, pageLoad: 60_000 });
  return { driver: driverOf(browser), close };
}

function driverOf(browser) {
  const find = (testId) => browser.findElement(By.css(`[data-testid="${testId}"]`));
  return {
    goto: (url) => browser.get(url),
    async evaluate(expression) {
      const { value, error } = await browser.executeAsyncScript(`
        const done = arguments[0];
        (async () => (${expression}))().then((value) => done({ value }), (error) => done({ error: String(error) }));`);
      if (error !== undefined) throw new Error(error);
      return value;
    },
    click: async (testId) => (await find(testId)).click(),
    async fill(testId, text) {
      const field = await find(testId);
      await field.clear();
      await field.sendKeys(text);
    },
    setFile: async (testId, path) => (await find(testId)).sendKeys(path),
  };
}

function suite(name, environment, groups) {
  describe(`${BROWSER}${name}`, () => {
    let browser;
    before(async () => (browser = await open(environment)));
    after(() => browser?.close());
    for (const [about, tests, serve] of groups) {
      describe(about, () => {
        let server;
        before(async () => (server = await serve()));
        after(() => server.close());
        for (const { name, run } of tests) test(name, { timeout: 300_000 }, () => run(browser.driver, server.url));
      });
    }
  });
}

/** A page without a policy, and the package on a server of another origin. */
async function serveBoth() {
  const [page, cdn] = await Promise.all([servePackage({ guarded: false }), serveCdn()]);
  const close = () => [page, cdn].forEach((server) => server.close());
  return { url: `${page.url}empty.html?${new URLSearchParams({ index: cdn.index })}`, close };
}

const fromCdn = (threads) => ({
  name: "runs where the page has none of its files, with the cache",
  async run(driver, url) {
    await driver.goto(url);
    const said = await driver.evaluate(`(async () => {
      const { BitNet } = await import(new URLSearchParams(location.search).get("index"));
      const said = [];
      for (let round = 0; round < 2; round++) {
        const phases = [];
        const model = await BitNet.load("/models/stories-I2_S.gguf", { threads: 2, cache: "required", onProgress: ({ phase }) => phases.push(phase) });
        const { text } = await model.generate("Once upon a time", { temperature: 0, maxTokens: 20 }).result();
        said.push({ text, threads: model.info.threads, read: phases.includes("verify") });
        await model.dispose();
      }
      return said;
    })()`);
    const [{ text }] = said;
    assert.match(text, /[a-z]{3}/);
    assert.deepEqual(said, [false, true].map((read) => ({ text, threads: threads ? 2 : 1, read })));
  },
});
const cdn = (threads) => ["the package from another origin", [fromCdn(threads)], serveBoth];

const relaxed = BROWSER === "firefox";
const isolated = (threads) => ["the package, isolated", packageTests({ threads, relaxed }), servePackage];
const plain = ["the package, without COOP and COEP", packageTests({ threads: false, relaxed }), () => servePackage({ isolated: false })];
const demo = ["the demo", DEMO_TESTS, serveDemo];

if (BROWSER === "firefox") {
  suite("", {}, [isolated(true), cdn(true), plain, demo]);
} else {
  // As it comes it has no SharedArrayBuffer, isolated or not; Safari has.
  suite("", {}, [isolated(false), cdn(false), demo]);
  suite(" with SharedArrayBuffer", { JSC_useSharedArrayBuffer: "1" }, [isolated(true), cdn(true), demo]);
}
