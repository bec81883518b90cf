import { BitNet, type LoadProgress, storageEstimate } from "b158";
import type { Shared } from "./address-bar.js";
import { Band } from "./band.js";
import { byAddress, type Choice, EMBEDDED, EMBEDDED_PARAMETERS, lastPart } from "./choices.js";
import { announce, byId, element, setText } from "./dom.js";
import { type Engine, TabEngine } from "./engine.js";
import { isIntended, showError } from "./errors.js";
import * as format from "./format.js";
import { keptModel } from "./kept.js";
import { loadOptions } from "./load-options.js";
import { Offer } from "./offer.js";
import { Picker } from "./picker.js";
import type { Served } from "./served-engine.js";
import { Where } from "./where.js";

/** Two models at once are fine up to here; above, the old one goes before the new one comes. */
const KEEP_WHILE_LOADING_BYTES = 100e6;
/** What is larger is not downloaded before somebody has seen how large it is. */
const ASK_ABOVE_BYTES = 50e6;

export interface ModelState {
  /** Of this tab, whose answers the ten prompts check. */
  model: BitNet | undefined;
  /** What writes: that model, or the engine that serves this page. */
  engine: Engine | undefined;
  /** As the page calls it. */
  name: string;
  /** Name of its file. */
  file: string;
  /** It is the small story model that comes with the page. */
  embedded: boolean;
  /** Another one, or the first one, is on its way. */
  loading: boolean;
}

/** Loads models and shows which one there is. */
export class ModelPanel {
  readonly #onChange: (state: ModelState) => void;
  readonly #ready: Promise<void>;
  readonly #band = new Band(byId("load-band"), 3);
  /** At the page's upper edge, there as soon as a model is there. */
  readonly #weave = new Band(byId("weave"), 2);
  readonly #offer = new Offer();
  readonly #picker = new Picker((choice) => void this.choose(choice));
  /** Of the model that is there. */
  #choice: Choice | undefined;
  /** Address of the model that is there or is to come. */
  #wanted: string | undefined;
  #model: BitNet | undefined;
  /** That model, or the engine that serves this page. */
  #engine: Engine | undefined;
  #served: Served | undefined;
  readonly #where = new Where(() => void this.#moved());
  /** What this tab had before its model went for the engine's sake. */
  #before: Choice | undefined;
  #loading: AbortController | undefined;
  #announced = 0;

