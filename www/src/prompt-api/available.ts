/** Whether a model that is not in memory could be: from the cache, over the network, or not at all. */
import { located } from "../internal/environment.js";
import { needWorkers } from "../internal/load.js";
import { whyNoOpfs } from "../internal/cache-folder.js";
import { listCachedModels } from "../public/cache.js";
import { BitNetError } from "../public/errors.js";
import { checkSupport } from "../public/support.js";
import type { LoadOptions, ModelManifest, ModelSource } from "../public/types.js";
import type { Availability } from "./types.js";

const HUB = "https://huggingface.co";

/** @param fits whether the device has room for it, which is asked of its header. */
export async function whereItIs(given: ModelSource, options: LoadOptions, fits: () => Promise<boolean>): Promise<Availability> {
  try {
    const source = await located(given);
    needWorkers(options);
    // A worker that the page has made itself is its own business.
    if (options.worker === undefined && !(await checkSupport()).simd) return "unavailable";
    const addresses = await addressesOf(source, options);
    if (addresses && (await areCached(addresses, options))) return "available";
    if (options.offline) return addresses ? "unavailable" : "available";
    // A stream can be read but once, so it is not looked into.
    if (!canBeEstimated(source)) return "available";
    if (!(await fits())) return "unavailable";
    return addresses ? "downloadable" : "available";
  } catch (error) {
    // A mistake of whoever has chosen the model is not the page's to guess at.
    if (error instanceof BitNetError && error.code !== "invalid-argument") return "unavailable";
    throw error;
  }
}

function canBeEstimated(source: ModelSource): boolean {
  return !(source instanceof ReadableStream || source instanceof Response || (Array.isArray(source) && source.some((part) => part instanceof ReadableStream)));
}

/** Whether nothing of it has to come over the network. */
export async function isHere(given: ModelSource, options: LoadOptions): Promise<boolean> {
  const addresses = await addressesOf(await located(given), options);
  return addresses === undefined || areCached(addresses, options);
}

/** The files that it stands for, where they have addresses; undefined for what is on the device. */
async function addressesOf(source: ModelSource, options: LoadOptions): Promise<readonly string[] | undefined> {
  const parts: readonly unknown[] = Array.isArray(source) ? source : [source];
  const found = await Promise.all(parts.map((part) => addressesOfPart(part, options)));
  return found.some((addresses) => addresses === undefined) ? undefined : found.flatMap((addresses) => addresses ?? []);
}

async function addressesOfPart(part: unknown, options: LoadOptions): Promise<readonly string[] | undefined> {
  if (typeof part === "string" || part instanceof URL || part instanceof Request) {
    const url = resolve(part instanceof Request ? part.url : String(part));
    // What is wrong with it, the loader says.
    if (!url) return [];
    return (url.pathname.endsWith(".json") && !options.offline ? await filesOf(url, options) : undefined) ?? partsOf(url);
  }
  const { files, base } = part as Partial<ModelManifest>;
  if (!Array.isArray(files)) return undefined;
  const beside = resolve(base === undefined ? "" : String(base));
  return beside ? besides(files, beside) : [];
}

/** Those that a manifest lists; where it can't be had, the loader will say why. */
async function filesOf(url: URL, { headers }: LoadOptions): Promise<readonly string[] | undefined> {
  try {
    const { files } = (await (await fetch(url, { ...(headers && { headers }) })).json()) as ModelManifest;
    return besides(files, url);
  } catch {
    return undefined;
  }
}

const besides = (files: ModelManifest["files"], base: URL) => files.map(({ name }) => new URL(encodeURIComponent(name), base).href);

/** As the loader does it: `src/download/address.rs` of the crate. */
function resolve(given: string): URL | undefined {
  const [, owner, repository, revision = "main", file] = /^hf:([^/@]+)\/([^/@]+)(?:@([^/]+))?\/(.+)$/.exec(given) ?? [];
  try {
    const url = owner && repository && file ? onTheHub(owner, repository, revision, file) : new URL(given, (globalThis as { location?: Location }).location?.href);
    url.hash = "";
    return url;
  } catch {
    return undefined;
  }
}

function onTheHub(owner: string, repository: string, revision: string, file: string): URL {
  const segments = [owner, repository, "resolve", decodeURIComponent(revision), ...file.split("/")];
  return new URL(`${HUB}/${segments.map(encodeURIComponent).join("/")}`);
}

/** All of a split file. */
function partsOf(url: URL): readonly string[] {
  const [, before, after, count] = /^(.*-)00001(-of-(\d{5})\.gguf)$/i.exec(url.pathname) ?? [];
  if (before === undefined || after === undefined) return [url.href];
  return Array.from({ length: Number(count) }, (_, index) => {
    const part = new URL(url);
    part.pathname = before + String(index + 1).padStart(5, "0") + after;
    return part.href;
  });
}

async function areCached(addresses: readonly string[], { cache }: LoadOptions): Promise<boolean> {
  if (cache === false || whyNoOpfs() !== undefined) return false;
  const whole = new Set((await listCachedModels()).filter(({ complete }) => complete).map(({ url }) => url));
  return addresses.length > 0 && addresses.every((address) => whole.has(address));
}
