import { defineConfig } from "@playwright/test";
import { ARGUMENTS } from "./chromium.js";

export default defineConfig({
  testDir: ".",
  outputDir: "results/traces",
  // The engine is timed here and there: tests that compete for the processor would measure each other.
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 20_000 },
  reporter: [["list"]],
  use: {
    browserName: "chromium",
    viewport: { width: 1280, height: 900 },
    // It takes a fifth of the time: --trace on, when one is wanted.
    trace: "off",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ARGUMENTS,
    },
  },
});
