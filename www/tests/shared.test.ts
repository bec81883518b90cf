// One engine for all tabs of a site: whatever becomes of the tabs, and in whatever order their messages come, what is asked ends once, and right.
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Loaded } from "../src/internal/load.js";
import { OWN_SESSION } from "../src/internal/protocol.js";
import { version } from "../package.json";
import { engineName } from "../src/internal/shared/load.js";
import { WorkerSession } from "../src/internal/session.js";
import { BitNet, BitNetError, type GenerateOptions, type LoadOptions, type Session } from "../src/public/index.js";
import { fakeWorker } from "../src/public/testing.js";
import { FAKE, type FakeTab, World } from "./shared-world.js";

afterEach(() => {
  vi.unstubAllGlobals();
});

const PROMPTS = [" the dog ran", " a cat and a ball", " mom was happy all day"];

const told = new Map<string, Promise<{ text: string; saved: string }>>();

/** What an engine of one's own says. */
function alone(prompt: string, options: GenerateOptions): Promise<{ text: string; saved: string }> {
  const key = JSON.stringify([prompt, options]);
  const known = told.get(key) ?? say(prompt, options);
  told.set(key, known);
  return known;
}

async function say(prompt: string, options: GenerateOptions): Promise<{ text: string; saved: string }> {
  const model = await BitNet.load(new Blob(["GGUF"]), { worker: fakeWorker(FAKE) });
  const session = await model.session();
  const { text } = await session.generate(prompt, options).result();
  const saved = new TextDecoder().decode(await session.save());
  await model.dispose();
  return { text, saved };
}

/** A tab that asks for this and that. */
class User {
  loaded: Loaded | undefined;
  sessions: Session[] = [];
  underWay = 0;
  /** Of the end of its model, and of what it asked. */
  readonly errors: unknown[] = [];
  disposed = false;

  constructor(
    readonly tab: FakeTab,
    readonly world: World,
  ) {
    this.#watch(
      tab.share().then((loaded) => {
        this.loaded = loaded;
        this.sessions.push(new WorkerSession(loaded.connection, OWN_SESSION));
      }),
    );
  }

  get gone(): boolean {
    return this.tab.dead || this.disposed;
  }

  #watch(work: Promise<void>): void {
    this.underWay++;
    const end = () => {
      this.underWay--;
    };
    work.then(end, (error: unknown) => {
      end();
      if (!this.gone) this.errors.push(error);
    });
  }

  dispose(): void {
    this.disposed = true;
    this.loaded?.connection.close(new BitNetError("disposed", "it is"));
  }

  ask(): void {
    const { world, loaded } = this;
    const session = world.pick(this.sessions);
    if (!loaded || !session || this.gone) return;
    const deeds: (() => Promise<void>)[] = [
      () => this.generate(session),
      () => this.generate(session),
      () => this.generate(session),
      () => this.cut(session),
      () => this.abort(session),
      async () => {
        expect(await loaded.connection.call("detokenize", { ids: Uint32Array.of(0, 1) })).toBe(" the a");
      },
      async () => {
        expect((await loaded.connection.call("memory")).sessions).toBeGreaterThan(0);
      },
      async () => {
        if (this.sessions.length < 4) this.sessions.push(new WorkerSession(loaded.connection, await loaded.connection.call("openSession")));
      },
      () => this.keep(loaded),
      async () => {
        const { values } = await loaded.connection.embed({ inputs: [{ type: "text", body: " the dog" }] }, undefined);
        expect(values.length).toBe(8);
      },
    ];
    this.#watch(world.pick(deeds)?.() ?? Promise.resolve());
  }

  async generate(session: Session): Promise<void> {
    const prompt = this.world.pick(PROMPTS) ?? "";
    const options = { seed: Math.floor(this.world.random() * 5), maxTokens: 5 + Math.floor(this.world.random() * 20) };
    const generation = session.generate(prompt, options);
    let text = "";
    let last = 0;
    for await (const token of generation) {
      text += token.text;
      expect(token.elapsedMs).toBeGreaterThanOrEqual(last - 1);
      last = token.elapsedMs;
    }
    const result = await generation.result();
    expect(text).toBe(result.text);
    expect(text).toBe((await alone(prompt, options)).text);
    expect(result.usage.completionTokens).toBe(Math.min(20, options.maxTokens));
  }

  /** Left after some tokens. */
  async cut(session: Session): Promise<void> {
    const [prompt = "", most] = [PROMPTS[0], Math.floor(this.world.random() * 20)];
    const generation = session.generate(prompt, { seed: 3 });
    let text = "";
    let count = 0;
    for await (const token of generation) {
      text += token.text;
      if (++count > most) break;
    }
    const { text: all, finishReason, usage } = await generation.result();
    expect(all.startsWith(text)).toBe(true);
    expect((await alone(prompt, { seed: 3 })).text.startsWith(all)).toBe(true);
    if (finishReason === "cancelled") expect(usage.completionTokens).toBeGreaterThanOrEqual(count);
  }

  async abort(session: Session): Promise<void> {
    const stop = new AbortController();
    const generation = session.generate(PROMPTS[1] ?? "", { signal: stop.signal });
    await generation[Symbol.asyncIterator]().next();
    stop.abort();
    const end = await generation.result().catch((error: unknown) => error);
    // It may have been over.
    if (end instanceof Error) expect(end).toBe(stop.signal.reason);
  }

  /** Saved and cloned: both have read what was said last. */
  async keep({ connection }: Loaded): Promise<void> {
    const own = new WorkerSession(connection, await connection.call("openSession"));
    const options = { seed: Math.floor(this.world.random() * 5), maxTokens: 6 };
    const prompt = this.world.pick(PROMPTS) ?? "";
    await own.generate(prompt, options).result();
    const copy = await own.clone();
    const expected = await alone(prompt, options);
    expect(new TextDecoder().decode(await own.save())).toBe(expected.saved);
    expect(new TextDecoder().decode(await copy.save())).toBe(expected.saved);
    const third = await own.clone();
    await third.restore(await copy.save());
    await third.save();
    expect(new TextDecoder().decode(await third.save())).toBe(expected.saved);
    await Promise.all([own.dispose(), copy.dispose(), third.dispose()]);
  }
}

