/** A model of this package as the AI SDK wants one. */
import { BitNetError } from "../public/errors.js";
import { partsOf, UNKNOWN_USAGE, wholeOf } from "./answer.js";
import { type GivenModel, modelAtHand } from "./given-model.js";
import type { LanguageModelSettings } from "./options.js";
import { requestOf } from "./request.js";
import type { CallOptions, LanguageModel, SpecificationVersion, StreamPart, Warning } from "./specification.js";

interface Answer {
  readonly parts: AsyncGenerator<StreamPart, void, void>;
  readonly body: unknown;
  readonly warnings: Warning[];
  /** Told of what ended it. */
  readonly failed: (error: unknown) => void;
}

/** An object without `this`: the SDK, and what watches it, call methods through proxies. */
export function languageModel<Version extends SpecificationVersion>(given: GivenModel, settings: LanguageModelSettings, specificationVersion: Version): LanguageModel<Version> {
  const model = modelAtHand(given);

  async function ask(options: CallOptions, signal: AbortSignal | undefined): Promise<Answer> {
    const { params, answerTool, warnings } = requestOf(options, settings);
    const engine = await model.engine(signal);
    const failed = (error: unknown) => {
      model.failed(engine, error);
    };
    try {
      const chunks = await engine.chat.completions.create(params, signal ? { signal } : {});
      return { parts: partsOf(chunks, { answerTool, raw: options.includeRawChunks === true, seed: params.seed }), body: params, warnings, failed };
    } catch (error) {
      failed(error);
      throw error;
    }
  }

  return {
    specificationVersion,
    provider: "b158",
    get modelId() {
      return settings.modelId ?? model.name ?? "b158";
    },
    // What lies at addresses, the SDK fetches.
    supportedUrls: {},

    async doGenerate(options) {
      const { parts, body, warnings, failed } = await ask(options, options.abortSignal);
      try {
        const { content, finishReason, usage, providerMetadata = {}, response } = await wholeOf(parts);
        return { content, finishReason, usage, providerMetadata, request: { body }, response, warnings };
      } catch (error) {
        failed(error);
        throw error;
      }
    },

    async doStream(options) {
      const end = new AbortController();
      const release = follow(options.abortSignal, end);
      try {
        const answer = await ask(options, end.signal);
        return { stream: streamOf(answer, end, release), request: { body: answer.body } };
      } catch (error) {
        release();
        throw error;
      }
    },
  };
}

/** `end` ends the answer; `release` is called when it has ended. */
function streamOf({ parts, warnings, failed }: Answer, end: AbortController, release: () => void): ReadableStream<StreamPart> {
  return new ReadableStream<StreamPart>(
    {
      start: (controller) => {
        controller.enqueue({ type: "stream-start", warnings });
      },
      pull: async (controller) => {
        try {
          const next = await parts.next();
          if (next.done !== true) {
            controller.enqueue(next.value);
            return;
          }
        } catch (error) {
          if (end.signal.aborted) {
            release();
            throw error;
          }
          failed(error);
          controller.enqueue({ type: "error", error });
          controller.enqueue({ type: "finish", finishReason: { unified: "error", raw: error instanceof BitNetError ? error.code : undefined }, usage: UNKNOWN_USAGE });
        }
        release();
        controller.close();
      },
      cancel: async (reason) => {
        // In the middle of a prompt too, where the parts themselves could be left only at the next one.
        end.abort(reason);
        release();
        await parts.return();
      },
    },
    { highWaterMark: 0 },
  );
}

/** Lets a controller abort as the signal does, until the function that it gives is called. */
function follow(signal: AbortSignal | undefined, controller: AbortController): () => void {
  if (!signal) return () => undefined;
  const abort = () => {
    controller.abort(signal.reason);
  };
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  return () => {
    signal.removeEventListener("abort", abort);
  };
}
