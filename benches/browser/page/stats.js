// Figures from runs: what page, report and plots agree on.

export const median = (numbers) => {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/** Weights that a cache may hold: reading them says nothing of memory. */
export const inCache = (run) => run.rounds[0].limits.readBytes < 256e6;

/** Bytes that a token reads which is generated after `position` others: all weights, and the KV cache up to there. */
export const bytesPerToken = ({ weightBytes, kvCacheBytes, contextLength }, position) => weightBytes + (kvCacheBytes / contextLength) * position;

/** A run's medians, and what share they are of the limits measured right before and after each round. */
export function summary({ info, rounds, options }) {
  const position = options.promptTokens + options.tokens / 2;
  const bytes = bytesPerToken(info, position);
  const of = (figure) => median(rounds.map(figure));
  return {
    prompt: of((round) => round.promptTokensPerSecond),
    generation: of((round) => round.generationTokensPerSecond),
    readBytesPerSecond: of((round) => round.limits.readBytesPerSecond),
    dotMacsPerSecond: of((round) => round.limits.dotMacsPerSecond),
    ofReadLimit: of((round) => (round.generationTokensPerSecond * bytes) / round.limits.readBytesPerSecond),
    tableMacsPerSecond: of((round) => round.limits.tableMacsPerSecond),
    // Prompts are read by dots or by tables, whichever is faster.
    ofPromptLimit: of(({ promptTokensPerSecond, limits }) => (promptTokensPerSecond * limits.macsPerPromptToken) / Math.max(limits.dotMacsPerSecond, limits.tableMacsPerSecond)),
  };
}

/** A build, or a run of it. */
export const name = ({ backend, threads }) => `${backend}, ${threads} thread${threads === 1 ? "" : "s"}`;

/** "auto" after all numbers. */
const order = ({ threads }) => (threads === "auto" ? Infinity : threads);

/** The run of the same build with the fewest threads: what more threads are compared with. */
export const baseOf = (run, runs) => runs.filter(({ backend }) => backend === run.backend).toSorted((a, b) => order(a) - order(b))[0];

/** Our figures over a peer's, for each of its runs: against our fastest build with as many threads. */
export function ratios(results) {
  return results.peers.map((peer) => {
    const ours = results.runs.filter(({ threads }) => threads === peer.threads).map((run) => ({ run, ...summary(run) }));
    const best = ours.toSorted((a, b) => b.generation - a.generation)[0];
    const generation = median(peer.rounds.map((round) => round.generationTokensPerSecond));
    const prompt = median(peer.rounds.map((round) => round.promptTokensPerSecond));
    return {
      peer,
      prompt,
      generation,
      backend: best?.run.backend,
      generationRatio: best && best.generation / generation,
      promptRatio: best && best.prompt / prompt,
    };
  });
}
