/**
 * A web `Worker` over `node:worker_threads`, which Node.js, Deno and Bun have in common, with shared memory.
 *
 * A model that is idle does not keep the process alive; one that loads, answers or is asked does.
 */
import { pathToFileURL } from "node:url";
import { isMainThread, Worker as Thread, type Transferable as ThreadTransferable } from "node:worker_threads";
import { closeAll, held } from "./descriptors.js";
import { DiskFile } from "./disk-file.js";

interface Message {
  type?: string;
  body?: { id?: number; source?: { parts: { type: string; body: { blob?: unknown } }[] } };
}

/** What has been asked for and not been answered: numbers of calls and generations, and what comes before them. */
const LOADING = "loading";

export class ThreadWorker extends EventTarget {
  readonly #thread: Thread;
  readonly #underWay = new Set<number | typeof LOADING>();
  #terminated = false;

  constructor(url: string | URL, { name = "b158" }: { type?: "module"; name?: string } = {}) {
    super();
    const script = typeof url === "string" && !/^[a-z][a-z0-9+.-]+:/i.test(url) ? pathToFileURL(url) : new URL(url);
    // The program's own flags are about its own script.
    const files = held();
    this.#thread = new Thread(script, { execArgv: [], name, workerData: files });
    this.#rest();
    this.#thread.on("message", (data: unknown) => {
      this.#hear(data as Message);
      this.dispatchEvent(new MessageEvent("message", { data }));
    });
    this.#thread.on("messageerror", () => {
      this.dispatchEvent(new MessageEvent("messageerror"));
    });
    this.#thread.on("error", (error: unknown) => {
      this.#fail(error instanceof Error ? error.message : String(error));
    });
    this.#thread.on("exit", (code) => {
      if (files) closeAll(files);
      if (!this.#terminated) this.#fail(`it has ended with the code ${String(code)}`);
    });
  }

  postMessage(message: unknown, transfer: readonly Transferable[] = []): void {
    const told = message as Message;
    if (told.type === "open") this.#begin(LOADING);
    else if (told.body?.id !== undefined && told.type !== "cancel") this.#begin(told.body.id);
    this.#thread.postMessage(withFiles(told), transfer as unknown as ThreadTransferable[]);
  }

  terminate(): void {
    this.#terminated = true;
    void this.#thread.terminate();
  }

  #begin(what: number | typeof LOADING): void {
    this.#underWay.add(what);
    this.#thread.ref();
  }

  #hear({ type = "", body }: Message): void {
    if (["loaded", "load-failed", "estimated", "crashed"].includes(type)) this.#underWay.delete(LOADING);
    else if (["done", "failed", "value", "embedded"].includes(type) && body?.id !== undefined) this.#underWay.delete(body.id);
    // Also of one that has been let go of before it was there: that counts for nothing.
    this.#rest();
  }

  /** In a program's own worker Deno hears nothing of one that it does not wait for; there it ends with that worker. */
  #rest(): void {
    if (isMainThread && this.#underWay.size === 0) this.#thread.unref();
  }

  #fail(message: string): void {
    const event = new Event("error", { cancelable: true });
    Object.defineProperty(event, "message", { value: message });
    this.dispatchEvent(event);
  }
}

/** With what a message can carry in the place of files of the disk. */
function withFiles(message: Message): Message {
  const { body } = message;
  if (!body?.source) return message;
  const parts = body.source.parts.map((part) => (part.body.blob instanceof DiskFile ? { ...part, body: { ...part.body, blob: part.body.blob.sent() } } : part));
  return { ...message, body: { ...body, source: { ...body.source, parts } } };
}

/** The other way, in the worker. */
export function withDiskFiles(message: Message): Message {
  for (const { body } of message.body?.source?.parts ?? []) {
    const { blob } = body;
    if (typeof blob === "object" && blob !== null && "onDisk" in blob) body.blob = DiskFile.received(blob as ReturnType<DiskFile["sent"]>);
  }
  return message;
}
