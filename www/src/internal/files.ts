/** Which sources are files or a folder. What of them is a model, `folder.ts` finds out, which is loaded where there are some. */
import type { ModelSource } from "../public/types.js";

export type Folder = FileSystemDirectoryHandle | FileSystemDirectoryEntry;

/** A folder's handle, or what a drop gives for one. */
export function isFolder(source: unknown): source is Folder {
  if (typeof source !== "object" || source === null) return false;
  const { kind, isDirectory } = source as Partial<FileSystemDirectoryHandle & FileSystemDirectoryEntry>;
  return kind === "directory" || isDirectory === true;
}

/** A list of the browser's, which is no array. */
export function isFileList(source: unknown): source is FileList {
  return Object.prototype.toString.call(source) === "[object FileList]";
}

/** Of a list or an array of nothing but files, or a file alone. */
export function filesOf(source: ModelSource): File[] | undefined {
  const all: unknown[] = isFileList(source) || Array.isArray(source) ? Array.from(source as ArrayLike<unknown>) : [source];
  return all.length > 0 && all.every(isFile) ? all : undefined;
}

function isFile(source: unknown): source is File {
  return source instanceof Blob && typeof (source as Partial<File>).name === "string";
}
