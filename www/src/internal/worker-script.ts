/**
 * Workers by the address of their script. A script of another origin, as a CDN's, no browser runs as a worker; but a script of the page's
 * own may import it. That one is made here, as a Blob, where it has to be and nowhere else: a strict policy has no `blob:`.
 */

/** Where no worker could be made. */
export const ADVICE = "check workerUrl if it is set, and worker-src of the page's content security policy, which must allow 'self', or blob: where the package comes from another origin";

/** Of workers that import theirs: where it is. */
const imported = new WeakMap<Worker, string>();

/** Whether the address is one on the web, of another origin than this page or worker. */
export function isForeign(address: string | URL): boolean {
  const { origin } = globalThis as { origin?: string };
  return origin !== undefined && /^https?:/.test(String(address)) && new URL(String(address)).origin !== origin;
}

export function moduleWorker(script: string | URL): Worker {
  const { document, location } = globalThis as { document?: Document; location?: Location };
  const base = document?.baseURI ?? location?.href;
  if (base === undefined) return new Worker(script, { type: "module" });
  const address = new URL(script, base).href;
  return isForeign(address) ? importingWorker(address) : new Worker(script, { type: "module" });
}

/** Where the worker's script could not be loaded, the address that it imports, if it imports one. */
export function importedScript(worker: Worker): string | undefined {
  return imported.get(worker);
}

function importingWorker(address: string): Worker {
  const url = URL.createObjectURL(new Blob([`import ${JSON.stringify(address)};`], { type: "text/javascript" }));
  const revoke = () => {
    URL.revokeObjectURL(url);
  };
  try {
    const worker = new Worker(url, { type: "module" });
    imported.set(worker, address);
    // Not at once: some browsers read it later than the standard has it. Whatever comes first, the script has been read by then.
    worker.addEventListener("message", revoke, { once: true });
    worker.addEventListener("error", revoke, { once: true });
    worker.terminate = () => {
      revoke();
      Worker.prototype.terminate.call(worker);
    };
    return worker;
  } catch (error) {
    revoke();
    throw error;
  }
}
