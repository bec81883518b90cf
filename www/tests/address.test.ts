import { describe, expect, it } from "vitest";
import { fileName, isImmutable, partAddresses, resolveAddress } from "../src/internal/download/address.js";

const resolved = (given: string, base?: string) => resolveAddress(given, base).href;

describe("an address", () => {
  it("is relative to the page, and has no fragment", () => {
    expect(resolved("models/a.gguf?x=1#top", "https://example.org/demo/")).toBe("https://example.org/demo/models/a.gguf?x=1");
  });

  it.each([
    ["hf:microsoft/bitnet-b1.58-2B-4T-gguf/ggml-model-i2_s.gguf", "microsoft/bitnet-b1.58-2B-4T-gguf/resolve/main/ggml-model-i2_s.gguf"],
    ["hf:o/r@v1.0/a/b c.gguf", "o/r/resolve/v1.0/a/b%20c.gguf"],
    ["hf:o/r@refs%2Fpr%2F1/a.gguf", "o/r/resolve/refs%2Fpr%2F1/a.gguf"],
  ])("may be on the hub: %s", (given, path) => {
    expect(resolved(given)).toBe(`https://huggingface.co/${path}`);
  });

  it("of the hub that names a commit is for ever", () => {
    const commit = "0123456789abcdef0123456789abcdef01234567";
    expect(isImmutable(resolveAddress(`hf:o/r@${commit}/a.gguf`, undefined))).toBe(true);
    expect(isImmutable(resolveAddress("hf:o/r/a.gguf", undefined))).toBe(false);
    expect(isImmutable(resolveAddress(`https://elsewhere.example/o/r/resolve/${commit}/a.gguf`, undefined))).toBe(false);
  });

  it.each(["hf:owner/file.gguf", "hf:", "http://", "no/base.gguf"])("%s is none", (given) => {
    expect(() => resolved(given)).toThrow(expect.objectContaining({ code: "invalid-argument" }));
  });

  it("of the first part of a split file stands for all", () => {
    const parts = partAddresses(new URL("https://example.org/m-00001-of-00003.gguf?token=1"));
    expect(parts.map(String)).toEqual([1, 2, 3].map((part) => `https://example.org/m-0000${String(part)}-of-00003.gguf?token=1`));
    expect(partAddresses(new URL("https://example.org/m.gguf")).length).toBe(1);
    expect(() => partAddresses(new URL("https://example.org/m-00002-of-00003.gguf"))).toThrow("https://example.org/m-00001-of-00003.gguf");
  });

  it("has a file name", () => {
    expect(fileName("https://example.org/a/b%20c.gguf?x")).toBe("b c.gguf");
    expect(fileName("https://example.org/%E0.gguf")).toBe("%E0.gguf");
  });
});