type Blow = (user: User, users: readonly User[]) => void;

const BLOWS = {
  kill: (user, users) => {
    if (users.filter(({ gone }) => !gone).length > 1) user.tab.kill();
  },
  dispose: (user, users) => {
    if (user.loaded && users.filter(({ gone }) => !gone).length > 1) user.dispose();
  },
  sleep: (user) => {
    user.tab.sleep();
  },
  wake: (user) => {
    user.tab.wake();
  },
} satisfies Record<string, Blow>;

const HARDER = {
  ...BLOWS,
  crash: (user) => {
    user.tab.crash();
  },
  "fail to load": (user) => {
    user.tab.failLoad = new BitNetError("network", "it can't be fetched");
  },
} satisfies Record<string, Blow>;

const SEEDS = process.env["B158_WIDE"] === "1" ? 200 : 8;
const PATIENCE_MS = 20 * 60_000;

/** In which things happen to the tabs. */
const STEPS = 1500;

async function live(seed: number, blows: Record<string, Blow>): Promise<User[]> {
  const world = new World(seed);
  const users: User[] = [];
  const arrive = () => users.push(new User(world.tab(), world));
  for (let number = 0; number < 3; number++) arrive();
  let steps = 0;
  await world.run(() => ++steps > STEPS, () => {
    const user = world.pick(users.filter(({ gone }) => !gone));
    if (!user) return;
    if (world.random() < 0.06) user.ask();
    if (world.random() < 0.012) world.pick(Object.values(blows))?.(user, users);
    if (world.random() < 0.004 && users.length < 8) arrive();
  });
  for (const { tab, gone } of users) if (!gone) tab.wake();
  await world.run(() => users.every(({ gone, underWay }) => gone || underWay === 0));
  for (const { gone, underWay } of users) if (!gone) expect(underWay, `seed ${String(seed)}: something never ended`).toBe(0);
  for (const user of users) user.dispose();
  await world.run(() => false);
  return users;
}

describe("whatever becomes of the tabs", { timeout: PATIENCE_MS }, () => {
  it("everything that is asked ends with what an engine of one's own says", async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const users = await live(seed, BLOWS);
      expect(users.flatMap(({ errors }) => errors), `seed ${String(seed)}`).toEqual([]);
    }
  });

  it("or, where engines crash and loads fail, with an error that says so", async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const users = await live(seed, HARDER);
      const wrong = users.flatMap(({ errors }) => errors).filter((error) => !(error instanceof BitNetError && (error.code === "worker-crashed" || error.code === "network")));
      expect(wrong, `seed ${String(seed)}`).toEqual([]);
    }
  });
});

