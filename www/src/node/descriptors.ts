/**
 * Files that a worker has open. When it is ended, Node.js and Deno close them, and with them their locks go; Bun leaves them open for as
 * long as the process lives. There the worker writes them down where the one who ends it can read them.
 */
import { closeSync, openSync } from "node:fs";
import { versions } from "node:process";
import { isMainThread, workerData } from "node:worker_threads";

/** Lock, data and journal of a file, and one that is read. */
const MOST = 16;

/** For a new worker, as its `workerData`. */
export interface Held {
  b158: Int32Array;
}

export function held(): Held | undefined {
  return versions["bun"] === undefined ? undefined : { b158: new Int32Array(new SharedArrayBuffer(4 * MOST)) };
}

/** What an ended worker had open. */
export function closeAll({ b158 }: Held): void {
  for (const [index, file] of b158.entries()) {
    if (file > 0) closeSync(file);
    b158[index] = 0;
  }
}

function own(): Int32Array | undefined {
  return isMainThread ? undefined : (workerData as Partial<Held> | null)?.b158;
}

export function opened(file: number): number {
  const table = own();
  const free = table?.indexOf(0) ?? -1;
  if (table && free >= 0) table[free] = file;
  return file;
}

export function open(path: string, flags: number | string): number {
  return opened(openSync(path, flags));
}

/** Before it is closed: its number may be another file's a moment later. */
export function closing(file: number): number {
  const table = own();
  const index = table?.indexOf(file) ?? -1;
  if (table && index >= 0) table[index] = 0;
  return file;
}

export function close(file: number): void {
  closeSync(closing(file));
}
