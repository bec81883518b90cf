use super::clock::{self, Moment};
use super::text::Mark;
use super::*;
use crate::chat::Message;
use serde::Deserialize;
use std::collections::HashMap;

const BOS: &str = "<|begin_of_text|>";
const EOS: &str = "<|end_of_text|>";

/// `tests/templates/expected.json`, which `make.py` beside it has written with jinja2.
#[derive(Deserialize)]
struct Expected {
    cases: HashMap<String, Case>,
    own: Vec<Own>,
    language: Vec<Line>,
}

#[derive(Deserialize)]
struct Case {
    messages: Vec<Message>,
    variables: Variables,
    prompt: bool,
}

#[derive(Deserialize)]
struct Own {
    template: String,
    case: String,
    expected: Ending,
}

#[derive(Deserialize)]
struct Line {
    template: String,
    expected: Ending,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Ending {
    Text(String),
    Refused(String),
    Fails(bool),
}

fn read(file: &str) -> String {
    let path = format!("{}/tests/templates/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn expected() -> Expected {
    serde_json::from_str(&read("expected.json")).unwrap()
}

fn marked(source: &str, turns: &[Turn], variables: &Variables, prompt: bool) -> Outcome<Text> {
    let inputs = Inputs {
        turns,
        add_generation_prompt: prompt,
        words: &[("bos_token", BOS), ("eos_token", EOS)],
        tools: None,
        arguments_as_text: false,
        no_tools_defined: true,
        variables,
    };
    render(source, &inputs, &Meter::new(8 << 20, 2_000_000))
}

fn ending(source: &str, case: &Case) -> (Ending, String) {
    let turns: Vec<Turn> = case.messages.iter().map(|message| Turn { message, mark: Mark::Message }).collect();
    match marked(source, &turns, &case.variables, case.prompt) {
        Ok(text) => (Ending::Text(text.as_str().to_owned()), String::new()),
        Err(fault) => match *fault {
            Fault::Refused(words) => (Ending::Refused(words), String::new()),
            fault => (Ending::Fails(true), format!("{fault:?}")),
        },
    }
}

fn only(template: &str, content: &str) -> Outcome<Text> {
    let message = Message::new("user", content);
    marked(template, &[Turn { message: &message, mark: Mark::Message }], &Variables::NONE, true)
}

fn failure(template: &str) -> String {
    match only(template, "x").map_err(|fault| *fault) {
        Err(Fault::Failed { line, reason }) => format!("line {}: {reason}", line.unwrap_or_default()),
        other => panic!("{template}: {other:?}"),
    }
}

#[test]
fn our_templates_give_jinjas_text() {
    let Expected { cases, own, .. } = expected();
    assert!(own.len() >= 80, "{}", own.len());
    let mut wrong = Vec::new();
    for Own { template, case, expected } in own {
        let source = match template.as_str() {
            "crlf" => read("own/generation.jinja").replace('\n', "\r\n"),
            "cr" => read("own/set-block.jinja").replace('\n', "\r"),
            "long" => format!("{{#{}#}}{}", " c".repeat(20_000), read("own/namespace.jinja")),
            name => read(&format!("own/{name}.jinja")),
        };
        let (ending, why) = ending(&source, &cases[&case]);
        if ending != expected {
            wrong.push(format!("{template}, {case}: {why}\n  jinja2 {expected:?}\n  here   {ending:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn expressions_give_jinjas_text() {
    let Expected { cases, language, .. } = expected();
    assert!(language.len() >= 90, "{}", language.len());
    let case = &cases["four turns"];
    let mut wrong = Vec::new();
    for Line { template, expected } in language {
        let (ending, why) = ending(&template, case);
        if ending != expected {
            wrong.push(format!("{template}: {why}\n  jinja2 {expected:?}\n  here   {ending:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn failures_say_what_and_where() {
    for (template, expected) in [
        ("a\n{{ nobody.name }}", "line 2: 'nobody' is undefined"),
        ("{% if true %}\n\n{{ messages[0].tools.x }}{% endif %}", "line 3: 'tools' is undefined"),
        ("\n\n{{ 'a' | shout }}", "line 3: no filter named 'shout'"),
        ("{{ 'a'.shout() }}", "line 1: 'str object' has no attribute 'shout'"),
        ("{{ 'a' + 1 }}", "line 1: unsupported operand types for +: 'str' and 'int'"),
        ("{% set l = [] %}{{ l.append(1) }}", "line 1: access to attribute 'append' of 'list' object is unsafe"),
        ("\n{% for m in messages %}", "line 2: the template ends where `else` or `endfor` was expected"),
        ("{% if true %}{% endfor %}", "line 1: unknown statement `endfor`"),
        ("{% include 'x' %}", "line 1: it uses the statement `include`"),
        ("{{ 'a }}", "line 1: a string does not end"),
        ("{# a", "line 1: a comment does not end"),
        ("{{ (1] }}", "line 1: unexpected `]`"),
        ("{{ 99999999999999999999 }}", "line 1: a whole number"),
        ("{{ 9223372036854775807 + 1 }}", "line 1: a whole number has more than 63 bits"),
        ("{{ '\\ud800' }}", "line 1: an escape in a string is no character"),
        ("{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}", "line 1: macro `f` takes at most 1 arguments"),
    ] {
        let found = failure(template);
        assert!(found.starts_with(expected), "{template}: {found}, not {expected}");
    }
}

/// What the template does to a message keeps the message's mark; what it writes itself has its own.
#[test]
fn marks_go_where_the_text_goes() {
    // The message is all in capitals or digits, what templates write here is neither.
    for template in [
        "a{{ messages[0].content }}b",
        "{{ messages[0].content | trim | lower | upper }}b",
        "{{ 'a' ~ messages[0].content[1:-1] + 'b' }}{{ messages[0].content[::-1] }}",
        "{{ messages[0].content.split('4')[1] }}a{{ messages[0].content.split() | join('b') }}",
        "{{ messages[0].content | replace('X', 'x') }}{{ 'aXb' | replace('X', messages[0].content) | replace('X', 'x') }}",
        "{{ messages[0].content | tojson }}{{ [messages[0].content] | string }}{{ {'a': messages[0].content} | tojson(indent=1) }}",
        "{{ 'a%sb' % messages[0].content }}{{ 'a{}b{:>30}'.format(messages[0].content, messages[0].content) }}",
        "{% set a %}b{{ messages[0].content }}{% endset %}{{ a | indent(2) }}{{ a.partition('4') | join }}",
        "{% macro f(x) %}<{{ x }}{{ caller() }}>{% endmacro %}{% call f(messages[0].content) %}{{ messages[0].content * 2 }}{% endcall %}",
        "{% for c in messages[0].content %}{{ c }}a{% endfor %}{{ messages[0].content | list | join }}{{ messages[0].content | reverse }}",
        "{{ messages[0].content | e }}{{ messages[0].content.center(40, '.') }}{{ messages[0].content.splitlines() | last }}",
        "{{ messages | map(attribute='content') | map('lower') | map('upper') | sort | first }}{{ messages | map(attribute='content') | list | tojson }}",
        "{{ messages[0].content.swapcase() | upper }}{{ messages[0].content | truncate(8, true, '') }}{{ dict(a=messages[0].content).a }}",
    ] {
        let text = only(template, " FOX 4 & HEN\n").unwrap();
        let mut of_message = 0;
        for (range, mark) in text.runs(0..text.as_str().len()) {
            let part = &text.as_str()[range];
            let typed = part.chars().any(|c| c.is_ascii_uppercase() || c == '4');
            // Escapes of a message's characters have its mark and small letters.
            assert!(mark == Mark::Message || !typed, "{template}: {part:?} is the template's");
            assert!(
                mark == Mark::Template || typed || part.trim().is_empty() || part.starts_with(['&', '\\', ' ']),
                "{template}: {part:?}"
            );
            of_message += usize::from(mark == Mark::Message);
        }
        assert!(of_message > 0, "{template}");
        let all: usize = text.runs(0..text.as_str().len()).map(|(range, _)| range.len()).sum();
        assert_eq!(all, text.as_str().len());
    }
}

#[test]
fn dates() {
    for (seconds, expected) in [
        (0, "1970-01-01 Thursday 001 00:00:00"),
        (951_782_399, "2000-02-28 Monday 059 23:59:59"),
        (951_868_799, "2000-02-29 Tuesday 060 23:59:59"),
        (978_220_800, "2000-12-31 Sunday 366 00:00:00"),
        (1_709_210_096, "2024-02-29 Thursday 060 12:34:56"),
        (1_735_689_599, "2024-12-31 Tuesday 366 23:59:59"),
        (4_102_444_800, "2100-01-01 Friday 001 00:00:00"),
        (-1, "1969-12-31 Wednesday 365 23:59:59"),
    ] {
        let mut text = String::new();
        let write = |part: &str| {
            text += part;
            Ok(())
        };
        clock::format("%Y-%m-%d %A %j %H:%M:%S", Moment::at(seconds), write).unwrap();
        assert_eq!(text, expected);
    }
    let mut text = String::new();
    let write = |part: &str| {
        text += part;
        Ok(())
    };
    clock::format("%d %b %Y|%-d.%-m.%y|%B %e|%I:%M %p|%a|%F %T|%%|%é|%", Moment::at(1_709_251_200), write).unwrap();
    assert_eq!(text, "01 Mar 2024|1.3.24|March  1|12:00 AM|Fri|2024-03-01 00:00:00|%|%é|%");
    let today = only("{{ strftime_now('%Y') | int > 2023 }}", "").unwrap();
    assert_eq!(today.as_str(), "True");
}

#[test]
fn variables_of_the_caller() {
    let read = |json: &str| serde_json::from_str::<Variables>(json);
    let variables = read(
        r#"{"a": {"b": [1, 2.5, null, true, "x"]}, "tools": [], "n": 18446744073709551615, "add_generation_prompt": 3}"#,
    );
    let text =
        marked("{{ a }} {{ tools }} {{ n }} {{ add_generation_prompt }} {{ a.b[4] }}", &[], &variables.unwrap(), true);
    assert_eq!(text.unwrap().as_str(), "{'b': [1, 2.5, None, True, 'x']} [] 1.8446744073709552e+19 3 x");
    for (json, expected) in [("[1]", "are an object"), ("3", "are an object")] {
        assert!(read(json).unwrap_err().to_string().contains(expected), "{json}");
    }
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(100), "]".repeat(100));
    assert!(read(&deep).unwrap_err().to_string().contains("more than 32 deep"));
    assert_eq!(read("null").unwrap(), Variables::NONE);
    let mut set = Variables::NONE;
    set.set("x", Variable::Int(1));
    set.set("x", Variable::String("two".to_owned()));
    assert_eq!(marked("{{ x }}", &[], &set, true).unwrap().as_str(), "two");
}
