/** The types that a program sees are those that the worker sends: where they part, this file does not compile. */
import type * as open from "../public/types.js";
import type { VerifyReport } from "../public/verify.js";
import type { Frozen } from "./channel.js";
import type * as own from "./protocol.js";

/** Each may stand for the other. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : [A, "is not", B]) : [A, "is not", B];

type Checked = [
  Same<Frozen<own.LoadProgress>, open.LoadProgress>,
  // A worker knows nothing of other tabs.
  Same<Frozen<own.ModelInfo>, Omit<open.ModelInfo, "shared">>,
  Same<Frozen<own.Token>, open.Token>,
  Same<Frozen<own.Usage>, open.Usage>,
  Same<Frozen<own.Timings>, open.Timings>,
  Same<own.FinishReason, open.GenerationResult["finishReason"]>,
  Same<own.KvType, open.KvCacheType>,
  Same<own.EmbeddingType, open.TokenEmbedding>,
  Same<Frozen<own.Roofline>, open.Roofline>,
  Same<Frozen<own.Memory>, Omit<open.Stats, "timings">>,
  Same<Frozen<own.WrittenReport>, VerifyReport>,
  // What a part of a split model lacks is the page's to find out.
  Same<Frozen<Omit<own.Estimate, "fileBytes">>, Omit<open.Estimate, "fileBytes">>,
];

export type AllSame = Checked extends true[] ? true : Checked;
export const SAME: AllSame = true;
