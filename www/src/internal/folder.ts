/**
 * What of a folder's files, or of files that were chosen together, is a model: those of a checkpoint, or one GGUF file or all parts of one.
 *
 * A folder has other things beside a model: of those nothing is said here. Which weights of a checkpoint are not used, the worker knows.
 */
import { BitNetError } from "../public/errors.js";
import type { ModelSource } from "../public/types.js";
import { filesOf, isFolder, type Folder } from "./files.js";
import { quoted } from "./options/refuse.js";
import type { SourceKind } from "./protocol.js";

/** Names that a message has room for. */
const MOST_NAMES = 6;

export interface Gathered {
  readonly kind: SourceKind;
  readonly files: readonly File[];
  /** Name of the folder, where there is one. */
  readonly folder?: string;
}

/** What of the source's files is the model; undefined where it is no folder and no files but one thing, or things of which some are no files. */
export async function gather(source: ModelSource): Promise<Gathered | undefined> {
  if (isFolder(source)) return ofFolder(source.name, await filesIn(source), []);
  const files = filesOf(source);
  if (files === undefined) return undefined;
  const [folder, ...others] = new Set(files.map((file) => path(file).at(0)));
  if (folder === undefined || others.length > 0) return ofFiles(files);
  const inside = files.filter((file) => path(file).length === 2);
  const below = files.filter((file) => path(file).length > 2);
  return ofFolder(folder, inside, below);
}

/** Of a file out of a folder that was chosen as a whole: the folder's name first. */
function path(file: File): string[] {
  return (file as { webkitRelativePath?: string }).webkitRelativePath?.split("/").filter(Boolean) ?? [];
}

function ofFiles(files: readonly File[]): Gathered {
  if (isCheckpoint(files)) return { kind: "checkpoint", files };
  const parts = files.filter(isGguf);
  // Some have other names.
  if (parts.length === 0) return { kind: files.length === 1 ? "alone" : "split", files };
  return ofGguf(parts, files);
}

function ofFolder(folder: string, files: readonly File[], below: readonly File[]): Gathered {
  if (isCheckpoint(files)) return { kind: "checkpoint", files, folder };
  const parts = files.filter(isGguf).sort((a, b) => (a.name < b.name ? -1 : 1));
  if (parts.length > 0) return { ...ofGguf(parts, files), folder };
  const deeper = below.find((file) => isGguf(file) || isCheckpoint([file]));
  const hint = deeper ? `${deeper.name} is in a folder of it: choose ${quoted(path(deeper).slice(0, -1).join("/"))}` : `it has ${names(files)}`;
  throw new BitNetError("invalid-argument", `the folder ${quoted(folder)} holds no model, neither a GGUF file nor a checkpoint (config.json, tokenizer.json and *.safetensors): ${hint}`);
}

/** With the manifest of a split one, where it is there. */
function ofGguf(parts: readonly File[], files: readonly File[]): Gathered {
  const prefix = /^(.*)-\d{5}-of-\d{5}\.gguf$/i.exec(parts[0]?.name ?? "")?.[1];
  const manifest = files.filter(({ name }) => prefix !== undefined && name === `${prefix}.json`);
  const all = [...manifest, ...parts];
  return { kind: all.length === 1 ? "alone" : "split", files: all };
}

function isGguf({ name }: File): boolean {
  return /\.gguf$/i.test(name);
}

/** Weights tell it; a configuration alone does where no GGUF file lies beside it, as it does in many a repository. */
function isCheckpoint(files: readonly File[]): boolean {
  return files.some(({ name }) => /\.safetensors(?:\.index\.json)?$/.test(name)) || (files.some(({ name }) => name === "config.json") && !files.some(isGguf));
}

function names(files: readonly File[]): string {
  if (files.length === 0) return "no files";
  const some = files.slice(0, MOST_NAMES).map(({ name }) => quoted(name));
  return files.length > MOST_NAMES ? `${some.join(", ")} and ${String(files.length - MOST_NAMES)} more` : some.join(", ");
}

async function filesIn(folder: Folder): Promise<File[]> {
  try {
    return "createReader" in folder ? await ofEntry(folder) : await ofHandle(folder);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new BitNetError("io", `the folder ${quoted(folder.name)} can't be read (${why}): choose it again`, { cause });
  }
}

async function ofHandle(folder: FileSystemDirectoryHandle): Promise<File[]> {
  const files: File[] = [];
  for await (const handle of folder.values()) if (handle.kind === "file") files.push(await handle.getFile());
  return files;
}

async function ofEntry(folder: FileSystemDirectoryEntry): Promise<File[]> {
  const reader = folder.createReader();
  const files: File[] = [];
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    // It gives them a hundred at a time.
    if (entries.length === 0) return files;
    for (const entry of entries.filter(isFileEntry)) {
      files.push(
        await new Promise<File>((resolve, reject) => {
          entry.file(resolve, reject);
        }),
      );
    }
  }
}

function isFileEntry(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}
