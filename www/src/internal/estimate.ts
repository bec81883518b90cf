/** From a source to the memory that its model would take: a worker reads headers, and ends. */
import { BitNetError } from "../public/errors.js";
import type { Estimate, EstimateOptions, ModelSource } from "../public/types.js";
import { deviceGigabytes, deviceRoom } from "./device-memory.js";
import { Deferred } from "./deferred.js";
import { listen, loaderOptions, needWorkers, withWorker } from "./load.js";
import { readOptions } from "./options/read.js";
import { LOAD } from "./options/tables.js";
import { readSource } from "./source.js";

export async function estimateModel(given: ModelSource, options: EstimateOptions): Promise<Estimate> {
  const read = readOptions(LOAD, options);
  read.signal?.throwIfAborted();
  needWorkers(read);
  const source = await readSource(given, read);
  read.signal?.throwIfAborted();
  const { connection, estimate } = await withWorker(source, read, 1, async (connection) => {
    const estimated = new Deferred<Estimate>();
    const sent = listen(connection, source, read, (message) => {
      if (message.type === "estimated") estimated.resolve(message.body);
    });
    connection.send({ type: "estimate", body: { source: await sent(), options: loaderOptions(read) } });
    return { connection, estimate: await estimated.promise };
  });
  connection.close(new BitNetError("disposed", "the estimate is done"));
  return judged(estimate);
}

function judged(estimate: Estimate): Estimate {
  const why = estimate.why ?? (estimate.fits ? warning(estimate.wasmBytes) : undefined);
  return { ...estimate, ...(why !== undefined && { why }) };
}

function warning(wasmBytes: number): string | undefined {
  if (wasmBytes <= (deviceRoom() ?? Infinity)) return undefined;
  const needed = (wasmBytes / 2 ** 30).toFixed(1);
  return `the model needs ${needed} GiB, more than half of this device's memory (about ${String(deviceGigabytes())} GiB): close other tabs, or take a shorter context`;
}
