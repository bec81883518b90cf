/**
 * One tab's side. To its `Connection` it is a worker; what it is asked goes to whoever holds the engine. When that one goes, all that has no
 * answer is asked again of the next, and what has been handed out of an answer is passed over: the same request gives the same tokens.
 */
import type { ModelInfo } from "../../public/types.js";
import type { Frozen, Sent } from "../channel.js";
import { type LoadProgress, OWN_SESSION, type Token } from "../protocol.js";
import { workerLike } from "../worker-like.js";
import { type Channel, type Site, whenFree } from "./site.js";
import { type Ask, type Called, type How, IN_TURN, type Names, NO_TIME, NO_TOKENS, type Said, type ToGuest, type ToHolder } from "./wire.js";

/** A request that ends engine after engine is not asked for ever. */
const MOST_ENDS = 3;
/** The holder's answer comes at once; a message that was lost is sent again. */
const KNOCK_MS = 1000;

type Question = Exclude<Ask, { type: "cancel" }>;
type Told = Sent | { type: "cancel"; body: { id: number } };

interface Asked {
  readonly ask: Question;
  /** Of a generation: the tokens that have been handed out. */
  readonly handed: (number | undefined)[];
  /** Tokens of the engine that is at it. */
  seen: number;
  /** When it was first begun, by the page's clock. */
  began: number | undefined;
  /** What an engine's milliseconds lack to those since then. */
  shift: number | undefined;
  /** Tokens of the prompt, as far as is known. */
  prompt: number;
  cancelled: boolean;
  /** The engine that has it is at it. */
  begun: boolean;
  /** Engines that ended when they were at it. */
  ends: number;
}

/** What a session has read. */
type Content = { request: Question & { type: "generate" } } | { bytes: Uint8Array };

export interface Hears {
  progress: (progress: LoadProgress) => void;
  /** An engine is loaded, in the tab whose term it is. */
  ready: (term: string, info: ModelInfo, how: How) => void;
}

export class Guest {
  readonly worker: Worker;
  readonly #site: Site;
  readonly #names: Names;
  readonly #hears: Hears;
  readonly #deliver: (said: Said) => void;
  /** In their order. */
  readonly #asked = new Map<number, Asked>();
  #nextSession = OWN_SESSION + 1;
  readonly #contents = new Map<number, Content>();
  /** Sessions that the engine has not read again. */
  #stale = new Set<number>();
  /** What nobody waits for, by its number: the question that needs it. */
  readonly #hidden = new Map<number, number>();
  #nextHidden = -1;
  #guest = "";
  #called: Channel | undefined;
  #link: Link | undefined;

  /** `end`: it is no longer needed. */
  constructor(site: Site, names: Names, hears: Hears, end: () => void) {
    this.#site = site;
    this.#names = names;
    this.#hears = hears;
    const { worker, deliver } = workerLike((message) => {
      this.#take(message as Told);
    }, end);
    this.worker = worker;
    this.#deliver = deliver;
  }

  /** The lock of this stay is held. */
  arrive(guest: string): void {
    this.#guest = guest;
    this.#called = this.#site.channel(this.#names.channel, (message) => {
      const called = message as Called;
      if (called.type === "holder" && !this.#link) this.#join();
      else if (called.type === "welcome" && called.guest === guest && !this.#link) this.#connect(called.term);
    });
    this.#join();
  }