  /** Begins with the first model once the page is `ready` for it. */
  constructor(onChange: (state: ModelState) => void, ready: Promise<void>) {
    this.#onChange = onChange;
    this.#ready = ready;
    byId("load-cancel").addEventListener("click", () => this.#loading?.abort());
  }

  get model(): BitNet | undefined {
    return this.#model;
  }

  /** What the address bar knows of it: where it runs, and a model that has an address. */
  get shared(): Record<"where" | "model", Shared> {
    return {
      where: this.#where.shared,
      model: {
        get: () => (this.#where.isEngine ? undefined : this.#wanted),
        set: (value) => void this.#follow(value),
      },
    };
  }

  /** The same model once more. */
  reload(): void {
    if (this.#where.isEngine) void this.#connect();
    else if (this.#choice) void this.choose(this.#choice);
  }

  /** Loads it, after having asked if that means a large download. */
  async choose(choice: Choice): Promise<void> {
    const { address } = choice;
    this.#toTab();
    this.#wanted = address;
    this.#offer.close();
    if (address === undefined) return this.#load(choice);
    const loading = this.#begin(choice.name);
    try {
      const kept = await keptModel(address);
      loading.signal.throwIfAborted();
      if (!kept?.complete) {
        const { backend: _backend, ...options } = loadOptions();
        const expected = await BitNet.estimate(address, { ...options, signal: loading.signal });
        const large = !expected.fits || expected.why !== undefined || (expected.fileBytes ?? Infinity) > ASK_ABOVE_BYTES;
        if (large) {
          this.#end(loading);
          this.#picker.open(false);
          if (!(await this.#offer.ask(choice.name, expected, kept, await room()))) {
            this.#unwant(choice);
            return;
          }
        }
      }
    } catch (error) {
      this.#fail(loading, choice, error);
      return;
    }
    if (this.#loading === loading || this.#loading === undefined) await this.#load(choice);
  }

  /** Between this tab and the engine, by a person's hand. */
  async #moved(): Promise<void> {
    if (this.#where.isEngine) {
      this.#before = this.#choice;
      await this.#connect();
    } else {
      this.#toTab();
      await (this.#before ? this.choose(this.#before) : this.#follow(this.#wanted));
    }
  }

  #toTab(): void {
    this.#where.toTab();
    if (!this.#served) return;
    this.#served = this.#engine = undefined;
    this.#tell();
  }

  /** To the engine that serves this page; the tab's model makes room. */
  async #connect(): Promise<void> {
    const { engine, place } = this.#where;
    if (!engine) return;
    this.#offer.close();
    this.#picker.open(false);
    const loading = this.#begin(`the engine of ${place}`);
    if (this.#model) await this.#replace(undefined, undefined);
    try {
      const served = await this.#where.ask(engine, loading.signal);
      loading.signal.throwIfAborted();
      this.#served = served;
      this.#engine = engine;
      this.#weave.set(1);
      this.#describeServed(served);
      announce(`${served.id}, the model of ${place}, is there`);
    } catch (error) {
      this.#served = this.#engine = undefined;
      if (isIntended(error)) announce("The engine is not asked any more");
      else showError(byId("load-error"), error, { "Try again": () => void this.#connect() });
    }
    this.#end(loading);
  }

  /** To the model of a link. */
  async #follow(address: string | undefined): Promise<void> {
    if (address !== undefined) this.#toTab();
    if (this.#where.isEngine) {
      await this.#ready;
      if (!this.#served) await this.#connect();
      return;
    }
    if (address === this.#wanted && this.#model) return;
    this.#wanted = address;
    await this.#ready;
    const kept = address === undefined ? undefined : await keptModel(address);
    // Something to try at once, until it is clear what the link's model costs.
    if (!this.#model && !kept?.complete) await this.#load(EMBEDDED);
    if (address !== undefined) await this.choose(byAddress(address));
  }

  async #load(choice: Choice): Promise<void> {
    const loading = this.#begin(choice.name);
    if ((this.#model?.info.weightBytes ?? 0) > KEEP_WHILE_LOADING_BYTES) await this.#replace(undefined, undefined);
    try {
      const model = await BitNet.load(choice.source, {
        ...loadOptions(),
        ...(choice.sha256 !== undefined && { sha256: choice.sha256 }),
        hash: true, // for the ten prompts' report; 0.4 GB/s, mostly behind the network
        signal: loading.signal,
        onProgress: (progress) => {
          if (this.#loading === loading) this.#showProgress(choice.name, progress);
        },
      });
      await this.#replace(model, choice);
      this.#describe(model);
      this.#picker.open(false);
      announce(`${choice.name} is loaded`);
    } catch (error) {
      this.#fail(loading, choice, error);
    }
    this.#end(loading);
  }

  #begin(name: string): AbortController {
    this.#loading?.abort();
    const loading = (this.#loading = new AbortController());
    byId("load-error").hidden = true;
    byId("loading").hidden = false;
    this.#band.set(undefined);
    this.#announced = 0;
    setText("load-text", `Opening ${name} …`);
    announce(`Loading ${name}`);
    this.#tell();
    return loading;
  }

  #unwant(choice: Choice): void {
    if (this.#wanted !== choice.address) return;
    this.#wanted = this.#choice?.address;
    this.#tell();
  }

  #fail(loading: AbortController, choice: Choice, error: unknown): void {
    this.#unwant(choice);
    if (isIntended(error)) announce("Loading was cancelled");
    else showError(byId("load-error"), error, { "Try again": () => void this.choose(choice) });
    this.#end(loading);
  }

  #end(loading: AbortController): void {
    if (this.#loading !== loading) return;
    this.#loading = undefined;
    byId("loading").hidden = true;
    this.#picker.refresh();
    this.#tell();
  }

  #tell(): void {
    const choice = this.#choice;
    this.#onChange({
      model: this.#model,
      engine: this.#engine,
      name: this.#served?.id ?? this.#model?.info.name ?? choice?.name ?? "",
      file: choice === undefined ? "" : typeof choice.source === "string" ? lastPart(choice.source) : choice.name,
      embedded: this.#served ? this.#served.parameters === EMBEDDED_PARAMETERS : choice === EMBEDDED,
      loading: this.#loading !== undefined,
    });
  }

  async #replace(model: BitNet | undefined, choice: Choice | undefined): Promise<void> {
    const old = this.#model;
    this.#model = model;
    this.#engine = model && new TabEngine(model);
    this.#served = undefined;
    this.#choice = choice;
    this.#weave.set(model ? 1 : 0);
    byId("embedded-note").hidden = choice !== EMBEDDED;
    if (!model) {
      setText("model-name", "No model");
      setText("model-facts", "");
    }
    this.#tell();
    await old?.dispose();
  }

  #showProgress(name: string, { phase, loaded, total, fraction, bytesPerSecond, secondsLeft, part }: LoadProgress): void {
    this.#band.set(fraction);
    if (!this.#model && phase !== "engine") this.#weave.set(fraction ?? 0);
    const parts = [total === undefined ? format.bytes(loaded) : `${format.bytes(loaded)} of ${format.bytes(total)}`];
    if (part && part.count > 1) parts.push(`part ${String(part.index + 1)} of ${String(part.count)}`);
    if (bytesPerSecond !== undefined) parts.push(`${(bytesPerSecond / 1e6).toFixed(1)} MB/s`);
    if (secondsLeft !== undefined) parts.push(format.timeLeft(secondsLeft));
    const what = { engine: "The engine", verify: `${name}, from this device`, download: name, load: `${name}: last touches`, formats: "What holds answers to a form", ready: `${name}: ready` }[phase];
    setText("load-text", `${what} · ${parts.join(" · ")}`);
    this.#announceQuarters(name, phase === "download" ? fraction : undefined);
  }

  /** A screen reader hears of a quarter, a half and three quarters. */
  #announceQuarters(name: string, fraction = 0): void {
    const quarter = Math.floor(fraction * 4);
    if (quarter <= this.#announced || quarter === 4) return;
    this.#announced = quarter;
    announce(`${name}: ${String(quarter * 25)} percent`);
  }

  #describeServed({ id, architecture, parameters, quantization, contextLength, backend, threads }: Served): void {
    setText("model-name", id);
    setText("model-facts", [architecture, format.parameters(parameters), mostTensors(quantization), `context of ${format.tokens(contextLength)}`].join(" · "));
    byId("embedded-note").hidden = byId("notes").hidden = true;
    setText("tensors", quantization);
    setText("backend-used", backend);
    setText("threads", String(threads));
    for (const id of ["threads-used", "why-single"]) setText(id, "");
  }

  #describe({ info }: BitNet): void {
    setText("model-name", info.name ?? this.#choice?.name ?? "");
    const facts = [format.parameters(info.parameters), mostTensors(info.quantization), `${format.bytes(info.weightBytes)} of weights`, `context of ${format.tokens(info.contextLength)}`];
    setText("model-facts", facts.join(" · "));
    byId("notes").hidden = info.notes.length === 0;
    byId("notes").replaceChildren(...info.notes.map((note) => element("li", "", note)));
    setText("tensors", info.quantization);
    setText("backend-used", info.backend);
    setText("threads", String(info.threads));
    setText("threads-used", "");
    setText("why-single", info.whySingleThreaded ? `Threads: ${info.whySingleThreaded}.` : "");
  }
}

/** Bytes that the browser's storage still takes, where it says so. */
async function room(): Promise<number | undefined> {
  const { quota, usage } = await storageEstimate();
  return quota === undefined || usage === undefined ? undefined : quota - usage;
}

/** Of `1 × F16, 25 × F32, 42 × TQ2_0`, the type that most tensors have. */
function mostTensors(quantization: string): string {
  const types = quantization.split(", ").map((part) => part.split(" × "));
  const [most] = types.sort(([a], [b]) => Number(b) - Number(a));
  return most?.[1] ?? quantization;
}
