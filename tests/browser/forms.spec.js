// Answers of a form: what comes out in a tab, on every build; the module that holds them to it, as it comes, fails and is lost.
import { readFile } from "node:fs/promises";
import { ISOLATION } from "../../www/headers.mjs";
import { FORMS } from "./forms.js";
import { expect, open, prepare, test } from "./package.js";

const PIP = "Once upon a time, there was a brave fox named Pip.";
/** Made by tests/cli/form.rs with the native program. */
const PINNED = JSON.parse(await readFile(new URL("../models/forms.json", import.meta.url), "utf8"));
const ANIMAL = {
  type: "json_schema",
  schema: {
    type: "object",
    properties: { name: { type: "string", maxLength: 10 }, age: { type: "integer", minimum: 0, maximum: 20 }, tags: { type: "array", items: { enum: ["red", "sly", "brave"] }, minItems: 2, maxItems: 2 } },
    required: ["name", "age", "tags"],
    additionalProperties: false,
  },
};

/** Defines `window.lib`: what the tests below do in the page. */
function define(page) {
  return page.evaluate(() => {
    /** All that is known of an answer, or of the error in its place. */
    const ask = async (speaker, prompt, options) => {
      const ids = [];
      const logProbabilities = [];
      try {
        const generation = speaker.generate(prompt, { maxTokens: 120, logProbabilities: true, ...options });
        for await (const { id, logProbability } of generation) {
          if (id === undefined) continue;
          ids.push(id);
          logProbabilities.push(logProbability);
        }
        const { text, finishReason, usage, timings } = await generation.result();
        return { text, finishReason, usage, timings, ids, logProbabilities };
      } catch ({ code, name, message }) {
        return { code: code ?? name, message, ids };
      }
    };
    /** The ids of all tokens of some texts, with a bias. */
    const push = async (model, texts) => Object.fromEntries((await Promise.all(texts.map((text) => model.tokenize(text)))).flatMap((ids) => [...ids].map((id) => [id, 40])));
    Object.assign(window, { lib: { ask, push } });
  });
}

test.beforeEach(({ page }) => define(page));

/** How often the browser asks for the grammar module. Its glue a tab remembers. */
function asked(page) {
  const found = { times: 0 };
  page.context().on("request", (request) => {
    if (request.url().endsWith("/wasm/grammar/grammar_bg.wasm")) found.times++;
  });
  return found;
}

