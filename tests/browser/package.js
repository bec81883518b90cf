// The package in a page of its own, without the demo: for tests that need many engines, or none.
import { test as base, expect } from "@playwright/test";
import { servePackage } from "./end-to-end.js";

export const test = base.extend({
  server: [
    async ({}, use) => {
      const server = await servePackage();
      await use(server);
      server.close();
    },
    { scope: "worker" },
  ],

  page: async ({ page, server }, use) => {
    await page.goto(`${server.url}?threads=true&relaxed=true`);
    await page.addScriptTag({ type: "module", url: "/in-page.js" });
    await page.waitForFunction(() => window.lab !== undefined);
    await use(page);
  },
});

export { expect };
