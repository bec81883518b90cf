/** The Prompt API's errors: DOMExceptions by name, and what this package's own become. */
import { BitNetError, type BitNetErrorCode } from "../public/errors.js";

/** A DOMException; why, where there is more to know, as its `cause`. */
export function exception(name: string, message: string, cause?: unknown): DOMException {
  return withCause(new DOMException(message, name), cause);
}

function withCause(error: DOMException, cause: unknown): DOMException {
  if (cause !== undefined) Object.defineProperty(error, "cause", { value: cause, configurable: true, writable: true });
  return error;
}

/** What browsers that have it know of a quota: https://webidl.spec.whatwg.org/#quotaexceedederror. */
interface QuotaExceeded extends DOMException {
  readonly requested: number | null;
  readonly quota: number | null;
}

type QuotaExceededClass = new (message: string, options: { requested: number; quota: number }) => QuotaExceeded;

/** Where the browser has none of its own. */
class OwnQuotaExceededError extends DOMException implements QuotaExceeded {
  readonly requested: number;
  readonly quota: number;

  constructor(message: string, { requested, quota }: { requested: number; quota: number }) {
    super(message, "QuotaExceededError");
    this.requested = requested;
    this.quota = quota;
  }
}

/** More tokens than the context has. */
export function quotaExceeded(message: string, requested: number, quota: number): DOMException {
  const Given = (globalThis as { QuotaExceededError?: QuotaExceededClass }).QuotaExceededError ?? OwnQuotaExceededError;
  return new Given(message, { requested, quota });
}

export const destroyed = () => exception("InvalidStateError", "the session has been destroyed; create another");

/** Names for what this package calls otherwise: while a session is created, and while it is prompted. */
const CREATING: Partial<Record<BitNetErrorCode, string>> = {
  network: "NetworkError",
  "unsupported-browser": "NotSupportedError",
  "unsupported-model": "NotSupportedError",
  "out-of-memory": "NotSupportedError",
};
const PROMPTING: Partial<Record<BitNetErrorCode, string>> = {
  network: "NetworkError",
  // Of a request the forms and tools are all that the engine may refuse, and the talk that its template does not take.
  "invalid-argument": "NotSupportedError",
  constraint: "SyntaxError",
};

export const ofCreating = (error: unknown) => translated(error, CREATING, "OperationError");
export const ofPrompting = (error: unknown) => translated(error, PROMPTING, "UnknownError");

function translated(error: unknown, names: Partial<Record<BitNetErrorCode, string>>, otherwise: string): unknown {
  return error instanceof BitNetError ? exception(names[error.code] ?? otherwise, error.message, error) : error;
}
