//! Requests: bodies that have passed their table, as what the engine is asked.

use super::check::{check, given};
use super::kinds::{Record, float, whole};
use super::refusal::Refusal;
use super::tables::{CHAT, COMPLETION, EMBEDDING};
use super::words::show;
use crate::chat::{Message, Tool, ToolCall, ToolChoice, Tools, Variables};
use crate::constraint::ResponseFormat;
use crate::sampler::SamplerOptions;
use crate::session::GenerateOptions;
use serde::Deserialize as _;
use serde_json::{Map, Value};

type Fields = Map<String, Value>;

/// A request that can be answered.
#[derive(Clone, Debug)]
pub struct Read<T> {
    /// What is asked.
    pub request: T,
    /// Names of fields that mean nothing here and were passed over, in their order: words of ASCII without commas. A field of several
    /// messages or tools is named once, as `messages[].id`; of very many names the rest are counted.
    pub ignored: Vec<String>,
}

/// `/v1/chat/completions`.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    /// The name that the client has for the model.
    pub model: Option<String>,
    /// The talk.
    pub messages: Vec<Message>,
    /// How the answer is drawn.
    pub options: GenerateOptions,
    /// The draw's seed is the request's; else it may be any.
    pub seeded: bool,
    /// What the answer has to be.
    pub format: Option<ResponseFormat>,
    /// What the answer may call.
    pub tools: Tools,
    /// For the model's chat template.
    pub variables: Variables,
    /// The answer is to come in chunks.
    pub stream: bool,
    /// The last chunk is to have the counts.
    pub include_usage: bool,
}

/// `/v1/completions`.
#[derive(Clone, Debug)]
pub struct CompletionRequest {
    /// The name that the client has for the model.
    pub model: Option<String>,
    /// What is to go on, each by itself; at least one.
    pub prompts: Vec<Input>,
    /// How the answers are drawn.
    pub options: GenerateOptions,
    /// The draw's seed is the request's; else it may be any.
    pub seeded: bool,
    /// What each answer has to be.
    pub format: Option<ResponseFormat>,
    /// The answers are to come in chunks.
    pub stream: bool,
    /// The last chunk is to have the counts.
    pub include_usage: bool,
}

/// `/v1/embeddings`.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingRequest {
    /// The name that the client has for the model.
    pub model: Option<String>,
    /// What is to become vectors; at least one.
    pub inputs: Vec<Input>,
    /// How numbers are written.
    pub encoding: Encoding,
    /// Numbers of each vector; all of them where absent.
    pub dimensions: Option<usize>,
}

/// A text, or its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A text.
    Text(String),
    /// Ids of tokens.
    Ids(Vec<u32>),
}

/// How the numbers of a vector are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As numbers.
    #[default]
    Float,
    /// As text: little-endian floats of 32 bits in base64.
    Base64,
}

impl ChatRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// What is no JSON, or of another kind than its table says, by its name.
    pub fn read(body: &[u8]) -> Result<Read<Self>, Refusal> {
        let (fields, ignored) = read(&CHAT, body)?;
        let (stream, include_usage) = streamed(&fields);
        let messages = list(&fields, "messages").iter().map(message).collect();
        // Of the two names the newer counts.
        let max_tokens = number(&fields, "max_completion_tokens").or_else(|| number(&fields, "max_tokens"));
        let tools = list(&fields, "tools").iter().map(tool).collect();
        let choice = match given(&fields, "tool_choice") {
            Some(choice) => {
                ToolChoice::deserialize(choice).map_err(|why| Refusal::invalid(why.to_string()).of("tool_choice"))?
            }
            None => ToolChoice::default(),
        };
        let parallel = given(&fields, "parallel_tool_calls").and_then(Value::as_bool).unwrap_or(true);
        let variables = match given(&fields, "chat_template_kwargs") {
            Some(variables) => Variables::deserialize(variables)
                .map_err(|why| Refusal::invalid(why.to_string()).of("chat_template_kwargs"))?,
            None => Variables::NONE,
        };
        let request = Self {
            model: text(&fields, "model"),
            messages,
            options: GenerateOptions { max_tokens, logprobs: flag(&fields, "logprobs"), ..options(&fields) },
            seeded: given(&fields, "seed").is_some(),
            format: format(&fields),
            tools: Tools::new(tools, choice, parallel).map_err(|error| Refusal::from(&error))?,
            variables,
            stream,
            include_usage,
        };
        Ok(Read { request, ignored })
    }
}

