import type { VerifyEntry, VerifyReport } from "b158";
import { Band } from "./band.js";
import { announce, byId, setText, svg } from "./dom.js";
import { isIntended, showError } from "./errors.js";
import * as format from "./format.js";
import type { ModelState } from "./model-panel.js";

/** The coherence report: ten prompts, their verdicts, three files to take away. */
export class Check {
  readonly #band = new Band(byId("check-band"), 2);
  readonly #run = byId("check-run", HTMLButtonElement);
  #state: ModelState | undefined;
  #running: AbortController | undefined;
  #reference: unknown;

  constructor() {
    byId("check").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#running) this.#running.abort();
      else void this.#verify();
    });
    const reference = byId("check-reference", HTMLInputElement);
    reference.addEventListener("change", () => {
      const chosen = reference.files?.[0];
      reference.value = ""; // so that the same file can be chosen again
      if (chosen) void this.#take(chosen);
    });
  }

  use(state: ModelState): void {
    const other = state.model !== this.#state?.model;
    this.#state = { ...state };
    if (other) {
      this.#running?.abort();
      this.#clear();
    }
    this.#showState();
  }

  async #verify(): Promise<void> {
    const { model, file } = this.#state ?? {};
    const tokens = byId("check-tokens", HTMLInputElement).valueAsNumber;
    if (!model) return;
    this.#clear();
    const running = (this.#running = new AbortController());
    this.#showState();
    announce("Asking ten prompts");
    const began = performance.now();
    try {
      const report = await model.verify({
        ...(tokens >= 1 && { maxTokens: Math.floor(tokens) }),
        ...(file !== undefined && { file }),
        reference: this.#reference,
        signal: running.signal,
        onProgress: ({ prompt, index, count, tokens: said, maxTokens }) => {
          const done = (index + said / maxTokens) / count;
          this.#band.set(done);
          const left = done > 0.02 ? ` · ${format.timeLeft(((performance.now() - began) / 1000) * (1 / done - 1))}` : "";
          setText("check-text", `${String(index + 1)} of ${String(count)}: ${prompt} … ${format.tokens(said)}${left}`);
        },
      });
      // Another model may be there by now.
      if (this.#state?.model === model) this.#show(report);
    } catch (error) {
      if (!isIntended(error)) showError(byId("check-error"), error);
      announce("The ten prompts were stopped");
    }
    if (this.#running === running) this.#running = undefined;
    this.#showState();
  }

  async #take(file: File): Promise<void> {
    byId("check-error").hidden = true;
    try {
      const run: unknown = JSON.parse(await file.text());
      if (typeof run !== "object" || run === null || !("prompts" in run)) throw new Error("it has no prompts");
      this.#reference = run;
      announce(`${file.name} will be compared with`);
      if (!this.#running) await this.#verify();
    } catch (cause) {
      showError(byId("check-error"), new Error(`${file.name} is not a metrics.json of this report: ${cause instanceof Error ? cause.message : String(cause)}`));
    }
  }

  #show({ metrics, text, html }: VerifyReport): void {
    const good = metrics.prompts.filter((entry) => entry.verdict === "text").length;
    const outcome = `${String(good)} of ${String(metrics.prompts.length)} answers are text`;
    setText("check-outcome", outcome);
    byId("check-outcome").hidden = false;
    announce(outcome);
    byId("check-results").replaceChildren(...metrics.prompts.map(row));
    draw(byId("check-plot", SVGSVGElement), metrics.prompts);
    const files: [string, string, string][] = [
      ["report.html", "text/html", html],
      ["metrics.json", "application/json", `${JSON.stringify(metrics, undefined, 2)}\n`],
      ["results.txt", "text/plain", text],
    ];
    const downloads = byId("check-downloads");
    downloads.hidden = false;
    downloads.replaceChildren("Take away: ", ...files.flatMap(([name, type, content], i) => [...(i > 0 ? [", "] : []), link(name, type, content)]));
  }

  #clear(): void {
    for (const old of byId("check-downloads").querySelectorAll("a")) URL.revokeObjectURL(old.href);
    for (const id of ["check-outcome", "check-downloads", "check-error"]) byId(id).hidden = true;
    byId("check-plot", SVGSVGElement).toggleAttribute("hidden", true);
    byId("check-results").replaceChildren();
    this.#band.set(0);
    setText("check-text", "");
  }

  #showState(): void {
    const running = this.#running !== undefined;
    this.#run.textContent = running ? "Stop" : "Ask ten prompts";
    this.#run.disabled = !running && !this.#state?.model;
    byId("check-progress").hidden = !running;
  }
}

function row(entry: VerifyEntry): HTMLElement {
  const item = document.createElement("li");
  item.className = entry.verdict;
  item.title = entry.why;
  const verdict = document.createElement("b");
  verdict.textContent = entry.verdict;
  const facts = [format.tokens(entry.generatedTokens)];
  if (entry.reference) facts.push(entry.reference.same ? "same ids as the reference" : `differs from the reference at token ${String(entry.reference.partsAtToken)}`);
  if (entry.published) {
    const words = `${String(entry.published.agreeingWords)} of ${String(entry.published.words)} words`;
    facts.push(entry.published.same ? `as published (${words})` : `differs from what was published after ${words}`);
  }
  const small = document.createElement("small");
  small.textContent = facts.join(" · ");
  item.append(verdict, ` ${entry.prompt} … `, small);
  return item;
}

/** Each answer as a point: repetition across, entropy upwards. */
function draw(host: SVGSVGElement, entries: readonly VerifyEntry[]): void {
  const most = Math.max(5, ...entries.map((entry) => entry.measures.meanEntropy));
  const [left, right, top, bottom] = [8, 272, 14, 100];
  const label = (x: number, y: number, anchor: string, text: string) => {
    const made = svg("text", { x, y, "text-anchor": anchor });
    made.textContent = text;
    return made;
  };
  const points = entries.map(({ prompt, verdict, measures: { repeatedFourGrams, meanEntropy } }) => {
    const cx = left + repeatedFourGrams * (right - left);
    const point = svg("circle", { cx, cy: bottom - (meanEntropy / most) * (bottom - top), r: 4.5, class: verdict });
    const title = svg("title", {});
    title.textContent = prompt;
    point.append(title);
    return point;
  });
  host.toggleAttribute("hidden", false);
  host.role = "img";
  host.ariaLabel = "Repetition against entropy of each answer";
  host.replaceChildren(
    svg("path", { class: "base", d: `M${String(left)} ${String(top)}V${String(bottom)}H${String(right)}` }),
    ...points,
    label(left + 4, top, "start", `entropy: ${most.toFixed(0)} nats`),
    label(left, bottom + 14, "start", "no repetition"),
    label(right, bottom + 14, "end", "all repetition"),
  );
}

function link(name: string, type: string, content: string): HTMLAnchorElement {
  const made = document.createElement("a");
  made.href = URL.createObjectURL(new Blob([content], { type }));
  made.download = name;
  made.textContent = name;
  return made;
}
