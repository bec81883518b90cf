/** Entry of the module worker: the engine, or one of its further threads, as the first message says. */
import { serveHelper } from "./helper.js";
import { loadWasm } from "./load-wasm.js";
import type { Endpoint } from "./protocol.js";
import { serveEngine } from "./server.js";

const scope = self as unknown as Endpoint;
serveEngine(scope, loadWasm);
serveHelper(scope, () => {
  self.close();
});
