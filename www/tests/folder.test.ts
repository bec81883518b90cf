// Folders and files chosen together: which of them are the model, and what is said where none is.
import { describe, expect, it } from "vitest";
import { readSource } from "../src/internal/source.js";
import { BitNet, BitNetError, type ModelManifest, type ModelSource } from "../src/public/index.js";
import { fakeWorker } from "../src/public/testing.js";
import { faultServer, randomFile } from "./fault-server.mjs";

const file = (name: string, content: BlobPart = name) => new File([content], name);
const files = (...names: string[]) => names.map((name) => file(name));
const chosen = (...paths: string[]) => paths.map((path) => Object.assign(file(path.split("/").at(-1) ?? ""), { webkitRelativePath: path }));

/** As `showDirectoryPicker` gives it; folders in it have a slash at the end. */
function handle(name: string, ...names: string[]): FileSystemDirectoryHandle {
  const entries = names.map((name) => (name.endsWith("/") ? { kind: "directory", name } : { kind: "file", name, getFile: () => Promise.resolve(file(name)) }));
  return {
    kind: "directory",
    name,
    async *values() {
      for (const entry of entries) yield await Promise.resolve(entry);
    },
  } as unknown as FileSystemDirectoryHandle;
}

/** As a drop gives it, a few at a time. */
function entry(name: string, ...names: string[]): FileSystemDirectoryEntry {
  const entries = names.map((name) => {
    const isFile = !name.endsWith("/");
    return {
      isFile,
      isDirectory: !isFile,
      name,
      file: (done: (file: File) => void) => {
        done(file(name));
      },
    };
  });
  return {
    isFile: false,
    isDirectory: true,
    name,
    createReader: () => ({
      readEntries: (done: (entries: unknown[]) => void) => {
        done(entries.splice(0, 2));
      },
    }),
  } as unknown as FileSystemDirectoryEntry;
}

async function read(source: ModelSource) {
  const { sent } = await readSource(source, {});
  return [sent.kind, ...sent.parts.map((part) => (part.type === "blob" ? part.body.name : part.type))];
}

const CHECKPOINT = ["README.md", "config.json", "model.safetensors", "tokenizer.json"];

describe("a checkpoint", () => {
  it.each([
    ["an array", files(...CHECKPOINT)],
    ["a folder's handle", handle("model", ...CHECKPOINT, "original/")],
    ["a dropped folder", entry("model", ...CHECKPOINT, "original/")],
    ["a folder of an input", chosen(...CHECKPOINT.map((name) => `model/${name}`), "model/original/consolidated.safetensors")],
  ])("is all files of %s", async (_, source) => {
    expect(await read(source)).toEqual(["checkpoint", ...CHECKPOINT]);
  });

  it("is told by its weights, or by its configuration where there is no GGUF file", async () => {
    expect(await read(file("model.safetensors"))).toEqual(["checkpoint", "model.safetensors"]);
    expect(await read(files("config.json", "pytorch_model.bin"))).toEqual(["checkpoint", "config.json", "pytorch_model.bin"]);
    expect(await read(files("config.json", "m.gguf"))).toEqual(["alone", "m.gguf"]);
    expect(await read(files("model.safetensors", "m.gguf"))).toEqual(["checkpoint", "model.safetensors", "m.gguf"]);
  });

  it("is loaded and estimated", async () => {
    const source = [file("config.json"), file("model.safetensors", "12345678")];
    const model = await BitNet.load(source, { worker: fakeWorker() });
    expect(model.info.weightBytes).toBe(12);
    expect(model.info.cached).toBeUndefined();
    await model.dispose();
    const named = await BitNet.load(handle("m", "config.json", "m.safetensors"), { worker: fakeWorker() });
    expect(named.info.name).toBe("m");
    await named.dispose();
    expect(await BitNet.estimate(handle("m", "config.json", "m.safetensors"), { worker: fakeWorker() })).toMatchObject({ weightBytes: 4 + "m.safetensors".length });
    await expect(BitNet.load(file("model.safetensors"), { worker: fakeWorker() })).rejects.toMatchObject({ code: "format", message: expect.stringContaining("config.json") as string });
  });
});

