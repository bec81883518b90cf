//! Answers of a form: what is printed is the answer and nothing else, and what is no form is refused before a token.

use super::{MODEL, b158, out, refusal, said, temporary};
use serde_json::{Value, json};

const FOX: &str = "Tell me about a fox.";
const SCHEMA: &str = r#"{"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}, "age": {"type": "integer", "minimum": 1, "maximum": 19},
    "tame": {"type": "boolean"}}, "required": ["name", "age", "tame"], "additionalProperties": false}"#;

fn answer(extra: &[&str]) -> String {
    out(&[&["run", "-q", "-m", MODEL, "-p", FOX, "-n", "120", "--temp", "1"], extra].concat(), "")
}

fn fox(text: &str) -> Value {
    let fox: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let keys: Vec<&String> = fox.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["name", "age", "tame"], "{text}");
    assert!(fox["name"].as_str().unwrap().chars().count() <= 9, "{text}");
    assert!((1..20).contains(&fox["age"].as_i64().unwrap()) && fox["tame"].is_boolean(), "{text}");
    fox
}

#[test]
fn a_schema_is_a_text_or_a_file() {
    let path = temporary("fox.schema.json");
    let file = path.to_str().unwrap();
    let mut answers = std::collections::BTreeSet::new();
    for seed in ["1", "2", "3"] {
        let text = answer(&["-s", seed, "--json-schema", SCHEMA]);
        fox(&text);
        assert!(text.ends_with("}\n"), "{text}");
        // Files as editors of all systems leave them, and as llama-cli takes them.
        for file_text in [SCHEMA.to_owned(), format!("\u{feff}{}\r\n", SCHEMA.replace('\n', "\r\n"))] {
            std::fs::write(&path, file_text).unwrap();
            for option in ["--json-schema", "-j", "-jf", "--json-schema-file"] {
                assert_eq!(answer(&["-s", seed, option, file]), text, "{option}");
            }
        }
        let more = ["-t", "1", "--ignore-eos", "-b", "3"];
        assert_eq!(answer(&[&more[..], &["-s", seed, "-j", &format!("  \n{SCHEMA}")]].concat()), text);
        answers.insert(text);
    }
    assert!(answers.len() > 1, "{answers:?}");
    assert_eq!(answer(&["-j", r#"{"const": "a \"fox\""}"#]), "\"a \\\"fox\\\"\"\n");
}

#[test]
fn a_regular_expression_and_a_grammar() {
    let path = temporary("fox.lark");
    std::fs::write(&path, "start: \"a \" COLOUR \" fox\"\nCOLOUR: \"red\" | \"grey\"\n").unwrap();
    for seed in ["1", "2", "3"] {
        for form in [["--regex", "a (red|grey) fox"], ["--grammar", path.to_str().unwrap()]] {
            let text = answer(&[&["-s", seed], &form[..]].concat());
            assert!(["a red fox\n", "a grey fox\n"].contains(&text.as_str()), "{text}");
        }
    }
    // One that begins like an option.
    assert_eq!(answer(&["--regex", "-m"]), "-m\n");
    assert_eq!(answer(&["--regex=--"]), "--\n");
}

#[test]
fn the_last_line_tells_what_the_form_did_and_whether_the_answer_was_cut() {
    let report = |n: &str| {
        let output = b158(&["run", "-m", MODEL, "-p", FOX, "-n", n, "--temp", "0", "-j", SCHEMA], "");
        assert!(output.status.success());
        (said(&output.stdout), said(&output.stderr).lines().last().unwrap().to_owned())
    };
    let (whole, line) = report("120");
    assert!(line.contains("of them certain; masks in ") && line.ends_with("; the answer ended"), "{line}");
    let tokens: usize = line.split("generated ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    // At the last token it is whole, and before it cut.
    assert_eq!(report(&tokens.to_string()).0, whole);
    assert!(report(&tokens.to_string()).1.ends_with("; the answer ended"));
    let (cut, line) = report(&(tokens - 1).to_string());
    assert!(line.ends_with("; length reached") && whole.starts_with(cut.trim_end_matches('\n')), "{line}");
}

#[test]
fn an_answer_that_the_prompt_has_begun_goes_on() {
    let begun = r#"{"name": "Pip", "a"#;
    let prompt = format!("{FOX} {begun}");
    let run = |begun: &str| {
        out(&["run", "-q", "-m", MODEL, "-p", &prompt, "-n", "80", "--temp", "0", "-j", SCHEMA, "--begun", begun], "")
    };
    assert_eq!(fox(&(begun.to_owned() + &run(begun)))["name"], "Pip");
    // The whole of it is there already.
    assert_eq!(out(&["run", "-q", "-m", MODEL, "-p", "so: 5", "-j", r#"{"const": 5}"#, "--begun", "5"], ""), "\n");
    for (begun, form, says) in [
        (begun, [].as_slice(), "--begun is for answers of a form"),
        ("{", &["-j", SCHEMA], "the prompt does not end with this text"),
        (
            begun,
            &["-j", r#"{"type": "object", "properties": {"age": {"const": 1}}, "additionalProperties": false}"#],
            "byte 2",
        ),
    ] {
        let error = refusal(&[&["run", "-m", MODEL, "-p", &prompt, "--begun", begun], form].concat());
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn every_answer_of_a_conversation_has_the_form() {
    let output = b158(&["chat", "-q", "-m", MODEL, "-n", "80", "-j", SCHEMA], "What is a fox?\nAnd a hen?\n");
    let text = said(&output.stdout);
    assert_eq!(text.lines().map(fox).count(), 2, "{text}{}", said(&output.stderr));
    let refused = refusal(&["chat", "-m", "none.gguf", "-j", "{"]);
    assert!(refused.contains("JSON schema") && !refused.contains("none.gguf"), "{refused}");
}

#[test]
fn what_is_no_form_is_refused_before_the_model_is_read() {
    let path = temporary("no.form");
    let file = path.to_str().unwrap();
    let refused = |form: &[&str], says: &[&str]| {
        let error = refusal(&[&["run", "-m", "none.gguf", "-p", "x"], form].concat());
        assert!(!error.contains("none.gguf") && error.lines().count() < 12, "{error}");
        for says in says {
            assert!(error.contains(says), "{form:?}: {error}");
        }
    };
    refused(&["-j", ""], &["JSON schema"]);
    refused(&["-j", "{"], &["JSON schema"]);
    refused(&["-j", "no/such.json"], &["no/such.json", "begins with {"]);
    refused(&["-j", r#"{"type": "strng"}"#], &["strng"]);
    refused(&["--regex", "(ab"], &["regular expression"]);
    refused(&["--grammar", "no/such.lark"], &["no/such.lark"]);
    refused(&["-j", "{}", "--regex", "a"], &["--regex", "--json-schema"]);
    for (text, option, says) in [
        ("{\n  \"type\": \"object\",\n  \"properties\": {,}\n}\n", "-j", "line 3"),
        ("[]", "-j", "no.form"),
        ("", "--grammar", "no.form"),
        ("root ::= \"a\"\n", "--grammar", "GBNF"),
        ("start: \"a\" other\n", "--grammar", "other"),
    ] {
        std::fs::write(&path, text).unwrap();
        refused(&[option, file], &[says]);
    }
    std::fs::write(&path, b"{\"const\": \"\xff\"}").unwrap();
    refused(&["-j", file], &["no.form: it is not UTF-8 at byte 11"]);
    std::fs::File::create(&path).unwrap().set_len((16 << 20) + 1).unwrap();
    refused(&["-j", file], &["no.form: it has more than"]);
    std::fs::remove_file(&path).unwrap();
    refused(&["-j", env!("CARGO_TARGET_TMPDIR")], &["tmp"]);
    assert_eq!(json!({}), serde_json::from_str::<Value>(&answer(&["-j", r#"{"const": {}}"#])).unwrap());
}

/// The tests in browsers compare with the same ids. After a change of a model, a sampler or a form: B158_RENEW=1.
#[test]
fn the_ids_are_those_that_are_pinned_for_browsers() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/forms.json");
    let pinned: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut found = pinned.clone();
    for entry in &mut found {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let format = &entry["format"];
        let form = match format["type"].as_str().unwrap() {
            "json_schema" => vec!["-j".to_owned(), text(&format["schema"])],
            "regex" => vec!["--regex".to_owned(), text(&format["pattern"])],
            _ => {
                let file = temporary("pinned.lark");
                std::fs::write(&file, text(&format["grammar"])).unwrap();
                vec!["--grammar".to_owned(), file.to_str().unwrap().to_owned()]
            }
        };
        let [temperature, seed] = ["temperature", "seed"].map(|name| entry[name].to_string());
        let asked = ["run", "-q", "-m", MODEL, "--ids", "-n", "100", "--temp", &temperature, "-s", &seed, "-p"];
        let prompt = text(&entry["prompt"]);
        let asked: Vec<&str> = asked.into_iter().chain([&prompt[..]]).chain(form.iter().map(String::as_str)).collect();
        let ids: Vec<u32> = out(&asked, "").split_whitespace().map(|id| id.parse().unwrap()).collect();
        assert!((4..100).contains(&ids.len()), "{ids:?}");
        entry["ids"] = json!(ids);
    }
    if std::env::var_os("B158_RENEW").is_some() {
        let lines: Vec<String> = found.iter().map(Value::to_string).collect();
        std::fs::write(path, format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
        return;
    }
    assert_eq!(pinned, found, "B158_RENEW=1 cargo test --features cli --test cli pinned_for_browsers");
}
