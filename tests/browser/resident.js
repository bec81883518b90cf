// The renderers of a browser, one of which has the page and its workers, and their memory as the system counts it.
import { readFile } from "node:fs/promises";

export async function renderers(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  return processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
}

/**
 * Of all of them, without pages of files, once workers that have ended and what nobody holds are gone: garbage that is still to
 * be collected is no leak, but it may be 100 MiB.
 */
export async function residentBytes(page) {
  const browser = page.context().browser();
  const session = await page.context().newCDPSession(page);
  for (let twice = 0; twice < 2; twice++) await session.send("HeapProfiler.collectGarbage");
  await session.detach();
  await new Promise((later) => setTimeout(later, 1000));
  let kilobytes = 0;
  for (const pid of await renderers(browser)) {
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    // Shared memory of WebAssembly counts as the second.
    for (const kind of ["RssAnon", "RssShmem"]) kilobytes += Number(new RegExp(`${kind}:\\s+(\\d+) kB`).exec(status)[1]);
  }
  return kilobytes * 1024;
}
