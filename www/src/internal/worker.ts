/** Entry of the module worker. Its only export surface is the protocol. */
import { loadWasm } from "./load-wasm.js";
import type { Endpoint } from "./protocol.js";
import { serveEngine } from "./server.js";

serveEngine(self as unknown as Endpoint, loadWasm);
