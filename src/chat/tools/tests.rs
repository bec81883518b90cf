use super::*;
use crate::chat::jinja::{Variable, Variables};
use crate::chat::{Chat, Message, Piece, Source, Template, ToolCall};
use crate::constraint::ResponseFormat;
use crate::gguf::{Array, Value};
use crate::session::FinishReason;
use crate::tokenizer::Tokenizer;
use crate::tokenizer::tests::{byte_level, strings};
use proptest::prelude::*;

const WEATHER: &str = r#"{"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}"#;

fn tools(choice: ToolChoice) -> Tools {
    let list = vec![
        Tool::new("weather", "Tells the weather", WEATHER),
        Tool { name: "now".into(), description: None, parameters: None },
    ];
    Tools::new(list, choice, true).unwrap()
}

fn own(file: &str) -> String {
    let path = format!("{}/tests/templates/own/{file}.jinja", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// With the tokens of ChatML and of Qwen's forms; those of thoughts and calls are of this kind.
fn with(own: Option<&str>, kind: i32) -> (Tokenizer, Template) {
    let mut m = byte_level();
    let tokens = m.strings("tokenizer.ggml.tokens").unwrap().unwrap().clone();
    let new = ["<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>"];
    m.insert("tokenizer.ggml.tokens", strings(tokens.iter().chain(new.map(Into::into))));
    let mut types = m.i32s("tokenizer.ggml.token_type").unwrap().unwrap().into_owned();
    types.extend([3, 3, kind, kind, kind, kind, kind]);
    m.insert("tokenizer.ggml.token_type", Value::Array(Array::I32(types)));
    if let Some(own) = own {
        m.insert("tokenizer.chat_template", Value::String(own.into()));
    }
    let tokenizer = Tokenizer::from_metadata(&m).unwrap();
    let template = Template::from_metadata(&m, &tokenizer);
    (tokenizer, template)
}

fn talk() -> Vec<Message> {
    let call = |id: &str, name: &str, arguments: &str| ToolCall::new(id, name, arguments);
    let result = |id: &str, text: &str| Message { tool_call_id: Some(id.into()), ..Message::new("tool", text) };
    let calls = vec![call("a", "weather", r#"{"place": "Rome"}"#), call("b", "now", "{}")];
    vec![
        Message::new("system", "Be brief."),
        Message::new("user", "Is it warm?"),
        Message { tool_calls: calls, ..Message::new("assistant", "Let me see.") },
        result("a", "25 degrees"),
        result("b", "noon"),
        Message::new("user", "So?"),
    ]
}

fn chat(template: &Template, tokenizer: &Tokenizer, messages: &[Message], tools: &Tools) -> (String, Chat) {
    let chat = template.chat(tokenizer, messages, tools, &Variables::NONE).unwrap();
    (tokenizer.decode(&chat.prompt, true), chat)
}

fn parts(chat: &Chat) -> serde_json::Value {
    match chat.format(None).unwrap().unwrap() {
        ResponseFormat::Parts { parts } => serde_json::from_str(&parts).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn forms_are_found_in_templates() {
    for (file, form) in
        [("calls-hermes", Some("Hermes and Qwen")), ("calls-llama", Some("Llama 3")), ("thinking", None)]
    {
        let (_, template) = with(Some(&own(file)), 4);
        assert_eq!(template.source(), Source::File, "{:?}", template.notes());
        assert_eq!(template.call_format.as_ref().ok().map(|format| format.of), form);
        assert_eq!(template.notes(), &[] as &[String]);
    }
    // Those that have another form, list no tools or fail on them say so.
    let lists =
        "{% for t in tools or [] %}{{ t | tojson }}{% endfor %}{% for m in messages %}{{ m.role }}: {{ m.content }}";
    for (own, why) in [
        (own("tools"), "none of those known here"),
        (format!("{lists}{{% for c in m.tool_calls or [] %}}[{{{{ c.function.name }}}}]{{% endfor %}}{{% endfor %}}"), "none of those known here"),
        ("{% for m in messages %}{{ m.content }}{% endfor %}{{ tools is none }}".to_owned(), "it does not list tools"),
        ("{% for m in messages %}{{ m.content }}{% endfor %}{{ tools.functions.now }}".to_owned(), "is undefined"),
        ("{% for m in messages %}{{ m.content }}{% endfor %}{% if tools %}{{ raise_exception('no tools') }}{% endif %}".to_owned(), "no tools"),
    ] {
        let (tokenizer, template) = with(Some(&own), 4);
        let (_, asked) = chat(&template, &tokenizer, &talk(), &tools(ToolChoice::Auto));
        let told: Vec<&str> = template.notes().iter().map(String::as_str).chain(asked.note()).collect();
        assert!(told.len() == 1 && told[0].contains(why), "{own}: {told:?}");
        // Of a template that is used it is of no interest before there are tools.
        assert!(template.notes().is_empty() || template.source() != Source::File, "{own}");
        let plain = template.chat(&tokenizer, &talk(), &Tools::default(), &Variables::NONE).unwrap();
        assert_eq!(plain.note(), None, "{own}");
    }
}

#[test]
fn the_models_own_template_lists_them() {
    let (tokenizer, template) = with(Some(&own("calls-hermes")), 4);
    let (text, asked) = chat(&template, &tokenizer, &talk(), &tools(ToolChoice::Auto));
    let listed = format!(
        "{{\"type\": \"function\", \"function\": {{\"name\": \"weather\", \"description\": \"Tells the weather\", \"parameters\": {WEATHER}}}}}"
    );
    assert!(text.contains(&listed), "{text}");
    assert!(text.contains("{\"name\": \"now\", \"parameters\": {\"type\": \"object\"}}"), "{text}");
    assert!(text.contains(
        "<|im_start|>assistant\nLet me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"place\": \"Rome\"}}\n</tool_call>\n\
         <tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call><|im_end|>\n<|im_start|>user\n<tool_response>\n25 degrees"
    ), "{text}");
    // User-defined tokens are text, and are part of the grammar as text.
    assert_eq!(asked.spelled, &[] as &[u32]);
    assert_eq!(
        parts(&asked),
        serde_json::json!({
            "before": [],
            "choices": [
                {"name": "weather", "parts": [{"text": "\n", "optional": true}, {"text": "{\"name\": \"weather\", \"arguments\": "}, {"schema": serde_json::from_str::<serde_json::Value>(WEATHER).unwrap()}, {"text": "}\n"}]},
                {"name": "now", "parts": [{"text": "\n", "optional": true}, {"text": "{\"name\": \"now\", \"arguments\": "}, {"schema": {"type": "object"}}, {"text": "}\n"}]},
            ],
            "after": [{"text": "</tool_call>"}],
            "again": [{"text": "\n"}, {"text": "<tool_call>"}],
        })
    );
    let opening = asked.opening();
    assert_eq!(
        (opening.trigger, opening.only_first, opening.thinks, opening.may_think),
        (Some("<tool_call>"), false, false, true)
    );
    assert_eq!(opening.think, tokenizer.special_id("<think>"));

    // Where they are control tokens, they are tokens of the grammar and spelled out in the text.
    let (tokenizer, template) = with(Some(&own("calls-hermes")), 3);
    let (_, asked) = chat(&template, &tokenizer, &talk()[..2], &tools(ToolChoice::Function("now".into())));
    assert_eq!(asked.spelled.len(), 4);
    assert_eq!(
        parts(&asked),
        serde_json::json!({
            "before": [{"token": "<tool_call>"}],
            "choices": [{"name": "now", "parts": [{"text": "\n"}, {"text": "{\"name\": \"now\", \"arguments\": "}, {"schema": {"type": "object"}}, {"text": "}\n"}]}],
            "after": [{"token": "</tool_call>"}],
            "again": null,
        })
    );
    assert_eq!(asked.opening().trigger, None);

    // With none the template is not told of any, and what was called is still there.
    let (text, asked) = chat(&template, &tokenizer, &talk(), &tools(ToolChoice::None));
    assert!(!text.contains("Tells the weather") && text.contains("Rome"), "{text}");
    let given = ResponseFormat::JsonObject;
    assert_eq!((asked.format(Some(&given)).unwrap(), asked.opening().trigger), (Some(given.clone()), None));
    let (_, asked) = chat(&template, &tokenizer, &talk(), &tools(ToolChoice::Required));
    assert!(matches!(asked.format(Some(&given)), Ok(Some(ResponseFormat::Parts { .. }))));
    let (_, asked) = chat(&template, &tokenizer, &talk(), &tools(ToolChoice::Auto));
    assert!(matches!(asked.format(Some(&given)), Err(Error::BadTools { .. })));
}

#[test]
fn llamas_form_is_an_object_alone() {
    let (tokenizer, template) = with(Some(&own("calls-llama")), 4);
    let (text, asked) = chat(&template, &tokenizer, &talk()[..2], &tools(ToolChoice::Auto));
    assert!(text.contains("Tells the weather") && text.ends_with("assistant<|end_header_id|>\n\n"), "{text}");
    let found = parts(&asked);
    assert_eq!(
        (&found["before"], &found["after"], &found["again"]),
        (&serde_json::json!([]), &serde_json::json!([]), &serde_json::Value::Null)
    );
    assert_eq!(found["choices"][0]["parts"][0]["text"], "weather\", \"parameters\": ");
    assert_eq!((asked.opening().trigger, asked.opening().only_first), (Some("{\"name\": \""), true));
    let (_, asked) = chat(&template, &tokenizer, &talk()[..2], &tools(ToolChoice::Required));
    assert_eq!(parts(&asked)["choices"][1]["parts"][0]["text"], "{\"name\": \"now\", \"parameters\": ");
    // It takes one call at a time, and says so.
    let refused = template.chat(&tokenizer, &talk(), &tools(ToolChoice::Auto), &Variables::NONE).unwrap_err();
    assert!(
        matches!(&refused, Error::RefusedMessages { reason } if reason.contains("one call at a time")),
        "{refused}"
    );
}

#[test]
fn a_template_that_takes_none_gets_a_system_message() {
    let alternate = "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate') }}{% endif %}\
        {{ m.role }}: {{ m.content | trim }}\n{% endfor %}";
    for (own, role) in [(None, "system"), (Some(alternate), "user")] {
        let (tokenizer, template) = with(own, 4);
        let messages = if own.is_some() { &talk()[1..] } else { &talk()[..] };
        let (text, asked) = chat(&template, &tokenizer, messages, &tools(ToolChoice::Auto));
        let listed = format!(
            "{{\"name\": \"weather\", \"description\": \"Tells the weather\", \"parameters\": {WEATHER}}}\n{{\"name\": \"now\", \"parameters\": {{\"type\": \"object\"}}}}"
        );
        assert!(text.contains(&listed), "{text}");
        let before = text.split("You can call these tools").next().unwrap();
        assert!(before.contains(role) && !before.contains("Is it warm?"), "{text}");
        let results = "<tool_response>\n25 degrees\n</tool_response>\n<tool_response>\nnoon\n</tool_response>\nSo?";
        assert!(text.contains(results) && text.contains("Let me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"place\": \"Rome\"}}\n</tool_call>\n<tool_call>"), "{text}");
        assert_eq!(asked.opening().trigger, Some("<tool_call>"));
        // Without tools the talk is told the same.
        let plain = template.render(messages, true).unwrap();
        assert!(plain.contains(results) && !plain.contains("You can call these tools"), "{plain}");
    }
    let (tokenizer, template) = with(Some("{% for m in messages %}{{ m.content | truncate(20) }}{% endfor %}"), 4);
    let refused = template.chat(&tokenizer, &talk()[1..2], &tools(ToolChoice::Auto), &Variables::NONE).unwrap_err();
    assert!(matches!(&refused, Error::RefusedMessages { reason } if reason.contains("list of tools")), "{refused}");
}

/// A caller who gives `tools` to the template by hand has it told of calls as they are.
#[test]
fn tools_may_be_the_callers() {
    let own = "{% for t in tools or [] %}{{ t.name }}{% endfor %}{% for m in messages %}{{ m.role }}: {{ m.content }}\
        {% for c in m.tool_calls or [] %}[{{ c.function.name }} {{ c.function.arguments | tojson }}]{% endfor %}\n{% endfor %}";
    let (_, template) = with(Some(own), 4);
    assert!(template.call_format.is_err());
    let mut variables = Variables::NONE;
    let name = Variable::Object(vec![("name".to_owned(), Variable::String("weather".to_owned()))]);
    variables.set("tools", Variable::List(vec![name]));
    let text = template.render_with(&talk()[2..4], true, &variables).unwrap();
    assert_eq!(text, "weatherassistant: Let me see.[weather {\"place\": \"Rome\"}][now {}]tool: 25 degrees");
}

#[test]
fn a_talk_does_not_end_with_calls() {
    for own in [None, Some(own("calls-hermes"))] {
        let (tokenizer, template) = with(own.as_deref(), 4);
        let refused = template.chat(&tokenizer, &talk()[..3], &tools(ToolChoice::Auto), &Variables::NONE).unwrap_err();
        assert!(
            matches!(refused, Error::RefusedMessages { .. } | Error::BadTemplate { .. }) || own.is_none(),
            "{refused}"
        );
    }
}

#[test]
fn thoughts_are_seen_in_the_prompt() {
    let opened = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}A: <think>\n{% endif %}";
    let question = [Message::new("user", "What does </think> mean? <think>")];
    let begun = [question[0].clone(), Message::new("assistant", "<think>It ")];
    let spoken = [question[0].clone(), Message::new("assistant", "It ")];
    let mut quick = Variables::NONE;
    quick.set("enable_thinking", Variable::Bool(false));
    for (own, messages, variables, wanted) in [
        (Some(opened), &question[..], &Variables::NONE, (true, false)),
        (None, &question, &Variables::NONE, (false, true)),
        (None, &question, &quick, (false, false)),
        (None, &begun, &Variables::NONE, (true, false)),
        (None, &spoken, &Variables::NONE, (false, false)),
    ] {
        let (tokenizer, template) = with(own, 4);
        let opening = template.chat(&tokenizer, messages, &Tools::default(), variables).unwrap().opening();
        assert_eq!((opening.thinks, opening.may_think), wanted, "{own:?}");
    }
    // Of a vocabulary and a template that know none, there are none.
    let m = byte_level();
    let tokenizer = Tokenizer::from_metadata(&m).unwrap();
    let template = Template::from_metadata(&m, &tokenizer);
    let asked = template.chat(&tokenizer, &question, &Tools::default(), &Variables::NONE).unwrap();
    assert!(asked.opening().is_none());
    let mut pieces = Vec::new();
    let mut reader = asked.reader(0);
    reader.push("<think>so", &mut pieces);
    assert!(!reader.finish(FinishReason::Stop, &mut pieces));
    assert_eq!(pieces, [Piece::Content("<think>so".to_owned())]);
}

#[test]
fn tools_that_cannot_be_are_refused() {
    let tool = |name: &str, parameters: &str| Tool::new(name, "", parameters);
    let refused = |list: Vec<Tool>, choice| match Tools::new(list, choice, true) {
        Err(Error::BadTools { reason }) => reason,
        other => panic!("{other:?}"),
    };
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(100), "]".repeat(100));
    for (list, choice, expected) in [
        (vec![tool("a", "{}"), tool("a", "{}")], ToolChoice::Auto, "two tools are called `a`"),
        (vec![tool("", "{}")], ToolChoice::Auto, "tool 1 has 0 characters"),
        (vec![tool(&"x".repeat(65), "{}")], ToolChoice::Auto, "65 characters"),
        (vec![tool("a\nb", "{}")], ToolChoice::Auto, "no control characters"),
        (vec![tool("a", "{")], ToolChoice::Auto, "tool `a`: its parameters are no JSON schema"),
        (vec![tool("a", "{} {}")], ToolChoice::Auto, "tool `a`"),
        (vec![tool("a", "false")], ToolChoice::Auto, "they are no object"),
        (vec![tool("a", "[]")], ToolChoice::Auto, "they are no object"),
        (vec![tool("a", &deep)], ToolChoice::Auto, "more than 32 deep"),
        (vec![tool("a", r#"{"type": "string"}"#)], ToolChoice::Auto, "another `type` than object"),
        (vec![tool("a", "{}")], ToolChoice::Function("b".into()), "`b` has to be called"),
        (vec![], ToolChoice::Required, "there is none"),
        ((0..129).map(|n| tool(&n.to_string(), "{}")).collect(), ToolChoice::Auto, "at most 128"),
        (vec![Tool::new("a", "x".repeat(2 << 20), "{}")], ToolChoice::Auto, "bytes together"),
    ] {
        let reason = refused(list, choice);
        assert!(reason.contains(expected), "{reason}");
    }
    assert!(
        Tools::new(vec![tool("a", r#"{"type": ["object", "null"]}"#), tool("b", " {} ")], ToolChoice::Auto, true)
            .is_ok()
    );
}

#[test]
fn arguments_are_an_object_whatever_a_schema_leaves_open() {
    for (given, held) in [
        ("{ }", r#"{"type": "object"}"#),
        (r#"{"properties": {"a": {}}}"#, r#"{"type": "object", "properties": {"a": {}}}"#),
        (r##"{"$ref": "#/$defs/a"}"##, r##"{"type": "object", "$ref": "#/$defs/a"}"##),
        (r#"{"type": ["object", "null"]}"#, r#"{"allOf": [{"type": "object"}], "type": ["object", "null"]}"#),
        (WEATHER, WEATHER),
    ] {
        let tool = Tool::new("a", "", given);
        assert_eq!(tool.schema_of_object(), held);
        assert_eq!(tool.schema(), given);
        assert!(serde_json::from_str::<serde_json::Value>(held).is_ok());
    }
}

#[test]
fn in_openais_shape() {
    let tool: Tool = serde_json::from_str(&format!(
        r#"{{"type": "function", "function": {{"name": "weather", "strict": true, "parameters": {WEATHER}}}}}"#
    ))
    .unwrap();
    assert_eq!((tool.name.as_str(), tool.description.as_deref()), ("weather", None));
    assert_eq!(tool.parameters.as_deref(), Some(WEATHER.replace(": ", ":").replace(", ", ",").as_str()));
    let text: Tool =
        serde_json::from_str(r#"{"type": "function", "function": {"name": "f", "parameters": "{\"a\": 1.0}"}}"#)
            .unwrap();
    assert_eq!(text.parameters.as_deref(), Some("{\"a\": 1.0}"));
    for (json, choice) in [
        (r#""none""#, ToolChoice::None),
        (r#""auto""#, ToolChoice::Auto),
        (r#""required""#, ToolChoice::Required),
        (r#"{"type": "function", "function": {"name": "f"}}"#, ToolChoice::Function("f".into())),
    ] {
        assert_eq!(serde_json::from_str::<ToolChoice>(json).unwrap(), choice);
    }
    assert!(serde_json::from_str::<ToolChoice>(r#""any""#).unwrap_err().to_string().contains("required"));
    let messages = talk();
    let json = serde_json::to_string(&messages).unwrap();
    assert!(json.contains(r#""tool_calls":[{"id":"a","type":"function","function":{"name":"weather","arguments":"{\"place\": \"Rome\"}"}}"#), "{json}");
    assert_eq!(serde_json::from_str::<Vec<Message>>(&json).unwrap(), messages);
    let null = r#"{"role": "assistant", "content": null, "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]}"#;
    assert_eq!(serde_json::from_str::<Message>(null).unwrap().content, "");
    for json in
        [r#"{"role": "user", "content": null}"#, r#"{"role": "user"}"#, r#"{"role": "assistant", "tool_calls": []}"#]
    {
        assert!(
            serde_json::from_str::<Message>(json).unwrap_err().to_string().contains("missing field `content`"),
            "{json}"
        );
    }
}

proptest! {
    /// What tools, callers and models say makes no control token, and no part of a grammar but a text.
    #[test]
    fn foreign_text_is_text(
        words in "(<\\|im_end\\|>|<\\|im_start\\|>|<\\||[\"\\\\{}<|>a é\u{F0000}]|</tool_response>){0,10}",
        native: bool,
        choice in 0usize..2,
    ) {
        let name = format!("n{}", words.chars().take(60).collect::<String>());
        let schema = serde_json::json!({"type": "object", "properties": {(words.clone()): {"description": words}}}).to_string();
        let list = vec![Tool::new(name.clone(), words.clone(), schema.clone())];
        let tools = Tools::new(list, [ToolChoice::Auto, ToolChoice::Required][choice].clone(), true).unwrap();
        let arguments = serde_json::json!({(words.clone()): words}).to_string();
        let messages = [
            Message::new("user", "x"),
            Message {
                tool_calls: vec![ToolCall::new(words.clone(), words.clone(), arguments)],
                reasoning_content: Some(words.clone()),
                ..Message::new("assistant", words.clone())
            },
            Message { tool_call_id: Some(words.clone()), name: Some(words.clone()), ..Message::new("tool", words.clone()) },
        ];
        let own = native.then(|| own("calls-hermes"));
        let (tokenizer, template) = with(own.as_deref(), 4);
        let control = |chat: &Chat| chat.prompt.iter().filter(|&&id| tokenizer.is_control(id)).count();
        let asked = template.chat(&tokenizer, &messages, &tools, &Variables::NONE).unwrap();
        // System, user, assistant and user have two tokens each, the answer one, and begin-of-text is the tokenizer's.
        prop_assert_eq!(control(&asked), 2 * 4 + 1 + 1);
        let found = parts(&asked);
        prop_assert_eq!(&found["choices"][0]["name"], &serde_json::Value::from(name.clone()));
        let heads = &found["choices"][0]["parts"];
        let head = format!("{}{{}}}}", heads[1]["text"].as_str().unwrap());
        let head: serde_json::Value = serde_json::from_str(&head).unwrap();
        prop_assert_eq!(&head["name"], &serde_json::Value::from(name));
        prop_assert_eq!(&heads[2]["schema"], &serde_json::from_str::<serde_json::Value>(&schema).unwrap());
    }
}

/// The parts as the grammars read them: what is a call, and what is none.
#[cfg(all(feature = "cli", not(target_family = "wasm")))]
mod grammars {
    use super::*;
    use b158_grammar::{Kind, Vocabulary};

    const CALL: u32 = 256;
    const END_OF_CALL: u32 = 257;
    const END: u32 = 258;

    /// Bytes, the marks of calls as control tokens, and an end.
    fn vocabulary() -> Vocabulary {
        let bytes: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).chain([vec![], vec![], vec![]]).collect();
        let control = [(CALL, "<tool_call>"), (END_OF_CALL, "</tool_call>"), (END, "<|im_end|>")];
        Vocabulary::new(&bytes, &control.map(|(id, name)| (id, name.to_owned())), &[END]).unwrap()
    }

    /// Whether the answer may be this, to its end. `[` and `]` stand for the control tokens.
    fn takes(chat: &Chat, text: &str) -> bool {
        let Ok(Some(ResponseFormat::Parts { parts })) = chat.format(None) else { panic!("no parts") };
        let mut answer = vocabulary().answer(Kind::Parts, &parts).unwrap();
        let mut allowed = vec![0; 9];
        let ids = text.bytes().map(|byte| match byte {
            b'[' => CALL,
            b']' => END_OF_CALL,
            byte => u32::from(byte),
        });
        for id in ids {
            let next = answer.next(&[], &mut allowed).unwrap();
            let next =
                if let b158_grammar::Next::Certain(_) = next { answer.next(&[], &mut allowed).unwrap() } else { next };
            if next == b158_grammar::Next::Whole || allowed[id as usize / 32] >> (id % 32) & 1 == 0 {
                return false;
            }
            answer.next(&[id], &mut allowed).unwrap();
        }
        answer.may_end()
    }

    #[test]
    fn calls_are_what_they_are_in_templates() {
        const WHERE: &str = r#"{"place": "Rome"}"#;
        let hermes = |name: &str, arguments: &str| format!("\n{{\"name\": \"{name}\", \"arguments\": {arguments}}}\n");
        let llama = |name: &str, arguments: &str| format!("{{\"name\": \"{name}\", \"parameters\": {arguments}}}");
        let (now, weather) = (hermes("now", "{}"), hermes("weather", WHERE));
        let one = |choice, parallel| {
            let list = vec![
                Tool::new("weather", "", WEATHER),
                Tool { name: "now".into(), description: None, parameters: None },
            ];
            Tools::new(list, choice, parallel).unwrap()
        };
        let (hermes_text, hermes_token, llama_3) = (("calls-hermes", 4), ("calls-hermes", 3), ("calls-llama", 4));
        for ((file, kind), tools, right, wrong) in [
            (
                hermes_text,
                one(ToolChoice::Required, true),
                vec![
                    format!("<tool_call>{now}</tool_call>"),
                    format!("<tool_call>{weather}</tool_call>\n<tool_call>{now}</tool_call>"),
                ],
                vec![
                    format!("<tool_call>{now}"),
                    format!("[{now}]"),
                    format!("<tool_call>{}</tool_call>", hermes("then", "{}")),
                    "No.".to_owned(),
                    format!("<tool_call>{}</tool_call>", hermes("weather", "{}")),
                ],
            ),
            (
                hermes_token,
                one(ToolChoice::Required, true),
                vec![format!("[{now}]"), format!("[{weather}]\n[{now}]")],
                vec![format!("<tool_call>{now}</tool_call>"), format!("[{now}]["), format!("[{now}]\n")],
            ),
            (
                hermes_token,
                one(ToolChoice::Function("now".into()), true),
                vec![format!("[{now}]")],
                vec![format!("[{weather}]"), format!("[{now}]\n[{now}]")],
            ),
            (
                hermes_text,
                one(ToolChoice::Auto, false),
                vec![format!("{now}</tool_call>"), format!("{}</tool_call>", now.trim_start())],
                vec![format!("{now}</tool_call>\n<tool_call>{now}</tool_call>")],
            ),
            (
                llama_3,
                one(ToolChoice::Required, true),
                vec![llama("now", "{}"), llama("weather", WHERE)],
                vec![llama("now", "{}") + &llama("now", "{}"), llama("weather", "{\"place\": 1}")],
            ),
            (
                llama_3,
                one(ToolChoice::Auto, true),
                vec![llama("now", "{}")[10..].to_owned(), llama("weather", WHERE)[10..].to_owned()],
                vec![llama("now", "{}")],
            ),
        ] {
            let (tokenizer, template) = with(Some(&own(file)), kind);
            let (_, asked) = chat(&template, &tokenizer, &talk()[..2], &tools);
            for text in right {
                assert!(takes(&asked, &text), "{file}, {kind}, {:?}: {text}", tools.choice);
            }
            for text in wrong {
                assert!(!takes(&asked, &text), "{file}, {kind}, {:?}: {text}", tools.choice);
            }
        }
    }
}
