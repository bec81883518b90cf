//! Grammars in Lark's form, looked through before llguidance reads them: how deep their rules go (its compiler recurses), their
//! expressions, and the JSON schemas in them, which [`crate::schema`] turns into rules.

mod rules;
mod scan;

use crate::{Error, limits};

pub(crate) use rules::ordered;

/// A grammar that llguidance may be handed.
pub(crate) struct Lark {
    pub(crate) text: String,
    pub(crate) notes: Vec<String>,
    /// Whether something is ignored between other things.
    pub(crate) ignores: bool,
    /// Whether schemas in it have objects with keys of any name, none of which may come twice; the text around has no brackets then.
    pub(crate) open: bool,
    /// Whether such keys keep to a form.
    pub(crate) few_keys: bool,
    /// For each line of `text` the one of the grammar that it was made from.
    lines: Vec<usize>,
}

/// Reads a grammar.
pub(crate) fn read(text: &str) -> Result<Lark, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > limits::TEXT {
        return Err(Error(format!("a grammar of {} bytes: more than the limit of {}", text.len(), limits::TEXT)));
    }
    if text.trim().is_empty() {
        return Err(Error("the grammar is empty".into()));
    }
    if text.trim_start().starts_with(['{', '[']) {
        return Err(Error(
            "line 1: a grammar has rules (\"start: …\"): this looks like JSON; a schema is given as a JSON schema"
                .into(),
        ));
    }
    let scanned = scan::scan(text)?;
    rules::check(&scanned.rules)?;
    Ok(Lark {
        text: scanned.out,
        notes: scanned.notes,
        ignores: scanned.ignores,
        open: scanned.open,
        few_keys: scanned.few_keys,
        lines: scanned.lines,
    })
}

impl Lark {
    /// llguidance's error, with the line of the grammar in words and without its listing.
    pub(crate) fn error(&self, why: &str) -> Error {
        let why = if why.starts_with("at EOF") { why } else { why.strip_prefix("at ").unwrap_or(why) };
        let first = why.lines().next().unwrap_or("").trim_end_matches("<non-verbose/>");
        let place = first.split_once("): ").and_then(|(place, rest)| {
            let (line, column) = place.split_once('(')?;
            Some((line.parse::<usize>().ok()?, column.parse::<usize>().ok()?, rest))
        });
        match place {
            Some((line, column, rest)) => {
                let line = self.lines.get(line.wrapping_sub(1)).copied().unwrap_or(line);
                let rest = if rest == "lexer error" { "nothing of a grammar begins like this" } else { rest };
                Error::new(format!("the grammar, line {line}, column {column}: {rest}"))
            }
            None => Error::new(format!("the grammar: {}", first.replace("at EOF: ", "at its end: "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, says) in [
            ("", "empty"),
            ("{\"type\": \"object\"}", "JSON"),
            ("word: \"fox\"\n", "start"),
            ("start: word\nword: \"a\"\nword: \"b\"\n", "line 3: \"word\" is there twice, first in line 2"),
            ("start: / \"test\"\n", "line 1: a regular expression"),
            ("start: \"a\n", "line 1: a string"),
            ("# one\nstart: /(ab/\n", "line 2: the regular expression: unclosed group"),
            ("start: a\na: /(x{1000}){1000}/\n", "line 2: the regular expression is too large"),
            ("start: a\n\na: %json {\"type\": \"strng\"}\n", "line 3: %json: type \"strng\""),
            ("start: %json {\"not\": {}}\n", "not is not kept"),
            ("start: \"a\"{1000000000}\n", "line 1: too large, once counts"),
            ("start: (\"x\"{300}){300}\n", "too large"),
            ("start: a ~ 200..300\na: (\"x\" | \"y\")~300\n", "too large"),
            ("start: \"x\" start\n", "line 1: \"start\" comes to no text that ends"),
            ("start: a\na: b \"x\"\nb: (a \"y\" | a)\n", "comes to no text"),
            ("start: \"a\"\n%llguidance {\"no_such\": true}\n", "line 2: %llguidance: \"no_such\" is no option"),
            ("%override start: \"a\"\n", "%override"),
        ] {
            let why = read(text).map(|_| ()).unwrap_err().to_string();
            assert!(why.contains(says), "{text}: {why}");
        }
        let doubled: String = (0..30).map(|n| format!("T{n}: T{} T{}\n", n + 1, n + 1)).collect();
        assert!(
            read(&format!("start: T0\n{doubled}T30: \"a\"\n"))
                .map(|_| ())
                .unwrap_err()
                .to_string()
                .contains("too large")
        );
        let chain: String = (0..3000).map(|n| format!("r{n}: r{}\n", n + 1)).collect();
        assert!(
            read(&format!("start: r0\n{chain}r3000: \"a\"\n")).map(|_| ()).unwrap_err().to_string().contains("deep")
        );
    }

    #[test]
    fn rules_that_end_are_kept() {
        for text in [
            "start: \"x\" start?\n",
            "start: \"x\" (start)*\n",
            "start: a{0,3} \"x\"\na: a \"y\"\n",
            "start: [a] \"x\" -> name\na: a \"y\" | (\"z\" a | b)\nb: \"\" \n",
            "?start: A B\n  | \"c\" start\nA: /x/ & ~/y/\nB: A~2..3\n%ignore \" \"\n%import common.INT\n",
            "start: %lark {\nstart: a\na: \"x\"\n} a\na: %lark { start: \"b\"\n }\n",
            "start[max_tokens=50000]: /a+/ \"1234567\" (\"x\"{2,300} \"y\"){1,30}\n",
        ] {
            assert_eq!(read(text).map(|_| ()), Ok(()), "{text}");
        }
    }

    #[test]
    fn keys_are_followed_where_the_text_around_has_no_brackets() {
        for (text, open) in [
            ("start: \"=\" %json {\"type\": \"object\"} /[0-9]+/\n", true),
            ("start: \"[\" %json {\"type\": \"object\"} \"]\"\n", false),
            ("start: /.*/ %json {\"type\": \"object\"}\n", false),
            ("start: %json {\"const\": 1}\n", false),
        ] {
            let lark = read(text).unwrap();
            assert_eq!((lark.open, lark.notes.len()), (open, usize::from(!open && text.contains("type"))), "{text}");
        }
    }

    #[test]
    fn lines_are_those_of_the_grammar() {
        let lark = read("start: a b\na: %json {\n\"type\":\n\"integer\"}\nb: \"x\"\n").unwrap();
        let line = lark.text.lines().position(|line| line.starts_with("b:")).unwrap() + 1;
        assert!(
            lark.error(&format!("at {line}(4): unknown name\nlisting"))
                .to_string()
                .contains("line 5, column 4: unknown name")
        );
        assert!(lark.error("at EOF: no").to_string().contains("at its end"));
    }
}
