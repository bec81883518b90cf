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

test.describe("a trap", () => {
  /** From then on each call from JavaScript into the module traps: of a listener, a microtask or a promise. */
  const TRAPPING = `
    let armed = false;
    addEventListener("message", ({ data }) => data.type === "generate" && (armed = true), { capture: true });
    const { instantiate } = WebAssembly;
    WebAssembly.instantiate = async (module, imports) => {
      const instance = await instantiate(module, imports);
      const trapping = ([name, value]) => [
        name,
        typeof value !== "function" || WHICH.test(name) === false
          ? value
          : (...given) => {
              if (armed) throw new WebAssembly.RuntimeError("unreachable");
              return value(...given);
            },
      ];
      return { module, instance: { exports: Object.fromEntries(Object.entries(instance.exports).map(trapping)) } };
    };
    await import("./worker.js");`;

  test("in the worker ends the model with a typed error", async ({ page, context }) => {
    await context.route("**/lib/trapping.js", (route) => route.fulfill({ contentType: "text/javascript", headers: ISOLATION, body: TRAPPING.replace("WHICH", "/invoke|closure|func_elem/") }));
    const { text, ends } = await page.evaluate(async () => {
      const { load, end } = window.lab;
      const trapping = await load({ workerUrl: "/lib/trapping.js" });
      const ends = [await end(trapping.generate("Once").result()), await end(trapping.tokenize("Once"))];
      const model = await load({});
      const { text } = await model.generate("Once upon a time", { temperature: 0, maxTokens: 10 }).result();
      await model.dispose();
      return { text, ends };
    });
    expect(ends).toEqual(["worker-crashed", "worker-crashed"]);
    expect(text).toMatch(/[a-z]{3}/);
  });
});
