//! Numbers exactly: decimals without rounding, and expressions for the numbers between two of them.

use crate::json::Json;
use crate::{Error, limits};
use std::cmp::Ordering;
use std::fmt::{self, Write};

/// Digits that a number of a schema may have before its point, once it is written without an exponent: those of 64 bits.
const WHOLE: usize = 20;
/// The same after its point.
const DIGITS: usize = 17;
/// Digits before and after the point that a number of an answer may have where its schema sets no bound: every reader keeps the whole
/// ones of these exactly (2^53 has 16), and no answer is digits without end.
const USUAL: usize = 15;

/// `digits` ten to the power of minus [`DIGITS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decimal(i128);

const ONE: i128 = 10i128.pow(DIGITS as u32);

impl Decimal {
    pub(crate) const ZERO: Decimal = Decimal(0);

    /// The value of a JSON number's text; `None` where it has more digits than are kept.
    pub(crate) fn read(text: &str) -> Option<Decimal> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let fraction = fraction.trim_end_matches('0');
        let negative = whole.starts_with('-');
        let digits: String = [whole.trim_start_matches('-'), fraction].concat();
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Some(Decimal(0));
        }
        // Zeros at the end are taken off, so that 1e30 with an exponent of -30 is one.
        let short = digits.trim_end_matches('0');
        let exponent: i64 = exponent.parse::<i64>().ok().filter(|e| e.abs() < 10_000)?;
        let shift = exponent - fraction.len() as i64 + (digits.len() - short.len()) as i64 + DIGITS as i64;
        if shift < 0 || shift as usize + short.len() > WHOLE + DIGITS {
            return None;
        }
        let value = short.parse::<i128>().ok()?.checked_mul(10i128.checked_pow(shift as u32)?)?;
        Some(Decimal(if negative { -value } else { value }))
    }

    pub(crate) fn is_whole(self) -> bool {
        self.0 % ONE == 0
    }

    fn negated(self) -> Decimal {
        Decimal(-self.0)
    }

    /// Digits before the point and after it, for a number that is not negative.
    fn parts(self) -> (String, String) {
        let (whole, rest) = (self.0 / ONE, self.0 % ONE);
        (whole.to_string(), format!("{rest:0DIGITS$}").trim_end_matches('0').to_owned())
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = Decimal(self.0.abs()).parts();
        let sign = if self.0 < 0 { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

/// How a number of a schema is written in an answer: whole numbers without a point, none with an exponent, unless it has too many digits
/// for that: then as it was.
pub(crate) fn written(text: &str) -> String {
    Decimal::read(text).map_or_else(|| text.to_owned(), |number| number.to_string())
}

/// Whether two texts of numbers are the same number; where one has more digits than are kept, whether they are the same text.
pub(crate) fn same(a: &str, b: &str) -> bool {
    match (Decimal::read(a), Decimal::read(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// An end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) at: Decimal,
    /// The number itself is out.
    pub(crate) open: bool,
}

/// What a number has to keep to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) low: Option<Bound>,
    pub(crate) high: Option<Bound>,
    pub(crate) multiples: Vec<Decimal>,
}

impl Numbers {
    pub(crate) fn at_least(&mut self, bound: Bound) {
        let tighter = |old: &Bound| bound.at.cmp(&old.at).then(bound.open.cmp(&old.open)) == Ordering::Greater;
        if self.low.as_ref().is_none_or(tighter) {
            self.low = Some(bound);
        }
    }

    pub(crate) fn at_most(&mut self, bound: Bound) {
        let tighter = |old: &Bound| bound.at.cmp(&old.at).then(old.open.cmp(&bound.open)) == Ordering::Less;
        if self.high.as_ref().is_none_or(tighter) {
            self.high = Some(bound);
        }
    }

    pub(crate) fn multiple_of(&mut self, of: Decimal) {
        if !self.multiples.contains(&of) {
            self.multiples.push(of);
        }
    }

    pub(crate) fn meet(&mut self, other: &Numbers) {
        other.low.into_iter().for_each(|bound| self.at_least(bound));
        other.high.into_iter().for_each(|bound| self.at_most(bound));
        other.multiples.iter().for_each(|&of| self.multiple_of(of));
    }

    pub(crate) fn admits(&self, value: Decimal) -> bool {
        self.low.is_none_or(|low| value > low.at || (value == low.at && !low.open))
            && self.high.is_none_or(|high| value < high.at || (value == high.at && !high.open))
            && self.multiples.iter().all(|of| value.0 % of.0 == 0)
    }

    /// The step that all numbers are multiples of, if there is one: the least common multiple.
    fn step(&self, whole: bool) -> Result<Option<Decimal>, Error> {
        let mut step: Option<i128> = whole.then_some(ONE);
        for of in &self.multiples {
            let with = step.unwrap_or(of.0);
            let (mut a, mut b) = (with, of.0);
            while b != 0 {
                (a, b) = (b, a % b);
            }
            let lcm = (with / a).checked_mul(of.0).filter(|&lcm| lcm < i128::MAX / 4);
            step =
                Some(lcm.ok_or_else(|| {
                    Error("multipleOf: the numbers have no common multiple that is small enough".into())
                })?);
        }
        Ok(step.map(Decimal))
    }

    /// The bounds, for a message.
    fn names(&self) -> (String, String) {
        let name = |bound: Option<Bound>, open: &str, closed: &str| {
            bound.map_or_else(String::new, |b| format!("{} {}", if b.open { open } else { closed }, b.at))
        };
        (name(self.low, "exclusiveMinimum", "minimum"), name(self.high, "exclusiveMaximum", "maximum"))
    }

    /// An expression for these numbers, whole ones alone if `whole`; `Ok(Err(why))` where there are none.
    #[allow(clippy::type_complexity)]
    pub(crate) fn expression(&self, whole: bool) -> Result<Result<Vec<String>, String>, Error> {
        if let (Some(low), Some(high)) = (self.low, self.high)
            && (low.at > high.at || (low.at == high.at && (low.open || high.open)))
        {
            let (low_name, high_name) = (
                if low.open { "exclusiveMinimum" } else { "minimum" },
                if high.open { "exclusiveMaximum" } else { "maximum" },
            );
            return Ok(Err(format!("{low_name} {} and {high_name} {} leave no number between them", low.at, high.at)));
        }
        let Some(step) = self.step(whole)? else { return Ok(Ok(between(self.low, self.high, false, USUAL))) };
        // The first and the last multiple of the step.
        let first = self.low.map(|low| {
            let n = low.at.0.div_euclid(step.0) + i128::from(low.at.0.rem_euclid(step.0) != 0);
            if low.open && n * step.0 == low.at.0 { n + 1 } else { n }
        });
        let last = self.high.map(|high| {
            let n = high.at.0.div_euclid(step.0);
            if high.open && n * step.0 == high.at.0 { n - 1 } else { n }
        });
        if let (Some(first), Some(last)) = (first, last) {
            if first > last {
                let what = if step.0 == ONE { "whole number".into() } else { format!("multiple of {step}") };
                let (low, high) = self.names();
                return Ok(Err(format!("no {what} lies between {low} and {high}")));
            }
            if step.0 != ONE && last - first < limits::MULTIPLES {
                let all: Vec<String> =
                    (first..=last).map(|n| crate::pattern::literal(&Decimal(n * step.0).to_string())).collect();
                return Ok(Ok(vec![format!("(?:{})", all.join("|"))]));
            }
        }
        let bound = |n: i128| n.checked_mul(step.0).map(|at| Bound { at: Decimal(at), open: false });
        let (low, high) = (first.and_then(bound), last.and_then(bound));
        if step.0 == ONE {
            return Ok(Ok(between(low, high, true, 0)));
        }
        // Steps of which a power of ten is a multiple show in the last digits.
        if step.is_whole() {
            let of = step.0 / ONE;
            if let Some(digits) = (1..=3u32).find(|&k| 10i128.pow(k) % of == 0) {
                let ends: Vec<String> =
                    (0..10i128.pow(digits) / of).map(|n| format!("{:01$}", n * of, digits as usize)).collect();
                let short: Vec<String> = (0..10i128.pow(digits) / of).map(|n| (n * of).to_string()).collect();
                let mut all = between(low, high, true, 0);
                all.push(format!("-?(?:{}|[0-9]*(?:{}))", short.join("|"), ends.join("|")));
                return Ok(Ok(all));
            }
        } else if ONE % step.0 == 0 && ONE / step.0 <= 1000 {
            let fractions: Vec<String> =
                (1..ONE / step.0).map(|n| format!("\\.{}0*", Decimal(n * step.0).parts().1)).collect();
            let mut all = between(low, high, false, USUAL);
            all.push(format!("-?[0-9]+(?:\\.0+|{})?", fractions.join("|")));
            return Ok(Ok(all));
        } else if let Some(digits) = (4..=6).find(|&k| step.0 == ONE / 10i128.pow(k)) {
            return Ok(Ok(between(low, high, false, digits as usize)));
        }
        Err(Error(format!(
            "multipleOf {step} is kept between a minimum and a maximum with at most {} multiples between them, and where a power of ten is a multiple of it: here neither holds",
            limits::MULTIPLES
        )))
    }
}

/// Expressions that a number between the bounds meets, all of them.
fn between(low: Option<Bound>, high: Option<Bound>, whole: bool, fraction_digits: usize) -> Vec<String> {
    // The bounds may have more digits than the usual number.
    let digits = |bound: Option<Bound>| {
        bound.map_or((0, 0), |b| (Decimal(b.at.0.abs()).parts().0.len(), Decimal(b.at.0.abs()).parts().1.len()))
    };
    let ((low_whole, low_fraction), (high_whole, high_fraction)) = (digits(low), digits(high));
    let open = low.is_none() || high.is_none();
    let most = USUAL.max(low_whole.max(high_whole) + usize::from(open && low_whole.max(high_whole) >= USUAL));
    let fraction =
        if fraction_digits < USUAL { fraction_digits } else { USUAL.max(low_fraction + 1).max(high_fraction + 1) };
    let form = |sign: &str| {
        let mut form = format!("{sign}(?:0|[1-9][0-9]{{0,{}}})", most - 1);
        if !whole {
            let _ = write!(form, "(?:\\.[0-9]{{1,{fraction}}})?");
        }
        form
    };
    if low.is_none() && high.is_none() {
        let mut free = form("-?");
        if whole {
            // Not -0.
            free = format!("(?:0|-?[1-9][0-9]{{0,{}}})", most - 1);
        } else if fraction_digits >= USUAL {
            free.push_str("(?:[eE][+-]?[1-9][0-9]?)?");
        }
        return vec![free];
    }
    // Numbers below zero are those above it, mirrored.
    let mut sides = Vec::new();
    let zero = Bound { at: Decimal::ZERO, open: false };
    let above_zero = Bound { at: Decimal::ZERO, open: true };
    if high.is_none_or(|high| high.at > Decimal::ZERO || (high.at == Decimal::ZERO && !high.open)) {
        let low = low.filter(|low| low.at > Decimal::ZERO || (low.at == Decimal::ZERO && low.open)).unwrap_or(zero);
        sides.push(("", low, high));
    }
    if low.is_none_or(|low| low.at < Decimal::ZERO) {
        let mirror = |bound: Bound| Bound { at: bound.at.negated(), open: bound.open };
        let nearest = high.filter(|high| high.at < Decimal::ZERO).map_or(above_zero, mirror);
        sides.push(("-", nearest, low.map(mirror)));
    }
    let fraction_form = if whole { String::new() } else { "(?:\\.[0-9]+)?".into() };
    let sides: Vec<String> = sides
        .into_iter()
        .map(|(sign, low, high)| {
            // With its own form, so that each side of the alternation is short.
            let at_least = at_least(low, whole, &fraction_form);
            let at_most =
                high.map_or_else(|| format!("[0-9]+{fraction_form}"), |high| at_most(high, whole, &fraction_form));
            format!("{sign}\u{0}{at_least}\u{0}{at_most}")
        })
        .collect();
    // The two conditions of each side, joined by "or" sign by sign: (s1 l1 | s2 l2) and (s1 h1 | s2 h2), whose mixed cases differ in sign.
    let column = |n: usize| {
        let all: Vec<String> = sides
            .iter()
            .map(|side| side.split('\u{0}').collect::<Vec<_>>())
            .map(|side| format!("{}(?:{})", side[0], side[n]))
            .collect();
        format!("(?:{})", all.join("|"))
    };
    vec![form("-?"), column(1), column(2)]
}

/// Digits for numbers not below `bound`, itself not negative.
fn at_least(bound: Bound, whole: bool, fraction_form: &str) -> String {
    let (digits, fraction) = bound.at.parts();
    let k = digits.len();
    let mut all = vec![format!("[1-9][0-9]{{{k},}}{fraction_form}")];
    greater(&digits, |same, digit, rest| all.push(format!("{same}[{digit}-9][0-9]{{{rest}}}{fraction_form}")));
    let some = "[0-9]*[1-9][0-9]*";
    if whole {
        if !bound.open {
            all.push(digits);
        }
    } else if fraction.is_empty() {
        all.push(if bound.open { format!("{digits}\\.{some}") } else { format!("{digits}{fraction_form}") });
    } else {
        greater(&fraction, |same, digit, _| all.push(format!("{digits}\\.{same}[{digit}-9][0-9]*")));
        all.push(format!("{digits}\\.{fraction}{}", if bound.open { some } else { "[0-9]*" }));
    }
    all.join("|")
}

/// Digits for numbers not above `bound`, itself not negative.
fn at_most(bound: Bound, whole: bool, fraction_form: &str) -> String {
    let (digits, fraction) = bound.at.parts();
    let k = digits.len();
    let mut all = Vec::new();
    if k > 1 {
        all.push(format!("(?:0|[1-9][0-9]{{0,{}}}){fraction_form}", k - 2));
    }
    less(&digits, |same, digit, rest| {
        let first = if same.is_empty() && k > 1 { '1' } else { '0' };
        if first <= digit {
            all.push(format!("{same}[{first}-{digit}][0-9]{{{rest}}}{fraction_form}"));
        }
    });
    if whole {
        if !bound.open {
            all.push(digits);
        }
    } else if fraction.is_empty() {
        if !bound.open {
            all.push(format!("{digits}(?:\\.0+)?"));
        }
    } else {
        all.push(digits.clone());
        for n in 1..fraction.len() {
            all.push(format!("{digits}\\.{}", &fraction[..n]));
        }
        less(&fraction, |same, digit, _| all.push(format!("{digits}\\.{same}[0-{digit}][0-9]*")));
        if !bound.open {
            all.push(format!("{digits}\\.{fraction}0*"));
        }
    }
    if all.is_empty() {
        // Nothing is below zero here.
        return "[^\\x{0}-\\x{10ffff}]".into();
    }
    all.join("|")
}

/// For each digit that another may be greater than: what stands before it, the least greater digit, and how many digits follow.
fn greater(digits: &str, mut each: impl FnMut(&str, char, usize)) {
    for (n, digit) in digits.bytes().enumerate() {
        if digit < b'9' {
            each(&digits[..n], char::from(digit + 1), digits.len() - n - 1);
        }
    }
}

/// The same for less.
fn less(digits: &str, mut each: impl FnMut(&str, char, usize)) {
    for (n, digit) in digits.bytes().enumerate() {
        if digit > b'0' {
            each(&digits[..n], char::from(digit - 1), digits.len() - n - 1);
        }
    }
}

/// A number of a schema that has to be kept exactly.
pub(crate) fn of(value: &Json, keyword: &str) -> Result<Decimal, Error> {
    match value {
        Json::Number(text) => Decimal::read(text).ok_or_else(|| {
            Error(format!("{keyword} {} has more digits than can be kept exactly ({WHOLE} before its point and {DIGITS} after it)", value.told()))
        }),
        other => Err(Error(format!("{keyword} must be a number: it is {}", other.told()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Decimal {
        Decimal::read(text).unwrap()
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(read("1e2"), read("100.000"));
        assert_eq!(read("-0.125"), read("-125e-3"));
        assert_eq!(read("0e99999999999999999999").to_string(), "0");
        assert_eq!(read("123456789012345678").to_string(), "123456789012345678");
        assert_eq!(read("-9223372036854775808").to_string(), "-9223372036854775808");
        assert_eq!(Decimal::read("1234567890123456789012"), None);
        assert_eq!(Decimal::read("1e-18"), None);
        assert_eq!(Decimal::read("1e999999999999999999"), None);
        assert!(same("1.0", "1") && !same("1", "-1"));
    }

    /// All numbers of few digits, against the comparison that the expression stands for.
    #[test]
    fn ranges_have_all_their_numbers_and_no_others() {
        let texts: Vec<String> = (-1250..=1250)
            .map(|n: i32| format!("{}{}.{:02}", if n < 0 { "-" } else { "" }, n.abs() / 100, n.abs() % 100))
            .flat_map(|text| [text.trim_end_matches('0').trim_end_matches('.').to_owned(), text])
            .collect();
        let bounds = ["-12.5", "-10", "-9.05", "-1", "-0.5", "0", "0.05", "0.35", "1", "9.99", "10", "12.01"];
        for whole in [false, true] {
            for (low, high) in bounds
                .iter()
                .flat_map(|&l| bounds.iter().map(move |&h| (Some(l), Some(h))))
                .chain(bounds.iter().flat_map(|&b| [(Some(b), None), (None, Some(b))]))
            {
                for (low_open, high_open) in [(false, false), (true, false), (false, true), (true, true)] {
                    let mut numbers = Numbers::default();
                    low.into_iter().for_each(|b| numbers.at_least(Bound { at: read(b), open: low_open }));
                    high.into_iter().for_each(|b| numbers.at_most(Bound { at: read(b), open: high_open }));
                    let expressions: Vec<_> = match numbers.expression(whole).unwrap() {
                        Ok(all) => all.iter().map(|e| regex::Regex::new(&format!("^(?:{e})$")).unwrap()).collect(),
                        Err(_) => {
                            let any = texts
                                .iter()
                                .filter(|t| !whole || !t.contains('.'))
                                .find(|t| numbers.admits(read(t)) && **t != "-0");
                            assert!(any.is_none(), "{low:?} {high:?} {low_open} {high_open}: {any:?}");
                            continue;
                        }
                    };
                    for text in &texts {
                        let right = numbers.admits(read(text))
                            && (!whole || !text.contains('.'))
                            && text != "-0"
                            && text != "-0.00";
                        let found = expressions.iter().all(|e| e.is_match(text));
                        assert_eq!(
                            found, right,
                            "{text} in {low:?} {high:?}, open {low_open} {high_open}, whole {whole}: {numbers:?}"
                        );
                    }
                }
            }
        }
    }
}
