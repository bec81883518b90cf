// Threads in the tab: the same bits with any number of them, and what happens where there are fewer than asked for.
import { serve } from "../../www/serve.mjs";
import { DEMO, Demo, expect, firstVisit, test as inDemo } from "./demo.js";
import { open, test } from "./package.js";
import { OFTEN } from "./patience.js";
import { wide } from "./wide.js";

const PIP = "Once upon a time, there was a brave fox named Pip.";
/** Builds with numbers of threads: as many as processors have, and more than there is work for. */
const PAIRS = wide(["simd128", "relaxed"].flatMap((backend) => [2, 3, 8].map((threads) => ({ backend, threads }))), [
  { backend: "simd128", threads: 2 },
  { backend: "relaxed", threads: 3 },
  { backend: "relaxed", threads: 8 },
]);

/** What a model of its own says in the page: ids and everything that is known of them, so that a bit that differs shows. */
function say(page, options) {
  return page.evaluate(
    async ({ options, prompts }) => {
      const model = await window.lab.BitNet.load(window.lab.MODEL, options);
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
function breakWorkers(beforeScripts, healthy, instead) {
  return beforeScripts(
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
  test("change no bit of what is said", async ({ page }) => {
    const one = await say(page, { threads: 1 });
    expect(one.threads).toBe(1);
    expect(one.whySingleThreaded).toBe("one thread was asked for");
    expect(one.said.length).toBeGreaterThan(150);
    for (const { backend, threads } of PAIRS) {
      const many = await say(page, { threads, backend });
      expect(many).toMatchObject({ threads, backend: expect.stringContaining(backend), notes: [] });
      expect(many.whySingleThreaded).toBeUndefined();
      expect(many.said).toEqual(one.said);
    }
  });

  test("end with their model", async ({ page }) => {
    for (let round = 0; round < wide(5, 1); round++) {
      await expect.poll(() => page.workers().length, OFTEN).toBe(0);
      await page.evaluate(async () => {
        window.idle = await window.lab.BitNet.load(window.lab.MODEL, { threads: 2 });
        window.busy = await window.lab.BitNet.load(window.lab.MODEL, { threads: 4 });
        // In the middle of a prompt, too.
        window.busy.generate("Once upon a time, there was a cat. ".repeat(40), { maxTokens: 100 }).result().catch(() => undefined);
      });
      await expect.poll(() => page.workers().length, OFTEN).toBe(6);
      await page.evaluate(() => Promise.all([window.idle.dispose(), window.busy.dispose()]));
      await expect.poll(() => page.workers().length, OFTEN).toBe(0);
    }
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  });

  test("that are gone while idle are not waited for", async ({ page, server, beforeScripts }) => {
    await breakWorkers(beforeScripts, 1000);
    await open(page, server.url);
    const said = await page.evaluate(async (prompt) => {
      const model = await window.lab.BitNet.load(window.lab.MODEL, { threads: 3 });
      const say = async () => (await model.generate(prompt, { temperature: 0, maxTokens: 40 }).result()).text;
      const before = await say();
      window.workers.slice(-2).forEach((worker) => worker.terminate());
      return [before, await say()];
    }, PIP);
    expect(said[1]).toBe(said[0]);
  });

  test("that crash end the model with a typed error", async ({ page, server, beforeScripts }) => {
    await breakWorkers(beforeScripts, 1000);
    await open(page, server.url);
    const code = await page.evaluate(async () => {
      const model = await window.lab.BitNet.load(window.lab.MODEL, { threads: 2 });
      const result = model.generate("Once", { maxTokens: 400 }).result();
      window.workers.at(-1).dispatchEvent(new MessageEvent("message", { data: { type: "crashed", message: "RuntimeError: unreachable" } }));
      return result.then(() => "no error", (error) => error.code);
    });
    expect(code).toBe("worker-crashed");
  });

  test("are fewer than asked for where workers can't start, with a note", async ({ page, server, beforeScripts }) => {
    await breakWorkers(beforeScripts, 2);
    await open(page, server.url);
    const { threads, whySingleThreaded, notes } = await say(page, { threads: 4 });
    expect(threads).toBe(2);
    expect(whySingleThreaded).toBeUndefined();
    expect(notes.join()).toContain("2 threads instead of 4: 2 of 3 workers for further threads did not start");
  });
});

inDemo.describe("the page's threads", () => {
  inDemo("are as many as its field says, or as there are processors", async ({ demo, page }) => {
    await expect(demo.get("threads")).toHaveText(String(Math.min(8, await page.evaluate(() => navigator.hardwareConcurrency))));
    await demo.openAdvanced();
    await demo.get("thread-count").fill("3");
    await demo.get("load-embedded").click();
    await demo.shows("threads", "3");
    await demo.openPicker();
    await demo.get("thread-count").fill("65");
    await demo.get("load-embedded").click();
    await demo.refused("invalid-argument");
  });

  firstVisit("need isolation: a page without it has one, and says why", async ({ page }) => {
    await page.addInitScript(() => delete Navigator.prototype.serviceWorker); // which would bring it
    const plain = await serve({ root: DEMO, isolated: false });
    try {
      const demo = await Demo.open(page, plain.url);
      expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
      await expect(demo.get("threads")).toHaveText("1");
      await expect(demo.get("why-single")).toContainText("not cross-origin isolated");
      await expect(demo.get("why-single")).toContainText("Cross-Origin-Embedder-Policy: require-corp");
      expect((await demo.write(PIP, { temperature: 0, "max-tokens": 30 })).length).toBeGreaterThan(20);
    } finally {
      plain.close();
    }
  });

  inDemo.describe("whose workers can't start", () => {
    inDemo.use({ allowedOnConsole: [/404|nothing\.js/] });
    for (const [how, instead] of Object.entries({ "throws": undefined, "finds no script": "./nothing.js" })) {
      inDemo(`are left out, where the constructor ${how}`, async ({ page, server, beforeScripts }) => {
        await breakWorkers(beforeScripts, 1, instead);
        const demo = await Demo.open(page, server.url);
        await expect(demo.get("threads")).toHaveText("1");
        await expect(demo.get("why-single")).toContainText("did not start");
        expect((await demo.write(PIP, { temperature: 0, "max-tokens": 30 })).length).toBeGreaterThan(20);
      });
    }
  });
});
