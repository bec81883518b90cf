import { entry, keys, remove } from "../internal/cache-folder.js";
import { environment } from "../internal/environment.js";
import { textLike } from "../internal/options/kinds.js";
import { BitNetError } from "./errors.js";
import type { CachedModel } from "./types.js";

/** What has been downloaded, whole or in part, the last used first. Empty where the browser has no place for it. */
export async function listCachedModels(): Promise<CachedModel[]> {
  const models = await Promise.all((await keys()).map(describe));
  return models.filter((model) => model !== undefined).sort((a, b) => b.lastUsed.getTime() - a.lastUsed.getTime());
}

/**
 * Deletes a file; false where there is none of this key.
 *
 * @throws BitNetError `storage` while it is being loaded, in this tab or another.
 */
export async function deleteCachedModel(key: string): Promise<boolean> {
  textLike("the `key` of one of listCachedModels()", /[^]/).read(key, "key");
  if (!(await keys()).includes(key)) return false;
  if (!(await remove(key))) throw new BitNetError("storage", "the model is being loaded, here or in another tab; delete it when that has ended");
  return true;
}

/**
 * Deletes all files.
 *
 * @throws BitNetError `storage` where one of them is being loaded; the others are gone.
 */
export async function clearCachedModels(): Promise<void> {
  const outcomes = await Promise.allSettled((await keys()).map(deleteCachedModel));
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed) throw failed.reason;
}

/** Bytes that this site may use and does use, the cache among them, as far as the browser says; and whether it has promised to delete nothing by itself. */
export async function storageEstimate(): Promise<{ quota?: number; usage?: number; persisted: boolean }> {
  const manager = storage();
  const [estimate, persisted] = await Promise.all([manager?.estimate?.(), manager?.persisted?.()]);
  const { quota, usage } = estimate ?? {};
  return { ...(quota !== undefined && { quota }), ...(usage !== undefined && { usage }), persisted: persisted ?? false };
}

/** Asks the browser to delete nothing by itself when the disk is full; it may ask the person, or refuse: false. */
export async function persistStorage(): Promise<boolean> {
  return (await storage()?.persist?.()) ?? false;
}

function storage(): Partial<StorageManager> | undefined {
  return environment().navigator?.storage;
}

async function describe(key: string): Promise<CachedModel | undefined> {
  const journal = await entry(key);
  if (!journal) return undefined;
  const { head, parts, complete, sha256, used } = journal;
  const totalBytes = complete ?? head.size;
  return {
    key,
    url: head.url,
    name: fileName(head.url),
    bytes: complete ?? Math.min(parts.size * head.partBytes, totalBytes ?? Infinity),
    ...(totalBytes !== undefined && { totalBytes }),
    complete: complete !== undefined,
    lastUsed: new Date(used),
    ...(sha256 !== undefined && { sha256 }),
  };
}

/** The last part of its path. */
function fileName(url: string): string {
  const last = new URL(url).pathname.split("/").filter(Boolean).at(-1) ?? url;
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}