impl CompletionRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// As [`ChatRequest::read`].
    pub fn read(body: &[u8]) -> Result<Read<Self>, Refusal> {
        let (fields, ignored) = read(&COMPLETION, body)?;
        let (stream, include_usage) = streamed(&fields);
        // 0 alternatives beside the chosen token, whose own is wanted.
        let logprobs = given(&fields, "logprobs").is_some();
        let request = Self {
            model: text(&fields, "model"),
            prompts: inputs(&fields, "prompt"),
            options: GenerateOptions { max_tokens: number(&fields, "max_tokens"), logprobs, ..options(&fields) },
            seeded: given(&fields, "seed").is_some(),
            format: format(&fields),
            stream,
            include_usage,
        };
        Ok(Read { request, ignored })
    }
}

impl EmbeddingRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// As [`ChatRequest::read`].
    pub fn read(body: &[u8]) -> Result<Read<Self>, Refusal> {
        let (fields, ignored) = read(&EMBEDDING, body)?;
        let base64 = given(&fields, "encoding_format").and_then(Value::as_str) == Some("base64");
        let request = Self {
            model: text(&fields, "model"),
            inputs: inputs(&fields, "input"),
            encoding: if base64 { Encoding::Base64 } else { Encoding::Float },
            dimensions: number(&fields, "dimensions"),
        };
        Ok(Read { request, ignored })
    }
}

/// Bytes that a body may take when it has been parsed, beside its texts: as much as some forty thousand messages.
const MOST_MEMORY: usize = 32 << 20;

/// About how many that are. Small values take some twenty times what they take in the body.
fn parsed_size(body: &[u8]) -> usize {
    let (mut size, mut in_text, mut escaped) = (0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b',' if !in_text => size += 96,
            b':' if !in_text => size += 200,
            b'[' | b'{' if !in_text => size += 128,
            _ => {}
        }
    }
    size
}

/// The fields of a body, and the names of those that are foreign.
fn read(record: &Record, body: &[u8]) -> Result<(Fields, Vec<String>), Refusal> {
    let size = parsed_size(body);
    if size > MOST_MEMORY {
        let message = format!(
            "the body has too many fields and values: they would take {} MB, at most {} MB are given",
            size >> 20,
            MOST_MEMORY >> 20
        );
        return Err(Refusal { status: 413, ..Refusal::invalid(message).code("request_too_large") });
    }
    // serde_json goes 128 levels deep, and takes no half of a surrogate pair.
    let parsed: Value = serde_json::from_slice(body)
        .map_err(|why| Refusal::invalid(format!("the body can't be read as JSON: {why}")).code("invalid_json"))?;
    let Value::Object(fields) = parsed else {
        let message = format!("the body is {}; it may be an object", show(Some(&parsed)));
        return Err(Refusal::invalid(message).code("invalid_json"));
    };
    let foreign = check(record, &fields)?;
    Ok((fields, foreign.names()))
}

// What follows reads fields that have passed their table.

fn text(fields: &Fields, name: &str) -> Option<String> {
    given(fields, name).and_then(Value::as_str).map(str::to_owned)
}

fn flag(fields: &Fields, name: &str) -> bool {
    given(fields, name).and_then(Value::as_bool).unwrap_or_default()
}

fn number<T: TryFrom<i64>>(fields: &Fields, name: &str) -> Option<T> {
    given(fields, name).and_then(whole).and_then(|number| T::try_from(number).ok())
}

