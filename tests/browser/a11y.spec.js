// What axe finds, in every look the page has; and what a keyboard and a still picture need.
import { expect, expectClean, shot, test } from "./demo.js";
import { wide } from "./wide.js";

const PIP = "Once upon a time, there was a brave fox named Pip.";

/** In light and in dark, which differ in their colours alone: all rules are asked again only where it is wide. */
async function expectCleanInBoth(page) {
  await expectClean(page);
  await page.emulateMedia({ colorScheme: "dark" });
  await expectClean(page, wide(undefined, ["color-contrast"]));
  await page.emulateMedia({ colorScheme: "light" });
}

test.describe("axe, light and dark", () => {
  test.beforeEach(({ page }) => page.emulateMedia({ colorScheme: "light" }));

  test("with a story", async ({ demo, page }) => {
    await demo.write(PIP, { seed: 7 });
    await expectCleanInBoth(page);
  });

  test("with a conversation, one message being edited", async ({ demo, page }) => {
    await demo.chat();
    await demo.get("system-box").locator("summary").click();
    await demo.write("What color is the sky?", { temperature: 0 });
    await expectCleanInBoth(page);
    await demo.get("save").locator("summary").click();
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: shot(`chat-${colorScheme}`), fullPage: true });
    }
    await demo.get("edit").click();
    await expectCleanInBoth(page);
  });

  test("with the picker open", async ({ demo, page }) => {
    await demo.openAdvanced();
    await expectCleanInBoth(page);
  });

  test("with errors and nonsense", async ({ demo, page }) => {
    await demo.loadFile({ name: "garbage.gguf", mimeType: "application/octet-stream", buffer: Buffer.alloc(100_000, "garbage ") });
    await demo.refused("format");
    await demo.get("temperature").fill("77");
    await demo.get("top-k").fill("-1");
    await expectCleanInBoth(page);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: shot(`error-${colorScheme}`), fullPage: true });
    }
  });
});

test("axe, on a phone", async ({ demo, page }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  await demo.write(PIP, { seed: 7 });
  await demo.openPicker();
  await expectClean(page);
});

test("the plot is walked along with the arrow keys", async ({ demo, page }) => {
  await demo.write(PIP, { seed: 7 });
  const plot = demo.get("plot");
  await plot.focus();
  await page.keyboard.press("Home");
  await expect(demo.get("plot-readout")).toHaveText(/^Token \d+: [\d.,]+ tokens\/s, [\d.]+ ms$/);
  const first = await plot.getAttribute("aria-valuetext");
  await page.keyboard.press("End");
  expect(await plot.getAttribute("aria-valuenow")).toBe(await plot.getAttribute("aria-valuemax"));
  expect(await plot.getAttribute("aria-valuetext")).not.toBe(first);
  await expect(demo.get("plot-speed").locator(".dot")).toBeVisible();

  await demo.prompt.focus();
  await expect(demo.get("plot-readout")).toHaveText("");
  await demo.get("plot-time").hover();
  await expect(demo.get("plot-readout")).toHaveText(/^Token/);
  for (const [curve, unit] of [["plot-speed", "tokens"], ["plot-time", "tokens"]]) await expect(demo.get(curve)).toContainText(unit);
});

test("every control shows when it has the focus", async ({ demo, page }) => {
  await demo.openAdvanced();
  await page.locator("body").evaluate((body) => {
    body.tabIndex = -1;
    body.focus();
  });
  const unseen = [];
  for (let presses = 0; presses < 80; presses++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const { activeElement: element } = document;
      if (element === document.body || element === null) return undefined;
      // Where the control itself is invisible, what stands for it is beside it.
      const shown = getComputedStyle(element).opacity === "0" ? element.nextElementSibling : element;
      return { what: `${element.tagName}#${element.id}`, outline: getComputedStyle(shown).outlineStyle };
    });
    if (!at) break;
    if (at.outline === "none") unseen.push(at.what);
  }
  expect(unseen).toEqual([]);
});

test("with less motion nothing moves by itself", async ({ demo, page }) => {
  await page.emulateMedia({ reducedMotion: "reduce" });
  await demo.write(PIP, { seed: 7 });
  expect(await page.evaluate(() => document.getAnimations().length)).toBe(0);
});
