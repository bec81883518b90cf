//! Values of options: what is not one is refused with what it may be.

use std::ops::RangeInclusive;

/// A whole number that is `least` or more.
pub(crate) fn whole<T: TryFrom<i64>>(
    least: i64,
    what: &'static str,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync {
    move |text| {
        let number = text.parse().ok().filter(|number| *number >= least);
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| format!("it is {what}"))
    }
}

/// A number in a range.
pub(crate) fn real(
    range: RangeInclusive<f32>,
    what: &'static str,
) -> impl Fn(&str) -> Result<f32, String> + Clone + Send + Sync {
    move |text| text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| format!("it is {what}"))
}

/// Any number at all.
pub(crate) const ANY: RangeInclusive<f32> = f32::MIN..=f32::MAX;

/// Where the draws begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seed {
    /// Another one each time.
    Random,
    Fixed(u64),
}

impl std::str::FromStr for Seed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "-1" => Ok(Seed::Random),
            _ => text.parse().map(Seed::Fixed).map_err(|_| "it is a whole number from 0 to 2^64 - 1, or -1 for any"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_none_are_refused() {
        let tokens = whole::<usize>(0, "a number of tokens");
        assert_eq!((tokens("0"), tokens("4096")), (Ok(0), Ok(4096)));
        for bad in ["-1", "", "x", "1.5", "99999999999999999999", "0x10", " 1"] {
            assert_eq!(tokens(bad), Err("it is a number of tokens".into()), "{bad}");
        }
        assert_eq!(whole::<i32>(i64::MIN, "a number")("-7"), Ok(-7));
        assert!(whole::<i32>(i64::MIN, "a number")("4294967296").is_err());
        let number = real(ANY, "a number");
        assert_eq!((number("-1"), number("0.5"), number("1e-3")), (Ok(-1.0), Ok(0.5), Ok(1e-3)));
        for bad in ["", "x", "nan", "inf", "-infinity", "1,5", "1e99"] {
            assert!(number(bad).is_err(), "{bad}");
        }
        let share = real(0.0..=1.0, "a share");
        assert_eq!((share("0"), share("1"), share("-0")), (Ok(0.0), Ok(1.0), Ok(-0.0)));
        assert!(share("1.01").is_err() && share("-0.1").is_err());
    }

    #[test]
    fn seeds() {
        assert_eq!("-1".parse(), Ok(Seed::Random));
        assert_eq!("0".parse(), Ok(Seed::Fixed(0)));
        assert_eq!("18446744073709551615".parse(), Ok(Seed::Fixed(u64::MAX)));
        for bad in ["-2", "", "1.0", "seed", "18446744073709551616"] {
            assert!(bad.parse::<Seed>().is_err(), "{bad}");
        }
    }
}
