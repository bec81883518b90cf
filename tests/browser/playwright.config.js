import { defineConfig } from "@playwright/test";
import { ARGUMENTS } from "./chromium.js";

/** What measures time or memory: beside other tests it would measure them. */
const ALONE = /\/(demo|memory|workers)\.spec\.js$/;

export default defineConfig({
  testDir: ".",
  outputDir: "results/traces",
  // Two, since most of a test is waiting.
  workers: 2,
  projects: [
    { name: "together", testIgnore: ALONE },
    { name: "alone", testMatch: ALONE, workers: 1 },
  ],
  timeout: 60_000,
  expect: { timeout: 20_000 },
  reporter: [["list"]],
  use: {
    browserName: "chromium",
    viewport: { width: 1280, height: 900 },
    trace: "retain-on-failure",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ARGUMENTS,
    },
  },
});
