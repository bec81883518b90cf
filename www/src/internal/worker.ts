/** Entry of the module worker: the engine, one of its further threads, or an estimate, as the first message says. */
import { serveEstimator } from "./estimator.js";
import { serveHelper } from "./helper.js";
import { holdLife } from "./life.js";
import { loadWasm } from "./load-wasm.js";
import type { Endpoint } from "./protocol.js";
import { serveEngine } from "./server.js";

const scope = self as unknown as Endpoint;
const watched = holdLife(scope);
serveEngine(scope, loadWasm);
serveEstimator(scope, loadWasm);
serveHelper(scope, watched, () => {
  self.close();
});
