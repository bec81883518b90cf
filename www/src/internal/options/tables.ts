/** Every option of the package: its kind, and what counts without it. `OPTIONS.md` is written from these tables. */
import type { ChatRequestOptions } from "../../public/chat.js";
import type { GenerateOptions, LoadOptions, SessionOptions, TokenizeOptions } from "../../public/types.js";
import type { VerifyOptions } from "../../public/verify.js";
import type { FakeCall, FakeEngineOptions } from "../fake-model.js";
import { responseFormat } from "./format.js";
import * as kinds from "./kinds.js";
import { CHAT } from "./openai-tables.js";
import type { Options } from "./read.js";

const signal = { kind: kinds.signal };

export const GENERATE: Options<GenerateOptions> = {
  of: "generate",
  table: {
    maxTokens: CHAT.table.max_tokens,
    temperature: CHAT.table.temperature,
    topK: CHAT.table.top_k,
    topP: CHAT.table.top_p,
    minP: CHAT.table.min_p,
    repeatPenalty: CHAT.table.repeat_penalty,
    repeatLastN: CHAT.table.repeat_last_n,
    presencePenalty: CHAT.table.presence_penalty,
    frequencyPenalty: CHAT.table.frequency_penalty,
    seed: CHAT.table.seed,
    stop: CHAT.table.stop,
    logitBias: CHAT.table.logit_bias,
    responseFormat: { kind: responseFormat, otherwise: "any text" },
    parseSpecial: { kind: kinds.flag, otherwise: "false" },
    logProbabilities: CHAT.table.logprobs,
    chatTemplateKwargs: CHAT.table.chat_template_kwargs,
    signal,
    onPrefill: { kind: kinds.callback() },
    onPrepare: { kind: kinds.callback() },
  },
  alias: {
    format: "responseFormat",
    responseconstraint: "responseFormat",
    jsonschema: "responseFormat",
    grammar: "responseFormat",
    npredict: "maxTokens",
    numpredict: "maxTokens",
    maxlength: "maxTokens",
    maxcompletiontokens: "maxTokens",
    logprobs: "logProbabilities",
    templatekwargs: "chatTemplateKwargs",
    abort: "signal",
    onprogress: "onPrefill",
  },
};

export const LOAD: Options<LoadOptions> = {
  of: "load and estimate",
  table: {
    onProgress: { kind: kinds.callback() },
    signal,
    contextLength: { kind: kinds.whole(1, kinds.U32, ", and no more than the model's own context"), otherwise: "the model's own, 4096 at most" },
    kvCache: { kind: kinds.oneOf("auto", "f16", "f32", "q8_0"), otherwise: "`\"auto\"`" },
    overrides: {
      kind: kinds.listOf(kinds.textLike("a string of the form key=type:value with the type int, float, bool or str", /^[^=]+=(?:int|float|bool|str):/), "an array of strings of the form key=type:value"),
      otherwise: "none",
    },
    hash: { kind: kinds.flag, otherwise: "false" },
    tokenEmbedding: { kind: kinds.oneOf("auto", "file", "int8"), otherwise: "`\"auto\"`" },
    prepareFormats: { kind: kinds.flag, otherwise: "false: when an answer first needs it" },
    cache: { kind: kinds.oneOf("auto", "required", false), otherwise: "`\"auto\"`" },
    sha256: { kind: kinds.oneOrMore(/^[0-9a-f]{64}$/i, "a SHA-256 of 64 hexadecimal digits", "an array with one for each part of a split file"), otherwise: "whatever the file has" },
    headers: { kind: kinds.headers, otherwise: "none" },
    crossOriginStorage: { kind: kinds.flag, otherwise: "true" },
    connections: { kind: kinds.whole(1, 16), otherwise: "4" },
    offline: { kind: kinds.flag, otherwise: "false" },
    backend: { kind: kinds.oneOf("auto", "simd128", "relaxed"), otherwise: "`\"auto\"`" },
    threads: { kind: kinds.autoOr(1, 64), otherwise: "`\"auto\"`" },
    shared: { kind: kinds.flag, otherwise: "false" },
    wasmUrl: { kind: kinds.address, otherwise: "the package's own" },
    grammarUrl: { kind: kinds.address, otherwise: "the package's own" },
    workerUrl: { kind: kinds.address, otherwise: "the package's own" },
    worker: { kind: kinds.worker, otherwise: "one of `workerUrl`" },
  },
  alias: {
    nctx: "contextLength",
    numctx: "contextLength",
    contextsize: "contextLength",
    ctxsize: "contextLength",
    kvcachetype: "kvCache",
    cachetypek: "kvCache",
    progresscallback: "onProgress",
    wasmpath: "wasmUrl",
    workerpath: "workerUrl",
  },
};

export const VERIFY: Options<VerifyOptions> = {
  of: "verify",
  table: {
    prompts: { kind: kinds.listOf(kinds.text, "an array of strings, and not an empty one", 1), otherwise: "the ten built in" },
    maxTokens: { kind: kinds.whole(1, kinds.U32), otherwise: "500" },
    reference: { kind: kinds.json("the `metrics` of another run, as an object"), otherwise: "nothing to compare with" },
    file: { kind: kinds.text, otherwise: "no name" },
    signal,
    onProgress: { kind: kinds.callback() },
  },
};

export const TOKENIZE: Options<TokenizeOptions> = { of: "tokenize", table: { parseSpecial: { kind: kinds.flag, otherwise: "false" } } };

export const SESSION: Options<SessionOptions> = { of: "session (its context and KV cache are as the model was loaded)", table: {} };

export const CHAT_REQUEST: Options<ChatRequestOptions> = {
  of: "create(params, options)",
  table: { signal },
  lacking: {
    timeout: "give signal: AbortSignal.timeout(milliseconds)",
    maxRetries: "no server is asked, so there is nothing to try again",
    headers: "no server is asked",
    query: "no server is asked",
    path: "no server is asked",
    idempotencyKey: "no server is asked",
  },
};

/** They are a test's, whose own types say what they are. */
const calls = kinds.listOf<FakeCall>(kinds.json("a call: { name, arguments }"), "an array of calls: { name, arguments }");

export const FAKE: Options<FakeEngineOptions> = {
  of: "fakeWorker",
  table: {
    vocabulary: { kind: kinds.listOf(kinds.text, "an array of words, and not an empty one", 1), otherwise: "some English words" },
    contextLength: { kind: kinds.whole(1, kinds.U32), otherwise: "256" },
    answerLength: { kind: kinds.count, otherwise: "100" },
    formAnswer: { kind: kinds.textOrFunction(), otherwise: "a request with `responseFormat` is refused" },
    calls: { kind: calls, otherwise: "none" },
    prefillBatch: { kind: kinds.whole(1, kinds.U32), otherwise: "16" },
  },
};
