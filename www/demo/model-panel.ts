import { BitNet, type KvCacheType, type LoadOptions, type LoadProgress, type ModelSource, type TokenEmbedding } from "b158";
import { Band } from "./band.js";
import { announce, byId, setText } from "./dom.js";
import { isIntended, showError } from "./errors.js";
import * as format from "./format.js";

const EMBEDDED = "./models/stories-I2_S.gguf";
/** Two models at once are fine up to here; above, the old one goes before the new one comes. */
const KEEP_WHILE_LOADING_BYTES = 100e6;

export interface ModelState {
  model: BitNet | undefined;
  /** Name of its file. */
  file: string;
  /** It is the page's own small story model. */
  embedded: boolean;
  /** Another one, or the first one, is on its way. */
  loading: boolean;
}

/** Loads models and shows which one there is. */
export class ModelPanel {
  readonly #onChange: (state: ModelState) => void;
  readonly #band = new Band(byId("load-band"), 3);
  /** At the page's upper edge, there as soon as a model is there. */
  readonly #weave = new Band(byId("weave"), 2);
  #embedded = false;
  #file = "";
  #model: BitNet | undefined;
  #loading: AbortController | undefined;

  constructor(onChange: (state: ModelState) => void) {
    this.#onChange = onChange;
    const toggle = byId("picker-toggle");
    toggle.addEventListener("click", () => {
      this.#openPicker(byId("picker").hidden !== false);
    });
    byId("picker").addEventListener("submit", (event) => {
      event.preventDefault();
      const address = byId("address", HTMLInputElement).value.trim();
      if (address === "") byId("address").focus();
      else void this.load(address, lastPart(address));
    });
    byId("load-embedded").addEventListener("click", () => void this.loadEmbedded());
    byId("load-cancel").addEventListener("click", () => this.#loading?.abort());
    const file = byId("file", HTMLInputElement);
    file.addEventListener("change", () => {
      const chosen = file.files?.[0];
      file.value = ""; // so that the same file can be chosen again
      if (chosen) void this.load(chosen, chosen.name);
    });
    this.#acceptDrops();
  }

  get model(): BitNet | undefined {
    return this.#model;
  }

  loadEmbedded(): Promise<void> {
    return this.load(EMBEDDED, "b158 stories", true);
  }

  async load(source: ModelSource, name: string, embedded = false): Promise<void> {
    this.#loading?.abort();
    const loading = (this.#loading = new AbortController());
    if ((this.#model?.info.weightBytes ?? 0) > KEEP_WHILE_LOADING_BYTES) await this.#replace(undefined, false);
    byId("load-error").hidden = true;
    byId("loading").hidden = false;
    this.#band.set(undefined);
    setText("load-text", `Opening ${name} …`);
    announce(`Loading ${name}`);
    this.#tell();
    try {
      const model = await BitNet.load(source, {
        ...advanced(),
        hash: true, // for the ten prompts' report; 0.4 GB/s, mostly behind the network
        signal: loading.signal,
        onProgress: (progress) => {
          if (this.#loading === loading) this.#showProgress(name, progress);
        },
      });
      this.#file = embedded ? lastPart(EMBEDDED) : name;
      await this.#replace(model, embedded);
      this.#describe(model, model.info.name ?? name);
      this.#openPicker(false);
      announce(`${name} is loaded`);
    } catch (error) {
      if (isIntended(error)) announce("Loading was cancelled");
      else showError(byId("load-error"), error);
    }
    if (this.#loading === loading) {
      this.#loading = undefined;
      byId("loading").hidden = true;
      this.#tell();
    }
  }

  #tell(): void {
    this.#onChange({ model: this.#model, file: this.#file, embedded: this.#embedded, loading: this.#loading !== undefined });
  }

  async #replace(model: BitNet | undefined, embedded: boolean): Promise<void> {
    const old = this.#model;
    this.#model = model;
    this.#embedded = embedded;
    this.#weave.set(model ? 1 : 0);
    byId("embedded-note").hidden = !embedded;
    if (!model) {
      setText("model-name", "No model");
      setText("model-facts", "");
    }
    this.#tell();
    await old?.dispose();
  }

  #showProgress(name: string, { phase, loaded, total, fraction, bytesPerSecond, secondsLeft }: LoadProgress): void {
    this.#band.set(fraction);
    if (!this.#model && phase !== "engine") this.#weave.set(fraction ?? 0);
    const parts = [total === undefined ? format.bytes(loaded) : `${format.bytes(loaded)} of ${format.bytes(total)}`];
    if (bytesPerSecond !== undefined) parts.push(`${(bytesPerSecond / 1e6).toFixed(1)} MB/s`);
    if (secondsLeft !== undefined) parts.push(format.timeLeft(secondsLeft));
    const what = { engine: "The engine", verify: `${name}, from this device`, download: name, load: `${name}: last touches`, ready: `${name}: ready` }[phase];
    setText("load-text", `${what} · ${parts.join(" · ")}`);
  }

  #describe({ info }: BitNet, name: string): void {
    setText("model-name", name);
    const facts = [format.parameters(info.parameters), mostTensors(info.quantization), `${format.bytes(info.weightBytes)} of weights`, `context of ${format.tokens(info.contextLength)}`];
    setText("model-facts", facts.join(" · "));
    const notes = byId("notes");
    notes.hidden = info.notes.length === 0;
    notes.replaceChildren(
      ...info.notes.map((note) => {
        const item = document.createElement("li");
        item.textContent = note;
        return item;
      }),
    );
    setText("tensors", info.quantization);
    setText("backend-used", info.backend);
    setText("threads", String(info.threads));
    setText("threads-used", "");
    setText("why-single", info.whySingleThreaded ? `Threads: ${info.whySingleThreaded}.` : "");
  }

  #openPicker(open: boolean): void {
    byId("picker").hidden = !open;
    byId("picker-toggle").setAttribute("aria-expanded", String(open));
    if (open) byId("address").focus();
  }

  #acceptDrops(): void {
    const veil = byId("drop");
    const hasFile = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    addEventListener("dragover", (event) => {
      if (!hasFile(event)) return;
      event.preventDefault();
      veil.hidden = false;
    });
    addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) veil.hidden = true;
    });
    addEventListener("drop", (event) => {
      if (!hasFile(event)) return;
      event.preventDefault();
      veil.hidden = true;
      const file = event.dataTransfer?.files[0];
      if (file) void this.load(file, file.name);
    });
  }
}

function advanced(): LoadOptions {
  const contextLength = byId("context-length", HTMLInputElement).valueAsNumber;
  const threads = byId("thread-count", HTMLInputElement).valueAsNumber;
  const overrides = byId("overrides", HTMLTextAreaElement)
    .value.split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  return {
    kvCache: byId("kv-cache", HTMLSelectElement).value as KvCacheType,
    tokenEmbedding: byId("embedding", HTMLSelectElement).value as TokenEmbedding,
    backend: byId("backend", HTMLSelectElement).value as "auto" | "simd128" | "relaxed",
    ...(Number.isFinite(threads) && { threads }),
    ...(Number.isFinite(contextLength) && { contextLength }),
    ...(overrides.length > 0 && { overrides }),
  };
}

/** Of `1 × F16, 25 × F32, 42 × TQ2_0`, the type that most tensors have. */
function mostTensors(quantization: string): string {
  const types = quantization.split(", ").map((part) => part.split(" × "));
  const [most] = types.sort(([a], [b]) => Number(b) - Number(a));
  return most?.[1] ?? quantization;
}

function lastPart(address: string): string {
  return address.split(/[?#]/)[0]?.split("/").filter(Boolean).at(-1) ?? address;
}
