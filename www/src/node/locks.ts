/**
 * `navigator.locks` for files of the cache: the locks of the native program, which the system lets go of with the process, however that
 * ends. No runtime has them in JavaScript. On Linux they belong to an open file, so that the program `flock` can take one for us: it
 * inherits the file, and the lock stays when it has ended. macOS and Windows take them when a file is opened.
 */
import { spawn } from "node:child_process";
import { constants, fstatSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { platform } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { close, open } from "./descriptors.js";
import { asDomException, cacheFolder, isKey } from "./folder.js";

const LOCK = "lock";
/** Between two tries. */
const RETRY_MS = 100;
/** For a program that takes no time. */
const PROGRAM_MS = 10_000;
/** libuv's own bit on Windows; that of the system on macOS. */
const EXCLUSIVELY = platform === "win32" ? 0x1000_0000 : 0x20;

export type Granted = (lock: { name: string; mode: "exclusive" }) => unknown;

export const locks = {
  /** Only names that the cache has, `b158-models/KEY`: others are refused, as where there are no locks. */
  async request<T>(name: string, options: { signal?: AbortSignal }, granted: (lock: { name: string; mode: "exclusive" }) => T): Promise<Awaited<T>> {
    const [folder, key, ...more] = name.split("/");
    if (folder !== MODELS || key === undefined || !isKey(key) || more.length > 0) throw new DOMException(`${name} is no file of the cache`, "NotSupportedError");
    const release = await acquire(key, options.signal);
    try {
      return await granted({ name, mode: "exclusive" });
    } finally {
      release();
    }
  },
};

/** What the engine calls the folder of all files. */
export const MODELS = "b158-models";

/** Waits until nobody else writes the file. What it gives lets go. */
async function acquire(key: string, signal: AbortSignal | undefined): Promise<() => void> {
  for (;;) {
    signal?.throwIfAborted();
    const file = await tryToLock(key);
    if (file !== undefined) {
      if (signal?.aborted) {
        close(file);
        signal.throwIfAborted();
      }
      return () => {
        close(file);
      };
    }
    await sleep(RETRY_MS);
  }
}

/** The open file that has the lock; undefined where another has it. */
async function tryToLock(key: string): Promise<number | undefined> {
  const all = cacheFolder();
  const path = join(all, key, LOCK);
  try {
    mkdirSync(join(all, key), { recursive: true });
    if (platform !== "linux") return openLocked(path);
    const file = open(path, constants.O_RDWR | constants.O_CREAT);
    let kept = false;
    try {
      // Under the lock of the whole cache, as whoever deletes a folder has it. One that was deleted before that has another name by now.
      kept = (await runFlock(join(all, LOCK), file)) && isStillThere(path, file);
      return kept ? file : undefined;
    } finally {
      if (!kept) close(file);
    }
  } catch (error) {
    throw asDomException(error);
  }
}

function openLocked(path: string): number | undefined {
  try {
    return open(path, constants.O_RDWR | constants.O_CREAT | (constants.O_NONBLOCK || 0) | EXCLUSIVELY);
  } catch (error) {
    if (["EAGAIN", "EWOULDBLOCK", "EBUSY"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

function isStillThere(path: string, file: number): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  const own = fstatSync(file);
  return found?.ino === own.ino && found.dev === own.dev;
}

/** False: another has it. */
function runFlock(all: string, file: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const program = spawn("flock", [all, "flock", "-n", "3"], { stdio: ["ignore", "ignore", "pipe", file], timeout: PROGRAM_MS });
    let said = "";
    program.stderr?.on("data", (text: Buffer) => {
      said += text.toString();
    });
    program.on("error", (error) => {
      reject(new Error(`the cache can't be locked: the program flock of util-linux or BusyBox does not run (${error.message})`, { cause: error }));
    });
    program.on("close", (status) => {
      if (status === 0) resolve(true);
      else if (said === "") resolve(false);
      else reject(new Error(`the cache can't be locked: ${said.trim()}`));
    });
  });
}
