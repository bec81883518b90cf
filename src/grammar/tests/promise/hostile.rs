//! Texts that are made to break what reads them: each gives an answer or a refusal, on the stack of a worker, within so many steps.

use crate::json::strict;
use crate::table;
use crate::walk::{Dice, Temper, Walker};
use crate::words::WORDS;
use crate::{faults, rounds, small_stack, tally};
use b158_grammar::{Kind, Next};
use std::time::Instant;

/// Compiles, and takes some steps. What it says is at most a screen, and an answer that goes on breaks no promise.
fn survives(name: &str, kind: Kind, text: &str) -> Vec<String> {
    let start = Instant::now();
    let found = small_stack(name, || {
        let answer = match WORDS.vocabulary.answer(kind, text) {
            Ok(answer) => answer,
            Err(why) => {
                tally(|t| t.refused += 1);
                let said = why.to_string();
                return match said.len() {
                    1..=2000 => Vec::new(),
                    length => vec![format!("a message of {length} bytes: {said:.200}")],
                };
            }
        };
        tally(|t| t.schemas += 1);
        let mut found = Vec::new();
        for temper in [Temper::Endless, Temper::Closing] {
            // Clones share what they have worked out, and its bounds.
            let mut answer = match temper {
                Temper::Endless => answer.clone(),
                _ => WORDS.vocabulary.answer(kind, text).expect("an answer, as before"),
            };
            let mut mask = WORDS.mask();
            let mut dice = Dice(1);
            let mut taken = Vec::new();
            for step in 0..60 {
                match answer.next(&taken, &mut mask) {
                    Ok(Next::Whole) => break,
                    Ok(Next::Certain(bytes)) => taken = bytes.iter().take(3000).map(|&b| u32::from(b)).collect(),
                    Ok(Next::Choice) => {
                        let allowed: Vec<u32> = (0..WORDS.bytes.len() as u32)
                            .filter(|id| mask[*id as usize / 32] >> (id % 32) & 1 == 1)
                            .collect();
                        if allowed.is_empty() {
                            found.push(format!("{temper:?}: nothing is allowed at step {step}"));
                            break;
                        }
                        let open = |id: &&u32| WORDS.bytes[**id as usize].iter().all(|b| b"{[\":(<,".contains(b));
                        let close = |id: &&u32| {
                            WORDS.ends.contains(id) || WORDS.bytes[**id as usize].iter().all(|b| b"}])\"".contains(b))
                        };
                        let liked: Vec<u32> = if temper == Temper::Endless {
                            allowed.iter().filter(open).copied().collect()
                        } else {
                            allowed.iter().filter(close).copied().collect()
                        };
                        taken = vec![*dice.pick(if liked.is_empty() { &allowed } else { &liked })];
                    }
                    Err(why) => {
                        // What an expression or a grammar costs is seen on the way; but what can't begin is refused.
                        let costly = kind != Kind::JsonSchema || text.contains("pattern");
                        if !(costly && step > 0 && why.to_string().contains("more work")) {
                            found.push(format!("{temper:?}: an error at step {step}: {why}"));
                        }
                        break;
                    }
                }
            }
        }
        found
    });
    if start.elapsed().as_secs_f64() > 2.0 {
        println!("{name}: {:?}", start.elapsed());
    }
    found.into_iter().map(|what| format!("{name}: {what}")).collect()
}

/// `text` so often, around `inside`.
fn nested(open: &str, inside: &str, close: &str, times: usize) -> String {
    [&open.repeat(times), inside, &close.repeat(times)].concat()
}

/// The sizes up to `usual`; all of them if more is asked for than usual.
fn sizes(all: &[usize], usual: usize) -> Vec<usize> {
    all.iter().copied().filter(|&size| size <= usual || rounds(1) > 1).collect()
}

fn list(n: usize, one: impl FnMut(usize) -> String) -> String {
    (0..n).map(one).collect::<Vec<_>>().join(",")
}

