/**
 * The Prompt API's interface in TypeScript: the IDL of https://webmachinelearning.github.io/prompt-api as it was at commit 07c4a52 of
 * webmachinelearning/prompt-api, deprecated names included, with tools and sampling modes as the explainer has them at 04f5d0a.
 */
import type { BitNetErrorCode } from "../public/errors.js";

/** Whether a session can be created: not at all, after a download, after one that is under way, at once. */
export type Availability = "unavailable" | "downloadable" | "downloading" | "available";

/** Who speaks. */
export type LanguageModelMessageRole = "system" | "user" | "assistant";

/** Kinds of content. Models here read text; pictures and sounds are refused with `NotSupportedError`. */
export type LanguageModelMessageType = "text" | "image" | "audio" | "tool-call" | "tool-response";

/** A part of a message: `value` is a string for `text`, and an instance of the classes below for calls and responses. */
export interface LanguageModelMessageContent {
  type: LanguageModelMessageType;
  value: unknown;
}

/** One turn. */
export interface LanguageModelMessage {
  role: LanguageModelMessageRole;
  content: string | readonly LanguageModelMessageContent[];
  /** Of the last message, an assistant's: the answer goes on where this text ends. */
  prefix?: boolean;
}

/** A text of the user's, or turns. */
export type LanguageModelPrompt = string | readonly LanguageModelMessage[];

/** What is expected of inputs or outputs. */
export interface LanguageModelExpected {
  type: LanguageModelMessageType;
  languages?: readonly string[];
}

/** How freely is drawn, from the likeliest tokens alone to the widest choice. */
export type LanguageModelSamplingMode = "most-predictable" | "predictable" | "slightly-predictable" | "balanced" | "slightly-creative" | "creative" | "most-creative";

/** A tool that the model may call. */
export interface LanguageModelTool {
  name: string;
  description: string;
  /** A JSON schema of an object. The arguments fit it. */
  inputSchema: object;
  /** Called with the arguments, and its result is told to the model, until that answers in words. Without it the calls are the answer. */
  execute?: (...args: never[]) => PromiseLike<string>;
}

/** What `availability()` looks at. */
export interface LanguageModelCreateCoreOptions {
  samplingMode?: LanguageModelSamplingMode;
  /** With `samplingMode` a `TypeError`. */
  topK?: number;
  /** With `samplingMode` a `TypeError`. */
  temperature?: number;
  expectedInputs?: readonly LanguageModelExpected[];
  expectedOutputs?: readonly LanguageModelExpected[];
  tools?: readonly LanguageModelTool[];
}

/** Of `create()`. */
export interface LanguageModelCreateOptions extends LanguageModelCreateCoreOptions {
  /** Ends the creation, and later the session: what is under way then, and all that is called after it, rejects with its reason. */
  signal?: AbortSignal | undefined;
  /** Is given the object at which `downloadprogress` events are to be heard. */
  monitor?: (monitor: CreateMonitor) => void;
  /** Turns before the first prompt. They are never dropped. */
  initialPrompts?: readonly LanguageModelMessage[];
}

/** Of `prompt()` and `promptStreaming()`. */
export interface LanguageModelPromptOptions {
  /** A JSON schema or a `RegExp` that the answer keeps to. */
  responseConstraint?: object | undefined;
  /** Do not tell the model of it. */
  omitResponseConstraintInput?: boolean;
  signal?: AbortSignal | undefined;
}

/** Of `append()`. */
export interface LanguageModelAppendOptions {
  signal?: AbortSignal | undefined;
}

/** Of `clone()`. */
export interface LanguageModelCloneOptions {
  signal?: AbortSignal | undefined;
}

/** Tells how far the model is. */
export interface CreateMonitor extends EventTarget {
  /** Of `loaded`, from 0 to 1, and always those two. */
  ondownloadprogress: ((this: EventTarget, event: ProgressEvent) => unknown) | null;
  addEventListener(type: "downloadprogress", listener: (this: CreateMonitor, event: ProgressEvent) => unknown, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
}

/** A conversation with the model. `Reply` is what `prompt()` gives, `Chunk` what `promptStreaming()` does. */
export interface LanguageModel<Reply = string, Chunk = string> extends EventTarget {
  /** Answers. Calls wait for those before them. */
  prompt(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): Promise<Reply>;
  /** Answers piece by piece. Cancelling the stream ends the answer, and takes it and its prompt out of the conversation. */
  promptStreaming(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): ReadableStream<Chunk>;
  /** Adds turns, and reads them ahead. */
  append(input: LanguageModelPrompt, options?: LanguageModelAppendOptions): Promise<undefined>;
  /** Tokens that the input would add to the conversation as it is now, those of the chat template among them. */
  measureContextUsage(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): Promise<number>;
  /** Tokens of the conversation. */
  readonly contextUsage: number;
  /** Tokens that conversation and answer may have together. */
  readonly contextWindow: number;
  /** Before the oldest turns are dropped. */
  oncontextoverflow: ((this: EventTarget, event: Event) => unknown) | null;
  /** The older names, which browsers keep for extensions. */
  measureInputUsage(input: LanguageModelPrompt, options?: LanguageModelPromptOptions): Promise<number>;
  readonly inputUsage: number;
  readonly inputQuota: number;
  /** The older name of `oncontextoverflow`. */
  onquotaoverflow: ((this: EventTarget, event: Event) => unknown) | null;
  readonly topK: number;
  readonly temperature: number;
  /** `null` where `topK` or `temperature` was given. */
  readonly samplingMode: LanguageModelSamplingMode | null;
  /** Another conversation that begins with the same turns, as they are when the calls before it have ended. */
  clone(options?: LanguageModelCloneOptions): Promise<LanguageModel<Reply, Chunk>>;
  /** Ends the session. What is under way rejects with `AbortError`, what is called later with `InvalidStateError`. */
  destroy(): undefined;
}

/** What `prompt()` gives where tools are not run by themselves: text, or the text before the calls, if there is one, and the calls. */
export type LanguageModelPromptResult = string | LanguageModelMessageContent[];

/** Defaults and limits of the raw parameters. */
export interface LanguageModelParams {
  readonly defaultTopK: number;
  readonly maxTopK: number;
  readonly defaultTemperature: number;
  readonly maxTemperature: number;
}

/** What is called `LanguageModel` in a page: it makes sessions, and can't be constructed. */
export type LanguageModelConstructor = (abstract new () => LanguageModel) & {
  readonly prototype: LanguageModel;
  /** A session whose answers may be calls of tools. */
  create(options: LanguageModelCreateOptions & { tools: readonly (LanguageModelTool & { execute?: never })[] }): Promise<LanguageModel<LanguageModelPromptResult, LanguageModelMessageContent>>;
  /** A session. What is not in memory is loaded first. */
  create(options?: LanguageModelCreateOptions): Promise<LanguageModel>;
  /** Whether such a session could be created; nothing is loaded. */
  availability(options?: LanguageModelCreateCoreOptions): Promise<Availability>;
  /** Of `topK` and `temperature`, which browsers offer to extensions alone. */
  params(): Promise<LanguageModelParams>;
};

/** An error of this implementation has what this package says of it as `cause`. */
export interface PromptApiErrorCause {
  readonly code: BitNetErrorCode;
  readonly message: string;
}
