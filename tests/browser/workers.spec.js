// Workers that end by themselves, pages that sleep, engines side by side, and generations that are broken off at any moment.
import { expect, test } from "./package.js";
import { OFTEN } from "./patience.js";
import { renderers } from "./resident.js";
import { wide } from "./wide.js";

const PIP = "Once upon a time, there was a brave fox named Pip.";
/** A laptop sleeps for longer; what a page sees is a gap in its time. */
const SLEEP_MS = wide(2000, 700);
const BROKEN_OFF = wide(200, 25);

/** As a browser ends a worker: it is not heard of again, and no event tells. */
const kill = (page) => page.workers().at(-1).evaluate("self.close()").catch(() => undefined);

test.describe("an engine's worker that is gone", () => {
  /** Makes `window.ends` of what is under way, and comes back when it is. */
  const under = {
    "while it loads": () =>
      new Promise((resolve) => {
        const { BitNet, MODEL, end } = window.lab;
        const some = async () => {
          const bytes = new Uint8Array(await (await fetch(MODEL)).arrayBuffer());
          return new ReadableStream({ start: (controller) => controller.enqueue(bytes.subarray(0, 600_000)) });
        };
        const onProgress = ({ phase }) => phase === "download" && resolve();
        window.ends = some().then((stream) => Promise.all([end(BitNet.load(stream, { threads: 1, onProgress }))]));
      }),
    "while it reads a prompt": async () => {
      const { load, LONG, end } = window.lab;
      const model = await load(LONG);
      await new Promise((onPrefill) => {
        const prompt = "Once upon a time, there was a small dog. ".repeat(1500);
        window.ends = Promise.all([end(model.generate(prompt, { onPrefill }).result()), end(model.reset()), end(model.generate("A").result())]);
      });
    },
    "while it writes": async () => {
      const { load, LONG, ENDLESS, say, end } = window.lab;
      const model = await load(LONG);
      const session = await model.session();
      const generation = model.generate("Once upon a time", { ...ENDLESS, maxTokens: 15_000 });
      const reader = generation[Symbol.asyncIterator]();
      await reader.next(); // it has begun
      const rest = async () => {
        while (!(await reader.next()).done);
      };
      window.ends = Promise.all([end(rest()), end(generation.result()), end(model.reset()), end(say(session, "A")), end(session.save()), end(session.clone())]);
    },
  };
  for (const [when, begin] of Object.entries(under)) {
    test(`${when} ends all that is under way with a typed error`, async ({ page }) => {
      await page.evaluate(begin);
      await kill(page);
      const ends = await page.evaluate(() => window.ends);
      expect(ends.length).toBeGreaterThan(0);
      expect(ends).toEqual(ends.map(() => "worker-crashed"));
      // In the same page, as if nothing had been.
      const said = await page.evaluate(async (prompt) => {
        const { load, say } = window.lab;
        const answers = [];
        for (const threads of [1, 2]) {
          const model = await load({ threads });
          answers.push((await say(model, prompt, { temperature: 0, maxTokens: 40 })).map(([, text]) => text).join(""));
          await model.dispose();
        }
        return answers;
      }, PIP);
      expect(said[0]).toMatch(/[a-z]{3}/);
      expect(said[1]).toBe(said[0]);
    });
  }

  test("and what it leaves ends with the next model", async ({ page }) => {
    await page.evaluate(under["while it writes"]);
    await kill(page);
    await page.evaluate(async () => {
      await window.ends;
      await (await window.lab.load({ threads: 2 })).dispose();
    });
    await expect.poll(() => page.workers().length, OFTEN).toBe(0);
  });

  test("answers later calls in the same way, and dispose() is quiet", async ({ page }) => {
    await page.evaluate(async () => void (window.model = await window.lab.load({})));
    await kill(page);
    const ends = () => page.evaluate(() => Promise.all([window.lab.end(window.model.tokenize("a")), window.lab.end(window.model.generate("a").result()), window.lab.end(window.model.session())]));
    expect(await ends()).toEqual(Array(3).fill("worker-crashed"));
    expect(await page.evaluate(() => window.lab.end(window.model.dispose()))).toBe("no error");
    expect(await ends()).toEqual(Array(3).fill("worker-crashed"));
  });

  test("and one that was disposed of, or aborted, are not mixed up", async ({ page }) => {
    const ends = await page.evaluate(async () => {
      const { BitNet, MODEL, load, end } = window.lab;
      const model = await load({});
      await model.dispose();
      const stop = new AbortController();
      const loading = BitNet.load(MODEL, { threads: 2, signal: stop.signal, onProgress: () => stop.abort() });
      const ends = [await end(loading)];
      ends.push(await end(model.tokenize("a")));
      while ((await navigator.locks.query()).held.length > 0) await new Promise((later) => setTimeout(later, 10)); // they come back
      return ends;
    });
    expect(ends).toEqual(["AbortError", "disposed"]);
  });
});

