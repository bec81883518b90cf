/** Paths, of which a page knows nothing: a file, the parts of a split one, or a folder. */
import { readdir, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { BitNetError } from "../public/errors.js";
import type { ModelPart, ModelSource } from "../public/types.js";
import { DiskFile } from "./disk-file.js";

/** With files of the disk in the place of paths and `file:` addresses. */
export async function located(source: ModelSource): Promise<ModelSource> {
  if (Array.isArray(source)) return (await Promise.all(source.map((part: ModelPart) => ofPart(part, true)))).flat();
  const found = await ofPart(source as ModelPart, false);
  return Array.isArray(found) && found.length === 1 && found[0] instanceof DiskFile && found[0].webkitRelativePath === "" ? found[0] : found;
}

async function ofPart<One>(source: One, oneOfMany: boolean): Promise<One | DiskFile[]> {
  const path = pathOf(source);
  if (path === undefined) return source;
  const { isFolder, file } = await look(path);
  if (isFolder) return filesIn(path);
  return oneOfMany ? [file] : [file, ...(await laterParts(path))];
}

/** Undefined for what has an address of another kind, or is none. An empty text is refused elsewhere. */
function pathOf(source: unknown): string | undefined {
  if (source instanceof URL ? source.protocol === "file:" : typeof source === "string" && /^file:/i.test(source)) {
    try {
      return fileURLToPath(source as string | URL);
    } catch (cause) {
      throw new BitNetError("invalid-argument", `${String(source)} is no path of this machine (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
    }
  }
  // One letter is a drive.
  return typeof source === "string" && source !== "" && !/^[a-z][a-z0-9+.-]+:/i.test(source) ? resolve(source) : undefined;
}

async function look(path: string, folder?: string): Promise<{ isFolder: boolean; file: DiskFile }> {
  try {
    const found = await stat(path);
    if (!found.isFile() && !found.isDirectory()) throw new Error(`${path} is neither a file nor a folder; give a stream of it`);
    return { isFolder: found.isDirectory(), file: new DiskFile(path, basename(path), 0, found.size, folder) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new BitNetError("io", `the model can't be read: ${why}`, { cause });
  }
}

async function filesIn(folder: string): Promise<DiskFile[]> {
  const name = basename(folder);
  const entries = await readdir(folder, { withFileTypes: true });
  const paths = entries.filter((entry) => !entry.isDirectory()).map((entry) => join(folder, entry.name));
  const files = (await Promise.all(paths.map((path) => look(path, name).catch(() => undefined)))).filter((found) => found !== undefined && !found.isFolder);
  if (files.length === 0) throw new BitNetError("invalid-argument", `the folder ${folder} holds no model, neither a GGUF file nor a checkpoint (config.json, tokenizer.json and *.safetensors): it has no files`);
  return files.map((found) => (found as { file: DiskFile }).file);
}

/** Of a file that is called as the first part of a split one is, those that follow it; a whole model may have such a name too. */
async function laterParts(path: string): Promise<DiskFile[]> {
  const named = /^(.*-)00001(-of-)(\d{5})(\.gguf)$/i.exec(path);
  if (!named) return [];
  const [, before = "", of = "", count = "", end = ""] = named;
  const parts: DiskFile[] = [];
  for (let no = 2; no <= Number(count); no++) {
    const part = await look(`${before}${String(no).padStart(5, "0")}${of}${count}${end}`).catch(() => undefined);
    if (!part || part.isFolder) break;
    parts.push(part.file);
  }
  return parts;
}
