// The page as `b158 serve` serves it: the engine of the computer beside that of the tab.
import { serve } from "../../www/serve.mjs";
import { DEMO, Demo, expect, expectClean, firstVisit as test, shot } from "./demo.js";
import { DECIDED, OFTEN } from "./patience.js";
import { serveProgram, slowModel } from "./program.js";

const PIP = "Once upon a time, there was a brave fox named Pip.";
const GREEDY = { temperature: 0, "repeat-penalty": 1, "max-tokens": 60 };
const KEY = "sk-of-this-test-9b1f";

const withProgram = (...options) =>
  test.extend({
    program: [
      async ({}, use) => {
        const program = await serveProgram(...options);
        await use(program);
        await program.stop();
      },
      { scope: "worker" },
    ],
    server: async ({ program }, use) => use(program),
  });
const open = withProgram();
const locked = withProgram("--api-key", KEY);

/** Every request of the page, the service worker's too. */
function requests({ page }) {
  const seen = [];
  page.context().on("request", (request) => seen.push(request));
  return seen;
}

/** Asks on until the engine says that nobody is answered any more. */
async function atRest(page) {
  await expect.poll(async () => (await (await page.request.get(new URL("health", page.url()).href)).json()).slots_busy, OFTEN).toBe(0);
}

open.describe("the engine of the computer", () => {
  open("is what the page begins with, and says what it is", async ({ demo, page }) => {
    await expect(demo.get("where-engine")).toBeChecked();
    await expect(demo.get("where")).toHaveText(/This computer\s+This tab/);
    const [{ id, owned_by, backend, threads }] = (await (await page.request.get(new URL("v1/models", page.url()).href)).json()).data;
    expect(owned_by).toBe("b158");
    await expect(demo.get("model-name")).toHaveText(id);
    await expect(demo.get("model-facts")).toHaveText(/6\.6 M parameters · I2_S · context of 512 tokens/);
    await expect(demo.get("backend")).toHaveText(backend);
    await expect(demo.get("threads")).toHaveText(String(threads));
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await expect(page.locator(".tagline")).toHaveText(/computed on this computer\.$/, { useInnerText: true, ...DECIDED });
    await expect(page.locator("footer")).toContainText("goes to the engine of this computer", { useInnerText: true, ...DECIDED });
    for (const ofTheTab of ["memory", "check-run", "picker-toggle"]) await expect(demo.get(ofTheTab)).toBeHidden();
  });

  open("writes what the tab's engine writes, and tells how fast", async ({ page, server }) => {
    const seen = requests({ page });
    const demo = await Demo.open(page, server.url);
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    const said = await demo.write(PIP, GREEDY);
    expect(said.length).toBeGreaterThan(100);
    await expect(demo.outcome).toHaveText("Ended at the limit · 60 tokens · greedy");
    await expect(demo.get("speed")).toHaveText(/^[\d,.]+$/);
    await expect(demo.get("prompt-speed")).toHaveText(/\d+ tokens.*\d\/s/);
    await expect(demo.get("first-token")).toHaveText(/ms|s/);
    await expect(demo.get("context-used")).toHaveText(/^\d+ of 512$/);
    const drawn = await demo.write(PIP, { ...GREEDY, temperature: 0.9, seed: 42 });
    expect(drawn).not.toBe(said);
    const asked = () => seen.filter((request) => new URL(request.url()).pathname.startsWith("/v1/") && request.method() === "POST");
    expect(asked().map((request) => new URL(request.url()).pathname)).toEqual(["/v1/completions", "/v1/completions"]);

    await demo.get("where-tab").check({ force: true });
    await demo.shows("model-name", /b158 stories/);
    await demo.ready();
    await demo.shows("memory", /MB/);
    await expect(demo.get("backend")).toHaveText(/simd128|relaxed/);
    expect(await demo.write(PIP, { ...GREEDY, seed: 42 })).toBe(said);
    expect(await demo.write(PIP, { ...GREEDY, temperature: 0.9, seed: 42 })).toBe(drawn);
    expect(asked()).toHaveLength(2);
    expect(page.url()).not.toContain("model=");
    await expect.poll(() => page.url(), OFTEN).toContain("where=tab");

    await demo.get("where-engine").check({ force: true });
    await demo.visible("memory", false);
    await demo.ready();
    expect(await demo.write(PIP, GREEDY)).toBe(said);
    // Nobody else is asked for anything.
    expect(new Set(seen.map((request) => new URL(request.url()).origin))).toEqual(new Set([new URL(server.url).origin]));
  });

  open("chats, and knows what was said before", async ({ demo, page }) => {
    await page.emulateMedia({ colorScheme: "light" });
    await demo.chat();
    const story = await demo.write("Tell me a story about a brave cat named Momo.", { seed: 3 });
    expect(story).toContain("Momo");
    expect(await demo.write("What color is the sky?", { temperature: 0 })).toBe("The sky is blue.");
    await expect(demo.get("prompt-speed")).toHaveText(/known/, DECIDED);
    await expect(demo.output.locator(".turn")).toHaveCount(4);
    await expectClean(page);
    await page.screenshot({ path: shot("serve-light"), fullPage: true });
    await page.emulateMedia({ colorScheme: "dark" });
    await expectClean(page);
    await page.screenshot({ path: shot("serve-dark"), fullPage: true });
    await page.setViewportSize({ width: 360, height: 740 });
    await expectClean(page);
    await page.screenshot({ path: shot("serve-phone"), fullPage: true });
  });

  open("answers by a schema", async ({ demo }) => {
    await demo.get("form-box").locator("summary").click();
    await demo.get("form").selectOption("schema");
    const hero = JSON.parse(await demo.write(PIP, { temperature: 0, "max-tokens": 200 }));
    expect(Object.keys(hero)).toEqual(["name", "animal", "age", "brave"]);
  });

  open.describe("what it refuses", () => {
    open.use({ allowedOnConsole: [/400/] });
    open("is shown in its own words", async ({ demo, page }) => {
      await demo.start(`${PIP} She had a red ball. `.repeat(200), GREEDY);
      await demo.visible("run-error");
      await expect(demo.get("run-error")).toHaveText(/does not answer this.*The prompt is too long: it has \d+ tokens, the context holds 512/);
      await demo.ready();
      expect((await demo.write(PIP, GREEDY)).length).toBeGreaterThan(100);
      await expect(demo.get("run-error")).toBeHidden();
    });
  });

  open("gives way to a model that somebody chooses", async ({ demo, page }) => {
    await page.goto(`${demo.page.url().split("#")[0]}#model=./models/stories-I2_S.gguf`);
    await page.reload();
    await demo.ready();
    await expect(demo.get("where-tab")).toBeChecked();
    await expect(demo.get("backend")).toHaveText(/simd128|relaxed/);
  });
});

