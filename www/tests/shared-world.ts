// Tabs of a site without a browser: messages and locks arrive in an order that is drawn by lot, and a tab may be gone at any moment.
import { loadModel } from "../src/internal/load.js";
import { serveFake } from "../src/internal/fake-worker.js";
import type { Endpoint, Heard } from "../src/internal/channel.js";
import type { Site } from "../src/internal/shared/site.js";
import { type LoadAlone, Tab } from "../src/internal/shared/load.js";
import { workerLike } from "../src/internal/worker-like.js";
import { BitNetError } from "../src/public/errors.js";
import type { LoadOptions } from "../src/public/types.js";
import type { FakeEngineOptions } from "../src/public/testing.js";

/** Long enough that something can happen in the middle of it. */
export const FAKE: FakeEngineOptions = { answerLength: 20, contextLength: 400, prefillBatch: 2 };

export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

interface Request {
  /** For nobody in its way. */
  shared?: boolean;
  tab: FakeTab;
  held: () => Promise<void>;
  signal: AbortSignal | undefined;
  resolve: () => void;
  reject: (reason: unknown) => void;
}

interface Open {
  id: number;
  tab: FakeTab;
  hear: (message: unknown) => void;
  closed: boolean;
}

export class World {
  readonly random: () => number;
  readonly tabs: FakeTab[] = [];
  /** Within each, what came first is first. */
  readonly #lanes = new Map<string, (() => void)[]>();
  readonly #locks = new Map<string, { holder: Request | undefined; queue: Request[] }>();
  readonly #channels = new Map<string, Set<Open>>();
  #nextId = 0;

  constructor(seed: number) {
    this.random = random(seed);
  }

  tab(): FakeTab {
    const tab = new FakeTab(this, this.tabs.length);
    this.tabs.push(tab);
    return tab;
  }

  pick<T>(from: readonly T[]): T | undefined {
    return from[Math.floor(this.random() * from.length)];
  }

  later(lane: string, action: () => void): void {
    const actions = this.#lanes.get(lane) ?? [];
    actions.push(action);
    this.#lanes.set(lane, actions);
  }

