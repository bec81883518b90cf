// The ten prompts: their report on the page, the files to take away, a comparison with another run.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { expect, shot, test } from "./demo.js";

async function ask(demo, tokens) {
  await demo.get("check-tokens").fill(String(tokens));
  await demo.get("check-run").click();
  await demo.shows("check-outcome", /\d+ of 10 answers are text/);
  await demo.shows("check-run", "Ask ten prompts");
}

async function download(page, demo, name) {
  const [file] = await Promise.all([page.waitForEvent("download"), demo.page.getByRole("link", { name }).click()]);
  expect(file.suggestedFilename()).toBe(name);
  return readFile(await file.path(), "utf8");
}

test.describe("the ten prompts", () => {
  test("are asked, judged, and can be taken away", async ({ demo, page }) => {
    await ask(demo, 60);
    await expect(demo.get("check-results").locator("li")).toHaveCount(10);
    await expect(demo.get("check-plot").locator("circle")).toHaveCount(10);

    const metrics = JSON.parse(await download(page, demo, "metrics.json"));
    expect(metrics.prompts.map((entry) => entry.prompt)).toContain("The capital of France is");
    expect(metrics.model).toMatchObject({ file: "stories-I2_S.gguf", name: "b158 stories" });
    expect(metrics.model.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(metrics.machine.os).toContain("Mozilla/5.0");
    for (const { ids, measures, generatedTokens, published } of metrics.prompts) {
      expect(ids.length).toBe(generatedTokens);
      expect(measures.meanEntropy).toBeGreaterThan(0);
      expect(measures.meanLogProbability).toBeLessThan(0);
      expect(published).toBeNull(); // this is not the official file
    }
    const report = await download(page, demo, "report.html");
    expect(report).toContain("<circle");
    expect(report).not.toContain("<script");
    expect(await download(page, demo, "results.txt")).toContain("=== The capital of France is");

    await demo.get("check-results").scrollIntoViewIfNeeded();
    await page.screenshot({ path: shot("check"), fullPage: true });
    await page.setViewportSize({ width: 390, height: 844 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    await page.emulateMedia({ colorScheme: "dark" });
    await demo.get("check-plot").scrollIntoViewIfNeeded();
    await page.screenshot({ path: shot("check-phone-dark") });
  });

  test("are compared with another run, of the command line too", async ({ demo, page }, testInfo) => {
    await ask(demo, 30);
    const metrics = JSON.parse(await download(page, demo, "metrics.json"));
    metrics.prompts[3].ids[5] += 1;
    const reference = testInfo.outputPath("metrics.json");
    await mkdir(dirname(reference), { recursive: true });
    await writeFile(reference, JSON.stringify(metrics));
    await demo.get("check-reference").setInputFiles(reference);
    const results = demo.get("check-results");
    await expect(results.getByText("same ids as the reference")).toHaveCount(9);
    await expect(results.getByText("differs from the reference at token 5")).toHaveCount(1);

    await writeFile(reference, "[]");
    await demo.get("check-reference").setInputFiles(reference);
    await expect(demo.get("check-error")).toContainText("is not a metrics.json");
  });

  test("can be stopped, and the engine goes on", async ({ demo, page }) => {
    await demo.get("check-tokens").fill("500");
    // The page presses Stop itself, at the second prompt: on a fast machine the ten are over before a test has looked.
    await page.evaluate(() => {
      const text = document.getElementById("check-text");
      const observer = new MutationObserver(() => {
        if (!text.textContent.startsWith("2 of 10")) return;
        observer.disconnect();
        document.getElementById("check-run").click();
      });
      observer.observe(text, { childList: true, characterData: true, subtree: true });
    });
    await demo.get("check-run").click();
    await demo.shows("check-run", "Ask ten prompts");
    await demo.visible("check-progress", false);
    await expect(demo.get("check-outcome")).toBeHidden();
    expect(await demo.write("Once upon a time, there was a brave fox named Pip.", { temperature: 0, "max-tokens": 10 })).not.toBe("");
  });
});