test("every answer is whole and of its form, or says that it was cut; what can't be kept is refused before the first token", async ({ page }) => {
  const forms = FORMS.map(({ name, format, prompt, push = [], runs = [{}], options = {} }) => ({ name, format, prompt, push, runs: runs.map((run) => ({ ...run, ...options })) }));
  const found = await page.evaluate(
    async ({ forms, prompt: usual }) => {
      const { ask, push } = window.lib;
      const model = await window.lab.load({ backend: "simd128" });
      const found = {};
      for (const { name, format, prompt = usual, push: texts, runs } of forms) {
        // A RegExp is lost on its way into the page.
        const responseFormat = format.pattern === "RegExp" ? { ...format, pattern: /(?:yes|no), \d{2}\/[[a]/i } : format;
        found[name] = [];
        for (const run of runs) {
          await model.reset();
          found[name].push(await ask(model, prompt, { responseFormat, logitBias: await push(model, texts), ...run }));
        }
      }
      await model.dispose();
      return found;
    },
    { forms, prompt: PIP },
  );
  const wrong = [];
  for (const { name, format, ok, cut, begins = /^/, refused, either } of FORMS) {
    for (const { text, finishReason, code, message, ids } of found[name]) {
      const json = format.type.startsWith("json");
      const judge = () => {
        if (code !== undefined) return code === "invalid-argument" && ids.length === 0 && message.length < 2000 && (refused ?? either)?.test(message);
        if (refused) return false;
        if (finishReason === "length") return cut && begins.test(text);
        return finishReason === "stop" && ok(json ? JSON.parse(text) : text, text);
      };
      let right = false;
      try {
        right = judge();
      } catch (error) {
        message ??= String(error);
      }
      if (!right) wrong.push({ name, text, finishReason, code, message });
    }
  }
  expect(wrong).toEqual([]);
});

test("the ids are those of the native program, on every build and with any number of threads", async ({ page }) => {
  const found = await page.evaluate(async (pinned) => {
    const found = {};
    for (const backend of ["relaxed", "simd128"]) {
      for (const threads of [1, 2]) {
        const model = await window.lab.load({ backend, threads });
        const ids = (found[`${backend} ${model.info.threads}`] = []);
        for (const { prompt, format, temperature, seed } of pinned) ids.push((await window.lib.ask(model, prompt, { responseFormat: format, temperature, seed, maxTokens: 100 })).ids);
        await model.dispose();
      }
    }
    return found;
  }, PINNED);
  expect(PINNED.length).toBeGreaterThan(3);
  expect(found).toEqual(Object.fromEntries(["relaxed 1", "relaxed 2", "simd128 1", "simd128 2"].map((build) => [build, PINNED.map(({ ids }) => ids)])));
});

test("with a form go stop strings, bias, penalties and log-probabilities, and the model is as before without", async ({ page }) => {
  const found = await page.evaluate(
    async ({ prompt, format }) => {
      const { ask } = window.lib;
      const model = await window.lab.load({});
      const plain = await ask(model, prompt, { temperature: 0.8, seed: 5, maxTokens: 20 });
      const formed = await ask(model, prompt, { responseFormat: format, temperature: 0.8, seed: 5, repeatPenalty: 1.3, presencePenalty: 1 });
      const stopped = await ask(model, prompt, { responseFormat: format, temperature: 0, stop: '"age"' });
      // End of text, end of turn: they come where the form ends, and nowhere else.
      const ends = await ask(model, prompt, { responseFormat: format, temperature: 0, logitBias: { 1017: 100, 1018: 100 } });
      await model.reset();
      const again = await ask(model, prompt, { temperature: 0.8, seed: 5, maxTokens: 20 });
      await model.dispose();
      return { plain, formed, stopped, ends, again };
    },
    { prompt: PIP, format: ANIMAL },
  );
  const { formed } = found;
  expect(Object.keys(JSON.parse(formed.text))).toEqual(["name", "age", "tags"]);
  expect(formed.logProbabilities.every((one) => one <= 0)).toBe(true);
  expect(formed.logProbabilities.filter((one) => one === 0).length).toBeGreaterThanOrEqual(formed.timings.constraint.certainTokens);
  expect(formed.timings.constraint).toMatchObject({ notes: [], masks: expect.any(Number), certainTokens: expect.any(Number) });
  expect(formed.timings.constraint.certainTokens).toBeGreaterThan(0);
  expect(found.stopped.finishReason).toBe("stop");
  expect(found.stopped.text).toMatch(/^\{"name"[^]*[^"]$|^\{"name"/);
  expect(found.stopped.text).not.toContain('"age"');
  expect(JSON.parse(found.ends.text)).toMatchObject({ age: expect.any(Number) });
  expect(found.again).toEqual({ ...found.plain, timings: found.again.timings });
  expect(found.plain.timings.constraint).toBeUndefined();
});

test("a session that was saved in the middle of an object goes on in it, also in another page", async ({ page }) => {
  const before = await page.evaluate(
    async ({ prompt, format }) => {
      const model = await window.lab.load({});
      const session = await model.session();
      const whole = await window.lib.ask(await model.session(), prompt, { responseFormat: format, temperature: 0 });
      const half = await window.lib.ask(session, prompt, { responseFormat: format, temperature: 0, maxTokens: 9 });
      const writable = await (await (await navigator.storage.getDirectory()).getFileHandle("session", { create: true })).createWritable();
      await writable.write(await session.save());
      await writable.close();
      await model.dispose();
      return { whole, half };
    },
    { prompt: PIP, format: ANIMAL },
  );
  expect(before.half.finishReason).toBe("length");
  expect(before.whole.text.startsWith(before.half.text)).toBe(true);
  await page.reload({ waitUntil: "commit" });
  await prepare(page);
  await define(page);
  const after = await page.evaluate(
    async ({ prompt, format, half }) => {
      const model = await window.lab.load({ backend: "simd128" });
      const session = await model.session();
      await session.restore(new Uint8Array(await (await (await (await navigator.storage.getDirectory()).getFileHandle("session")).getFile()).arrayBuffer()));
      const ids = Uint32Array.from([...(await promptIds(model, prompt)), ...half.ids]);
      const rest = await window.lib.ask(session, ids, { responseFormat: { ...format, begun: half.text }, temperature: 0 });
      const wrong = await window.lib.ask(session, ids, { responseFormat: { ...format, begun: '{"nme' }, temperature: 0 });
      await model.dispose();
      return { rest, wrong };

      /** With the begin-of-text token that a text prompt has. */
      async function promptIds(model, text) {
        return [1016, ...(await model.tokenize(text))];
      }
    },
    { prompt: PIP, format: ANIMAL, half: before.half },
  );
  expect(before.half.text + after.rest.text).toBe(before.whole.text);
  expect(after.rest.ids).toEqual(before.whole.ids.slice(before.half.ids.length));
  expect(after.rest.usage.cachedTokens).toBeGreaterThan(9);
  expect(after.wrong).toMatchObject({ code: "invalid-argument", ids: [], message: expect.stringContaining("byte 3") });
});

test.describe("chat completions", () => {
  const create = (page, params) =>
    page.evaluate(async (params) => {
      const model = await window.lab.load({});
      const messages = [{ role: "user", content: "Describe a fox." }];
      const answer = await model.chat.completions.create({ messages, temperature: 0, ...params }).then(
        ({ choices: [choice] }) => ({ content: choice.message.content, finish_reason: choice.finish_reason }),
        ({ code, message }) => ({ code, message }),
      );
      await model.dispose();
      return answer;
    }, params);

  test("have the form in OpenAI's words", async ({ page }) => {
    const { content, finish_reason } = await create(page, { response_format: { type: "json_schema", json_schema: { name: "animal", strict: true, schema: ANIMAL.schema } } });
    expect(finish_reason).toBe("stop");
    expect(Object.keys(JSON.parse(content))).toEqual(["name", "age", "tags"]);
  });

  test("refuse a schema one level too high, by the place where it belongs", async ({ page }) => {
    expect(await create(page, { response_format: { type: "json_schema", schema: { type: "object" } } })).toMatchObject({ code: "invalid-argument", message: expect.stringContaining("response_format.json_schema") });
  });

  test("refuse a type that there is not, and name those that there are", async ({ page }) => {
    const { code, message } = await create(page, { response_format: { type: "json" } });
    expect(code).toBe("invalid-argument");
    expect(message).toContain("response_format.type");
    for (const type of ["text", "json_object", "json_schema"]) expect(message).toContain(`"${type}"`);
  });

  test("give an object for json_object, or say that it was cut", async ({ page }) => {
    const { content, finish_reason } = await create(page, { response_format: { type: "json_object" }, max_tokens: 200, stop: ["\n\n"] });
    if (finish_reason === "length") return;
    const value = JSON.parse(content);
    expect(value).toBeInstanceOf(Object);
    expect(Array.isArray(value)).toBe(false);
  });
});

test.describe("the grammar module", () => {
  test("comes when first asked for, with word of how far it is, and once", async ({ page }) => {
    const module = asked(page);
    const found = await page.evaluate(async (format) => {
      const model = await window.lab.load({});
      await model.generate("Once", { maxTokens: 2 }).result();
      const told = [];
      const onPrepare = ({ phase, loaded, total }) => told.push([phase, loaded, total]);
      const first = await window.lib.ask(model, "A fox:", { responseFormat: format, onPrepare });
      const before = told.splice(0);
      const second = await window.lib.ask(model, "A fox:", { responseFormat: format, onPrepare });
      const { vocabulary } = model.info;
      await model.dispose();
      return { first: first.text, second: second.text, before, after: told, vocabulary };
    }, ANIMAL);
    expect(JSON.parse(found.first)).toEqual(JSON.parse(found.second));
    expect(found.after).toEqual([]);
    expect(found.before.filter(([phase]) => phase === "vocabulary")).toEqual([["vocabulary", 0, found.vocabulary], ["vocabulary", found.vocabulary, found.vocabulary]]);
    expect(found.before.filter(([phase]) => phase === "fetch").at(-1)?.[1]).toBeGreaterThan(100_000);
    expect(module.times).toBe(1);
  });

  test("comes with the model where that was asked for", async ({ page }) => {
    const module = asked(page);
    const found = await page.evaluate(async (format) => {
      const model = await window.lab.load({ prepareFormats: true });
      const told = [];
      const { text } = await window.lib.ask(model, "A fox:", { responseFormat: format, onPrepare: (progress) => told.push(progress) });
      const { notes } = model.info;
      await model.dispose();
      return { text, told, notes };
    }, ANIMAL);
    expect(module.times).toBe(1);
    expect(Object.keys(JSON.parse(found.text))).toHaveLength(3);
    expect(found.told).toEqual([]);
    expect(found.notes.join()).not.toContain("form");
  });

  for (const [answer, response] of Object.entries({
    "a web page": { status: 200, contentType: "text/html", body: "<!doctype html><title>My app</title>" },
    "404": { status: 404, contentType: "text/plain", body: "not found" },
  })) {
    for (const file of ["grammar_bg.wasm", "grammar.js"]) {
      test(`that is not there, but ${answer}, is named with its address: ${file}`, async ({ browser, server }) => {
        // A tab that has not seen it.
        const context = await browser.newContext();
        const page = await context.newPage();
        await open(page, server.url);
        await define(page);
        await context.route(`**/${file}`, (route) => route.fulfill(response));
        const found = await page.evaluate(async (format) => {
          const model = await window.lab.load({ prepareFormats: true });
          const errors = [await window.lib.ask(model, "A fox:", { responseFormat: format }), await window.lib.ask(model, "A fox:", { responseFormat: format })];
          const plain = await window.lib.ask(model, "Once", { maxTokens: 5 });
          const { notes } = model.info;
          await model.dispose();
          return { errors, plain, notes };
        }, ANIMAL);
        for (const { code, message, ids } of found.errors) {
          expect([code, ids]).toEqual(["network", []]);
          expect(message).toMatch(/http:\/\/\S*\/lib\/wasm\/grammar\//);
          expect(message).toContain("wasm folder");
        }
        expect(found.plain.ids).toHaveLength(5);
        expect(found.notes.filter((note) => note.includes("/lib/wasm/grammar/"))).toHaveLength(1);
        await context.close();
      });
    }
  }

  test("that was out of reach is fetched again by the next answer; grammarUrl names another place", async ({ page, context }) => {
    const gone = (route) => route.abort();
    await context.route("**/grammar_bg.wasm", gone);
    const first = await page.evaluate(async (format) => {
      window.model = await window.lab.load({});
      return window.lib.ask(window.model, "A fox:", { responseFormat: format });
    }, ANIMAL);
    expect(first).toMatchObject({ code: "network", message: expect.stringContaining("grammar_bg.wasm") });
    await context.unroute("**/grammar_bg.wasm", gone);
    const second = await page.evaluate(async (format) => {
      const { text } = await window.lib.ask(window.model, "A fox:", { responseFormat: format });
      await window.model.dispose();
      return text;
    }, ANIMAL);
    expect(Object.keys(JSON.parse(second))).toHaveLength(3);

    await context.route("**/elsewhere.wasm", async (route) => route.fulfill({ response: await route.fetch({ url: route.request().url().replace("elsewhere.wasm", "lib/wasm/grammar/grammar_bg.wasm") }) }));
    const third = await page.evaluate(async (format) => {
      const model = await window.lab.load({ grammarUrl: "/elsewhere.wasm" });
      const { text } = await window.lib.ask(model, "A fox:", { responseFormat: format });
      await model.dispose();
      return text;
    }, ANIMAL);
    expect(third).toBe(second);
  });

  test("is waited for no longer than until a cancel, an abort, or the end of the session", async ({ page, context }) => {
    const held = [];
    await context.route("**/grammar_bg.wasm", (route) => void held.push(route));
    const found = await page.evaluate(async (format) => {
      const model = await window.lab.load({});
      const ask = (speaker, options) => {
        const heard = new Promise((resolve) => (options.onPrepare = resolve));
        const generation = speaker.generate("A fox:", { responseFormat: format, ...options });
        return { generation, heard, end: generation.result().then(({ finishReason, text }) => [finishReason, text], ({ code, name }) => [typeof code === "string" ? code : name]) };
      };
      const cancelled = ask(model, {});
      await new Promise((later) => setTimeout(later, 100));
      cancelled.generation.cancel();
      const stop = new AbortController();
      const aborted = ask(model, { signal: stop.signal });
      setTimeout(() => stop.abort(), 100);
      const session = await model.session();
      const ends = [await cancelled.end, await aborted.end];
      const disposed = ask(session, {});
      await new Promise((later) => setTimeout(later, 100));
      await session.dispose();
      ends.push(await disposed.end);
      const plain = await window.lib.ask(model, "Once", { maxTokens: 5 });
      window.model = model;
      return { ends, plain };
    }, ANIMAL);
    expect(found.ends).toEqual([["cancelled", ""], ["AbortError"], ["disposed"]]);
    expect(found.plain.ids).toHaveLength(5);
    for (const route of held) await route.continue();
    const text = await page.evaluate(async (format) => {
      const { text } = await window.lib.ask(window.model, "A fox:", { responseFormat: format });
      await window.model.dispose();
      return text;
    }, ANIMAL);
    expect(Object.keys(JSON.parse(text))).toHaveLength(3);
  });

  test("is cancelled in the middle of an object, and nothing is left of it", async ({ page }) => {
    const found = await page.evaluate(async (format) => {
      const model = await window.lab.load({});
      const options = { temperature: 0, responseFormat: { type: "json_schema", schema: { type: "array", items: { enum: ["tick", "tock"] }, minItems: 1000 } } };
      const generation = model.generate("A clock:", options);
      let said = 0;
      for await (const _ of generation) if (++said === 20) break;
      const { text, finishReason } = await generation.result();
      const next = await window.lib.ask(model, "A fox:", { responseFormat: format });
      await model.dispose();
      return { text, finishReason, next: next.text };
    }, ANIMAL);
    expect(found.finishReason).toBe("cancelled");
    expect(found.text).toMatch(/^\["t/);
    expect(Object.keys(JSON.parse(found.next))).toHaveLength(3);
  });

  /** The module's first instance traps at the nth call of a function. */
  const TRAPPING = (name, nth) => `
    const { instantiate } = WebAssembly;
    WebAssembly.instantiate = async (module, imports) => {
      const { exports } = await instantiate(module, imports);
      let calls = 0;
      const trapping = (value) => (...given) => {
        if (++calls === ${nth}) throw new WebAssembly.RuntimeError("unreachable");
        return value(...given);
      };
      return { module, instance: { exports: Object.fromEntries(Object.entries(exports).map(([name, value]) => [name, name === "${name}" ? trapping(value) : value])) } };
    };`;

  for (const [where, name, nth] of [
    ["in the middle of an answer", "answer_next", 5],
    ["while it reads a schema", "vocabulary_answer", 1],
    ["while it takes the tokens", "vocabulary_new", 1],
  ]) {
    test(`that traps ${where} ends that answer alone`, async ({ page, context }) => {
      const script = (body) => (route) => route.fulfill({ contentType: "text/javascript", headers: ISOLATION, body });
      await context.route("**/lib/arm.js", script(TRAPPING(name, nth)));
      await context.route("**/lib/trapping.js", script('import "./arm.js"; import "./worker.js";'));
      const found = await page.evaluate(async (format) => {
        const model = await window.lab.load({ workerUrl: "/lib/trapping.js" });
        const session = await model.session();
        const before = await window.lib.ask(session, "Once", { temperature: 0, maxTokens: 5 });
        const trapped = await window.lib.ask(model, "A fox:", { responseFormat: format, temperature: 0 });
        const told = [];
        const next = await window.lib.ask(model, "A fox:", { responseFormat: format, temperature: 0, onPrepare: ({ phase }) => told.push(phase) });
        const after = await window.lib.ask(session, "Once", { temperature: 0, maxTokens: 5 });
        await model.dispose();
        const other = await window.lab.load({});
        const right = await window.lib.ask(other, "A fox:", { responseFormat: format, temperature: 0 });
        await other.dispose();
        return { before, trapped, told, next, after, right };
      }, ANIMAL);
      expect(found.trapped).toMatchObject({ code: "constraint", message: expect.stringContaining("unreachable") });
      // What came before has come.
      expect(found.trapped.ids).toEqual(name === "answer_next" ? found.right.ids.slice(0, found.trapped.ids.length) : []);
      expect(found.trapped.ids.length > 0).toBe(name === "answer_next");
      expect(found.told).toEqual(["vocabulary", "vocabulary"]);
      expect(found.next.ids).toEqual(found.right.ids);
      expect(found.after.ids).toEqual(found.before.ids);
    });
  }
});
