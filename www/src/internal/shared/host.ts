/** The holder's side: one engine, and the tabs that it answers. What waits for the engine's time is taken from one tab after the other. */
import { BitNetError } from "../../public/errors.js";
import type { ModelInfo } from "../../public/types.js";
import type { Args, Connection } from "../connection.js";
import { type LoadProgress, OWN_SESSION, type PlainError, type Reply } from "../protocol.js";
import { type Channel, type Site, whenFree } from "./site.js";
import { type Ask, type Called, type How, IN_TURN, type Names, NO_TIME, NO_TOKENS, type Said, type ToGuest, type ToHolder } from "./wire.js";

/** A guest, as the holder sees it. */
interface Seat {
  readonly guest: string;
  readonly link: Channel;
  /** The engine's numbers of its sessions. */
  readonly sessions: Map<number, Promise<number>>;
  readonly turns: Turn[];
  readonly gone: AbortController;
}

/** What takes the engine's time. */
interface Turn {
  readonly id: number;
  /** A generation, and no call: its end is told, also where it has not begun. */
  readonly generates: boolean;
  readonly stop: AbortController;
  readonly run: (engine: Connection) => Promise<void>;
}

export class Host {
  readonly #site: Site;
  readonly #names: Names;
  readonly #term: string;
  readonly #how: How;
  readonly #called: Channel;
  /** Whose turn comes first stands first. */
  readonly #seats = new Map<string, Seat>();
  #engine: Connection | undefined;
  #info: ModelInfo | undefined;
  /** What was asked while the model was loading. */
  #early: (() => void)[] = [];
  #running: { seat: Seat; turn: Turn } | undefined;
  /** The session that the engine has from the start serves the first that needs one. */
  #ownFree = true;
  #over = false;

