/** Any kind of model source becomes parts: addresses, which the worker downloads, and streams of bytes, which the page reads. */
import { BitNetError } from "../public/errors.js";
import type { LoadOptions, ModelPart, ModelSource } from "../public/types.js";
import { isImmutable, partAddresses, resolveAddress } from "./download/address.js";
import type { DownloadRequest } from "./download/request.js";
import { guarded, kindOf, refused } from "./options/refuse.js";

export interface OpenSource {
  stream: ReadableStream<Uint8Array>;
  /** For the progress bar: bytes to come, as far as the sender says. */
  total: number | undefined;
  /** For the loader's checks: the same, but only where it is certain. */
  fileSize: number | undefined;
}

export interface StreamPart {
  kind: "stream";
  /** Where it is known before it is opened. */
  size: number | undefined;
  sha256?: string;
  open: (signal: AbortSignal) => Promise<OpenSource>;
}

export interface AddressPart {
  kind: "address";
  request: DownloadRequest;
}

/** One part, or those of a split file in order. */
export function sourceParts(source: ModelSource, options: LoadOptions): (StreamPart | AddressPart)[] {
  const alone = !isArray(source);
  const sources = alone ? [source] : Array.from(source);
  if (sources.length === 0) throw new BitNetError("invalid-argument", "the source is an empty array; give the parts of a split file in order");
  for (const [index, one] of sources.entries()) {
    const name = alone ? "the source" : `part ${String(index)} of the source`;
    guarded(name, () => {
      checkKind(one, name);
    });
  }
  const parts = sources.flatMap((one) => partsOf(one, options, alone));
  if (options.sha256 === undefined) return parts;
  const digests = [options.sha256].flat().map((digest) => digest.toLowerCase());
  if (digests.length !== parts.length) {
    throw new BitNetError("invalid-argument", `sha256 has ${String(digests.length)} digests for ${String(parts.length)} parts; give an array with one for each`);
  }
  for (const [index, part] of parts.entries()) {
    const sha256 = digests[index];
    if (sha256 !== undefined) (part.kind === "address" ? part.request : part).sha256 = sha256;
  }
  return parts;
}

function partsOf(source: Exclude<ModelSource, readonly ModelPart[]>, options: LoadOptions, alone: boolean): (StreamPart | AddressPart)[] {
  const stream = (size?: number): StreamPart[] => [{ kind: "stream", size, open: (signal) => openSource(source, options.headers, signal) }];
  if (source instanceof Blob) return stream(source.size);
  if (source instanceof ReadableStream || source instanceof Response) return stream();
  const url = resolveAddress(source instanceof Request ? source.url : source, pageAddress());
  // What the page alone can read: its own objects, and what ranges make no sense for.
  if (!/^https?:$/.test(url.protocol)) return stream();
  if (source instanceof Request && (source.method !== "GET" || source.integrity !== "")) return stream();
  const urls = alone ? partAddresses(url) : [url];
  return urls.map((part) => ({ kind: "address", request: downloadRequest(part, source instanceof Request ? source : undefined, options) }));
}

function downloadRequest(url: URL, source: Request | undefined, options: LoadOptions): DownloadRequest {
  const { cache = "auto", offline = false, connections = 4 } = options;
  if (offline && cache === false) throw new BitNetError("invalid-argument", "offline means from the cache alone, which cache: false rules out");
  const headers = mergedHeaders(source, options.headers);
  return {
    url: url.href,
    origin: pageAddress() && globalThis.location.origin,
    immutable: isImmutable(url),
    headers: [...headers],
    init: source ? { credentials: source.credentials, redirect: source.redirect, referrerPolicy: source.referrerPolicy } : {},
    cache,
    offline,
    connections,
  };
}

function checkKind(source: unknown, name: string): void {
  if (typeof source === "string" && source !== "") return;
  if ([URL, Request, Response, Blob, ReadableStream].some((kind) => source instanceof kind)) return;
  const advice = /Array$|Buffer$|View$/.test(kindOf(source)) ? "; of bytes make a new Blob([bytes])" : "";
  throw refused(name, source, `an address, a URL, Request, Response, Blob, File or ReadableStream, or an array with the parts of a split file${advice}`);
}

export async function openSource(source: Exclude<ModelSource, readonly ModelPart[]>, headers: HeadersInit | undefined, signal: AbortSignal): Promise<OpenSource> {
  if (source instanceof ReadableStream) return { stream: source, total: undefined, fileSize: undefined };
  if (source instanceof Blob) return { stream: source.stream(), total: source.size, fileSize: source.size };
  return fromResponse(source instanceof Response ? source : await request(source, headers, signal));
}

async function request(source: string | URL | Request, headers: HeadersInit | undefined, signal: AbortSignal): Promise<Response> {
  const asked = source instanceof Request ? source : resolveAddress(source, pageAddress()).href;
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
  return { stream: response.body, total, fileSize: response.type === "basic" ? total : undefined };
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