describe("one engine", () => {
  const open = async (world: World, count: number) => {
    const loads = Array.from({ length: count }, () => world.tab()).map(async (tab) => ({ tab, ...(await tab.share()) }));
    let tabs: Awaited<(typeof loads)[number]>[] | undefined;
    void Promise.all(loads).then((all) => {
      tabs = all;
    });
    await world.run(() => tabs !== undefined);
    return tabs ?? expect.unreachable("they have not loaded");
  };
  const until = async <T>(world: World, work: Promise<T>): Promise<T> => {
    let over = false;
    const end = () => {
      over = true;
    };
    work.then(end, end);
    await world.run(() => over);
    expect(over, "it hangs").toBe(true);
    return work;
  };

  it("serves all tabs, says in which it is, and answers each in its turn", async () => {
    const world = new World(7);
    const tabs = await open(world, 3);
    expect(tabs.filter(({ tab }) => tab.holds).length).toBe(1);
    for (const { tab, info } of tabs) {
      expect(info.shared).toBe(tab.holds ? "here" : "elsewhere");
      expect(info.notes.join()).toContain(tab.holds ? "this tab holds the engine" : "another tab holds the engine");
    }
    const order: number[] = [];
    const ask = (index: number) =>
      new WorkerSession((tabs[index] as Loaded).connection, OWN_SESSION)
        .generate(" the", { maxTokens: 3 })
        .result()
        .then(() => order.push(index));
    await until(world, Promise.all([ask(0), ask(0), ask(0), ask(0), ask(1), ask(2)]));
    // Nobody waits for all that another has asked for.
    expect(order.lastIndexOf(1)).toBeLessThan(5);
    expect(order.lastIndexOf(2)).toBeLessThan(5);
    expect(order.at(-1)).toBe(0);
  });

  it("cancels what a tab that is gone had asked for, and frees its sessions", async () => {
    const world = new World(11);
    const tabs = await open(world, 3);
    const [first, second] = tabs.filter(({ tab }) => !tab.holds);
    if (!first || !second) return expect.unreachable();
    for (let count = 0; count < 3; count++) {
      const session = new WorkerSession(first.connection, await until(world, first.connection.call("openSession")));
      void session.generate(" the dog");
    }
    expect((await until(world, second.connection.call("memory"))).sessions).toBeGreaterThanOrEqual(4);
    first.tab.kill();
    await world.run(() => false);
    const { sessions, kvCacheBytes } = await until(world, second.connection.call("memory"));
    expect({ sessions, kvCacheBytes }).toEqual({ sessions: 1, kvCacheBytes: 0 });
  });

  it("need not come back for what has been cancelled", async () => {
    const world = new World(17);
    const tabs = await open(world, 2);
    const [guest, holder] = [tabs.find(({ tab }) => !tab.holds), tabs.find(({ tab }) => tab.holds)];
    if (!guest || !holder) return expect.unreachable();
    const generation = new WorkerSession(guest.connection, OWN_SESSION).generate(" the dog");
    const tokens = generation[Symbol.asyncIterator]();
    await until(world, tokens.next());
    holder.tab.kill();
    generation.cancel();
    const { finishReason, usage, text } = await until(world, generation.result());
    let heard = 1;
    while (!(await tokens.next()).done) heard++;
    expect({ finishReason, tokens: usage.completionTokens }).toEqual({ finishReason: "cancelled", tokens: heard });
    expect(heard).toBeLessThan(20);
    expect((await alone(" the dog", {})).text.startsWith(text)).toBe(true);
  });

  it("is loaded by a tab that can, and fails where none can, with the reason", async () => {
    for (const able of [1, 0]) {
      const world = new World(19);
      const tabs = [0, 1, 2].map(() => world.tab());
      for (const tab of tabs.slice(able)) tab.broken = new BitNetError("network", `tab ${String(tab.number)} is offline`);
      const ends = await until(world, Promise.allSettled(tabs.map((tab) => tab.share())));
      if (able) expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled"]);
      else for (const [number, end] of ends.entries()) expect(end).toMatchObject({ status: "rejected", reason: { code: "network", message: `tab ${String(number)} is offline` } });
    }
  });

  it("is not loaded where the signal has come before", async () => {
    const world = new World(23);
    await expect(until(world, world.tab().share({ signal: AbortSignal.abort("no more") }))).rejects.toBe("no more");
    await world.run(() => false);
    expect(world.held()).toEqual([]);
  });

  it("is not tried for ever with a call that ends it", async () => {
    for (let seed = 1; seed <= 6; seed++) {
      const world = new World(seed);
      const tabs = await open(world, 2);
      const [asking] = tabs.filter(({ tab }) => !tab.holds);
      if (!asking) return expect.unreachable();
      let ended: unknown;
      asking.connection.call("tokenize", { text: " the", parseSpecial: false }).catch((error: unknown) => {
        ended = error;
      });
      let engines = 0;
      for (const { tab } of tabs) {
        tab.deadly = "tokenize";
        tab.onCrash = () => {
          engines++;
        };
      }
      await world.run(() => ended !== undefined);
      expect(ended).toMatchObject({ code: "worker-crashed" });
      // Three, and those that are gone before anybody heard of them.
      expect(engines).toBeLessThan(10);
      expect(await until(world, asking.connection.call("detokenize", { ids: Uint32Array.of(0) }))).toBe(" the");
      for (const { connection } of tabs) expect((await until(world, connection.call("memory"))).sessions).toBeGreaterThan(0);
    }
  });

  it("is not tried for ever with what ends it", async () => {
    const world = new World(13);
    const tabs = await open(world, 5);
    const [asking] = tabs.filter(({ tab }) => !tab.holds);
    if (!asking) return expect.unreachable();
    let ended: unknown;
    let read = false;
    let engines = 0;
    const onPrefill = () => {
      read = true;
    };
    new WorkerSession(asking.connection, OWN_SESSION)
      .generate(" the dog", { onPrefill })
      .result()
      .catch((error: unknown) => {
        ended = error;
      });
    await world.run(
      () => ended !== undefined,
      () => {
        if (!read) return;
        read = false;
        engines++;
        tabs.find(({ tab }) => tab.holds)?.tab.crash();
      },
    );
    expect(ended).toMatchObject({ code: "worker-crashed", message: expect.stringContaining("3 engines have ended while they were at this") as string });
    expect(engines).toBe(3);
    // The others go on.
    expect(await until(world, asking.connection.call("detokenize", { ids: Uint32Array.of(0) }))).toBe(" the");
  });
});

