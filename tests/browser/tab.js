// One tab for all tests of a worker, loaded anew for each. A tab of its own takes three times as long: two processes, the service
// worker installed, modules compiled without what the process knows of them.
import { test as base, expect } from "@playwright/test";
import { PATIENCE_MS } from "./patience.js";

const VIEWPORT = { width: 1280, height: 900 };

export const tabTest = base.extend({
  tab: [
    async ({ browser }, use) => {
      const context = await browser.newContext({ viewport: VIEWPORT });
      const page = await context.newPage();
      const devTools = await context.newCDPSession(page);
      await use({ context, page, devTools });
      await context.close();
    },
    { scope: "worker", timeout: PATIENCE_MS },
  ],

  context: async ({ tab }, use) => {
    await use(tab.context);
  },

  page: async ({ tab }, use) => {
    await cleanUp(tab);
    await use(tab.page);
  },

  /** `page.addInitScript` for this test alone. */
  beforeScripts: async ({ page }, use) => {
    const added = [];
    await use(async (...script) => void added.push(await page.addInitScript(...script)));
    for (const script of added) await script.dispose();
  },
});

export { expect };

/** Nothing is left of the test before but the service worker, which a second visit has too. */
async function cleanUp({ context, page, devTools }) {
  for (const other of context.pages()) if (other !== page) await other.close();
  await context.clearPermissions();
  await context.unrouteAll();
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
  await page.setViewportSize(VIEWPORT);
  const { origin } = new URL(page.url());
  if (origin !== "null") await devTools.send("Storage.clearDataForOrigin", { origin, storageTypes: "file_systems,local_storage,indexeddb" });
}
