import { relaxedSimd, simd, threads } from "wasm-feature-detect";
import { whyNoOpfs } from "../internal/cache-folder.js";
import { deviceRoom } from "../internal/device-memory.js";
import { environment } from "../internal/environment.js";
import { storageEstimate } from "./cache.js";
import type { Support } from "./types.js";

/** What this browser and this page can do; nothing is downloaded, and nothing is asked of the person. On a server for which the package has no build of its own most of it is false. */
export async function checkSupport(): Promise<Support> {
  const [plain, relaxed, shared, opfs, storage] = await Promise.all([simd(), relaxedSimd(), threads(), hasOpfs(), storageEstimate()]);
  const { quota, usage } = storage;
  const room = deviceRoom();
  const known = quota !== undefined || usage !== undefined;
  // Where a worker gets no shared memory, there are no threads whatever the engine can do.
  const isolated = environment().crossOriginIsolated ?? false;
  return {
    simd: plain,
    relaxedSimd: relaxed,
    threads: shared && isolated,
    crossOriginIsolated: isolated,
    opfs,
    ...(known && { storage: { ...(quota !== undefined && { quota }), ...(usage !== undefined && { usage }) } }),
    ...(room !== undefined && { modelMemory: Math.min(room, 2 ** 32) }),
  };
}

/** Private windows of some browsers have the interface and refuse it. */
async function hasOpfs(): Promise<boolean> {
  if (whyNoOpfs() !== undefined) return false;
  try {
    await environment().navigator?.storage?.getDirectory?.();
    return true;
  } catch {
    return false;
  }
}
