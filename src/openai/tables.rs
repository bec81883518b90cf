//! Every field of every request: its kind, and what counts without it. The npm package's tables are made from these
//! (`www/src/internal/options/openai-tables.ts`).

use super::kinds::Constant::{Flag, Number, Text};
use super::kinds::{Field, Kind, Record, Rule, TEXT, U32};

const TEXT_ALONE: &str = "these models read and write text alone";
const FUNCTIONS_ALONE: &str = "functions are all that can be called";
const NOTHING_STORED: &str = "nothing is stored here";
const ONE_ANSWER: &str = "one answer is all that is offered";

const fn field(name: &'static str, kind: Kind, otherwise: &'static str) -> Field {
    Field { name, kind, otherwise }
}

// ---- messages --------------------------------------------------------------------------------------------------------

pub(super) static PART: Record = Record {
    of: "a part of a message",
    what: r#"a part of a message: { type: "text", text }"#,
    fields: &[field("type", Kind::Only(&[Text("text")], TEXT_ALONE), ""), field("text", TEXT, "")],
    needed: &["type", "text"],
    ..Record::NONE
};

static PARTS: Kind = Kind::List {
    of: &Kind::Record(&PART),
    what: r#"a string, or an array of parts, { type: "text", text }, and not an empty one"#,
    least: 1,
};

pub(super) static CALLED: Record = Record {
    of: "a function that was called",
    what: "the function that was called: { name, arguments }",
    fields: &[field("name", TEXT, ""), field("arguments", Kind::Text("a string: the JSON text of the arguments"), "")],
    needed: &["name", "arguments"],
    // Of openai-node's parse(): the same arguments, read.
    passed_over: &["parsed_arguments"],
    ..Record::NONE
};

pub(super) static CALL: Record = Record {
    of: "a call",
    what: r#"a call: { id, type: "function", function: { name, arguments } }"#,
    fields: &[
        field("id", TEXT, ""),
        field("type", Kind::Only(&[Text("function")], FUNCTIONS_ALONE), ""),
        field("function", Kind::Record(&CALLED), ""),
    ],
    needed: &["id", "function"],
    // Whoever joins the deltas of chunks keeps it; the calls stand in its order.
    passed_over: &["index"],
    ..Record::NONE
};

