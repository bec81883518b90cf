// A small static server with the headers the page wants: node serve.mjs [--port N] [--root DIR] [--file PATH]
import { createServer } from "node:http";
import { basename, dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import sirv from "sirv";
import { HEADERS, ISOLATION } from "./headers.mjs";

const TRIES = 20;

/**
 * Serves `root`, and `file` (a model that lies elsewhere) under `/local/`. A port in use makes it take the next one; port 0 is any free one.
 * `folders` are more of what is served, by the paths they appear under. Not `isolated`, it leaves out the headers that shared memory needs;
 * not `guarded`, the content security policy, which workers made of blobs would break. `policy` is another one.
 * @param {{ port?: number, root: string, file?: string | undefined, folders?: Record<string, string>, isolated?: boolean, guarded?: boolean, policy?: string | undefined }} options
 */
export async function serve({ port = 0, root, file, folders = {}, isolated = true, guarded = true, policy }) {
  const headers = Object.entries({ ...HEADERS, ...(policy !== undefined && { "content-security-policy": policy }) }).filter(([name]) => (isolated || !(name in ISOLATION)) && (guarded || name !== "content-security-policy"));
  /** @param {import("node:http").ServerResponse} response @param {string} path */
  const setHeaders = (response, path) => {
    if (path.endsWith(".gguf")) response.setHeader("content-type", "application/octet-stream");
  };
  // `dev` reads the folder at each request instead of once at the start.
  /** @param {string} folder */
  const files = (folder) => sirv(resolve(folder), { dev: true, etag: true, setHeaders });
  const page = files(root);
  const local = file === undefined ? undefined : files(dirname(file));
  const localPath = file === undefined ? undefined : `/local/${basename(file)}`;

  const others = Object.entries(folders).map(([path, folder]) => ({ path, handler: files(folder) }));

  const server = createServer((request, response) => {
    // Here and not in setHeaders, which sirv leaves out of a 304: WebKit then takes the file for one without them.
    for (const [name, value] of headers) response.setHeader(name, value);
    const missing = () => {
      response.writeHead(404, { "content-type": "text/plain" }).end("not found\n");
    };
    if (local && decodeURI(request.url?.split("?")[0] ?? "") === localPath) {
      request.url = request.url?.replace("/local/", "/") ?? "/";
      local(request, response, missing);
      return;
    }
    const other = others.find(({ path }) => request.url?.startsWith(path));
    if (other) {
      request.url = request.url?.slice(other.path.length - 1) ?? "/";
      other.handler(request, response, missing);
    } else {
      page(request, response, missing);
    }
  });
  const taken = await listen(server, port);
  const url = `http://localhost:${String(taken)}/`;
  return {
    url,
    fileUrl: localPath === undefined ? undefined : new URL(encodeURI(localPath), url).href,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/**
 * @param {import("node:http").Server} server
 * @param {number} wanted
 * @returns {Promise<number>}
 */
async function listen(server, wanted) {
  for (let port = wanted; ; port++) {
    try {
      return await new Promise((done, failed) => {
        server.once("error", failed);
        server.listen(port, "localhost", () => {
          server.off("error", failed);
          const address = server.address();
          done(address !== null && typeof address === "object" ? address.port : port);
        });
      });
    } catch (error) {
      const inUse = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
      if (!inUse || port >= wanted + TRIES) throw error;
    }
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: "8158" },
      root: { type: "string", default: resolve(import.meta.dirname, "dist/demo") },
      file: { type: "string" },
    },
  });
  const { url, fileUrl } = await serve({ port: Number(values.port), root: values.root, file: values.file });
  console.log(`b158 demo: ${url}`);
  if (fileUrl !== undefined) console.log(`the file: ${fileUrl}`);
}
