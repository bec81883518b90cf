/** Any kind of model source becomes a stream of bytes. */
import { BitNetError } from "../public/errors.js";
import type { ModelSource } from "../public/types.js";

export interface OpenSource {
  stream: ReadableStream<Uint8Array>;
  /** For the progress bar: bytes to come, as far as the sender says. */
  total: number | undefined;
  /** For the loader's checks: the same, but only where it is certain. */
  fileSize: number | undefined;
}

export async function openSource(source: ModelSource, signal: AbortSignal): Promise<OpenSource> {
  if (source instanceof ReadableStream) return { stream: source, total: undefined, fileSize: undefined };
  if (source instanceof Blob) return { stream: source.stream(), total: source.size, fileSize: source.size };
  return fromResponse(source instanceof Response ? source : await request(source, signal));
}

async function request(source: string | URL | Request, signal: AbortSignal): Promise<Response> {
  const url = source instanceof Request ? source.url : resolve(source).href;
  try {
    return await fetch(source instanceof Request ? source : url, { signal });
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw new BitNetError(
      "network",
      `${url} could not be fetched: check the address and the connection; a server of another origin must allow this page to read it (CORS)`,
      { cause },
    );
  }
}

function resolve(address: string | URL): URL {
  try {
    return new URL(address, globalThis.location.href);
  } catch (cause) {
    throw new BitNetError("invalid-argument", `"${String(address)}" is not an address`, { cause });
  }
}

function fromResponse(response: Response): OpenSource {
  const from = response.url || "the response";
  if (!response.ok) throw new BitNetError("network", `${from} answered ${String(response.status)} ${response.statusText}`.trim() + `: ${advice(response.status)}`);
  if (response.headers.get("content-type")?.startsWith("text/html")) {
    throw new BitNetError("format", `${from} is a web page, not a GGUF file: use the address of the file itself (on Hugging Face the one with /resolve/ in it)`);
  }
  if (!response.body || response.bodyUsed) throw new BitNetError("invalid-argument", `${from} has no body, or it has been read already`);
  const length = Number(response.headers.get("content-length"));
  // The length of a compressed body says nothing about the file, and another origin need not tell that it is compressed.
  const total = length > 0 && !response.headers.has("content-encoding") ? length : undefined;
  return { stream: response.body, total, fileSize: response.type === "basic" ? total : undefined };
}

function advice(status: number): string {
  if (status === 401 || status === 403) return "the file needs a permission; pass a Request with an Authorization header, or use a public file";
  if (status === 404 || status === 410) return "there is no such file; check the address";
  if (status >= 500) return "the server has a problem; try again later";
  return "check the address";
}
