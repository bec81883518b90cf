// Tables and plots from results whose figures are known.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "./options.mjs";
import { charts } from "./page/plot.js";
import { markdown, tables } from "./page/report.js";
import { bytesPerToken, median, ratios, summary } from "./page/stats.js";

const OPTIONS = { rounds: 3, promptTokens: 100, tokens: 20, depths: [100, 1000] };

function run(backend, threads, speed) {
  const info = { weightBytes: 1e9, kvCacheBytes: 1e8, contextLength: 1000 };
  const limits = { readBytesPerSecond: 2e10, readBytes: 1e9, dotMacsPerSecond: 1e11, tableMacsPerSecond: 8e10, macsPerPromptToken: 2e9 };
  // The middle one counts, whatever disturbed the others.
  const rounds = [speed, 1000, 0.1].map((generation) => ({ promptTokensPerSecond: 2 * generation, generationTokensPerSecond: generation, limits }));
  return {
    backend,
    threads,
    options: OPTIONS,
    info,
    loadSeconds: 4.25,
    firstTokenMs: 12,
    rounds,
    depths: OPTIONS.depths.map((depth) => ({ depth, generation: [speed - depth / 1000, 0, 99] })),
    memory: { wasmBytes: 1.2e9, weightBytes: 1e9, kvCacheBytes: 1.5e8, otherBytes: 5e7 },
  };
}

const peer = (type, threads, speed) => ({
  name: `wllama ${type}`,
  threads,
  promptTokens: 32,
  tokens: 8,
  rounds: [{ promptTokensPerSecond: 2 * speed, generationTokensPerSecond: speed }],
});

const results = () => ({
  machine: { processor: "P", browser: "B", date: "D" },
  model: { name: "m.gguf", bytes: 1.1e9 },
  options: OPTIONS,
  runs: [run("relaxed", 1, 8), run("relaxed", 2, 15), run("simd128", 1, 6), run("simd128", 2, 16)],
  peers: [peer("TQ2_0", 1, 1.5), peer("TQ2_0", 2, 3), peer("Q4_K", 1, 2), peer("Q4_K", 2, 4)],
});

test("a median is the middle, or the mean of the middle two", () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([4, 1, 2, 100]), 3);
});

test("forms are told by sums and medians, and without a word of speed", () => {
  const answer = (more) => ({ compileMs: 3, masks: 10, maskMsTotal: 1, medianMaskMs: 0.05, slowestMaskMs: 2, certainTokens: 4, tokens: 12, ...more });
  const forms = [
    {
      backend: "relaxed",
      threads: 2,
      info: { vocabulary: 128256 },
      fetchMs: 40.4,
      vocabularyMs: 350.6,
      forms: [{ form: "any object", answers: [answer({ compileMs: 20 }), answer({ slowestMaskMs: 7.04, maskMsTotal: 3 }), answer({ medianMaskMs: 0.04 })] }, { form: "never came to it", answers: [] }],
    },
  ];
  const [before, table, ...others] = tables({ options: { rounds: 3 }, runs: [], peers: [], forms });
  assert.deepEqual(before.rows, [["relaxed", "2", "128256", "40", "351"]]);
  assert.deepEqual(table.rows, [["any object", "relaxed", "2", "3.0", "36", "12", "0.05", "0.17", "7.0"]]);
  assert.deepEqual(others, []);
  assert.throws(() => parse(["--load", "--forms"]), /--forms/);
  assert.throws(() => parse(["--forms", "--peer", "wllama"]), /--peer/);
  assert.equal(parse(["--forms"]).forms, true);
});

test("loading is told beside the plain fetch, by medians", () => {
  const loading = {
    fetched: { way: "fetch", seconds: [4, 99, 3] },
    runs: [{ backend: "relaxed", threads: 2, ways: [{ way: "cache", seconds: [2, 1, 77] }, { way: "never came to it", seconds: [] }] }],
  };
  const [table, ...others] = tables({ options: { rounds: 3 }, runs: [], peers: [], loading });
  assert.deepEqual(table.rows, [["fetch", "", "", "4.00", ""], ["cache", "relaxed", "2", "2.00", "0.50"]]);
  assert.deepEqual(others, []);
  assert.throws(() => parse(["--load", "--threads", "auto"]), /--load/);
  assert.equal(parse(["--load"]).load, true);
});

