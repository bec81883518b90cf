/**
 * The cache on the disk, which is that of the native program: the same folder, the same files, the same lock. Whoever has downloaded
 * something, the other finds it. `src/cli/place/files.rs` of the crate.
 */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { env, platform } from "node:process";

/** The folder that `B158_CACHE` names, else where the system keeps caches. */
export function cacheFolder(): string {
  const given = env["B158_CACHE"];
  if (given) return given;
  const caches = systemCaches();
  if (!caches) throw new Error("there is no folder for caches: name one in B158_CACHE");
  return join(caches, "b158");
}

function systemCaches(): string | undefined {
  if (platform === "win32") return env["LOCALAPPDATA"];
  const home = env["HOME"] ?? homedir();
  if (platform === "darwin") return home && join(home, "Library", "Caches");
  // What is no absolute path counts for nothing, as the specification has it.
  const given = env["XDG_CACHE_HOME"];
  return given && isAbsolute(given) ? given : home && join(home, ".cache");
}

/** Whether a folder of this name is a file's. */
export function isKey(name: string): boolean {
  return /^[0-9a-f]{32}$/.test(name);
}

/** What a failure of the file system is called in a browser; the words stay the system's, which name the file. */
export function asDomException(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || thrown instanceof DOMException) return thrown;
  const name = NAMES[(thrown as NodeJS.ErrnoException).code ?? ""];
  return name === undefined ? thrown : new DOMException(thrown.message, name);
}

const NAMES: Record<string, string> = {
  ENOENT: "NotFoundError",
  ENOSPC: "QuotaExceededError",
  EDQUOT: "QuotaExceededError",
  EFBIG: "QuotaExceededError",
};
