/** One file on a server: requests for it or a range of it, and what their answers are worth. */
import { statusError, unreachable, webPage } from "../source.js";
import { Fault, Unreachable } from "./fault.js";
import { CLOCK, type Clock, type DownloadRequest } from "./request.js";

/** What tells one version of a file from another, as far as the server says and the page may read it. */
export interface Version {
  size?: number;
  etag?: string;
  lastModified?: string;
}

/** Whether the file is not the one it was. What servers say less of than of others (another host of the same name) speaks for no change. */
export function changed(before: Version, now: Version): boolean {
  if (before.etag !== undefined && now.etag !== undefined) return before.etag !== now.etag;
  const differs = <T>(x: T | undefined, y: T | undefined) => x !== undefined && y !== undefined && x !== y;
  return differs(before.lastModified, now.lastModified) || differs(before.size, now.size);
}

/** Whether there is anything by which a change would show. */
export function recognizable({ etag, lastModified }: Version): boolean {
  return etag !== undefined || lastModified !== undefined;
}

export interface Range {
  start: number;
  /** Not included. */
  end: number;
}

/** How long a connection may be silent, and its end. */
class Watch {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  readonly #ms: number;
  readonly #clock: Clock;
  readonly #abort = () => {
    this.#controller.abort(this.#outer.reason);
  };
  stalled = false;

  constructor(outer: AbortSignal, ms: number, clock: Clock) {
    this.#outer = outer;
    this.#ms = ms;
    this.#clock = clock;
    if (outer.aborted) this.#abort();
    outer.addEventListener("abort", this.#abort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  async within<T>(promise: Promise<T>): Promise<T> {
    const takeBack = this.#clock(this.#ms, () => {
      this.stalled = true;
      this.#controller.abort();
    });
    try {
      return await promise;
    } finally {
      takeBack();
    }
  }

  fault(what: string, cause: unknown): Fault {
    this.#outer.throwIfAborted();
    const silent = `gave no byte for ${String(this.#ms / 1000)} s`;
    return new Fault(this.stalled ? what.replace("#", silent) : what.replace("#", "broke off"), 0, { cause });
  }

  end(): void {
    this.#outer.removeEventListener("abort", this.#abort);
    this.#controller.abort();
  }
}

/** The head of an answer; its body comes with `read`, or is let go with `close`. */
export class Answer {
  /**
   * `range`: bytes from `start`; `whole`: the server took no notice of a range; `unclear`: bytes that nobody says the place of;
   * `unsatisfiable`: there are no such bytes.
   */
  readonly kind: "range" | "whole" | "unclear" | "unsatisfiable";
  readonly start: number;
  readonly version: Version;
  /** Bytes in all for a progress bar, where they are not certain enough for `version.size`. */
  readonly hint: number | undefined;
  readonly #response: Response;
  readonly #watch: Watch;

  constructor(response: Response, watch: Watch) {
    this.#response = response;
    this.#watch = watch;
    const { headers, status } = response;
    const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(headers.get("content-range") ?? "");
    const encoded = headers.has("content-encoding");
    const length = Number(headers.get("content-length"));
    const plainLength = status === 200 && length > 0 && !encoded ? length : undefined;
    const etag = headers.get("etag");
    const lastModified = headers.get("last-modified");
    // Another origin need not tell that a body is compressed, and the length of a compressed one says nothing of the file.
    const size = range ? Number(range[2]) : response.type === "cors" ? undefined : plainLength;
    this.version = { ...(size !== undefined && { size }), ...(etag && { etag }), ...(lastModified && { lastModified }) };
    this.hint = size ?? plainLength;
    this.start = Number(range?.[1] ?? 0);
    if (status === 416) this.kind = "unsatisfiable";
    else if (status === 206) this.kind = range?.[1] !== undefined && !encoded ? "range" : "unclear";
    else this.kind = "whole";
  }

  async *read(): AsyncGenerator<Uint8Array, void> {
    const reader = this.#response.body?.getReader();
    try {
      for (;;) {
        const read = reader && (await this.#watch.within(reader.read()));
        if (!read || read.done) return;
        yield read.value;
      }
    } catch (cause) {
      throw this.#watch.fault("the download #; check the connection and load again", cause);
    } finally {
      this.close();
    }
  }

  close(): void {
    this.#watch.end();
  }
}

export class RemoteFile {
  readonly #request: DownloadRequest;
  readonly #signal: AbortSignal;
  readonly #clock: Clock;
  /** Where redirects led: asked directly from then on. Such addresses expire. */
  #moved: string | undefined;
  /** The server has answered properly once. */
  #known = false;

  constructor(request: DownloadRequest, signal: AbortSignal, clock = CLOCK) {
    this.#request = request;
    this.#signal = signal;
    this.#clock = clock;
  }

  /** Asks for a range, or for all; of this version, if the server can be told. Throws `Fault` for what may pass, `BitNetError` for what will not. */
  async open(range: Range | undefined, version: Version | undefined, silenceMs: number): Promise<Answer> {
    const url = this.#moved ?? this.#request.url;
    const watch = new Watch(this.#signal, silenceMs, this.#clock);
    let response: Response;
    try {
      // Not through the browser's own cache: it lets only one request for an address through at a time, and would keep a second copy.
      response = await watch.within(
        fetch(url, { ...this.#request.init, headers: this.#headers(url, range, version), cache: "no-store", signal: watch.signal }),
      );
    } catch (cause) {
      watch.end();
      if (watch.stalled) throw watch.fault(`${url} #; check the connection and load again`, cause);
      this.#signal.throwIfAborted();
      throw new Unreachable(unreachable(url), 0, { cause });
    }
    try {
      this.#judge(response, url);
    } catch (error) {
      watch.end();
      throw error;
    }
    this.#known = true;
    if (response.redirected) this.#moved = response.url;
    return new Answer(response, watch);
  }

  #headers(url: string, range: Range | undefined, version: Version | undefined): Headers {
    const headers = new Headers(this.#request.headers);
    const { origin } = new URL(url);
    // As fetch does when it follows a redirect by itself.
    if (origin !== new URL(this.#request.url).origin) headers.delete("authorization");
    if (!range) return headers;
    headers.set("range", `bytes=${String(range.start)}-${String(range.end - 1)}`);
    // For another origin If-Range would need a preflight, which file servers refuse. There each answer's own headers must do, as they do here too.
    const strong = version?.etag?.startsWith('"') ? version.etag : version?.lastModified;
    if (strong !== undefined && this.#known && origin === this.#request.origin) headers.set("if-range", strong);
    return headers;
  }

  #judge(response: Response, url: string): void {
    const { ok, status, headers } = response;
    if (ok && headers.get("content-type")?.startsWith("text/html")) {
      const page = webPage(url);
      // In the middle of a file: a hotel's login page, perhaps.
      throw this.#known ? new Fault(page.message) : page;
    }
    if (ok || status === 416) return;
    const error = statusError(url, response);
    if (url !== this.#request.url && status < 500 && status !== 429) {
      if (this.#moved === url) this.#moved = undefined;
      throw new Fault(error.message);
    }
    if (status >= 500 || [408, 425, 429].includes(status)) throw new Fault(error.message, retryAfter(headers));
    throw error;
  }
}

function retryAfter(headers: Headers): number {
  const text = headers.get("retry-after");
  if (text === null) return 0;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return ms > 0 ? ms : 0;
}