  depart(): void {
    if (this.#link) this.#link.post({ type: "bye" });
    this.#unlink(false);
    this.#called?.close();
    this.#called = undefined;
  }

  #join(): void {
    const join: Called = { type: "join", guest: this.#guest };
    this.#called?.post(join);
  }

  #connect(term: string): void {
    const link = new Link(this.#site, this.#names.pair(term, this.#guest), (message) => {
      this.#hear(link, term, message);
    });
    this.#link = link;
    whenFree(this.#site, this.#names.term(term), link.over.signal, () => {
      this.#lost(link, true);
    });
    link.knock();
  }

  #hear(link: Link, term: string, message: ToGuest): void {
    if (link !== this.#link) return;
    switch (message.type) {
      case "accepted":
        if (link.accept()) this.#askAgain(link);
        break;
      case "progress":
        this.#hears.progress(message.progress);
        break;
      case "ready":
        link.isReady = true;
        this.#hears.ready(term, message.info, message.how);
        break;
      case "begun": {
        const asked = this.#asked.get(this.#hidden.get(message.id) ?? message.id);
        if (asked) asked.begun = true;
        break;
      }
      case "said":
        this.#hand(message.said);
        break;
      case "leaving":
        this.#lost(link, false);
    }
  }

  #lost(link: Link, failed: boolean): void {
    if (link !== this.#link) return;
    this.#unlink(failed);
    this.#join();
  }

  #unlink(failed: boolean): void {
    const ready = this.#link?.isReady === true;
    this.#link?.end();
    this.#link = undefined;
    this.#hidden.clear();
    for (const [id, asked] of [...this.#asked]) {
      // The word of it may not have come any more.
      if (failed && (asked.begun || (ready && isAnsweredAtOnce(asked.ask)))) asked.ends++;
      asked.begun = false;
      if (asked.cancelled) this.#endCancelled(id, asked);
    }
  }

  #askAgain(link: Link): void {
    this.#stale = new Set(this.#contents.keys());
    for (const [id, asked] of [...this.#asked]) {
      Object.assign(asked, { seen: 0, shift: undefined } satisfies Partial<Asked>);
      if (asked.ends >= MOST_ENDS) this.#fail(id, `${String(MOST_ENDS)} engines have ended while they were at this; it is not tried again`);
      else this.#send(link, asked.ask);
    }
  }

  #take(told: Told): void {
    switch (told.type) {
      case "generate":
      case "embed":
        this.#ask(told);
        break;
      case "call": {
        const { call } = told.body;
        const makes = call.name === "openSession" || call.name === "cloneSession";
        // Whoever gave the bytes may change them.
        const own = call.name === "restoreSession" ? { ...told, body: { ...told.body, call: { ...call, args: { ...call.args, bytes: call.args.bytes.slice() } } } } : told;
        this.#ask({ ...own, ...(makes && { as: this.#nextSession++ }) });
        break;
      }
      case "cancel": {
        const { id } = told.body;
        const asked = this.#asked.get(id);
        if (!asked) break;
        asked.cancelled = true;
        if (asked.ask.type === "embed") this.#asked.delete(id);
        if (this.#link?.isAccepted) this.#link.post({ type: "ask", ask: told });
        else this.#endCancelled(id, asked);
        break;
      }
      default: // The rest is for a worker that is one.
    }
  }

  #ask(ask: Question): void {
    this.#asked.set(ask.body.id, { ask, handed: [], seen: 0, began: undefined, shift: undefined, prompt: 0, cancelled: false, begun: false, ends: 0 });
    if (this.#link?.isAccepted) this.#send(this.#link, ask);
  }

  #send(link: Link, ask: Question): void {
    const session = sessionOf(ask);
    if (session !== undefined && this.#stale.delete(session)) this.#readAgain(link, session, ask);
    link.post({ type: "ask", ask });
  }

  /** Before a question that what the session has read makes a difference to. */
  #readAgain(link: Link, session: number, ask: Question): void {
    const content = this.#contents.get(session);
    const name = ask.type === "call" ? ask.body.call.name : ask.type;
    if (!content) return;
    const id = this.#nextHidden--;
    this.#hidden.set(id, ask.body.id);
    if ("bytes" in content) {
      if (!["generate", "saveSession", "cloneSession"].includes(name)) return;
      link.post({ type: "ask", ask: { type: "call", body: { id, call: { name: "restoreSession", args: { session, bytes: content.bytes } } } } });
    } else if (name === "saveSession" || name === "cloneSession") {
      // A generation reads its prompt by itself.
      link.post({ type: "ask", ask: { type: "generate", body: { ...content.request.body, id, session } } });
    }
  }

  #hand(said: Said): void {
    const { id } = said.body;
    const asked = this.#asked.get(id);
    if (!asked) return;
    switch (said.type) {
      case "prefill":
        asked.prompt = said.body.total;
        this.#deliver(said);
        break;
      case "preparing":
        this.#deliver(said);
        break;
      case "tokens":
        for (const token of said.body.tokens) if (!this.#handToken(asked, token)) return;
        break;
      case "done":
        if (asked.seen < asked.handed.length && said.body.finishReason !== "cancelled") {
          this.#partWays(id);
          return;
        }
        this.#asked.delete(id);
        this.#hasRead(asked, said.body.finishReason === "cancelled");
        // The engine that was told to stop may not have come as far as the one before it.
        this.#deliver({ ...said, body: { ...said.body, usage: { ...said.body.usage, completionTokens: Math.max(said.body.usage.completionTokens, spoken(asked)) } } });
        break;
      case "failed":
        this.#asked.delete(id);
        this.#hasRead(asked, true);
        this.#deliver(said);
        break;
      case "value":
        this.#asked.delete(id);
        this.#hasDone(asked.ask);
        this.#deliver(said);
        break;
      case "embedded":
        this.#asked.delete(id);
        this.#deliver(said);
    }
  }

  /** Only what is new. */
  #handToken(asked: Asked, token: Frozen<Token>): boolean {
    const { id } = asked.ask.body;
    asked.shift ??= this.#shift(asked, token);
    const index = asked.seen++;
    if (index < asked.handed.length) {
      if (asked.handed[index] === token.id) return true;
      this.#partWays(id);
      return false;
    }
    asked.handed.push(token.id);
    this.#deliver({ type: "tokens", body: { id, tokens: [{ ...token, elapsedMs: token.elapsedMs + asked.shift }] } });
    return true;
  }

  #shift(asked: Asked, { elapsedMs }: Frozen<Token>): number {
    const began = performance.now() - elapsedMs;
    asked.began ??= began;
    return Math.max(0, began - asked.began);
  }

  /** The file behind an address may have changed. */
  #partWays(id: number): void {
    this.#link?.post({ type: "ask", ask: { type: "cancel", body: { id } } });
    this.#fail(id, "the tab that held the engine has gone, and the model that another tab has loaded goes on otherwise: it is not the same one; ask again");
  }

  #fail(id: number, message: string): void {
    this.#asked.delete(id);
    this.#deliver({ type: "failed", body: { id, error: { code: "worker-crashed", message } } });
  }

  /** Where there is no engine that could end it. */
  #endCancelled(id: number, asked: Asked): void {
    this.#asked.delete(id);
    this.#hasRead(asked, true);
    const usage = { ...NO_TOKENS, promptTokens: asked.prompt, completionTokens: spoken(asked) };
    this.#deliver({ type: "done", body: { id, finishReason: "cancelled", usage, timings: NO_TIME } });
  }

  #hasRead(asked: Asked, cut: boolean): void {
    const { ask } = asked;
    if (ask.type !== "generate" || (cut && asked.handed.length === 0)) return;
    const request = cut ? { ...ask.body.request, maxTokens: spoken(asked) } : ask.body.request;
    this.#contents.set(ask.body.session, { request: { ...ask, body: { ...ask.body, request } } });
  }

  #hasDone({ type, body, as }: Question): void {
    if (type !== "call") return;
    const { call } = body;
    if (call.name === "restoreSession") this.#contents.set(call.args.session, { bytes: call.args.bytes });
    else if (call.name === "resetSession" || call.name === "closeSession") this.#contents.delete(call.args.session);
    else if (call.name === "cloneSession" && as !== undefined) {
      const content = this.#contents.get(call.args.session);
      if (content) this.#contents.set(as, content);
    }
  }
}

