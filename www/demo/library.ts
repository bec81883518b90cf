// The part of the package's surface that is still to come; this file goes with it.
import * as b158 from "b158";
import type { LoadOptions, ModelSource } from "b158";

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

interface Coming {
  checkSupport?: () => Promise<{ opfs: boolean }>;
  BitNet: { estimate?: (source: ModelSource, options?: LoadOptions) => Promise<Estimate> };
}
const coming = b158 as unknown as Coming;

export const checkSupport = (): Promise<{ opfs: boolean }> => coming.checkSupport?.() ?? Promise.resolve({ opfs: "storage" in navigator });
export const estimate = (source: ModelSource, options: LoadOptions): Promise<Estimate | undefined> => coming.BitNet.estimate?.(source, options) ?? Promise.resolve(undefined);
