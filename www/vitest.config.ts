import { defineConfig } from "vitest/config";

export default defineConfig({
  // 500 random faults take a second, and on a machine that does five things at once more than the usual five.
  test: { include: ["tests/*.test.ts"], testTimeout: 60_000 },
});
