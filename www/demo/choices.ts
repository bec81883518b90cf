import { BitNetError, type ModelSource } from "b158";
import TABLE from "./catalogue.json";

/** A model that somebody wants. */
export interface Choice {
  readonly source: ModelSource;
  readonly name: string;
  /** Where the source is an address: it can be shared, and asked how large it is. */
  readonly address?: string;
  /** Of the whole file, where it is known what it must be. */
  readonly sha256?: string;
}

/** A model that the page offers: a line of catalogue.json, which a test of the engine holds against its own estimate. */
export interface Offered {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly sha256?: string;
  /** Who made it. */
  readonly from: string;
  readonly licence: string;
  /** Values of a weight: "1 bit" or "ternary". */
  readonly weights: string;
  /** What it is good for, in a sentence. */
  readonly use: string;
  readonly parameters: number;
  readonly fileBytes: number;
  readonly contextLength: number;
  readonly weightBytes: number;
  /** Of the whole context, in f16. */
  readonly kvCacheBytes: number;
  /** The expected peak, with a full context in f16. */
  readonly memoryBytes: number;
  /** The same with a KV cache in 8 bits. */
  readonly leastMemoryBytes: number;
}

/** What people ask for first comes first. */
export const CATALOGUE: readonly Offered[] = TABLE;

const OWN = own();
export const EMBEDDED: Choice = { source: OWN.address, name: OWN.name };
/** By their number it is known where another engine has it. */
export const EMBEDDED_PARAMETERS = OWN.parameters;

/** The page's own model has no address of its own: it is there before anybody asks. */
export function choiceOf({ id, address, name, sha256 }: Offered): Choice {
  return id === "embedded" ? EMBEDDED : { source: address, name, address, ...(sha256 !== undefined && { sha256 }) };
}

export function byAddress(address: string): Choice {
  const known = CATALOGUE.find((offered) => offered.id !== "embedded" && offered.address === address);
  return known ? choiceOf(known) : { source: address, name: lastPart(address), address };
}

function own(): Offered {
  const found = CATALOGUE.find(({ id }) => id === "embedded");
  if (!found) throw new Error("catalogue.json lacks the page's own model");
  return found;
}

/** One file, the parts of a split one, or those of a checkpoint; of a folder that was chosen as a whole, all that it has. */
export function fromFiles(files: readonly File[]): Choice | undefined {
  const parts = [...files].sort((a, b) => a.name.localeCompare(b.name, "en"));
  const [first] = parts;
  if (!first) return undefined;
  const folder = first.webkitRelativePath.split("/")[0] ?? "";
  if (folder !== "") return { source: parts, name: folder };
  if (parts.some(({ name }) => name.endsWith(".safetensors"))) return { source: parts, name: `a checkpoint of ${String(parts.length)} files` };
  return parts.length === 1 ? { source: first, name: first.name } : { source: parts, name: `${first.name} and ${String(parts.length - 1)} more` };
}

/** Files, or a folder. Its entries can be had while the drop is told of, and no later. */
export function fromDrop(data: DataTransfer): Choice | undefined {
  const entries = [...data.items].map((item) => (item.kind === "file" ? item.webkitGetAsEntry() : null));
  const folder = entries.find((entry) => entry?.isDirectory);
  if (folder && entries.length > 1) throw new BitNetError("invalid-argument", "a model is in one folder: drop that alone, or files without a folder");
  if (folder) return { source: folder as FileSystemDirectoryEntry, name: folder.name };
  return fromFiles([...data.files]);
}

export function lastPart(address: string): string {
  return address.split(/[?#]/)[0]?.split("/").filter(Boolean).at(-1) ?? address;
}
