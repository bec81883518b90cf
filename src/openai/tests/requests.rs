//! What requests mean, and in which words they are refused: tests/openai/requests.json has the cases that the npm package has too.

use super::super::{ChatRequest, CompletionRequest, EmbeddingRequest, Encoding, Input, Refusal};
use crate::chat::{Message, Tool, ToolChoice, Tools};
use crate::constraint::ResponseFormat;
use crate::session::GenerateOptions;
use proptest::prelude::*;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

/// Cases of both languages: `of` says of which request, `request` is its fields beside the least that is needed. Then what it comes to: a
/// `refusal`, word for word; or what it `means`, as the package asks its worker; and which fields are `foreign`.
fn cases() -> Vec<Map<String, Value>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openai/requests.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What is meant, in the words in which the package asks its worker: what is as it would be without a word is left out.
fn meant(options: &GenerateOptions, format: &Option<ResponseFormat>) -> Map<String, Value> {
    let d = GenerateOptions::default();
    let (s, ds) = (&options.sampler, &d.sampler);
    let mut found = Map::new();
    let mut put = |name: &str, value: Value, default: Value| {
        if value != default {
            found.insert(name.to_owned(), value);
        }
    };
    put("maxTokens", json!(options.max_tokens), json!(d.max_tokens));
    put("temperature", json!(s.temperature), json!(ds.temperature));
    put("topK", json!(s.top_k), json!(ds.top_k));
    put("topP", json!(s.top_p), json!(ds.top_p));
    put("minP", json!(s.min_p), json!(ds.min_p));
    put("repeatPenalty", json!(s.repeat_penalty), json!(ds.repeat_penalty));
    put("repeatLastN", json!(s.repeat_last_n), json!(ds.repeat_last_n));
    put("presencePenalty", json!(s.presence_penalty), json!(ds.presence_penalty));
    put("frequencyPenalty", json!(s.frequency_penalty), json!(ds.frequency_penalty));
    put("seed", json!(s.seed), json!(ds.seed));
    let biases: Map<String, Value> = s.logit_bias.iter().map(|(id, bias)| (id.to_string(), json!(bias))).collect();
    put("logitBias", Value::from(biases), json!({}));
    put("stop", json!(options.stop), json!([]));
    put("logProbabilities", json!(options.logprobs), json!(false));
    put("responseFormat", json!(format), Value::Null);
    found
}

fn without_point(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.as_f64().is_some_and(|float| float.fract() == 0.0) => {
            json!(number.as_f64().unwrap() as i64)
        }
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), without_point(value))).collect(),
        Value::Array(list) => list.iter().map(without_point).collect(),
        other => other.clone(),
    }
}

type Meant = (Map<String, Value>, Tools, Vec<String>);

fn read(of: &str, body: &Value) -> Result<Meant, Refusal> {
    let body = body.to_string();
    Ok(match of {
        "chat" => {
            let read = ChatRequest::read(body.as_bytes())?;
            let request = read.request;
            let mut found = meant(&request.options, &request.format);
            found.insert("messages".to_owned(), json!(request.messages));
            (found, request.tools, read.ignored)
        }
        "completion" => {
            let read = CompletionRequest::read(body.as_bytes())?;
            (meant(&read.request.options, &read.request.format), Tools::default(), read.ignored)
        }
        "embedding" => {
            let read = EmbeddingRequest::read(body.as_bytes())?;
            let inputs = read.request.inputs.iter().map(|input| match input {
                Input::Text(text) => json!({ "type": "text", "body": text }),
                Input::Ids(ids) => json!({ "type": "ids", "body": ids }),
            });
            let mut found = Map::from_iter([("inputs".to_owned(), inputs.collect())]);
            if let Some(dimensions) = read.request.dimensions {
                found.insert("dimensions".to_owned(), json!(dimensions));
            }
            (found, Tools::default(), read.ignored)
        }
        other => panic!("no request is of {other}"),
    })
}

/// Tools that the package hands to its worker, as the engine has them.
fn tools_of(means: &Map<String, Value>) -> Tools {
    let list: Vec<Tool> = means.get("tools").map_or(Vec::new(), |tools| Vec::deserialize(tools).unwrap());
    let choice =
        means.get("toolChoice").map_or(ToolChoice::default(), |choice| ToolChoice::deserialize(choice).unwrap());
    let parallel = means.get("parallelToolCalls").and_then(Value::as_bool).unwrap_or(true);
    Tools::new(list, choice, parallel).unwrap()
}

