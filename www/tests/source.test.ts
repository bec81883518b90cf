import { describe, expect, it } from "vitest";
import { openSource } from "../src/internal/source.js";

const { signal } = new AbortController();
const open = (body: BodyInit | null, init?: ResponseInit) => openSource(new Response(body, init), undefined, signal);

describe("openSource", () => {
  it("knows the size of a blob", async () => {
    expect(await openSource(new Blob(["12345"]), undefined, signal)).toMatchObject({ total: 5, fileSize: 5 });
  });

  it("believes a length unless the body was compressed", async () => {
    expect(await open("12345", { headers: { "content-length": "5" } })).toMatchObject({ total: 5 });
    expect(await open("12345", { headers: { "content-length": "3", "content-encoding": "gzip" } })).toMatchObject({ total: undefined });
    expect(await open("12345")).toMatchObject({ total: undefined, fileSize: undefined });
  });

  it.each([
    [403, "permission"],
    [404, "no such file"],
    [503, "try again"],
  ])("says what to do about %i", async (status, advice) => {
    await expect(open("no", { status })).rejects.toMatchObject({ code: "network", message: expect.stringContaining(advice) as string });
  });

  it.each(["opaque", "opaqueredirect"])("says of a response that is %s why it can't be read", async (type) => {
    const response = Object.defineProperty(new Response(null), "type", { value: type });
    await expect(openSource(response, undefined, signal)).rejects.toMatchObject({ code: "network", message: expect.stringContaining("hides its bytes") as string });
  });

  it("refuses a web page", async () => {
    await expect(open("<html>", { headers: { "content-type": "text/html; charset=utf-8" } })).rejects.toMatchObject({ code: "format" });
  });

  it("refuses a body that is missing or read", async () => {
    await expect(open(null)).rejects.toMatchObject({ code: "invalid-argument" });
    const read = new Response("x");
    await read.text();
    await expect(openSource(read, undefined, signal)).rejects.toMatchObject({ code: "invalid-argument" });
  });
});
