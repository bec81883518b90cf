//! Bounds and multiples, judged twice: by the validator, which reads doubles as most programs do, and exactly.

use crate::judge::Judge;
use crate::walk::{Dice, Temper, Walker};
use crate::words::WORDS;
use crate::{faults, rounds, small_stack, tally};
use b158_grammar::Kind;
use std::cmp::Ordering;

/// A decimal: mantissa, and the power of ten that it is divided by.
#[derive(Debug, Clone, Copy)]
struct Exact(i128, u32);

impl Exact {
    /// `None` for what has too many digits for 128 bits.
    fn read(text: &str) -> Option<Exact> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let exponent: i32 = exponent.parse().ok()?;
        let mut value: i128 = format!("{whole}{fraction}").parse().ok()?;
        let mut places = i32::try_from(fraction.len()).ok()? - exponent;
        while places < 0 {
            value = value.checked_mul(10)?;
            places += 1;
        }
        Some(Exact(value, places as u32))
    }

    fn aligned(self, other: Exact) -> Option<(i128, i128)> {
        let places = self.1.max(other.1);
        let scale = |x: Exact| x.0.checked_mul(10i128.checked_pow(places - x.1)?);
        Some((scale(self)?, scale(other)?))
    }

    fn cmp(self, other: Exact) -> Option<Ordering> {
        self.aligned(other).map(|(a, b)| a.cmp(&b))
    }
}

/// Whether a number keeps to the keywords, exactly.
fn keeps(text: &str, keywords: &[(&str, String)]) -> Option<bool> {
    let number = Exact::read(text)?;
    let mut all = true;
    for (keyword, value) in keywords {
        let value = || Exact::read(value);
        all &= match *keyword {
            "type" => {
                let ten = 10i128.checked_pow(number.1)?;
                number.0 % ten == 0
            }
            "minimum" => number.cmp(value()?)? != Ordering::Less,
            "maximum" => number.cmp(value()?)? != Ordering::Greater,
            "exclusiveMinimum" => number.cmp(value()?)? == Ordering::Greater,
            "exclusiveMaximum" => number.cmp(value()?)? == Ordering::Less,
            "multipleOf" => {
                let (a, b) = number.aligned(value()?)?;
                a % b == 0
            }
            other => unreachable!("{other}"),
        };
    }
    Some(all)
}

const EDGES: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "9",
    "10",
    "11",
    "12",
    "17",
    "19",
    "20",
    "99",
    "100",
    "101",
    "109",
    "110",
    "190",
    "199",
    "200",
    "255",
    "256",
    "999",
    "1000",
    "1001",
    "4096",
    "9999",
    "10000",
    "65535",
    "-9",
    "-10",
    "-11",
    "-99",
    "-100",
    "-101",
    "-128",
    "0.1",
    "0.5",
    "0.25",
    "0.05",
    "0.01",
    "0.001",
    "0.35",
    "0.99",
    "0.999",
    "1.5",
    "1.05",
    "1.005",
    "2.5",
    "9.9",
    "9.99",
    "9.5",
    "10.5",
    "99.9",
    "-0.1",
    "-0.5",
    "-1.5",
    "-9.99",
    "-0.001",
    "3.14159265358979",
    "123456.789",
    "-273.15",
    "0.000001",
    "1e3",
    "1e-3",
    "1.5e2",
    "2E1",
    "-1e2",
    "12e-1",
    "1.0",
    "-0",
    "0.0",
    "100.0",
    "9007199254740991",
    "-9007199254740991",
    "999999999999999",
    "1000000000000000",
    "1000000",
    "999999.999999",
    "0.1000000000000001",
    "0.30000000000000004",
    "2147483647",
    "-2147483648",
    "4294967295",
    "1e15",
    "1e-15",
    "123456789012345.5",
];

const STEPS: &[&str] = &[
    "1", "2", "3", "5", "7", "10", "12", "25", "60", "100", "0.5", "0.1", "0.01", "0.25", "2.5", "1.5", "0.05", "1e1",
    "1.0", "0.001", "64", "1000",
];