  /** The lock of the term is held. */
  constructor(site: Site, names: Names, term: string, how: How) {
    this.#site = site;
    this.#names = names;
    this.#term = term;
    this.#how = how;
    this.#called = site.channel(names.channel, (message) => {
      const called = message as Called;
      if (called.type === "join") this.#welcome(called.guest);
    });
    this.#call({ type: "holder", term });
  }

  progress(progress: LoadProgress): void {
    for (const { link } of this.#seats.values()) post(link, { type: "progress", progress });
  }

  ready(engine: Connection, info: ModelInfo): void {
    this.#engine = engine;
    this.#info = info;
    for (const { link } of this.#seats.values()) post(link, { type: "ready", info, how: this.#how });
    for (const ask of this.#early.splice(0)) ask();
  }

  /** Tells the guests, who look for another holder. The engine is the caller's to close. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#called.close();
    for (const { link, gone } of this.#seats.values()) {
      gone.abort();
      link.close();
    }
    this.#seats.clear();
  }

  /** Before `end`, where nothing has failed. */
  leave(): void {
    for (const { link } of this.#seats.values()) post(link, { type: "leaving" });
  }

  #call(called: Called): void {
    this.#called.post(called);
  }

  #welcome(guest: string): void {
    if (!this.#seats.has(guest)) {
      const gone = new AbortController();
      const link = this.#site.channel(this.#names.pair(this.#term, guest), (message) => {
        this.#hear(seat, message as ToHolder);
      });
      const seat: Seat = { guest, link, sessions: new Map(), turns: [], gone };
      this.#seats.set(guest, seat);
      whenFree(this.#site, this.#names.stay(guest), gone.signal, () => {
        this.#dismiss(seat);
      });
    }
    this.#call({ type: "welcome", guest, term: this.#term });
  }

  #hear(seat: Seat, message: ToHolder): void {
    if (message.type === "bye") this.#dismiss(seat);
    else if (message.type === "hello") {
      post(seat.link, { type: "accepted" });
      if (this.#info) post(seat.link, { type: "ready", info: this.#info, how: this.#how });
    } else if (this.#engine) this.#take(seat, message.ask);
    else {
      this.#early.push(() => {
        if (!seat.gone.signal.aborted) this.#take(seat, message.ask);
      });
    }
  }

  #take(seat: Seat, ask: Ask): void {
    const { id } = ask.body;
    if (ask.type === "cancel") {
      this.#cancel(seat, id);
    } else if (ask.type === "generate") {
      const stop = new AbortController();
      this.#enqueue(seat, { id, generates: true, stop, run: (engine) => this.#generate(engine, seat, ask.body, stop.signal) });
    } else if (ask.type === "embed") {
      const stop = new AbortController();
      const run = async (engine: Connection) => {
        say(seat, { type: "embedded", body: { id, embeddings: await engine.embed(ask.body.request, stop.signal) } });
      };
      this.#enqueue(seat, { id, generates: false, stop, run });
    } else {
      const stop = new AbortController();
      const run = async (engine: Connection) => {
        say(seat, { type: "value", body: { id, reply: await this.#answer(engine, seat, ask.body.call, ask.as) } });
      };
      const turn = { id, generates: false, stop, run };
      if (IN_TURN.has(ask.body.call.name)) this.#enqueue(seat, turn);
      else void this.#attempt(seat, turn);
    }
  }

  #enqueue(seat: Seat, turn: Turn): void {
    seat.turns.push(turn);
    void this.#next();
  }

  async #next(): Promise<void> {
    if (this.#running) return;
    const seat = [...this.#seats.values()].find(({ turns }) => turns.length > 0);
    const turn = seat?.turns.shift();
    if (!seat || !turn) return;
    this.#running = { seat, turn };
    // The others come first after this.
    this.#seats.delete(seat.guest);
    this.#seats.set(seat.guest, seat);
    await this.#attempt(seat, turn);
    this.#running = undefined;
    void this.#next();
  }

  async #attempt(seat: Seat, { id, run }: Turn): Promise<void> {
    const engine = this.#engine;
    if (!engine || this.#over) return;
    post(seat.link, { type: "begun", id });
    try {
      await run(engine);
    } catch (error) {
      // An engine that is gone has not answered: the next one will.
      if (isClosed(engine)) return;
      say(seat, { type: "failed", body: { id, error: plain(error) } });
    }
  }

  #cancel(seat: Seat, id: number): void {
    const index = seat.turns.findIndex((turn) => turn.id === id);
    const [waiting] = index < 0 ? [] : seat.turns.splice(index, 1);
    if (waiting?.generates) say(seat, { type: "done", body: { id, finishReason: "cancelled", usage: NO_TOKENS, timings: NO_TIME } });
    const running = this.#running;
    if (running?.seat === seat && running.turn.id === id) running.turn.stop.abort();
  }

  async #generate(engine: Connection, seat: Seat, { id, session, request }: Extract<Ask, { type: "generate" }>["body"], stop: AbortSignal): Promise<void> {
    const number = await this.#session(engine, seat, session);
    const stream = engine.generate(number, request, {
      onPrefill: (progress) => {
        say(seat, { type: "prefill", body: { id, ...progress } });
      },
      onPrepare: (progress) => {
        say(seat, { type: "preparing", body: { id, ...progress } });
      },
    });
    const cancel = () => {
      stream.cancel();
    };
    if (stop.aborted) cancel();
    stop.addEventListener("abort", cancel, { once: true });
    for await (const token of stream) say(seat, { type: "tokens", body: { id, tokens: [token] } });
    const { text: _text, ...end } = await stream.result();
    say(seat, { type: "done", body: { id, ...end } });
  }

  async #answer(engine: Connection, seat: Seat, call: Extract<Ask, { type: "call" }>["body"]["call"], as: number | undefined): Promise<Reply> {
    switch (call.name) {
      case "openSession":
        await this.#session(engine, seat, needed(as));
        return { name: call.name, value: needed(as) };
      case "cloneSession": {
        const number = await engine.call("cloneSession", { session: await this.#session(engine, seat, call.args.session) });
        seat.sessions.set(needed(as), Promise.resolve(number));
        if (seat.gone.signal.aborted) this.#close(engine, seat);
        return { name: call.name, value: needed(as) };
      }
      case "closeSession": {
        const number = seat.sessions.get(call.args.session);
        seat.sessions.delete(call.args.session);
        if (number !== undefined) await engine.call("closeSession", { session: await number });
        return { name: call.name, value: null };
      }
      default: {
        const args = "args" in call ? call.args : undefined;
        const own = args && "session" in args ? { ...args, session: await this.#session(engine, seat, args.session) } : args;
        const value = await engine.call(call.name, ...([own] as unknown as Args<typeof call.name>));
        return { name: call.name, value } as Reply;
      }
    }
  }

  /** Opened where the guest has it from an engine before this one. */
  #session(engine: Connection, seat: Seat, number: number): Promise<number> {
    const known = seat.sessions.get(number);
    if (known) return known;
    const own = number === OWN_SESSION && this.#ownFree;
    if (own) this.#ownFree = false;
    const opened = own ? Promise.resolve(OWN_SESSION) : engine.call("openSession");
    seat.sessions.set(number, opened);
    opened.catch(() => seat.sessions.delete(number));
    return opened;
  }

  /** It has said goodbye, or is gone: what it had asked for is cancelled. */
  #dismiss(seat: Seat): void {
    if (this.#seats.get(seat.guest) !== seat) return;
    this.#seats.delete(seat.guest);
    seat.gone.abort();
    seat.link.close();
    seat.turns.length = 0;
    if (this.#running?.seat === seat) this.#running.turn.stop.abort();
    if (this.#engine) this.#close(this.#engine, seat);
  }

  #close(engine: Connection, { sessions }: Seat): void {
    for (const opened of sessions.values()) {
      void opened
        .then(async (session) => {
          await engine.call(session === OWN_SESSION ? "resetSession" : "closeSession", { session });
          if (session === OWN_SESSION) this.#ownFree = true;
        })
        .catch(() => undefined);
    }
    sessions.clear();
  }
}

function post(link: Channel, message: ToGuest): void {
  link.post(message);
}

function say({ link }: Seat, said: Said): void {
  post(link, { type: "said", said });
}

function needed(as: number | undefined): number {
  if (as === undefined) throw new BitNetError("invalid-argument", "a session has no number");
  return as;
}

function isClosed(engine: Connection): boolean {
  try {
    engine.throwIfClosed();
    return false;
  } catch {
    return true;
  }
}

function plain(error: unknown): PlainError {
  if (error instanceof BitNetError) return { code: error.code, message: error.message };
  return { code: "worker-crashed", message: String(error) };
}
