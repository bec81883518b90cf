/** What a person may write for an address, and the addresses that it stands for. */
import { BitNetError } from "../../public/errors.js";

const HUB = "https://huggingface.co";
const COMMIT = /^[0-9a-f]{40}$/;
const SPLIT = /-(\d{5})-of-(\d{5})(\.gguf)$/i;

export function resolveAddress(given: string | URL, base: string | undefined): URL {
  try {
    const url = typeof given === "string" && given.startsWith("hf:") ? onTheHub(given) : new URL(given, base);
    url.hash = "";
    return url;
  } catch (cause) {
    if (cause instanceof BitNetError) throw cause;
    throw new BitNetError("invalid-argument", `"${String(given)}" is not an address`, { cause });
  }
}

/** Every part of a split file, of which this is the first, or the one address. */
export function partAddresses(url: URL): URL[] {
  const [, part, count, extension] = SPLIT.exec(url.pathname) ?? [];
  if (part === undefined || count === undefined || extension === undefined) return [url];
  const numbered = (number: number): URL => {
    const other = new URL(url);
    other.pathname = url.pathname.replace(SPLIT, `-${String(number).padStart(5, "0")}-of-${count}${extension}`);
    return other;
  };
  if (Number(part) !== 1) {
    throw new BitNetError("invalid-argument", `${url.href} is part ${String(Number(part))} of a split file: give the address of the first one, ${numbered(1).href}`);
  }
  return Array.from({ length: Math.max(1, Number(count)) }, (_, index) => numbered(index + 1));
}

function onTheHub(given: string): URL {
  const [, owner, repository, revision = "main", file] = /^hf:([^/@]+)\/([^/@]+)(?:@([^/]+))?\/(.+)$/.exec(given) ?? [];
  if (owner === undefined || repository === undefined || file === undefined) {
    throw new BitNetError(
      "invalid-argument",
      `"${given}" is not an address on Hugging Face: write hf:owner/repository/file.gguf or hf:owner/repository@revision/file.gguf, with %2F for a slash in the revision`,
    );
  }
  const path = [owner, repository, "resolve", decodeURIComponent(revision), ...file.split("/")];
  return new URL(path.map(encodeURIComponent).join("/"), `${HUB}/`);
}

/** It names a commit of a repository on the hub, so its bytes never change. */
export function isImmutable(url: URL): boolean {
  return url.origin === HUB && COMMIT.test(url.pathname.split("/")[4] ?? "");
}

/** The last part of its path. */
export function fileName(url: string): string {
  const last = new URL(url).pathname.split("/").filter(Boolean).at(-1) ?? url;
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}
