/** What a page is told of the memory of its device. */
import { environment } from "./environment.js";

/** In GiB; browsers with Chromium's engine tell it, in coarse steps up to 8 or 32. */
export function deviceGigabytes(): number | undefined {
  return environment().navigator?.deviceMemory;
}

/** Bytes that a model may well take of it: the system, the browser and other tabs need the rest. */
export function deviceRoom(): number | undefined {
  const gigabytes = deviceGigabytes();
  return gigabytes === undefined ? undefined : Math.floor((gigabytes * 2 ** 30) / 2);
}
