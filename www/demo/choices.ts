import type { ModelSource } from "b158";

/** A model that somebody wants. */
export interface Choice {
  readonly source: ModelSource;
  readonly name: string;
  /** Where the source is an address: it can be shared, and asked how large it is. */
  readonly address?: string;
  /** Of the whole file, where it is known what it must be. */
  readonly sha256?: string;
}

export const EMBEDDED: Choice = { source: "./models/stories-I2_S.gguf", name: "b158 stories" };

export const OFFICIAL: Choice = {
  source: "hf:microsoft/bitnet-b1.58-2B-4T-gguf/ggml-model-i2_s.gguf",
  name: "BitNet b1.58 2B-4T",
  address: "hf:microsoft/bitnet-b1.58-2B-4T-gguf/ggml-model-i2_s.gguf",
  sha256: "4221b252fdd5fd25e15847adfeb5ee88886506ba50b8a34548374492884c2162",
};

export function byAddress(address: string): Choice {
  return address === OFFICIAL.address ? OFFICIAL : { source: address, name: lastPart(address), address };
}

/** One file, or the parts of a split one. */
export function fromFiles(files: readonly File[]): Choice | undefined {
  const parts = [...files].sort((a, b) => a.name.localeCompare(b.name, "en"));
  const [first] = parts;
  if (!first) return undefined;
  return parts.length === 1 ? { source: first, name: first.name } : { source: parts, name: `${first.name} and ${String(parts.length - 1)} more` };
}

export function lastPart(address: string): string {
  return address.split(/[?#]/)[0]?.split("/").filter(Boolean).at(-1) ?? address;
}
