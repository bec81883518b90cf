/** How freely is drawn. The specification leaves to each implementation what its modes mean. */
import { double, oneOf } from "./idl.js";
import type { LanguageModelParams, LanguageModelSamplingMode } from "./types.js";

export interface Sampling {
  readonly mode: LanguageModelSamplingMode | null;
  readonly temperature: number;
  readonly topK: number;
}

/** Of the middle mode: the engine's own defaults. */
export const PARAMS: LanguageModelParams = { defaultTopK: 40, maxTopK: 128, defaultTemperature: 0.8, maxTemperature: 2 };

const MODES: Readonly<Record<LanguageModelSamplingMode, Omit<Sampling, "mode">>> = {
  "most-predictable": { temperature: 0, topK: 1 },
  predictable: { temperature: 0.3, topK: 20 },
  "slightly-predictable": { temperature: 0.6, topK: 40 },
  balanced: { temperature: PARAMS.defaultTemperature, topK: PARAMS.defaultTopK },
  "slightly-creative": { temperature: 0.9, topK: 60 },
  creative: { temperature: 1, topK: 80 },
  "most-creative": { temperature: 1.2, topK: PARAMS.maxTopK },
};

const NAMES = Object.keys(MODES) as readonly LanguageModelSamplingMode[];

/** As given: what is out of range is found by {@link settle}, and the two ways of saying it are told apart. */
export interface AskedSampling {
  readonly mode: LanguageModelSamplingMode | undefined;
  readonly temperature: number | undefined;
  readonly topK: number | undefined;
}

export function readSampling(given: Readonly<Record<string, unknown>>): AskedSampling {
  const number = (name: string) => (given[name] === undefined ? undefined : double(given[name], name));
  const { samplingMode } = given;
  const asked = { mode: samplingMode === undefined ? undefined : oneOf(NAMES, samplingMode, "samplingMode"), temperature: number("temperature"), topK: number("topK") };
  if (asked.mode !== undefined && (asked.temperature !== undefined || asked.topK !== undefined)) throw new TypeError("samplingMode goes with neither temperature nor topK");
  return asked;
}

/** Too large is as large as may be; too small is a RangeError. */
export function settle({ mode, temperature, topK }: AskedSampling): Sampling {
  if (temperature === undefined && topK === undefined) return { mode: mode ?? "balanced", ...MODES[mode ?? "balanced"] };
  if (temperature !== undefined && !(temperature >= 0)) throw new RangeError(`temperature is ${String(temperature)}; the least is 0`);
  if (topK !== undefined && !(topK >= 1)) throw new RangeError(`topK is ${String(topK)}; the least is 1`);
  return {
    mode: null,
    temperature: Math.min(temperature ?? PARAMS.defaultTemperature, PARAMS.maxTemperature),
    topK: Math.min(Math.trunc(topK ?? PARAMS.defaultTopK), PARAMS.maxTopK),
  };
}