test("stops at once, and the engine with it", async ({ page }, testInfo) => {
  const program = await serveProgram("-m", slowModel(testInfo.outputPath("slow.gguf")));
  try {
    const demo = await Demo.open(page, program.url);
    await demo.start(PIP, { ...GREEDY, "max-tokens": 3000 });
    await demo.shows("outcome", /^\d+ tokens?$/);
    await demo.stop();
    await demo.shows("outcome", /Stopped · \d+ tokens?/);
    const stopped = await demo.said.textContent();
    await atRest(page);
    expect(await demo.said.textContent()).toBe(stopped);
    await demo.ready();
    await demo.write(PIP, { ...GREEDY, "max-tokens": 3 });
  } finally {
    await program.stop();
  }
});

test.describe("an engine that goes", () => {
  test.use({ allowedOnConsole: [/ERR_|Failed to load|net::/] });
  test("is missed, and found again", async ({ page }) => {
    const first = await serveProgram();
    const demo = await Demo.open(page, first.url);
    const port = new URL(first.url).port;
    await first.stop();
    await demo.start(PIP, GREEDY);
    await demo.visible("run-error");
    await expect(demo.get("run-error")).toHaveAttribute("data-code", "gone");
    await page.getByRole("button", { name: "Connect again" }).click();
    await demo.refused("gone");
    const second = await serveProgram("--port", port);
    await page.getByRole("button", { name: "Try again" }).click();
    await demo.ready();
    expect((await demo.write(PIP, GREEDY)).length).toBeGreaterThan(100);
    await second.stop();
  });
});

locked.describe("an engine with a key", () => {
  locked.use({ allowedOnConsole: [/401/] });
  locked("asks for it, and this tab alone keeps it", async ({ page, server }) => {
    await page.goto(server.url, { waitUntil: "commit" });
    const demo = new Demo(page);
    await demo.visible("key-form");
    await page.emulateMedia({ colorScheme: "light" });
    await expectClean(page);
    await page.screenshot({ path: shot("serve-key"), fullPage: true });
    await expect(demo.run).toBeDisabled();
    await expect(demo.get("key-complaint")).toBeHidden();
    await demo.get("key").fill("sk-wrong");
    await demo.get("key-send").click();
    await demo.visible("key-complaint");
    await expect(demo.get("key-complaint")).toHaveText("That is none of its keys.");
    await expect(demo.get("key")).toHaveValue("");
    await demo.get("key").fill(KEY);
    await demo.get("key").press("Enter");
    await demo.ready();
    await demo.visible("key-form", false);
    expect((await demo.write(PIP, GREEDY)).length).toBeGreaterThan(100);
    await demo.reload();
    await expect(demo.get("key-form")).toBeHidden();
    expect(await page.evaluate(() => JSON.stringify({ ...localStorage }))).not.toContain(KEY);
    expect(page.url()).not.toContain(KEY);

    const other = await page.context().newPage();
    await other.goto(server.url, { waitUntil: "commit" });
    await new Demo(other).visible("key-form");
    // The tab has a model of its own for those without one.
    await new Demo(other).get("where-tab").check({ force: true });
    await new Demo(other).ready();
    await expect(new Demo(other).get("key-form")).toBeHidden();
    await other.close();
  });
});

test("elsewhere the page offers no engine, and asks for none", async ({ page }) => {
  const seen = requests({ page });
  const elsewhere = await serve({ root: DEMO });
  try {
    const demo = await Demo.open(page, elsewhere.url);
    await expect(demo.get("where")).toBeHidden();
    await expect(page.locator("footer")).toContainText("What you write here stays here", { useInnerText: true, ...DECIDED });
    expect(seen.filter((request) => /\/v1\/|\/health/.test(request.url()))).toEqual([]);
  } finally {
    elsewhere.close();
  }
});