describe("a source or a place that can't be shared", () => {
  it("is refused by its name, or told of", async () => {
    const worker = () => fakeWorker(FAKE);
    vi.stubGlobal("navigator", { locks: { request: () => expect.unreachable(), query: () => Promise.resolve({}) } });
    await expect(BitNet.load(new Blob(["GGUF"]), { shared: true, worker })).rejects.toMatchObject({ code: "invalid-argument", message: expect.stringContaining("a Blob") as string });
    await expect(BitNet.load(new Response("GGUF"), { shared: true, worker })).rejects.toMatchObject({ code: "invalid-argument", message: expect.stringContaining("a stream") as string });
    vi.stubGlobal("fetch", () => Promise.resolve(new Response("GGUF")));
    const ready = await BitNet.load("https://localhost/model.gguf", { shared: true, worker: fakeWorker(FAKE) });
    expect(ready.info.notes.join()).toContain("not shared with other tabs: the worker was given ready");
    expect(ready.info.shared).toBeUndefined();
    vi.stubGlobal("navigator", {});
    const bare = await BitNet.load("https://localhost/model.gguf", { shared: true, worker });
    expect(bare.info.notes.join()).toContain("not shared with other tabs: there are no Web Locks here");
    await Promise.all([ready.dispose(), bare.dispose()]);
  });

  it("is one engine for the same address and options, whatever changes no answer", async () => {
    const name = (url: string, options: LoadOptions = {}) =>
      engineName({ sent: { parts: [{ type: "address", body: { url, headers: [] } }], kind: "alone", base: "https://localhost/a/", cache: "auto", offline: false, connections: 4, crossOriginStorage: true } }, options);
    const own = await name("model.gguf");
    expect(own).toContain(` ${version} `);
    expect(await name("https://localhost/a/model.gguf", { threads: 2, cache: false, kvCache: "auto" })).toBe(own);
    for (const other of [name("other.gguf"), name("model.gguf", { contextLength: 5 }), name("model.gguf", { kvCache: "q8_0" }), name("model.gguf", { overrides: ["a=int:1"] })]) expect(await other).not.toBe(own);
  });
});
