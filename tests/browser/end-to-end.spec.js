// The end-to-end tests in Chromium; in Firefox and WebKitGTK: webdriver/end-to-end.mjs.
import { test } from "@playwright/test";
import { DEMO_TESTS, packageTests, serveDemo, servePackage } from "./end-to-end.js";

// What is wrong stands in the error; recording every download for a trace takes longer than the tests.
test.use({ trace: "off" });

const driver = (page) => ({
  goto: (url) => page.goto(url),
  evaluate: (expression) => page.evaluate(expression),
  click: (testId) => page.getByTestId(testId).click(),
  fill: (testId, text) => page.getByTestId(testId).fill(text),
  setFile: (testId, path) => page.getByTestId(testId).setInputFiles(path),
});

function suite(name, tests, start) {
  test.describe(name, () => {
    let server;
    test.beforeAll(async () => {
      server = await start();
    });
    test.afterAll(() => server.close());
    for (const { name, run } of tests) test(name, ({ page }) => run(driver(page), server.url));
  });
}

suite("the package, isolated", packageTests({ threads: true, relaxed: true }), () => servePackage());
// Of what differs without threads; the other browsers' tests run all.
const plain = packageTests({ threads: false, relaxed: true }).filter(({ name }) => /how it runs|pinned|build|aborts|wrong/.test(name));
suite("the package, without COOP and COEP", plain, () => servePackage({ isolated: false }));
suite("the demo", DEMO_TESTS, serveDemo);
