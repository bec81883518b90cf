// What the page knows of workers that it has ended, and what a load does that fails for want of their memory.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Heard, Sent } from "../src/internal/channel.js";
import { BitNet } from "../src/public/index.js";
import { fakeWorker } from "../src/public/testing.js";

/** The page's locks, as far as they are used: one holder for each name, the others in turn. */
function locks() {
  const queues = new Map<string, Promise<unknown>>();
  return {
    request: (name: string, use: () => unknown) => {
      const turn = (queues.get(name) ?? Promise.resolve()).then(use);
      queues.set(name, turn);
      return turn;
    },
  };
}

/** A worker that holds its lock until `go()`; `failing` of them have no memory. */
function workers(failing: number) {
  const made: { go: () => void }[] = [];
  const make = () => {
    const worker = fakeWorker();
    let go: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => {
      go = resolve;
    });
    made.push({ go });
    const fails = made.length <= failing;
    const send = worker.postMessage.bind(worker);
    const tell = (data: Heard) => {
      queueMicrotask(() => worker.dispatchEvent(new MessageEvent("message", { data })));
    };
    worker.postMessage = (message: Sent, transfer?: unknown) => {
      if (message.type === "live" && message.lock !== undefined) {
        void navigator.locks.request(message.lock, () => gone);
        tell({ type: "alive" });
      } else if (message.type === "open" && fails) tell({ type: "load-failed", body: { code: "out-of-memory", message: "out of memory: 8192 bytes" } });
      else send(message, transfer as Transferable[]);
    };
    return worker;
  };
  return { made, make };
}

const FILE = new Blob(["GGUF"]);

beforeEach(() => {
  vi.stubGlobal("navigator", { locks: locks() });
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** The model before: its worker has been ended, and goes when it is told to. */
async function before(): Promise<() => void> {
  const { made, make } = workers(0);
  await (await BitNet.load(FILE, { worker: make })).dispose();
  return () => made[0]?.go();
}

const OUT_OF_MEMORY = { name: "BitNetError", code: "out-of-memory" };

describe("a load that fails for want of memory", () => {
  it("is tried once more when the workers that the page has ended are gone", async () => {
    const end = await before();
    const { made, make } = workers(1);
    const loading = BitNet.load(FILE, { worker: make });
    await vi.waitFor(() => {
      expect(made).toHaveLength(1);
    });
    end();
    await new Promise((resolve) => setTimeout(resolve));
    expect(made).toHaveLength(1); // its own worker is still there
    made[0]?.go();
    expect((await loading).info.architecture).toBe("fake");
    expect(made).toHaveLength(2);
  });

  it("fails if it fails again", async () => {
    (await before())();
    const { made, make } = workers(2);
    const loading = BitNet.load(FILE, { worker: make });
    await vi.waitFor(() => {
      expect(made).toHaveLength(1);
    });
    made[0]?.go();
    await expect(loading).rejects.toMatchObject(OUT_OF_MEMORY);
    expect(made).toHaveLength(2);
  });

  it("does not wait for ever for a worker that stays, and not at all where nobody waits for it", async () => {
    await before();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    for (const stop of [undefined, new AbortController()]) {
      const { made, make } = workers(1);
      const loading = BitNet.load(FILE, { worker: make, ...(stop && { signal: stop.signal }) });
      const failed = loading.catch((error: unknown) => error);
      while (vi.getTimerCount() === 0) await Promise.resolve();
      if (stop) stop.abort(new Error("enough"));
      else vi.advanceTimersByTime(5000);
      if (stop) expect(await failed).toEqual(new Error("enough"));
      else expect((await loading).info.architecture).toBe("fake");
      expect(made).toHaveLength(stop ? 1 : 2);
    }
  });

  it("is tried once where it can't be read again, has a worker given, or nothing was ended lately", async () => {
    (await before())();
    const { made, make } = workers(Infinity);
    await expect(BitNet.load(FILE.stream(), { worker: make })).rejects.toMatchObject(OUT_OF_MEMORY);
    await expect(BitNet.load([FILE, FILE.stream() as never], { worker: make })).rejects.toMatchObject(OUT_OF_MEMORY);
    await expect(BitNet.load(FILE, { worker: make() })).rejects.toMatchObject(OUT_OF_MEMORY);
    expect(made).toHaveLength(3);
    vi.spyOn(performance, "now").mockReturnValue(performance.now() + 31_000);
    await expect(BitNet.load(FILE, { worker: make })).rejects.toMatchObject(OUT_OF_MEMORY);
    expect(made).toHaveLength(4);
  });
});
