/**
 * A worker's life beside an engine's: it reads, writes and hashes one cached file, piece by piece, which in the engine's own thread
 * would hold up both the network and the repacking. What it is told, and what it answers, is written down in `src/web/place/keeper.rs`.
 */
import type { Endpoint } from "./channel.js";

type Told =
  | { type: "keep"; id: number; folders: string[]; name: string }
  | { type: "keep"; id: number; write: Uint8Array<ArrayBuffer>; at: number; hash: boolean }
  | { type: "keep"; id: number; read: Uint8Array<ArrayBuffer>; at: number }
  | { type: "keep"; id: number; cut: number }
  | { type: "keep"; id: number; flush: true }
  | { type: "keep"; id: number; close: true };

/** Workers alone have these: the types of a page leave them out. */
interface InPlace {
  read: (bytes: Uint8Array<ArrayBuffer>, options: { at: number }) => number;
  write: (bytes: Uint8Array<ArrayBuffer>, options: { at: number }) => number;
  truncate: (size: number) => void;
  getSize: () => number;
  flush: () => void;
  close: () => void;
}

interface Answer {
  bytes?: Uint8Array<ArrayBuffer>;
  /** How many were read or written. */
  count?: number;
  sha256?: Uint8Array;
}

/** `end` ends this worker. */
export function serveKeeper(port: Endpoint, end: () => void): void {
  let file: InPlace | undefined;

  const obey = async (told: Told): Promise<Answer> => {
    if ("folders" in told) {
      file = await open(told.folders, told.name);
      return {};
    }
    if (!file) throw new Error("no file is open");
    if ("write" in told) {
      const { write: bytes, at, hash } = told;
      const sha256 = hash ? digest(bytes) : undefined;
      const count = file.write(bytes, { at });
      return { bytes, count, ...(await sha256) };
    }
    if ("read" in told) {
      const { read: bytes, at } = told;
      const count = file.read(bytes, { at });
      return { bytes, count, ...(await digest(bytes.subarray(0, count))) };
    }
    if ("cut" in told) file.truncate(told.cut);
    else if ("flush" in told) file.flush();
    else file.close();
    return {};
  };

  port.addEventListener("message", (event: MessageEvent<{ type: unknown }>) => {
    if (event.data.type !== "keep") return;
    const told = event.data as Told;
    obey(told).then(
      (answer) => {
        port.postMessage({ id: told.id, ...answer }, answer.bytes ? [answer.bytes.buffer] : []);
        if ("close" in told) end();
      },
      (thrown: unknown) => {
        const { name, message } = thrown as Partial<Error>;
        port.postMessage({ id: told.id, failed: { name: name ?? "", message: message ?? String(thrown) } }, []);
      },
    );
  });
}

/** Without the hash where the browser refuses: the engine can take it as well. */
async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<{ sha256?: Uint8Array }> {
  try {
    return { sha256: new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)) };
  } catch {
    return {};
  }
}

async function open(folders: string[], name: string): Promise<InPlace> {
  let folder = await navigator.storage.getDirectory();
  for (const name of folders) folder = await folder.getDirectoryHandle(name);
  const handle = (await folder.getFileHandle(name, { create: true })) as FileSystemFileHandle & { createSyncAccessHandle: () => Promise<InPlace> };
  const file = await handle.createSyncAccessHandle();
  // Before the standard was final, a promise.
  if (typeof file.getSize() !== "number") throw new Error("this browser writes no files in place");
  return file;
}
