// Line charts as SVG text, for the page and for files: light and dark by the reader's own setting.
import { baseOf, median, name, summary } from "./stats.js";

const WIDTH = 600;
const HEIGHT = 340;
const FRAME = { left: 52, right: 186, top: 58, bottom: 46 };
const LABEL_GAP = 15;

/** A colour for each build; more threads make a fuller line. */
const COLOURS = { relaxed: "a", simd128: "b" };
const STYLE = `
.sheet { fill: #fbfdfb } .ink { fill: #13211d } .soft { fill: #4f6159 } .grid { stroke: #dbe4de } .axis { stroke: #9fb0a7 }
.a { --line: #0c6a61 } .b { --line: #c77700 } .c { --line: #8b4a9c } .d { --line: #a3261a }
.line { fill: none; stroke: var(--line); stroke-width: 2.5; stroke-linejoin: round } .dot { fill: var(--line); stroke: #fbfdfb; stroke-width: 1.5 } .name { fill: var(--line) }
.thin { stroke-dasharray: 5 4; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
.sheet { fill: #121b19 } .ink { fill: #e2ebe6 } .soft { fill: #97aaa1 } .grid { stroke: #25332f } .axis { stroke: #55675f } .dot { stroke: #121b19 }
.a { --line: #4fc3b2 } .b { --line: #f2b540 } .c { --line: #d3a0e2 } .d { --line: #ff9d8f }
}
text { font: 13px system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif } .title { font-size: 15px; font-weight: 600 }`;

/** The charts that the results are enough for: `{ name, svg }`. */
export function charts(results) {
  return [overThreads(results, "prompt"), overThreads(results, "generation"), overContext(results)].filter((chart) => chart !== undefined);
}

function overThreads(results, figure) {
  const runs = results.runs.filter(({ rounds, threads }) => rounds.length > 0 && threads !== "auto");
  const series = lines(
    runs.map((run) => ({ name: run.backend, kind: COLOURS[run.backend], at: run.threads, value: summary(run)[figure] })),
    results.peers.filter(({ rounds }) => rounds.length > 0).map((peer, index) => ({
      name: peer.name,
      kind: peerKind(results.peers, index),
      at: peer.threads,
      value: median(peer.rounds.map((round) => round[`${figure}TokensPerSecond`])),
    })),
  );
  if (!series.some(({ points }) => points.length > 1)) return undefined;
  const { options } = results;
  const what = figure === "prompt" ? `Prompt of ${options.promptTokens} tokens` : `Generation of ${options.tokens} tokens`;
  return { name: `${figure}-threads`, svg: chart({ title: `${what}, by threads`, x: "threads", y: "tokens a second", series }) };
}

function overContext({ runs }) {
  const series = runs
    .map((run) => ({
      name: name(run),
      kind: COLOURS[run.backend],
      thin: run === baseOf(run, runs) && runs.some(({ threads }) => threads !== run.threads),
      points: run.depths.filter(({ generation }) => generation.length > 0).map(({ depth, generation }) => [depth, median(generation)]),
    }))
    .filter(({ points }) => points.length > 1);
  if (series.length === 0) return undefined;
  return { name: "generation-context", svg: chart({ title: "Generation behind a context", x: "tokens in the context", y: "tokens a second", series, fromZero: true }) };
}

const peerKind = (peers, index) => ["c", "d"][[...new Set(peers.map(({ name }) => name))].indexOf(peers[index].name) % 2];

/** Points of one name become one line. */
function lines(...groups) {
  const series = new Map();
  for (const { name, kind, at, value } of groups.flat()) {
    if (!series.has(name)) series.set(name, { name, kind, points: [] });
    series.get(name).points.push([at, value]);
  }
  for (const { points } of series.values()) points.sort((a, b) => a[0] - b[0]);
  return [...series.values()];
}

/** @param series `[{ name, kind, thin?, points: [[x, y]] }]`, each point's x being a tick; `fromZero`: the x axis begins there */
export function chart({ title, x, y, series, fromZero = false }) {
  const xs = [...new Set(series.flatMap(({ points }) => points.map(([at]) => at)))].sort((a, b) => a - b);
  const ys = ticks(Math.max(...series.flatMap(({ points }) => points.map(([, value]) => value))));
  const [most, top] = [xs.at(-1), ys.at(-1)];
  const least = fromZero ? 0 : xs[0] - (most - xs[0]) / 8;
  const [right, bottom] = [WIDTH - FRAME.right, HEIGHT - FRAME.bottom];
  const px = (at) => round(FRAME.left + ((at - least) / (most - least)) * (right - FRAME.left));
  const py = (value) => round(bottom - (value / top) * (bottom - FRAME.top));

  const parts = [
    `<rect class="sheet" width="${WIDTH}" height="${HEIGHT}" rx="8"/>`,
    text(16, 26, "ink title", title),
    text(16, 46, "soft", y),
    ...ys.map((value) => `<path class="grid" d="M${FRAME.left} ${py(value)}H${right}"/>${text(FRAME.left - 8, py(value) + 4, "soft", value, "end")}`),
    `<path class="axis" d="M${FRAME.left} ${bottom}H${right}"/>`,
    ...xs.map((at) => `<path class="axis" d="M${px(at)} ${bottom}v5"/>${text(px(at), bottom + 20, "soft", at, "middle")}`),
    text((FRAME.left + right) / 2, HEIGHT - 8, "soft", x, "middle"),
  ];
  for (const { kind, thin, points } of series) {
    const path = points.map(([at, value], index) => `${index === 0 ? "M" : "L"}${px(at)} ${py(value)}`).join("");
    const dots = points.map(([at, value]) => `<circle class="dot" cx="${px(at)}" cy="${py(value)}" r="4"/>`).join("");
    parts.push(`<g class="${kind}"><path class="line${thin ? " thin" : ""}" d="${path}"/>${dots}</g>`);
  }
  for (const { label, kind, at } of labels(series, py)) parts.push(`<g class="${kind}">${text(right + 10, at + 4, "name", label)}</g>`);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escape(title)}"><style>${STYLE}</style>\n${parts.join("\n")}\n</svg>\n`;
}

/** Names at the lines' ends, pushed apart where they would overlap. */
function labels(series, py) {
  const ends = series.map(({ name, kind, points }) => ({ label: `${name}: ${points.at(-1)[1].toFixed(1)}`, kind, at: py(points.at(-1)[1]) }));
  ends.sort((a, b) => b.at - a.at);
  let lowest = HEIGHT - FRAME.bottom;
  for (const end of ends) {
    end.at = Math.min(end.at, lowest);
    lowest = end.at - LABEL_GAP;
  }
  return ends;
}

/** Round steps from 0 to above `most`. */
function ticks(most) {
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough);
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => Number((index * step).toPrecision(6)));
}

const round = (number) => Number(number.toFixed(1));
const escape = (value) => String(value).replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
const text = (x, y, kind, value, anchor = "start") => `<text class="${kind}" x="${x}" y="${y}" text-anchor="${anchor}">${escape(value)}</text>`;
