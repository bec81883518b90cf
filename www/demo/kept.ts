import { type CachedModel, listCachedModels } from "b158";

/** A model of the cache; one that came in parts is one all the same. */
export interface Kept {
  readonly keys: readonly string[];
  /** As `canonical` writes it; of the first part. */
  readonly address: string;
  readonly name: string;
  /** Where it came from: this page, a repository of the hub, a host. */
  readonly from: string;
  readonly bytes: number;
  /** Absent while some part's size is not known. */
  readonly totalBytes: number | undefined;
  readonly complete: boolean;
  readonly lastUsed: Date;
}

const PART = /-\d{5}-of-(\d{5})(?=\.gguf$)/i;
const MANIFEST = /\.json$/i;
const HUB = /^https:\/\/huggingface\.co\/([^/]+)\/([^/]+)\/resolve\/([^/]+)\/([^?#]+)$/;

/** The last used first. */
export async function keptModels(): Promise<Kept[]> {
  const groups = new Map<string, CachedModel[]>();
  for (const file of await listCachedModels()) {
    const address = canonical(file.url).replace(PART, "-00001-of-$1");
    groups.set(address, [...(groups.get(address) ?? []), file]);
  }
  for (const address of groups.keys()) joinManifest(groups, address);
  return [...groups].map(([address, files]) => gather(address, files)).sort((a, b) => b.lastUsed.getTime() - a.lastUsed.getTime());
}

/** A manifest and the parts that bear its name are one model, which has the manifest's address. */
function joinManifest(groups: Map<string, CachedModel[]>, address: string): void {
  const manifest = groups.get(address);
  if (!MANIFEST.test(address) || !manifest) return;
  const prefix = address.replace(MANIFEST, "");
  for (const [first, parts] of groups) {
    if (first.replace(/-00001-of-\d{5}\.gguf$/i, "") !== prefix) continue;
    groups.set(address, [...parts, ...manifest]);
    groups.delete(first);
    return;
  }
}

export async function keptModel(address: string): Promise<Kept | undefined> {
  const wanted = canonical(address);
  return (await keptModels()).find((kept) => kept.address === wanted);
}

/** One way of writing the addresses of the hub, where there are two. */
export function canonical(address: string): string {
  if (address.startsWith("hf:")) return address.replace("@main/", "/");
  const { href } = URL.canParse(address, location.href) ? new URL(address, location.href) : { href: address };
  const [, owner, repository, revision, file] = HUB.exec(href)?.map(decodeURIComponent) ?? [];
  if (owner === undefined || repository === undefined || revision === undefined || file === undefined) return href;
  return `hf:${owner}/${repository}${revision === "main" ? "" : `@${encodeURIComponent(revision)}`}/${file}`;
}

function origin(address: string): string {
  if (address.startsWith("hf:")) return address.split("/").slice(0, 2).join("/");
  const { host } = new URL(address);
  return host === location.host ? "this page" : host;
}

function gather(address: string, files: readonly CachedModel[]): Kept {
  const first = files[0]?.name ?? address;
  const manifests = MANIFEST.test(address) ? 1 : 0;
  const parts = Number(PART.exec(first)?.[1] ?? 1);
  const count = parts + manifests;
  const name = first.replace(PART, "");
  const sum = (size: (file: CachedModel) => number) => files.reduce((all, file) => all + size(file), 0);
  const known = files.length === count && files.every((file) => file.totalBytes !== undefined);
  return {
    keys: files.map(({ key }) => key),
    address,
    from: origin(address),
    name: parts > 1 ? `${name}, ${String(parts)} parts` : name,
    bytes: sum((file) => file.bytes),
    totalBytes: known ? sum((file) => file.totalBytes ?? 0) : undefined,
    complete: files.length === count && files.every((file) => file.complete),
    lastUsed: new Date(Math.max(...files.map((file) => file.lastUsed.getTime()))),
  };
}
