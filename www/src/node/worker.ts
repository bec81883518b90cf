/** The worker of Node.js, Deno and Bun: a browser's, in what it is given here. */
import "./worker-scope.js";
import "../internal/worker.js";
