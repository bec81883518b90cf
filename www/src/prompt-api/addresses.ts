/** Addresses as the loader makes them of what it is given, and so as the cache has them: `src/download/address.rs` of the crate, whose tests hold this too. */

const HUB = "https://huggingface.co";

/** An absolute address without a fragment, or none. */
export function resolve(given: string): URL | undefined {
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
export function partsOf(url: URL): readonly string[] {
  const [, before, after, count] = /^(.*-)00001(-of-(\d{5})\.gguf)$/i.exec(url.pathname) ?? [];
  if (before === undefined || after === undefined) return [url.href];
  return Array.from({ length: Math.max(1, Number(count)) }, (_, index) => {
    const part = new URL(url);
    part.pathname = before + String(index + 1).padStart(5, "0") + after;
    return part.href;
  });
}
