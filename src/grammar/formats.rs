//! The texts of JSON schema's `format`s, as expressions. Each gives a part of what its standard allows where all of it has no
//! expression: what is made is right, if not all that could be.

/// The expression of a format that strings are held to.
pub(crate) fn expression(name: &str) -> Option<String> {
    let date = format!("(?:{DATE})");
    let time = r"(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]))";
    Some(match name {
        "date" => date,
        "time" => time.into(),
        "date-time" => format!("{date}T{time}"),
        "duration" => {
            let of_day = "(?:T(?:[0-9]{1,6}H(?:[0-9]{1,6}M(?:[0-9]{1,6}S)?)?|[0-9]{1,6}M(?:[0-9]{1,6}S)?|[0-9]{1,6}S))";
            let of_days = "(?:[0-9]{1,6}Y(?:[0-9]{1,6}M(?:[0-9]{1,6}D)?)?|[0-9]{1,6}M(?:[0-9]{1,6}D)?|[0-9]{1,6}D)";
            format!("P(?:{of_days}{of_day}?|{of_day}|[0-9]{{1,6}}W)")
        }
        "uuid" => "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}".into(),
        "ipv4" => IPV4.into(),
        "ipv6" => ipv6(),
        "hostname" => HOST.into(),
        // Dots stand between atoms; the host is a name with a dot, as those of people's addresses are.
        "email" => format!(r"[A-Za-z0-9_+\-]{{1,30}}(?:\.[A-Za-z0-9_+\-]{{1,30}}){{0,1}}@{LABEL}(?:\.{LABEL}){{1,3}}"),
        "uri" | "iri" => {
            format!(r"[a-z]{{2,10}}://{HOST}(?::[1-9][0-9]{{0,3}})?(?:/{SEGMENT})*(?:\?{QUERY})?(?:\#{QUERY})?")
        }
        "uri-reference" | "iri-reference" => {
            format!(r"(?:[a-z]{{2,10}}://{HOST})?(?:/{SEGMENT})+(?:\?{QUERY})?(?:\#{QUERY})?")
        }
        "json-pointer" => r"(?:/(?:[A-Za-z0-9_\-.]|~[01])*)*".into(),
        _ => return None,
    })
}

/// A `format` of numbers: what it has them keep to besides being numbers.
pub(crate) fn of_numbers(name: &str) -> Option<Option<(&'static str, &'static str)>> {
    Some(match name {
        "int8" => Some(("-128", "127")),
        "int16" => Some(("-32768", "32767")),
        "int32" => Some(("-2147483648", "2147483647")),
        "int64" | "int" | "float" | "double" | "decimal" => None,
        "uint8" => Some(("0", "255")),
        "uint16" => Some(("0", "65535")),
        "uint32" => Some(("0", "4294967295")),
        "uint64" | "uint" => Some(("0", "999999999999999")),
        _ => return None,
    })
}

/// The formats that are known, for a message.
pub(crate) const KNOWN: &str =
    "date, time, date-time, duration, uuid, ipv4, ipv6, hostname, email, uri, uri-reference, json-pointer";

const IPV4: &str =
    r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
/// No two hyphens in a row: the third and fourth place are reserved where they have them.
const LABEL: &str = "[a-z0-9]{1,20}(?:-[a-z0-9]{1,20}){0,1}";
const HOST: &str =
    r"(?:[a-z][a-z0-9]{0,20}(?:-[a-z0-9]{1,20}){0,1})(?:\.[a-z][a-z0-9]{0,20}(?:-[a-z0-9]{1,20}){0,1}){0,4}";
const SEGMENT: &str = r"(?:[A-Za-z0-9_\-.~]|%[0-9A-F]{2})*";
const QUERY: &str = r"(?:[A-Za-z0-9_\-.~=&+]|%[0-9A-F]{2})*";

/// Days of the Gregorian calendar from the year 1 to 9999, leap years by its rule: RFC 3339 has a year 0, many readers have not.
const DATE: &str = concat!(
    "(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|",
    "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)-02-29",
);

/// Eight groups, or fewer around one `::` that stands for two or more.
fn ipv6() -> String {
    let group = "[0-9a-f]{1,4}";
    let mut forms = vec![format!("(?:{group}:){{7}}{group}")];
    for before in 0..=6 {
        let after = 6 - before;
        let front = if before == 0 { String::new() } else { format!("{group}(?::{group}){{{}}}", before - 1) };
        let back = if after == 0 { String::new() } else { format!("(?:{group}(?::{group}){{0,{}}})?", after - 1) };
        forms.push(format!("{front}::{back}"));
    }
    forms.join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days_of_the_calendar() {
        let dates = regex::Regex::new(&format!("^(?:{})$", expression("date").unwrap())).unwrap();
        for year in [1, 4, 100, 400, 1900, 1904, 1999, 2000, 2004, 2023, 2024, 2096, 2100, 9996, 9999] {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            for (month, days) in
                [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].into_iter().enumerate()
            {
                for day in 0..=32 {
                    let text = format!("{year:04}-{:02}-{day:02}", month + 1);
                    assert_eq!(dates.is_match(&text), (1..=days).contains(&day), "{text}");
                }
            }
        }
        assert!(!dates.is_match("0000-01-01") && !dates.is_match("2024-13-01") && !dates.is_match("2024-00-01"));
    }

    #[test]
    fn addresses_are_those_of_the_standard_library() {
        let v6 = regex::Regex::new(&format!("^(?:{})$", expression("ipv6").unwrap())).unwrap();
        for text in ["::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6::", "::3:4:5:6:7:8", "fe80::1:2", "1:2::7:8"] {
            assert!(v6.is_match(text) && text.parse::<std::net::Ipv6Addr>().is_ok(), "{text}");
        }
        for text in ["1:2:3:4:5:6:7", "1::2::3", ":::", "12345::", "1:2:3:4:5:6:7:8:9", ":1"] {
            assert!(!v6.is_match(text), "{text}");
        }
    }
}
