// Chromium without anybody who watches it: a debugger copies every answer of the network for itself, and the profile that Playwright
// opens keeps files in memory, in pieces that grow by copying. Loading takes a multiple of its time in either.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { join, resolve } from "node:path";
import { ARGUMENTS } from "../../tests/browser/chromium.js";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** One of `BROWSERS`, for loading: the page posts what it has to tell, and the profile is in `folder` meanwhile. */
export async function alone(url, asked, { told, folder }) {
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
  mkdirSync(folder, { recursive: true });
  const profile = mkdtempSync(join(resolve(folder), "profile-"));
  const query = new URLSearchParams({ options: JSON.stringify(asked), reports: `http://localhost:${reports.address().port}/` });
  const browser = spawn(CHROMIUM, [...ARGUMENTS, "--headless=new", "--password-store=basic", `--user-data-dir=${profile}`, `${url}?${query}`], { stdio: "ignore" });
  browser.on("error", ended.reject);
  browser.on("exit", (code) => ended.reject(new Error(`${CHROMIUM} ended with ${code} before the bench did`)));
  try {
    const measured = await ended.promise;
    const version = /[\d.]+/.exec(execFileSync(CHROMIUM, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }))?.[0] ?? "of unknown version";
    return { browser: `Chromium ${version}`, measured };
  } finally {
    if (browser.exitCode === null && browser.kill()) await once(browser, "exit");
    reports.close();
    reports.closeAllConnections();
    await remove(profile);
  }
}

/** Processes of the browser outlive it for a moment, and write. What was measured is not lost for a folder. */
async function remove(folder) {
  for (let left = 20; ; left--) {
    try {
      rmSync(folder, { recursive: true, force: true });
      return;
    } catch (error) {
      if (left === 0) {
        console.error(`left behind: ${folder} (${error.message})`);
        return;
      }
      await new Promise((later) => setTimeout(later, 250));
    }
  }
}
