// The renderers of a browser, one of which has the page and its workers, and their memory as the system counts it.
import { readFile } from "node:fs/promises";
import { expect } from "@playwright/test";
import { OFTEN } from "./patience.js";

const MIB = 1 << 20;

export async function renderers(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  return processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
}

/**
 * Of all of them, without pages of files, once workers have ended and what nobody holds is gone: garbage that is still to be collected
 * is no leak, but it may be 100 MiB. The system takes pages back when it comes to it: it is read until it falls no more.
 */
export async function residentBytes(page) {
  await expect.poll(() => page.workers().length, OFTEN).toBe(0);
  const session = await page.context().newCDPSession(page);
  let least = Infinity;
  for (let unchanged = 0; unchanged < 3; ) {
    await session.send("HeapProfiler.collectGarbage");
    const bytes = await read(page.context().browser());
    unchanged = bytes < least - MIB / 4 ? 0 : unchanged + 1;
    least = Math.min(least, bytes);
  }
  await session.detach();
  return least;
}

async function read(browser) {
  let kilobytes = 0;
  for (const pid of await renderers(browser)) {
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    // Shared memory of WebAssembly counts as the second.
    for (const kind of ["RssAnon", "RssShmem"]) kilobytes += Number(new RegExp(`${kind}:\\s+(\\d+) kB`).exec(status)[1]);
  }
  return kilobytes * 1024;
}
