//! What tokenizer.json does to a text before the merges, as names that GGUF has for it: `tokenizer.ggml.pre` for the regular
//! expressions of byte-level BPE, `add_space_prefix` for the words of the other kind.

use super::json::{a_few, note_once, unsupported};
use super::tables::Tables;
use super::tokenizer::FILE;
use crate::Result;
use crate::tokenizer::{Named, SPACE, shown, splitters};
use serde_json::Value;

/// The expression of ByteLevel, which is GPT-2's.
const GPT_2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// The steps of a normalizer, pre-tokenizer or post-processor, sequences flattened.
pub(super) fn steps(value: Option<&Value>) -> Vec<&Value> {
    fn flatten<'v>(value: &'v Value, steps: &mut Vec<&'v Value>) {
        let lists = ["normalizers", "pretokenizers", "processors"];
        match lists.iter().find_map(|list| value.get(list)?.as_array()).filter(|_| kind(value) == "Sequence") {
            Some(list) => list.iter().for_each(|step| flatten(step, steps)), // serde_json bounds the depth
            None if value.is_null() => {}
            None => steps.push(value),
        }
    }
    let mut found = Vec::new();
    value.into_iter().for_each(|value| flatten(value, &mut found));
    found
}

pub(super) fn kind(step: &Value) -> &str {
    step.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn flag(step: &Value, key: &str) -> Option<bool> {
    step.get(key).and_then(Value::as_bool)
}

fn text<'v>(step: &'v Value, key: &str) -> Option<&'v str> {
    step.get(key).and_then(Value::as_str)
}

/// Whether bytes become letters of GPT-2's alphabet.
pub(super) fn is_byte_level(tables: &Tables) -> bool {
    has(tables.pre_tokenizer.as_ref(), "ByteLevel")
}

/// Whether spaces become ▁.
pub(super) fn is_metaspace(tables: &Tables) -> bool {
    has(tables.pre_tokenizer.as_ref(), "Metaspace") || steps(tables.normalizer.as_ref()).into_iter().any(makes_spaces)
}

fn has(part: Option<&Value>, name: &str) -> bool {
    steps(part).into_iter().any(|step| kind(step) == name)
}

/// Replace ` ` by `▁`.
fn makes_spaces(step: &Value) -> bool {
    kind(step) == "Replace" && pattern(step) == Some(Pattern::Text(" ")) && text(step, "content") == Some("▁")
}

#[derive(PartialEq)]
enum Pattern<'v> {
    Text(&'v str),
    Regex(&'v str),
}

fn pattern(step: &Value) -> Option<Pattern<'_>> {
    let pattern = step.get("pattern")?;
    text(pattern, "Regex").map(Pattern::Regex).or_else(|| text(pattern, "String").map(Pattern::Text))
}

