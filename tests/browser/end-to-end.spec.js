// The end-to-end tests in Chromium; in Firefox and WebKitGTK: webdriver/end-to-end.mjs.
import { DEMO_TESTS, packageTests, serveDemo, servePackage } from "./end-to-end.js";
import { tabTest as test } from "./tab.js";
import { wide } from "./wide.js";

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

// Here threads.spec.js has more pairs, and memory.spec.js more loads.
const isolated = packageTests({ threads: true, relaxed: true, pairs: wide([], ["simd128 1", "relaxed 2"]) });
suite("the package, isolated", wide(isolated, isolated.filter(({ name }) => !/dozen/.test(name))), () => servePackage());
// Of what differs without threads; the other browsers' tests run all.
const plain = packageTests({ threads: false, relaxed: true, pairs: wide([], ["simd128 2", "relaxed 1"]) }).filter(({ name }) => /how it runs|pinned|build|aborts|wrong/.test(name));
suite("the package, without COOP and COEP", plain, () => servePackage({ isolated: false }));
suite("the demo", DEMO_TESTS, serveDemo);
