// The package's worker, which ends when the first answer is asked for.
import process from "node:process";
import { parentPort } from "node:worker_threads";
import "b158/worker";

parentPort.on("message", ({ type }) => {
  if (type === "generate") process.exit(3);
});
