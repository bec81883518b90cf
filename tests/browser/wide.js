// How much is repeated: `./build.sh test --all` sets B158_WIDE=1, and what says a behaviour again in other ways runs at full size.
export const WIDE = process.env.B158_WIDE === "1";

/** A count or a list: all of it where it is wide, else the part that shows the behaviour. */
export const wide = (all, part) => (WIDE ? all : part);

/** Said once, by the process that reads the settings: Playwright's workers read them again. */
export function tellWidth() {
  if (WIDE || process.env.TEST_WORKER_INDEX !== undefined) return;
  console.log("Some tests run at a part of their size (aborts, reloads, tokens, builds with threads): B158_WIDE=1 runs all of it.\n");
}