/// A step as messages show it.
fn shown_step(step: &Value) -> String {
    match pattern(step) {
        // All of it: it is what one looks for.
        Some(Pattern::Regex(regex)) => {
            let shown: String = regex.chars().take(300).flat_map(char::escape_debug).collect();
            format!("{} by the expression `{}`", shown_kind(step), shown.replace(r"\\", r"\"))
        }
        _ => shown_kind(step),
    }
}

fn shown_kind(step: &Value) -> String {
    shown(kind(step))
}

/// Splitters by the expressions that tokenizer.json has, the best-known first; at least one.
pub(super) fn byte_level(tables: &Tables, notes: &mut Vec<String>) -> Result<Vec<Named>> {
    let normal = steps(tables.normalizer.as_ref());
    if !normal.is_empty() {
        notes.push(format!(
            "{FILE}: `normalizer`: {} is not done to texts here, nor by other readers of GGUF",
            a_few(&normal, |step| shown_kind(step))
        ));
    }
    let (mut passes, mut after_bytes) = (Vec::new(), false);
    for step in steps(tables.pre_tokenizer.as_ref()) {
        let isolated = matches!(
            (text(step, "behavior"), flag(step, "invert").unwrap_or_default()),
            (Some("Isolated"), _) | (Some("Removed"), true)
        );
        passes.push(match (kind(step), pattern(step)) {
            ("ByteLevel", _) => {
                if flag(step, "add_prefix_space") == Some(true) {
                    let note = "`pre_tokenizer.add_prefix_space` is not done here: write a space before a text that begins with a word";
                    note_once(notes, format!("{FILE}: {note}"));
                }
                after_bytes = true;
                match flag(step, "use_regex") {
                    Some(false) => continue,
                    _ => canonical(GPT_2),
                }
            }
            ("Split", Some(Pattern::Regex(regex))) if isolated => canonical(regex),
            ("Digits", _) if flag(step, "individual_digits") == Some(true) && after_bytes => {
                let note = "takes digits apart after bytes have become letters, of which some are ¹ or ¼: here those stay together";
                note_once(notes, format!("{FILE}: `pre_tokenizer` {note}"));
                "[0-9]".to_owned()
            }
            ("Digits", _) if flag(step, "individual_digits") == Some(true) => r"\p{N}".to_owned(),
            ("Digits", _) => r"\p{N}+".to_owned(),
            ("Punctuation", _) if text(step, "behavior") == Some("Contiguous") => r"[\p{P}\$\+<=>\^~\|`]+".to_owned(),
            _ => return Err(unknown(&shown_step(step))),
        });
        // Single digits have no three in a row.
        if passes.ends_with(&["[0-9]".to_owned(), "[0-9][0-9][0-9]".to_owned()]) {
            passes.pop();
        }
    }
    let is_same = |named: &Named| named.passes.iter().map(|pass| canonical(pass)).eq(passes.iter().cloned());
    let same: Vec<Named> = splitters().filter(is_same).collect();
    if same.is_empty() {
        return Err(unknown(&a_few(&steps(tables.pre_tokenizer.as_ref()), |step| shown_step(step))));
    }
    Ok(same)
}

fn unknown(what: &str) -> crate::Error {
    let known: Vec<&str> = splitters().map(|splitter| splitter.name).collect();
    let reason = format!(
        "texts are split by {what}, for which GGUF has no name that is known here (known are {}): the model would get other tokens than \
         it was trained with",
        known.join(", ")
    );
    unsupported(FILE, "`pre_tokenizer`", reason)
}

/// One way to write the expressions that mean the same.
fn canonical(regex: &str) -> String {
    const CONTRACTIONS: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    let mut regex = regex
        .replace("(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])", CONTRACTIONS)
        .replace("'(?i:[sdmt]|ll|ve|re)", CONTRACTIONS)
        .replace("'(?:[sdmt]|ll|ve|re)", "'s|'t|'re|'ve|'m|'ll|'d");
    // Possessive counts: nothing that they give back would match.
    for (possessive, plain) in [("?+", "?"), ("++", "+"), ("*+", "*"), ("{1,3}+", "{1,3}")] {
        regex = regex.replace(possessive, plain);
    }
    // What no alternative takes is a piece of its own anyway.
    match regex.strip_suffix(r"|\s+") {
        Some(rest) if rest.ends_with(r"|\s+(?!\S)") => rest.to_owned(),
        _ => regex,
    }
}

/// Whether a space goes before a text.
pub(super) fn sentence_piece(tables: &Tables, notes: &mut Vec<String>) -> Result<bool> {
    let mut prefix = false;
    let mut others = Vec::new();
    for step in steps(tables.normalizer.as_ref()) {
        match kind(step) {
            "Prepend" if text(step, "prepend") == Some("▁") => prefix = true,
            "Replace" if makes_spaces(step) => {}
            _ => others.push(step),
        }
    }
    if !others.is_empty() {
        let others = a_few(&others, |step| shown_kind(step));
        notes.push(format!("{FILE}: `normalizer`: {others} is not done to texts here"));
    }
    for step in steps(tables.pre_tokenizer.as_ref()) {
        if kind(step) != "Metaspace" || text(step, "replacement").is_some_and(|mark| mark.chars().ne([SPACE])) {
            let reason = format!("{} beside ▁ for spaces is not supported", shown_step(step));
            return Err(unsupported(FILE, "`pre_tokenizer`", reason));
        }
        match text(step, "prepend_scheme") {
            Some("never") => {}
            Some("first") => {
                prefix = true;
                let note = "a space goes before the first word of a text: here, as in llama.cpp, also before one after a special token";
                note_once(notes, format!("{FILE}: {note}"));
            }
            Some(_) => prefix = true,
            None => prefix = flag(step, "add_prefix_space").unwrap_or(true),
        }
    }
    if tables.model.ignore_merges == Some(true) {
        notes.push(format!("{FILE}: `model.ignore_merges` is not done here: GGUF's kind `llama` has no such thing"));
    }
    Ok(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pre(pre_tokenizer: Value) -> (Result<Vec<&'static str>>, Vec<String>) {
        let tables = json!({ "model": {}, "pre_tokenizer": pre_tokenizer });
        let mut notes = Vec::new();
        let found = byte_level(&serde_json::from_value(tables).unwrap(), &mut notes);
        (found.map(|found| found.into_iter().map(|named| named.name).collect()), notes)
    }

    fn split(regex: &str) -> Value {
        json!({ "type": "Sequence", "pretokenizers": [
            { "type": "Split", "pattern": { "Regex": regex }, "behavior": "Isolated", "invert": false },
            { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false },
        ]})
    }

    /// The pipelines of Llama 3, Qwen 2 and 3, GPT-2, SmolLM and Falcon, and what tiktoken's expressions are written as.
    #[test]
    fn splitters_have_names() {
        let llama = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        let cl100k = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s*[\r\n]+|\s+(?!\S)|\s+";
        let qwen = llama.replace("{1,3}", "");
        let byte_level = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true });
        let digits = json!({ "type": "Digits", "individual_digits": true });
        for (rules, names) in [
            (split(llama), &["llama-bpe", "smaug-bpe"][..]),
            (split(cl100k), &["llama-bpe", "smaug-bpe"]),
            (split(&qwen), &["qwen2"]),
            (byte_level.clone(), &["gpt-2"]),
            (json!({ "type": "Sequence", "pretokenizers": [digits, byte_level] }), &["smollm"]),
        ] {
            let (found, notes) = pre(rules);
            assert_eq!((found.unwrap(), notes), (names.to_vec(), vec![]));
        }
    }

    #[test]
    fn an_unknown_splitter_is_shown() {
        for rules in [split(r"\p{Han}+|."), json!({ "type": "Whitespace" }), json!({ "type": "UnicodeScripts" })] {
            let error = pre(rules.clone()).0.unwrap_err().to_string();
            let told = if kind(&rules) == "Sequence" { r"\p{Han}+|." } else { kind(&rules) };
            assert!(error.starts_with("tokenizer.json: `pre_tokenizer`: ") && error.contains(told), "{error}");
        }
    }

    #[test]
    fn falcons_digits_stand_alone() {
        let steps = json!([
            { "type": "Punctuation", "behavior": "Contiguous" },
            { "type": "ByteLevel", "add_prefix_space": false, "use_regex": true },
            { "type": "Digits", "individual_digits": true },
            { "type": "Split", "pattern": { "Regex": "[0-9][0-9][0-9]" }, "behavior": "Isolated", "invert": false },
        ]);
        let (found, notes) = pre(json!({ "type": "Sequence", "pretokenizers": steps }));
        assert_eq!((found.unwrap(), notes.len()), (vec!["falcon3", "falcon_e"], 1));
    }

    #[test]
    fn what_is_not_done_to_texts_is_told() {
        let (found, notes) = pre(json!({ "type": "ByteLevel", "add_prefix_space": true }));
        assert_eq!(found.unwrap(), ["gpt-2"]);
        assert!(notes[0].contains("add_prefix_space"), "{notes:?}");
    }
}