#[test]
fn cases_of_both_languages() {
    let least = json!({
        "chat": { "messages": [{ "role": "user", "content": "hi" }] },
        "completion": { "prompt": "hi" },
        "embedding": { "input": "hi" },
    });
    let cases = cases();
    assert!(cases.len() > 100, "{} cases", cases.len());
    for case in cases {
        let of = case["of"].as_str().unwrap();
        let mut body = least[of].as_object().unwrap().clone();
        body.extend(case["request"].as_object().unwrap().clone());
        let shown = json!(case["request"]);
        match (read(of, &body.into()), case.get("refusal")) {
            (Err(refusal), Some(wanted)) => {
                assert_eq!(json!(refusal.message), *wanted, "{shown}");
                assert_eq!((refusal.status, refusal.kind), (400, "invalid_request_error"));
                let param = refusal.param.unwrap_or_else(|| panic!("no field is named: {shown}"));
                assert!(refusal.message.contains(&param), "{param} is at fault, and {} is said", refusal.message);
            }
            (Ok((meant, tools, ignored)), None) => {
                assert_eq!(json!(ignored), *case.get("foreign").unwrap_or(&json!([])), "{shown}");
                let Some(means) = case.get("means").and_then(Value::as_object) else { continue };
                if of == "chat" {
                    assert_eq!(tools, tools_of(means), "{shown}");
                }
                let of_tools = ["tools", "toolChoice", "parallelToolCalls"];
                for (name, wanted) in means.iter().filter(|(name, _)| !of_tools.contains(&name.as_str())) {
                    let found = meant.get(name).map_or(Value::Null, without_point);
                    assert_eq!(found, *wanted, "{name} of {shown}");
                }
            }
            (Err(refusal), None) => panic!("{shown} is refused: {}", refusal.message),
            (Ok(_), Some(wanted)) => panic!("{shown} is taken, not refused: {wanted}"),
        }
    }
}

fn chat(body: &str) -> Result<super::super::Read<ChatRequest>, Refusal> {
    ChatRequest::read(body.as_bytes())
}

