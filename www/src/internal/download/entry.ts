/** One file in the cache: which parts of which version are there, and whether they are still what they were. */
import { encodeLine, encodeUsed, type Head, type Journal, readJournal } from "./journal.js";
import type { Version } from "./remote.js";
import { digest, type Slot } from "./store.js";

/** To be sure of what is on the disk takes milliseconds: parts wait for each other so long. */
const COMMIT_MS = 250;

export class Entry {
  readonly #slot: Slot;
  #journal: Journal | undefined;
  #failed: unknown;
  /** What is being hashed and written. */
  readonly #keeping = new Set<Promise<void>>();
  /** Of parts that are written, but not yet said to be there. */
  #lines: Uint8Array[] = [];
  #commit: ReturnType<typeof setTimeout> | undefined;

  private constructor(slot: Slot, journal: Journal | undefined) {
    this.#slot = slot;
    this.#journal = journal;
  }

  static async open(slot: Slot): Promise<Entry> {
    try {
      const entry = new Entry(slot, readJournal(await slot.readJournal()));
      entry.#try(() => {
        if (entry.#journal) slot.writeJournal(0, encodeUsed(Date.now()));
      });
      return entry;
    } catch (error) {
      await slot.close();
      throw error;
    }
  }

  get writable(): boolean {
    return this.#slot.writable && this.#failed === undefined;
  }

  /** Why nothing more is written, if so. */
  get failed(): unknown {
    return this.#failed;
  }

  get head(): Head | undefined {
    return this.#journal?.head;
  }

  /** Bytes in all, if every one is there. */
  get complete(): number | undefined {
    return this.#journal?.complete;
  }

  /** Of the whole, as somebody has checked it. */
  get sha256(): string | undefined {
    return this.#journal?.sha256;
  }

  has(part: number): boolean {
    return this.#journal?.parts.has(part) ?? false;
  }

  get parts(): number {
    return this.#journal?.parts.size ?? 0;
  }

  /** Writes no more, for this reason. */
  giveUp(reason: unknown): void {
    this.#failed ??= reason;
  }

  /** Begins anew, with another version. */
  reset(url: string, version: Version, partBytes: number): void {
    const head: Head = { url, partBytes, ...version };
    this.#journal = { used: Date.now(), head, parts: new Map(), length: 0 };
    this.#try(() => {
      this.#slot.cutJournal(0);
      this.#slot.cut(0);
      const used = encodeUsed(this.#journal?.used ?? 0);
      this.#slot.writeJournal(0, used);
      if (this.#journal) this.#journal.length = used.length;
      this.#append(encodeLine({ head }));
    });
  }

  /** A part that is there, if it is still what was written. */
  async read(part: number, length: number): Promise<Uint8Array | undefined> {
    const journal = this.#journal;
    if (!journal) return undefined;
    let bytes: Uint8Array<ArrayBuffer> | undefined;
    try {
      bytes = await this.#slot.read(part * journal.head.partBytes, length);
    } catch {
      // Somebody has deleted it, or writes there.
    }
    if (bytes?.length === length && (await digest(bytes)) === journal.parts.get(part)) return bytes;
    journal.parts.delete(part);
    delete journal.complete;
    this.#try(() => {
      this.#append(encodeLine({ lost: part }));
    });
    return undefined;
  }

  /** Writes a part down, and soon that it is there. Resolves in any case. */
  keep(part: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (!this.writable) return Promise.resolve();
    const keeping = digest(bytes).then((sha256) => {
      this.#try(() => {
        if (sha256 === undefined) throw new Error("this page can't hash");
        this.#slot.write(part * (this.#journal?.head.partBytes ?? 0), bytes);
        this.#lines.push(encodeLine({ part, sha256 }));
        this.#journal?.parts.set(part, sha256);
        this.#commit ??= setTimeout(() => {
          this.#flush();
        }, COMMIT_MS);
      });
      this.#keeping.delete(keeping);
    });
    this.#keeping.add(keeping);
    return keeping;
  }

  /** Says that all is there; with the hash of the whole where it has been checked. */
  async finish(bytes: number, sha256: string | undefined): Promise<void> {
    await this.settle();
    const journal = this.#journal;
    if (!journal || (journal.complete === bytes && (sha256 === undefined || journal.sha256 === sha256))) return;
    if (journal.parts.size < Math.ceil(bytes / journal.head.partBytes)) return;
    this.#try(() => {
      this.#slot.cut(bytes);
      this.#slot.flush();
      this.#append(encodeLine({ complete: bytes, ...(sha256 !== undefined && { sha256 }) }));
    });
  }

  /** When all has settled, as the next. */
  async close(): Promise<void> {
    await this.#slot.close();
  }

  async remove(): Promise<void> {
    if (this.#slot.writable) await this.#slot.remove();
    else await this.#slot.close();
  }

  /** Resolves when all parts that were given to `keep` are written, or have failed. */
  async settle(): Promise<void> {
    await Promise.all(this.#keeping);
    this.#flush();
  }

  /** First the data, then what says that it is there. */
  #flush(): void {
    clearTimeout(this.#commit);
    this.#commit = undefined;
    const lines = this.#lines.splice(0);
    if (lines.length === 0) return;
    this.#try(() => {
      this.#slot.flush();
      this.#append(...lines);
    });
  }

  #append(...lines: Uint8Array[]): void {
    const journal = this.#journal;
    if (!journal) return;
    for (const bytes of lines) {
      this.#slot.writeJournal(journal.length, bytes);
      journal.length += bytes.length;
    }
    this.#slot.flushJournal();
  }

  /** A cache that can't be written is no cache, and no reason to stop. */
  #try(write: () => void): void {
    if (!this.writable) return;
    try {
      write();
    } catch (error) {
      this.#failed = error;
    }
  }
}
