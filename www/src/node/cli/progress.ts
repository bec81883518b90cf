/** What a person sees of a download: a line that changes on a terminal, a line from time to time elsewhere. */
import process from "node:process";
import type { LoadProgress } from "../../public/types.js";
import { inLine, say } from "./terminal.js";

/** Between two lines where standard error is no terminal. */
const BETWEEN_LINES_MS = 10_000;

export class Progress {
  readonly #name: string;
  /** It comes from the disk. */
  readonly #local: boolean;
  readonly #begun = performance.now();
  #said: number | undefined;
  #loaded = 0;
  #shown = false;

  constructor(name: string, local: boolean) {
    this.#name = name;
    this.#local = local;
  }

  update({ phase, part, loaded, total, bytesPerSecond, secondsLeft }: LoadProgress): void {
    const what = { verify: "checking", download: this.#local ? "loading" : "downloading" }[phase as string];
    if (what === undefined || (this.#local && !process.stderr.isTTY)) return;
    this.#loaded = loaded;
    const which = part ? ` (part ${String(part.index + 1)} of ${String(part.count)})` : "";
    const far = [
      size(loaded) + (total === undefined ? "" : ` of ${size(total)}`),
      ...(bytesPerSecond === undefined ? [] : [`${size(bytesPerSecond)}/s`]),
      ...(secondsLeft === undefined ? [] : [`${duration(secondsLeft)} left`]),
    ];
    const line = `${what} ${this.#name}${which}: ${far.join(", ")}`;
    if (process.stderr.isTTY) {
      this.#shown = true;
      process.stderr.write(`\r${inLine(line)}\u001b[K`);
      return;
    }
    const now = performance.now();
    // What the cache has is there before anybody reads a line about it.
    if (this.#said === undefined ? phase !== "download" : now - this.#said < BETWEEN_LINES_MS) return;
    this.#said = now;
    say(line);
  }

  clear(): void {
    if (this.#shown) process.stderr.write("\r\u001b[K");
    this.#shown = false;
  }

  /** In a line that stays, of what has an address. */
  end(cached: boolean | undefined): void {
    this.clear();
    if (this.#local) return;
    say(`${this.#name}: ${size(this.#loaded)}${cached ? ", from the cache" : ` in ${duration((performance.now() - this.#begun) / 1000)}`}`);
  }
}

/** Bytes for a person. */
function size(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(2)} GB`;
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e3).toFixed(1)} kB`;
}

/** Seconds for a person. */
function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${seconds.toFixed(1)} s`;
  return whole < 3600 ? `${String(Math.floor(whole / 60))} min ${String(whole % 60)} s` : `${String(Math.floor(whole / 3600))} h ${String(Math.floor(whole / 60) % 60)} min`;
}
