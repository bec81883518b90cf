import type { GenerationResult, Stats } from "b158";
import { Band } from "./band.js";
import { byId, setText } from "./dom.js";
import type { Engine } from "./engine.js";
import * as format from "./format.js";
import { MemoryBar } from "./memory-bar.js";
import { SpeedPlot } from "./plot.js";

/** The numbers beside the text. */
export class Instruments {
  readonly #plot = new SpeedPlot(byId("plot"));
  readonly #context = new Band(byId("context-band"), 1);
  readonly #memory = new MemoryBar();
  #contextLength = 0;
  #frame = 0;

  clear(engine: Engine | undefined): void {
    this.#contextLength = engine?.contextLength ?? 0;
    this.#memory.kvCacheBytes = engine?.kvCacheBytes ?? 0;
    this.begin();
    setText("context-used", engine ? `0 of ${format.count(engine.contextLength)}` : "–");
    this.#context.set(0);
  }

  begin(): void {
    this.#plot.clear();
    for (const id of ["speed", "prompt-speed", "first-token"]) setText(id, "–");
  }

  token(elapsedMs: number): void {
    this.#plot.add(elapsedMs);
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#plot.draw();
      const now = this.#plot.now;
      if (now !== undefined) setText("speed", format.rate(now));
    });
  }

  end({ usage, timings }: GenerationResult): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#plot.draw();
    if (timings.decodeTokensPerSecond > 0) setText("speed", format.rate(timings.decodeTokensPerSecond));
    const fewer = timings.decodeThreads > 0 && timings.decodeThreads < Number(byId("threads").textContent);
    setText("threads-used", fewer ? `, ${String(timings.decodeThreads)} of them for a token` : "");
    const fresh = usage.promptTokens - usage.cachedTokens;
    const known = usage.cachedTokens > 0 ? `, ${format.count(usage.cachedTokens)} known` : "";
    // An engine that was stopped has not told.
    if (usage.promptTokens > 0) setText("prompt-speed", timings.prefillTokensPerSecond > 0 ? `${format.tokens(fresh)}${known}, ${format.rate(timings.prefillTokensPerSecond)}/s` : format.tokens(usage.promptTokens));
    setText("first-token", timings.timeToFirstTokenMs > 0 ? format.milliseconds(timings.timeToFirstTokenMs) : "–");
    // The last token of a full context has been said, but has no place in it.
    const used = Math.min(usage.promptTokens + usage.completionTokens, this.#contextLength);
    setText("context-used", `${format.count(used)} of ${format.count(this.#contextLength)}`);
    this.#context.set(this.#contextLength > 0 ? used / this.#contextLength : 0);
  }

  memory(stats: Stats | undefined): void {
    this.#memory.show(stats);
  }
}
