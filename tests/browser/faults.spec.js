// What is not as it should be around a worker: files of the package that are something else, files of the disk that change, traps.
import { readFile, unlink, writeFile } from "node:fs/promises";
import { ISOLATION } from "../../www/headers.mjs";
import { expect, open, test } from "./package.js";

const MODEL = await readFile(new URL("../models/stories-I2_S.gguf", import.meta.url));
const HTML = { status: 200, contentType: "text/html", body: "<!doctype html><title>My app</title>" };
const MISSING = { status: 404, contentType: "text/plain", body: "not found" };

/** How a load ends. */
const load = (page, options = {}) =>
  page.evaluate(async (options) => {
    const { BitNet, MODEL } = window.lab;
    try {
      const model = await BitNet.load(MODEL, { cache: false, ...options });
      const { text } = await model.generate("Once upon a time", { temperature: 0, maxTokens: 10 }).result();
      await model.dispose();
      return { text };
    } catch ({ code, message }) {
      return { code, message };
    }
  }, options);

test.describe("a file of the package that is not there", () => {
  // A server for one page answers any address with that page.
  for (const [answer, response] of Object.entries({ "a web page": HTML, "404": MISSING })) {
    for (const file of ["b158_bg.wasm", "b158.js"]) {
      test(`but ${answer} is named with its address: ${file}`, async ({ page, context }) => {
        await context.route(`**/${file}`, (route) => route.fulfill(response));
        for (const threads of [1, 2]) {
          const { code, message } = await load(page, { threads });
          expect(code).toBe("network");
          expect(message).toMatch(/http:\/\/\S*\/lib\/wasm\//);
          expect(message).toContain("wasm folder");
          expect(message).not.toContain("load the model again");
        }
      });
    }
  }

  test("is an error of an estimate too", async ({ page, context }) => {
    await context.route("**/b158_bg.wasm", (route) => route.fulfill(HTML));
    const error = await page.evaluate(() => window.lab.BitNet.estimate(window.lab.MODEL).catch(({ code, message }) => ({ code, message })));
    expect(error).toMatchObject({ code: "network", message: expect.stringContaining("text/html") });
  });
});

test.describe("a file of the disk", () => {
  for (const [what, spoil] of Object.entries({
    "has changed": (path) => writeFile(path, MODEL.subarray(0, 1_000_000)),
    "is gone": unlink,
  })) {
    test(`that ${what} since it was chosen is to be chosen again`, async ({ page }, testInfo) => {
      const path = testInfo.outputPath("mine.gguf");
      await writeFile(path, MODEL);
      await page.setContent('<input type="file">');
      await page.locator("input").setInputFiles(path);
      // Not before the browser has noted what it is.
      expect(await page.evaluate(() => document.querySelector("input").files[0].size)).toBe(MODEL.length);
      await spoil(path);
      const ends = await page.evaluate(async () => {
        const { BitNet } = await import("/lib/index.js");
        const [file] = document.querySelector("input").files;
        const end = (promise) => promise.then(() => "no error", ({ code, message }) => ({ code, message }));
        return [await end(BitNet.load(file)), await end(BitNet.estimate(file)), await end(BitNet.load([file, file]))];
      });
      for (const error of ends) expect(error).toMatchObject({ code: "io", message: expect.stringContaining("choose the file again") });
    });
  }
});

test.describe("a stream", () => {
  const RESPONSES = [
    () => fetch(window.lab.MODEL),
    async () => new Response((await fetch(window.lab.MODEL)).body),
  ];
  const write = (page, index, options = {}) =>
    page.evaluate(
      async ({ code, options }) => {
        const { BitNet } = window.lab;
        const model = await BitNet.load(await eval(code)(), options);
        const said = await model.generate("Once upon a time", { temperature: 0, maxTokens: 10 }).result();
        await model.dispose();
        return said.text;
      },
      { code: String(RESPONSES[index]), options },
    );

  test("goes to the worker as it is where the browser can, and in pieces where it can't", async ({ page, server, beforeScripts }) => {
    const whole = [await write(page, 0), await write(page, 1)];
    await beforeScripts(() => {
      window.structuredClone = () => {
        throw new DOMException("not here", "DataCloneError");
      };
    });
    await open(page, server.url);
    const pieces = [await write(page, 0), await write(page, 1)];
    expect(whole[0]).toMatch(/[a-z]{3}/);
    expect([...whole, ...pieces]).toEqual(Array(4).fill(whole[0]));
  });

  test("that ends with an error, or is aborted by its own page, says so", async ({ page }) => {
    const ends = await page.evaluate(async () => {
      const { BitNet, MODEL } = window.lab;
      const end = (promise) => promise.then(() => "no error", ({ code, name }) => code ?? name);
      const stop = new AbortController();
      const response = await fetch(MODEL, { signal: stop.signal });
      stop.abort();
      const broken = new ReadableStream({ pull: (controller) => controller.error(new TypeError("enough")) });
      const wrong = new ReadableStream({ pull: (controller) => controller.enqueue("text") });
      return [await end(BitNet.load(response)).then((code) => (code === 20 ? "AbortError" : code)), await end(BitNet.load(broken)), await end(BitNet.load(wrong))];
    });
    expect(ends).toEqual(["AbortError", "network", "invalid-argument"]);
  });
});

test("a browser without Atomics.waitAsync has threads all the same, and no worker of a data: address", async ({ page, context }) => {
  const script = (body) => (route) => route.fulfill({ contentType: "text/javascript", headers: ISOLATION, body });
  await context.route("**/lib/none.js", script("delete Atomics.waitAsync; globalThis.Worker = undefined;"));
  await context.route("**/lib/without.js", script('import "./none.js"; import "./worker.js";'));
  const { text } = await load(page, { threads: 2 });
  expect(await load(page, { threads: 2, workerUrl: "/lib/without.js" })).toEqual({ text });
});

test.describe("a trap", () => {
  /** From a moment on each call from JavaScript into the module traps: of a listener, a microtask or a promise. */
  const TRAPPING = `
    let armed = false;
    const arm = () => (armed = true);
    addEventListener("message", ({ data }) => data.type === TYPE && WHEN(arm), { capture: true });
    const { instantiate } = WebAssembly;
    WebAssembly.instantiate = async (module, imports) => {
      const instance = await instantiate(module, imports);
      const trapping = ([name, value]) => [
        name,
        typeof value !== "function" || !/invoke|closure|func_elem/.test(name)
          ? value
          : (...given) => {
              if (armed) throw new WebAssembly.RuntimeError("unreachable");
              return value(...given);
            },
      ];
      return { module, instance: { exports: Object.fromEntries(Object.entries(instance.exports).map(trapping)) } };
    };`;

  for (const [where, type, when] of [
    ["in a listener", "load", "((arm) => arm())"],
    ["in a microtask", "load", "queueMicrotask"],
    ["while it waits for the browser", "load", "setTimeout"],
    ["while it writes", "generate", "setTimeout"],
  ]) {
    test(`${where} ends the model with a typed error`, async ({ page, context }) => {
      const body = TRAPPING.replace("TYPE", JSON.stringify(type)).replace("WHEN", when);
      const script = (body) => (route) => route.fulfill({ contentType: "text/javascript", headers: ISOLATION, body });
      await context.route("**/lib/arm.js", script(body));
      await context.route("**/lib/trapping.js", script('import "./arm.js"; import "./worker.js";'));
      const { text, ends } = await page.evaluate(async () => {
        const { BitNet, LONG, ENDLESS, load, end } = window.lab;
        // It never ends by itself.
        const source = (await fetch(window.lab.MODEL)).body;
        const loading = BitNet.load(source.pipeThrough(new TransformStream({ flush: () => new Promise((later) => setTimeout(later, 100)) })), { threads: 1, workerUrl: "/lib/trapping.js", ...LONG });
        const model = await loading.catch((error) => error);
        const ends = [];
        if (model instanceof Error) ends.push(model.code);
        else ends.push(await end(model.generate("Once", { ...ENDLESS, maxTokens: 15_000 }).result()), await end(model.tokenize("Once")));
        const other = await load({});
        const { text } = await other.generate("Once upon a time", { temperature: 0, maxTokens: 10 }).result();
        await other.dispose();
        return { text, ends };
      });
      expect(ends.length).toBe(type === "load" ? 1 : 2);
      expect(ends).toEqual(ends.map(() => "worker-crashed"));
      expect(text).toMatch(/[a-z]{3}/);
    });
  }
});

test.describe("the worker that keeps a file", () => {
  // In the place of the one that the engine's worker starts.
  const KEEPERS = {
    "can not be started": "class { constructor() { throw new TypeError('no workers here'); } }",
    "ends at once": `class extends Worker { constructor() { super("data:text/javascript,throw 1"); } }`,
    "never answers": `class extends Worker { constructor() { super("data:text/javascript,"); } }`,
  };
  for (const [what, keeper] of Object.entries(KEEPERS)) {
    test(`is done without where it ${what}`, async ({ page, context }) => {
      const script = (body) => (route) => route.fulfill({ contentType: "text/javascript", headers: ISOLATION, body });
      await context.route("**/lib/keeper.js", script(`globalThis.Worker = ${keeper};`));
      await context.route("**/lib/keeperless.js", script('import "./keeper.js"; import "./worker.js";'));
      const cached = await page.evaluate(async () => {
        const { BitNet, clearCachedModels, MODEL } = { ...window.lab, ...(await import("/lib/index.js")) };
        await clearCachedModels();
        const cached = [];
        for (let time = 0; time < 2; time++) {
          const model = await BitNet.load(MODEL, { cache: "required", threads: 1, workerUrl: "/lib/keeperless.js" });
          cached.push(model.info.cached);
          await model.dispose();
        }
        await clearCachedModels();
        return cached;
      });
      expect(cached).toEqual([false, true]);
    });
  }
});