fn schemas() -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut add = |name: &str, text: String| all.push((name.to_owned(), text));
    for times in sizes(&[30, 100, 250, 3000, 100_000], 3000) {
        add(&format!("{times} lists in lists"), nested("[", "", "]", times));
        add(&format!("{times} schemas of lists"), nested(r#"{"type":"array","maxItems":1,"items":"#, "{}", "}", times));
        add(&format!("{times} required lists"), nested(r#"{"type":"array","minItems":1,"items":"#, "{}", "}", times));
        add(
            &format!("{times} objects"),
            nested(
                r#"{"type":"object","required":["a"],"additionalProperties":false,"properties":{"a":"#,
                "{}",
                "}}",
                times,
            ),
        );
        add(&format!("{times} allOf"), nested(r#"{"allOf":["#, r#"{"type":"integer"}"#, "]}", times));
        add(&format!("{times} anyOf"), nested(r#"{"anyOf":["#, r#"{"type":"integer"}"#, "]}", times));
        add(
            &format!("{times} anyOf of two"),
            nested(r#"{"anyOf":[{"const":1},"#, r#"{"type":"integer"}"#, "]}", times),
        );
        add(&format!("{times} oneOf"), nested(r#"{"oneOf":[{"const":"a"},"#, r#"{"type":"integer"}"#, "]}", times));
        add(&format!("{times} not"), nested(r#"{"not":"#, "{}", "}", times));
        add(
            &format!("{times} additionalProperties"),
            nested(r#"{"type":"object","additionalProperties":"#, "{}", "}", times),
        );
        add(
            &format!("{times} patternProperties"),
            nested(r#"{"type":"object","patternProperties":{"^a":"#, "{}", "}}", times),
        );
        add(&format!("{times} prefixItems"), nested(r#"{"type":"array","prefixItems":["#, "{}", "]}", times));
        add(&format!("{times} lists in a const"), format!("{{\"const\":{}}}", nested("[", "1", "]", times)));
        add(&format!("{times} objects in an enum"), format!("{{\"enum\":[{}]}}", nested("{\"a\":", "1", "}", times)));
        add(
            &format!("{times} objects in an example"),
            format!("{{\"const\":1,\"examples\":[{}]}}", nested("{\"a\":", "1", "}", times)),
        );
        add(
            &format!("{times} parentheses in a pattern"),
            format!(r#"{{"type":"string","pattern":"{}"}}"#, nested("(", "a", ")", times)),
        );
        add(
            &format!("{times} counts in a pattern"),
            format!(r#"{{"type":"string","pattern":"{}"}}"#, nested("(?:", "a", "){2}", times)),
        );
    }
    for times in sizes(&[50, 300, 3000, 30_000], 3000) {
        let chain = list(times, |n| format!(r##""d{n}":{{"$ref":"#/$defs/d{}"}}"##, n + 1));
        add(
            &format!("{times} references"),
            format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{chain},"d{times}":{{"const":1}}}}}}"##),
        );
        let chain =
            list(times, |n| format!(r##""d{n}":{{"allOf":[{{"$ref":"#/$defs/d{}"}},{{"type":"integer"}}]}}"##, n + 1));
        add(
            &format!("{times} references in allOf"),
            format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{chain},"d{times}":{{"const":1}}}}}}"##),
        );
        let chain =
            list(times, |n| format!(r##""d{n}":{{"anyOf":[{{"$ref":"#/$defs/d{}"}},{{"type":"null"}}]}}"##, n + 1));
        add(
            &format!("{times} references in anyOf"),
            format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{chain},"d{times}":{{"const":1}}}}}}"##),
        );
        let chain = list(times, |n| {
            format!(
                r##""d{n}":{{"type":"object","properties":{{"a":{{"$ref":"#/$defs/d{}"}}}},"required":["a"],"additionalProperties":false}}"##,
                n + 1
            )
        });
        add(
            &format!("{times} references that are required"),
            format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{chain},"d{times}":{{"const":1}}}}}}"##),
        );
        let chain = list(times, |n| {
            format!(r##""d{n}":{{"type":"array","items":{{"$ref":"#/$defs/d{}"}}}}"##, (n + 1) % times)
        });
        add(&format!("{times} references in a ring"), format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{chain}}}}}"##));
        let chain = list(times, |n| {
            format!(
                r##""d{n}":{{"type":"object","properties":{{"a":{{"$ref":"#/$defs/d{0}"}},"b":{{"$ref":"#/$defs/d{0}"}}}},"required":["a","b"]}}"##,
                n + 1
            )
        });
        add(
            &format!("{times} references that double"),
            format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{chain},"d{times}":{{"const":1}}}}}}"##),
        );
        let chain = list(times, |n| {
            format!(r##""d{n}":{{"anyOf":[{{"$ref":"#/$defs/d{0}"}},{{"$ref":"#/$defs/d{0}"}}]}}"##, n + 1)
        });
        add(
            &format!("{times} references that double in anyOf"),
            format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{chain},"d{times}":{{"const":1}}}}}}"##),
        );
        let chain = list(times, |n| {
            format!(r##""d{n}":{{"allOf":[{{"$ref":"#/$defs/d{0}"}},{{"$ref":"#/$defs/d{0}"}}]}}"##, n + 1)
        });
        add(
            &format!("{times} references that double in allOf"),
            format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{chain},"d{times}":{{"const":1}}}}}}"##),
        );
    }
    for n in sizes(&[50, 1500, 2000, 20_000], 1500) {
        add(
            &format!("enum of {n}"),
            format!("{{\"enum\":[{}]}}", list(n, |i| format!("\"colour {:05}\"", i * 7919 % 100_003))),
        );
        add(
            &format!("enum of {n} numbers"),
            format!("{{\"enum\":[{}]}}", list(n, |i| format!("{}", i * 7919 % 100_003))),
        );
        add(
            &format!("enum of {n} objects"),
            format!("{{\"enum\":[{}]}}", list(n, |i| format!("{{\"a\":{i},\"b\":\"{i}\"}}"))),
        );
        add(
            &format!("{n} constants in anyOf"),
            format!("{{\"anyOf\":[{}]}}", list(n, |i| format!("{{\"const\":{i}}}"))),
        );
        add(
            &format!("{n} constants in oneOf"),
            format!("{{\"oneOf\":[{}]}}", list(n, |i| format!("{{\"const\":{i}}}"))),
        );
        add(
            &format!("{n} texts in oneOf"),
            format!("{{\"oneOf\":[{}]}}", list(n, |i| format!("{{\"type\":\"string\",\"pattern\":\"^{i}\"}}"))),
        );
        add(
            &format!("{n} bounds in allOf"),
            format!("{{\"allOf\":[{}]}}", list(n, |i| format!("{{\"minimum\":{i}}}"))),
        );
        add(
            &format!("{n} patterns in allOf"),
            format!("{{\"type\":\"string\",\"allOf\":[{}]}}", list(n, |i| format!("{{\"pattern\":\"{i}\"}}"))),
        );
        add(
            &format!("{n} optional properties"),
            format!(
                "{{\"type\":\"object\",\"properties\":{{{}}},\"additionalProperties\":false}}",
                list(n, |i| format!("\"p{i}\":{{\"const\":{i}}}"))
            ),
        );
        add(
            &format!("{n} optional properties, at most 3"),
            format!(
                "{{\"type\":\"object\",\"maxProperties\":3,\"properties\":{{{}}},\"additionalProperties\":false}}",
                list(n, |i| format!("\"p{i}\":{{\"const\":{i}}}"))
            ),
        );
        add(
            &format!("{n} optional properties, at least half"),
            format!(
                "{{\"type\":\"object\",\"minProperties\":{},\"properties\":{{{}}},\"additionalProperties\":false}}",
                n / 2,
                list(n, |i| format!("\"p{i}\":{{\"const\":{i}}}"))
            ),
        );
        add(
            &format!("{n} optional properties, open"),
            format!(
                "{{\"type\":\"object\",\"properties\":{{{}}}}}",
                list(n, |i| format!("\"p{i}\":{{\"const\":{i}}}"))
            ),
        );
        add(
            &format!("{n} required names"),
            format!("{{\"type\":\"object\",\"required\":[{}]}}", list(n, |i| format!("\"p{i}\""))),
        );
        add(
            &format!("{n} patterns of keys"),
            format!(
                "{{\"type\":\"object\",\"patternProperties\":{{{}}}}}",
                list(n, |i| format!("\"^p{i}\":{{\"const\":{i}}}"))
            ),
        );
        add(
            &format!("{n} prefix items"),
            format!("{{\"type\":\"array\",\"prefixItems\":[{}]}}", list(n, |i| format!("{{\"const\":{i}}}"))),
        );
        add(&format!("{n} unknown keywords"), format!("{{{}}}", list(n, |i| format!("\"keyword {i}\":{i}"))));
        add(
            &format!("{n} definitions"),
            format!("{{\"const\":1,\"$defs\":{{{}}}}}", list(n, |i| format!("\"d{i}\":{{\"type\":\"string\"}}"))),
        );
        add(
            &format!("{n} formats in a row"),
            format!(
                "{{\"type\":\"array\",\"items\":false,\"prefixItems\":[{}]}}",
                list(n, |_| "{\"type\":\"string\",\"format\":\"date-time\"}".into())
            ),
        );
    }
    for times in [5, 8, 12, 40] {
        let choices =
            list(times, |i| format!(r#"{{"anyOf":[{{"minimum":{i}}},{{"maximum":{}}},{{"const":{i}}}]}}"#, i * 2));
        add(&format!("anyOf times anyOf, {times}"), format!("{{\"type\":\"integer\",\"allOf\":[{choices}]}}"));
        let choices = list(times, |i| format!(r#"{{"anyOf":[{{"required":["a{i}"]}},{{"required":["b{i}"]}}]}}"#));
        add(&format!("anyOf of required, {times}"), format!("{{\"type\":\"object\",\"allOf\":[{choices}]}}"));
        let choices = list(times, |i| format!(r#"{{"oneOf":[{{"required":["a{i}"]}},{{"required":["b{i}"]}}]}}"#));
        add(&format!("oneOf of required, {times}"), format!("{{\"type\":\"object\",\"allOf\":[{choices}]}}"));
    }
    for n in [
        "1000",
        "10000",
        "60000",
        "1000000",
        "4294967295",
        "4294967296",
        "18446744073709551615",
        "18446744073709551616",
        "1e18",
        "1e400",
    ] {
        for keyword in [
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minProperties",
            "maxProperties",
            "minimum",
            "maximum",
            "multipleOf",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "minContains",
            "const",
        ] {
            add(&format!("{keyword} {n}"), format!("{{\"{keyword}\":{n}}}"));
            add(
                &format!("{keyword} {n} beside others"),
                format!(
                    r#"{{"type":["string","array","object","number"],"{keyword}":{n},"pattern":"^(a|b)*$","items":{{"type":"integer"}},"additionalProperties":{{"type":"boolean"}}}}"#
                ),
            );
        }
        add(
            &format!("{n} lists of {n}"),
            format!(
                r#"{{"type":"array","minItems":{n},"items":{{"type":"array","minItems":{n},"items":{{"type":"string","minLength":{n}}}}}}}"#
            ),
        );
        add(&format!("a pattern {n} times"), format!(r#"{{"type":"string","pattern":"^(a|bb){{{n}}}$"}}"#));
        add(
            &format!("a pattern and {n} characters"),
            format!(r#"{{"type":"string","pattern":"a.*b.*c","minLength":{n}}}"#),
        );
        add(
            &format!("any key and {n} characters"),
            format!(r#"{{"type":"object","propertyNames":{{"minLength":{n}}},"minProperties":1}}"#),
        );
    }
    for pattern in [
        "(a{1000}){1000}",
        "((((a{10}){10}){10}){10}){10}",
        "(.*a){50}",
        "(a|b|ab)*c{500}",
        ".*a.{20}$",
        ".*a.{200}$",
        "(x+x+)+y",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(?:(?:a?){100}){100}",
        "[^a]{5000}",
        "\\w{10000}",
        ".{0,65535}",
        "(.{1,100}){1,100}",
        "a{2147483648}",
        "(?i)[a-z]{3000}",
        "\\p{L}{1000}",
        "([\\s\\S]*x){30}",
    ] {
        add(&format!("pattern {pattern}"), serde_json::json!({"type": "string", "pattern": pattern}).to_string());
        add(
            &format!("pattern {pattern} and length"),
            serde_json::json!({"type": "string", "pattern": pattern, "minLength": 7, "maxLength": 90}).to_string(),
        );
        add(
            &format!("keys of {pattern}"),
            serde_json::json!({"type": "object", "patternProperties": {pattern: {"type": "integer"}}}).to_string(),
        );
        add(
            &format!("pattern {pattern} twice"),
            serde_json::json!({"type": "string", "allOf": [{"pattern": pattern}, {"pattern": format!("^{pattern}b")}]})
                .to_string(),
        );
    }
    let long = "ä\"\\\n🦊".repeat(20_000);
    add("a long constant", serde_json::json!({"const": long}).to_string());
    add(
        "a long name",
        serde_json::json!({"type": "object", "properties": {long.clone(): {"const": 1}}, "required": [long.clone()]})
            .to_string(),
    );
    add("a long unknown keyword", serde_json::json!({long.clone(): 1}).to_string());
    add("a long type", serde_json::json!({"type": long}).to_string());
    add("a long reference", serde_json::json!({"$ref": format!("#/{long}")}).to_string());
    add("a long pattern", serde_json::json!({"type": "string", "pattern": "a[".repeat(50_000)}).to_string());
    add("a long format", serde_json::json!({"type": "string", "format": long}).to_string());
    add("a long number", format!("{{\"const\":{}}}", "9".repeat(100_000)));
    add("a long fraction", format!("{{\"minimum\":0.{}}}", "1".repeat(100_000)));
    add("a long exponent", format!("{{\"maximum\":1e{}}}", "9".repeat(100_000)));
    add("much white space", format!("{}{{\"const\":1}}{}", " \n".repeat(500_000), "\t".repeat(1000)));
    add("many megabytes", format!("{{\"description\":\"{}\",\"const\":1}}", "x".repeat(5_000_000)));
    for value in [
        "null",
        "true",
        "false",
        "0",
        "-1",
        "1.5",
        "1e400",
        "\"\"",
        "\"a\"",
        "[]",
        "[[]]",
        "{}",
        "[null]",
        "[1]",
        "[\"a\"]",
        "{\"a\":1}",
    ] {
        add(&format!("the text {value}"), value.to_owned());
    }
    all
}

#[test]
fn hostile_schemas_are_survived() {
    faults(schemas().iter().flat_map(|(name, text)| survives(name, Kind::JsonSchema, text)).collect());
}

#[test]
fn hostile_expressions_are_survived() {
    let mut all: Vec<(String, String)> = Vec::new();
    for times in sizes(&[10, 100, 250, 3000, 100_000], 3000) {
        all.push((format!("{times} parentheses"), nested("(", "a", ")", times)));
        all.push((format!("{times} groups that repeat"), nested("(?:", "a", ")*", times)));
        all.push((format!("{times} optional groups"), nested("(?:a", "", ")?", times)));
        all.push((format!("{times} groups to choose"), nested("(a|", "b", ")", times)));
        all.push((format!("{times} branches"), vec!["ab"; times].join("|")));
        all.push((
            format!("{times} different branches"),
            (0..times).map(|n| format!("b{n}")).collect::<Vec<_>>().join("|"),
        ));
        all.push((format!("{times} times .*"), ".*a".repeat(times)));
        all.push((format!("{times} times a?"), "a?".repeat(times)));
        all.push((format!("{times} classes"), "[a-zäöü日🦊\\w]".repeat(times)));
        all.push((format!("{times} brackets"), "[".repeat(times)));
        all.push((format!("{times} open groups"), "(".repeat(times)));
        all.push((format!("{times} backslashes"), "\\".repeat(times)));
        all.push((format!("{times} letters"), "ab".repeat(times)));
        all.push((format!("{times} carets"), "^".repeat(times)));
        all.push((format!("count {times}"), format!("x{{{times}}}")));
        all.push((format!("count of counts {times}"), format!("(x{{{times}}}){{{times}}}")));
        all.push((format!("count up to {times}"), format!("(ab|c){{0,{times}}}")));
    }
    for text in [
        "",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "*",
        "+",
        "?",
        "|",
        "||",
        "()",
        "(|)",
        "[^]",
        "[]",
        "[a",
        "[z-a]",
        "a{",
        "a{1",
        "a{1,",
        "a{2,1}",
        "a**",
        "a*+",
        "\\",
        "\\8",
        "\\1",
        "(?",
        "(?:",
        "(?<",
        "(?<a",
        "(?<a>",
        "(?P=a)",
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        "(?<!a)",
        "(?>a)",
        "(?#c)",
        "\\u",
        "\\u{",
        "\\u{110000}",
        "\\ud800",
        "\\x",
        "\\xg",
        "\\c",
        "\\p",
        "\\p{",
        "\\p{Nope}",
        "\\k<a>",
        "\\b",
        "\\B",
        "\\A",
        "\\z",
        "\\Z",
        "\\G",
        "\\Q",
        "^",
        "$",
        "$^",
        "a^",
        "$a",
        "^^",
        "(?i",
        "(?i)",
        "(?-i)a",
        "(?x) a",
        "(?u)a",
        "(?s).",
        "(?U)a*",
        "[[:alpha:]]",
        "[a&&b]",
        "[a--b]",
        "[a~~b]",
        "\0",
        "a\u{0}b",
        "\n",
        "\r\n",
        "/",
        "a/b",
        "\\/",
        "\"",
        "\u{feff}",
        "{,5}",
        "x{,5}",
        "x{1,2}{3,4}",
        "(a|b|)*",
        "(a*)*",
        "(a*)+",
        "((a*)*)*",
        "[^\\s\\S]",
        "[^\\d\\D]",
        "\\d{99999999999999999999}",
        "a{0}",
        "(a{0}b{0}){0}",
        ".",
        "(.|\\n)*",
        "[\\d-z]",
        "[\\w-\\d]",
        "[-a]",
        "[a-]",
        "[^-]",
        "[\\b]",
        "(a{1000}){1000}",
        "\u{1f98a}{2}",
        "\u{301}",
        "\\-",
        "\\_",
        "\\@",
        "\\e",
        "\\a",
        "\\h",
        "\\R",
        "\\X",
        "\\N",
    ] {
        all.push((format!("expression {text:?}"), text.to_owned()));
    }
    faults(all.iter().flat_map(|(name, text)| survives(name, Kind::Regex, text)).collect());
}

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

/// A text with some of its characters or pieces changed.
fn mutated(text: &str, other: &str, dice: &mut Dice) -> String {
    const PIECES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        "\"",
        ",",
        ":",
        "null",
        "true",
        "-1",
        "1e999",
        "9007199254740993",
        "\"$ref\":\"#\"",
        "\"type\":\"array\"",
        "\"not\":{}",
        "\\",
        "\u{0}",
        "🦊",
        "(",
        "*",
        "{2,",
        "\\u",
        "~",
        "/",
    ];
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..1 + dice.below(3) {
        let at = dice.below(characters.len() + 1);
        let end = (at + dice.below(12)).min(characters.len());
        match dice.below(5) {
            0 => drop(characters.drain(at..end)),
            1 => drop(characters.splice(at..at, characters[at..end].to_vec())),
            2 => drop(characters.splice(at..end, dice.pick(PIECES).chars())),
            3 => drop(characters.splice(at..at, dice.pick(PIECES).chars())),
            _ => {
                let other: Vec<char> = other.chars().collect();
                let from = dice.below(other.len() + 1);
                let to = (from + dice.below(40)).min(other.len());
                drop(characters.splice(at..at, other[from..to].iter().copied()));
            }
        }
    }
    characters.into_iter().collect()
}

/// A schema with some of its keywords taken away, doubled or given other values, which stays JSON.
fn grafted(json: &mut serde_json::Value, other: &serde_json::Value, dice: &mut Dice) {
    use serde_json::Value;
    match json {
        Value::Object(members) if !members.is_empty() => {
            let key = members.keys().nth(dice.below(members.len())).expect("a key").clone();
            match dice.below(6) {
                0 => drop(members.shift_remove(&key)),
                1 => drop(members.insert(key, other.clone())),
                2 => {
                    if let Value::Object(from) = other {
                        members.extend(from.clone());
                    }
                }
                3 => {
                    let value = members[&key].clone();
                    members.insert(
                        dice.pick(&[
                            "items",
                            "properties",
                            "not",
                            "anyOf",
                            "minimum",
                            "$ref",
                            "const",
                            "required",
                            "pattern",
                            "type",
                            "$defs",
                        ])
                        .to_string(),
                        value,
                    );
                }
                _ => grafted(&mut members[&key], other, dice),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = dice.below(items.len());
            match dice.below(4) {
                0 => drop(items.remove(at)),
                1 => items.push(other.clone()),
                _ => grafted(&mut items[at], other, dice),
            }
        }
        value => *value = other.clone(),
    }
}

#[test]
fn mutated_schemas_are_survived() {
    let all: Vec<&str> = table::all().map(|case| case.schema).collect();
    let mut found = Vec::new();
    for seed in 0..rounds(600) as u64 {
        let mut dice = Dice(seed);
        let (one, other) = (*dice.pick(&all), *dice.pick(&all));
        let text = match (serde_json::from_str::<serde_json::Value>(one), serde_json::from_str(other)) {
            (Ok(mut one), Ok(other)) if dice.below(3) > 0 => {
                for _ in 0..1 + dice.below(3) {
                    grafted(&mut one, &other, &mut dice);
                }
                one.to_string()
            }
            _ => mutated(one, other, &mut dice),
        };
        let name = format!("mutation {seed}");
        let mut faults = survives(&name, Kind::JsonSchema, &text);
        if faults.is_empty() {
            faults = small_stack(&name, || kept(&text, seed));
        }
        found.extend(faults.into_iter().map(|what| format!("{name}: {what}: {text:.400}")));
        if found.len() > 20 {
            break;
        }
    }
    faults(found);
}

#[test]
fn mutated_grammars_and_expressions_are_survived() {
    let grammars: Vec<&str> = crate::lark::texts().collect();
    let schemas: Vec<&str> = table::all().map(|case| case.schema).filter(|schema| schema.contains("pattern")).collect();
    let mut found = Vec::new();
    for seed in 0..rounds(400) as u64 {
        let mut dice = Dice(seed);
        let (kind, text) = if dice.below(2) == 0 {
            (Kind::Lark, mutated(dice.pick::<&str>(&grammars), dice.clone().pick::<&str>(&grammars), &mut dice))
        } else {
            (Kind::Regex, mutated(dice.pick::<&str>(&schemas), dice.clone().pick::<&str>(&grammars), &mut dice))
        };
        let name = format!("mutation {seed}");
        found.extend(survives(&name, kind, &text).into_iter().map(|what| format!("{what}: {text:.300}")));
    }
    faults(found);
}

/// What is kept of a mutation is kept rightly.
fn kept(schema: &str, seed: u64) -> Vec<String> {
    let (Ok(answer), Ok(judge)) = (WORDS.vocabulary.answer(Kind::JsonSchema, schema), crate::judge::Judge::new(schema))
    else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for temper in [Temper::Wild, Temper::Words] {
        match Walker::new(answer.clone(), seed).walk(temper, 40) {
            Ok(walked) => {
                tally(|t| t.walked(&walked));
                if let Err(why) = judge.check(&walked.text) {
                    found.push(format!("{why}: {:.200}", String::from_utf8_lossy(&walked.text)));
                }
            }
            // The way to the end of a pattern may be a word.
            Err(broken) if broken.what == "no end in sight" && schema.contains("pattern") => tally(|t| t.endless += 1),
            Err(broken) => found.push(broken.to_string()),
        }
    }
    found
}

#[test]
fn what_is_no_json_is_refused_as_a_schema() {
    let all: Vec<&str> = table::all().map(|case| case.schema).collect();
    let mut dice = Dice(3);
    for _ in 0..rounds(300) {
        let one = *dice.pick(&all);
        let text = mutated(one, "", &mut dice);
        if strict(text.trim_matches([' ', '\n', '\t', '\r'])).is_err()
            && serde_json::from_str::<serde_json::Value>(&text).is_err()
        {
            assert!(small_stack("no JSON", || WORDS.vocabulary.answer(Kind::JsonSchema, &text)).is_err(), "{text:?}");
        }
    }
}
