//! Grammars in Lark's form, against recognisers written by hand.

use crate::json::strict;
use crate::judge::Judge;
use crate::walk::{TEMPERS, Walker};
use crate::words::WORDS;
use crate::{faults, rounds, small_stack, tally};
use b158_grammar::Kind;
use regex::Regex;

/// Who tells whether a text is of the grammar's language.
enum Language {
    Regular(&'static str),
    By(fn(&str) -> bool),
}

struct Grammar {
    name: &'static str,
    text: &'static str,
    language: Language,
    right: &'static [&'static str],
    wrong: &'static [&'static str],
}

const fn regular(
    name: &'static str,
    text: &'static str,
    language: &'static str,
    right: &'static [&'static str],
    wrong: &'static [&'static str],
) -> Grammar {
    Grammar { name, text, language: Language::Regular(language), right, wrong }
}

const fn by(
    name: &'static str,
    text: &'static str,
    language: fn(&str) -> bool,
    right: &'static [&'static str],
    wrong: &'static [&'static str],
) -> Grammar {
    Grammar { name, text, language: Language::By(language), right, wrong }
}

#[rustfmt::skip]
const GRAMMARS: &[Grammar] = &[
    regular("literal", "start: \"fox\"\n", "fox", &["fox"], &["", "fo", "foxy", "Fox"]),
    regular("optional", "start: \"once\" (\" upon\" \" a time\")? \".\"\n", r"once( upon a time)?\.", &["once.", "once upon a time."], &["once upon.", "once"]),
    regular("star", "start: \"a\"* \"b\"\n", "a*b", &["b", "aaab"], &["a", "bb"]),
    regular("plus", "start: (\"ab\")+\n", "(ab)+", &["ab", "abab"], &["", "aba"]),
    regular("either", "start: \"fox\" | \"hen\" | \"f\"\n", "fox|hen|f", &["fox", "hen", "f"], &["fo", "he", "foxhen"]),
    regular("count", "start: \"x\"{3}\n", "x{3}", &["xxx"], &["xx", "xxxx"]),
    regular("count_span", "start: \"x\"{2,4}\n", "x{2,4}", &["xx", "xxxx"], &["x", "xxxxx"]),
    regular("count_open", "start: \"x\"{2,} \".\"\n", r"x{2,}\.", &["xx.", "xxxxx."], &["x.", "xx"]),
    regular("tilde", "start: \"x\"~3\n", "x{3}", &["xxx"], &["xx", "xxxx"]),
    regular("tilde_span", "start: \"x\"~1..2 \".\"\n", r"x{1,2}\.", &["x.", "xx."], &[".", "xxx."]),
    regular("brackets", "start: [\"a\"] \"b\"\n", "a?b", &["ab", "b"], &["a", "aab"]),
    regular("rules", "start: greeting name\ngreeting: \"hi \" | \"hello \"\nname: \"fox\" | \"hen\"\n", "(hi |hello )(fox|hen)", &["hi fox", "hello hen"], &["hi ", "fox"]),
    regular("terminals", "start: A B\nA: \"a\" | \"b\"\nB: /[0-9]{2}/\n", "[ab][0-9]{2}", &["a00", "b42"], &["a0", "00"]),
    regular("terminals_of_terminals", "start: WORD\nWORD: LETTER+\nLETTER: \"a\"..\"c\"\n", "[a-c]+", &["abc", "a"], &["", "d", "abd"]),
    regular("regex_flags", "start: /fox/i\n", "(?i)fox", &["fox", "FOX", "fOx"], &["fo", "hen"]),
    regular("string_flag", "start: \"fox\"i\n", "(?i)fox", &["Fox"], &["f"]),
    regular("regex_dot", "start: /a.c/\n", "a[^\n]c", &["abc", "aäc"], &["a\nc", "ac"]),
    regular("regex_dot_all", "start: /a.c/s\n", "(?s)a.c", &["abc", "a\nc"], &["ac"]),
    regular("escapes", "start: \"a\\\"b\\\\c\\n\\t\\u00e4\"\n", "a\"b\\\\c\n\tä", &["a\"b\\c\n\tä"], &["ab", "a\"b"]),
    regular("slash", "start: /a\\/b/\n", "a/b", &["a/b"], &["ab"]),
    regular("unicode", "start: \"größe\" | \"🦊\" | /[α-ω]{2}/\n", "größe|🦊|[α-ω]{2}", &["größe", "🦊", "αβ"], &["grosse", "α"]),
    regular("comments", "// a comment\nstart: \"a\" // the letter\n  | \"b\" # or this\n", "a|b", &["a", "b"], &["c", "ab"]),
    regular("many_lines", "start: \"a\"\n    | \"b\"\n    | \"c\"\n", "a|b|c", &["a", "c"], &["d"]),
    regular("ignore", "start: \"a\" \"b\" \"c\"\n%ignore / +/\n", " *a *b *c *", &["abc", "a b  c"], &["ab", "acb"]),
    regular("intersection", "start: W\nW: /[a-z]{2,4}/ & /.*x/\n", "[a-z]{1,3}x", &["ax", "abcx"], &["x", "abcd", "xa"]),
    regular("complement", "start: W\nW: /[a-c]{2}/ & ~/ab|ba/\n", "aa|ac|bb|bc|ca|cb|cc", &["aa", "bc"], &["ab", "ba", "a"]),
    regular("empty_branch", "start: \"a\" end\nend: \"b\" |\n", "ab?", &["a", "ab"], &["b"]),
    regular("empty_string", "start: \"\" \"a\"\n", "a", &["a"], &["", "aa"]),
    regular("nested_optional", "start: ((\"a\"? \"b\")? \"c\")? \"d\"\n", "((a?b)?c)?d", &["d", "cd", "bcd", "abcd"], &["ad", "abd"]),
    regular("common_import", "%import common.INT\nstart: INT\n", "[0-9]+", &["0", "42"], &["", "-1", "a"]),
    regular("prefix_words", "start: \"ab\" | \"abc\" | \"abcd\"\n", "ab|abc|abcd", &["ab", "abc", "abcd"], &["a", "abcde"]),
    regular("csv", "start: row (\"\\n\" row)*\nrow: CELL (\",\" CELL)*\nCELL: /[a-z]{1,3}/\n", "[a-z]{1,3}(,[a-z]{1,3})*(\n[a-z]{1,3}(,[a-z]{1,3})*)*", &["a", "a,bc\nd"], &["", "a,", "abcd"]),
    regular("date", "start: YEAR \"-\" MONTH\nYEAR: /(19|20)[0-9]{2}/\nMONTH: /0[1-9]|1[0-2]/\n", "(19|20)[0-9]{2}-(0[1-9]|1[0-2])", &["2024-12"], &["2024-13", "1824-01"]),
    regular("inline_rules", "start: _a _b\n_a: \"x\"\n_b: \"y\"?\n", "xy?", &["x", "xy"], &["y"]),
    regular("question_rules", "?start: a\n?a: \"x\" | \"y\"\n", "x|y", &["x", "y"], &["xy"]),
    regular("aliases", "start: \"a\" -> first\n     | \"b\" -> second\n", "a|b", &["a", "b"], &["ab"]),
    regular("left_recursion", "start: list\nlist: list \",\" ITEM | ITEM\nITEM: \"fox\" | \"hen\"\n", "(fox|hen)(,(fox|hen))*", &["fox", "hen,fox,fox"], &["", "fox,", ",fox"]),
    regular("right_recursion", "start: list\nlist: ITEM \",\" list | ITEM\nITEM: \"a\" | \"b\"\n", "[ab](,[ab])*", &["a", "a,b,a"], &["a,", ""]),
    regular("empty_recursion", "start: a \"!\"\na: a b |\nb: \"x\" |\n", "x*!", &["!", "xxx!"], &["x", ""]),
    regular("ambiguous", "start: a a a \".\"\na: \"x\"*\n", "x*\\.", &[".", "xxxx."], &["x"]),
    regular("line_ends", "start: \"a\" NL \"b\"\nNL: /\\r?\\n/\n", "a\r?\nb", &["a\nb", "a\r\nb"], &["ab", "a\r\rb"]),
    regular("windows_line_ends", "start: \"a\"\r\n  | \"b\"\r\n", "a|b", &["a", "b"], &["c"]),
    regular("no_last_line_end", "start: \"a\"", "a", &["a"], &["b"]),
    regular("shared_terminals", "start: \"if\" \" \" NAME | NAME \"=\" NAME\nNAME: /[a-z]+/\n", "if [a-z]+|[a-z]+=[a-z]+", &["if x", "x=y", "if=x"], &["if", "x="]),
    by("sum", "start: term ((\"+\" | \"-\") term)*\nterm: NUMBER | \"(\" start \")\"\nNUMBER: /[1-9][0-9]?/\n", sum, &["1", "(1+22)-3", "((9))"], &["", "1+", "(1", "01", "123"]),
    by("brackets_balanced", "start: pair*\npair: \"(\" pair* \")\" | \"[\" pair* \"]\"\n", balanced, &["", "()", "([()])[]"], &["(", ")", "([)]"]),
    by("palindrome", "start: \"a\" start \"a\" | \"b\" start \"b\" | \"c\"\n", |t| t.matches('c').count() == 1 && t.bytes().all(|b| b"abc".contains(&b)) && t.chars().rev().collect::<String>() == t, &["c", "abcba"], &["", "acb", "aca b"]),
    by("as_many", "start: \"a\" start \"b\" | \"ab\"\n", |t| !t.is_empty() && t == format!("{}{}", "a".repeat(t.len() / 2), "b".repeat(t.len() / 2)), &["ab", "aaabbb"], &["", "aab", "abab"]),
    by("xml", "start: element\nelement: \"<a>\" element* \"</a>\" | \"<b/>\"\n", elements, &["<b/>", "<a></a>", "<a><b/><a></a></a>"], &["<a>", "</a>", "<a><b/>"]),
    by("lisp", "start: expr\nexpr: ATOM | \"(\" expr (\" \" expr)* \")\"\nATOM: /[a-z]{1,2}/\n", lisp, &["x", "(x)", "(ab (c d) e)"], &["", "()", "(a", "(a  b)"]),
    by("json_in_a_call", "start: \"call(\" args \")\"\nargs: %json {\"type\": \"object\", \"properties\": {\"x\": {\"type\": \"integer\", \"minimum\": 0, \"maximum\": 9}}, \"required\": [\"x\"], \"additionalProperties\": false}\n", |t| {
        t.strip_prefix("call(").and_then(|t| t.strip_suffix(')')).is_some_and(|t| Regex::new("^\\{\"x\": ?[0-9]\\}$").unwrap().is_match(t))
    }, &[], &["call()", "call({})"]),
    by("json_between_words", "start: \"<tool>\" %json {\"type\": \"array\", \"items\": {\"type\": \"boolean\"}} \"</tool>\"\n", |t| {
        t.strip_prefix("<tool>").and_then(|t| t.strip_suffix("</tool>")).is_some_and(|t| Judge::new("{\"type\":\"array\",\"items\":{\"type\":\"boolean\"}}").unwrap().check(t.as_bytes()).is_ok())
    }, &["<tool>[]</tool>"], &["<tool>[1]</tool>", "[]"]),
    by("json_open", "start: \"=\" %json {\"type\": \"object\"}\n", |t| t.strip_prefix('=').is_some_and(|t| strict(t).is_ok_and(|v| v.value().is_ok_and(|v| v.is_object()))), &["={}"], &["={", "=[]"]),
    by("ambiguous_sum", "start: start \"+\" start | \"1\"\n", |t| t.split('+').all(|one| one == "1"), &["1", "1+1+1"], &["", "1+", "+1"]),
    by("dangling_else", "start: stmt\nstmt: \"if(x)\" stmt \"else \" stmt | \"if(x)\" stmt | \"s;\"\n", |t| statement(t).is_some_and(|all| all.contains(&"")), &["s;", "if(x)s;", "if(x)if(x)s;else s;"], &["else s;", "if(x)"]),
];

