/** In the place of `src/internal/environment.ts`: what a browser gives a page, of the machine. */
import { availableParallelism, totalmem } from "node:os";
import { versions } from "node:process";
import type { Environment } from "../internal/environment.js";
import { storage } from "./file-system.js";
import { locks } from "./locks.js";

export { located } from "./located.js";

/** Also that of the engine's worker. What Deno was not allowed to tell is not known. */
export function navigator(): NonNullable<Environment["navigator"]> {
  return {
    // At once: in a worker the runtime itself would look here for it.
    hardwareConcurrency: told(availableParallelism) ?? 1,
    get userAgent() {
      return userAgent();
    },
    get deviceMemory() {
      const bytes = told(totalmem);
      return bytes === undefined ? undefined : bytes / 2 ** 30;
    },
    storage: storage as unknown as Partial<StorageManager>,
    locks: locks as unknown as LockManager,
  };
}

export function environment(): Environment {
  // Workers share memory here whatever headers there are.
  return { navigator: navigator(), isSecureContext: true, crossOriginIsolated: true, noTabs: "only browsers have tabs" };
}

function told<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}

function userAgent(): string {
  const { bun, deno, node } = versions;
  if (bun !== undefined) return `Bun/${bun}`;
  return deno === undefined ? `Node.js/${node}` : `Deno/${deno}`;
}
