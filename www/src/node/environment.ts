/** In the place of `src/internal/environment.ts`: what a browser gives a page, of the machine. */
import { availableParallelism, totalmem } from "node:os";
import { versions } from "node:process";
import type { Environment } from "../internal/environment.js";
import { storage } from "./file-system.js";
import { locks } from "./locks.js";

export { located } from "./located.js";

/** Also that of the engine's worker. */
export function navigator(): NonNullable<Environment["navigator"]> {
  return {
    hardwareConcurrency: availableParallelism(),
    userAgent: userAgent(),
    deviceMemory: totalmem() / 2 ** 30,
    storage: storage as unknown as Partial<StorageManager>,
    locks: locks as unknown as LockManager,
  };
}

export function environment(): Environment {
  // Workers share memory here whatever headers there are.
  return { navigator: navigator(), isSecureContext: true, crossOriginIsolated: true };
}

function userAgent(): string {
  const { bun, deno, node } = versions;
  if (bun !== undefined) return `Bun/${bun}`;
  return deno === undefined ? `Node.js/${node}` : `Deno/${deno}`;
}
