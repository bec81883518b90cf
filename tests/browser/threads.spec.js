// Threads in the tab: the same bits with any number of them, and what happens where there are fewer than asked for.
import { serve } from "../../www/serve.mjs";
import { DEMO, Demo, expect, test } from "./demo.js";

const PIP = "Once upon a time, there was a brave fox named Pip.";

/** What a model of its own says in the page: ids and everything that is known of them, so that a bit that differs shows. */
function say(page, options) {
  return page.evaluate(
    async ({ options, prompts }) => {
      const model = await window.b158.BitNet.load("./models/stories-I2_S.gguf", options);
      const said = [];
      for (const { prompt, ...sampling } of prompts) {
        await model.reset();
        for await (const { id, text, logProbability, entropy } of model.generate(prompt, { maxTokens: 80, logProbabilities: true, ...sampling })) {
          said.push([id, text, logProbability, entropy]);
        }
      }
      const { threads, backend, whySingleThreaded, notes } = model.info;
      await model.dispose();
      return { threads, backend, whySingleThreaded, notes, said };
    },
    {
      options,
      prompts: [
        { prompt: PIP, temperature: 0 },
        { prompt: PIP, temperature: 0.9, seed: 42 },
        { prompt: `${PIP} She had a red ball and a small dog. `.repeat(14), temperature: 0.7, seed: 1 },
      ],
    },
  );
}

/** Before the page's own scripts: workers after the first `healthy` ones get another script. */
function breakWorkers(page, healthy, instead) {
  return page.addInitScript(
    ({ healthy, instead }) => {
      Object.assign(window, { made: 0, healthy, workers: [] });
      window.Worker = class extends window.Worker {
        constructor(url, options) {
          const good = window.made++ < window.healthy;
          if (!good && instead === undefined) throw new Error("no more workers, says the test");
          super(good ? url : instead, options);
          window.workers.push(this);
        }
      };
    },
    { healthy, instead },
  );
}

test.describe("threads", () => {
  test("change no bit of what is said", async ({ demo, page }) => {
    await expect(demo.get("threads")).toHaveText(String(Math.min(8, await page.evaluate(() => navigator.hardwareConcurrency))));
    const one = await say(page, { threads: 1 });
    expect(one.threads).toBe(1);
    expect(one.whySingleThreaded).toBe("one thread was asked for");
    expect(one.said.length).toBeGreaterThan(150);
    for (const backend of ["simd128", "relaxed"]) {
      for (const threads of [2, 3, 8]) {
        const many = await say(page, { threads, backend });
        expect(many).toMatchObject({ threads, backend: expect.stringContaining(backend), notes: [] });
        expect(many.whySingleThreaded).toBeUndefined();
        expect(many.said).toEqual(one.said);
      }
    }
  });

  test("are as many as the page's field says", async ({ demo, page }) => {
    await demo.openAdvanced();
    await demo.get("thread-count").fill("3");
    await demo.get("load-embedded").click();
    await expect(demo.get("threads")).toHaveText("3");
    await demo.openPicker();
    await demo.get("thread-count").fill("65");
    await demo.get("load-embedded").click();
    await expect(demo.get("load-error")).toHaveAttribute("data-code", "invalid-argument");
  });

  test("end with their model", async ({ demo, page }) => {
    await page.evaluate(() => window.b158.model.dispose());
    await expect.poll(() => page.workers().length).toBe(0);
    for (let round = 0; round < 5; round++) {
      await page.evaluate(async () => {
        window.mine = await window.b158.BitNet.load("./models/stories-I2_S.gguf", { threads: 4 });
        // In the middle of a prompt, too.
        window.mine.generate("Once upon a time, there was a cat. ".repeat(40), { maxTokens: 100 }).result().catch(() => undefined);
      });
      await expect.poll(() => page.workers().length).toBe(4);
      await page.evaluate(() => window.mine.dispose());
      await expect.poll(() => page.workers().length).toBe(0);
    }
    expect(await demo.page.evaluate(() => crossOriginIsolated)).toBe(true);
  });

  test("that are gone while idle are not waited for", async ({ page, server }) => {
    await breakWorkers(page, 1000);
    await page.goto(server.url);
    await new Demo(page).ready();
    const said = await page.evaluate(async (prompt) => {
      const model = await window.b158.BitNet.load("./models/stories-I2_S.gguf", { threads: 3 });
      const say = async () => (await model.generate(prompt, { temperature: 0, maxTokens: 40 }).result()).text;
      const before = await say();
      window.workers.slice(-2).forEach((worker) => worker.terminate());
      return [before, await say()];
    }, PIP);
    expect(said[1]).toBe(said[0]);
  });

  test("that crash end the model with a typed error", async ({ page, server }) => {
    await breakWorkers(page, 1000);
    await page.goto(server.url);
    await new Demo(page).ready();
    const code = await page.evaluate(async () => {
      const model = await window.b158.BitNet.load("./models/stories-I2_S.gguf", { threads: 2 });
      const result = model.generate("Once", { maxTokens: 400 }).result();
      window.workers.at(-1).dispatchEvent(new MessageEvent("message", { data: { type: "crashed", message: "RuntimeError: unreachable" } }));
      return result.then(() => "no error", (error) => error.code);
    });
    expect(code).toBe("worker-crashed");
  });

  test("need isolation: a page without it has one, and says why", async ({ page }) => {
    await page.addInitScript(() => delete Navigator.prototype.serviceWorker); // which would bring it
    const plain = await serve({ root: DEMO, isolated: false });
    try {
      await page.goto(plain.url);
      const demo = new Demo(page);
      await demo.ready();
      expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
      await expect(demo.get("threads")).toHaveText("1");
      await expect(demo.get("why-single")).toContainText("not cross-origin isolated");
      await expect(demo.get("why-single")).toContainText("Cross-Origin-Embedder-Policy: require-corp");
      expect((await demo.write(PIP, { temperature: 0, "max-tokens": 30 })).length).toBeGreaterThan(20);
    } finally {
      plain.close();
    }
  });

  test.describe("whose workers can't start", () => {
    test.use({ allowedOnConsole: [/404|nothing\.js/] });
    for (const [how, instead] of Object.entries({ "throws": undefined, "finds no script": "./nothing.js" })) {
      test(`are left out, where the constructor ${how}`, async ({ page, server }) => {
        await breakWorkers(page, 1, instead);
        await page.goto(server.url);
        const demo = new Demo(page);
        await demo.ready();
        await expect(demo.get("threads")).toHaveText("1");
        await expect(demo.get("why-single")).toContainText("did not start");
        expect((await demo.write(PIP, { temperature: 0, "max-tokens": 30 })).length).toBeGreaterThan(20);
      });
    }

    test("are fewer than asked for, with a note", async ({ page, server }) => {
      await breakWorkers(page, 1000);
      await page.goto(server.url);
      await new Demo(page).ready();
      await page.evaluate(() => (window.healthy = window.made + 2));
      const { threads, whySingleThreaded, notes } = await say(page, { threads: 4 });
      expect(threads).toBe(2);
      expect(whySingleThreaded).toBeUndefined();
      expect(notes.join()).toContain("2 threads instead of 4: 2 of 3 workers for further threads did not start");
    });
  });
});
