//! Grammars that are deep, long, go in circles, or none.

use super::{nested, sizes, survives};
use crate::faults;
use b158_grammar::Kind;

#[test]
fn hostile_grammars_are_survived() {
    let mut all: Vec<(String, String)> = Vec::new();
    for times in sizes(&[30, 300, 3000, 30_000], 3000) {
        all.push((
            format!("{times} rules in a chain"),
            format!(
                "start: r0\n{}r{times}: \"x\"\n",
                (0..times).map(|n| format!("r{n}: r{}\n", n + 1)).collect::<String>()
            ),
        ));
        all.push((
            format!("{times} rules in a chain with text"),
            format!(
                "start: r0\n{}r{times}: \"x\"\n",
                (0..times).map(|n| format!("r{n}: \"a\" r{} \"b\"\n", n + 1)).collect::<String>()
            ),
        ));
        all.push((
            format!("{times} rules in a chain backwards"),
            format!(
                "r0: \"x\"\n{}start: r{times}\n",
                (0..times).map(|n| format!("r{}: r{n}\n", n + 1)).collect::<String>()
            ),
        ));
        all.push((
            format!("{times} rules in a ring"),
            format!(
                "start: r0\n{}",
                (0..times).map(|n| format!("r{n}: r{} | \"x\"\n", (n + 1) % times)).collect::<String>()
            ),
        ));
        all.push((
            format!("{times} rules that double"),
            format!(
                "start: r0\n{}r{times}: \"x\"\n",
                (0..times).map(|n| format!("r{n}: r{0} r{0}\n", n + 1)).collect::<String>()
            ),
        ));
        all.push((
            format!("{times} terminals in a chain"),
            format!(
                "start: T0\n{}T{times}: \"x\"\n",
                (0..times).map(|n| format!("T{n}: T{}\n", n + 1)).collect::<String>()
            ),
        ));
        all.push((
            format!("{times} terminals that double"),
            format!(
                "start: T0\n{}T{times}: \"x\"\n",
                (0..times).map(|n| format!("T{n}: T{0} T{0}\n", n + 1)).collect::<String>()
            ),
        ));
        all.push((format!("{times} parentheses"), format!("start: {}\n", nested("(", "\"a\"", ")", times))));
        all.push((format!("{times} brackets"), format!("start: {}\n", nested("[", "\"a\"", "]", times))));
        all.push((format!("{times} optional groups"), format!("start: {}\n", nested("(\"a\" ", "\"b\"", ")?", times))));
        all.push((
            format!("{times} groups in a terminal"),
            format!("start: A\nA: {}\n", nested("(", "\"a\"", ")", times)),
        ));
        all.push((
            format!("{times} alternatives"),
            format!("start: {}\n", (0..times).map(|n| format!("\"a{n}\"")).collect::<Vec<_>>().join(" | ")),
        ));
        all.push((format!("{times} strings in a row"), format!("start: {}\n", "\"a\" ".repeat(times))));
        all.push((
            format!("{times} terminals"),
            format!(
                "start: {}\n{}",
                (0..times).map(|n| format!("T{n}")).collect::<Vec<_>>().join(" | "),
                (0..times).map(|n| format!("T{n}: /a{n}[a-z]*/\n")).collect::<String>()
            ),
        ));
        all.push((format!("{times} empty rules"), format!("start: {} \"x\"\ne: |\n", "e ".repeat(times))));
        all.push((format!("{times} stars"), format!("start: \"a\"{}\n", "*".repeat(times))));
        all.push((format!("{times} complements"), format!("start: A\nA: {}/a/\n", "~".repeat(times))));
        all.push((format!("count {times}"), format!("start: \"x\"{{{times}}}\n")));
        all.push((format!("count of counts {times}"), format!("start: (\"x\"{{{times}}}){{{times}}}\n")));
        all.push((format!("tilde {times}"), format!("start: \"x\"~{times}..{}\n", times * 2)));
        all.push((format!("count of a rule {times}"), format!("start: a{{{times}}}\na: \"b\"? \"c\"\n")));
        all.push((
            format!("{times} ignores"),
            format!("start: \"a\" \"b\"\n{}", (0..times).map(|n| format!("%ignore /x{n}/\n")).collect::<String>()),
        ));
        all.push((
            format!("{times} lists in a schema"),
            format!("start: %json {}\n", nested(r#"{"type":"array","items":"#, "{}", "}", times)),
        ));
        all.push((
            format!("{times} lists in lists in %json"),
            format!("start: %json {}\n", nested("[", "", "]", times)),
        ));
        all.push((
            format!("{times} grammars in grammars"),
            format!("start: {}\n", nested("%lark { start: ", "\"a\"", " }", times)),
        ));
        all.push((format!("a string of {times}"), format!("start: \"{}\"\n", "a".repeat(times))));
        all.push((format!("an expression of {times}"), format!("start: /{}/\n", "a[bc]".repeat(times))));
        all.push((format!("a name of {times}"), format!("start: {0}\n{0}: \"a\"\n", "a".repeat(times))));
        all.push((format!("{times} lines of comments"), format!("{}start: \"a\"\n", "// nothing\n".repeat(times))));
        all.push((format!("{times} line feeds"), format!("start: \"a\"{}", "\n".repeat(times))));
    }
    for text in [
        "start: (",
        "start: [",
        "start: \"a\"{",
        "start: \"a\"~",
        "start: ~",
        "start: &",
        "start: /a/ &",
        "start: |",
        "start: ||",
        "start:",
        "start",
        ":",
        "%",
        "%json",
        "start: %json",
        "start: %json {",
        "start: %json [1]",
        "start: %json 1",
        "start: %json \"a\"",
        "start: %regex",
        "start: %regex {}",
        "start: %regex {\"substring_chars\": \"abc\"}",
        "start: %regex {\"substring_words\": \"a b c\"}",
        "start: %regex {\"no\": 1}",
        "%ignore",
        "%ignore X",
        "%import",
        "%import common",
        "%import common.WS\nstart: WS",
        "%declare",
        "%llguidance",
        "%llguidance {",
        "%llguidance {}\nstart: \"a\"",
        "%llguidance {\"allow_initial_skip\": true}\nstart: \"a\"",
        "start: <[0]>",
        "start: <[0-5]>",
        "start: <[^0-5]>",
        "start: <[*]>",
        "start: <[5-0]>",
        "start: <[]>",
        "start: <>",
        "start: <",
        "start: <|eot|>",
        "start: <|end_of_text|>",
        "start: @a",
        "start: @",
        "start: \"a\"..",
        "start: \"a\"..\"\"",
        "start: \"z\"..\"a\"",
        "start: \"ab\"..\"c\"",
        "start: A\nA: \"a\"..\"🦊\"",
        "start[max_tokens=3]: /.*/",
        "start[max_tokens=99999999999]: /.*/",
        "start[stop=\"x\"]: /.*/",
        "start[suffix=\"x\"]: /.*/",
        "start[lazy]: /.*/",
        "start[capture]: /a*/",
        "start[capture=\"\"]: /a*/",
        "start[temperature=0.5]: /a*/",
        "start[no=1]: /a/",
        "start[stop=/a/]: /.*/",
        "start: a\na[stop=\"\"]: /.*/",
        "start: a \"b\"\na[lazy]: /.*/",
        "start: gen\ngen: /.*/\ngen: \"a\"",
        "start: /(/",
        "start: //",
        "start: ///",
        "start: /a/imslux",
        "start: /a/q",
        "start: \"a\"q",
        "start: \"a\" : \"b\"",
        "start: a.b",
        "start: a,b",
        "start: a::b",
        "start: \"a\" -> -> x",
        "start: A{2}\nA: ",
        "?: \"a\"",
        "!start: \"a\"",
        "_: \"a\"",
        "start: _",
        "start: start?",
        "start: start*",
        "start: start start | ",
        "start: (start)",
        "start: a | start\na: start",
        "start: \"\"",
        "start: //\n",
        "start: /\\b/",
        "start: /a(?=b)/",
        "start: /(?P<x>a)(?P=x)/",
        "start: A\nA: A",
        "start: A\nA: B B\nB: A A",
        "start: %lark { start: \"a\" }",
        "start: %lark {",
        "start: a\na: %json {\"type\":\"object\"} a | ",
        "start: \"\u{0}\"",
        "start: \"\\ud800\"",
        "start: \"\\u{110000}\"",
        "start: \"\\x80\"",
        "start: /\\xff/",
        "start: \"\\",
        "start: \"\\\"",
        "start\u{a0}: \"a\"",
        "stärt: \"a\"",
        "start: ä",
        "start: \"a\"\u{2028}",
        "\u{feff}start: \"a\"",
    ] {
        all.push((format!("grammar {text:?}"), text.to_owned()));
    }
    faults(all.iter().flat_map(|(name, text)| survives(name, Kind::Lark, text)).collect());
}
