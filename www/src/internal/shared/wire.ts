/**
 * What tabs say to each other. All that share an engine hear one channel, on which they find each other; each pair of a holder and a guest
 * has a channel of its own for the rest. A holder holds the lock of its term, and a guest that of its stay, for as long as they live: that is
 * how the others hear of their end.
 */
import type { LoadOptions, ModelInfo } from "../../public/types.js";
import type { Frozen } from "../channel.js";
import type { CallName } from "../connection.js";
import type { FromWorker, LoadProgress, ToWorker } from "../protocol.js";

/** Of the package, which a test holds it to: tabs of another version may say other things, and have other bits. */
export const VERSION = "0.1.0";

/** Heard by all. */
export type Called =
  /** There is an engine, or will be. */
  | { type: "holder"; term: string }
  /** Is there? */
  | { type: "join"; guest: string }
  /** The channel of this pair is open. */
  | { type: "welcome"; guest: string; term: string };

export type ToHolder =
  | { type: "hello" }
  | { type: "ask"; ask: Ask }
  | { type: "bye" };

export type ToGuest =
  | { type: "accepted" }
  | { type: "progress"; progress: LoadProgress }
  | { type: "ready"; info: ModelInfo; how: How }
  /** The engine's time is this one's. */
  | { type: "begun"; id: number }
  | { type: "said"; said: Said }
  /** Of its own will: no engine has failed. */
  | { type: "leaving" };

/** As to a worker, with the guest's own numbers of sessions. */
export type Ask = Frozen<Extract<ToWorker, { type: "generate" | "embed" | "cancel" | "call" }>> & {
  /** The number of the session that a call makes. */
  as?: number | undefined;
};

export type Said = Frozen<Extract<FromWorker, { type: "prefill" | "preparing" | "tokens" | "done" | "embedded" | "failed" | "value" }>>;

/** Calls that wait for the generations before them, as in the worker. */
export const IN_TURN: ReadonlySet<CallName> = new Set<CallName>(["cloneSession", "saveSession", "restoreSession", "resetSession", "closeSession", "roofline"]);

/** Of an answer that was cancelled where no engine was at it. */
export const NO_TOKENS = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 };
export const NO_TIME = { prefillMs: 0, decodeMs: 0, timeToFirstTokenMs: 0, prefillTokensPerSecond: 0, decodeTokensPerSecond: 0, decodeThreads: 0 };

/** Options that change no answer: those of the holder count. */
export type How = Pick<LoadOptions, "threads" | "backend" | "prepareFormats" | "hash">;

/** Of one engine, for all that tabs have in common. */
export class Names {
  constructor(readonly channel: string) {}

  get engine(): string {
    return `${this.channel} engine`;
  }

  term(term: string): string {
    return `${this.channel} term ${term}`;
  }

  stay(guest: string): string {
    return `${this.channel} tab ${guest}`;
  }

  pair(term: string, guest: string): string {
    return `${this.channel} ${term} ${guest}`;
  }
}
