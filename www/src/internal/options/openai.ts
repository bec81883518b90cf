/** OpenAI's request for a chat completion as the package's own. */
import type { ChatCompletionCreateParams } from "../../public/chat.js";
import type { GenerateOptions } from "../../public/types.js";

/** What a field is called in `GenerateOptions`, where it goes there as it is. Of two names for one, the later counts. */
export const IN_GENERATE: readonly (readonly [keyof ChatCompletionCreateParams, keyof GenerateOptions])[] = [
  ["max_tokens", "maxTokens"],
  ["max_completion_tokens", "maxTokens"],
  ["temperature", "temperature"],
  ["top_p", "topP"],
  ["stop", "stop"],
  ["seed", "seed"],
  ["presence_penalty", "presencePenalty"],
  ["frequency_penalty", "frequencyPenalty"],
  ["logit_bias", "logitBias"],
  ["logprobs", "logProbabilities"],
  ["top_k", "topK"],
  ["min_p", "minP"],
  ["repeat_penalty", "repeatPenalty"],
  ["repeat_last_n", "repeatLastN"],
  ["chat_template_kwargs", "chatTemplateKwargs"],
];
