import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { startHelpers } from "../src/internal/helpers.js";
import type { FromHelper, Help } from "../src/internal/channel.js";
import { BitNet, type LoadOptions } from "../src/public/index.js";
import { fakeWorker } from "../src/public/testing.js";

const HELP = {} as Help;

/** A worker that answers the request for help with what the test says, or with silence. */
function helper(answer: FromHelper | Event | undefined): Worker {
  const worker = new EventTarget();
  const postMessage = () => {
    if (answer !== undefined) worker.dispatchEvent(answer instanceof Event ? answer : new MessageEvent("message", { data: answer }));
  };
  return Object.assign(worker, { postMessage, terminate: vi.fn() }) as unknown as Worker;
}

function host(...workers: (Worker | Error)[]) {
  return {
    createWorker: () => {
      const worker = workers.shift();
      if (worker === undefined || worker instanceof Error) throw worker ?? new Error("too many");
      return worker;
    },
    adopt: vi.fn<(worker: Worker) => void>(),
    crash: vi.fn<(what: string) => void>(),
  };
}

describe("helpers", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("are waited for until all have joined", async () => {
    const page = host(helper({ type: "joined" }), helper({ type: "joined" }));
    expect(await startHelpers(2, HELP, page)).toBeUndefined();
    expect(page.adopt).toHaveBeenCalledTimes(2);
  });

  it("that can't start are told of, and the others stay", async () => {
    const page = host(helper({ type: "joined" }), helper({ type: "failed", message: "no module" }), new Error("no worker"));
    expect(await startHelpers(3, HELP, page)).toBe("2 of 3 workers for further threads did not start (no module)");
    expect(page.crash).not.toHaveBeenCalled();
  });

  it("whose script is missing are told of", async () => {
    expect(await startHelpers(1, HELP, host(helper(new Event("error"))))).toContain("script could not be loaded");
  });

  it("that are silent are waited for no longer than a few seconds", async () => {
    const page = host(helper(undefined), helper({ type: "joined" }));
    const starting = startHelpers(2, HELP, page);
    await vi.advanceTimersByTimeAsync(5000);
    expect(await starting).toBe("1 of 2 workers for further threads did not start (not there within 5 s)");
    expect(page.adopt).toHaveBeenCalledTimes(2); // they end with the engine all the same
  });

  it("that crash at work are reported", async () => {
    const worker = helper({ type: "joined" });
    const page = host(worker);
    await startHelpers(1, HELP, page);
    worker.dispatchEvent(new MessageEvent("message", { data: { type: "crashed", message: "unreachable" } }));
    expect(page.crash).toHaveBeenCalledWith("unreachable");
  });
});

describe("the option threads", () => {
  it("may be auto or 1 to 64", async () => {
    for (const threads of [0, 65, 1.5, NaN, "2"]) {
      const options = { worker: () => fakeWorker(), threads } as unknown as LoadOptions;
      await expect(BitNet.load(new Blob(["GGUF"]), options)).rejects.toMatchObject({ code: "invalid-argument" });
    }
    for (const threads of ["auto", 1, 64] as const) {
      const model = await BitNet.load(new Blob(["GGUF"]), { worker: () => fakeWorker(), threads });
      expect(model.info.threads).toBe(1);
      await model.dispose();
    }
  });
});
