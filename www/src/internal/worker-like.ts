/** What stands for a worker and is none: its messages come by `deliver`. */
export function workerLike(postMessage: (message: unknown, transfer: Transferable[]) => void, terminate: () => void): { worker: Worker; deliver: (message: unknown) => void } {
  const events = new EventTarget();
  const worker = Object.assign(events, {
    onmessage: null,
    onmessageerror: null,
    onerror: null,
    postMessage: (message: unknown, transfer?: Transferable[] | StructuredSerializeOptions) => {
      postMessage(message, Array.isArray(transfer) ? transfer : (transfer?.transfer ?? []));
    },
    terminate,
  });
  return {
    worker,
    deliver: (data) => {
      events.dispatchEvent(new MessageEvent("message", { data }));
    },
  };
}
