// Settings in the address bar: only what differs, behind the #, there again after a reload and in another tab.
import { Demo, expect, test } from "./demo.js";
import { OFTEN, until } from "./patience.js";

const hash = (page) => page.evaluate(() => Object.fromEntries(new URLSearchParams(location.hash.slice(1))));

test.describe("the address bar", () => {
  test("holds what differs from the defaults, and nothing else", async ({ demo, page }) => {
    expect(await hash(page)).toEqual({});
    await demo.get("temperature").fill("0.2");
    await demo.get("seed").fill("42");
    await demo.prompt.fill("A cat & a dog");
    await expect.poll(() => hash(page), OFTEN).toEqual({ prompt: "A cat & a dog", temperature: "0.2", seed: "42" });
    await demo.get("temperature").fill("0.7");
    await expect.poll(() => hash(page), OFTEN).toEqual({ prompt: "A cat & a dog", seed: "42" });
    await demo.reload();
    await expect(demo.prompt).toHaveValue("A cat & a dog");
    await expect(demo.get("seed")).toHaveValue("42");
    await demo.get("reset-settings").click();
    await expect.poll(() => hash(page), OFTEN).toEqual({ prompt: "A cat & a dog" });
    await expect(demo.get("reset-settings")).toBeHidden();
  });

  test("makes a link that gives the same text elsewhere", async ({ demo, page, context, browser }) => {
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await demo.chat();
    await demo.get("system-box").locator("summary").click();
    await demo.get("system").fill("Be kind.");
    const said = await demo.write("Tell me a story about a brave cat named Momo.", { temperature: 0.9, "max-tokens": 60 });
    await demo.get("keep-seed").click();
    await expect(demo.get("keep-seed")).toBeHidden();
    await demo.get("copy-link").click();
    await demo.shows("copy-link", "Copied");
    const link = await page.evaluate(() => navigator.clipboard.readText());

    const elsewhere = await browser.newContext();
    const otherPage = await elsewhere.newPage();
    const requested = [];
    otherPage.on("request", (request) => requested.push(request.url()));
    const other = await Demo.open(otherPage, link);
    await expect(other.get("mode-chat")).toBeChecked();
    await expect(other.get("system")).toHaveValue("Be kind.");
    await expect(other.prompt).toHaveValue(/Momo/);
    await other.run.click();
    await other.ended();
    expect(await other.said.textContent()).toBe(said);
    expect(requested.length).toBeGreaterThan(5);
    expect(requested.filter((url) => new URL(url).search !== "" || url.includes("Momo"))).toEqual([]);
    await elsewhere.close();
  });

  test("may be changed by hand", async ({ demo, page }) => {
    await page.evaluate(() => (location.hash = "temperature=1.5&mode=chat&prompt=Who%20are%20you%3F"));
    await expect(demo.get("temperature")).toHaveValue("1.5");
    await expect(demo.get("mode-chat")).toBeChecked();
    await expect(demo.prompt).toHaveValue("Who are you?");
    await page.evaluate(() => (location.hash = ""));
    await expect(demo.get("temperature")).toHaveValue("0.7");
    await expect(demo.get("mode-story")).toBeChecked();
  });

  test("may hold nonsense, which is marked or left out", async ({ demo, page, server }) => {
    await Demo.open(page, `${server.url}?nonsense#temperature=99&top_k=1.5&min_p=lots&mode=opera&kv_cache=gold&nothing=1`);
    await expect(demo.get("temperature")).toHaveAttribute("aria-invalid", "true");
    await expect(demo.get("temperature-complaint")).toHaveText("It must be a number from 0 to 5; 0.7 is used");
    await expect(demo.get("top-k-complaint")).toHaveText("It must be a whole number, 0 or more; 40 is used");
    await expect(demo.get("temperature")).toHaveAccessibleDescription(/from 0 to 5/);
    await expect(demo.get("min-p")).toHaveValue("0.05");
    await expect(demo.get("mode-story")).toBeChecked();
    await expect(demo.get("kv-cache")).toHaveValue("auto");
    await demo.write("Once upon a time", { "max-tokens": 5 });
    await demo.get("temperature").fill("0.75"); // between the arrows' steps, and fine
    await expect(demo.get("temperature-complaint")).toHaveCount(0);
    await expect(demo.get("temperature")).not.toHaveAttribute("aria-invalid");
  });

  test("takes a model's address", async ({ demo, page, server }) => {
    const address = `${server.url}models/stories-I2_S.gguf`;
    await demo.loadAddress(address);
    await until(page, () => !document.body.innerText.includes("that this project trained"));
    await expect.poll(() => hash(page), OFTEN).toEqual({ model: address });
    await demo.reload();
    await expect(demo.page.getByText("that this project trained")).toBeHidden();
    await expect(demo.get("model-name")).toHaveText(/stories/);
    expect(await hash(page)).toEqual({ model: address });
    await demo.openPicker();
    await demo.get("load-embedded").click();
    await expect.poll(() => hash(page), OFTEN).toEqual({});
  });

  test("is not touched by the link to the prompt", async ({ demo, page }) => {
    await demo.get("seed").fill("9");
    await expect.poll(() => hash(page), OFTEN).toEqual({ seed: "9" });
    await page.getByText("Skip to the prompt").press("Enter");
    await expect(demo.prompt).toBeFocused();
    expect(await hash(page)).toEqual({ seed: "9" });
  });
});
