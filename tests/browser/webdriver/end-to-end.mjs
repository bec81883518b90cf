// The end-to-end tests in the browsers that WebDriver drives: BROWSER=firefox npm run test:webdriver, or webkit.
import { after, before, describe, test } from "node:test";
import { By } from "selenium-webdriver";
import { DEMO_TESTS, packageTests, serveDemo, servePackage } from "../end-to-end.js";
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

const relaxed = BROWSER === "firefox";
const isolated = (threads) => ["the package, isolated", packageTests({ threads, relaxed }), servePackage];
const plain = ["the package, without COOP and COEP", packageTests({ threads: false, relaxed }), () => servePackage({ isolated: false })];
const demo = ["the demo", DEMO_TESTS, serveDemo];

if (BROWSER === "firefox") {
  suite("", {}, [isolated(true), plain, demo]);
} else {
  // As it comes it has no SharedArrayBuffer, isolated or not; Safari has.
  suite("", {}, [isolated(false), demo]);
  suite(" with SharedArrayBuffer", { JSC_useSharedArrayBuffer: "1" }, [isolated(true), demo]);
}
