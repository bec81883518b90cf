// The conversation: answers again, messages again, away with all of it, and to take away.
import { readFile } from "node:fs/promises";
import { Demo, expect, shot, test } from "./demo.js";

const SKY = "What color is the sky?";
const MOMO = "Tell me a story about a brave cat named Momo.";

async function saved(page, demo, testId) {
  await demo.get("save").locator("summary").click();
  const [file] = await Promise.all([page.waitForEvent("download"), demo.get(testId).click()]);
  return { name: file.suggestedFilename(), content: await readFile(await file.path(), "utf8") };
}

/** Presses a button of the page at the first word of an answer: those of this model are over before a test has looked twice. */
function pressAtFirstWord(demo, testId) {
  return demo.output.evaluate((output, testId) => {
    const observer = new MutationObserver(() => {
      if (!output.querySelector(".live")?.textContent.trim()) return;
      observer.disconnect();
      document.querySelector(`[data-testid=${testId}]`).click();
    });
    observer.observe(output, { subtree: true, childList: true, characterData: true });
  }, testId);
}

test.describe("a conversation", () => {
  test.beforeEach(({ demo }) => demo.chat());

  test("has its last answer regenerated, with another seed", async ({ demo }) => {
    await demo.write(SKY, { temperature: 0 });
    const first = await demo.write(MOMO, { temperature: 0.9, seed: 3 });
    await demo.get("regenerate").click();
    await demo.ended();
    await expect(demo.output.locator(".turn")).toHaveCount(4);
    expect(await demo.said.textContent()).not.toBe(first);
    expect(await demo.said.textContent()).toContain("Momo");
    await expect(demo.get("regenerate")).toHaveCount(1);
    await expect(demo.prompt).toBeFocused();
  });

  test("has its last message edited, or left as it is", async ({ demo, page }) => {
    await demo.write(SKY, { temperature: 0 });
    await demo.write("Who are you?");
    await demo.get("edit").click();
    await expect(demo.prompt).toHaveValue("Who are you?");
    await expect(demo.prompt).toBeFocused();
    await expect(demo.output.locator(".edited")).toHaveCount(2);
    await page.keyboard.press("Escape");
    await expect(demo.output.locator(".edited")).toHaveCount(0);
    await expect(demo.prompt).toHaveValue("");

    await page.keyboard.press("ArrowUp");
    await expect(demo.prompt).toHaveValue("Who are you?");
    expect(await demo.write(SKY)).toBe("The sky is blue.");
    await expect(demo.output.locator(".turn.you")).toHaveText([/What color/, /What color/]);
    await expect(demo.output.locator(".turn")).toHaveCount(4);
  });

  test("goes to the clipboard, whole or an answer", async ({ demo, page, context }) => {
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await demo.write(SKY, { temperature: 0 });
    await demo.get("copy-answer").click();
    await demo.shows("copy-answer", "Copied");
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe("The sky is blue.");
    await demo.get("copy").click();
    await demo.shows("copy", "Copied");
    await expect(demo.get("status")).toHaveText("Copied");
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(`You: ${SKY}\n\nModel: The sky is blue.`);
    await demo.shows("copy", "Copy all");
  });

  test("is taken away as JSON, Markdown and text", async ({ demo, page }) => {
    await demo.get("system-box").locator("summary").click();
    await demo.get("system").fill("Be kind.");
    await demo.write(SKY, { temperature: 0, seed: 5 });
    const answer = await demo.said.textContent();
    const messages = [
      { role: "system", content: "Be kind." },
      { role: "user", content: SKY },
      { role: "assistant", content: answer },
    ];
    const json = await saved(page, demo, "save-json");
    expect(json.name).toBe("b158-chat.json");
    expect(JSON.parse(json.content)).toMatchObject({ model: "b158 stories", temperature: 0, seed: 5, max_tokens: 400, messages });
    const markdown = await saved(page, demo, "save-markdown");
    expect(markdown.content).toContain(`**You:**\n\n${SKY}`);
    const text = await saved(page, demo, "save-text");
    expect(text.content).toBe(`System: Be kind.\n\nYou: ${SKY}\n\nModel: ${answer}\n`);
  });

  test("puts the system prompt before all messages", async ({ demo, page }) => {
    const seen = () => demo.get("prompt-speed").textContent().then((text) => Number(/^[\d,]+/.exec(text)[0]));
    await demo.write(SKY, { temperature: 0 });
    const without = await seen();
    await demo.get("clear").click();
    await page.evaluate(() => window.b158.model.reset());
    await demo.get("system-box").locator("summary").click();
    await demo.get("system").fill("You are a teacher. You like the sky.");
    await demo.write(SKY, { temperature: 0 });
    expect(await seen()).toBeGreaterThan(without + 5);
  });

  test("can be cleared while an answer comes, and nothing of it comes back", async ({ demo }) => {
    await pressAtFirstWord(demo, "clear");
    await demo.start(MOMO, { temperature: 0 });
    await demo.ready();
    await expect(demo.output.locator(".turn")).toHaveCount(0);
    await demo.write(SKY, { temperature: 0 });
    await expect(demo.output.locator(".turn")).toHaveCount(2);
  });

  test("keeps what was said until a stop, and goes on", async ({ demo }) => {
    await pressAtFirstWord(demo, "run");
    await demo.start(MOMO, { temperature: 0 });
    await demo.shows("outcome", /Stopped/);
    await demo.ready();
    expect((await demo.said.textContent()).length).toBeGreaterThan(0);
    expect(await demo.write(SKY)).toBe("The sky is blue.");
    await expect(demo.output.locator(".turn")).toHaveCount(4);
  });

  test("gives the message back that can't be answered, and keeps the rest", async ({ demo }) => {
    await demo.write(SKY, { temperature: 0 });
    const long = "A red ball and a small dog. ".repeat(120).trim();
    await demo.start(long);
    await demo.visible("run-error");
    await expect(demo.get("run-error")).toHaveAttribute("data-code", "context-overflow");
    await expect(demo.get("run-error")).toContainText("clear the conversation");
    await expect(demo.prompt).toHaveValue(long);
    await expect(demo.output.locator(".turn")).toHaveCount(2);
    expect(await demo.write(SKY)).toBe("The sky is blue.");
  });

  test("is read out when it is finished, not word by word", async ({ demo, page }) => {
    await page.evaluate(() => {
      window.announced = [];
      const status = document.getElementById("status");
      new MutationObserver(() => window.announced.push(status.textContent)).observe(status, { childList: true, characterData: true, subtree: true });
    });
    await demo.write(SKY, { temperature: 0 });
    expect(await page.evaluate(() => window.announced)).toEqual(["Writing", expect.stringMatching(/^The sky is blue\. … Ended by itself after \d+ tokens$/)]);
    await page.screenshot({ path: shot("chat-short"), fullPage: true });
  });
});

