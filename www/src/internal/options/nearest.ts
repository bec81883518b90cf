/** Which known name an unknown one stands for. */

/** Of the longer name's characters, at most this share may differ. */
const SHARE = 0.35;
/** No name is longer; what is given may be. */
const LONGEST = 64;

/** The same for `max_tokens`, `maxTokens` and `MAX-TOKENS`. */
export function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "");
}

/** The nearest of the known names; undefined where none is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const given = plain(name.slice(0, LONGEST));
  let best: { name: string; share: number } | undefined;
  for (const candidate of known) {
    const other = plain(candidate);
    const share = difference(given, other) / Math.max(given.length, other.length);
    if (share <= SHARE && share < (best?.share ?? Infinity)) best = { name: candidate, share };
  }
  return best?.name;
}

function difference(a: string, b: string): number {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  // A word more, as in `abortSignal`, is less of a difference than other letters.
  return short.length > 2 && long.includes(short) ? (long.length - short.length) / 2 : edits(a, b);
}

/** Letters to put in, take out, replace or exchange with their neighbour. */
function edits(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(at(row, j) + 1, at(next, j - 1) + 1, at(row, j - 1) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, at(before, j - 2) + 1);
      next.push(cost);
    }
    [before, row] = [row, next];
  }
  return at(row, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}
