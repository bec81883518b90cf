// What the package promises, from end to end, in a page: the same functions in Chromium, Firefox and WebKitGTK.
const MODEL = "/models/stories-I2_S.gguf";
const GREEDY = { temperature: 0, maxTokens: 60 };
/** The small model was trained with 512 tokens; told otherwise it goes on, with nonsense, but for long. */
const LONG = { contextLength: 20_000, overrides: ["bitnet-b1.58.context_length=int:20000"] };

function check(holds, message) {
  if (!holds) throw new Error(message);
}

function equal(found, wanted, what) {
  const [a, b] = [found, wanted].map((value) => JSON.stringify(value));
  check(a === b, `${what}: ${a}, not ${b}`);
}

/** What a promise rejects with. */
async function rejection(promise, what) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`${what} did not fail but gave ${String(value)}`);
}

const bytes = async () => (await fetch(MODEL)).arrayBuffer();

/** In pieces of sizes that fit nothing. */
function streamOf(buffer) {
  let at = 0;
  let size = 1;
  return new ReadableStream({
    pull(controller) {
      if (at === buffer.byteLength) return controller.close();
      size = (size * 7 + 13) % 60_000 + 1;
      controller.enqueue(new Uint8Array(buffer.slice(at, at + size)));
      at = Math.min(at + size, buffer.byteLength);
    },
  });
}