test("a thread that is gone in the middle of a prompt ends the model with a typed error, or changes no bit", async ({ page }) => {
  const found = await page.evaluate(async ([pip, count]) => {
    const { BitNet, MODEL, LONG, load, say, end } = window.lab;
    const alone = await load(LONG);
    const expected = JSON.stringify(await say(alone, pip, { temperature: 0, maxTokens: 40 }));
    await alone.dispose();
    const Real = window.Worker;
    const workers = [];
    window.Worker = class extends Real {
      constructor(...rest) {
        super(...rest);
        workers.push(this);
      }
    };
    const held = async () => (await navigator.locks.query()).held.length;
    const rounds = [];
    for (let round = 0; round < count; round++) {
      while ((await held()) > 0) await new Promise((later) => setTimeout(later, 20));
      const model = await BitNet.load(MODEL, { threads: 2, cache: false, ...LONG });
      const stop = new AbortController();
      let read = 0;
      let reached; // where it was when the thread was heard of no more
      const onPrefill = ({ done }) => {
        if (read === 0) workers.at(-1).terminate(); // no event follows, as when the browser does it
        read = done;
        // It goes on alone, which for the whole prompt takes long.
        if (reached !== undefined && read > reached + 300) stop.abort();
      };
      const reading = end(model.generate("Once upon a time, there was a small dog. ".repeat(1500), { maxTokens: 1, onPrefill, signal: stop.signal }).result());
      // Chromium lets it work on for 2 s: whether it is inside a job then is chance.
      while ((await held()) > 1) await new Promise((later) => setTimeout(later, 20));
      reached = read;
      const outcome = await reading;
      if (outcome === "AbortError") rounds.push(JSON.stringify(await say(model, pip, { temperature: 0, maxTokens: 40 })) === expected ? "not missed" : "other bits");
      else rounds.push(outcome);
      await model.dispose();
    }
    window.Worker = Real;
    return rounds;
  }, [PIP, wide(2, 1)]);
  console.log(`    a thread ended in mid-prompt: ${found.join(", ")}`);
  for (const outcome of found) expect(["worker-crashed", "not missed"]).toContain(outcome);
});

// As a laptop does it; Chromium's own freezing is not for pages without a window (Page.setWebLifecycleState does nothing here).
test("a page that is put to sleep in mid-answer goes on where it was", async ({ page, browser }) => {
  const pids = await renderers(browser);
  await page.evaluate(async (enough) => {
    const { load, LONG, ENDLESS } = window.lab;
    window.model = await load(LONG);
    window.options = { ...ENDLESS, temperature: 0.8, seed: 4, logProbabilities: true };
    let longest = 0;
    let last = performance.now();
    const clock = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 20);
    // It writes until it has slept, and a little more.
    const write = async () => {
      const said = [];
      let more = 100;
      for await (const { id, logProbability } of window.model.generate("Once upon a time", { ...window.options, maxTokens: 15_000 })) {
        said.push([id, logProbability]);
        if (longest > enough && more-- === 0) break;
      }
      clearInterval(clock);
      return { said, longest };
    };
    window.answer = write();
  }, SLEEP_MS * 0.9);
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  await new Promise((later) => setTimeout(later, SLEEP_MS)); // the sleep itself, which is what is tested
  for (const pid of pids) process.kill(pid, "SIGCONT");
  const { said, longest } = await page.evaluate(() => window.answer);
  expect(longest).toBeGreaterThan(SLEEP_MS * 0.9);
  expect(said.length).toBeGreaterThan(100);
  const awake = await page.evaluate(async (maxTokens) => {
    await window.model.reset();
    const said = [];
    for await (const { id, logProbability } of window.model.generate("Once upon a time", { ...window.options, maxTokens })) said.push([id, logProbability]);
    return said;
  }, said.length);
  expect(said).toEqual(awake.slice(0, said.length));
});

