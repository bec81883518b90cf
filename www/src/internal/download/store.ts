/** Where files are kept: what the cache needs of the browser's private file system, or of a test's memory. */
export interface Store {
  /** Bytes that may still be written, as far as the browser says. */
  room(): Promise<number | undefined>;
  open(key: string): Promise<Slot>;
}

/** The place of one file: its data and its journal. */
export interface Slot {
  /** False while somebody else writes there; what is finished can be read all the same. */
  readonly writable: boolean;
  readJournal(): Promise<Uint8Array>;
  /** Writes at `at`; what lay behind it stays. */
  writeJournal(at: number, bytes: Uint8Array): void;
  cutJournal(length: number): void;
  /** Fewer bytes where the data ends before. */
  read(at: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  write(at: number, bytes: Uint8Array): void;
  cut(length: number): void;
  /** What has been written is on the disk. */
  flush(): void;
  flushJournal(): void;
  close(): Promise<void>;
  /** Closes it, and nothing of it is left. */
  remove(): Promise<void>;
}

/** A file's name in the store. Addresses may be too long for one. */
export async function keyOf(url: string): Promise<string> {
  const sha256 = await digest(new TextEncoder().encode(url));
  if (sha256 === undefined) throw new Error("this page can't hash");
  return sha256.slice(0, 32);
}

/** SHA-256; undefined where the browser lets a page hash nothing, as in an insecure context. */
export async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<string | undefined> {
  // TypeScript believes that it is everywhere.
  const subtle = (globalThis.crypto as Partial<Crypto> | undefined)?.subtle;
  return subtle && hex(await subtle.digest("SHA-256", bytes));
}

function hex(digest: ArrayBuffer): string {
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
