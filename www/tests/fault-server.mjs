// A file server that can do everything wrong: cuts, stalls, lies, other versions, web pages. For the unit tests and for those in the browser.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { gzipSync } from "node:zlib";

/**
 * What is wrong with one answer. Without any it is right: ranges, a strong ETag, the true length.
 * @typedef {object} Fault
 * @property {number} [status] This status and nothing more.
 * @property {Record<string, string>} [headers] Besides, or instead.
 * @property {string} [redirect] To this address.
 * @property {boolean} [html] A web page, with status 200.
 * @property {boolean} [ignoreRange] The whole file, with status 200.
 * @property {boolean} [noLength] The end of the body is the end of the connection's chunks.
 * @property {number} [contentLength] Another one: the connection ends with the body, however long that is.
 * @property {boolean} [gzip] Compressed, and the length is that of the compressed body.
 * @property {string | null} [etag] Another one, or none.
 * @property {string | null} [lastModified] Another one, or none.
 * @property {string | null} [contentRange] Another one, or none.
 * @property {number} [cutAfter] The connection breaks after so many bytes of the body.
 * @property {number} [cutMs] When it breaks: a browser drops what it has not handed on by then.
 * @property {number} [stallAfter] Nothing comes after so many bytes of the body; -1: not even a head.
 * @property {number} [shortBy] The body ends early, and its length says so.
 * @property {number} [drip] So many bytes at a time, a millisecond apart.
 * @property {number} [delayMs] Before the head.
 * @property {Uint8Array} [file] Another file.
 */

/** @typedef {{ path: string, range: string | undefined, ifRange: string | undefined, headers: import("node:http").IncomingHttpHeaders }} Asked */

const MODIFIED = "Thu, 01 Oct 2026 00:00:00 GMT";

/** @param {Uint8Array} bytes */
export function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

/**
 * Bytes that look like nothing, but begin as a GGUF file does; the same for the same seed.
 * @param {number} length
 */
export function randomFile(length, seed = 1) {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  bytes.set(new TextEncoder().encode("GGUF").subarray(0, length));
  return bytes;
}

/**
 * Serves `files` by path. `fault` is asked for each request what is to be wrong with its answer; it may be set anew at any time.
 * @param {Record<string, Uint8Array>} files
 * @param {{ headers?: Record<string, string> }} [options]
 */
export async function faultServer(files, { headers = {} } = {}) {
  /** @type {Asked[]} */
  const requests = [];
  /** @type {(asked: Asked, index: number) => Fault | undefined | void} */
  const right = () => undefined;
  const state = { files, requests, fault: right, url: "", close };

  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    const asked = { path, range: request.headers.range, ifRange: /** @type {string | undefined} */ (request.headers["if-range"]), headers: request.headers };
    const fault = state.fault(asked, requests.push(asked) - 1) ?? {};
    for (const [name, value] of Object.entries({ ...headers, ...fault.headers })) response.setHeader(name, value);
    if (fault.stallAfter === -1) return;
    setTimeout(() => {
      answer(asked, fault, response);
    }, fault.delayMs ?? 0);
  });

  /**
   * @param {Asked} asked
   * @param {Fault} fault
   * @param {import("node:http").ServerResponse} response
   */
  function answer({ path, range, ifRange, headers }, fault, response) {
    const file = fault.file ?? state.files[path];
    if (headers["access-control-request-method"] !== undefined) return void response.writeHead(403).end();
    if (fault.redirect !== undefined) return void response.writeHead(302, { location: fault.redirect }).end();
    if (fault.status !== undefined) return void response.writeHead(fault.status).end();
    if (fault.html) return void response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>Log in</title>");
    if (!file) return void response.writeHead(404).end("not found");

    const etag = fault.etag === undefined ? `"${sha256(file).slice(0, 16)}"` : fault.etag;
    const modified = fault.lastModified === undefined ? MODIFIED : fault.lastModified;
    if (etag !== null) response.setHeader("etag", etag);
    if (modified !== null) response.setHeader("last-modified", modified);
    if (!response.hasHeader("content-type")) response.setHeader("content-type", "application/octet-stream");
    response.setHeader("accept-ranges", "bytes");

    const match = /^bytes=(\d+)-(\d+)$/.exec(range ?? "");
    const current = ifRange === undefined || ifRange === etag || ifRange === modified;
    let body = file;
    if (match && current && !fault.ignoreRange) {
      const start = Number(match[1]);
      if (start >= file.length) return void response.writeHead(416, { "content-range": `bytes */${String(file.length)}` }).end();
      const end = Math.min(file.length, Number(match[2]) + 1);
      body = file.subarray(start, end);
      const contentRange = fault.contentRange === undefined ? `bytes ${String(start)}-${String(end - 1)}/${String(file.length)}` : fault.contentRange;
      response.statusCode = 206;
      if (contentRange !== null) response.setHeader("content-range", contentRange);
    }
    if (fault.shortBy !== undefined) body = body.subarray(0, Math.max(0, body.length - fault.shortBy));
    if (fault.gzip) {
      body = gzipSync(body);
      response.setHeader("content-encoding", "gzip");
    }
    if (!fault.noLength) response.setHeader("content-length", fault.contentLength ?? body.length);
    if (fault.contentLength !== undefined) response.shouldKeepAlive = false;
    send(response, body, fault);
  }

  /**
   * @param {import("node:http").ServerResponse} response
   * @param {Uint8Array} body
   * @param {Fault} fault
   */
  function send(response, body, { cutAfter, cutMs = 2, stallAfter, drip }) {
    const stop = cutAfter ?? stallAfter;
    if (stop !== undefined && stop < body.length) {
      response.flushHeaders();
      response.write(body.subarray(0, stop), () => {
        if (cutAfter !== undefined) setTimeout(() => response.destroy(), cutMs);
      });
      return;
    }
    if (drip === undefined) {
      response.flushHeaders(); // or a length would be added
      return void response.end(body);
    }
    let at = 0;
    const timer = setInterval(() => {
      response.write(body.subarray(at, (at += drip)));
      if (at < body.length && !response.destroyed) return;
      clearInterval(timer);
      response.end();
    }, 1);
  }

  function close() {
    server.closeAllConnections();
    return new Promise((done) => server.close(done));
  }

  // By number: names are looked up in another thread.
  await /** @type {Promise<void>} */ (new Promise((done) => server.listen(0, "127.0.0.1", done)));
  const address = server.address();
  state.url = `http://127.0.0.1:${String(address !== null && typeof address === "object" ? address.port : 0)}`;
  return state;
}
