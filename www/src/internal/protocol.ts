/** The messages between page and worker. */
import type { BitNetErrorCode } from "../public/errors.js";
import type { Backend, ModelInfo, Roofline, Stats, Token, VerifyReport } from "../public/types.js";
import type { Flavour } from "./builds.js";
import type { DownloadProgress, DownloadRequest } from "./download/request.js";
import type { About, Answer, EngineEstimate, GenerateRequest, LoaderOptions, Step, VerifyDefaults } from "./engine.js";

export interface PlainError {
  code: BitNetErrorCode;
  message: string;
}

export type Done = Extract<Step, { kind: "done" }>;

/** The session that a model has from the start. The others get their numbers in `openSession` and `cloneSession`. */
export const OWN_SESSION = 0;

/** Calls that give one value back. */
export interface Calls {
  tokenize: { args: [text: string, parseSpecial: boolean]; value: Uint32Array };
  detokenize: { args: [ids: Uint32Array]; value: string };
  memory: { args: []; value: Omit<Stats, "timings"> };
  openSession: { args: []; value: number };
  cloneSession: { args: [session: number]; value: number };
  saveSession: { args: [session: number]; value: Uint8Array<ArrayBuffer> };
  restoreSession: { args: [session: number, bytes: Uint8Array]; value: undefined };
  resetSession: { args: [session: number]; value: undefined };
  closeSession: { args: [session: number]; value: undefined };
  roofline: { args: []; value: Roofline };
  verifyDefaults: { args: []; value: VerifyDefaults };
  report: { args: [answers: readonly Answer[], about: About]; value: VerifyReport };
}
export type CallName = keyof Calls;

export type ToWorker =
  /** First of all: hold this lock for life, where the page has locks. */
  | { type: "live"; lock: string | undefined }
  | { type: "open"; backend: "auto" | Backend; wasmUrl: string | undefined; threads: "auto" | number }
  /** Those that came have joined; why others have not. */
  | { type: "helpers-started"; why: string | undefined }
  /** Begins a model; what there is of another is dropped. */
  | { type: "load"; options: LoaderOptions }
  /** The next part of the model comes in chunks. */
  | { type: "part"; sha256: string | undefined; fileSize: number | undefined }
  /** The first `length` bytes of `buffer`, which comes back in `taken`: a few buffers go round and are the backpressure. */
  | { type: "chunk"; buffer: ArrayBuffer; length: number }
  /** The worker fetches the next part of the model itself; `alone`: there is no other. */
  | { type: "download"; request: DownloadRequest; alone: boolean }
  | { type: "finish" }
  /** An estimate, in a worker of its own: headers of parts, in pieces, each answered before the next is sent. */
  | { type: "estimate"; backend: "auto" | Backend; wasmUrl: string | undefined; options: LoaderOptions }
  | { type: "header-part"; index: number; fileSize: number | undefined }
  | { type: "header"; bytes: Uint8Array<ArrayBuffer> }
  | { type: "estimate-end" }
  | { type: "generate"; id: number; session: number; request: GenerateRequest }
  | { type: "cancel"; id: number }
  | { [Name in CallName]: { type: "call"; id: number; name: Name; args: Calls[Name]["args"] } }[CallName];

export type FromWorker =
  /** The lock is held. */
  | { type: "alive" }
  | { type: "engine-progress"; loaded: number; total: number | undefined }
  | { type: "start-helpers"; count: number; help: Help }
  | { type: "opened" }
  | { type: "taken"; buffer: ArrayBuffer; expectedSize: number | undefined }
  | { type: "download-progress"; progress: DownloadProgress }
  /** `last`: no part follows, whatever the file's name says. */
  | { type: "downloaded"; bytes: number; last: boolean }
  /** The file became another one on the way: begin anew with `load`. */
  | { type: "file-changed"; url: string }
  | { type: "loaded"; info: ModelInfo }
  /** Loading has failed; the worker is of no more use. */
  | { type: "load-failed"; error: PlainError }
  | { type: "estimator-ready" }
  | { type: "header-taken"; complete: boolean; last: boolean }
  | { type: "estimated"; estimate: EngineEstimate }
  | { type: "prefill"; id: number; done: number; total: number }
  | { type: "tokens"; id: number; tokens: Token[] }
  | { type: "done"; id: number; done: Done }
  | { type: "failed"; id: number; error: PlainError }
  | { type: "value"; id: number; value: unknown }
  /** A trap inside WebAssembly: its memory can't be trusted any more. */
  | { type: "crashed"; message: string };

/** What a worker needs to become a thread of an engine. */
export interface Help {
  flavour: Flavour;
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
}

export interface ToHelper {
  type: "help";
  help: Help;
}

export type FromHelper =
  | { type: "joined" }
  | { type: "failed"; message: string }
  /** A trap inside WebAssembly. */
  | { type: "crashed"; message: string };

/** The part of `Worker`, `MessagePort` and a worker's global scope that both sides need. */
export interface Endpoint {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
}