describe("a GGUF file", () => {
  it("is what else there is, of a folder in order", async () => {
    expect(await read(handle("m", "README.md", "m-00002-of-00002.gguf", "m-00001-of-00002.gguf"))).toEqual(["split", "m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]);
    expect(await read(entry("m", "b.txt", "m.GGUF"))).toEqual(["alone", "m.GGUF"]);
    expect(await read(chosen("m/.gitattributes", "m/m.gguf", "m/.git/x.gguf"))).toEqual(["alone", "m.gguf"]);
  });

  it("has its manifest with it, and no other file of JSON", async () => {
    expect(await read(handle("m", "other.json", "m.json", "m-00001-of-00002.gguf", "m-00002-of-00002.gguf"))).toEqual(["split", "m.json", "m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]);
    expect(await read(files("m-00001-of-00001.gguf", "m.json"))).toEqual(["split", "m.json", "m-00001-of-00001.gguf"]);
    expect(await read(handle("m", "m.json", "m.gguf"))).toEqual(["alone", "m.gguf"]);
  });

  it("may have any name where files are given, and comes in the order in which they are", async () => {
    expect(await read(file("sha256-0123"))).toEqual(["alone", "sha256-0123"]);
    expect(await read(files("b", "a"))).toEqual(["split", "b", "a"]);
    expect(await read(files("2.gguf", "1.gguf"))).toEqual(["split", "2.gguf", "1.gguf"]);
  });

  it("may be one of several kinds of parts", async () => {
    expect(await read([file("config.json"), "https://localhost/m.gguf"])).toEqual(["split", "config.json", "address"]);
  });
});

describe("a folder without a model", () => {
  it.each([
    [handle("Photos"), 'the folder "Photos" holds no model', "it has no files"],
    [entry("x", "a.png", "README.md", "original/"), "neither a GGUF file nor a checkpoint", 'it has "a.png", "README.md"'],
    [handle("x", "a", "b", "c", "d", "e", "f", "g", "h", "i"), '"f" and 3 more'],
    [chosen("x/README.md", "x/a/b/config.json"), 'config.json is in a folder of it: choose "x/a/b"'],
    [handle("\u202ex", "a\nb"), '"\\u202ex"', '"a\\nb"'],
  ] as const)("is refused, and what it has is said", async (source, ...words) => {
    const error: unknown = await readSource(source, {}).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(BitNetError);
    expect(error).toMatchObject({ code: "invalid-argument" });
    for (const word of words) expect((error as Error).message).toContain(word);
  });

  it("may be one that can't be read", async () => {
    const values = () => {
      throw new DOMException("not any more", "NotFoundError");
    };
    const broken = { kind: "directory", name: "m", values } as unknown as FileSystemDirectoryHandle;
    await expect(readSource(broken, {})).rejects.toMatchObject({ code: "io", message: expect.stringContaining("not any more") as string });
  });
});

describe("a manifest", () => {
  const entries = (...names: string[]) => names.map((name) => ({ name, size: 5, sha256: "0".repeat(64) }));

  it("goes to the worker as its text, with what its names are relative to", async () => {
    const manifest: ModelManifest = { files: entries("m.gguf"), base: new URL("https://h/a/m.json") };
    const { sent } = await readSource(manifest, { headers: { "x-a": "1" } });
    expect(sent).toMatchObject({ kind: "alone", parts: [{ type: "address", body: { url: "https://h/a/m.json", headers: [["x-a", "1"]] } }] });
    const [part] = sent.parts;
    expect(part?.type === "address" && (JSON.parse(part.body.manifest ?? "") as unknown)).toEqual({ files: entries("m.gguf") });
  });

  it.each([
    [{ files: entries("m.gguf") }, "base of the manifest is missing"],
    [{ files: [], base: 5 }, "base of the manifest is 5"],
    [{ files: [{ name: "m.gguf", size: 5n, sha256: "" }], base: "https://h/" }, "the manifest can't be read"],
    [{ file: [] }, "a manifest"],
  ])("that makes no sense is refused", async (manifest, words) => {
    await expect(BitNet.load(manifest as unknown as ModelSource, { worker: fakeWorker() })).rejects.toMatchObject({ code: "invalid-argument", message: expect.stringContaining(words) as string });
  });

  it("stands for its parts", async () => {
    const parts = { "/m-00001-of-00002.gguf": randomFile(1000), "/m-00002-of-00002.gguf": randomFile(500, 2) };
    const manifest = { files: entries(...Object.keys(parts).map((path) => path.slice(1))) };
    const server = await faultServer({ ...parts, "/m.json": new TextEncoder().encode(JSON.stringify(manifest)) });
    for (const source of [`${server.url}/m.json`, { ...manifest, base: `${server.url}/` }]) {
      const model = await BitNet.load(source, { worker: fakeWorker() });
      expect(model.info.weightBytes).toBe(1500);
      await model.dispose();
    }
    await server.close();
  });
});
