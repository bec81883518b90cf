/** Why a worker that imports its script from another origin has not come up: found out by trying again what it takes, step by step. */
import { BitNetError } from "../public/errors.js";

const OTHERWISE = "or give the address of a copy of the package's dist/lib/worker.js on the page's own origin as workerUrl, or a Worker as worker";

/** `message`: what the browser says, if anything. */
export async function whyNoWorker(script: string, message: string | undefined): Promise<BitNetError> {
  const { origin } = new URL(script);
  const policy = (directive: string) =>
    new BitNetError("invalid-argument", `the worker could not be started: the content security policy of this page must have ${directive}; ${OTHERWISE}`);
  if (!(await blobsRun())) return policy(`blob: and ${origin} in worker-src, since the package comes from another origin`);
  let response: Response;
  const forbidden = policyViolation();
  try {
    response = await fetch(script);
  } catch (cause) {
    if (await forbidden.seen()) return policy(`${origin} in connect-src, as in script-src and worker-src`);
    return new BitNetError("network", `the worker's script ${script} could not be read: ${origin} must be reachable and send Access-Control-Allow-Origin: * (or this page's origin) with all files of the package; ${OTHERWISE}`, { cause });
  } finally {
    forbidden.forget();
  }
  void response.body?.cancel();
  if (!response.ok) {
    return new BitNetError(
      "network",
      `the worker's script ${script} answered ${String(response.status)}: import the package by the address of its dist/lib/index.js as it is, with the other files beside it (services that rewrite modules, as jsDelivr's /+esm and esm.sh, leave them out); ${OTHERWISE}`,
    );
  }
  const type = response.headers.get("content-type") ?? "none";
  if (!/javascript|ecmascript/i.test(type)) {
    return new BitNetError("network", `the worker's script ${script} has the content type ${type}: the server must send it as text/javascript`);
  }
  return new BitNetError(
    "invalid-argument",
    `the worker's script ${script} could not be imported${message ? ` (${message})` : ""}: the content security policy of this page must have ${origin} in worker-src (beside blob:) and script-src, and ${origin} must send Access-Control-Allow-Origin with all files of the package; ${OTHERWISE}`,
  );
}

/** Whether a worker made of a Blob runs here. */
async function blobsRun(): Promise<boolean> {
  const url = URL.createObjectURL(new Blob(["postMessage(0)"], { type: "text/javascript" }));
  let worker: Worker | undefined;
  try {
    const probe = new Worker(url, { type: "module" });
    worker = probe;
    return await new Promise((resolve) => {
      probe.addEventListener("message", () => {
        resolve(true);
      });
      probe.addEventListener("error", (event) => {
        event.preventDefault();
        resolve(false);
      });
    });
  } catch {
    return false;
  } finally {
    worker?.terminate();
    URL.revokeObjectURL(url);
  }
}

/** Whether the policy forbids a request: the word of it may come a moment after the request has failed. */
function policyViolation(): { seen: () => Promise<boolean>; forget: () => void } {
  let violated = false;
  const see = ({ effectiveDirective }: Event & { effectiveDirective?: string }) => {
    violated ||= effectiveDirective === "connect-src";
  };
  globalThis.addEventListener("securitypolicyviolation", see);
  return {
    seen: async () => {
      await new Promise((later) => setTimeout(later));
      return violated;
    },
    forget: () => {
      globalThis.removeEventListener("securitypolicyviolation", see);
    },
  };
}