fn with(fields: &str) -> String {
    format!(r#"{{"messages": [{{"role": "user", "content": "hi"}}], {fields}}}"#)
}

#[test]
fn a_body_that_is_no_json_is_refused() {
    for (body, words) in [
        ("", "can't be read as JSON: EOF"),
        ("hello", "can't be read as JSON"),
        (r#"{"messages": [{"role": "user", "content": "hi"}"#, "can't be read as JSON: EOF"),
        (r#"{"messages": []} {}"#, "trailing characters"),
        ("[]", "the body is an empty array; it may be an object"),
        ("null", "the body is null"),
        (&with(r#""temperature": 1e999"#), "number out of range"),
        (&with(r#""temperature": NaN"#), "can't be read as JSON"),
        (&with(r#""stop": "half of one: \ud83d""#), "can't be read as JSON"),
        (&with(r#""stop": "\udc00\ud83d""#), "can't be read as JSON"),
    ] {
        let refusal = chat(body).unwrap_err();
        assert!(refusal.message.contains(words), "{body}: {}", refusal.message);
        assert_eq!((refusal.status, refusal.code), (400, Some("invalid_json")));
    }
    let refusal = ChatRequest::read(b"{\"messages\": \"\xff\"}").unwrap_err();
    assert!(refusal.message.contains("can't be read as JSON"), "{}", refusal.message);
}

#[test]
fn brackets_in_brackets_have_an_end() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        for (depth, why) in [(3000, "recursion limit"), (1_000_000, "too many fields and values")] {
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let refusal = chat(&with(&format!(r#""tools": {deep}"#))).unwrap_err();
            assert!(refusal.message.contains(why), "{}", refusal.message);
        }
    }
    let schema = |depth| format!("{}true{}", r#"{"not":"#.repeat(depth), "}".repeat(depth));
    let format = |depth| {
        with(&format!(
            r#""response_format": {{"type": "json_schema", "json_schema": {{"schema": {}}}}}"#,
            schema(depth)
        ))
    };
    assert_eq!(chat(&format(100)).unwrap().request.format, Some(ResponseFormat::JsonSchema { schema: schema(100) }));
    assert!(chat(&format(200)).is_err());
    let variables = |depth| {
        let deep = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        chat(&with(&format!(r#""chat_template_kwargs": {{"a": {deep}}}"#)))
    };
    assert!(variables(31).is_ok());
    let refusal = variables(32).unwrap_err();
    assert!(refusal.message.ends_with("is an array; it may be what JSON can say, 32 levels deep at most"));
}

#[test]
fn small_values_are_not_as_many_as_a_body_may_have() {
    let talk = |messages: usize, text: &str| {
        let message = format!(r#"{{"role": "user", "content": "{text}"}}"#);
        chat(&format!(r#"{{"messages": [{}]}}"#, vec![message; messages].join(",")))
    };
    assert_eq!(talk(20_000, "hi").unwrap().request.messages.len(), 20_000);
    for refusal in [talk(150_000, "").unwrap_err(), chat(&format!("[{}]", "[],".repeat(1_000_000))).unwrap_err()] {
        assert_eq!((refusal.status, refusal.code), (413, Some("request_too_large")));
    }
    // What stands in a text is text.
    assert!(talk(1, &r#"[{:,\"\\"#.repeat(1_000_000)).is_ok());
}

#[test]
fn of_two_fields_of_one_name_the_later_counts() {
    let read = chat(&with(r#""max_tokens": "x", "max_tokens": 5, "max_tokens": 7"#)).unwrap();
    assert_eq!(read.request.options.max_tokens, Some(7));
    let read = chat(r#"{"messages": [{"role": "user", "content": "a", "content": "b"}]}"#).unwrap();
    assert_eq!(read.request.messages, [Message::new("user", "b")]);
}

#[test]
fn numbers_keep_their_digits() {
    let read = chat(&with(r#""seed": 9007199254740991, "max_tokens": 4.0, "top_k": 2e1, "temperature": 1"#)).unwrap();
    let options = read.request.options;
    assert_eq!((options.sampler.seed, options.max_tokens, options.sampler.top_k), (9007199254740991, Some(4), 20));
    assert_eq!(options.sampler.temperature, 1.0);
    for (given, shown) in [
        ("9007199254740993", "9007199254740993"),
        ("18446744073709551616", "18446744073709552000"),
        ("1e21", "1e+21"),
        ("-1e-9", "-1e-9"),
        ("1.5", "1.5"),
        ("0.000001", "0.000001"),
        ("1e-7", "1e-7"),
    ] {
        let refusal = chat(&with(&format!(r#""seed": {given}"#))).unwrap_err();
        assert!(refusal.message.starts_with(&format!("seed is {shown};")), "{given}: {}", refusal.message);
    }
    let schema = r#"{"maximum": 18446744073709551615, "multipleOf": 0.1, "b": 1.0, "a": -3}"#;
    let body = with(&format!(
        r#""tools": [{{"type": "function", "function": {{"name": "f", "parameters": {schema}}}}}], "tool_choice": "required""#
    ));
    let request = chat(&body).unwrap().request;
    assert!(request.tools.are_offered());
    assert_eq!(*request.tools.choice(), ToolChoice::Required);
    let body = format!(
        r#"{{"prompt": "x", "response_format": {{"type": "json_schema", "json_schema": {{"schema": {schema}}}}}}}"#
    );
    let Some(ResponseFormat::JsonSchema { schema: kept }) =
        CompletionRequest::read(body.as_bytes()).unwrap().request.format
    else {
        panic!()
    };
    assert_eq!(kept, schema.replace(": ", ":").replace(", ", ","));
}

#[test]
fn tools_are_the_engines_to_refuse() {
    let tool = r#"{"type": "function", "function": {"name": "now"}}"#;
    let refusal = chat(&with(&format!(r#""tools": [{tool}, {tool}]"#))).unwrap_err();
    assert!(refusal.message.contains("two tools are called `now`"), "{}", refusal.message);
    assert_eq!(refusal.param.as_deref(), Some("tools"));
    let refusal = chat(&with(r#""tool_choice": "required""#)).unwrap_err();
    assert_eq!(refusal.param.as_deref(), Some("tools"));
}

#[test]
fn prompts_come_in_four_forms() {
    let prompts = |prompt: &str| {
        CompletionRequest::read(format!(r#"{{"prompt": {prompt}}}"#).as_bytes()).map(|read| read.request.prompts)
    };
    let text = |text: &str| Input::Text(text.to_owned());
    assert_eq!(prompts(r#""a""#).unwrap(), [text("a")]);
    assert_eq!(prompts(r#"["a", "b"]"#).unwrap(), [text("a"), text("b")]);
    assert_eq!(prompts("[1, 2.0]").unwrap(), [Input::Ids(vec![1, 2])]);
    assert_eq!(prompts("[[1], [2, 3]]").unwrap(), [Input::Ids(vec![1]), Input::Ids(vec![2, 3])]);
    let read = EmbeddingRequest::read(br#"{"input": ["a"], "encoding_format": "base64", "dimensions": 8}"#).unwrap();
    assert_eq!((read.request.encoding, read.request.dimensions), (Encoding::Base64, Some(8)));
}

#[test]
fn foreign_fields_are_named_in_few_words_of_ascii() {
    let read = chat(&with(r#""a,b": 1, "é\n": 2, "x y": 3, "null one": null"#)).unwrap();
    assert_eq!(read.ignored, [r#""a\u002cb""#, r#""\u00e9\n""#, r#""x y""#]);
    let many: Vec<String> = (0..1000).map(|n| format!(r#""zz{n}q": 1"#)).collect();
    let read = chat(&with(&many.join(","))).unwrap();
    assert_eq!(read.ignored.len(), 33);
    assert_eq!(read.ignored.last().unwrap(), "and 968 more");
    let refusal = chat(&with(&format!(r#"{}, "one": 1"#, many.join(",")))).unwrap_err();
    assert_eq!((refusal.status, refusal.code), (413, Some("request_too_large")), "{}", refusal.message);
    let message = r#"{"role": "user", "content": "hi", "cache_control": {}}"#;
    let read = chat(&format!(r#"{{"messages": [{message}, {message}]}}"#)).unwrap();
    assert_eq!(read.ignored, ["messages[].cache_control"]);
    // The same in each of many messages is one.
    let talk = vec![message; 2000].join(",");
    assert_eq!(chat(&format!(r#"{{"messages": [{talk}]}}"#)).unwrap().ignored, ["messages[].cache_control"]);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0i64..4).prop_map(Value::from),
        ".{0,80}".prop_map(Value::from),
        prop_oneof!["text", "function", "user", "assistant", "tool", "json_schema", "auto"].prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        let name = prop_oneof![
            prop_oneof![
                "type",
                "text",
                "role",
                "content",
                "tool_calls",
                "function",
                "name",
                "arguments",
                "id",
                "schema",
                "json_schema",
                "tool_call_id"
            ],
            ".{0,8}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name, inner), 0..6).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

fn known_name() -> impl Strategy<Value = String> {
    let tables = [&super::super::tables::CHAT, &super::super::tables::COMPLETION, &super::super::tables::EMBEDDING];
    let names: Vec<&str> = tables.iter().flat_map(|table| table.fields).map(|field| field.name).collect();
    prop_oneof![prop::sample::select(names).prop_map(str::to_owned), "[a-z_]{0,12}", ".{0,70}"]
}

proptest! {
    #[test]
    fn any_request_is_taken_or_refused(fields in prop::collection::vec((known_name(), any_json()), 0..6), talk: bool) {
        let mut body: Map<String, Value> = fields.into_iter().collect();
        if talk {
            body.insert("messages".to_owned(), json!([{ "role": "user", "content": "hi" }]));
        }
        let body = Value::from(body).to_string();
        let refusals = [
            ChatRequest::read(body.as_bytes()).err(),
            CompletionRequest::read(body.as_bytes()).err(),
            EmbeddingRequest::read(body.as_bytes()).err(),
        ];
        for refusal in refusals.into_iter().flatten() {
            prop_assert_eq!(refusal.status, 400);
            prop_assert!(refusal.message.len() < 8000 && !refusal.message.contains('\n'), "{}", refusal.message);
            prop_assert!(json!(refusal)["error"]["message"].is_string());
        }
    }

    #[test]
    fn any_bytes_are_taken_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(ChatRequest::read(&body).is_err());
    }

    #[test]
    fn ignored_names_can_be_a_header(name in ".{0,70}") {
        let mut body = json!({ "messages": [{ "role": "user", "content": "hi" }] });
        body[name.as_str()] = json!(1);
        if let Ok(read) = ChatRequest::read(body.to_string().as_bytes()) {
            let fits = |byte: u8| (b' '..0x7f).contains(&byte) && byte != b',';
            prop_assert!(read.ignored.iter().all(|name| name.bytes().all(fits)), "{:?}", read.ignored);
        }
    }
}