fn sum(text: &str) -> bool {
    fn term(t: &[u8], mut i: usize) -> Option<usize> {
        if t.get(i) == Some(&b'(') {
            i = total(t, i + 1)?;
            return (t.get(i) == Some(&b')')).then_some(i + 1);
        }
        let first = t.get(i).filter(|b| (b'1'..=b'9').contains(b))?;
        let _ = first;
        Some(if t.get(i + 1).is_some_and(u8::is_ascii_digit) { i + 2 } else { i + 1 })
    }
    fn total(t: &[u8], i: usize) -> Option<usize> {
        let mut i = term(t, i)?;
        while matches!(t.get(i), Some(b'+' | b'-')) {
            i = term(t, i + 1)?;
        }
        Some(i)
    }
    total(text.as_bytes(), 0) == Some(text.len())
}

fn balanced(text: &str) -> bool {
    let mut open = Vec::new();
    for c in text.chars() {
        match c {
            '(' | '[' => open.push(c),
            ')' if open.pop() == Some('(') => {}
            ']' if open.pop() == Some('[') => {}
            _ => return false,
        }
    }
    open.is_empty()
}

fn elements(text: &str) -> bool {
    let (mut rest, mut depth, mut roots) = (text, 0usize, 0);
    while !rest.is_empty() {
        let before = depth;
        if let Some(next) = rest.strip_prefix("<a>") {
            (rest, depth) = (next, depth + 1);
        } else if let Some(next) = rest.strip_prefix("<b/>") {
            rest = next;
        } else if let (Some(next), Some(less)) = (rest.strip_prefix("</a>"), depth.checked_sub(1)) {
            (rest, depth) = (next, less);
            continue;
        } else {
            return false;
        }
        roots += usize::from(before == 0);
    }
    depth == 0 && roots == 1
}

