// Estimates through page and worker: how much of a file is read, and what is made of it.
import { afterEach, describe, expect, it, vi } from "vitest";
import { BitNet, BitNetError, checkSupport, type Estimate, type EstimateOptions, type ModelSource } from "../src/public/index.js";
import { fakeWorker } from "../src/public/testing.js";
import { randomFile } from "./fault-server.mjs";

const FILE = randomFile(30_000_000);

afterEach(() => {
  vi.unstubAllGlobals();
});

function estimate(source: ModelSource, options: EstimateOptions = {}): Promise<Estimate> {
  return BitNet.estimate(source, { worker: fakeWorker(), ...options });
}

/** A stream that begins as a GGUF does, in pieces of `size`, and counts what is taken of it. */
function endless(size: number) {
  const seen = { pulled: 0, cancelled: false };
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(FILE.slice(seen.pulled, (seen.pulled += size)));
    },
    cancel() {
      seen.cancelled = true;
    },
  });
  return { stream, seen };
}

describe("an estimate", () => {
  it("says what loading will", async () => {
    const options = { contextLength: 100, kvCache: "f32" } as const;
    const found = await estimate(new Blob([FILE]), options);
    const { info, ...model } = await BitNet.load(new Blob([FILE]), { ...options, worker: fakeWorker() });
    expect(model).toBeDefined();
    for (const field of ["architecture", "name", "parameters", "quantization", "contextLength", "trainedContextLength", "weightBytes", "kvCacheBytes", "kvCache"] as const) {
      expect(found[field]).toBe(info[field]);
    }
    expect(found).toMatchObject({ fileBytes: FILE.length, fits: true });
    expect(found).not.toHaveProperty("why");
  });

  it("takes no more of a stream than the header, and ends it", async () => {
    const { stream, seen } = endless(2);
    await estimate(stream);
    expect(seen.cancelled).toBe(true);
    expect(seen.pulled).toBeLessThan(20); // a few messages are under way
  });

  it("adds up the parts of a split model", async () => {
    expect((await estimate([new Blob([FILE]), new Blob([FILE])])).fileBytes).toBe(2 * FILE.length);
  });

  it("fails as loading would", async () => {
    await expect(estimate(new Blob(["<html>"]))).rejects.toMatchObject({ code: "format" });
    await expect(estimate(new Blob([]))).rejects.toMatchObject({ code: "format" });
    await expect(estimate([])).rejects.toBeInstanceOf(BitNetError);
    await expect(estimate(new Blob(["GGUF"]), { worker: Object.assign(fakeWorker(), { postMessage: () => undefined }), signal: AbortSignal.timeout(20) })).rejects.toMatchObject({
      name: "TimeoutError",
    });
  });

  it("ends its worker, and the request, when it is done, fails or is aborted", async () => {
    const terminated = vi.fn();
    const worker = () => {
      const fake = fakeWorker();
      return Object.assign(fake, { terminate: vi.fn(fake.terminate.bind(fake)).mockImplementation(terminated) });
    };
    await estimate(new Blob(["GGUF"]), { worker });
    expect(terminated).toHaveBeenCalledTimes(1);
    await estimate(new Blob(["nonsense"]), { worker }).catch(() => undefined);
    expect(terminated).toHaveBeenCalledTimes(2);
    const controller = new AbortController();
    const cancel = vi.fn();
    const silent = new ReadableStream<Uint8Array>({ cancel });
    setTimeout(() => {
      controller.abort(new Error("enough"));
    }, 5);
    await expect(estimate(silent, { worker, signal: controller.signal })).rejects.toThrow("enough");
    expect(terminated).toHaveBeenCalledTimes(3);
    expect(cancel).toHaveBeenCalledTimes(1);
    await expect(estimate(new Blob(["GGUF"]), { worker, signal: controller.signal })).rejects.toThrow("enough");
    expect(terminated).toHaveBeenCalledTimes(3);
  });

  it("takes a KV cache of 8 bits where f16 would not fit, as loading does", async () => {
    const contextLength = 2 ** 20;
    const needed = FILE.length + 2 * contextLength;
    const found = async (gigabytes: number | undefined, kvCache?: "auto" | "f16") => {
      vi.stubGlobal("navigator", { deviceMemory: gigabytes });
      const options = { contextLength, ...(kvCache && { kvCache }) };
      const [before, { info }] = [await estimate(new Blob([FILE]), options), await BitNet.load(new Blob([FILE]), { ...options, worker: fakeWorker() })];
      expect([before.kvCache, before.kvCacheBytes]).toEqual([info.kvCache, info.kvCacheBytes]);
      expect(info.notes.some((note) => note.includes("q8_0"))).toBe(info.kvCache === "q8_0");
      return info.kvCache;
    };
    const gigabytes = (bytes: number) => (2 * bytes) / 2 ** 30;
    expect(await found(undefined)).toBe("f16");
    expect(await found(gigabytes(needed))).toBe("f16");
    expect(await found(gigabytes(needed - 1))).toBe("q8_0");
    expect(await found(gigabytes(needed - 1), "auto")).toBe("q8_0");
    expect(await found(gigabytes(needed - 1), "f16")).toBe("f16");
  });

  it("warns where the device has little memory, and says why a model does not fit", async () => {
    vi.stubGlobal("navigator", { deviceMemory: 0.03125 });
    const warned = await estimate(new Blob([FILE]));
    expect(warned).toMatchObject({ fits: true, why: expect.stringContaining("more than half of this device's memory") as string });
    vi.stubGlobal("navigator", { deviceMemory: 8 });
    expect(await estimate(new Blob([FILE]))).not.toHaveProperty("why");
    const tooLong = await estimate(new Blob([FILE]), { contextLength: 2 ** 32 - 1 });
    expect(tooLong).toMatchObject({ fits: false, why: "it is too large" });
  });
});

describe("checkSupport", () => {
  it("answers outside a browser too", async () => {
    expect(await checkSupport()).toMatchObject({ simd: true, crossOriginIsolated: false, threads: false, opfs: false });
  });

  it("tells how much memory a model may take, where the browser tells that of the device", async () => {
    for (const [deviceMemory, modelMemory] of [
      [undefined, undefined],
      [4, 2 ** 31],
      [32, 2 ** 32],
    ]) {
      vi.stubGlobal("navigator", { deviceMemory });
      expect((await checkSupport()).modelMemory).toBe(modelMemory);
    }
  });

  it("tells of storage what the browser tells", async () => {
    vi.stubGlobal("navigator", { storage: { estimate: () => Promise.resolve({ quota: 10, usage: 3 }) } });
    expect((await checkSupport()).storage).toEqual({ quota: 10, usage: 3 });
  });
});
