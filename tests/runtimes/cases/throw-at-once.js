// A worker whose script fails.
throw new Error("out of order");
