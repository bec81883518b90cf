/**
 * Keeps the page and its engine for the time without a network, and gives the page the headers for threads where its host does not
 * send them. Models are none of its business: the library keeps those.
 *
 * Each build has a cache of its own, and pages of an older build find their files in theirs until they are gone.
 */
declare const self: ServiceWorkerGlobalScope;

/** Put before this file by the build (www/precache.ts). Names are relative to the page; the page itself is "". */
declare const BUILD: {
  readonly version: string;
  /** A name that only this build's page has in it. */
  readonly entry: string;
  /** Fetched at once. */
  readonly shell: readonly string[];
  /** Kept once somebody has needed them: an engine for each kind of browser, what holds answers to a form, alphabets. */
  readonly later: readonly string[];
};

export {};

const CACHE = `b158-page-${BUILD.version}`;
const ISOLATION = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp", "cross-origin-resource-policy": "same-origin" };
const NAMES = new Set([...BUILD.shell, ...BUILD.later]);

self.addEventListener("install", (event) => {
  event.waitUntil(install());
});

self.addEventListener("activate", (event) => {
  event.waitUntil(activate());
});

self.addEventListener("message", (event) => {
  if (event.data === "activate") void self.skipWaiting();
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || request.headers.has("range")) return;
  const name = nameOf(request.url);
  if (NAMES.has(name)) event.respondWith(answer(name, request));
});

async function install(): Promise<void> {
  const cache = await caches.open(CACHE);
  const used = await namesInUse();
  const wanted = [...BUILD.shell, ...BUILD.later.filter((name) => used.has(withoutHash(name)))];
  await Promise.all(
    wanted.map(async (name) => {
      const known = hasHash(name) ? await caches.match(address(name)) : undefined;
      const response = known ?? (await fetch(address(name), { cache: hasHash(name) ? "default" : "no-cache" }));
      if (!response.ok) throw new Error(`${address(name)} answered ${String(response.status)}`);
      // In the middle of an upload, say. The browser tries again with the next visit.
      if (name === "" && !(await response.clone().text()).includes(BUILD.entry)) throw new Error("the page on the server is of another build than this service worker");
      await cache.put(address(name), response);
    }),
  );
}

/** What the builds before this one have kept: whoever had an engine for the time without a network goes on having one. */
async function namesInUse(): Promise<Set<string>> {
  const names = new Set<string>();
  for (const key of await ownCaches()) {
    for (const { url } of await (await caches.open(key)).keys()) names.add(withoutHash(nameOf(url)));
  }
  return names;
}

async function activate(): Promise<void> {
  // Another tab may still show the page of an older build, and need the rest of its files.
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  if (pages.length <= 1) {
    for (const key of await ownCaches()) if (key !== CACHE) await caches.delete(key);
  }
  await self.clients.claim();
}

async function answer(name: string, request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  const kept = (await cache.match(address(name))) ?? (await caches.match(address(name)));
  if (kept) return isolated(kept);
  const response = await fetch(request);
  if (response.ok) await cache.put(address(name), response.clone()).catch(() => undefined); // no room is no reason not to answer
  return isolated(response);
}

/** With the headers that make a page cross-origin isolated, which its workers' scripts need too. */
function isolated(response: Response): Response {
  if (response.type === "opaqueredirect" || response.type === "error") return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(ISOLATION)) if (!headers.has(name)) headers.set(name, value);
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}

function address(name: string): string {
  return new URL(name === "" ? "./" : name, self.registration.scope).href;
}

function nameOf(url: string): string {
  const { origin, pathname } = new URL(url);
  const scope = new URL(self.registration.scope);
  if (origin !== scope.origin || !pathname.startsWith(scope.pathname)) return "elsewhere";
  const name = pathname.slice(scope.pathname.length);
  return name === "index.html" ? "" : name;
}

async function ownCaches(): Promise<string[]> {
  return (await caches.keys()).filter((key) => key.startsWith("b158-page-"));
}

/** The build puts a hash of what they hold into the names under assets: they never change. */
function hasHash(name: string): boolean {
  return name.startsWith("assets/");
}

function withoutHash(name: string): string {
  return hasHash(name) ? name.replace(/-[\w-]{8}(?=\.\w+$)/, "") : name;
}
