// The part of the package's surface that other branches bring; this file goes once they are merged.
import * as b158 from "b158";
import type { LoadOptions, LoadProgress, ModelSource } from "b158";

export interface CachedModel {
  key: string;
  url: string;
  name: string;
  bytes: number;
  totalBytes?: number;
  complete: boolean;
  lastUsed: Date;
  sha256?: string;
}

export interface Estimate {
  fileBytes?: number;
  architecture: string;
  name?: string;
  parameters: number;
  quantization: string;
  contextLength: number;
  weightBytes: number;
  kvCacheBytes: number;
  wasmBytes: number;
  fits: boolean;
  why?: string;
}

export interface Support {
  simd: boolean;
  relaxedSimd: boolean;
  threads: boolean;
  crossOriginIsolated: boolean;
  opfs: boolean;
  storage?: { quota?: number; usage?: number };
}

export type Progress = Omit<LoadProgress, "phase"> & { readonly phase: LoadProgress["phase"] | "verify"; readonly part?: { index: number; count: number } };
export type Source = ModelSource | readonly Blob[];

interface Coming {
  listCachedModels?: () => Promise<CachedModel[]>;
  deleteCachedModel?: (key: string) => Promise<boolean>;
  storageEstimate?: () => Promise<{ quota?: number; usage?: number; persisted: boolean }>;
  persistStorage?: () => Promise<boolean>;
  checkSupport?: () => Promise<Support>;
  BitNet: { estimate?: (source: Source, options?: LoadOptions) => Promise<Estimate> };
}
const coming = b158 as unknown as Coming;

export const listCachedModels = (): Promise<CachedModel[]> => coming.listCachedModels?.() ?? Promise.resolve([]);
export const deleteCachedModel = (key: string): Promise<boolean> => coming.deleteCachedModel?.(key) ?? Promise.resolve(false);
export const storageEstimate = (): Promise<{ quota?: number; usage?: number; persisted: boolean }> => coming.storageEstimate?.() ?? Promise.resolve({ persisted: false });
export const persistStorage = (): Promise<boolean> => coming.persistStorage?.() ?? Promise.resolve(false);
export const checkSupport = (): Promise<Support> =>
  coming.checkSupport?.() ?? Promise.resolve({ simd: true, relaxedSimd: false, threads: crossOriginIsolated, crossOriginIsolated, opfs: "storage" in navigator });
export const estimate = (source: Source, options: LoadOptions): Promise<Estimate | undefined> =>
  coming.BitNet.estimate?.(source, options) ?? Promise.resolve(undefined);
