/** What the fake's engine and its sessions share. */
import type { BitNetErrorCode } from "../public/errors.js";
import type { ModelInfo } from "../public/types.js";

/** What the fake says, and how much of it. */
export interface FakeEngineOptions {
  /** Words it speaks. */
  vocabulary?: readonly string[];
  contextLength?: number;
  /** Tokens it says before it stops by itself. */
  answerLength?: number;
  /** Prompt tokens a step reads. */
  prefillBatch?: number;
}

/** What a session needs of the engine that opened it. */
export interface FakeModel {
  readonly fake: FakeEngineOptions;
  info(): ModelInfo;
  tokenize(text: string): Uint32Array;
  detokenize(ids: Uint32Array): string;
  /** Words that it says; those of prompts come behind them. */
  readonly spoken: number;
  /** Whether the worker has been terminated. */
  readonly ended: () => boolean;
}

export function codedError(code: BitNetErrorCode, message: string): Error {
  return Object.assign(new Error(message), { code });
}
