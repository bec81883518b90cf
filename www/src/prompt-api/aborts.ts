/** Signals of which any ends what waits for them. `AbortSignal.any` Safari has only since 17.4. */

export interface Stop {
  readonly signal: AbortSignal;
  /** Nobody waits any more. */
  readonly forget: () => void;
}

/** Aborted with the reason of the first of them that is. */
export function either(...given: readonly (AbortSignal | undefined)[]): Stop {
  const controller = new AbortController();
  const forget: (() => void)[] = [];
  for (const signal of given) {
    if (!signal) continue;
    const abort = () => {
      controller.abort(signal.reason);
    };
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    forget.push(() => {
      signal.removeEventListener("abort", abort);
    });
  }
  return {
    signal: controller.signal,
    forget: () => {
      for (const one of forget) one();
    },
  };
}

/** The value, unless the signal is aborted first. */
export async function orAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  let abort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => {
      reject(signal.reason);
    };
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