test("engines side by side say what they say alone, and one goes without the other", async ({ page }) => {
  const { alone, beside, ends } = await page.evaluate(async (prompt) => {
    const { load, LONG, ENDLESS, say, end } = window.lab;
    const options = { maxTokens: 60, temperature: 0.8, seed: 9 };
    const [one, two] = [await load({ threads: 2 }), await load({ ...LONG, backend: "simd128" })];
    const alone = await say(one, prompt, options);
    await one.reset();
    const beside = await Promise.all([say(one, prompt, options), say(two, prompt, options)]);
    const endless = two.generate(prompt, { ...ENDLESS, maxTokens: 15_000 });
    await endless[Symbol.asyncIterator]().next();
    const answer = say(one, prompt, options);
    await two.dispose();
    beside.push(await answer);
    const ends = [await end(endless.result()), await end(one.tokenize("a"))];
    await one.dispose();
    return { alone, beside, ends };
  }, PIP);
  expect(alone.length).toBe(60);
  for (const said of beside) expect(said).toEqual(alone);
  expect(ends).toEqual(["disposed", "no error"]);
});

test(`${BROKEN_OFF} loads, prompts and answers broken off at random change no bit of the next answer`, async ({ page }) => {
  const { count, wrong } = await page.evaluate(async (rounds) => {
    const { BitNet, MODEL, load, say, random } = window.lab;
    const next = random(20261126);
    const below = (n) => Math.floor(next() * n);
    const story = "Once upon a time, there was a small dog. She had a red ball and a brave fox. ".repeat(15);
    // They begin as the broken ones do: what those have left in the KV cache is used.
    const probes = [150, 400, 700, 1100].map((length) => `${story.slice(0, length)} Then`);
    const probe = (model, index) => say(model, probes[index], { maxTokens: 6, temperature: 0.8, seed: index });
    const fresh = [];
    for (const index of probes.keys()) {
      const model = await load({});
      fresh.push(JSON.stringify(await probe(model, index)));
      await model.dispose();
    }
    const quiet = (promise) => promise.catch(() => undefined);
    const later = (act) => setTimeout(act, below(25));
    const ways = {
      async load(stop) {
        const byProgress = below(2) === 0;
        const onProgress = () => byProgress && below(4) === 0 && stop.abort();
        if (!byProgress) later(() => stop.abort());
        const model = await quiet(BitNet.load(MODEL, { threads: 1 + below(2), cache: false, signal: stop.signal, onProgress }));
        if (model) return ["loaded", model];
        return ["load"];
      },
      async prefill(stop, model) {
        let at = below(3);
        const generation = model.generate(story, { maxTokens: 5, signal: stop.signal, onPrefill: () => at-- === 0 && stop.abort() });
        later(() => (below(2) ? stop.abort() : generation.cancel()));
        await quiet(generation.result());
        return ["prefill"];
      },
      async signal(stop, model) {
        let at = below(40);
        await quiet((async () => {
          for await (const _ of model.generate(story.slice(0, below(800)), { signal: stop.signal, seed: 1 })) if (at-- === 0) stop.abort();
        })());
        return ["signal"];
      },
      async leave(_, model) {
        let at = below(40);
        for await (const _ of model.generate(story.slice(0, below(800)), { seed: 2 })) if (at-- === 0) break;
        return ["break"];
      },
      async cancel(_, model) {
        const generation = model.generate(story.slice(0, below(800)), { seed: 3 });
        later(() => generation.cancel());
        await quiet(generation.result());
        return ["cancel"];
      },
    };
    let model = await load({ threads: 2 });
    const names = Object.keys(ways);
    const count = {};
    const wrong = [];
    for (let round = 0; round < rounds; round++) {
      // Each of them first; then at random, and a load, which costs more than the others, not as often.
      const way = names[round] ?? (below(8) === 0 ? "load" : names[1 + below(names.length - 1)]);
      const [name, another] = await ways[way](new AbortController(), model);
      count[name] = (count[name] ?? 0) + 1;
      if (another) {
        await model.dispose();
        model = another;
      }
      const index = below(probes.length);
      if (JSON.stringify(await probe(model, index)) !== fresh[index]) wrong.push([round, name, index]);
    }
    await model.dispose();
    return { count, wrong };
  }, BROKEN_OFF);
  console.log(`    broken off: ${JSON.stringify(count)}`);
  expect(wrong).toEqual([]);
  count.load = (count.load ?? 0) + (count.loaded ?? 0);
  for (const name of ["load", "prefill", "signal", "break", "cancel"]) expect(count[name], name).toBeGreaterThanOrEqual(wide(4, 1));
});