/** By name; each throws where something is not as promised. `expected` is what this browser has: asked of it, a lack would go unseen. */
export function scenarios({ BitNet, BitNetError, told = [], forms = [], expected }) {
  const [first, second] = told;

  async function fails(code, promise, what) {
    const error = await rejection(promise, what);
    check(error instanceof BitNetError, `${what}: ${error} is no BitNetError`);
    equal(error.code, code, `${what}: code of "${error.message}"`);
    check(error.message.length > 20, `${what}: the message says nothing: ${error.message}`);
  }

  /** With a model that goes at the end, however it ends. */
  async function withModel(source, options, use) {
    const model = await BitNet.load(source, options);
    try {
      return await use(model);
    } finally {
      await model.dispose();
    }
  }

  async function write(model, prompt, options = GREEDY) {
    const ids = [];
    let text = "";
    for await (const token of model.generate(prompt, options)) {
      if (token.id !== undefined) ids.push(token.id);
      text += token.text;
    }
    return { ids, text };
  }

  /** The model is whole: it says what is pinned. */
  async function isWhole(model, what) {
    await model.reset();
    equal((await write(model, first.prompt)).ids, first.ids, `${what}: ids`);
  }

  return {
    async "loads by address, Request and Response"() {
      const address = new URL(MODEL, location.href);
      for (const source of [MODEL, address, new Request(address), await fetch(address)]) {
        await withModel(source, {}, (model) => isWhole(model, source.constructor.name));
      }
    },

    async "loads a file"() {
      const file = new File([await bytes()], "mine.gguf");
      await withModel(file, {}, (model) => isWhole(model, "File"));
    },

    async "loads a stream"() {
      await withModel(streamOf(await bytes()), {}, (model) => isWhole(model, "ReadableStream"));
    },

    async "tells how far loading is"() {
      const seen = [];
      await withModel(MODEL, { cache: false, onProgress: (progress) => seen.push(progress) }, async () => undefined);
      const phases = [...new Set(seen.map(({ phase }) => phase))].filter((phase) => phase !== "engine" && phase !== "verify");
      equal(phases, ["download", "load", "ready"], "phases");
      const downloaded = seen.filter(({ phase }) => phase === "download").at(-1);
      const size = (await bytes()).byteLength;
      equal([downloaded.loaded, downloaded.total, downloaded.fraction], [size, size, 1], "end of the download");
      for (const { loaded, total, fraction } of seen) {
        check(Number.isFinite(loaded) && total !== 0 && (fraction === undefined || (fraction >= 0 && fraction <= 1)), `progress ${loaded} of ${total}, ${fraction}`);
      }
    },

    async "says what it loaded, and how it runs"() {
      await withModel(MODEL, { threads: 2 }, async ({ info }) => {
        equal([info.layers, info.vocabulary, info.contextLength], [8, 1024, 512], "layers, vocabulary, context");
        check(info.quantization.includes("I2_S"), info.quantization);
        check(info.backend.startsWith(expected.relaxed ? "relaxed" : "simd128"), `backend ${info.backend}`);
        equal(info.threads, expected.threads ? 2 : 1, "threads");
        equal(Boolean(info.whySingleThreaded), !expected.threads, `whySingleThreaded ("${info.whySingleThreaded}") is there`);
      });
    },

    async "says what is pinned of five prompts"() {
      await withModel(MODEL, {}, async (model) => {
        for (const { prompt, text, ids } of told) equal(await write(model, prompt), { ids, text }, prompt);
      });
    },

    async "holds answers to the forms that are pinned, and refuses what is none"() {
      for (const prepareFormats of [true, false]) {
        await withModel(MODEL, { prepareFormats }, async (model) => {
          const prepared = [];
          const onPrepare = ({ phase }) => prepared.push(phase);
          check(forms.length > 3, `${forms.length} forms`);
          for (const { prompt, format, temperature, seed, ids } of forms) {
            const options = { responseFormat: format, temperature, seed, maxTokens: 100, onPrepare };
            equal((await write(model, prompt, options)).ids, ids, `ids of ${JSON.stringify(format)}`);
          }
          equal(prepared.includes("vocabulary"), !prepareFormats, "the vocabulary was waited for");
          for (const responseFormat of [{ type: "json_schema", schema: { type: "strin" } }, { type: "regex", pattern: "(" }, { type: "lark", grammar: "start: x" }]) {
            await fails("invalid-argument", model.generate("Once", { responseFormat }).result(), responseFormat.type);
          }
          await isWhole(model, "after forms");
        });
      }
    },

    async "says the same with every build and any number of threads"() {
      const all = ["simd128", "relaxed"].flatMap((backend) => [1, 2, 3].map((threads) => `${backend} ${threads}`));
      for (const pair of expected.pairs.length > 0 ? expected.pairs : all) {
        const [backend, threads] = pair.split(" ");
        const loading = BitNet.load(MODEL, { backend, threads: Number(threads) });
        if (backend === "relaxed" && !expected.relaxed) {
          await fails("unsupported-browser", loading, "relaxed");
          continue;
        }
        const model = await loading;
        equal(model.info.threads, expected.threads ? Number(threads) : 1, `${backend}: threads`);
        await isWhole(model, pair);
        await model.dispose();
      }
    },

    async "draws the same for the same seed"() {
      await withModel(MODEL, {}, async (model) => {
        const draw = async (seed) => (await write(model, first.prompt, { temperature: 0.9, maxTokens: 40, seed })).text;
        const said = await draw(42);
        equal(await draw(42), said, "seed 42 again");
        check((await draw(43)) !== said, "seed 43 says what 42 says");
      });
    },

    async "answers in a conversation"() {
      await withModel(MODEL, {}, async (model) => {
        const { text, finishReason, usage } = await model.generate([{ role: "user", content: "What color is the sky?" }], { temperature: 0 }).result();
        equal([text, finishReason], ["The sky is blue.", "stop"], "answer");
        check(usage.promptTokens > 5 && usage.completionTokens >= 4, JSON.stringify(usage));
      });
    },

    async "tokenizes any text, and back"() {
      await withModel(MODEL, {}, async (model) => {
        for (const text of ["Once upon a time", "naïve café", "日本語", "👩‍👩‍👧 \n\t end", ""]) {
          equal(await model.detokenize(await model.tokenize(text)), text, "round trip");
        }
      });
    },

    async "stops where the loop is left"() {
      await withModel(MODEL, {}, async (model) => {
        const generation = model.generate(first.prompt, { temperature: 0, maxTokens: 400 });
        for await (const _ of generation) break;
        const { finishReason, usage } = await generation.result();
        equal(finishReason, "cancelled", "finishReason");
        check(usage.completionTokens < 200, `${usage.completionTokens} tokens after the loop was left`);
        await isWhole(model, "after it");
      });
    },

    async "stops by cancel()"() {
      await withModel(MODEL, {}, async (model) => {
        const generation = model.generate(first.prompt, { temperature: 0, maxTokens: 400 });
        const ids = [];
        for await (const { id } of generation) {
          ids.push(id);
          if (ids.length === 3) generation.cancel();
        }
        const { finishReason, text } = await generation.result();
        equal(finishReason, "cancelled", "finishReason");
        check(ids.length >= 3 && ids.length < 200 && text.length > 0, `${ids.length} tokens`);
        equal(ids.slice(0, 3), first.ids.slice(0, 3), "tokens before it");
        await isWhole(model, "after it");
      });
    },

    async "aborts while it writes, and while it reads a long prompt"() {
      await withModel(MODEL, LONG, async (model) => {
        const long = "Once upon a time, there was a small dog. ".repeat(1000);
        for (const [what, prompt, at] of [["writing", first.prompt, "token"], ["reading", long, "prefill"]]) {
          const stop = new AbortController();
          const reason = new Error(`enough of ${what}`);
          let tokens = 0;
          const onPrefill = at === "prefill" ? () => stop.abort(reason) : undefined;
          const generation = model.generate(prompt, { temperature: 0, signal: stop.signal, onPrefill });
          const error = await rejection((async () => {
            for await (const _ of generation) {
              tokens++;
              if (at === "token") stop.abort(reason);
            }
          })(), what);
          check(error === reason, `${what}: ${error}`);
          equal(await rejection(generation.result(), "result()") === reason, true, "result() rejects with the reason");
          check(at === "token" ? tokens < 200 : tokens === 0, `${what}: ${tokens} tokens`);
        }
        await isWhole(model, "after it");
        const early = await rejection(model.generate("Once", { signal: AbortSignal.abort() }).result(), "aborted before it began");
        equal(early.name, "AbortError", "name");
      });
    },

    async "aborts loading"() {
      const stop = new AbortController();
      const error = await rejection(BitNet.load(streamOf(await bytes()), { signal: stop.signal, onProgress: ({ phase }) => phase === "download" && stop.abort() }), "loading");
      equal(error.name, "AbortError", "name");
      await withModel(MODEL, {}, (model) => isWhole(model, "loaded again"));
    },

    async "lets a second generation wait, and answers in between"() {
      await withModel(MODEL, {}, async (model) => {
        const order = [];
        const tell = (name, { prompt }) => write(model, prompt).then((said) => (order.push(name), said));
        const both = [tell("first", first), tell("second", second)];
        const ids = await model.tokenize("Once upon a time").then((ids) => (order.push("tokens"), ids));
        check(ids.length > 1, "no tokens");
        const said = await Promise.all(both);
        equal(said.map(({ ids }) => ids), [first.ids, second.ids], "ids of both");
        equal(order, ["tokens", "first", "second"], "order");
      });
    },

    async "ends with dispose()"() {
      const model = await BitNet.load(MODEL);
      const running = model.generate(first.prompt, { maxTokens: 400 });
      const waiting = model.generate(second.prompt);
      const ends = [fails("disposed", running.result(), "running"), fails("disposed", waiting.result(), "waiting")];
      await model.dispose();
      await Promise.all(ends);
      await fails("disposed", model.tokenize("a"), "tokenize");
      await fails("disposed", model.generate(first.prompt).result(), "generate");
      await model.dispose();
    },

    async "runs two models side by side"() {
      await withModel(MODEL, {}, (one) =>
        withModel(MODEL, {}, async (two) => {
          await Promise.all([isWhole(one, "one"), isWhole(two, "two")]);
        }),
      );
    },

    async "shares one engine, and goes on in another where the one that holds it ends"() {
      const options = { seed: 3, maxTokens: 600, logitBias: { 1017: -1e4, 1018: -1e4 } };
      let own;
      await withModel(MODEL, LONG, async (model) => (own = await write(model, first.prompt, options)));
      // To each other they are as models of three tabs.
      const models = await Promise.all([0, 1, 2].map(() => BitNet.load(MODEL, { ...LONG, shared: true })));
      const held = () => models.map(({ info }) => info.shared).sort();
      equal(held(), ["elsewhere", "elsewhere", "here"], "who holds it");
      const [holder] = models.splice(models.findIndex(({ info }) => info.shared === "here"), 1);
      const answers = models.map((model) => model.generate(first.prompt, options));
      for (const generation of answers) {
        const ended = generation.result();
        await Promise.race([generation[Symbol.asyncIterator]().next(), ended]);
        await holder.dispose();
        equal((await ended).text, own.text, "its answer");
      }
      equal(held(), ["elsewhere", "here"], "who holds it after that");
      for (const model of models) await model.dispose();
    },

    async "says what is wrong, by a code"() {
      const good = await bytes();
      await fails("format", BitNet.load(new Blob(["garbage ".repeat(10_000)])), "garbage");
      await fails("format", BitNet.load(new Blob([good.slice(0, 1_000_000)])), "half a file");
      await fails("format", BitNet.load(new Blob([])), "an empty file");
      await fails("format", BitNet.load("/index.html"), "a web page");
      await fails("network", BitNet.load("/models/nothing.gguf"), "no such file");
      await fails("invalid-argument", BitNet.load(MODEL, { threads: 0 }), "no threads");
      await fails("invalid-argument", BitNet.load(MODEL, { contextLength: 100_000 }), "a context it can't have");
      await withModel(MODEL, {}, async (model) => {
        await fails("context-overflow", model.generate("word ".repeat(2000)).result(), "a prompt too long");
        await fails("invalid-argument", model.generate("Once", { temperature: -1 }).result(), "a temperature below zero");
        await fails("invalid-argument", model.generate("Once", { maxNewTokens: 3 }).result(), "an option that there is not");
        await fails("invalid-argument", model.chat.completions.create({ messages: [], tools: [] }), "no messages");
        await isWhole(model, "after all that");
      });
    },

    // The table that OPTIONS.md is written from has them in words; what counts is the engine.
    async "has the defaults that are documented"() {
      const documented = { temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05, repeatPenalty: 1, repeatLastN: 64, presencePenalty: 0, frequencyPenalty: 0, seed: 0, stop: [], logitBias: {} };
      await withModel(MODEL, {}, async (model) => {
        const said = async (options) => {
          await model.reset();
          return (await model.generate("Once upon a time", { maxTokens: 60, ...options }).result()).text;
        };
        const plain = await said({});
        check((await said(documented)) === plain, "other tokens with the defaults written out");
        check((await said({ ...documented, seed: 1 })) !== plain, "another seed gives the same");
        // One text is one stop string.
        const [before] = plain.split(".");
        check((await said({ stop: "." })) === before, `stop: "." gives something else than ${before}`);
      });
    },

    async "tells memory and speed"() {
      await withModel(MODEL, {}, async (model) => {
        await model.generate("Once", { maxTokens: 5 }).result();
        const { wasmBytes, weightBytes, kvCacheBytes, timings } = await model.stats();
        check(weightBytes > 1e6 && kvCacheBytes > 0 && wasmBytes > weightBytes + kvCacheBytes, `${wasmBytes} bytes hold ${weightBytes} and ${kvCacheBytes}`);
        check(timings.decodeTokensPerSecond > 0 && timings.timeToFirstTokenMs > 0, JSON.stringify(timings));
      });
    },

    // With 4 GiB of addresses each, more than a tab has if they stayed.
    async "loads a dozen times"() {
      for (let round = 0; round < 12; round++) await withModel(MODEL, {}, (model) => isWhole(model, `round ${round}`));
    },
  };
}
