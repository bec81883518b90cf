// What does not grow: a page that loads again and again, and an engine that writes for long. `./build.sh soak tab` has it write for longer.
import { until } from "./patience.js";
import { residentBytes } from "./resident.js";
import { expect, test } from "./package.js";
import { wide } from "./wide.js";

const MIB = 1 << 20;
const TOKENS = Number(process.env.B158_SOAK_TOKENS ?? wide(3000, 400));
const LOADS = wide(50, 12);
/** Of a long run, in the renderer: tokens, traces and timers of the browser's own. One engine has more. */
const SLACK = 48 * MIB;
const BUILDS = [
  { backend: "relaxed", threads: 1 },
  { backend: "simd128", threads: 2 },
];

test(`${LOADS} models, one after the other, leave nothing`, async ({ page }) => {
  const rounds = (count) => page.evaluate(async (count) => {
    const { load, say } = window.lab;
    for (let round = 0; round < count; round++) {
      const model = await load({ threads: 1 + (round % 2) });
      if ((await say(model, "Once upon a time", { temperature: 0, maxTokens: 5 })).length !== 5) throw new Error("it says nothing");
      await model.dispose();
    }
  }, count);
  await rounds(wide(10, 6));
  const before = await residentBytes(page);
  await rounds(LOADS);
  const grown = (await residentBytes(page)) - before;
  console.log(`    grown over ${LOADS} loads: ${(grown / MIB).toFixed(1)} MiB of ${(before / MIB).toFixed(0)}`);
  // The weights alone, left behind each time, would be twice as much.
  expect(grown).toBeLessThan(LOADS * 0.9 * MIB);
});

test(`${TOKENS} tokens in many sessions: one hash on every backend, and no growth`, async ({ page }) => {
  test.setTimeout(15 * 60_000 + TOKENS * 60);
  await page.addScriptTag({ type: "module", url: "/soak.js" });
  await until(page, () => window.soak !== undefined);
  const hashes = [];
  for (const options of BUILDS) {
    const run = (tokens) => page.evaluate(({ tokens, options }) => window.soak(tokens, options), { tokens, options });
    await run(wide(500, 100));
    const before = await residentBytes(page);
    const began = Date.now();
    const { backend, threads, tokens, answers, hash, wasmBytes } = await run(TOKENS);
    const seconds = (Date.now() - began) / 1000;
    const grown = (await residentBytes(page)) - before;
    const most = Math.max(...wasmBytes);
    console.log(`    ${backend} × ${threads}: ${tokens} tokens, ${answers} answers, ${seconds.toFixed(0)} s, hash ${hash}, wasm memory ${most / MIB} MiB since sample ${wasmBytes.indexOf(most) + 1} of ${wasmBytes.length}, renderer ${(grown / MIB).toFixed(1)} MiB more`);
    expect(tokens).toBeGreaterThanOrEqual(TOKENS);
    // The longest texts come by chance; a leak would grow with each answer.
    const half = wasmBytes[wasmBytes.length >> 1];
    expect(most - half).toBeLessThanOrEqual(MIB / 2);
    expect(grown).toBeLessThan(SLACK);
    hashes.push(hash);
  }
  expect(hashes[1]).toBe(hashes[0]);
});
