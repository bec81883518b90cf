// The service worker: isolation where the host sends no headers, the page without a network, and new builds.
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serve } from "../../www/serve.mjs";
import { DEMO, Demo, expect, firstVisit as test } from "./demo.js";
import { OFTEN } from "./patience.js";

const PIP = "Once upon a time, there was a brave fox named Pip.";
const GREEDY = { temperature: 0, "max-tokens": 30 };

const plainTest = test.extend({
  /** A host that sends no headers for isolation. */
  plain: async ({}, use) => {
    const plain = await serve({ root: DEMO, isolated: false });
    await use(plain);
    plain.close();
  },
});

/** How often the page has been loaded. */
function countLoads(page) {
  const counted = { loads: 0 };
  page.on("domcontentloaded", () => counted.loads++);
  return counted;
}

plainTest.describe("on a host without headers", () => {
  plainTest("the page loads once more, and has threads", async ({ page, plain }) => {
    const counted = countLoads(page);
    await page.goto(plain.url, { waitUntil: "commit" });
    const demo = new Demo(page);
    await expect.poll(() => page.evaluate(() => crossOriginIsolated).catch(() => false), OFTEN).toBe(true);
    await demo.ready();
    expect(counted.loads).toBe(2);
    const processors = await page.evaluate(() => navigator.hardwareConcurrency);
    await expect(demo.get("threads")).toHaveText(String(Math.min(8, processors)));
    await expect(demo.get("isolation")).toHaveText("");
    expect((await demo.write(PIP, GREEDY)).length).toBeGreaterThan(20);
    await demo.reload();
    expect(counted.loads).toBe(3);
  });

  plainTest("it loads once more only once, and says why that did not help", async ({ page, plain }) => {
    await page.addInitScript(() => Object.defineProperty(window, "crossOriginIsolated", { value: false }));
    const counted = countLoads(page);
    await page.goto(plain.url, { waitUntil: "commit" });
    const demo = new Demo(page);
    await demo.shows("isolation", /did not help in this browser/);
    // It decides before it loads the model, and here it is written out.
    await demo.ready();
    expect((await demo.write(PIP, GREEDY)).length).toBeGreaterThan(20);
    expect(counted.loads).toBe(2);
  });

  plainTest("it says why there is one thread, where there are no service workers", async ({ page, plain }) => {
    const counted = countLoads(page);
    await page.addInitScript(() => delete Navigator.prototype.serviceWorker);
    const demo = await Demo.open(page, plain.url);
    await expect(demo.get("threads")).toHaveText("1");
    await expect(demo.get("isolation")).toContainText("this browser has no service workers here");
    expect(counted.loads).toBe(1);
  });
});

test.describe("without a network", () => {
  // The page asks for what it does not have, and the browser writes that down.
  test.use({ allowedOnConsole: [/ERR_INTERNET_DISCONNECTED|ERR_FAILED/] });

  test("the page is there, and its model answers", async ({ demo, page, context }) => {
    const before = await demo.write(PIP, GREEDY);
    await context.setOffline(true);
    await demo.reload();
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    expect(await demo.write(PIP, GREEDY)).toBe(before);
    // Another tab, and an address with a question mark from somewhere else.
    const other = await Demo.open(await context.newPage(), `${new URL(page.url()).origin}/?from=elsewhere`);
    expect(await other.write(PIP, GREEDY)).toBe(before);
  });

  test("answers keep to a form, once one has with it", async ({ demo, page, context }) => {
    const write = async () => {
      await demo.get("form-summary").click();
      await demo.get("form").selectOption("schema");
      await demo.get("schema").fill('{"type": "array", "items": {"enum": ["fox", "hen"]}, "minItems": 3, "maxItems": 3}');
      return JSON.parse(await demo.write(PIP, GREEDY));
    };
    const before = await write();
    expect(before).toHaveLength(3);
    await context.setOffline(true);
    await demo.reload();
    expect(await write()).toEqual(before);
  });
});

test.describe("the cache", () => {
  test("holds the page and the one engine that is used, and no model", async ({ demo, page }) => {
    await demo.write(PIP, GREEDY);
    const kept = await page.evaluate(async () => {
      const caches_ = await Promise.all((await caches.keys()).map((key) => caches.open(key)));
      return (await Promise.all(caches_.map((cache) => cache.keys()))).flat().map(({ url }) => new URL(url).pathname);
    });
    expect(kept).toEqual(expect.arrayContaining(["/", "/manifest.webmanifest", "/icon-512.png"]));
    // What holds answers to a form, a test before this one may have needed.
    expect(kept.filter((path) => path.endsWith(".wasm") && !path.startsWith("/assets/grammar_bg-"))).toEqual([expect.stringMatching(/^\/assets\/relaxed-threads-[\w-]{8}\.wasm$/)]);
    expect(kept.filter((path) => path.endsWith(".gguf"))).toEqual([]);
  });

  test("lets the page be installed", async ({ page, demo, server }) => {
    await demo.ready();
    const manifest = await (await page.request.get(`${server.url}manifest.webmanifest`)).json();
    for (const { src, sizes, type } of manifest.icons) {
      const icon = await page.request.get(new URL(src, server.url).href);
      expect(icon.headers()["content-type"]).toContain(type);
      if (type === "image/png") expect((await icon.body()).readUInt32BE(16)).toBe(Number.parseInt(sizes));
    }
    const session = await page.context().newCDPSession(page);
    const { errors } = await session.send("Page.getAppManifest");
    expect(errors).toEqual([]);
    const { installabilityErrors } = await session.send("Page.getInstallabilityErrors");
    // Playwright's contexts are private windows, which can't install anything.
    expect(installabilityErrors.filter(({ errorId }) => errorId !== "in-incognito")).toEqual([]);
  });
});

test("a new build waits for a word, and comes whole", async ({ page }) => {
  const root = await mkdtemp(join(tmpdir(), "b158-page-"));
  await cp(DEMO, root, { recursive: true });
  const server = await serve({ root });
  try {
    const demo = await Demo.open(page, server.url);

    // The next build: another page, with another service worker.
    await changeFile(join(root, "index.html"), (html) => html.replace("in this tab</span>", "in this very tab</span>"));
    await changeFile(join(root, "sw.js"), (code) => code.replace(/"version":"\w+"/, '"version":"next"'));
    await demo.reload();
    await demo.visible("update");
    await expect(page.getByText("in this tab", { exact: true })).toBeVisible();
    // The old page still finds the rest of its files.
    await demo.openAdvanced();
    await demo.get("backend-choice").selectOption("simd128");
    await demo.get("load-embedded").click();
    await demo.shows("backend", "simd128");

    await demo.get("update-accept").click();
    await expect.poll(() => page.getByText("in this very tab", { exact: true }).count().catch(() => 0), OFTEN).toBe(1);
    await demo.ready();
    await expect(page.getByText("in this very tab", { exact: true })).toBeVisible();
    await expect(demo.get("update")).toBeHidden();
    expect(await page.evaluate(() => caches.keys())).toEqual(["b158-page-next"]);
  } finally {
    server.close();
    await rm(root, { recursive: true });
  }
});

async function changeFile(path, change) {
  const before = await readFile(path, "utf8");
  const after = change(before);
  expect(after).not.toBe(before);
  await writeFile(path, after);
}
