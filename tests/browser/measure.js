// The demo page with a large model beside it, for what is measured and no test.
import { chromium } from "@playwright/test";
import { serve } from "../../www/serve.mjs";
import { ARGUMENTS } from "./chromium.js";

/** Runs `measure(page, address of file)` in an open page without a model, and cleans up. */
export async function inDemo(file, measure) {
  const server = await serve({ root: new URL("../../www/dist/demo/", import.meta.url).pathname, file });
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGUMENTS });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(20 * 60_000);
    await page.goto(server.url);
    await page.waitForFunction(() => window.b158?.model !== undefined);
    await page.evaluate(() => window.b158.model.dispose());
    return await measure(page, server.fileUrl);
  } finally {
    await browser.close();
    server.close();
  }
}
