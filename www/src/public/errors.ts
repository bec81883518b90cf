/** What went wrong, for a program; the message says it for a person, with what to do. */
export type BitNetErrorCode =
  /** No WebAssembly SIMD, or not in this browser. */
  | "unsupported-browser"
  /** The address did not answer, answered with an error, or the download broke off. */
  | "network"
  /** The file has not the SHA-256 that was asked for, or is damaged in the cache. */
  | "integrity"
  /** The browser gives no room for what must be kept. */
  | "quota"
  /** The cache can't be used: there is none, or another tab is at it. */
  | "storage"
  /** A file of this device can't be read: it has changed since it was chosen, or is gone. */
  | "io"
  /** The bytes are not a sound GGUF file, or not a sound saved session. */
  | "format"
  /** A sound GGUF file of a model, type or version that this engine does not run. */
  | "unsupported-model"
  /** Model and KV cache do not fit the browser's memory. */
  | "out-of-memory"
  /** The prompt alone, or a saved session, is longer than the context. */
  | "context-overflow"
  /** An option or argument has no sense. */
  | "invalid-argument"
  /** An answer can't keep the form that was asked for: it takes too much work, or a bias bans all that is left. */
  | "constraint"
  /** `dispose()` was called, of the model or of the session. */
  | "disposed"
  /** The worker is gone: load the model again. */
  | "worker-crashed";

/**
 * The one error class of this package. Aborting is no error of its own: what an `AbortSignal` ends rejects with the
 * signal's reason, a `DOMException` named `AbortError` by default.
 */
export class BitNetError extends Error {
  override readonly name = "BitNetError";

  constructor(
    readonly code: BitNetErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