fn list<'a>(fields: &'a Fields, name: &str) -> &'a [Value] {
    given(fields, name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn streamed(fields: &Fields) -> (bool, bool) {
    let usage = given(fields, "stream_options").and_then(Value::as_object);
    (flag(fields, "stream"), usage.is_some_and(|options| flag(options, "include_usage")))
}

fn options(fields: &Fields) -> GenerateOptions {
    let d = SamplerOptions::default();
    let held = |name: &str| given(fields, name).and_then(float);
    let biases = given(fields, "logit_bias").and_then(Value::as_object);
    let biases = biases.into_iter().flatten().filter_map(|(id, bias)| Some((id.parse().ok()?, float(bias)?)));
    let stop = match given(fields, "stop") {
        Some(Value::String(text)) => vec![text.clone()],
        _ => list(fields, "stop").iter().filter_map(|text| Some(text.as_str()?.to_owned())).collect(),
    };
    GenerateOptions {
        sampler: SamplerOptions {
            temperature: held("temperature").unwrap_or(d.temperature),
            top_k: number(fields, "top_k").unwrap_or(d.top_k),
            top_p: held("top_p").unwrap_or(d.top_p),
            min_p: held("min_p").unwrap_or(d.min_p),
            repeat_penalty: held("repeat_penalty").unwrap_or(d.repeat_penalty),
            repeat_last_n: number(fields, "repeat_last_n").unwrap_or(d.repeat_last_n),
            presence_penalty: held("presence_penalty").unwrap_or(d.presence_penalty),
            frequency_penalty: held("frequency_penalty").unwrap_or(d.frequency_penalty),
            seed: number(fields, "seed").unwrap_or(d.seed),
            logit_bias: biases.collect(),
        },
        stop,
        ..GenerateOptions::default()
    }
}

fn message(value: &Value) -> Message {
    let Some(fields) = value.as_object() else { return Message::default() };
    let role = match text(fields, "role") {
        // What newer clients call a system message.
        Some(role) if role == "developer" => "system".to_owned(),
        role => role.unwrap_or_default(),
    };
    let parts = list(fields, "content").iter().filter_map(|part| part.get("text").and_then(Value::as_str));
    let calls = list(fields, "tool_calls").iter().filter_map(|call| ToolCall::deserialize(call).ok());
    Message {
        role,
        content: text(fields, "content").unwrap_or_else(|| parts.collect()),
        reasoning_content: text(fields, "reasoning_content"),
        tool_calls: calls.collect(),
        tool_call_id: text(fields, "tool_call_id"),
        name: text(fields, "name"),
    }
}

fn tool(value: &Value) -> Tool {
    let fields = value.get("function").and_then(Value::as_object);
    Tool {
        name: fields.and_then(|fields| text(fields, "name")).unwrap_or_default(),
        description: fields.and_then(|fields| text(fields, "description")),
        parameters: fields.and_then(|fields| given(fields, "parameters")).map(schema),
    }
}

/// The JSON text of a schema, which may come as one.
fn schema(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn format(fields: &Fields) -> Option<ResponseFormat> {
    let format = given(fields, "response_format")?;
    match format.get("type").and_then(Value::as_str)? {
        "json_object" => Some(ResponseFormat::JsonObject),
        "json_schema" => Some(ResponseFormat::JsonSchema { schema: schema(format.get("json_schema")?.get("schema")?) }),
        _ => None,
    }
}

fn inputs(fields: &Fields, name: &str) -> Vec<Input> {
    match given(fields, name) {
        Some(Value::Array(list)) if !list.first().is_some_and(Value::is_number) => list.iter().map(input).collect(),
        Some(one) => vec![input(one)],
        None => Vec::new(),
    }
}

fn input(value: &Value) -> Input {
    match value {
        Value::String(text) => Input::Text(text.clone()),
        value => {
            let ids = value.as_array().into_iter().flatten();
            Input::Ids(ids.filter_map(|id| whole(id).and_then(|id| u32::try_from(id).ok())).collect())
        }
    }
}
