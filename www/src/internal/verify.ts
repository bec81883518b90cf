/** Drives the ten prompts of `src/verify` of the crate, which says what the answers are worth. */
import type { Session } from "../public/types.js";
import type { VerifyOptions, VerifyReport } from "../public/verify.js";
import type { Connection } from "./connection.js";
import { environment } from "./environment.js";
import { readOptions } from "./options/read.js";
import { VERIFY } from "./options/tables.js";
import type { Answer } from "./protocol.js";

export async function verify(session: Session, connection: Connection, options: VerifyOptions): Promise<VerifyReport> {
  const read = readOptions(VERIFY, options);
  const { reference, file, signal, onProgress } = read;
  signal?.throwIfAborted();
  const defaults = await connection.call("verifyDefaults");
  const { prompts = defaults.prompts, maxTokens = defaults.maxTokens } = read;
  const answers: Answer[] = [];
  for (const [index, prompt] of prompts.entries()) {
    await session.reset(); // so that the times are those of a whole prompt
    const ids: number[] = [];
    const logProbabilities: number[] = [];
    const entropies: number[] = [];
    const tell = () => onProgress?.({ prompt, index, count: prompts.length, tokens: ids.length, maxTokens });
    tell();
    const generation = session.generate(prompt, { temperature: 0, maxTokens, logProbabilities: true, ...(signal && { signal }) });
    for await (const token of generation) {
      if (token.id === undefined) continue;
      ids.push(token.id);
      if (token.logProbability !== undefined) logProbabilities.push(token.logProbability);
      if (token.entropy !== undefined) entropies.push(token.entropy);
      tell();
    }
    answers.push({ ...(await generation.result()), prompt, ids, logProbabilities, entropies });
  }
  const { userAgent = "no browser", hardwareConcurrency = 0 } = environment().navigator ?? {};
  const about = { os: userAgent, processor: `wasm32, ${String(hardwareConcurrency)} logical processors`, maxTokens };
  return connection.call("report", { answers, about: { ...about, ...(file !== undefined && { file }), ...(reference !== undefined && { reference }) } });
}
