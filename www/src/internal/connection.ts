/** The page's side of one worker: what is under way, and what happens to it when the worker goes. */
import { BitNetError } from "../public/errors.js";
import type { GenerateOptions, Timings } from "../public/types.js";
import type { Frozen, Heard, Sent } from "./channel.js";
import { Deferred } from "./deferred.js";
import { GenerationStream } from "./generation.js";
import { watchLife } from "./life.js";
import type { Call, Embeddings, EmbedRequest, GenerateRequest, Reply } from "./protocol.js";
import { importedScript } from "./worker-script.js";

/** For an answer between two steps of the engine, one of which reads a batch of a prompt. */
const PATIENCE_MS = 5000;

export type CallName = Call["name"];
/** What goes with a call, if anything does. */
export type Args<Name extends CallName> = Extract<Call, { name: Name }> extends { args: infer Given } ? [args: Frozen<Given>] : [];
export type Value<Name extends CallName> = Extract<Reply, { name: Name }>["value"];

export class Connection {
  /** Rejects when the worker is gone, with the reason; never resolves. */
  readonly closed: Promise<never>;
  /** Gets what belongs to loading. */
  onLoadMessage: (message: Heard) => void = () => undefined;
  lastTimings: Timings | undefined;

  readonly #worker: Worker;
  readonly #unwatch: (() => void)[] = [];
  readonly #helpers: Worker[] = [];
  #wounded = false;
  #heard = false;
  readonly #closed = new Deferred<never>();
  #closedBy: { reason: unknown } | undefined;
  #nextId = 1;
  readonly #calls = new Map<number, Deferred<unknown>>();
  readonly #generations = new Map<number, { session: number; stream: GenerationStream }>();

