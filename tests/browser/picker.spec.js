// Where models come from: what they cost is said before they come, and what is kept can be seen and deleted.
import { readFile } from "node:fs/promises";
import { faultServer } from "../../www/tests/fault-server.mjs";
import { Demo, expect, expectClean, shot, test } from "./demo.js";
import { OFTEN, until } from "./patience.js";

const MODEL = new URL("../models/stories-I2_S.gguf", import.meta.url).pathname;
const PIP = "Once upon a time, there was a brave fox named Pip.";
const GREEDY = { temperature: 0, "max-tokens": 30 };
const OFFICIAL = "hf:microsoft/bitnet-b1.58-2B-4T-gguf/ggml-model-i2_s.gguf";

/** What the library says of the official file, without the hub. */
function pretendEstimate(beforeScripts, changes = {}) {
  const estimate = {
    fileBytes: 1_187_801_280,
    architecture: "bitnet-b1.58",
    name: "BitNet b1.58 2B-4T",
    parameters: 2_412_820_480,
    quantization: "210 × I2_S, 121 × F32, 1 × F16",
    contextLength: 4096,
    weightBytes: 850_000_000,
    kvCacheBytes: 314_572_800,
    kvCache: "f16",
    wasmBytes: 902_000_000,
    fits: true,
    ...changes,
  };
  return beforeScripts((estimate) => {
    let held;
    Object.defineProperty(window, "b158", {
      get: () => held,
      set: (value) => {
        held = value;
        held.BitNet.estimate = (source) => {
          window.estimated = source;
          return Promise.resolve(estimate);
        };
      },
    });
  }, estimate);
}

test.describe("the official model", () => {
  test("says what it costs before anything of it is downloaded", async ({ page, server, beforeScripts }) => {
    await pretendEstimate(beforeScripts);
    const demo = await Demo.open(page, server.url);
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    await demo.openPicker();
    await expect(demo.get("offered-list").getByRole("listitem").filter({ hasText: "BitNet b1.58 2B-4T" })).toContainText("1.19 GB to download once");
    await demo.get("load-official").click();
    await expect(demo.get("offer")).toContainText("To download1.19 GB");
    await expect(demo.get("offer")).toContainText("Memoryabout 902 MB: 850 MB of weights, up to 315 MB for the context");
    await expect(demo.get("offer")).toContainText(/Room on this device[\d.]+ [MG]B/);
    await expect(demo.get("offer-accept")).toBeFocused();
    await expect(demo.get("status")).toContainText("To download 1.19 GB");
    await expect.poll(() => page.evaluate(() => new URLSearchParams(location.hash.slice(1)).get("model")), OFTEN).toBe(OFFICIAL);
    expect(await page.evaluate(() => window.estimated)).toBe(OFFICIAL);
    await page.screenshot({ path: shot("offer"), fullPage: true });
    await expectClean(page);

    await demo.get("offer-decline").click();
    await expect(demo.get("offer")).toBeHidden();
    await demo.ready();
    await expect.poll(() => page.evaluate(() => location.hash), OFTEN).toBe("");
    expect(asked.filter((url) => url.includes("huggingface"))).toEqual([]);
  });

  test("comes by a link only when it is wanted, and the small one is there meanwhile", async ({ page, server, context, beforeScripts }) => {
    await context.route("https://huggingface.co/**", (route) => route.fulfill({ status: 404, headers: { "access-control-allow-origin": "*" } }));
    await pretendEstimate(beforeScripts);
    // With a question mark: in the tab that has the page, another # alone would load nothing.
    const demo = await Demo.open(page, `${server.url}?link#model=${encodeURIComponent(OFFICIAL)}&prompt=Hello`);
    await demo.visible("offer");
    await expect(demo.prompt).toHaveValue("Hello");
    expect((await demo.write(PIP, GREEDY)).length).toBeGreaterThan(20);
    await expect(demo.get("offer")).toBeVisible();
    await demo.get("offer-accept").press("Escape");
    await expect(demo.get("offer")).toBeHidden();
  });

  test.describe("where the hub has it no more", () => {
    test.use({ allowedOnConsole: [/404/] });
    test("says so, and tries again on request", async ({ page, server, context, beforeScripts }) => {
      const asked = [];
      await context.route("https://huggingface.co/**", (route) => {
        asked.push(route.request().url());
        return route.fulfill({ status: 404, headers: { "access-control-allow-origin": "*" } });
      });
      await pretendEstimate(beforeScripts);
      const demo = await Demo.open(page, server.url);
      await demo.openPicker();
      await demo.get("load-official").click();
      await demo.get("offer-accept").click();
      await demo.refused("network");
      expect(new Set(asked)).toEqual(new Set(["https://huggingface.co/microsoft/bitnet-b1.58-2B-4T-gguf/resolve/main/ggml-model-i2_s.gguf"]));
      await demo.get("load-error").getByRole("button", { name: "Try again" }).click();
      await expect(demo.get("offer")).toBeVisible();
      expect((await demo.write(PIP, GREEDY)).length).toBeGreaterThan(20);
    });
  });
});

