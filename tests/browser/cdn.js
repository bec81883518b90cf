// The package on a server of another origin, as a CDN has it.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, normalize } from "node:path";
import { fileURLToPath } from "node:url";

export const PACKAGE = fileURLToPath(new URL("../../www/dist/lib", import.meta.url));
const TYPES = { ".js": "text/javascript", ".wasm": "application/wasm" };

/** A file of the package as an answer, or undefined. */
export async function fileOf(path) {
  const name = normalize(path);
  if (name.includes("..")) return undefined;
  const body = await readFile(PACKAGE + name).catch(() => undefined);
  return body && { body, contentType: TYPES[extname(name)] ?? "application/octet-stream" };
}

/**
 * Serves the package under /b158/, and under /latest/ redirects to there; /rewritten/+esm is its index.js with all that it imports and
 * nothing beside it, as services have it that rewrite modules. `allows` tells of a path whether pages of other origins may read it.
 */
export async function serveCdn({ allows = () => true } = {}) {
  const asked = [];
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://cdn/");
    asked.push({ path: pathname, origin: request.headers.origin, mode: request.headers["sec-fetch-mode"] });
    if (allows(pathname)) response.setHeader("access-control-allow-origin", "*");
    if (pathname.startsWith("/latest/")) {
      response.writeHead(302, { location: pathname.replace("/latest/", "/b158/") }).end();
      return;
    }
    const [, under, name] = /^\/(b158|rewritten)\/(.*)$/.exec(pathname) ?? [];
    const there = under === "b158" || (under === "rewritten" && /^(\+esm|shared-.*)$/.test(name));
    const file = there && (await fileOf(`/${name === "+esm" ? "index.js" : name}`));
    if (!file) {
      response.writeHead(404, { "content-type": "text/plain" }).end("not found");
      return;
    }
    response.writeHead(200, { "content-type": file.contentType }).end(file.body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${server.address().port}`;
  return {
    origin,
    index: `${origin}/b158/index.js`,
    asked,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
