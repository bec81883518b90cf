// The results as tables: cells for the page, Markdown for benches/README.md.
import { baseOf, inCache, median, ratios, summary } from "./stats.js";

const fixed = (digits) => (number) => number.toFixed(digits);
const [whole, tenth, hundredth] = [0, 1, 2].map(fixed);
const giga = (number) => tenth(number / 1e9);
const mega = (bytes) => whole(bytes / 1e6);
/** Small ones with two digits: there the second one counts. */
const ratio = (number) => (number < 3 ? hundredth : tenth)(number);
/** `× 1.84` where there is something to compare with. */
const times = (now, base) => (now === base ? "" : ` × ${hundredth(now / base)}`);

/** Every table there is something to say in: `{ title, header, rows }`. */
export function tables(results) {
  return [speed(results), memory(results), depths(results), loading(results), peers(results), prepared(results), forms(results)].filter(({ rows }) => rows.length > 0);
}

function speed({ runs, options }) {
  const header = [
    "build",
    "threads",
    `prompt (${options.promptTokens}), tok/s`,
    "of the prompt limit",
    `generation (${options.tokens}), tok/s`,
    "of the read limit",
    "memory read, GB/s",
    "tables, G MAC/s",
    "dot, G MAC/s",
  ];
  const rows = runs.filter(({ rounds }) => rounds.length > 0).map((run) => {
    const [now, base] = [summary(run), summary(baseOf(run, runs))];
    return [
      run.backend,
      String(run.threads),
      tenth(now.prompt) + times(now.prompt, base.prompt),
      hundredth(now.ofPromptLimit),
      tenth(now.generation) + times(now.generation, base.generation),
      inCache(run) ? "in cache" : hundredth(now.ofReadLimit),
      giga(now.readBytesPerSecond),
      giga(now.tableMacsPerSecond),
      giga(now.dotMacsPerSecond),
    ];
  });
  return { title: `Tokens a second, median of ${options.rounds} alternating rounds`, header, rows };
}

function memory({ runs }) {
  const header = ["build", "threads", "loading, s", "last byte to first token, without the prompt, ms", "wasm memory at its peak, MB", "weights", "KV cache", "the rest"];
  const rows = runs.filter(({ memory }) => memory).map(({ backend, threads, loadSeconds, firstTokenMs, memory }) => [
    backend,
    String(threads),
    tenth(loadSeconds),
    whole(firstTokenMs),
    mega(memory.wasmBytes),
    mega(memory.weightBytes),
    mega(memory.kvCacheBytes),
    mega(memory.otherBytes),
  ]);
  return { title: "Loading and memory", header, rows };
}

function depths({ runs, options }) {
  const measured = (options.depths ?? []).filter((depth) => runs.every((run) => run.depths.some((at) => at.depth === depth && at.generation.length > 0)));
  const at = (run, depth) => run.depths.find((entry) => entry.depth === depth);
  const rows = measured.length === 0 ? [] : runs.map((run) => [run.backend, String(run.threads), ...measured.map((depth) => tenth(median(at(run, depth).generation)))]);
  return { title: "Generation behind a context, tok/s", header: ["build", "threads", ...measured.map((depth) => `${depth} tokens`)], rows };
}

function loading({ loading, options }) {
  const title = `Seconds until the model can answer, median of ${options.rounds} rounds by turns`;
  if (!loading) return { title, header: [], rows: [] };
  const { fetched, runs } = loading;
  const base = median(fetched.seconds);
  const rows = [[fetched.way, "", "", hundredth(base), ""]];
  for (const { backend, threads, ways } of runs) {
    for (const { way, seconds } of ways) {
      if (seconds.length > 0) rows.push([way, backend, String(threads), hundredth(median(seconds)), hundredth(median(seconds) / base)]);
    }
  }
  return { title, header: ["from", "build", "threads", "seconds", `of ${fetched.way}`], rows };
}

function peers(results) {
  const rows = ratios(results)
    .filter(({ peer }) => peer.rounds.length > 0)
    .map(({ peer, prompt, generation, backend, promptRatio, generationRatio }) => [
      peer.name,
      String(peer.threads),
      hundredth(prompt),
      hundredth(generation),
      ...(backend ? [`× ${ratio(promptRatio)}`, `× ${ratio(generationRatio)}`, backend] : ["", "", ""]),
    ]);
  const lengths = results.peers[0] && `${results.peers[0].promptTokens} prompt tokens, ${results.peers[0].tokens} generated`;
  return { title: `Another engine in the same browser (${lengths})`, header: ["engine", "threads", "prompt, tok/s", "generation, tok/s", "ours, prompt", "ours, generation", "our build"], rows };
}

function prepared({ forms = [] }) {
  const rows = forms.map(({ backend, threads, info, fetchMs, vocabularyMs }) => [backend, String(threads), String(info.vocabulary), whole(fetchMs), whole(vocabularyMs)]);
  return { title: "Before the first answer of a form", header: ["build", "threads", "tokens of the vocabulary", "module, ms", "its tokens, ms"], rows };
}

function forms({ forms = [], options }) {
  const header = ["form", "build", "threads", "compiled, ms", "tokens", "of them certain", "mask, ms: median", "mean", "slowest"];
  const rows = forms.flatMap(({ backend, threads, forms }) =>
    forms
      .filter(({ answers }) => answers.length > 0)
      .map(({ form, answers }) => {
        const sum = (figure) => answers.reduce((total, answer) => total + answer[figure], 0);
        const slowest = Math.max(...answers.map(({ slowestMaskMs }) => slowestMaskMs));
        return [
          form,
          backend,
          String(threads),
          tenth(median(answers.map(({ compileMs }) => compileMs))),
          whole(sum("tokens")),
          whole(sum("certainTokens")),
          hundredth(median(answers.map(({ medianMaskMs }) => medianMaskMs))),
          hundredth(sum("maskMsTotal") / sum("masks")),
          tenth(slowest),
        ];
      }),
  );
  return { title: `Answers of a form, ${options.rounds} of each`, header, rows };
}

export function markdown(results) {
  const { machine, model, options } = results;
  const lines = [`${machine.processor}, ${machine.browser}, ${machine.date}: ${model.name}, ${options.tokenEmbedding ? `embedding held as ${options.tokenEmbedding}, ` : ""}${mega(model.bytes)} MB.`, ""];
  for (const { title, header, rows } of tables(results)) {
    lines.push(`${title}:`, "", row(header), row(header.map(() => "---")), ...rows.map(row), "");
  }
  return lines.join("\n");
}

const row = (cells) => `| ${cells.join(" | ")} |`;
