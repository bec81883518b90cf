// The example of an extension, www/examples/extension, in Chromium: its popup and a page of the web ask one engine.
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, test as base } from "@playwright/test";
import { guideBlock } from "../../www/tests/guide.mjs";
import { ARGUMENTS } from "./chromium.js";
import { servePackage } from "./end-to-end.js";
import { OFTEN, PATIENCE_MS } from "./patience.js";

const { expect } = base;
const at = (path) => new URL(path, import.meta.url).pathname;
const EXAMPLE = at("../../www/examples/extension");
const [{ prompt, text }] = JSON.parse(await readFile(at("../models/greedy.json"), "utf8"));

/** The example with the package beside it, and with the small model. */
async function build(folder, url) {
  await cp(EXAMPLE, folder, { recursive: true });
  await cp(at("../../www/dist/lib"), join(folder, "b158"), { recursive: true });
  const change = async (name, from, to) => {
    const path = join(folder, name);
    const before = await readFile(path, "utf8");
    if (!from.test(before)) throw new Error(`${name} of the example has no ${from}`);
    await writeFile(path, before.replace(from, to));
  };
  await change("model.js", /"hf:[^"]*"/, JSON.stringify(`${url}models/stories-I2_S.gguf`));
  await change("manifest.json", /"https:\/\/huggingface.co\/\*"/, '"http://localhost/*"');
}

const test = base.extend({
  server: async ({}, use) => {
    const server = await servePackage();
    await use(server);
    server.close();
  },

  context: async ({ server, launchOptions }, use) => {
    const folder = await mkdtemp(join(tmpdir(), "b158-extension-"));
    const extension = join(folder, "extension");
    await build(extension, server.url);
    const context = await chromium.launchPersistentContext(join(folder, "profile"), {
      ...launchOptions,
      args: [...ARGUMENTS, `--disable-extensions-except=${extension}`, `--load-extension=${extension}`],
      ignoreDefaultArgs: ["--disable-extensions"],
    });
    await use(context);
    await context.close();
    await rm(folder, { recursive: true, force: true });
  },

  background: async ({ context }, use) => {
    await use(context.serviceWorkers()[0] ?? (await context.waitForEvent("serviceworker", { timeout: PATIENCE_MS })));
  },

  /** Opens a popup in a tab, as soon as its engine is there. */
  popup: async ({ context, background }, use) => {
    await use(async () => {
      const page = await context.newPage();
      await page.goto(new URL("popup.html", background.url()).href);
      await expect(page.getByRole("button", { name: "Write" })).toBeEnabled();
      return page;
    });
  },
});

const answer = (page) => page.locator("output");

async function write(page) {
  await page.getByLabel("Prompt").fill(prompt);
  await page.getByRole("button", { name: "Write" }).click();
}

test("its popup and a page of the web ask the engine of the offscreen document", async ({ popup, context, background, server }) => {
  const page = await popup();
  await expect(answer(page)).toHaveText(/stories.*, [2-9]\d* threads/i);
  // It is elsewhere.
  expect(page.workers()).toEqual([]);
  await write(page);
  await expect(answer(page)).toHaveText(text);
  await page.close();

  const website = await context.newPage();
  await website.goto(server.url);
  await website.evaluate((prompt) => {
    document.body.textContent = prompt;
    getSelection().selectAllChildren(document.body);
    window.heard = new Promise((resolve) => document.addEventListener("b158", ({ detail }) => resolve(detail)));
  }, prompt);
  await website.keyboard.press("Alt+KeyG");
  expect(await website.evaluate(() => window.heard)).toBe(text);

  // Where the document is closed, the popup holds the engine itself.
  const again = await popup();
  await write(again);
  await background.evaluate(() => chrome.offscreen.closeDocument());
  await expect(answer(again)).toHaveText(text);
  await expect.poll(() => again.workers().length, OFTEN).toBeGreaterThan(0);
  await answer(again).evaluate((output) => (output.value = ""));
  await write(again);
  await expect(answer(again)).toHaveText(text);
});

test("the guide shows its service worker", async () => {
  expect(await readFile(join(EXAMPLE, "background.js"), "utf8")).toContain(guideBlock("A browser extension"));
});
