// Models of random weights in the shape of BitNet b1.58-2B-4T, made once and kept.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, statSync } from "node:fs";
import { basename, join } from "node:path";

/** llama.cpp reads neither arch `bitnet-b1.58` nor I2_S. Q6_K is what its own converter makes of the embedding. */
const PEER = ["--arch", "bitnet", "--embedding-type", "Q6_K"];
/** Slow as it is, fewer tokens tell its speed as well. */
const PEER_LENGTHS = { promptTokens: 32, tokens: 8 };

export const ourModel = (options) => options.file ?? make(options, "I2_S", []);

/** What the page needs of each peer: `{ name, file, path, threads, promptTokens, tokens }`. */
export function peerModels(options) {
  if (options.peer === undefined) return [];
  return ["TQ2_0", "Q4_K"].map((type) => {
    const path = make(options, type, ["--type", type, ...PEER]);
    return { name: `wllama ${type}`, file: basename(path), path, bytes: statSync(path).size, threads: options.threads, ...PEER_LENGTHS };
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
