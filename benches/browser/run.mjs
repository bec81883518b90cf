// ./build.sh bench --browser: serves the page, drives it in a browser, prints tables, writes JSON and plots.
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { basename, dirname, extname, resolve } from "node:path";
import { serve } from "../../www/serve.mjs";
import { alone } from "./alone.mjs";
import { BROWSERS } from "./browsers.mjs";
import { ourModel, peerModels } from "./models.mjs";
import { parse, USAGE } from "./options.mjs";
import { charts } from "./page/plot.js";
import { markdown } from "./page/report.js";
import { measureNative } from "./peers/native.mjs";

const here = (path) => resolve(import.meta.dirname, path);

async function main() {
  const options = parse(process.argv.slice(2));
  if (options.help) {
    console.log(USAGE);
    return;
  }
  const file = options.address === undefined ? ourModel(options) : undefined;
  const peers = peerModels(options);
  const server = await serve({
    port: options.serve ? 8159 : 0,
    root: here("page"),
    file,
    folders: { "/lib/": here("../../www/dist/lib"), "/peers/wllama/": here("peers/wllama") },
    guarded: false,
  });
  const source = options.address ?? server.fileUrl;
  if (options.serve) {
    console.log(`${server.url}?model=${encodeURIComponent(source)}`);
    return;
  }
  const { load, forms, builds, rounds, tokens, promptTokens, depths, contextLength, tokenEmbedding } = options;
  const asked = { source, load, forms, builds, rounds, tokens, promptTokens, depths, contextLength, tokenEmbedding, peers: peers.map(({ path: _, ...peer }) => peer) };
  try {
    const drive = load && options.in === "chromium" ? alone : BROWSERS[options.in];
    const { browser, measured } = await drive(server.url, asked, {
      folder: dirname(options.json),
      told: (text, done, total) => console.error(`[${done + 1} of ${total}] ${text}`),
      files: peers.filter(({ native }) => !native).map(({ path }) => path),
      measureNative: (run) => measureNative(options.program, { ...run, path: peers.find(({ name }) => name === run.name).path }),
    });
    const model = { name: basename(file ?? options.address), bytes: file === undefined ? (measured.loading?.fetched.bytes ?? (measured.forms ?? measured.runs)[0].info.weightBytes) : statSync(file).size };
    write({ machine: machine(browser), model, ...measured }, options.json);
  } finally {
    server.close();
  }
}

const machine = (browser) => ({
  processor: `${cpus()[0]?.model.trim() ?? "unknown processor"}, ${cpus().length} threads`,
  browser,
  date: new Date().toISOString().slice(0, 10),
});

function write(results, json) {
  mkdirSync(dirname(json), { recursive: true });
  writeFileSync(json, `${JSON.stringify(results, undefined, 2)}\n`);
  const files = [json];
  for (const { name, svg } of charts(results)) {
    files.push(`${json.slice(0, json.length - extname(json).length)}-${name}.svg`);
    writeFileSync(files.at(-1), svg);
  }
  console.log(markdown(results));
  console.error(`written: ${files.join(", ")}`);
}

main().catch((error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
