/** `b158 chat`: a conversation, line by line; `src/cli/chat.rs` of the crate with the engine of this package. */
import process from "node:process";
import { randomSeed } from "../../internal/random.js";
import { BitNet } from "../../public/bitnet.js";
import { BitNetError } from "../../public/errors.js";
import type { ChatMessage, GenerateOptions, Generation, GenerationResult, LoadOptions } from "../../public/types.js";
import { lines } from "./input.js";
import { fileText, unescape, type ChatOptions } from "./options.js";
import { Progress } from "./progress.js";
import { say, write } from "./terminal.js";

/** Ctrl-C ends the download or the answer, a second one the program. */
class Interrupts {
  #pressed = false;
  #stop: (() => void) | undefined;

  constructor() {
    process.on("SIGINT", () => {
      if (this.#pressed || !this.#stop) {
        say("");
        process.exit(130);
      }
      this.#pressed = true;
      this.#stop();
    });
  }

  /** Calls `stop` where it is pressed during `work`. */
  async during<T>(stop: () => void, work: () => Promise<T>): Promise<T> {
    this.#pressed = false;
    this.#stop = stop;
    try {
      return await work();
    } finally {
      this.#stop = undefined;
    }
  }
}

export async function chat(options: ChatOptions): Promise<void> {
  const interrupts = new Interrupts();
  const quiet = options.quiet === true;
  const text = (option: string, given: string) => (options.noEscape ? given : unescape(option, given));
  const system = options.systemFile === undefined ? options.system : fileText(options.systemFile);
  let first = options.promptFile === undefined ? options.prompt && text("-p", options.prompt) : text("-f", fileText(options.promptFile));
  const how = sampling(options, text);
  const model = await load(options, interrupts);
  const more = lines();
  try {
    const begin: ChatMessage[] = system === undefined ? [] : [{ role: "system", content: system }];
    let messages = [...begin];
    if (!quiet && !options.singleTurn) say("Type a message. Ctrl-C ends an answer, Ctrl-D the conversation, /clear forgets it.");
    for (;;) {
      let line = first;
      first = undefined;
      if (line === undefined) {
        const next = await more.next();
        if (next.done) return;
        if ("refused" in next.value) {
          say(`error: ${next.value.refused}: it is left out`);
          continue;
        }
        line = next.value.text;
      }
      if (line.trim() === "") continue;
      if (line.trim() === "/clear") {
        messages = [...begin];
        continue;
      }
      const asked: ChatMessage[] = [...messages, { role: "user", content: line }];
      try {
        const answer = await turn(model, asked, how, quiet, interrupts);
        messages = [...asked, { role: "assistant", content: answer }];
      } catch (error) {
        // What the template, the context or the model refuses costs this message, not the conversation.
        if (!(error instanceof BitNetError) || error.code === "worker-crashed") throw error;
        say(`error: ${error.message}${error.code === "context-overflow" && messages.length > begin.length ? "; /clear starts afresh" : ""}`);
      }
      if (options.singleTurn) return;
    }
  } finally {
    await more.return(undefined);
    // What is not read any more would keep the process.
    process.stdin.destroy();
    await model.dispose();
  }
}