test.describe("the models that the page offers", () => {
  const rows = (demo) => demo.get("offered-list").getByRole("listitem");

  test("say what they cost, and nothing is fetched before a press", async ({ page, server, beforeScripts }) => {
    await beforeScripts(() => Object.defineProperty(navigator, "deviceMemory", { value: undefined, configurable: true }));
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    const demo = await Demo.open(page, server.url);
    await demo.openPicker();
    await expect(rows(demo)).toHaveCount(5);
    await expect(rows(demo).first()).toContainText(/Bonsai 1\.7B.*PrismML.*Apache 2\.0.*248 MB to download once · up to [\d.]+ [MG]B of memory, 470 MB of it for 4,096 tokens of contextLoad$/);
    await expect(rows(demo).getByRole("button")).toHaveText(Array(5).fill("Load"));
    await expect(demo.get("offered-list")).not.toContainText("too much");
    expect(asked.filter((url) => !url.startsWith(server.url))).toEqual([]);
  });

  test("say what is too much for a device that has little, and take 8 bits where that helps", async ({ page, server, beforeScripts }) => {
    await beforeScripts(() => Object.defineProperty(navigator, "deviceMemory", { value: 2, configurable: true }));
    const demo = await Demo.open(page, server.url);
    await demo.openPicker();
    const official = rows(demo).filter({ hasText: "2B-4T" });
    await expect(official).toContainText("1.04 GB of memory, 162 MB of it for 4,096 tokens of context, held in 8 bits");
    await expect(official).not.toContainText("too much");
    await beforeScripts(() => Object.defineProperty(navigator, "deviceMemory", { value: 1, configurable: true }));
    await demo.reload();
    await demo.openPicker();
    await expect(official).toContainText("Likely too much for this device, where a model may take about 537 MB.");
    await expect(rows(demo).last()).not.toContainText("too much");
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: shot(`offered-${colorScheme}`), fullPage: true });
      await expectClean(page);
    }
  });
});

test.describe("what is kept", () => {
  const address = (server) => `${server.url}models/stories-I2_S.gguf?kept`;

  test("is listed, loads without a network, and goes with the second press", async ({ demo, page, context, server }) => {
    await demo.loadAddress(address(server));
    await demo.visible("picker", false);
    await demo.openPicker();
    const row = demo.get("kept-model").filter({ hasText: "2.2 MB · from this page · used today" }).first();
    await expect(row).toBeVisible();
    await expect(demo.get("storage")).toHaveText(/[\d.]+ [kM]B of [\d.]+ GB used/);
    await page.screenshot({ path: shot("picker"), fullPage: true });
    await expectClean(page);

    await context.setOffline(true);
    await row.getByRole("button", { name: /^Load/ }).click();
    await demo.visible("picker", false);
    expect((await demo.write(PIP, GREEDY)).length).toBeGreaterThan(20);
    await context.setOffline(false);

    await demo.openPicker();
    const count = await demo.get("kept-model").count();
    await row.getByRole("button", { name: /^Delete/ }).click();
    await expect(demo.get("kept-model")).toHaveCount(count);
    await row.getByRole("button", { name: /^Really delete/ }).click();
    await expect(demo.get("kept-model")).toHaveCount(count - 1);
    await expect(page.getByRole("heading", { name: "Kept on this device" })).toBeFocused();
  });

  test("may be a part, which says so and is made whole", async ({ demo, page }) => {
    // As slow as 400 kB a second at first. Chromium's own throttle does not reach workers.
    const headers = { "access-control-allow-origin": "*", "access-control-expose-headers": "content-range, etag" };
    const slow = await faultServer({ "/slow.gguf": await readFile(MODEL) }, { headers });
    slow.fault = () => ({ drip: 400 });
    await demo.loadAddress(`${slow.url}/slow.gguf`);
    await demo.shows("load-text", /1\.\d MB of 2\.2 MB/);
    await demo.get("load-cancel").click();
    slow.fault = () => ({});
    const part = demo.get("kept-model").filter({ hasText: /(kB|MB) of 2\.2 MB, will resume/ });
    await expect(part).toHaveCount(1);
    await page.screenshot({ path: shot("picker-part"), fullPage: true });
    await part.getByRole("button", { name: /^Resume/ }).click();
    await demo.visible("picker", false);
    await demo.openPicker();
    await expect(demo.get("kept-model").filter({ hasText: "will resume" })).toHaveCount(0);
    expect((await demo.write(PIP, GREEDY)).length).toBeGreaterThan(20);
    await slow.close();
  });
});

test.describe("files from disk", () => {
  const garbage = (name) => ({ name, mimeType: "application/octet-stream", buffer: Buffer.alloc(10_000, "garbage ") });

  test("may be dropped on the page", async ({ demo, page }) => {
    const file = (await readFile(MODEL)).toString("base64");
    const transfer = await page.evaluateHandle(async (base64) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], "dropped.gguf"));
      return data;
    }, file);
    await page.dispatchEvent("body", "dragover", { dataTransfer: transfer });
    await expect(page.getByText("Drop a GGUF file")).toBeVisible();
    await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
    await expect(page.getByText("Drop a GGUF file")).toBeHidden();
    await until(page, () => !document.body.innerText.includes("that this project trained"));
    await expect(demo.page.getByText("that this project trained")).toBeHidden();
    expect((await demo.write(PIP, GREEDY)).length).toBeGreaterThan(20);
    expect(await page.evaluate(() => location.hash)).not.toContain("model=");
  });

  test("may be the parts of a split one", async ({ demo }) => {
    await demo.openPicker();
    await demo.get("file").setInputFiles([garbage("m-00002-of-00002.gguf"), garbage("m-00001-of-00002.gguf")]);
    await expect(demo.get("load-error")).toHaveAttribute("data-code", /format|invalid-argument/);
  });
});

test("Escape closes the picker and the keyboard goes on where it was", async ({ demo, page }) => {
  await demo.get("picker-toggle").press("Enter");
  await demo.get("address").focus();
  await page.keyboard.press("Escape");
  await expect(demo.get("picker")).toBeHidden();
  await expect(demo.get("picker-toggle")).toBeFocused();
});