test("a story is taken away too", async ({ demo, page }) => {
  const prompt = "Once upon a time, there was a brave fox named Pip.";
  const said = await demo.write(prompt, { temperature: 0, "max-tokens": 30 });
  expect(JSON.parse((await saved(page, demo, "save-json")).content)).toMatchObject({ prompt, choices: [{ index: 0, text: said }], max_tokens: 30 });
  expect((await saved(page, demo, "save-text")).content).toBe(`${prompt}${said}\n`);
  expect((await saved(page, demo, "save-markdown")).content).toContain(`**${prompt}**`);
});

test("an engine that has crashed is said so, and comes back on request", async ({ page, server, beforeScripts }) => {
  await beforeScripts(() => {
    window.workers = [];
    window.Worker = class extends window.Worker {
      constructor(url, options) {
        super(url, options);
        window.workers.push(this);
      }
    };
  });
  const demo = await Demo.open(page, server.url);
  await page.evaluate(() => window.workers[0].dispatchEvent(new ErrorEvent("error", { message: "RuntimeError: unreachable", cancelable: true })));
  await demo.run.click();
  await demo.visible("run-error");
  await expect(demo.get("run-error")).toHaveAttribute("data-code", "worker-crashed");
  await demo.get("run-error").getByRole("button", { name: "Load the model again" }).click();
  await demo.visible("loading", false);
  await demo.ready();
  expect((await demo.write("Once upon a time", { temperature: 0, "max-tokens": 20 })).length).toBeGreaterThan(20);
  await expect(demo.get("run-error")).toBeHidden();
});