async function load(options: ChatOptions, interrupts: Interrupts): Promise<BitNet> {
  const { model: source, quiet, threads = -1 } = options;
  const progress = new Progress(source.split(/[?#]/)[0]?.split(/[/\\]/).filter(Boolean).at(-1) ?? source, !/^[a-z][a-z0-9+.-]+:/i.test(source));
  const stop = new AbortController();
  const stopped = new Error(options.noCache ? "stopped" : "stopped; what has come is kept, and the same command goes on from there");
  const given: LoadOptions = {
    signal: stop.signal,
    threads: threads > 0 ? threads : "auto",
    cache: options.noCache ? false : "auto",
    offline: options.offline === true,
    headers: token(source),
    ...(options.sha256 && { sha256: options.sha256 }),
    ...(options.backend && { backend: options.backend }),
    ...(options.overrideKv && { overrides: options.overrideKv }),
    ...(options.tokenEmbedding && { tokenEmbedding: options.tokenEmbedding }),
    ...(options.contextLength !== undefined && { contextLength: options.contextLength }),
    ...(options.kvCache && { kvCache: options.kvCache }),
    ...(!quiet && {
      onProgress: (report) => {
        progress.update(report);
      },
    }),
  };
  const abort = () => {
    stop.abort(stopped);
  };
  let model;
  try {
    model = await interrupts.during(abort, () => BitNet.load(source, given));
  } catch (error) {
    progress.clear();
    throw error;
  }
  if (quiet) return model;
  const { name, architecture, layers, parameters, weightBytes, backend, threads: count, whySingleThreaded, cached, notes } = model.info;
  progress.end(cached);
  for (const note of notes) say(`note: ${note}`);
  if (whySingleThreaded !== undefined && threads !== 1) say(`note: one thread: ${whySingleThreaded}`);
  say(`${name ?? architecture}: ${String(layers)} layers, ${(parameters / 1e6).toFixed(1)} M parameters, ${(weightBytes / 1e6).toFixed(1)} MB of weights; backend ${backend}, ${threadsOf(count)}`);
  return model;
}

/** The token in HF_TOKEN, for Hugging Face and nobody else. */
function token(source: string): Record<string, string> {
  const token = process.env["HF_TOKEN"]?.trim();
  if (!token || !/^(?:hf:|https:\/\/huggingface\.co\/)/i.test(source)) return {};
  // Not shown: it is a secret.
  if (!/^[!-~]+$/.test(token)) throw new Error("HF_TOKEN is no token: it has blanks or characters that no token has");
  return { authorization: `Bearer ${token}` };
}

/** The defaults are llama-cli's, as in the native program. */
function sampling(options: ChatOptions, text: (option: string, given: string) => string): GenerateOptions {
  const { predict = -1, temperature = 0.8, topK = 40, topP = 0.95, minP = 0.05, repeatPenalty = 1, repeatLastN = 64, presencePenalty = 0, frequencyPenalty = 0 } = options;
  let { seed = 0 } = options;
  if (seed === -1) {
    seed = randomSeed();
    if (!options.quiet) say(`seed ${String(seed)}`);
  }
  return {
    ...(predict >= 0 && { maxTokens: predict }),
    temperature: Math.max(0, temperature),
    topK: Math.max(0, topK),
    topP,
    minP,
    repeatPenalty,
    repeatLastN,
    presencePenalty,
    frequencyPenalty,
    seed,
    ...(options.stop && { stop: options.stop.map((stop) => text("-r", stop)) }),
  };
}

/** Streams the answer, and gives what of it belongs to the conversation. */
async function turn(model: BitNet, messages: ChatMessage[], how: GenerateOptions, quiet: boolean, interrupts: Interrupts): Promise<string> {
  const generation: Generation = model.generate(messages, how);
  const cancel = () => {
    generation.cancel();
  };
  return interrupts.during(cancel, async () => {
    let written = false;
    try {
      for await (const { text } of generation) {
        await write(text);
        written = true;
      }
      const result = await generation.result();
      await write("\n");
      if (!quiet) report(result);
      return result.text.trim();
    } catch (error) {
      // What there is of the answer keeps its line.
      if (written && error instanceof BitNetError) await write("\n");
      throw error;
    }
  });
}

/** Counts and speeds, in one line. What took no time that could be measured has no speed. */
function report({ usage, timings, finishReason }: GenerationResult): void {
  const why = { stop: "the model ended", length: "length reached", cancelled: "stopped" }[finishReason as string] ?? finishReason;
  const speed = (rate: number) => (rate > 0 ? ` at ${rate.toFixed(1)} tok/s` : "");
  const cached = usage.cachedTokens > 0 ? ` (${String(usage.cachedTokens)} cached)` : "";
  const decode = timings.decodeTokensPerSecond;
  const first = timings.timeToFirstTokenMs > 0 ? `; first token after ${timings.timeToFirstTokenMs.toFixed(0)} ms` : "";
  const threads = decode > 0 ? ` with ${threadsOf(timings.decodeThreads)}` : "";
  say(`prompt ${String(usage.promptTokens)} tokens${cached}${speed(timings.prefillTokensPerSecond)}; generated ${String(usage.completionTokens)}${speed(decode)}${threads}${first}; ${why}`);
}

function threadsOf(count: number): string {
  return `${String(count)} thread${count === 1 ? "" : "s"}`;
}
