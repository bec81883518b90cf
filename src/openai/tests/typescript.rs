//! The npm package's tables, made from those of this crate.

use super::super::kinds::{Constant, Field, Kind, Record, Rule, TEXT, U32};
use super::super::tables;
use serde_json::Value;

const FILE: &str = "www/src/internal/options/openai-tables.ts";
const RENEW: &str = "B158_RENEW=1 cargo test --features cli --lib openai";

/// Each record with the name of its constant and of its type in TypeScript, after those that it is made of.
const RECORDS: &[(&Record, &str, &str)] = &[
    (&tables::PART, "PART", "ChatCompletionTextPart"),
    (&tables::CALLED, "CALLED", r#"ChatCompletionMessageToolCall["function"]"#),
    (&tables::CALL, "CALL", "ChatCompletionMessageToolCall"),
    (&tables::MESSAGE, "MESSAGE", "ChatCompletionMessageParam"),
    (&tables::FUNCTION, "FUNCTION", r#"ChatCompletionTool["function"]"#),
    (&tables::TOOL, "TOOL", "ChatCompletionTool"),
    (&tables::CHOSEN, "CHOSEN", r#"NamedTool["function"]"#),
    (&tables::TOOL_CHOICE, "TOOL_CHOICE", "NamedTool"),
    (&tables::JSON_SCHEMA, "JSON_SCHEMA", "JsonSchemaField"),
    (&tables::RESPONSE_FORMAT, "RESPONSE_FORMAT", "ResponseFormatFields"),
    (&tables::STREAM, "STREAM", r#"NonNullable<ChatCompletionCreateParams["stream_options"]>"#),
    (&tables::METADATA, "METADATA", r#"NonNullable<ChatCompletionCreateParams["metadata"]>"#),
];

/// Those of whole requests.
const REQUESTS: &[(&Record, &str, &str)] = &[
    (&tables::CHAT, "CHAT", "ChatCompletionCreateParams"),
    (&tables::EMBEDDING, "EMBEDDING", "EmbeddingCreateParams"),
];

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", ")
}

fn constants(values: &[Constant]) -> String {
    values.iter().map(Constant::show).collect::<Vec<_>>().join(", ")
}

fn record(record: &Record) -> String {
    let found = RECORDS.iter().find(|(one, ..)| std::ptr::eq(*one, record));
    found.map_or_else(|| panic!("the record of {} has no name in TypeScript", record.of), |(_, name, _)| kind_of(name))
}

/// What the kind of a record is called: `TOOL_CHOICE` gives `toolChoiceKind`.
fn kind_of(name: &str) -> String {
    let mut words = name.to_lowercase().split('_').map(str::to_owned).collect::<Vec<_>>();
    for word in words.iter_mut().skip(1) {
        word[..1].make_ascii_uppercase();
    }
    format!("{}Kind", words.concat())
}

fn number(number: i64) -> String {
    match number {
        U32 => "kinds.U32".to_owned(),
        9_007_199_254_740_991 => "Number.MAX_SAFE_INTEGER".to_owned(),
        number => number.to_string(),
    }
}

fn kind(of: &Kind) -> String {
    match of {
        Kind::Text(_) if of.what() == TEXT.what() => "kinds.text".to_owned(),
        Kind::Text(what) => format!("kinds.textAlone({})", quoted(what)),
        Kind::Flag => "kinds.flag".to_owned(),
        Kind::Whole { least, most, hint: "" } => format!("kinds.whole({}, {})", number(*least), number(*most)),
        Kind::Whole { least, most, hint } => {
            format!("kinds.whole({}, {}, {})", number(*least), number(*most), quoted(hint))
        }
        Kind::Between(least, most) => format!("kinds.between({least}, {most})"),
        Kind::Positive { zero, what } => {
            format!("kinds.float({}, (value) => value {} 0)", quoted(what), if *zero { ">=" } else { ">" })
        }
        Kind::OneOf(values) => format!("kinds.oneOf({})", constants(values)),
        Kind::Only(values, why) => format!("kinds.only({}, {})", quoted(why), constants(values)),
        Kind::TextOrMore { one, more } => format!("kinds.oneOrMore(/[^]/, {}, {})", quoted(one), quoted(more)),
        Kind::List { of, what, least: 0 } => format!("kinds.listOf({}, {})", kind(of), quoted(what)),
        Kind::List { of, what, least } => format!("kinds.listOf({}, {}, {least})", kind(of), quoted(what)),
        Kind::Empty(why) => format!("kinds.empty({})", quoted(why)),
        Kind::TextOr(of) => format!("kinds.textOr({})", kind(of)),
        Kind::WordOr(words, of) => format!("kinds.wordOr({}, {})", record(of), listed(words)),
        Kind::Record(of) => record(of),
        Kind::Biases => "kinds.biases".to_owned(),
        Kind::Json(what) => format!("kinds.json({})", quoted(what)),
        Kind::Schema => "schema".to_owned(),
        Kind::Inputs => "kinds.inputs".to_owned(),
    }
}

fn field(Field { name, kind: of, otherwise }: &Field) -> String {
    let otherwise = if otherwise.is_empty() { String::new() } else { format!(", otherwise: {}", quoted(otherwise)) };
    format!("    {name}: {{ kind: {}{otherwise} }},\n", kind(of))
}

fn pairs(name: &str, pairs: &[(&str, &str)]) -> String {
    match pairs {
        [] => String::new(),
        pairs => {
            let lines = pairs.iter().map(|(key, value)| format!("    {key}: {},\n", quoted(value)));
            format!("  {name}: {{\n{}  }},\n", lines.collect::<String>())
        }
    }
}

fn options(of: &Record, name: &str, kind: &str) -> String {
    let fields = match of.fields {
        [] => "  table: {},\n".to_owned(),
        fields => format!("  table: {{\n{}  }},\n", fields.iter().map(field).collect::<String>()),
    };
    let passed_over = match of.passed_over {
        [] => String::new(),
        names => format!("  passedOver: [{}],\n", listed(names)),
    };
    let (of, alias, lacking) = (quoted(of.of), pairs("alias", of.alias), pairs("lacking", of.lacking));
    format!("const {name}: Options<{kind}> = {{\n  of: {of},\n{fields}{alias}{lacking}{passed_over}}};\n")
}

fn file() -> String {
    let mut text = format!(
        "// Fields of OpenAI's requests, made from src/openai/tables.rs. Do not edit; after a change there:\n\
         // {RENEW}\n\
         import type {{ ChatCompletionCreateParams, ChatCompletionMessageParam, ChatCompletionMessageToolCall, ChatCompletionTextPart, ChatCompletionTool }} from \"../../public/chat.js\";\n\
         import type {{ EmbeddingCreateParams }} from \"../../public/embeddings.js\";\n\
         import * as kinds from \"./kinds.js\";\n\
         import {{ type JsonSchemaField, messageRule, type NamedTool, type ResponseFormatFields, responseFormatRule }} from \"./openai-rules.js\";\n\
         import {{ type Options, record }} from \"./read.js\";\n\
         import {{ schema }} from \"./schema.js\";\n"
    );
    for (of, name, kind) in RECORDS {
        let needed = if of.needed.is_empty() { String::new() } else { format!(", [{}]", listed(of.needed)) };
        let rule = match of.rule {
            None => String::new(),
            Some(Rule::Message) => ", messageRule".to_owned(),
            Some(Rule::ResponseFormat) => ", responseFormatRule".to_owned(),
        };
        let needed = if rule.is_empty() { needed } else { format!("{needed}{rule}") };
        text += &format!(
            "\n{}\nconst {} = record({name}, {}{needed});\n",
            options(of, name, kind),
            kind_of(name),
            quoted(of.what)
        );
    }
    for (of, name, kind) in REQUESTS {
        text += &format!("\nexport {}", options(of, name, kind));
    }
    text
}

#[test]
fn the_package_has_the_same_tables() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let wanted = file();
    if std::env::var_os("B158_RENEW").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "{FILE} is not what src/openai/tables.rs says; run: {RENEW}");
}
