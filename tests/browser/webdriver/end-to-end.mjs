// The end-to-end tests in the browsers that WebDriver drives: BROWSER=firefox npm run test:webdriver, or webkit.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { Builder, By } from "selenium-webdriver";
import { DEMO_TESTS, packageTests, serveDemo, servePackage } from "../end-to-end.js";

const BROWSER = process.env.BROWSER;
const PROGRAMS = { firefox: ["geckodriver"], webkit: ["xvfb-run", "--auto-servernum", "WebKitWebDriver"] };
const capabilities = JSON.parse(await readFile(new URL(`${BROWSER}.json`, import.meta.url), "utf8"));

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}

/** A browser of its own, and the program that drives it, with more in its environment. */
async function start(environment) {
  const port = await freePort();
  const [program, ...options] = PROGRAMS[BROWSER];
  // A group of its own, so that the X server goes with it.
  const service = spawn(program, [...options, `--port=${port}`], { detached: true, stdio: "ignore", env: { ...process.env, ...environment } });
  const gone = once(service, "exit");
  const end = async () => {
    process.kill(-service.pid);
    await gone;
  };
  try {
    const browser = await session(`http://127.0.0.1:${port}/`);
    await browser.manage().setTimeouts({ script: 120_000, pageLoad: 60_000 });
    return { driver: driverOf(browser), close: () => browser.quit().finally(end) };
  } catch (error) {
    await end();
    throw error;
  }
}

/** The service takes a moment to listen. */
async function session(url) {
  for (let tries = 0; ; tries++) {
    try {
      if ((await fetch(`${url}status`)).ok) break;
    } catch (error) {
      if (tries === 100) throw error;
    }
    await new Promise((done) => setTimeout(done, 200));
  }
  return new Builder().usingServer(url).withCapabilities({ browserName: BROWSER, ...capabilities }).build();
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
    before(async () => (browser = await start(environment)));
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
