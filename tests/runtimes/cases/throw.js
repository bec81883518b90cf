// The package's worker, which throws when the first answer is asked for.
import { parentPort } from "node:worker_threads";
import "b158/worker";

parentPort.on("message", ({ type }) => {
  if (type === "generate") throw new Error("out of order");
});