fn lisp(text: &str) -> bool {
    let spaced = text.replace('(', "( ").replace(')', " )");
    if spaced.contains("  ") && text.contains("  ") || text.contains("( ") || text.contains(" )") {
        return false;
    }
    let (mut depth, mut empty, mut all) = (0i32, vec![false], 0);
    for (at, word) in spaced.split(' ').enumerate() {
        all += i32::from(depth == 0);
        match word {
            "(" => {
                depth += 1;
                empty.push(true);
            }
            ")" => {
                all -= i32::from(depth == 0);
                depth -= 1;
                if empty.pop() != Some(false) || depth < 0 {
                    return false;
                }
                if let Some(last) = empty.last_mut() {
                    *last = false;
                }
            }
            word if (1..=2).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase()) => {
                if let Some(last) = empty.last_mut() {
                    *last = false;
                }
            }
            _ => return false,
        }
        let _ = at;
    }
    depth == 0 && all == 1 && !text.contains(")(") && Regex::new("[a-z]\\(|\\)[a-z]").unwrap().find(text).is_none()
}

/// What may be left of a text after one statement.
fn statement(text: &str) -> Option<Vec<&str>> {
    if let Some(rest) = text.strip_prefix("s;") {
        return Some(vec![rest]);
    }
    let mut all = Vec::new();
    for rest in statement(text.strip_prefix("if(x)")?)? {
        all.push(rest);
        if let Some(other) = rest.strip_prefix("else ") {
            all.extend(statement(other).unwrap_or_default());
        }
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

pub(crate) fn texts() -> impl Iterator<Item = &'static str> {
    GRAMMARS.iter().map(|grammar| grammar.text).chain(REFUSED.iter().map(|(text, _)| *text))
}

fn run(grammar: &Grammar) -> Vec<String> {
    let regular = match grammar.language {
        Language::Regular(expression) => Some(Regex::new(&format!("\\A(?:{expression})\\z")).expect("an expression")),
        Language::By(_) => None,
    };
    let judge = |text: &str| match (&regular, &grammar.language) {
        (Some(regular), _) => regular.is_match(text),
        (None, Language::By(judge)) => judge(text),
        _ => unreachable!("one or the other"),
    };
    let mut found = Vec::new();
    found.extend(grammar.right.iter().filter(|text| !judge(text)).map(|text| format!("the table is wrong: {text:?}")));
    found.extend(grammar.wrong.iter().filter(|text| judge(text)).map(|text| format!("the table is wrong: {text:?}")));
    let answer = match WORDS.vocabulary.answer(Kind::Lark, grammar.text) {
        Ok(answer) => answer,
        Err(why) => {
            found.push(format!("refused: {why}"));
            return found;
        }
    };
    tally(|t| t.schemas += 1);
    let mut seed = 0;
    for _ in 0..rounds(1) {
        for temper in TEMPERS {
            seed += 1;
            match Walker::new(answer.clone(), seed).walk(temper, 60) {
                Ok(walked) => {
                    tally(|t| t.walked(&walked));
                    let text = String::from_utf8_lossy(&walked.text);
                    if !judge(&text) {
                        found.push(format!("{temper:?} {seed}: {text:?} is not of it"));
                    }
                    if let Err(why) = Walker::new(answer.clone(), !seed).follow(&walked.text) {
                        found.push(format!("{temper:?} {seed}: once walked, {text:?} can't be the answer: {why}"));
                    }
                }
                Err(broken) => found.push(format!("{temper:?} {seed}: {broken}")),
            }
        }
        for text in grammar.right {
            seed += 1;
            if let Err(why) = Walker::new(answer.clone(), seed).follow(text.as_bytes()) {
                found.push(format!("{text:?} can't be the answer: {why}"));
            }
        }
        for text in grammar.wrong {
            seed += 1;
            if Walker::new(answer.clone(), seed).follow(text.as_bytes()).is_ok() {
                found.push(format!("{text:?} can be the answer"));
            }
        }
    }
    found.truncate(4);
    found
}

#[test]
fn grammars_keep_to_their_language() {
    let all = GRAMMARS.iter().flat_map(|grammar| {
        small_stack(grammar.name, || run(grammar)).into_iter().map(|what| format!("{}: {what}", grammar.name))
    });
    faults(all.collect());
}

#[rustfmt::skip]
const REFUSED: &[(&str, &str)] = &[
    ("", ""),
    ("\n\n", ""),
    ("// nothing\n", "start"),
    ("word: \"fox\"\n", "start"),
    ("start: greeting name\ngreeting: \"hi \"\n", "name"),
    ("start: word word\nword: \"fox\" | \"hen\"\nother: ( \"a\" | \"b\"\nlast: \"c\"\n", "line"),
    ("start: / \"test\"\n", "line 1"),
    ("start: \"test\n", "line 1"),
    ("start: /[a-/\n", ""),
    ("start: /(a/\n", ""),
    ("start: /a{5,2}/\n", ""),
    ("start: \"a\" )\n", "line 1"),
    ("start: word\nword: \"a\"\nword: \"b\"\n", "word"),
    ("start: \"a\"\nstart: \"b\"\n", "start"),
    ("start: A\nA: A \"x\" | \"y\"\n", "A"),
    ("start: A\nA: B\nB: A\n", ""),
    ("start: start\n", ""),
    ("start: a\na: b\nb: a\n", ""),
    ("start: \"x\" start\n", "start"),
    ("{\"type\": \"object\", \"properties\": {}}\n", "line 1"),
    ("start: <|no_such_token|>\n", "no_such_token"),
    ("start: <[99999999]>\n", ""),
    ("start: %json {\"type\": \"object\"\n", ""),
    ("start: %json {\"type\": \"strng\"}\n", "strng"),
    ("start: %json {\"not\": {}}\n", "not"),
    ("start: %json {\"$ref\": \"#\"}\n", "$ref"),
    ("start: %json {\"x-guidance\": {\"lenient\": true}, \"not\": {}}\n", "not"),
    ("%import common.NO_SUCH\nstart: NO_SUCH\n", "NO_SUCH"),
    ("%import python.NUMBER\nstart: NUMBER\n", "python"),
    ("%declare X\nstart: X\n", ""),
    ("start: @other\n", "other"),
    ("start: \"a\"{3,2}\n", ""),
    ("start: \"a\"~99999999999999999999\n", ""),
    ("start: /[^\\s\\S]/\n", ""),
    ("start: W\nW: /a/ & /b/\n", ""),
    ("start: \"a\" -> \n", ""),
    ("start: A | B\nA.2: \"ab\"\nB.1: /[a-z]{2}/\n", "priority"),
    ("start = \"a\"\n", "start"),
    ("start ::= \"a\"\n", "line 1"),
    ("Once upon a time there was a fox.\n", "start"),
    ("\0", ""),
    ("start: \"\\ud83e\"\n", ""),
    ("start: \"\\x\"\n", ""),
    ("%llguidance {\"no_such_option\": true}\nstart: \"a\"\n", "no_such_option"),
];

#[test]
fn texts_that_are_no_grammars_are_refused() {
    let mut found = Vec::new();
    for (text, word) in REFUSED {
        match small_stack(text, || WORDS.vocabulary.answer(Kind::Lark, text).map(drop)) {
            Ok(()) => found.push(format!("{text:?}: not refused")),
            Err(why) => {
                let said = why.to_string();
                if !said.contains(word) || said.is_empty() || said.len() > 2000 {
                    found.push(format!("{text:?}: refused without naming {word:?}: {said}"));
                }
            }
        }
    }
    faults(found);
}
