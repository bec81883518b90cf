// Chromium without anybody who watches it: a debugger copies every answer of the network for itself, and the profile that Playwright
// opens keeps files in memory, in pieces that grow by copying. Loading takes a multiple of its time in either.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { ARGUMENTS } from "../../tests/browser/chromium.js";

export const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/**
 * Opens `url` with `options` for the bench's page, which posts what it has to tell; gives the results. The profile is in `folder`
 * meanwhile.
 * @param {{ url: string, folder: string, options: object, told: (text: string, done: number, total: number) => void }} run
 */
export async function benchAlone({ url, folder, options, told }) {
  const ended = {};
  ended.promise = new Promise((resolve, reject) => Object.assign(ended, { resolve, reject }));
  const reports = createServer(async (request, response) => {
    response.setHeader("access-control-allow-origin", "*").setHeader("cross-origin-resource-policy", "cross-origin");
    let text = "";
    for await (const piece of request.setEncoding("utf8")) text += piece;
    response.end();
    const { told: progress, results, error } = JSON.parse(text);
    if (progress) told(...progress);
    if (results) ended.resolve(results);
    if (error) ended.reject(new Error(error));
  });
  reports.listen(0, "localhost");
  await once(reports, "listening");
  const profile = mkdtempSync(join(folder, "profile-"));
  const query = new URLSearchParams({ options: JSON.stringify(options), reports: `http://localhost:${reports.address().port}/` });
  const browser = spawn(CHROMIUM, [...ARGUMENTS, "--headless=new", "--password-store=basic", `--user-data-dir=${profile}`, `${url}?${query}`], { stdio: "ignore" });
  browser.on("error", ended.reject);
  browser.on("exit", (code) => ended.reject(new Error(`${CHROMIUM} ended with ${code} before the bench did`)));
  try {
    return await ended.promise;
  } finally {
    if (browser.exitCode === null && browser.kill()) await once(browser, "exit");
    reports.close();
    reports.closeAllConnections();
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

/** As the program says it. */
export const version = () => /[\d.]+/.exec(execFileSync(CHROMIUM, ["--version"], { encoding: "utf8" }))?.[0] ?? "unknown";
