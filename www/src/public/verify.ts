/** Ten prompts, and what their answers say of a model: what `verify()` takes and gives. */

/** What is asked, and what the answers are compared with. */
export interface VerifyOptions {
  /** Instead of the ten built in. */
  prompts?: readonly string[];
  /** Of each answer, 500 by default. */
  maxTokens?: number;
  /** The `metrics` of another run, from here or from `b158 verify`, to compare with. */
  reference?: unknown;
  /** Name of the model's file, for the report. */
  file?: string;
  signal?: AbortSignal;
  /** Called for each token. */
  onProgress?: (progress: VerifyProgress) => void;
}

/** How far `verify()` is. */
export interface VerifyProgress {
  readonly prompt: string;
  /** Of this prompt, from 0. */
  readonly index: number;
  readonly count: number;
  /** Tokens of this answer so far, of `maxTokens` at most. */
  readonly tokens: number;
  readonly maxTokens: number;
}

/** What one prompt gave, as metrics.json has it. */
export interface VerifyEntry {
  readonly prompt: string;
  readonly text: string;
  readonly ids: readonly number[];
  readonly verdict: "text" | "loop" | "salad" | "empty";
  /** The verdict's reason, for a person. */
  readonly why: string;
  readonly measures: {
    readonly repeatedFourGrams: number;
    readonly ownWords: number | null;
    readonly meanEntropy: number;
    readonly meanLogProbability: number;
  };
  readonly ended: boolean;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  readonly timeToFirstTokenMs: number;
  readonly promptTokensPerSecond: number;
  readonly generationTokensPerSecond: number;
  readonly reference: { readonly same: boolean; readonly partsAtToken: number | null } | null;
  readonly published: { readonly same: boolean; readonly agreeingWords: number; readonly words: number } | null;
}

/** The answers and what was measured of them, for programs and for people. */
export interface VerifyReport {
  /** metrics.json. */
  readonly metrics: {
    readonly model: { readonly file: string | null; readonly sha256: string | null; readonly name: string | null; readonly architecture: string; readonly parameters: number };
    readonly machine: { readonly os: string; readonly processor: string; readonly backend: string; readonly threads: number; readonly program: string };
    readonly kvCache: string;
    readonly maxTokens: number;
    readonly notes: readonly string[];
    readonly prompts: readonly VerifyEntry[];
  };
  /** results.txt. */
  readonly text: string;
  /** report.html: a page that stands by itself, without scripts. */
  readonly html: string;
}
