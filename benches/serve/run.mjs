// ./build.sh bench --serve: `b158 serve` and llama.cpp's own server by turns, with 1, 2, 4 and 8 clients at a time.
import { spawn } from "node:child_process";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { cpus } from "node:os";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { ourModel, peerModels } from "../browser/models.mjs";
import { median } from "../browser/page/stats.js";

const USAGE = `usage: ./build.sh bench --serve [OPTION ...]

  --file GGUF            the model; else one of random weights in the shape of BitNet b1.58-2B-4T is made (once, 1.2 GB)
  --layers N             of the models that are made: fewer, to try the bench
  --clients 1,2,4,8      how many ask at a time, each one request after the other
  --requests 3           of each client
  --prompt-tokens 128    of each request, other ones each time, so that nothing kept helps
  --tokens 32            generated for each
  --threads N            of each server [all processors]
  --rounds 3             the median of so many
  --peer llama.cpp       beside it llama.cpp's server, on a TQ2_0 file of that shape (a --file must be of it too)
  --json FILE            results [target/bench/serve.json]`;

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: {
    ...Object.fromEntries(["file", "layers", "peer", "json", "program", "cache", "out", "llama-server"].map((name) => [name, { type: "string" }])),
    ...Object.fromEntries(
      Object.entries({ clients: "1,2,4,8", requests: "3", "prompt-tokens": "128", tokens: "32", threads: `${cpus().length}`, rounds: "3" }).map(([name, value]) => [name, { type: "string", default: value }]),
    ),
    help: { type: "boolean", default: false },
  },
});

function count(name, text = values[name]) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new Error(`--${name} is '${text}'; it must be a whole number from 1 on`);
  return number;
}

async function main() {
  if (values.help) return console.log(USAGE);
  if (values.peer !== undefined && values.peer !== "llama.cpp") throw new Error(`--peer is '${values.peer}'; it knows llama.cpp`);
  const asked = { clients: values.clients.split(",").map((text) => count("clients", text)) };
  for (const name of ["requests", "prompt-tokens", "tokens", "threads", "rounds"]) asked[name] = count(name);
  const models = { cache: values.cache, program: values.program, layers: values.layers, file: values.file };
  const slots = Math.max(...asked.clients);
  const context = asked["prompt-tokens"] + asked.tokens + 64;
  const ours = { name: "b158 serve", path: ourModel(models), program: values.program };
  ours.args = (port) => ["serve", "-m", ours.path, "--port", port, "-t", asked.threads, "-c", context, "--parallel", slots, "--quiet"];
  const servers = [ours];
  if (values.peer !== undefined) {
    const [{ path }] = peerModels({ ...models, peers: ["llama.cpp"] });
    const theirs = { name: "llama-server", path, program: values["llama-server"] };
    theirs.args = (port) => ["-m", path, "--port", port, "-t", asked.threads, "-tb", asked.threads, "-c", context * slots, "-np", slots, "--no-cache-prompt", "--log-disable"];
    servers.push(theirs);
  }
  const running = [];
  try {
    for (const server of servers) running.push(await start(server));
    const rounds = [];
    for (let round = 0; round <= asked.rounds; round++) {
      for (const clients of asked.clients) {
        for (const { name, url } of running) {
          // The first round warms: files are read, buffers taken, kernels chosen.
          if (round > 0) console.error(`[${round} of ${asked.rounds}] ${name}, ${clients} clients`);
          const measured = await measure(url, clients, round === 0 ? { ...asked, requests: 1, tokens: 4 } : asked);
          if (round > 0) rounds.push({ name, clients, ...measured });
        }
      }
    }
    report(asked, servers, rounds);
  } finally {
    for (const { child } of running) child.kill();
  }
}

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

