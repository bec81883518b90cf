/** Any kind of model source, in the worker's words: what it downloads itself, files that it reads, and what the page alone can open. */
import { BitNetError } from "../public/errors.js";
import type { LoadOptions, ModelManifest, ModelPart, ModelSource } from "../public/types.js";
import type { Frozen } from "./channel.js";
import { located } from "./environment.js";
import { filesOf, isFileList, isFolder } from "./files.js";
import { address, isRecord } from "./options/kinds.js";
import { guarded, kindOf, refused } from "./options/refuse.js";
import type { Open, OpenSource } from "./page-parts.js";
import type { Part, Source } from "./protocol.js";

export interface ReadSource {
  sent: Frozen<Source>;
  /** Of each part that the page opens, how. */
  opened: (Open | undefined)[];
  /** An address or a file; a stream has been read by then. */
  readableAgain: boolean;
  /** Of the source itself: each may end the loading. */
  signals: AbortSignal[];
}

type One = ModelPart | Response | ReadableStream<Uint8Array>;

/** One part, those of a split file in order, or the files of a checkpoint. */
export async function readSource(asked: ModelSource, options: LoadOptions): Promise<ReadSource> {
  checkSource(asked);
  const given = await located(asked);
  const gathered = isFolder(given) || filesOf(given) ? await (await import("./folder.js")).gather(given) : undefined;
  const alone = !isArray(given) && !isFileList(given);
  const kind = gathered?.kind ?? (alone ? "alone" : "split");
  const sources: readonly (One | ModelManifest)[] = gathered?.files ?? (alone ? [given as One | ModelManifest] : Array.from(given));
  const { cache = "auto", offline = false, connections = 4, crossOriginStorage = true, sha256 } = options;
  if (offline && cache === false) throw new BitNetError("invalid-argument", "offline means from the cache alone, which cache: false rules out");
  const parts = sources.map((one) => (isManifest(one) ? { part: ofManifest(one, options), open: undefined } : partOf(one, options)));
  const page = pageAddress();
  return {
    sent: {
      parts: parts.map(({ part }) => part),
      kind,
      ...(gathered?.folder !== undefined && { folder: gathered.folder }),
      ...(sha256 !== undefined && { sha256: [sha256].flat().map((digest) => digest.toLowerCase()) }),
      ...(page !== undefined && { base: page, origin: globalThis.location.origin }),
      cache: cache === false ? "off" : cache,
      offline,
      connections,
      crossOriginStorage,
    },
    opened: parts.map(({ open }) => open),
    readableAgain: parts.every(({ part }) => part.type !== "page"),
    signals: sources.flatMap((one) => (one instanceof Request ? [one.signal] : [])),
  };
}

function partOf(source: One, options: LoadOptions): { part: Frozen<Part>; open?: Open } {
  if (source instanceof Blob && isCloneable(source)) {
    const { name } = source as Partial<File>;
    return { part: { type: "blob", body: { blob: source, ...(typeof name === "string" && { name }) } } };
  }
  const online = forWorker(source);
  if (online === undefined) return { part: { type: "page", body: {} }, open: (signal) => openSource(source, options.headers, signal) };
  const request = online instanceof Request ? online : undefined;
  return {
    part: {
      type: "address",
      body: {
        url: addressOf(online),
        headers: [...mergedHeaders(request, options.headers)],
        ...(request && { credentials: request.credentials, redirect: request.redirect, referrerPolicy: request.referrerPolicy }),
      },
    },
  };
}

/** What it says goes to the worker, which reads it as it reads one that it has fetched. */
function ofManifest({ base, ...manifest }: ModelManifest, options: LoadOptions): Frozen<Part> {
  const url = base === undefined ? pageAddress() : String(address.read(base, "base of the manifest"));
  if (url === undefined) throw new BitNetError("invalid-argument", "base of the manifest is missing: outside a page there is no address for its files to be relative to");
  return { type: "address", body: { url, headers: [...mergedHeaders(undefined, options.headers)], manifest: guarded("the manifest", () => JSON.stringify(manifest)) } };
}

function isManifest(source: unknown): source is ModelManifest {
  return isRecord(source) && "files" in source;
}

/** The same, unless the page alone can read it: its own objects, and what ranges make no sense for. */
function forWorker(source: One): string | URL | Request | undefined {
  if (source instanceof Blob || source instanceof ReadableStream || source instanceof Response) return undefined;
  if (source instanceof Request && (source.method !== "GET" || source.integrity !== "")) return undefined;
  try {
    return /^(?:https?|hf):$/.test(new URL(addressOf(source), pageAddress()).protocol) ? source : undefined;
  } catch {
    return source; // the worker says what is wrong with it
  }
}