  constructor(worker: Worker) {
    this.closed = this.#closed.promise;
    this.#worker = worker;
    worker.addEventListener("message", (event: MessageEvent<Heard>) => {
      this.#receive(event.data);
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      const script = this.#heard ? undefined : importedScript(worker);
      if (script !== undefined) void this.#explain(script, event.message);
      else this.crash(event.message || "its script could not be loaded; see the console and the content security policy (worker-src)");
    });
    worker.addEventListener("messageerror", () => {
      this.crash("a message could not be read");
    });
    this.#unwatch.push(
      watchLife(worker, () => {
        this.crash("the browser has ended it");
      }),
    );
  }

  throwIfClosed(): void {
    if (this.#closedBy) throw this.#closedBy.reason as Error;
  }

  /** The value, unless the worker goes first. */
  orClosed<T>(promise: Promise<T>): Promise<T> {
    return Promise.race([promise, this.closed]);
  }

  send(message: Sent, transfer: Transferable[] = []): void {
    if (!this.#closedBy) this.#worker.postMessage(message, transfer);
  }

  call<Name extends CallName>(name: Name, ...[args]: Args<Name>): Promise<Value<Name>> {
    if (this.#closedBy) return Promise.reject(this.#closedBy.reason);
    const id = this.#nextId++;
    const pending = new Deferred<unknown>();
    this.#calls.set(id, pending);
    const call = { name, ...(args !== undefined && { args }) } as Frozen<Call>;
    this.send({ type: "call", body: { id, call } });
    return pending.promise as Promise<Value<Name>>;
  }

  generate(session: number, request: Frozen<GenerateRequest>, options: GenerateOptions): GenerationStream {
    const id = this.#nextId++;
    const { signal } = options;
    const stream = new GenerationStream(() => {
      this.send({ type: "cancel", body: { id } });
    }, options);
    if (this.#closedBy || signal?.aborted) {
      stream.fail(this.#closedBy ? this.#closedBy.reason : signal?.reason);
      return stream;
    }
    this.#generations.set(id, { session, stream });
    const abort = () => {
      this.#generations.delete(id);
      stream.cancel();
      stream.fail(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    const forget = () => signal?.removeEventListener("abort", abort);
    stream.result().then(forget, forget);
    this.send({ type: "generate", body: { id, session, request } });
    return stream;
  }

  /** Vectors of texts; given up where the signal says so. */
  embed(request: Frozen<EmbedRequest>, signal: AbortSignal | undefined): Promise<Embeddings> {
    if (this.#closedBy || signal?.aborted) return Promise.reject((this.#closedBy ? this.#closedBy.reason : signal?.reason) as Error);
    const id = this.#nextId++;
    const pending = new Deferred<unknown>();
    this.#calls.set(id, pending);
    const abort = () => {
      this.#calls.delete(id);
      this.send({ type: "cancel", body: { id } });
      pending.reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    const forget = () => signal?.removeEventListener("abort", abort);
    pending.promise.then(forget, forget);
    this.send({ type: "embed", body: { id, request } });
    return pending.promise as Promise<Embeddings>;
  }

  /** Ends a session and frees its memory; its generations reject with `reason`. */
  async closeSession(session: number, reason: unknown): Promise<void> {
    for (const [id, generation] of this.#generations) {
      if (generation.session !== session) continue;
      this.#generations.delete(id);
      generation.stream.cancel();
      generation.stream.fail(reason);
    }
    if (!this.#closedBy) await this.call("closeSession", { session });
  }

  /** Ends the worker; everything under way rejects with `reason`. The first reason stays. */
  close(reason: unknown): void {
    if (this.#closedBy) return;
    this.#closedBy = { reason };
    for (const unwatch of this.#unwatch) unwatch();
    this.#worker.terminate();
    for (const helper of this.#helpers) helper.terminate();
    for (const pending of this.#calls.values()) pending.reject(reason);
    for (const { stream } of this.#generations.values()) stream.fail(reason);
    this.#calls.clear();
    this.#generations.clear();
    this.#closed.reject(reason);
  }

  /** A thread of the engine, which ends with it. */
  adopt(helper: Worker): void {
    if (this.#closedBy) {
      helper.terminate();
      return;
    }
    this.#helpers.push(helper);
    this.#unwatch.push(watchLife(helper, () => void this.#outlive()));
  }

  /**
   * A helper has gone. Was it at work, or did it hold a lock, the engine waits for it for ever, now or later, and answers no more;
   * else nobody misses it.
   */
  async #outlive(): Promise<void> {
    if (this.#wounded) return;
    this.#wounded = true;
    while (!this.#closedBy) {
      const pause = new Deferred<undefined>();
      const timer = setTimeout(() => {
        this.crash("the browser has ended one of its threads");
      }, PATIENCE_MS);
      await this.call("memory").catch(() => undefined);
      clearTimeout(timer);
      setTimeout(() => {
        pause.resolve(undefined);
      }, PATIENCE_MS);
      await pause.promise;
    }
  }

  /** A worker whose script is of another origin has not come up: much may forbid it, and browsers tell little. */
  async #explain(script: string, message: string | undefined): Promise<void> {
    try {
      const { whyNoWorker } = await import("./worker-fault.js");
      this.close(await whyNoWorker(script, message));
    } catch (error) {
      this.crash(`its script ${script} could not be loaded (${String(error)})`);
    }
  }

  crash(what: string): void {
    this.close(new BitNetError("worker-crashed", `the worker has stopped: ${what}; load the model again`));
  }

  #receive(message: Heard): void {
    this.#heard = true;
    switch (message.type) {
      case "prefill": {
        const { id, done, total } = message.body;
        const stream = this.#generations.get(id)?.stream;
        stream?.begin();
        stream?.onPrefill?.({ done, total });
        break;
      }
      case "preparing": {
        const { id, ...progress } = message.body;
        this.#generations.get(id)?.stream.onPrepare?.(progress);
        break;
      }
      case "tokens":
        this.#generations.get(message.body.id)?.stream.push(message.body.tokens);
        break;
      case "done": {
        const { id, constraint, ...end } = message.body;
        const timings = { ...end.timings, ...(constraint && { constraint }) };
        this.lastTimings = timings;
        this.#generations.get(id)?.stream.finish({ ...end, timings });
        this.#generations.delete(id);
        break;
      }
      case "failed": {
        const { id, error } = message.body;
        const reason = new BitNetError(error.code, error.message);
        this.#generations.get(id)?.stream.fail(reason);
        this.#generations.delete(id);
        this.#calls.get(id)?.reject(reason);
        this.#calls.delete(id);
        break;
      }
      case "value": {
        const { id, reply } = message.body;
        this.#calls.get(id)?.resolve(reply.value);
        this.#calls.delete(id);
        break;
      }
      case "embedded": {
        const { id, embeddings } = message.body;
        this.#calls.get(id)?.resolve(embeddings);
        this.#calls.delete(id);
        break;
      }
      case "load-failed":
        this.close(new BitNetError(message.body.code, message.body.message));
        break;
      case "crashed":
        this.crash(message.body.message);
        break;
      case "alive": // see life.ts
        break;
      default:
        this.onLoadMessage(message);
    }
  }
}
