/**
 * The cache as a page sees it: in the browser's origin private file system a folder for each file, with its data and a journal. The worker
 * writes there (`src/download/journal.rs` and `src/web/place/opfs.rs` of the crate); the page lists and deletes.
 */
import { environment } from "./environment.js";

const FOLDER = "b158-models";
const JOURNAL = "journal";
/** A worker that was ended keeps its lock and its files open for a moment. */
const PATIENCE_MS = 2000;

/** Why there is no such file system, or no safe way to use it. */
export function whyNoOpfs(): string | undefined {
  const { navigator: { storage, locks } = {}, isSecureContext } = environment();
  if (!isSecureContext) return "this page is not in a secure context (https or localhost)";
  if (typeof storage?.getDirectory !== "function" || !locks) return "this browser gives pages no private file system (navigator.storage)";
  return undefined;
}

async function modelsFolder(): Promise<FileSystemDirectoryHandle | undefined> {
  const root = await environment().navigator?.storage?.getDirectory?.();
  return root?.getDirectoryHandle(FOLDER).catch(orUndefined);
}

function orUndefined(error: unknown): undefined {
  if (error instanceof DOMException && error.name === "NotFoundError") return undefined;
  throw error;
}

/** Of all files there are. */
export async function keys(): Promise<string[]> {
  if (whyNoOpfs() !== undefined) return [];
  const names: string[] = [];
  try {
    for await (const name of (await modelsFolder())?.keys() ?? []) names.push(name);
  } catch (error) {
    // A private window of a browser that has no files there.
    if (!(error instanceof DOMException && error.name === "SecurityError")) throw error;
  }
  return names;
}

/** What there is of a file, where its journal tells. */
export async function entry(key: string): Promise<Journal | undefined> {
  const folder = await (await modelsFolder())?.getDirectoryHandle(key).catch(orUndefined);
  const file = await (await folder?.getFileHandle(JOURNAL).catch(orUndefined))?.getFile();
  return readJournal((await file?.text()) ?? "");
}

/** False where somebody writes there for longer than a moment. */
export async function remove(key: string): Promise<boolean> {
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort();
  }, PATIENCE_MS);
  try {
    await environment().navigator?.locks?.request(`${FOLDER}/${key}`, { signal: late.signal }, async () => {
      clearTimeout(timer);
      await (await modelsFolder())?.removeEntry(key, { recursive: true }).catch(orUndefined);
    });
    return true;
  } catch (error) {
    if (late.signal.aborted) return false;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

export interface Journal {
  used: number;
  head: { url: string; partBytes: number; size?: number };
  /** Those that are there. */
  parts: Set<number>;
  /** Bytes in all, once every one is there. */
  complete?: number;
  sha256?: string;
}

/** Lines of JSON; undefined where there is nothing to go on from. A line that a crash has torn ends it. */
export function readJournal(text: string): Journal | undefined {
  const [first, ...lines] = text.split("\n").slice(0, -1).map(parse);
  let journal: Journal | undefined;
  for (const line of lines) {
    if (!line) break;
    if ("head" in line) journal = { used: Number(first?.["used"] ?? 0), head: line["head"] as Journal["head"], parts: new Set() };
    else if (!journal) break;
    else if ("part" in line) journal.parts.add(Number(line["part"]));
    else if ("lost" in line) {
      journal.parts.delete(Number(line["lost"]));
      delete journal.complete;
    } else {
      journal.complete = Number(line["complete"]);
      if (typeof line["sha256"] === "string") journal.sha256 = line["sha256"];
    }
  }
  return journal;
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
