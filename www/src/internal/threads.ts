/** How many threads an engine gets, and why not more. */
import { threads as threadsSupported } from "wasm-feature-detect";

/** Generation waits for memory, which a few threads use up; more would only keep the machine from other work. */
const MOST_BY_DEFAULT = 8;

export interface ThreadChoice {
  count: number;
  /** Why it is one. */
  why?: string;
}

export async function chooseThreads(asked: "auto" | number): Promise<ThreadChoice> {
  const count = asked === "auto" ? Math.min(Math.max(navigator.hardwareConcurrency || 1, 1), MOST_BY_DEFAULT) : asked;
  if (count === 1) return single(asked === 1 ? "one thread was asked for" : "one processor is all that there is, or that is told of");
  if (!globalThis.crossOriginIsolated) {
    return single(
      "this page is not cross-origin isolated; serve it with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp",
    );
  }
  if (!(await threadsSupported())) return single("this browser has no WebAssembly threads");
  return { count };
}

function single(why: string): ThreadChoice {
  return { count: 1, why };
}
