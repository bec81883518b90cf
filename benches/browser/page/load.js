// How long a model takes until it can answer, from where its bytes may come: through the package's exports alone.
import { BitNet, clearCachedModels } from "/lib/index.js";
import { name } from "./stats.js";

/** What every other way is compared with: the same bytes, fetched and dropped. */
const FETCH = "fetch and read alone";
/** In the order in which a round takes them: what the first with a cache has kept is there for the last. */
const WAYS = [
  { way: "network, no cache", cache: false },
  { way: "network, kept in the cache", cache: "required" },
  { way: "from the cache", cache: "required", cached: true },
];

/**
 * @param options `{ source: an address, builds: [{ backend, threads: number }], rounds, contextLength?, tokenEmbedding? }`
 * @param tell gets `{ text, done, total }` before each piece of work, and after it `{ results }` with what there is
 */
export async function benchLoading(options, tell) {
  const { source, builds, rounds } = options;
  const fetched = { way: FETCH, seconds: [] };
  const runs = builds.map((build) => ({ ...build, ways: WAYS.map(({ way }) => ({ way, seconds: [] })) }));
  const results = { options, runs: [], peers: [], loading: { fetched, runs } };
  const total = rounds * (1 + builds.length * WAYS.length);
  let done = 0;
  const begin = (text, round) => tell({ text: `round ${round + 1} of ${rounds}: ${text}`, done: done++, total });
  for (let round = 0; round < rounds; round++) {
    begin(FETCH, round);
    const { bytes, seconds } = await fetchAndRead(source);
    fetched.bytes = bytes;
    fetched.seconds.push(seconds);
    for (const [index, build] of builds.entries()) {
      await clearCachedModels();
      for (const [at, { way, cache, cached }] of WAYS.entries()) {
        begin(`${name(build)}, ${way}`, round);
        runs[index].ways[at].seconds.push(await load(options, build, cache, cached === true));
      }
    }
    tell({ results });
  }
  await clearCachedModels();
  return results;
}

async function fetchAndRead(source) {
  const began = performance.now();
  const response = await fetch(source, { cache: "no-store" });
  const reader = response.body.getReader();
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.byteLength;
  }
  if (!response.ok) throw new Error(`${source} answered ${response.status}`);
  return { bytes, seconds: (performance.now() - began) / 1000 };
}

async function load({ source, contextLength, tokenEmbedding }, { backend, threads }, cache, cached) {
  const began = performance.now();
  const model = await BitNet.load(source, { backend, threads, cache, ...(contextLength && { contextLength }), ...(tokenEmbedding && { tokenEmbedding }) });
  const seconds = (performance.now() - began) / 1000;
  const { info } = model;
  await model.dispose();
  if (info.threads !== threads) throw new Error(`${threads} threads were asked for, ${info.threads} came: ${info.whySingleThreaded ?? info.notes.join("; ")}`);
  if (info.cached !== cached) throw new Error(`${cached ? "nothing" : "something"} came from the cache: ${info.notes.join("; ")}`);
  return seconds;
}
