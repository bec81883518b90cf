// Waiting for what a page does.

/** Only a hang takes as long. */
export const PATIENCE_MS = 240_000;
/** Assertions on locators ask after 0.1, 0.35, 0.85 and 1.85 seconds, and most of what tests wait for takes half a second. */
const EVERY_MS = 20;

/** Waits until a function in the page gives something true, or the time is up: what is wrong then, the assertion after it says. */
export function until(page, holds, argument) {
  return page.waitForFunction(holds, argument, { polling: EVERY_MS, timeout: PATIENCE_MS }).catch((error) => {
    if (error.name !== "TimeoutError") throw error;
  });
}

/** For the assertion after it: it holds at once, or no more. */
export const DECIDED = { timeout: 5000 };

/** `expect.poll` that asks as often. */
export const OFTEN = { intervals: [EVERY_MS] };
