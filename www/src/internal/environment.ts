/**
 * What a page is given by its browser, and what it makes of a source. In the package's build for Node.js, Deno and Bun
 * `src/node/environment.ts` stands in the place of this module.
 */
import type { ModelSource } from "../public/types.js";

/** Anything may be missing: on a server that renders pages all of it is. */
export interface Environment {
  navigator?: Partial<Omit<Navigator, "storage">> & { storage?: Partial<StorageManager>; deviceMemory?: number | undefined };
  isSecureContext?: boolean;
  /** Whether a worker gets shared memory. */
  crossOriginIsolated?: boolean;
  /** Why there are no other tabs, where there can't be any. */
  noTabs?: string;
}

export function environment(): Environment {
  return globalThis;
}

/** The source itself: a page has no paths. */
export function located(source: ModelSource): ModelSource | Promise<ModelSource> {
  return source;
}