test("shares are what is read and multiplied, of what the machine allows", () => {
  const { generation, prompt, ofReadLimit, ofPromptLimit } = summary(run("relaxed", 1, 8));
  assert.deepEqual([generation, prompt], [8, 16]);
  // Behind 100 prompt tokens, in the middle of 20: 110 of the 1000 that the cache has room for.
  assert.equal(bytesPerToken(run("relaxed", 1, 8).info, 110), 1.011e9);
  assert.ok(Math.abs(ofReadLimit - (8 * 1.011e9) / 2e10) < 1e-12);
  assert.ok(Math.abs(ofPromptLimit - (16 * 2e9) / 1e11) < 1e-12);
});

test("a peer is compared with our fastest build on as many threads", () => {
  const [one, two] = ratios(results());
  assert.deepEqual([one.backend, one.generationRatio], ["relaxed", 8 / 1.5]);
  assert.deepEqual([two.backend, two.generationRatio, two.promptRatio], ["simd128", 16 / 3, 32 / 6]);
});

test("every table is there, and all rows of one are as long as its header", () => {
  const all = tables(results());
  assert.equal(all.length, 4);
  for (const { header, rows } of all) for (const row of rows) assert.equal(row.length, header.length);
  const text = markdown(results());
  assert.match(text, /\| relaxed \| 2 \| 30\.0 × 1\.88 \| 0\.60 \| 15\.0 × 1\.88 \|/);
  assert.match(text, /\| 1200 \| 1000 \| 150 \| 50 \|/);
  assert.doesNotMatch(text, /NaN|undefined/);
});

test("no share of memory reads is told where a cache may hold the weights", () => {
  const small = { ...results(), runs: [run("relaxed", 1, 8)] };
  for (const round of small.runs[0].rounds) round.limits = { ...round.limits, readBytes: 2e6 };
  assert.match(markdown(small), /\| 8\.0 \| in cache \|/);
});

test("what was not measured has no table and no plot", () => {
  const few = { ...results(), runs: [run("relaxed", 1, 8)], peers: [], options: { ...OPTIONS, depths: [] } };
  few.runs[0].depths = [];
  delete few.runs[0].memory;
  assert.equal(tables(few).length, 1);
  assert.deepEqual(charts(few), []);
  assert.doesNotMatch(markdown({ ...few, machine: results().machine }), /NaN|undefined/);
});

test("where the engine finds the number of threads it is compared with one, and is in no plot over threads", () => {
  const all = { ...results(), runs: [run("relaxed", "auto", 3), run("relaxed", 1, 2), run("relaxed", 2, 4)] };
  assert.deepEqual(tables(all)[0].rows.map(([, threads, , , generation]) => [threads, generation]), [["auto", "3.0 × 1.50"], ["1", "2.0"], ["2", "4.0 × 2.00"]]);
  for (const { svg } of charts(all)) assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
});

test("plots are whole SVG files whose names do not overlap", () => {
  const drawn = charts(results());
  assert.deepEqual(drawn.map(({ name }) => name), ["prompt-threads", "generation-threads", "generation-context"]);
  for (const { svg } of drawn) {
    assert.ok(svg.startsWith("<svg") && svg.endsWith("</svg>\n"));
    assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
    const heights = [...svg.matchAll(/class="name" x="[\d.]+" y="([\d.]+)"/g)].map(([, y]) => Number(y)).sort((a, b) => a - b);
    assert.ok(heights.length >= 4);
    for (let i = 1; i < heights.length; i++) assert.ok(heights[i] - heights[i - 1] >= 14, heights.join(" "));
  }
});

test("options make the builds, and say what is wrong with them", () => {
  const { builds, depths, tokens } = parse(["--threads", "1,3,auto", "--backends", "relaxed,simd128", "--depths", "1000,100"]);
  assert.deepEqual(builds.map(({ backend, threads }) => backend + threads), ["relaxed1", "relaxed3", "relaxedauto", "simd1281", "simd1283", "simd128auto"]);
  assert.deepEqual([depths, tokens], [[100, 1000], 32]);
  for (const [wrong, word] of [[["--threads", "x"], "threads"], [["--tokens", "1"], "tokens"], [["--backends", "avx2"], "avx2"], [["--peer", "other"], "other"], [["--nothing"], "nothing"]]) {
    assert.throws(() => parse(wrong), new RegExp(word));
  }
});