/** The way to one holder. */
class Link {
  readonly over = new AbortController();
  isAccepted = false;
  isReady = false;
  readonly #channel: Channel;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(site: Site, name: string, hear: (message: ToGuest) => void) {
    this.#channel = site.channel(name, (message) => {
      hear(message as ToGuest);
    });
  }

  post(message: ToHolder): void {
    this.#channel.post(message);
  }

  knock(): void {
    this.post({ type: "hello" });
    this.#timer = setTimeout(() => {
      this.knock();
    }, KNOCK_MS);
  }

  /** False where it has been accepted before. */
  accept(): boolean {
    clearTimeout(this.#timer);
    const first = !this.isAccepted;
    this.isAccepted = true;
    return first;
  }

  end(): void {
    clearTimeout(this.#timer);
    this.over.abort();
    this.#channel.close();
  }
}

function isAnsweredAtOnce({ type, body }: Question): boolean {
  return type === "call" && !IN_TURN.has(body.call.name);
}

function sessionOf({ type, body }: Question): number | undefined {
  if (type === "generate") return body.session;
  return type === "call" && "args" in body.call && "session" in body.call.args ? body.call.args.session : undefined;
}

/** Tokens: the last piece may be one of text that was held back. */
function spoken({ handed }: Asked): number {
  return handed.filter((id) => id !== undefined).length;
}