  /** Something that was under way arrives; false where nothing is. */
  async step(): Promise<boolean> {
    const lane = this.pick([...this.#lanes.keys()]);
    if (lane !== undefined) {
      const actions = this.#lanes.get(lane) ?? [];
      actions.shift()?.();
      if (actions.length === 0) this.#lanes.delete(lane);
    }
    // What the fake does in promises and streams of its own.
    await new Promise((resolve) => (lane === undefined ? setTimeout(resolve, 1) : setImmediate(resolve)));
    return lane !== undefined;
  }

  /** Until `over`, or until nothing happens any more. */
  async run(over: () => boolean, before: () => void = () => undefined): Promise<void> {
    for (let idle = 0; !over() && idle < 60; ) {
      before();
      idle = (await this.step()) ? 0 : idle + 1;
    }
  }

  lock(request: Request, name: string): void {
    const lock = this.#locks.get(name) ?? { holder: undefined, queue: [] };
    this.#locks.set(name, lock);
    lock.queue.push(request);
    this.#grant(name);
  }

  held(): string[] {
    return [...this.#locks].filter(([, { holder }]) => holder).map(([name]) => name);
  }

  #grant(name: string): void {
    const lock = this.#locks.get(name);
    if (!lock || lock.holder) return;
    lock.queue = lock.queue.filter(({ tab, signal }) => !tab.dead && !signal?.aborted);
    const watching = lock.queue.filter(({ shared }) => shared);
    lock.queue = lock.queue.filter(({ shared }) => !shared);
    for (const { resolve, signal } of watching) {
      this.later(`free ${name}`, () => {
        if (!signal?.aborted) resolve();
      });
    }
    const next = lock.queue.shift();
    if (!next) return;
    lock.holder = next;
    this.later(`grant ${name}`, () => {
      if (lock.holder !== next) return; // its tab is gone
      const release = () => {
        this.later(`release ${name}`, () => {
          this.#release(name, next);
        });
      };
      if (next.signal?.aborted) {
        release();
        next.reject(next.signal.reason);
      } else {
        next.held().then(
          () => {
            release();
            next.resolve();
          },
          (error: unknown) => {
            release();
            next.reject(error);
          },
        );
      }
    });
  }

  #release(name: string, request: Request): void {
    const lock = this.#locks.get(name);
    if (lock?.holder !== request) return;
    lock.holder = undefined;
    this.#grant(name);
  }

  /** A browser does so when it notices that the tab is gone. */
  freeLocks(tab: FakeTab): void {
    for (const [name, { holder }] of this.#locks) {
      if (holder?.tab !== tab) continue;
      this.later(`release ${name}`, () => {
        this.#release(name, holder);
      });
    }
  }

  open(name: string, tab: FakeTab, hear: (message: unknown) => void): Open {
    const open = { id: this.#nextId++, tab, hear, closed: false };
    this.#channels.set(name, (this.#channels.get(name) ?? new Set()).add(open));
    return open;
  }

  post(name: string, from: Open, message: unknown): void {
    if (from.closed || from.tab.dead) return;
    for (const to of this.#channels.get(name) ?? []) {
      if (to === from || to.closed) continue;
      const copy: unknown = structuredClone(message);
      this.later(`${String(from.id)} to ${String(to.id)}`, () => {
        if (!to.closed && !to.tab.dead) to.hear(copy);
      });
    }
  }
}

export class FakeTab {
  dead = false;
  /** What the next load comes to. */
  failLoad: BitNetError | undefined;
  /** A call that ends the engine. */
  deadly: string | undefined;
  onCrash: () => void = () => undefined;
  /** What every load comes to. */
  broken: BitNetError | undefined;
  readonly site: Site;
  #asleep: () => void = () => undefined;
  #awake: () => void = () => undefined;
  readonly #engines = new Set<{ end: AbortController; deliver: (message: unknown) => void }>();

  constructor(
    readonly world: World,
    readonly number: number,
  ) {
    this.site = {
      lock: (name, signal, held) =>
        new Promise((resolve, reject) => {
          const request: Request = { tab: this, held, signal, resolve, reject };
          if (this.dead) return;
          signal?.addEventListener("abort", () => {
            reject(signal.reason as Error);
          });
          world.lock(request, name);
        }),
      lockFree: (name, signal) =>
        new Promise((resolve, reject) => {
          if (this.dead) return;
          signal.addEventListener("abort", () => {
            reject(signal.reason as Error);
          });
          world.lock({ shared: true, tab: this, held: () => Promise.resolve(), signal, resolve, reject }, name);
        }),
      heldLocks: () => Promise.resolve(world.held()),
      channel: (name, hear) => {
        const open = world.open(name, this, hear);
        return {
          post: (message) => {
            world.post(name, open, message);
          },
          close: () => {
            open.closed = true;
          },
        };
      },
      watchSleep: (asleep, awake) => {
        this.#asleep = asleep;
        this.#awake = awake;
        return () => undefined;
      },
    };
  }

  get holds(): boolean {
    return this.#engines.size > 0;
  }

  share(options: LoadOptions = {}) {
    const source = { sent: { parts: [], kind: "alone" as const, cache: "auto" as const, offline: false, connections: 1, crossOriginStorage: true }, opened: [], readableAgain: true, signals: [] };
    return new Tab(this.site, "b158 shared 1 model options", source, options, this.#load).loaded();
  }

  /** As a browser ends it: nobody is told. */
  kill(): void {
    this.dead = true;
    for (const { end } of this.#engines) end.abort();
    this.#engines.clear();
    this.world.freeLocks(this);
  }

  sleep(): void {
    this.#asleep();
  }

  wake(): void {
    this.#awake();
  }

  crash(): void {
    for (const { deliver } of this.#engines) deliver({ type: "crashed", body: { message: "it was to" } } satisfies Heard);
  }

  readonly #load: LoadAlone = async (_source, options) => {
    const why = this.broken ?? this.failLoad;
    this.failLoad = undefined;
    if (why) throw why;
    return loadModel(new Blob(["GGUF"]), { ...options, worker: this.#worker() });
  };

  /** The fake, with each token in a message that comes in its own time. */
  #worker(): Worker {
    const { world } = this;
    const end = new AbortController();
    const id = String(this.number) + String(Math.floor(world.random() * 1e9));
    const heard: ((event: MessageEvent) => void)[] = [];
    const { worker, deliver } = workerLike(
      (message) => {
        const data: unknown = structuredClone(message);
        const { body } = data as { body?: { call?: { name: string } } };
        if (body?.call !== undefined && body.call.name === this.deadly) {
          this.onCrash();
          world.later(`from worker ${id}`, () => {
            if (!end.signal.aborted) deliver({ type: "crashed", body: { message: "it was to" } });
          });
        }
        world.later(`to worker ${id}`, () => {
          if (!end.signal.aborted) for (const hear of heard) hear(new MessageEvent("message", { data }));
        });
      },
      () => {
        end.abort();
        this.#engines.delete(engine);
      },
    );
    const engine = { end, deliver };
    this.#engines.add(engine);
    const port: Endpoint = {
      postMessage: (message) => {
        const said = structuredClone(message) as Heard;
        const parts = said.type === "tokens" ? said.body.tokens.map((token) => ({ ...said, body: { ...said.body, tokens: [token] } })) : [said];
        for (const part of parts) {
          world.later(`from worker ${id}`, () => {
            if (!end.signal.aborted) deliver(part);
          });
        }
      },
      addEventListener: (_type, listener) => {
        heard.push(listener);
      },
      removeEventListener: () => undefined,
    };
    serveFake(port, FAKE, end.signal);
    return worker;
  }
}
