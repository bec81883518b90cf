// What holding an answer to a form takes, at the vocabulary of a model: through the package's exports alone.
import { BitNet } from "/lib/index.js";
import { name } from "./stats.js";

const FORMS = {
  "object of five values": {
    type: "json_schema",
    schema: {
      type: "object",
      properties: {
        name: { type: "string", maxLength: 30 },
        age: { type: "integer", minimum: 0, maximum: 130 },
        tags: { type: "array", items: { enum: ["red", "sly", "brave"] }, maxItems: 4 },
        ok: { type: "boolean" },
        note: { type: "string", maxLength: 200 },
      },
      required: ["name", "age", "tags", "ok", "note"],
      additionalProperties: false,
    },
  },
  "any object": { type: "json_object" },
  "text of a pattern": { type: "json_schema", schema: { type: "string", pattern: "^https?://[a-z.]{3,40}/[a-z0-9/_-]{0,80}$" } },
  "words, by an expression": { type: "regex", pattern: "(?:the|a) [a-z]+(?: [a-z]+){5,30}\\." },
  "sum, by a grammar": { type: "lark", grammar: 'start: term ("+" term){5,40}\nterm: /[0-9]{1,6}/ | "(" start ")"' },
};

/** Any ids do. */
const PROMPT = Uint32Array.from({ length: 16 }, (_, index) => index * 7);

/**
 * @param options `{ source, builds: [{ backend, threads: number }], rounds, tokens, contextLength?, tokenEmbedding? }`
 * @param tell gets `{ text, done, total }` before each piece of work, and after it `{ results }` with what there is
 */
export async function benchForms(options, tell) {
  const { source, builds, rounds, tokens, contextLength, tokenEmbedding } = options;
  const runs = [];
  const results = { options, runs: [], peers: [], forms: runs };
  const total = builds.length * (1 + rounds);
  let done = 0;
  for (const build of builds) {
    tell({ text: `${name(build)}: loading`, done: done++, total });
    const model = await BitNet.load(source, { ...build, cache: false, ...(contextLength && { contextLength }), ...(tokenEmbedding && { tokenEmbedding }) });
    try {
      const run = { ...build, info: model.info, ...(await prepare(model)), forms: Object.keys(FORMS).map((form) => ({ form, answers: [] })) };
      runs.push(run);
      for (let round = 0; round < rounds; round++) {
        tell({ text: `${name(build)}: round ${round + 1} of ${rounds}`, done: done++, total });
        for (const { form, answers } of run.forms) {
          const { timings, usage } = await model.generate(PROMPT, { responseFormat: FORMS[form], seed: round, maxTokens: tokens }).result();
          answers.push({ ...timings.constraint, tokens: usage.completionTokens });
        }
        tell({ results });
      }
    } finally {
      await model.dispose();
    }
  }
  return results;
}

/** What the first answer waits for. */
async function prepare(model) {
  const began = performance.now();
  const at = { fetch: began, vocabulary: [] };
  const onPrepare = ({ phase }) => {
    if (phase === "fetch") at.fetch = performance.now();
    else at.vocabulary.push(performance.now());
  };
  await model.generate(PROMPT, { responseFormat: { type: "json_object" }, maxTokens: 1, onPrepare }).result();
  const [from, to] = at.vocabulary;
  return { fetchMs: from - began, vocabularyMs: to - from };
}