async function start({ name, program, args }) {
  const port = await freePort();
  const child = spawn(program, args(port).map(String), { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (piece) => (said = (said + piece).slice(-2000)));
  const ended = new Promise((_, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`${name} ended with ${code}:\n${said}`)));
  });
  ended.catch(() => {});
  const url = `http://127.0.0.1:${port}`;
  // llama-server says where it listens before it can answer.
  for (;;) {
    const healthy = fetch(`${url}/health`).then(({ ok }) => ok, () => false);
    if (await Promise.race([healthy, ended])) return { name, url, child };
    await Promise.race([new Promise((resolve) => setTimeout(resolve, 100)), ended]);
  }
}

// Any ids will do for random weights, and other ones each time. The first 256 tokens of both vocabularies are bytes.
let seed = 1;
const promptOf = (length) => Array.from({ length }, () => ((seed = (seed * 1103515245 + 12345) % 2 ** 31), 32 + ((seed >> 16) % 90)));

/** All answers are "aaaa…": the text comes with each token, and none ends before its time. The head is computed as ever. */
const BIAS = { 64: 100 };

async function measure(url, clients, { requests, tokens, "prompt-tokens": promptTokens }) {
  const answers = [];
  const began = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      for (let request = 0; request < requests; request++) answers.push(await ask(url, promptOf(promptTokens), tokens));
    }),
  );
  const seconds = (performance.now() - began) / 1000;
  return {
    requestsPerSecond: answers.length / seconds,
    tokensPerSecond: (answers.length * tokens) / seconds,
    firstToken: median(answers.map(({ first }) => first)),
    ownTokensPerSecond: median(answers.map(({ first, last }) => (1000 * (tokens - 1)) / (last - first))),
  };
}

/** One streamed answer: ms until its first and its last token. */
async function ask(url, prompt, tokens) {
  const began = performance.now();
  const body = JSON.stringify({ model: "any", prompt, max_tokens: tokens, temperature: 0, logit_bias: BIAS, stream: true, stream_options: { include_usage: true } });
  const response = await fetch(`${url}/v1/completions`, { method: "POST", headers: { "content-type": "application/json" }, body });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  let [rest, first, last, usage] = ["", 0, 0];
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data: {")) continue;
      const event = JSON.parse(line.slice(6));
      usage = event.usage ?? usage;
      if (!event.choices?.[0]?.text) continue;
      last = performance.now() - began;
      first ||= last;
    }
  }
  if (usage?.completion_tokens !== tokens || usage.prompt_tokens < prompt.length) throw new Error(`${url} was asked for ${prompt.length} and ${tokens} tokens: ${JSON.stringify(usage)}`);
  return { first, last };
}

function report(asked, servers, rounds) {
  const lines = [`| clients | server | requests a second | first token, ms | tokens a second, all | of each |`, "| --- | --- | --- | --- | --- | --- |"];
  const results = [];
  for (const clients of asked.clients) {
    for (const { name } of servers) {
      const own = rounds.filter((round) => round.name === name && round.clients === clients);
      const of = (key) => median(own.map((round) => round[key]));
      const result = { clients, name, requestsPerSecond: of("requestsPerSecond"), firstToken: of("firstToken"), tokensPerSecond: of("tokensPerSecond"), ownTokensPerSecond: of("ownTokensPerSecond") };
      results.push(result);
      lines.push(`| ${clients} | ${name} | ${result.requestsPerSecond.toFixed(2)} | ${result.firstToken.toFixed(0)} | ${result.tokensPerSecond.toFixed(1)} | ${result.ownTokensPerSecond.toFixed(1)} |`);
    }
  }
  const files = servers.map(({ name, path }) => `${name}: ${basename(path)}, ${(statSync(path).size / 1e6).toFixed(0)} MB`);
  console.log(`${cpus()[0]?.model.trim()}, ${asked.threads} threads; prompts of ${asked["prompt-tokens"]} tokens, ${asked.tokens} generated, ${asked.requests} requests a client, medians of ${asked.rounds} rounds by turns`);
  console.log(`${files.join("; ")}\n\n${lines.join("\n")}`);
  const json = values.json ?? join(values.out, "serve.json");
  mkdirSync(dirname(json), { recursive: true });
  writeFileSync(json, JSON.stringify({ asked, results, rounds }, null, 1));
}

await main();
