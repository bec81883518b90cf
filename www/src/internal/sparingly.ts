const EVERY_MS = 100;

/** At most ten calls a second, and one at the end. A length that has been passed was wrong, and is left out. */
export function sparingly(report: (loaded: number, total: number | undefined) => void): (loaded: number, total: number | undefined) => void {
  let last = -Infinity;
  return (loaded, total) => {
    const now = performance.now();
    if (loaded !== total && now - last < EVERY_MS) return;
    last = now;
    report(loaded, total !== undefined && loaded <= total ? total : undefined);
  };
}
