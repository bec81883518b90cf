//! Schemas that are deep, long, wide, or go in circles.

use super::{list, nested, sizes, survives};
use crate::faults;
use b158_grammar::Kind;

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
