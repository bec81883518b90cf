// The demo page, served and opened, with what every test asks of it: isolated, and nothing on the console.
import { AxeBuilder } from "@axe-core/playwright";
import { test as base, expect } from "@playwright/test";
import { serve } from "../../www/serve.mjs";

export const DEMO = new URL("../../www/dist/demo/", import.meta.url).pathname;

export const test = base.extend({
  server: [
    async ({}, use) => {
      const server = await serve({ root: DEMO });
      await use(server);
      server.close();
    },
    { scope: "worker" },
  ],

  /** What the console may say besides, as regular expressions: a test of an error adds to it. */
  allowedOnConsole: async ({}, use) => use([]),

  page: async ({ page, allowedOnConsole }, use) => {
    const said = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") said.push(message.text());
    });
    page.on("pageerror", (error) => said.push(String(error)));
    await use(page);
    expect(said.filter((text) => !allowedOnConsole.some((allowed) => allowed.test(text)))).toEqual([]);
  },

  demo: async ({ page, server }, use) => {
    await page.goto(server.url);
    const demo = new Demo(page);
    await demo.ready();
    await use(demo);
  },
});

export { expect };

export class Demo {
  constructor(page) {
    this.page = page;
    this.run = page.getByTestId("run");
    this.prompt = page.getByTestId("prompt");
    this.output = page.getByTestId("output");
    this.outcome = page.getByTestId("outcome");
    this.said = page.getByTestId("said").last();
  }

  get(testId) {
    return this.page.getByTestId(testId);
  }

  /** A model is there and nothing runs. */
  async ready() {
    await expect(this.run).toHaveText(/Write|Send/);
    await expect(this.run).toBeEnabled();
  }

  async start(prompt, settings = {}) {
    for (const [testId, value] of Object.entries(settings)) await this.get(testId).fill(String(value));
    await this.prompt.fill(prompt);
    await this.run.click();
  }

  /** Writes to the end and gives what the model said. */
  async write(prompt, settings) {
    await this.start(prompt, settings);
    await expect(this.outcome).toHaveText(/Ended|Stopped/);
    await this.ready();
    return (await this.said.textContent()) ?? "";
  }

  async stop() {
    await expect(this.run).toHaveText("Stop");
    await this.run.click();
  }

  async openPicker() {
    if (await this.get("address").isHidden()) await this.get("picker-toggle").click();
  }

  async openAdvanced() {
    await this.openPicker();
    if (await this.get("context-length").isHidden()) await this.page.getByText("Advanced", { exact: true }).click();
  }

  async chat() {
    await this.page.getByText("Chat", { exact: true }).click();
  }

  async loadFile(file) {
    await this.openPicker();
    await this.get("file").setInputFiles(file);
  }
}

/** Axe finds nothing, in what is to be seen now. */
export async function expectClean(page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map(({ target }) => target.join(" ")) }))).toEqual([]);
}

/** Where screenshots go; git ignores it. */
export const shot = (name) => new URL(`results/screens/${name}.png`, import.meta.url).pathname;
