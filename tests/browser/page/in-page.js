// What the tests of workers, of memory and of long runs do in the page: `window.lab`.
import { BitNet } from "/lib/index.js";

const MODEL = "/models/stories-I2_S.gguf";
/** The model goes on beyond its 512 tokens, with nonsense, but for long. */
const LONG = { contextLength: 20_000, overrides: ["bitnet-b1.58.context_length=int:20000"] };

/** Without the tokens that end an answer it does not. */
const ENDLESS = { logitBias: { 1017: -1e4, 1018: -1e4 } };

const load = (options) => BitNet.load(MODEL, { threads: 1, cache: false, ...options });

/** All that is known of each token, so that a bit that differs shows. */
async function say(speaker, prompt, options) {
  const said = [];
  for await (const { id, text, logProbability, entropy } of speaker.generate(prompt, { logProbabilities: true, ...options })) {
    said.push([id, text, logProbability, entropy]);
  }
  return said;
}

/** Random numbers from 0 to 1, the same for the same seed. */
function random(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** How a promise ends, with the code of its error, or that it does not. */
const end = (promise, ms = 240_000) =>
  Promise.race([
    promise.then(
      () => "no error",
      ({ code, name }) => (typeof code === "string" ? code : name), // a DOMException has a number
    ),
    new Promise((resolve) => setTimeout(resolve, ms, "it hangs")),
  ]);

window.lab = { BitNet, MODEL, LONG, ENDLESS, load, say, random, end };
