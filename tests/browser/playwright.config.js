import { defineConfig } from "@playwright/test";
import { ARGUMENTS } from "./chromium.js";
import { PATIENCE_MS } from "./patience.js";
import { WIDE, tellWidth } from "./wide.js";

tellWidth();

export default defineConfig({
  testDir: ".",
  outputDir: "results/traces",
  // Each has a browser of its own. While one waits for threads to end or for a slow download, the other computes.
  workers: 2,
  // Only a hang is to meet these, on a machine that does five things at once too.
  timeout: (WIDE ? 15 : 5) * 60_000,
  // A browser that never answers again, once in some thousand tests: the second try has a new one. The report calls such a test flaky,
  // and where it hung.
  retries: 1,
  expect: { timeout: PATIENCE_MS },
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
