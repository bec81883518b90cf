//! Today's date for `strftime_now`: the local time in a browser, elsewhere UTC, since the standard library knows no
//! other.

use super::meter::Outcome;
use web_time::{SystemTime, UNIX_EPOCH};

/// A moment, to the second, as clocks and calendars show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    year: i64,
    /// 1 to 12.
    month: usize,
    day: i64,
    /// 0 is Sunday.
    weekday: usize,
    /// 0 is the first of January.
    day_of_year: i64,
    second_of_day: i64,
}

pub(super) fn now() -> Moment {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64);
    Moment::at(seconds - minutes_behind_utc() * 60)
}

#[cfg(target_family = "wasm")]
fn minutes_behind_utc() -> i64 {
    js_sys::Date::new_0().get_timezone_offset() as i64
}

#[cfg(not(target_family = "wasm"))]
fn minutes_behind_utc() -> i64 {
    0
}

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Moment {
    /// Seconds since 1970.
    pub(super) fn at(seconds: i64) -> Self {
        let days = seconds.div_euclid(86_400);
        // Years that begin in March put the leap day last; 400 of them have 146,097 days.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let from_march = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * from_march + 2) / 153;
        let day = from_march - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let day_of_year = if month <= 2 { from_march - 306 } else { from_march + 59 + i64::from(leap) };
        Self {
            year,
            month: month as usize,
            day,
            weekday: (days + 4).rem_euclid(7) as usize,
            day_of_year,
            second_of_day: seconds.rem_euclid(86_400),
        }
    }
}

/// As C's `strftime`, with the letters that dates are made of. Others stay as they are.
pub(super) fn format(format: &str, moment: Moment, mut write: impl FnMut(&str) -> Outcome) -> Outcome {
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        write(&rest[..at])?;
        let behind = &rest[at + 1..];
        let (plain, letters) = match behind.strip_prefix('-') {
            Some(letters) => (true, letters),
            None => (false, behind),
        };
        let letter = letters.chars().next();
        let Some(text) = letter.and_then(|letter| field(letter, plain, moment)) else {
            write("%")?;
            rest = behind;
            continue;
        };
        write(&text)?;
        rest = &letters[1..];
    }
    write(rest)
}

fn field(letter: char, plain: bool, m: Moment) -> Option<String> {
    let two = |number: i64| if plain { number.to_string() } else { format!("{number:02}") };
    let (hour, minute, second) = (m.second_of_day / 3600, m.second_of_day / 60 % 60, m.second_of_day % 60);
    let month = MONTHS.get(m.month.checked_sub(1)?)?;
    let weekday = WEEKDAYS.get(m.weekday)?;
    let twelve = (hour + 11) % 12 + 1;
    Some(match letter {
        'Y' => m.year.to_string(),
        'y' => two(m.year.rem_euclid(100)),
        'C' => two(m.year.div_euclid(100)),
        'm' => two(m.month as i64),
        'd' => two(m.day),
        'e' if plain => m.day.to_string(),
        'e' => format!("{:2}", m.day),
        'B' => (*month).to_owned(),
        'b' | 'h' => month[..3].to_owned(),
        'A' => (*weekday).to_owned(),
        'a' => weekday[..3].to_owned(),
        'w' => m.weekday.to_string(),
        'u' => (if m.weekday == 0 { 7 } else { m.weekday }).to_string(),
        'j' if plain => (m.day_of_year + 1).to_string(),
        'j' => format!("{:03}", m.day_of_year + 1),
        'H' => two(hour),
        'I' => two(twelve),
        'M' => two(minute),
        'S' => two(second),
        'p' => if hour < 12 { "AM" } else { "PM" }.to_owned(),
        'F' => format!("{}-{:02}-{:02}", m.year, m.month, m.day),
        'D' | 'x' => format!("{:02}/{:02}/{:02}", m.month, m.day, m.year.rem_euclid(100)),
        'T' | 'X' => format!("{hour:02}:{minute:02}:{second:02}"),
        'R' => format!("{hour:02}:{minute:02}"),
        'c' => format!("{} {} {:2} {hour:02}:{minute:02}:{second:02} {}", &weekday[..3], &month[..3], m.day, m.year),
        'n' => "\n".to_owned(),
        't' => "\t".to_owned(),
        '%' => "%".to_owned(),
        'f' => "000000".to_owned(),
        'z' | 'Z' => String::new(),
        _ => return None,
    })
}
