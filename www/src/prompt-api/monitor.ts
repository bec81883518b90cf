/** What tells a page how far a model is. */
import type { LoadProgress } from "../public/types.js";
import { conform, Handlers, tag } from "./idl.js";
import type { CreateMonitor as Interface } from "./types.js";

/** Only this module makes one. */
const KEY = Symbol("b158");

/** Steps of `loaded`, as the specification has it: a page is not to know a model by its size. */
const STEPS = 0x10000;

/** Of the model's bytes, whether they come over the network or from the cache; the engine's few do not count. */
export function asFraction({ phase, fraction }: LoadProgress): number | undefined {
  return phase === "verify" || phase === "download" ? fraction : undefined;
}

interface ProgressInit extends EventInit {
  lengthComputable: boolean;
  loaded: number;
  total: number;
}

/** Where there is none: in Node.js. */
class OwnProgressEvent extends Event {
  readonly lengthComputable: boolean;
  readonly loaded: number;
  readonly total: number;

  constructor(type: string, { lengthComputable, loaded, total, ...init }: ProgressInit) {
    super(type, init);
    this.lengthComputable = lengthComputable;
    this.loaded = loaded;
    this.total = total;
  }
}

class CreateMonitor extends EventTarget {
  readonly #handlers: Handlers;

  constructor(key: unknown) {
    if (key !== KEY) throw new TypeError("Illegal constructor");
    super();
    this.#handlers = new Handlers(this);
  }

  get ondownloadprogress(): ((event: Event) => unknown) | null {
    return this.#handlers.get("downloadprogress");
  }

  set ondownloadprogress(value: unknown) {
    this.#handlers.set("downloadprogress", value);
  }
}
conform(CreateMonitor.prototype, {});
tag(CreateMonitor.prototype, "CreateMonitor");

/** The events of one creation: each larger than the one before, 0 first and 1 last, none after `signal`. */
export class Progress {
  readonly monitor = new CreateMonitor(KEY) as unknown as Interface;
  readonly #signal: AbortSignal;
  #last = -1;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** The last one comes from {@link end} alone. */
  tell(fraction: number): void {
    this.#dispatch(Math.min(Math.floor(fraction * STEPS), STEPS - 1) / STEPS);
  }

  end(): void {
    this.#dispatch(1);
  }

  #dispatch(loaded: number): void {
    if (loaded <= this.#last || this.#signal.aborted) return;
    this.#last = loaded;
    const Given = (globalThis as { ProgressEvent?: new (type: string, init: ProgressInit) => Event }).ProgressEvent ?? OwnProgressEvent;
    this.monitor.dispatchEvent(new Given("downloadprogress", { lengthComputable: true, loaded, total: 1 }));
  }
}

export { CreateMonitor };
