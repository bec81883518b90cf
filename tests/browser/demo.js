// The demo page, served and opened, with what every test asks of it: isolated, and nothing on the console.
import { AxeBuilder } from "@axe-core/playwright";
import { test as base } from "@playwright/test";
import { serve } from "../../www/serve.mjs";
import { DECIDED, until } from "./patience.js";
import { expect, tabTest } from "./tab.js";

export const DEMO = new URL("../../www/dist/demo/", import.meta.url).pathname;

const fixtures = {
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
    const onConsole = (message) => {
      if (message.type() === "error" || message.type() === "warning") said.push(message.text());
    };
    const onError = (error) => said.push(String(error));
    page.on("console", onConsole);
    page.on("pageerror", onError);
    // What a page says on its way out belongs to the test before.
    page.once("framenavigated", () => (said.length = 0));
    await use(page);
    page.off("console", onConsole);
    page.off("pageerror", onError);
    expect(said.filter((text) => !allowedOnConsole.some((allowed) => allowed.test(text)))).toEqual([]);
  },

  demo: async ({ page, server }, use) => {
    await use(await Demo.open(page, server.url));
  },
};

export const test = tabTest.extend(fixtures);
/** In a context of its own: for a first visit, with nothing kept and no service worker. */
export const firstVisit = base.extend(fixtures);

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

  /** Loads the page. An address that differs from the one before only behind the # would load nothing. */
  static async open(page, address) {
    await page.goto(address, { waitUntil: "commit" });
    const demo = new Demo(page);
    await demo.ready();
    return demo;
  }

  async reload() {
    await this.page.reload({ waitUntil: "commit" });
    await this.ready();
  }

  get(testId) {
    return this.page.getByTestId(testId);
  }

  /** A model is there and nothing runs. */
  async ready() {
    await until(this.page, () => {
      const run = document.querySelector("[data-testid=run]");
      return /Write|Send/.test(run?.textContent) && !run.disabled;
    });
    await expect(this.run).toHaveText(/Write|Send/, DECIDED);
    await expect(this.run).toBeEnabled(DECIDED);
  }

  /** An element's text comes to match. */
  async shows(testId, pattern) {
    const wanted = typeof pattern === "string" ? { text: pattern } : { source: pattern.source };
    await until(
      this.page,
      ({ testId, text, source }) => {
        const shown = document.querySelector(`[data-testid="${testId}"]`)?.textContent;
        return text === undefined ? shown !== undefined && new RegExp(source).test(shown) : shown?.replace(/\s+/g, " ").trim() === text;
      },
      { testId, ...wanted },
    );
    await expect(this.get(testId)).toHaveText(pattern, DECIDED);
  }

  /** An element comes to be there, or to go. */
  async visible(testId, there = true) {
    await until(this.page, ({ testId, there }) => (document.querySelector(`[data-testid="${testId}"]`)?.checkVisibility() ?? false) === there, { testId, there });
    await expect(this.get(testId)).toBeVisible({ visible: there, ...DECIDED });
  }

  async start(prompt, settings = {}) {
    for (const [testId, value] of Object.entries(settings)) await this.get(testId).fill(String(value));
    await this.prompt.fill(prompt);
    await this.run.click();
  }

  /** Writes to the end and gives what the model said. */
  async write(prompt, settings) {
    await this.start(prompt, settings);
    await this.ended();
    return (await this.said.textContent()) ?? "";
  }

  /** The answer that has been asked for is over. */
  async ended() {
    await this.shows("outcome", /Ended|Stopped/);
    await this.ready();
  }

  async stop() {
    await this.shows("run", "Stop");
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

  async loadAddress(address) {
    await this.openPicker();
    await this.get("address").fill(address);
    await this.get("load-address").click();
  }

  /** What the page is asked to load, it has refused. */
  async refused(code) {
    await until(this.page, (code) => document.querySelector("[data-testid=load-error]")?.dataset.code === code, code);
    await expect(this.get("load-error")).toHaveAttribute("data-code", code, DECIDED);
  }
}

/** Axe finds nothing, in what is to be seen now; of all its rules, or of some. */
export async function expectClean(page, rules) {
  const axe = new AxeBuilder({ page });
  const { violations } = await (rules ? axe.withRules(rules) : axe).analyze();
  expect(violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map(({ target }) => target.join(" ")) }))).toEqual([]);
}

/** Where screenshots go; git ignores it. */
export const shot = (name) => new URL(`results/screens/${name}.png`, import.meta.url).pathname;
