/** A cache in memory, with the promises of the one in the browser: one writer, and everybody else may read. */
import type { Slot, Store } from "../src/internal/download/store.js";

interface Files {
  data: Uint8Array<ArrayBuffer>;
  journal: Uint8Array<ArrayBuffer>;
}

export class MemoryStore implements Store {
  readonly files = new Map<string, Files>();
  readonly writers = new Set<string>();
  /** Bytes that may be written in all, data and journals. */
  quota = Infinity;
  /** What `room` says of it; a browser's word may be wrong. */
  told: number | undefined;

  room(): Promise<number | undefined> {
    return Promise.resolve(this.told);
  }

  open(key: string): Promise<Slot> {
    return Promise.resolve(new MemorySlot(this, key));
  }

  /** The only one there is. */
  only(): Files {
    const [files, ...more] = this.files.values();
    if (!files || more.length > 0) throw new Error(`there are ${String(this.files.size)} files`);
    return files;
  }

  /** As a tab that is killed leaves it: locks gone, bytes as they are. */
  crash(): void {
    this.writers.clear();
  }
}

class MemorySlot implements Slot {
  readonly writable: boolean;

  constructor(
    readonly store: MemoryStore,
    readonly key: string,
  ) {
    this.writable = !store.writers.has(key);
    if (!this.writable) return;
    store.writers.add(key);
    if (!store.files.has(key)) store.files.set(key, { data: new Uint8Array(), journal: new Uint8Array() });
  }

  get #files(): Files {
    return this.store.files.get(this.key) ?? { data: new Uint8Array(), journal: new Uint8Array() };
  }

  readJournal(): Promise<Uint8Array> {
    return Promise.resolve(this.#files.journal.slice());
  }

  writeJournal(at: number, bytes: Uint8Array): void {
    this.#put("journal", at, bytes);
  }

  cutJournal(length: number): void {
    this.#files.journal = this.#files.journal.slice(0, length);
  }

  read(at: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    return Promise.resolve(this.#files.data.slice(at, at + length));
  }

  write(at: number, bytes: Uint8Array): void {
    this.#put("data", at, bytes);
  }

  cut(length: number): void {
    this.#files.data = this.#files.data.slice(0, length);
  }

  flush(): void {
    // Memory is always written.
  }

  flushJournal(): void {
    // Memory is always written.
  }

  close(): Promise<void> {
    if (this.writable) this.store.writers.delete(this.key);
    return Promise.resolve();
  }

  remove(): Promise<void> {
    this.store.files.delete(this.key);
    return this.close();
  }

  #put(name: keyof Files, at: number, bytes: Uint8Array): void {
    if (!this.writable) throw new Error("this slot is read only");
    const files = this.#files;
    const length = Math.max(files[name].length, at + bytes.length);
    const all = [...this.store.files.values()].reduce((sum, { data, journal }) => sum + data.length + journal.length, 0);
    if (all + length - files[name].length > this.store.quota) throw new DOMException("no more room", "QuotaExceededError");
    const grown = new Uint8Array(length);
    grown.set(files[name]);
    grown.set(bytes, at);
    files[name] = grown;
  }
}
