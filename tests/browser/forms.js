// Forms that answers are held to in a tab, each after a kind of fault that was reported of an engine: white space or digits without end, keys of
// nobody's schema, escapes, bounds, references, ends in the middle. What is asked, and what is right.

const GREEDY = { temperature: 0 };
const SAMPLED = { temperature: 0.9, seed: 7 };
/** Nearly flat: what a mask leaves out would come. */
const FLAT = { temperature: 1.5, topK: 0, topP: 1, minP: 0, seed: 3 };
const ALL = [GREEDY, SAMPLED, FLAT];

const object = (properties, more = {}) => ({ type: "object", properties, required: Object.keys(properties), additionalProperties: false, ...more });
const schema = (schema) => ({ type: "json_schema", schema });
const keys = (value) => Object.keys(value).join();
const whole = (value, min, max) => Number.isInteger(value) && value >= min && value <= max;

/**
 * `ok`: of the value that was answered, or of the text where the form is none of JSON. `cut`: the limit may end it. `refused`: before the
 * first token, with these words; `either`: answered, or refused with these words. `push`: texts whose tokens are made likely.
 */
export const FORMS = [
  {
    name: "white space is likely, and none comes",
    format: schema(object({ a: { type: "boolean" }, b: { type: "array", items: { type: "boolean" }, minItems: 2, maxItems: 2 } })),
    push: ["\n", " ", "\t"],
    runs: ALL,
    ok: ({ a, b }, text) => typeof a === "boolean" && b.length === 2 && !/\s{2}/.test(text),
  },
  { name: "an object of nothing", format: schema(object({})), push: ["\n", " "], runs: ALL, ok: (value) => keys(value) === "" },
  { name: "a number with bounds ends", format: schema(object({ age: { type: "integer", minimum: 0, maximum: 130 } })), push: ["9"], runs: ALL, ok: ({ age }) => whole(age, 0, 130) },
  { name: "bounds that are not in the range", format: schema({ type: "integer", minimum: -12, exclusiveMaximum: -9 }), runs: ALL, ok: (value) => whole(value, -12, -10) },
  { name: "any object", format: { type: "json_object" }, options: { maxTokens: 200 }, runs: ALL, cut: true, ok: (value) => typeof value === "object" && value !== null && !Array.isArray(value) },
  { name: "any value", format: schema({}), runs: ALL, cut: true, ok: () => true },
  { name: "a schema of true", format: schema(true), runs: [FLAT], cut: true, ok: () => true },
  {
    name: "no keys besides, however tempting",
    format: schema(object({ name: { type: "string", maxLength: 8 }, email: { type: "string", maxLength: 8 } })),
    prompt: "Describe a user with name, email, age, street, phone and job, and add whatever else you know.\n",
    runs: ALL,
    ok: (value) => keys(value) === "name,email" && [...value.name].length <= 8,
  },
  {
    name: "the order of the schema's properties",
    format: schema(object({ zebra: { enum: [1, 2] }, apple: { enum: [3, 4] }, mango: { enum: [5, 6] } }, { required: ["apple", "mango", "zebra"] })),
    runs: ALL,
    ok: (value) => keys(value) === "zebra,apple,mango",
  },
  { name: "optional ones before one that is not", format: schema(object({ p: { const: 1 }, q: { const: 2 }, r: { const: 3 } }, { required: ["r"] })), runs: ALL, ok: ({ r }) => r === 3 },
  {
    name: "JSON's escapes",
    format: schema({ enum: ['she said "go"', "C:\\new\\table", "a/b", "tab\there", "line\nbreak"] }),
    runs: ALL,
    ok: (value) => ['she said "go"', "C:\\new\\table", "a/b", "tab\there", "line\nbreak"].includes(value),
  },
  { name: "characters of several tokens", format: schema({ enum: ["猫は可愛い", "👩‍👩‍👧", "ẞ", "Ж"] }), runs: ALL, ok: (value) => ["猫は可愛い", "👩‍👩‍👧", "ẞ", "Ж"].includes(value) },
  { name: "control characters", format: schema({ const: "\0\u001b[2J\u007f \u2028\ufeff" }), runs: [GREEDY], ok: (value) => value === "\0\u001b[2J\u007f \u2028\ufeff" },
  { name: "a value that is no text", format: schema({ const: { b: [1, null, { a: "ä" }], a: {} } }), runs: [GREEDY], ok: (value) => JSON.stringify(value) === '{"b":[1,null,{"a":"ä"}],"a":{}}' },
  { name: "a pattern with a length", format: schema({ type: "string", pattern: "^\\d{3}-\\d{2}$" }), runs: ALL, ok: (value) => /^[0-9]{3}-[0-9]{2}$/.test(value) },
  { name: "a pattern that is to be found somewhere", format: schema({ type: "string", pattern: "cat", maxLength: 12 }), runs: ALL, either: /pattern|maxLength/, ok: (value) => value.includes("cat") },
  { name: "a day of the calendar", format: schema({ type: "string", format: "date" }), runs: ALL, either: /format|date/, ok: (value) => new Date(`${value}T00:00:00Z`).toISOString().startsWith(value) },
  { name: "an array of so many", format: schema({ type: "array", items: { enum: ["a", "b"] }, minItems: 3, maxItems: 3 }), push: [",", "]"], runs: ALL, ok: (value) => value.length === 3 },
  { name: "a branch alone", format: schema({ oneOf: [object({ kind: { const: "fox" }, tail: { enum: ["red", "grey"] } }), object({ kind: { const: "hen" }, eggs: { type: "integer", minimum: 0, maximum: 9 } })] }), runs: ALL, either: /oneOf/, ok: (value) => (value.kind === "fox" ? keys(value) === "kind,tail" : keys(value) === "kind,eggs") },
  {
    name: "a tree",
    format: schema({ $defs: { tree: object({ v: { type: "integer", minimum: 0, maximum: 9 }, kids: { type: "array", items: { $ref: "#/$defs/tree" }, maxItems: 2 } }) }, $ref: "#/$defs/tree" }),
    runs: ALL,
    cut: true,
    ok: ({ v, kids }) => whole(v, 0, 9) && kids.length <= 2,
  },
  { name: "a schema as text", format: schema('{"properties": {"größe": {"enum": ["na\\u00efve", "\\ud83e\\udd8a"]}}, "required": ["größe"], "type": "object", "additionalProperties": false}'), runs: ALL, ok: (value) => ["naïve", "🦊"].includes(value.größe) },
  { name: "a keyword that few keep", format: schema({ type: "string", enum: ["no", "nope", "yes"], not: { pattern: "^n" } }), runs: ALL, either: /\bnot\b/, ok: (value) => value === "yes" },

  { name: "nothing at all", format: schema(false), refused: /false|nothing|unsatisf|no value/i },
  { name: "a range that is empty", format: schema(object({ n: { type: "integer", minimum: 5, maximum: 4 } })), refused: /minimum|maximum/ },
  { name: "a reference to nowhere", format: schema(object({ a: { $ref: "#/$defs/nope" } })), refused: /nope|\$ref/ },
  { name: "a reference to elsewhere", format: schema(object({ a: { $ref: "https://example.com/person.json" } })), refused: /\$ref|example\.com/ },
  { name: "a schema of itself", format: schema({ $ref: "#" }), refused: /\$ref|itself|recurs|cycle/i },
  { name: "a type that there is not", format: schema({ type: "strin" }), refused: /type|strin/ },
  { name: "a text that is no JSON", format: schema("{\n  type: object\n}"), refused: /line 2/ },
  { name: "an empty text", format: schema(""), refused: /schema/i },
  { name: "a pattern that is none", format: schema(object({ zip: { type: "string", pattern: "^[0-9{3}$" } })), refused: /pattern|class|bracket/i },

  { name: "a month", format: { type: "regex", pattern: "(19|20)[0-9]{2}-(0[1-9]|1[0-2])" }, runs: ALL, ok: (text) => /^(19|20)[0-9]{2}-(0[1-9]|1[0-2])$/.test(text) },
  { name: "emoji", format: { type: "regex", pattern: "[🦊🐔]{1,3}" }, runs: ALL, ok: (text) => /^[🦊🐔]{1,3}$/u.test(text) },
  { name: "an expression of the page's", format: { type: "regex", pattern: "RegExp" }, runs: ALL, ok: (text) => /^(?:yes|no), \d{2}\/[[a]$/i.test(text) },
  { name: "an expression without an end", format: { type: "regex", pattern: "(ab)+" }, options: { maxTokens: 20, logitBias: { 1017: -1000, 1018: -1000 } }, runs: [GREEDY], cut: true, begins: /^(ab)*a?$/, ok: (text) => /^(ab)+$/.test(text) },
  { name: "an expression of nothing", format: { type: "regex", pattern: "[^\\s\\S]" }, refused: /./ },
  { name: "an expression that is none", format: { type: "regex", pattern: "(" }, refused: /\(|group|paren/ },

  { name: "a sum", format: { type: "lark", grammar: 'start: number ("+" number)+\nnumber: /[1-9][0-9]{0,3}/' }, options: { maxTokens: 60 }, runs: ALL, cut: true, begins: /^[0-9+]*$/, ok: (text) => /^[1-9][0-9]{0,3}(\+[1-9][0-9]{0,3})+$/.test(text) },
  { name: "a grammar without a start", format: { type: "lark", grammar: 'begin: "a"' }, refused: /start/ },
  { name: "a grammar that is none", format: { type: "lark", grammar: 'start: "a" (\n"b"' }, refused: /./ },
  { name: "a rule that is missing", format: { type: "lark", grammar: "start: thing" }, refused: /thing/ },
];