fn schema(dice: &mut Dice) -> Vec<(&'static str, String)> {
    let mut keywords: Vec<(&'static str, String)> = Vec::new();
    if dice.below(2) == 0 {
        keywords.push(("type", "\"integer\"".into()));
    }
    // Two ends that lie near each other as often as not.
    let low = *dice.pick(EDGES);
    let high = match dice.below(3) {
        0 => *dice.pick(EDGES),
        1 => EDGES[(EDGES.iter().position(|&e| e == low).unwrap_or(0) + 1 + dice.below(4)) % EDGES.len()],
        _ => low,
    };
    let (low, high) = match (Exact::read(low), Exact::read(high)) {
        (Some(a), Some(b)) if a.cmp(b) == Some(Ordering::Greater) && dice.below(8) > 0 => (high, low),
        _ => (low, high),
    };
    match dice.below(5) {
        0 => {}
        1 => keywords.push(("exclusiveMinimum", low.into())),
        _ => keywords.push(("minimum", low.into())),
    }
    match dice.below(5) {
        0 => {}
        1 => keywords.push(("exclusiveMaximum", high.into())),
        _ => keywords.push(("maximum", high.into())),
    }
    if dice.below(4) == 0 {
        keywords.push(("multipleOf", (*dice.pick(STEPS)).into()));
    }
    keywords
}

fn written(keywords: &[(&str, String)]) -> String {
    let mut all: Vec<String> = keywords.iter().map(|(keyword, value)| format!("\"{keyword}\":{value}")).collect();
    if !keywords.iter().any(|(keyword, _)| *keyword == "type") {
        all.push("\"type\":\"number\"".into());
    }
    format!("{{{}}}", all.join(","))
}

/// Numbers around an end: the end itself, and its neighbours at some places.
fn around(end: &str, dice: &mut Dice) -> Vec<String> {
    let Some(Exact(value, places)) = Exact::read(end) else { return Vec::new() };
    let more = dice.below(3) as u32;
    let Some(scaled) = 10i128.checked_pow(more).and_then(|ten| value.checked_mul(ten)) else { return Vec::new() };
    let places = (places + more) as usize;
    [-11, -10, -1, 0, 1, 9, 10]
        .iter()
        .map(|by| {
            let value = scaled + by;
            let digits = format!("{:0width$}", value.unsigned_abs(), width = places + 1);
            let (whole, fraction) = digits.split_at(digits.len() - places);
            let fraction = fraction.trim_end_matches('0');
            let sign = if value < 0 { "-" } else { "" };
            if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
        })
        .collect()
}

fn run(seed: u64) -> Vec<String> {
    let mut dice = Dice(seed);
    let keywords = schema(&mut dice);
    let schema = written(&keywords);
    let mut found = Vec::new();
    let near: Vec<String> = keywords
        .iter()
        .filter(|(keyword, _)| *keyword != "type")
        .flat_map(|(_, value)| around(value, &mut dice))
        .chain(["0".into(), "1".into(), "50".into(), "-3.5".into()])
        .collect();
    let answer = match WORDS.vocabulary.answer(Kind::JsonSchema, &schema) {
        Ok(answer) => answer,
        Err(why) => {
            tally(|t| t.refused += 1);
            // Refused: then nothing meets it, or a keyword is named.
            let said = why.to_string();
            let some = near.iter().find(|text| keeps(text, &keywords) == Some(true));
            let named = keywords.iter().any(|(keyword, value)| {
                *keyword != "type"
                    && said.contains(keyword)
                    && (said.contains(value.as_str()) || *keyword == "multipleOf")
            });
            if let Some(text) = some
                && !named
            {
                found.push(format!("seed {seed}: {schema}: refused ({said}), but {text} meets it"));
            }
            return found;
        }
    };
    tally(|t| t.schemas += 1);
    let judge = Judge::new(&schema).expect("a schema");
    for temper in [Temper::Digits, Temper::Wild, Temper::Longest, Temper::Closing] {
        match Walker::new(answer.clone(), dice.roll()).walk(temper, 50) {
            Ok(walked) => {
                tally(|t| t.walked(&walked));
                let text = String::from_utf8_lossy(&walked.text);
                let exactly = keeps(&text, &keywords);
                // Of more digits than a double has the validator can't tell whether it is a multiple.
                let fine = text.bytes().filter(u8::is_ascii_digit).count() > 15 && schema.contains("multipleOf");
                if let Err(why) = judge.check(&walked.text)
                    && !(fine && exactly == Some(true))
                {
                    found.push(format!("seed {seed}: {schema}: {why}: {text}"));
                }
                match exactly {
                    Some(true) => {}
                    Some(false) => found.push(format!("seed {seed}: {schema}: {text} does not keep to it exactly")),
                    None if keywords.is_empty() => {}
                    None => found.push(format!("seed {seed}: {schema}: {text:.60} has more digits than anyone needs")),
                }
            }
            Err(broken) => found.push(format!("seed {seed}: {schema}: {broken}")),
        }
    }
    for text in near {
        let right = keeps(&text, &keywords);
        let follows = Walker::new(answer.clone(), dice.roll()).follow(text.as_bytes());
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        match (right, follows) {
            (Some(false), Ok(())) => found.push(format!("seed {seed}: {schema}: {text} can be the answer")),
            // What a double tells apart, in the usual way of writing.
            (Some(true), Err(why)) if digits <= 15 && text != "-0" => {
                found.push(format!("seed {seed}: {schema}: {text} can't be the answer: {why}"));
            }
            _ => {}
        }
    }
    found
}

#[test]
fn numbers_keep_to_their_bounds_exactly() {
    let found = small_stack("numbers", || (0..rounds(400) as u64).flat_map(run).take(40).collect());
    faults(found);
}

#[test]
fn decimals_are_compared_exactly() {
    let keeps = |text, keyword, value: &str| keeps(text, &[(keyword, value.to_owned())]);
    assert_eq!(keeps("0.1000000000000000001", "maximum", "0.1"), Some(false));
    assert_eq!(keeps("-1e-2", "minimum", "-0.01"), Some(true));
    assert_eq!(keeps("2.50", "multipleOf", "0.5"), Some(true));
    assert_eq!(keeps("2.5", "type", ""), Some(false));
    assert_eq!(keeps("1e400", "minimum", "0"), None);
}
