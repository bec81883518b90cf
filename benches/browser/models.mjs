// Models of random weights in the shape of BitNet b1.58-2B-4T, made once and kept.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, statSync } from "node:fs";
import { basename, join } from "node:path";

/** llama.cpp reads neither arch `bitnet-b1.58` nor I2_S. Q6_K is what its own converter makes of the embedding. */
const LLAMA = ["--arch", "bitnet", "--embedding-type", "Q6_K"];

/** What each peer runs. `native`: a program, which peers/native.mjs calls; else the page does. */
const PEERS = {
  // Slow as it is, fewer tokens tell its speed as well.
  wllama: { types: ["TQ2_0", "Q4_K"], native: false, promptTokens: 32, tokens: 8 },
  "llama.cpp": { types: ["TQ2_0"], native: true },
  // This engine outside the browser.
  b158: { types: ["I2_S"], native: true },
};

export const PEER_NAMES = Object.keys(PEERS);

export const ourModel = (options) => options.file ?? make(options, "I2_S", []);

/** What the page needs of each peer: `{ name, engine, native, file, path, threads, promptTokens, tokens }`. */
export function peerModels(options) {
  const { threads, promptTokens, tokens } = options;
  return options.peers.flatMap((engine) => {
    const { types, ...peer } = PEERS[engine];
    return types.map((type) => {
      const path = engine === "b158" ? ourModel(options) : make(options, type, ["--type", type, ...LLAMA]);
      const name = `${engine} ${type}${peer.native ? ", native" : ""}`;
      return { name, engine, file: basename(path), path, bytes: statSync(path).size, threads, promptTokens, tokens, ...peer };
    });
  });
}

function make({ cache, program, layers }, name, extra) {
  const file = join(cache, `2b-4t-${name}${layers === undefined ? "" : `-${layers}-layers`}.gguf`);
  if (existsSync(file)) return file;
  mkdirSync(cache, { recursive: true });
  console.error(`making ${file}`);
  const part = `${file}.part`;
  const shape = layers === undefined ? [] : ["--layers", String(layers)];
  execFileSync(program, ["synth", "--preset", "2b-4t", ...shape, ...extra, "-o", part], { stdio: "inherit" });
  renameSync(part, file);
  return file;
}
