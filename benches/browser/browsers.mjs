// The browsers that the page is driven in, by their names in `--in`. Each gives what was measured, and its own name and version.
import { chromium as playwright } from "playwright-core";
import { ARGUMENTS } from "../../tests/browser/chromium.js";

export const BROWSERS = { chromium, firefox };

async function chromium(url, asked, { told, files, measureNative }) {
  const browser = await playwright.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGUMENTS });
  try {
    const page = await browser.newPage();
    page.on("pageerror", (error) => console.error(error));
    await page.exposeFunction("told", told);
    await page.exposeFunction("measureNative", measureNative);
    await page.goto(url);
    await page.waitForFunction(() => window.bench !== undefined);
    if (files.length > 0) await page.setInputFiles("#peer-files", files);
    return { browser: `Chromium ${browser.version()}`, measured: await page.evaluate((asked) => window.bench(asked), asked) };
  } finally {
    await browser.close();
  }
}

/** Debian's Firefox is not one that Playwright drives. The page is asked once a second how far it is. */
async function firefox(url, asked, { told }) {
  // Not at the top: only here are the packages of tests/browser needed.
  const { start } = await import("../../tests/browser/webdriver/start.mjs");
  const { browser, close } = await start("firefox");
  try {
    await browser.get(url);
    await browser.wait(() => browser.executeScript("return window.bench !== undefined"), 30_000);
    await browser.executeScript(
      `window.state = { told: [] };
       window.told = (...told) => window.state.told.push(told);
       window.bench(arguments[0]).then((measured) => (window.state.measured = measured), (error) => (window.state.error = String(error)));`,
      asked,
    );
    for (;;) {
      const state = await browser.executeScript("return { ...window.state, told: window.state.told.splice(0) }");
      for (const line of state.told) told(...line);
      if (state.error !== undefined && state.error !== null) throw new Error(state.error);
      if (state.measured !== undefined && state.measured !== null) {
        const capabilities = await browser.getCapabilities();
        return { browser: `Firefox ${capabilities.getBrowserVersion()}`, measured: state.measured };
      }
      await new Promise((done) => setTimeout(done, 1000));
    }
  } finally {
    await close();
  }
}
