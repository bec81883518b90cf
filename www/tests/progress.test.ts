import { describe, expect, it } from "vitest";
import { ProgressMeter } from "../src/internal/progress.js";
import type { LoadProgress } from "../src/public/index.js";

function meter() {
  const seen: LoadProgress[] = [];
  const clock = { now: 0 };
  const progress = new ProgressMeter((p) => seen.push(p), () => clock.now);
  return { seen, at: (ms: number, loaded: number, total?: number) => { clock.now = ms; progress.update("download", loaded, total); } };
}

describe("ProgressMeter", () => {
  it("reports at most ten times a second, and always the end", () => {
    const { seen, at } = meter();
    for (let ms = 0; ms < 1000; ms++) at(ms, ms, 1000);
    at(1000, 1000, 1000);
    at(1001, 1000, 1000);
    expect(seen.length).toBeLessThanOrEqual(12);
    expect(seen.at(-1)).toMatchObject({ loaded: 1000, fraction: 1 });
  });

  it("tells the rate over the last seconds and the time left", () => {
    const { seen, at } = meter();
    at(0, 0, 10_000);
    at(1000, 1000, 10_000);
    expect(seen.at(-1)).toMatchObject({ bytesPerSecond: 1000, secondsLeft: 9 });
    for (let ms = 1100; ms <= 8000; ms += 100) at(ms, 1000, 10_000);
    const stalled = seen.at(-1);
    expect(stalled?.bytesPerSecond).toBe(0);
    expect(stalled).not.toHaveProperty("secondsLeft");
  });

  it("drops a total that turned out wrong", () => {
    const { seen, at } = meter();
    at(0, 50, 10);
    expect(seen.at(-1)).toEqual({ phase: "download", loaded: 50, cached: false });
  });
});
