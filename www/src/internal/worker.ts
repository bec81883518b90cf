/** Entry of the module worker: an engine or an estimate, one of an engine's further threads, or its keeper of files, as the first message says. */
import { BitNetError } from "../public/errors.js";
import type { Endpoint, FromBootstrap, Sent } from "./channel.js";
import { Deferred } from "./deferred.js";
import { serveHelper } from "./helper.js";
import { serveKeeper } from "./keeper.js";
import { holdLife } from "./life.js";
import { loadGrammar } from "./load-grammar.js";
import { loadWasm } from "./load-wasm.js";
import type { FromWorker, ToWorker } from "./protocol.js";
import { sparingly } from "./sparingly.js";
import { moduleWorker } from "./worker-script.js";

const scope = self as unknown as Endpoint;
const watched = holdLife(scope);
serveHelper(scope, watched, () => {
  self.close();
});
serveKeeper(scope, () => {
  self.close();
});
serveEngine(scope);
// What is thrown elsewhere, traps among it, the page hears of by itself.
self.addEventListener("unhandledrejection", ({ reason }: PromiseRejectionEvent) => {
  crash(scope, reason);
});

/** Until there is a module, which then takes over. */
function serveEngine(port: Endpoint): void {
  const helpersStarted = new Deferred<string | undefined>();
  const hear = ({ data }: MessageEvent<Exclude<Sent, ToWorker>>) => {
    if (data.type === "open") void open(data);
    else if (data.type === "helpers-started") helpersStarted.resolve(data.why);
  };
  port.addEventListener("message", hear);

  const open = async ({ backend, wasmUrl, grammarUrl, threads: wanted }: Extract<Sent, { type: "open" }>) => {
    const onProgress = sparingly((loaded, total) => {
      post(port, { type: "progress", body: { phase: "engine", loaded, cached: false, ...(total !== undefined && { total, fraction: loaded / total }) } });
    });
    const startHelpers = (count: number, help: Extract<FromBootstrap, { type: "start-helpers" }>["help"]) => {
      post(port, { type: "start-helpers", count, help });
      return helpersStarted.promise;
    };
    try {
      const { serve, threads, tuned, why } = await loadWasm({ backend, wasmUrl: wasmUrl && fromHere(wasmUrl), threads: wanted, onProgress, startHelpers });
      port.removeEventListener("message", hear);
      const keepers = () => moduleWorker(ownScript());
      serve(port, threads, tuned, why, keepers, (onProgress) => loadGrammar(grammarUrl && fromHere(grammarUrl), sparingly(onProgress)));
      post(port, { type: "opened" });
    } catch (error) {
      if (error instanceof BitNetError) post(port, { type: "load-failed", body: { code: error.code, message: error.message } });
      else crash(port, error);
    }
  };
}

/** Where this runs in a Blob that imports it, the address of what is imported: the Blob is gone. */
function ownScript(): string {
  return self.location.protocol === "blob:" && /^https?:/.test(import.meta.url) ? import.meta.url : self.location.href;
}

/** An address may be relative to the worker's script. */
function fromHere(address: string): string {
  return new URL(address, ownScript()).href;
}

function crash(port: Endpoint, error: unknown): void {
  post(port, { type: "crashed", body: { message: error instanceof Error ? error.message : String(error) } });
}

function post(port: Endpoint, message: FromWorker | FromBootstrap): void {
  port.postMessage(message, []);
}
