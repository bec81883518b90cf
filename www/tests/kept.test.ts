// What the page shows of the cache: files that are one model, as one.
import { beforeEach, expect, it, vi } from "vitest";
import { keptModel, keptModels } from "../demo/kept.js";
import type { CachedModel } from "../src/public/index.js";

let cached: CachedModel[] = [];
vi.mock("b158", () => ({ listCachedModels: () => Promise.resolve(cached) }));

const BASE = "https://h.example/m/";
const file = (name: string, bytes = 10, totalBytes = bytes): CachedModel => ({ key: name, url: BASE + name, name, bytes, totalBytes, complete: bytes === totalBytes, lastUsed: new Date(bytes) });

beforeEach(() => {
  vi.stubGlobal("location", new URL("https://page.example/"));
});

it("parts are one model, with the manifest that bears their name", async () => {
  cached = [file("m-00002-of-00002.gguf"), file("other.gguf"), file("m.json"), file("m-00001-of-00002.gguf")];
  const [first, second, ...more] = await keptModels();
  expect(more).toEqual([]);
  expect([first?.name, second?.name].sort()).toEqual(["m.gguf, 2 parts", "other.gguf"]);
  expect(await keptModel(`${BASE}m.json`)).toMatchObject({ keys: expect.arrayContaining(["m.json", "m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]) as string[], complete: true, bytes: 30, totalBytes: 30 });
});

it("a manifest is no whole model without its parts", async () => {
  cached = [file("m.json")];
  expect(await keptModel(`${BASE}m.json`)).toMatchObject({ complete: false, totalBytes: undefined });
  cached = [file("m.json"), file("m-00001-of-00002.gguf"), file("m-00002-of-00002.gguf", 5, 10)];
  expect(await keptModel(`${BASE}m.json`)).toMatchObject({ complete: false, bytes: 25, totalBytes: 30, name: "m.gguf, 2 parts" });
  cached = [file("m-00001-of-00002.gguf"), file("m-00002-of-00002.gguf")];
  expect(await keptModel(`${BASE}m-00001-of-00002.gguf`)).toMatchObject({ complete: true, name: "m.gguf, 2 parts" });
});
