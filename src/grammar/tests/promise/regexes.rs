//! Regular expressions that nobody wrote, judged by the crate `regex`: alone, and as a schema's `pattern`.

use crate::json::{Json, strict};
use crate::walk::{Dice, Temper, Walker};
use crate::words::WORDS;
use crate::{faults, rounds, small_stack, tally};
use b158_grammar::Kind;
use regex::Regex;
use serde_json::json;

/// An expression, as JavaScript writes it and as the judge does, and how to make texts that it matches.
enum Node {
    Char(char),
    /// Characters and ranges; none of them if it is negated.
    Class(bool, Vec<(char, char)>, Vec<char>),
    /// `\d` and its kin, by their letter.
    Kind(char),
    Dot,
    Concat(Vec<Node>),
    Either(Vec<Node>),
    Group(&'static str, Box<Node>),
    Repeat(Box<Node>, u32, Option<u32>, bool),
    Start,
    End,
}

const CHARACTERS: &[char] = &[
    'a', 'b', 'c', 'x', 'z', 'A', '0', '1', '9', '_', '-', ' ', '"', '\\', '/', '.', '*', '+', '?', '(', ')', '[', ']',
    '{', '}', '|', '^', '$', ',', ':', '\n', '\t', '~', '&', '#', '\'', '<', 'ä', 'é', '日', '🦊', '\u{301}', '\u{7f}',
    '\r', '\u{2028}', '\u{1}', 'K', 'k', 's',
];

/// What JavaScript's `\s` matches.
const SPACES: &str = r"\t\n\x0b\x0c\r \u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}";

fn node(dice: &mut Dice, depth: usize) -> Node {
    match dice.below(if depth == 0 { 8 } else { 16 }) {
        0..=3 => Node::Char(*dice.pick(CHARACTERS)),
        4 | 5 => {
            let ranges = (0..1 + dice.below(3))
                .map(|_| match dice.below(4) {
                    0 => ('a', 'f'),
                    1 => *dice.pick(&[
                        ('0', '9'),
                        ('A', 'Z'),
                        ('ä', 'ü'),
                        ('一', '龠'),
                        ('😀', '😎'),
                        (' ', '/'),
                        ('!', '~'),
                    ]),
                    _ => {
                        let one = *dice.pick(CHARACTERS);
                        (one, one)
                    }
                })
                .collect();
            let kinds = if dice.below(4) == 0 { vec![*dice.pick(&['d', 'w', 's', 'D'])] } else { Vec::new() };
            Node::Class(dice.below(4) == 0, ranges, kinds)
        }
        6 => Node::Kind(*dice.pick(&['d', 'w', 's', 'D', 'W', 'S'])),
        7 => Node::Dot,
        8..=10 => Node::Concat((0..2 + dice.below(3)).map(|_| node(dice, depth - 1)).collect()),
        11 | 12 => {
            let branches = Node::Either((0..2 + dice.below(2)).map(|_| node(dice, depth - 1)).collect());
            Node::Group(dice.pick::<&'static str>(&["(", "(?:", "(", "(?:", "(?i:"]), Box::new(branches))
        }
        13 => Node::Group(dice.pick::<&'static str>(&["(", "(?:"]), Box::new(node(dice, depth - 1))),
        _ => {
            let (low, high) = *dice.pick(&[
                (0, None),
                (1, None),
                (0, Some(1)),
                (2, Some(2)),
                (1, Some(3)),
                (0, Some(0)),
                (3, None),
                (0, Some(4)),
            ]);
            Node::Repeat(Box::new(node(dice, depth - 1)), low, high, dice.below(4) == 0)
        }
    }
}

/// An expression with anchors where they can stand.
fn expression(dice: &mut Dice) -> Node {
    let mut parts = vec![node(dice, 3)];
    if dice.below(2) == 0 {
        parts.push(node(dice, 2));
    }
    if dice.below(3) == 0 {
        parts.insert(0, Node::Start);
    }
    if dice.below(3) == 0 {
        parts.push(Node::End);
    }
    if dice.below(8) == 0 {
        let other = Node::Concat(vec![Node::Start, node(dice, 1)]);
        return Node::Either(vec![Node::Concat(parts), other]);
    }
    if dice.below(8) == 0 {
        let either = Node::Group("(?:", Box::new(Node::Either(vec![Node::Start, node(dice, 1)])));
        parts.insert(0, either);
    }
    Node::Concat(parts)
}

impl Node {
    fn write(&self, judge: bool, out: &mut String) {
        let escape = |c: char, out: &mut String, class: bool| match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if judge => out.push_str(&regex::escape(&c.to_string())),
            '/' => out.push_str("\\/"),
            '-' if class => out.push_str("\\-"),
            c if "\\^$.*+?()[]{}|".contains(c) => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        };
        let kind = |letter: char, out: &mut String| {
            if !judge {
                out.push('\\');
                out.push(letter);
                return;
            }
            let inside = match letter.to_ascii_lowercase() {
                'd' => "0-9",
                'w' => "0-9A-Za-z_",
                _ => SPACES,
            };
            out.push_str(if letter.is_ascii_uppercase() { "[^" } else { "[" });
            out.push_str(inside);
            out.push(']');
        };
        match self {
            Node::Char(c) => escape(*c, out, false),
            Node::Class(negated, ranges, kinds) => {
                out.push_str(if *negated { "[^" } else { "[" });
                for &(low, high) in ranges {
                    escape(low, out, true);
                    if low != high {
                        out.push('-');
                        escape(high, out, true);
                    }
                }
                kinds.iter().for_each(|&letter| kind(letter, out));
                out.push(']');
            }
            Node::Kind(letter) => kind(*letter, out),
            Node::Dot => out.push_str(if judge { "[^\\n\\r\\u{2028}\\u{2029}]" } else { "." }),
            Node::Concat(parts) => {
                for part in parts {
                    let branches = matches!(part, Node::Either(_));
                    out.push_str(if branches { "(?:" } else { "" });
                    part.write(judge, out);
                    out.push_str(if branches { ")" } else { "" });
                }
            }
            Node::Either(branches) => {
                for (n, branch) in branches.iter().enumerate() {
                    out.push_str(if n > 0 { "|" } else { "" });
                    branch.write(judge, out);
                }
            }
            Node::Group(open, inner) => {
                out.push_str(open);
                inner.write(judge, out);
                out.push(')');
            }
            Node::Repeat(inner, low, high, lazy) => {
                out.push_str("(?:");
                inner.write(judge, out);
                out.push(')');
                match (low, high) {
                    (0, None) => out.push('*'),
                    (1, None) => out.push('+'),
                    (0, Some(1)) => out.push('?'),
                    (low, None) => out.push_str(&format!("{{{low},}}")),
                    (low, Some(high)) if low == high => out.push_str(&format!("{{{low}}}")),
                    (low, Some(high)) => out.push_str(&format!("{{{low},{high}}}")),
                }
                out.push_str(if *lazy { "?" } else { "" });
            }
            Node::Start => out.push('^'),
            Node::End => out.push('$'),
        }
    }

    /// A text that it matches, as likely as not.
    fn sample(&self, dice: &mut Dice, out: &mut String) {
        match self {
            Node::Char(c) => out.push(*c),
            Node::Class(false, ranges, kinds) if kinds.is_empty() || dice.below(2) == 0 => {
                let (low, high) = *dice.pick(ranges);
                let span = high as u32 - low as u32 + 1;
                out.extend(char::from_u32(low as u32 + dice.below(span as usize) as u32));
            }
            Node::Class(..) | Node::Dot => out.push(*dice.pick(CHARACTERS)),
            Node::Kind(letter) => out.push(*dice.pick(match letter {
                'd' => &['0', '7'],
                'w' => &['_', 'q'],
                's' => &[' ', '\t'],
                'D' => &['a', '-'],
                'W' => &['-', ' '],
                _ => &['a', '0'],
            })),
            Node::Concat(parts) => parts.iter().for_each(|part| part.sample(dice, out)),
            Node::Either(branches) => dice.pick(branches).sample(dice, out),
            Node::Group(_, inner) => inner.sample(dice, out),
            Node::Repeat(inner, low, high, _) => {
                let most = high.unwrap_or(low + 3);
                for _ in 0..low + dice.below((most - low + 1) as usize) as u32 {
                    inner.sample(dice, out);
                }
            }
            Node::Start | Node::End => {}
        }
    }
}

fn run(seed: u64) -> Vec<String> {
    let mut dice = Dice(seed);
    let tree = expression(&mut dice);
    let (mut written, mut judged) = (String::new(), String::new());
    tree.write(false, &mut written);
    tree.write(true, &mut judged);
    // Alone an expression matches the whole; as a pattern, some part.
    let whole = dice.below(2) == 0;
    let judge = Regex::new(&if whole { format!("\\A(?:{judged})\\z") } else { judged.clone() });
    let judge = judge.unwrap_or_else(|why| panic!("seed {seed}: {judged}: {why}"));
    let (kind, text) = if whole {
        (Kind::Regex, written.clone())
    } else {
        (Kind::JsonSchema, json!({"type": "string", "pattern": written}).to_string())
    };
    let fault = |what: String| format!("seed {seed} {kind:?}: {written:?}: {what}");
    let mut found = Vec::new();
    let samples: Vec<String> = (0..8)
        .map(|n| {
            let mut sample = String::new();
            tree.sample(&mut dice, &mut sample);
            match n {
                0..4 => sample,
                4 | 5 => format!("{sample}{}", dice.pick(CHARACTERS)),
                6 => format!("{}{sample}", dice.pick(CHARACTERS)),
                _ => sample.chars().skip(1).collect(),
            }
        })
        .collect();
    let answer = match WORDS.vocabulary.answer(kind, &text) {
        Ok(answer) => answer,
        Err(why) => {
            tally(|t| t.refused += 1);
            // An anchor where nothing can stand before or after it, or an empty class, may be refused.
            // The empty text alone is no answer.
            let empty = why.to_string().contains("the empty text alone");
            let anchored = judged.contains('^') && written.contains('^') || written.contains('$');
            if let Some(sample) = samples.iter().find(|sample| judge.is_match(sample))
                && !anchored
                && !(empty && sample.is_empty())
            {
                found.push(fault(format!("refused ({why}), but {sample:?} matches")));
            }
            return found;
        }
    };
    tally(|t| t.schemas += 1);
    let decode = |bytes: &[u8]| -> Result<String, String> {
        let text = std::str::from_utf8(bytes).map_err(|why| why.to_string())?;
        match if whole { Json::String(text.to_owned()) } else { strict(text)? } {
            Json::String(text) => Ok(text),
            other => Err(format!("{other:?} is no string")),
        }
    };
    for temper in [Temper::Wild, Temper::Odd, Temper::Words, Temper::Closing] {
        match Walker::new(answer.clone(), dice.roll()).patient(800).walk(temper, 30) {
            Ok(walked) => {
                tally(|t| t.walked(&walked));
                match decode(&walked.text) {
                    Ok(text) if judge.is_match(&text) => {}
                    Ok(text) => found.push(fault(format!("{temper:?}: {text:?} does not match"))),
                    Err(why) => found.push(fault(format!("{temper:?}: {why}"))),
                }
            }
            // It need not come to an end: a dead end is one where nothing is allowed.
            Err(broken) if broken.what == "no end in sight" => tally(|t| t.endless += 1),
            Err(broken) => found.push(fault(broken.to_string())),
        }
    }
    // `\W` and its kin are read in the narrower of the ways that languages have.
    let narrow = ["\\W", "\\D", "\\S", "\\s", "[^"].iter().any(|class| written.contains(class));
    for sample in samples {
        let text = if whole { sample.clone() } else { json!(sample).to_string().replace('\u{7f}', "\\u007f") };
        let follows = Walker::new(answer.clone(), dice.roll()).follow(text.as_bytes());
        match (judge.is_match(&sample), follows) {
            (false, Ok(())) => found.push(fault(format!("{sample:?} can be the answer"))),
            (true, Err(why)) if !narrow || sample.bytes().all(|b| (b' '..=b'~').contains(&b)) => {
                found.push(fault(format!("{sample:?} can't be the answer: {why}")));
            }
            _ => {}
        }
    }
    found
}

#[test]
fn random_expressions_match_what_they_match() {
    let found = small_stack("expressions", || (0..rounds(300) as u64).flat_map(run).take(30).collect());
    faults(found);
}
