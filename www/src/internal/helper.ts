/** A worker's life as a thread of an engine in another worker: same module, same memory. It never reads a second message. */
import { glueOf, type WasmGlue } from "./builds.js";
import type { Endpoint, FromHelper, Help, Sent } from "./channel.js";

/** As much as the engine's own thread has. This one has no guard below it, so it may not be short. */
const STACK_BYTES = 1 << 20;

/** `watched`: the page will hear of this worker's end, or can't. */
export function serveHelper(port: Endpoint, watched: Promise<void>, end: () => void): void {
  port.addEventListener("message", (event: MessageEvent<Sent>) => {
    if (event.data.type === "help") void help(port, event.data.help, watched, end);
  });
}

async function help(port: Endpoint, { flavour, module, memory }: Help, watched: Promise<void>, end: () => void): Promise<void> {
  const post = (message: FromHelper) => {
    port.postMessage(message, []);
  };
  let glue: WasmGlue;
  try {
    glue = await glueOf(flavour);
    await glue.default({ module_or_path: module, memory, thread_stack_size: STACK_BYTES });
  } catch (error) {
    post({ type: "failed", message: String(error) });
    return;
  }
  await watched;
  if (!glue.joinPool?.()) {
    end();
    return;
  }
  post({ type: "joined" });
  try {
    glue.workInPool?.();
  } catch (error) {
    post({ type: "crashed", message: String(error) });
  }
}