function addressOf(source: string | URL | Request): string {
  return source instanceof Request ? source.url : String(source);
}

/** Some programs' tests bring a Blob of their own, which no message carries. */
function isCloneable(blob: Blob): boolean {
  try {
    structuredClone(blob);
    return true;
  } catch {
    return false;
  }
}

function checkSource(given: ModelSource): void {
  if (!isArray(given) && !isFileList(given)) {
    guarded("the source", () => {
      if (!isFolder(given) && !isManifest(given)) checkKind(given, "the source");
    });
    return;
  }
  const empty = isFileList(given) ? "an empty list of files" : "an empty array";
  if (given.length === 0) throw new BitNetError("invalid-argument", `the source is ${empty}; give the parts of a split file in order, or the files of a checkpoint`);
  for (const [index, one] of Array.from(given).entries()) {
    const name = `part ${String(index)} of the source`;
    guarded(name, () => {
      checkKind(one, name);
    });
  }
}

function checkKind(source: unknown, name: string): void {
  if (typeof source === "string" && source !== "") return;
  if ([URL, Request, Response, Blob, ReadableStream].some((kind) => source instanceof kind)) return;
  const advice = /Array$|Buffer$|View$/.test(kindOf(source)) ? "; of bytes make a new Blob([bytes])" : "";
  throw refused(name, source, `an address, a URL, Request, Response, Blob, File or ReadableStream, a folder, a manifest, or an array with the parts of a split file${advice}`);
}

export async function openSource(source: One, headers: HeadersInit | undefined, signal: AbortSignal): Promise<OpenSource> {
  if (source instanceof ReadableStream) return { stream: source, total: undefined, fileSize: undefined, ownBuffers: false };
  if (source instanceof Blob) return { stream: source.stream(), total: source.size, fileSize: source.size, ownBuffers: false };
  return fromResponse(source instanceof Response ? source : await request(source, headers, signal));
}

async function request(source: string | URL | Request, headers: HeadersInit | undefined, signal: AbortSignal): Promise<Response> {
  const asked = source instanceof Request ? source : new URL(source, pageAddress()).href;
  try {
    return await fetch(asked, { signal, headers: mergedHeaders(source instanceof Request ? source : undefined, headers) });
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw new BitNetError("network", unreachable(asked instanceof Request ? asked.url : asked), { cause });
  }
}

function mergedHeaders(source: Request | undefined, more: HeadersInit | undefined): Headers {
  const headers = new Headers(source?.headers);
  new Headers(more).forEach((value, name) => {
    headers.set(name, value);
  });
  return headers;
}

function fromResponse(response: Response): OpenSource {
  const from = response.url || "the response";
  if (response.type === "opaque" || response.type === "opaqueredirect") {
    throw new BitNetError("network", `the response is ${response.type}: the browser hides its bytes from this page; ask for it with the mode "cors" and redirects followed`);
  }
  if (!response.ok) throw statusError(from, response);
  if (response.headers.get("content-type")?.startsWith("text/html")) throw webPage(from);
  if (!response.body || response.bodyUsed) throw new BitNetError("invalid-argument", `${from} has no body, or it has been read already`);
  const length = Number(response.headers.get("content-length"));
  // The length of a compressed body says nothing about the file, and another origin need not tell that it is compressed.
  const total = length > 0 && !response.headers.has("content-encoding") ? length : undefined;
  // One that a page has made itself has no address.
  return { stream: response.body, total, fileSize: response.type === "basic" ? total : undefined, ownBuffers: response.url !== "" };
}

export function unreachable(url: string): string {
  return `${url} could not be fetched: check the address and the connection; a server of another origin must allow this page to read it (CORS)`;
}

export function webPage(url: string): BitNetError {
  return new BitNetError("format", `${url} is a web page, not a GGUF file: use the address of the file itself (on Hugging Face the one with /resolve/ in it)`);
}

export function statusError(url: string, { status, statusText }: Response): BitNetError {
  return new BitNetError("network", `${url} answered ${`${String(status)} ${statusText}`.trim()}: ${advice(status)}`);
}

function advice(status: number): string {
  if (status === 401 || status === 403) return "the file needs a permission; pass an Authorization header (option headers), or use a public file";
  if (status === 404 || status === 410) return "there is no such file; check the address";
  if (status === 429) return "the server has been asked too often; try again later";
  if (status >= 500) return "the server has a problem; try again later";
  return "check the address";
}

/** Undefined outside a page and its workers. */
function pageAddress(): string | undefined {
  return (globalThis as { location?: Location }).location?.href;
}

function isArray(source: ModelSource): source is readonly ModelPart[] {
  return Array.isArray(source);
}
