/**
 * What page and worker say to each other before there is a worker in Rust: the module is fetched, and the page starts the workers of
 * further threads. From `opened` on they speak the messages of `protocol.ts`.
 */
import type { Backend } from "../public/types.js";
import type { Flavour } from "./builds.js";
import type { FromWorker, ToWorker } from "./protocol.js";

export type ToBootstrap =
  /** First of all: hold this lock for life, where the page has locks. */
  | { type: "live"; lock: string | undefined }
  | { type: "open"; backend: "auto" | Backend; wasmUrl: string | undefined; grammarUrl: string | undefined; threads: "auto" | number }
  /** Those that came have joined; why others have not. */
  | { type: "helpers-started"; why: string | undefined }
  | { type: "help"; help: Help };

export type FromBootstrap =
  /** The lock is held. */
  | { type: "alive" }
  | { type: "start-helpers"; count: number; help: Help }
  | { type: "opened" };

/** What a worker needs to become a thread of an engine. */
export interface Help {
  flavour: Flavour;
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
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
  removeEventListener(type: "message", listener: (event: MessageEvent) => void): void;
}

/** As it is sent: whoever gives it away does not change it. */
export type Frozen<T> = unknown extends T
  ? T
  : T extends string | number | boolean | null | undefined | Blob | ArrayBufferView | ReadableStream
    ? T
    : { readonly [Key in keyof T]: Frozen<T[Key]> };

export type Sent = Frozen<ToWorker> | ToBootstrap;
export type Heard = FromWorker | FromBootstrap;