pub(super) static MESSAGE: Record = Record {
    of: "a message",
    what: "a message: { role, content }",
    fields: &[
        field(
            "role",
            Kind::OneOf(&[Text("system"), Text("developer"), Text("user"), Text("assistant"), Text("tool")]),
            "",
        ),
        field("content", Kind::TextOr(&PARTS), ""),
        field("reasoning_content", TEXT, ""),
        field("tool_calls", Kind::List { of: &Kind::Record(&CALL), what: "an array of calls", least: 0 }, ""),
        field("tool_call_id", TEXT, ""),
        field("name", TEXT, ""),
        field("annotations", Kind::Empty(TEXT_ALONE), ""),
    ],
    needed: &["role"],
    lacking: &[
        ("refusal", "write what was said into the content"),
        ("audio", TEXT_ALONE),
        ("images", TEXT_ALONE),
        ("function_call", r#"give tool_calls: [{ id, type: "function", function: { name, arguments } }]"#),
    ],
    // Of openai-node's parse(): the same content, read.
    passed_over: &["parsed"],
    rule: Some(Rule::Message),
    ..Record::NONE
};

const MESSAGES: Kind = Kind::List {
    of: &Kind::Record(&MESSAGE),
    what: "an array of messages, { role, content }, and not an empty one",
    least: 1,
};

// ---- tools -----------------------------------------------------------------------------------------------------------

pub(super) static FUNCTION: Record = Record {
    of: "a function",
    what: "a function: { name, description, parameters }",
    fields: &[
        field("name", TEXT, ""),
        field("description", TEXT, ""),
        field("parameters", Kind::Schema, ""),
        field("strict", Kind::Flag, ""),
    ],
    needed: &["name"],
    lacking: &[("schema", "give parameters"), ("input_schema", "give parameters")],
    ..Record::NONE
};

pub(super) static TOOL: Record = Record {
    of: "a tool",
    what: r#"a tool: { type: "function", function: { name, description, parameters } }"#,
    fields: &[
        field("type", Kind::Only(&[Text("function")], FUNCTIONS_ALONE), ""),
        field("function", Kind::Record(&FUNCTION), ""),
    ],
    needed: &["type", "function"],
    lacking: &[
        ("name", "it stands one level deeper, in function.name"),
        ("description", "it stands one level deeper, in function.description"),
        ("parameters", "it stands one level deeper, in function.parameters"),
    ],
    ..Record::NONE
};

const TOOLS: Kind = Kind::List {
    of: &Kind::Record(&TOOL),
    what: r#"an array of tools: { type: "function", function: { name, description, parameters } }"#,
    least: 0,
};

pub(super) static CHOSEN: Record = Record {
    of: "tool_choice.function",
    what: "an object: { name }",
    fields: &[field("name", TEXT, "")],
    needed: &["name"],
    ..Record::NONE
};

pub(super) static TOOL_CHOICE: Record = Record {
    of: "tool_choice",
    what: r#""none", "auto", "required" or { type: "function", function: { name } }"#,
    fields: &[
        field("type", Kind::Only(&[Text("function")], FUNCTIONS_ALONE), ""),
        field("function", Kind::Record(&CHOSEN), ""),
    ],
    needed: &["type", "function"],
    ..Record::NONE
};

// ---- forms -----------------------------------------------------------------------------------------------------------

pub(super) static JSON_SCHEMA: Record = Record {
    of: "response_format.json_schema",
    what: "an object: { name, schema }",
    fields: &[
        field("name", TEXT, ""),
        field("description", TEXT, ""),
        field("schema", Kind::Schema, ""),
        field("strict", Kind::Flag, ""),
    ],
    needed: &["schema"],
    ..Record::NONE
};

pub(super) static RESPONSE_FORMAT: Record = Record {
    of: "response_format",
    what: r#"an object: { type: "text" }, { type: "json_object" } or { type: "json_schema", json_schema: { name, schema } }"#,
    fields: &[
        field("type", Kind::OneOf(&[Text("text"), Text("json_object"), Text("json_schema")]), ""),
        field("json_schema", Kind::Record(&JSON_SCHEMA), ""),
    ],
    needed: &["type"],
    lacking: &[(
        "schema",
        "a schema stands one level deeper, in response_format.json_schema.schema, with the type json_schema",
    )],
    rule: Some(Rule::ResponseFormat),
    ..Record::NONE
};

// ---- requests --------------------------------------------------------------------------------------------------------

pub(super) static STREAM: Record = Record {
    of: "stream_options",
    what: "an object: { include_usage }",
    fields: &[
        field("include_usage", Kind::Flag, ""),
        field("include_obfuscation", Kind::Only(&[Flag(false)], "chunks are not padded"), ""),
    ],
    ..Record::NONE
};

pub(super) static METADATA: Record =
    Record { of: "metadata (nothing is stored here)", what: "an empty object: nothing is stored here", ..Record::NONE };

const MODEL: Field = field("model", TEXT, "");
const USER: Field = field("user", TEXT, "");
const N: Field = field("n", Kind::Only(&[Number(1)], ONE_ANSWER), "1");
const STREAMED: Field = field("stream", Kind::Flag, "false");
const STREAM_OPTIONS: Field = field("stream_options", Kind::Record(&STREAM), "no usage");
const MOST: Kind = Kind::Whole { least: 0, most: U32, hint: "" };
const MAX_TOKENS: Field = field("max_tokens", MOST, "the rest of the context");
const TEMPERATURE: Field =
    field("temperature", Kind::Positive { zero: true, what: "a number, 0 (greedy) or greater" }, "0.8");
const TOP_P: Field = field("top_p", Kind::Between(0.0, 1.0), "0.95");
const STOP: Field =
    field("stop", Kind::TextOrMore { one: "a string that is not empty", more: "an array of such strings" }, "none");
const SEED: Field = field("seed", Kind::Whole { least: 0, most: (1 << 53) - 1, hint: "" }, "0");
const PRESENCE_PENALTY: Field = field("presence_penalty", Kind::Between(-2.0, 2.0), "0");
const FREQUENCY_PENALTY: Field = field("frequency_penalty", Kind::Between(-2.0, 2.0), "0");
const LOGIT_BIAS: Field = field("logit_bias", Kind::Biases, "none");
const TOP_K: Field = field("top_k", Kind::Whole { least: 0, most: U32, hint: "; 0 keeps all" }, "40");
const MIN_P: Field = field("min_p", Kind::Between(0.0, 1.0), "0.05");
const REPEAT_PENALTY: Field =
    field("repeat_penalty", Kind::Positive { zero: false, what: "a number greater than 0; 1 is off" }, "1");
const REPEAT_LAST_N: Field =
    field("repeat_last_n", Kind::Whole { least: -1, most: i32::MAX as i64, hint: "; -1 is the whole context" }, "64");
const FORMAT: Field = field("response_format", Kind::Record(&RESPONSE_FORMAT), "text");

pub(super) static CHAT: Record = Record {
    of: "chat.completions.create",
    what: "an object",
    fields: &[
        field("messages", MESSAGES, "needed"),
        MODEL,
        USER,
        field("safety_identifier", TEXT, ""),
        field("prompt_cache_key", TEXT, ""),
        N,
        STREAMED,
        STREAM_OPTIONS,
        field("max_completion_tokens", MOST, "the rest of the context"),
        MAX_TOKENS,
        TEMPERATURE,
        TOP_P,
        STOP,
        SEED,
        PRESENCE_PENALTY,
        FREQUENCY_PENALTY,
        LOGIT_BIAS,
        field("logprobs", Kind::Flag, "false"),
        field("top_logprobs", Kind::Only(&[Number(0)], "alternatives to the chosen token are not offered"), "0"),
        TOP_K,
        MIN_P,
        REPEAT_PENALTY,
        REPEAT_LAST_N,
        field(
            "chat_template_kwargs",
            Kind::Json("an object of the template's variables: { enable_thinking: false }"),
            "none",
        ),
        field("tools", TOOLS, "none"),
        field("tool_choice", Kind::WordOr(&["none", "auto", "required"], &TOOL_CHOICE), "`\"auto\"`"),
        field("parallel_tool_calls", Kind::Flag, "true"),
        field("functions", Kind::Empty(r#"give tools: [{ type: "function", function }]"#), "none"),
        field("function_call", Kind::Only(&[Text("none"), Text("auto")], "give tool_choice"), "none"),
        FORMAT,
        field(
            "modalities",
            Kind::List { of: &Kind::Only(&[Text("text")], TEXT_ALONE), what: r#"an array of "text" alone"#, least: 0 },
            "text",
        ),
        field("metadata", Kind::Record(&METADATA), "none"),
        field("store", Kind::Only(&[Flag(false)], NOTHING_STORED), "false"),
        field("service_tier", Kind::Only(&[Text("auto"), Text("default")], "there is one machine, this one"), ""),
        field(
            "prompt_cache_retention",
            Kind::Only(&[Text("in-memory"), Text("in_memory")], "what has been read is kept in memory"),
            "in memory",
        ),
        field("reasoning_effort", Kind::Only(&[Text("none")], "how much a model thinks can't be set here"), "none"),
        field(
            "verbosity",
            Kind::Only(&[Text("medium")], "how much a model says can't be set here; ask it in a message"),
            "medium",
        ),
    ],
    needed: &["messages"],
    alias: &[
        ("npredict", "max_tokens"),
        ("numpredict", "max_tokens"),
        ("maxnewtokens", "max_tokens"),
        ("logprobabilities", "logprobs"),
    ],
    lacking: &[
        ("audio", TEXT_ALONE),
        ("prediction", "answers are not guessed ahead; leave it out, the answer is the same"),
        ("web_search_options", "nothing is searched"),
        ("best_of", ONE_ANSWER),
        ("echo", "the prompt is not repeated"),
        ("signal", "give it in the second argument: create(params, { signal })"),
    ],
    ..Record::NONE
};

/// A text that goes on. The npm package has `generate` for it.
pub(super) static COMPLETION: Record = Record {
    of: "completions.create",
    what: "an object",
    fields: &[
        field("prompt", Kind::Inputs, "needed"),
        MODEL,
        USER,
        N,
        field("best_of", Kind::Only(&[Number(1)], ONE_ANSWER), "1"),
        field("echo", Kind::Only(&[Flag(false)], "the prompt is not repeated"), "false"),
        field("suffix", Kind::Only(&[Text("")], "a text can't be put in before another"), "none"),
        STREAMED,
        STREAM_OPTIONS,
        MAX_TOKENS,
        TEMPERATURE,
        TOP_P,
        STOP,
        SEED,
        PRESENCE_PENALTY,
        FREQUENCY_PENALTY,
        LOGIT_BIAS,
        field("logprobs", Kind::Only(&[Number(0)], "alternatives to the chosen token are not offered"), "none"),
        TOP_K,
        MIN_P,
        REPEAT_PENALTY,
        REPEAT_LAST_N,
        FORMAT,
    ],
    needed: &["prompt"],
    alias: &[
        ("npredict", "max_tokens"),
        ("numpredict", "max_tokens"),
        ("maxnewtokens", "max_tokens"),
        ("maxcompletiontokens", "max_tokens"),
        ("logprobabilities", "logprobs"),
    ],
    lacking: &[
        ("messages", "they are answered by chat.completions, at /v1/chat/completions"),
        ("tools", "they are called by chat.completions, at /v1/chat/completions"),
    ],
    ..Record::NONE
};

pub(super) static EMBEDDING: Record = Record {
    of: "embeddings.create",
    what: "an object",
    fields: &[
        field("input", Kind::Inputs, "needed"),
        MODEL,
        field("encoding_format", Kind::OneOf(&[Text("float"), Text("base64")]), "`\"float\"`"),
        field(
            "dimensions",
            Kind::Whole { least: 1, most: U32, hint: ", and no more than the model's vectors have" },
            "all of them",
        ),
        USER,
    ],
    needed: &["input"],
    lacking: &[("signal", "give it in the second argument: create(params, { signal })")],
    ..Record::NONE
};
