// The content security policy: strict, and nothing of the page needs it otherwise. What models say stays text.
import { readFile } from "node:fs/promises";
import { serve } from "../../www/serve.mjs";
import { DEMO, Demo, expect, test } from "./demo.js";

test("allows scripts, workers and styles of the page alone, by header and in the page", async ({ page, server }) => {
  const response = await page.request.get(server.url);
  const inPage = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(await response.text())[1].replaceAll("&#39;", "'");
  for (const policy of [response.headers()["content-security-policy"], inPage]) {
    const directives = Object.fromEntries(policy.split("; ").map((directive) => [directive.split(" ")[0], directive.split(" ").slice(1).join(" ")]));
    expect(directives).toMatchObject({
      "default-src": "'none'",
      "script-src": "'self' 'wasm-unsafe-eval'",
      "worker-src": "'self'",
      "style-src": "'self'",
      "connect-src": "'self' https: http:",
      "manifest-src": "'self'",
      "img-src": "'self'",
      "font-src": "'self'",
      "base-uri": "'none'",
      "form-action": "'none'",
    });
    expect(policy).not.toMatch(/unsafe-inline|'unsafe-eval'|blob:|data:|\*/);
  }
});

test("licences of what others made are one link away", async ({ demo: { page } }) => {
  const href = await page.getByRole("link", { name: "Licences" }).getAttribute("href");
  const response = await page.request.get(new URL(href, page.url()).href);
  expect(response.status()).toBe(200);
  expect(await response.text()).toContain("regex ");
});

test.describe("by the page's own policy", () => {
  test.use({ allowedOnConsole: [/Content Security Policy|404/] });
  test("a script that came in anyhow does not run", async ({ page }) => {
    const unguarded = await serve({ root: DEMO, guarded: false }); // the header is left out
    try {
      await Demo.open(page, unguarded.url);
      const violated = await page.evaluate(async () => {
        const seen = [];
        const both = new Promise((done) => {
          document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => {
            seen.push(effectiveDirective);
            if (["script-src-elem", "script-src-attr"].every((directive) => seen.includes(directive))) done();
          });
        });
        const holder = document.createElement("div");
        holder.innerHTML = '<img src="x" onerror="window.hacked = true">';
        const script = document.createElement("script");
        script.textContent = "window.hacked = true";
        document.body.append(holder, script);
        await both;
        return { seen, hacked: "hacked" in window };
      });
      expect(violated.hacked).toBe(false);
      expect(violated.seen).toEqual(expect.arrayContaining(["script-src-elem", "script-src-attr"]));
    } finally {
      unguarded.close();
    }
  });
});

/** Instead of the model: it says markup, whatever it is asked. */
async function sayMarkup(page) {
  const markup = '<img src=x onerror="window.hacked = true"><b>bold</b><script>window.hacked = true</script>';
  await page.evaluate((text) => {
    const result = { text, finishReason: "stop", usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 2 }, timings: {} };
    window.b158.model.generate = () => ({
      async *[Symbol.asyncIterator]() {
        yield { id: 1, text: text.slice(0, 10), elapsedMs: 1 };
        yield { id: 2, text: text.slice(10), elapsedMs: 2 };
      },
      result: () => Promise.resolve(result),
      cancel: () => undefined,
    });
  }, markup);
  return markup;
}

/** Elements made of it would be there at once; what they start comes a little later, before that of a picture which is made now. */
async function expectText(demo, page) {
  await expect(demo.output.locator("img, b, script")).toHaveCount(0);
  await page.evaluate(() => new Promise((done) => {
    const picture = new Image();
    picture.onload = picture.onerror = done;
    picture.src = "mark.svg";
  }));
  expect(await page.evaluate(() => "hacked" in window)).toBe(false);
}

test("what a model writes on from a text stays text", async ({ demo, page }) => {
  const markup = await sayMarkup(page);
  expect(await demo.write("<i>Once</i>")).toBe(markup);
  await expect(demo.output.locator("i")).toHaveCount(0);
  await expectText(demo, page);
});

test("what a model says in a conversation stays text, on the sheet and in what is saved", async ({ demo, page }) => {
  const markup = await sayMarkup(page);
  await demo.chat();
  expect(await demo.write(markup)).toBe(markup);
  // Drawn anew from what was kept, and streamed.
  expect(await demo.write(markup)).toBe(markup);
  await expectText(demo, page);
  await demo.get("save").locator("summary").click();
  const [file] = await Promise.all([page.waitForEvent("download"), demo.get("save-markdown").click()]);
  expect(await readFile(await file.path(), "utf8")).not.toContain("<");
});
