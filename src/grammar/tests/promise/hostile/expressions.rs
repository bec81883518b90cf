//! Expressions that are deep, long, costly, or none.

use super::{nested, sizes, survives};
use crate::faults;
use b158_grammar::Kind;

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
