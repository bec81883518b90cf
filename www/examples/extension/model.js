// The same options everywhere: tabs that ask for others have another engine.
import { BitNet } from "./b158/index.js";

const MODEL = "hf:microsoft/bitnet-b1.58-2B-4T-gguf/ggml-model-i2_s.gguf";

/** The extension's engine, wherever it is. */
export const load = (onProgress) => BitNet.load(MODEL, { shared: true, onProgress });
