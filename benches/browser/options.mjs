// What ./build.sh bench --browser takes.
import { parseArgs } from "node:util";
import { BROWSERS } from "./browsers.mjs";
import { PEER_NAMES } from "./models.mjs";

export const USAGE = `usage: ./build.sh bench --browser [OPTION ...]

  --file GGUF            the model; else one of random weights in the shape of BitNet b1.58-2B-4T is made (once, 1.2 GB)
  --address URL          a model on a server
  --layers N             of the model that is made: fewer, to try the bench
  --in chromium|firefox  the browser; peers run beside Chromium only [chromium]
  --backends A,B         builds: relaxed,simd128
  --threads 1,2,auto     numbers of threads; auto: as the engine finds best while it generates [1,2]
  --rounds 5             the median of so many counts
  --prompt-tokens 128    --tokens 32
  --depths 100,1000      generation behind contexts of these lengths too; a prompt of each is read first
  --context N            context length [as the model's, 4096 at most]
  --token-embedding file|int8 hold the embedding as it is in the file, or in 8 bits [auto: 8 bits if it is large]
  --load                 loading instead: plain fetch, network without and with the cache, from the cache
  --forms                answers of a form instead: what holding them to it takes, at the model's vocabulary
  --peer A,B             other engines by turns with it, on files in the shape of 2B-4T (a --file must be of that shape too). wllama:
                         llama.cpp in WebAssembly, TQ2_0 and Q4_K. llama.cpp: natively, TQ2_0 (x86-64). b158: the native program
  --json FILE            results [target/bench/browser.json]; the plots go beside it
  --serve                only serve the page, for a person to open`;

const list = (text) => text.split(",").filter((part) => part !== "");

function count(name, text, least = 1) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < least) throw new Error(`--${name} is '${text}'; it must be a whole number from ${least} on`);
  return number;
}

/** @param {string[]} args */
export function parse(args) {
  const string = (value) => ({ type: "string", ...(value !== undefined && { default: value }) });
  const { values } = parseArgs({
    args,
    options: {
      file: string(),
      address: string(),
      layers: string(),
      in: string("chromium"),
      backends: string("relaxed,simd128"),
      threads: string("1,2"),
      rounds: string("5"),
      "prompt-tokens": string("128"),
      tokens: string("32"),
      depths: string(""),
      context: string(),
      "token-embedding": string(),
      peer: string(""),
      json: string(),
      load: { type: "boolean", default: false },
      forms: { type: "boolean", default: false },
      serve: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
      // From build.sh.
      program: string("target/release/b158"),
      cache: string(".cache/models"),
      out: string("target/bench"),
    },
  });
  const backends = list(values.backends);
  for (const backend of backends) {
    if (backend !== "relaxed" && backend !== "simd128") throw new Error(`--backends has '${backend}'; it knows relaxed and simd128`);
  }
  const peers = list(values.peer);
  for (const peer of peers) {
    if (!PEER_NAMES.includes(peer)) throw new Error(`--peer has '${peer}'; it knows ${PEER_NAMES.join(", ")}`);
  }
  if (!(values.in in BROWSERS)) throw new Error(`--in is '${values.in}'; it knows ${Object.keys(BROWSERS).join(", ")}`);
  if (values.in !== "chromium" && peers.length > 0) throw new Error("--peer needs --in chromium");
  if (values.file !== undefined && values.address !== undefined) throw new Error("give one of --file and --address");
  const threads = list(values.threads).map((text) => (text === "auto" ? text : count("threads", text)));
  if (values.load && values.forms) throw new Error("give one of --load and --forms");
  if (values.forms && peers.length > 0) throw new Error("--forms takes no --peer");
  if (values.load && (peers.length > 0 || threads.includes("auto"))) throw new Error("--load takes numbers of threads, and no --peer");
  return {
    ...values,
    layers: values.layers === undefined ? undefined : count("layers", values.layers),
    builds: backends.flatMap((backend) => threads.map((number) => ({ backend, threads: number }))),
    // Of the peers none finds out by itself.
    threads: threads.filter((number) => number !== "auto"),
    peers,
    rounds: count("rounds", values.rounds),
    promptTokens: count("prompt-tokens", values["prompt-tokens"]),
    // The first of them does not count for the speed.
    tokens: count("tokens", values.tokens, 2),
    depths: list(values.depths).map((text) => count("depths", text)).sort((a, b) => a - b),
    contextLength: values.context === undefined ? undefined : count("context", values.context),
    tokenEmbedding: values["token-embedding"],
    json: values.json ?? `${values.out}/browser.json`,
  };
}
