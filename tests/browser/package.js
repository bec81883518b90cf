// The package in a page of its own, without the demo: for tests that need many engines, or none.
import { servePackage } from "./end-to-end.js";
import { until } from "./patience.js";
import { expect, tabTest } from "./tab.js";

export const test = tabTest.extend({
  server: [
    async ({}, use) => {
      const server = await servePackage();
      await use(server);
      server.close();
    },
    { scope: "worker" },
  ],

  page: async ({ page, server }, use) => {
    await open(page, server.url);
    await use(page);
  },
});

/** Opens it, with `window.lab`. */
export async function open(page, url) {
  await page.goto(`${url}?threads=true&relaxed=true`, { waitUntil: "commit" });
  await prepare(page);
}

/** Waits for `window.lab`, after a reload too. */
export async function prepare(page) {
  await until(page, () => window.lab !== undefined);
}

export { expect };
