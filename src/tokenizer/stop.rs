//! Stop strings: text that ends generation and is not shown.

/// Watches streamed text for the first of several strings.
///
/// Text that may be the beginning of a stop string is withheld until it is clear what it is, so that nothing
/// of a stop string is ever shown. The result does not depend on how the text is cut into pushes.
#[derive(Clone, Debug, Default)]
pub struct StopStrings {
    stops: Vec<String>,
    withheld: String,
    hit: bool,
}

impl StopStrings {
    /// Watches for `stops`; empty ones are ignored.
    pub fn new(mut stops: Vec<String>) -> Self {
        stops.retain(|s| !s.is_empty());
        Self { stops, ..Self::default() }
    }

    /// Takes text in; returns what is safe to show, and whether a stop string is complete. After a hit nothing
    /// more comes out.
    pub fn push(&mut self, text: &str) -> (String, bool) {
        if self.hit {
            return (String::new(), true);
        }
        self.withheld.push_str(text);
        // The stop that is complete first counts; of those that end together the longest.
        // A search begins with a look at all of what is sought: it may be long.
        let fit = self.stops.iter().filter(|stop| stop.len() <= self.withheld.len());
        let ends = fit.filter_map(|stop| {
            let start = self.withheld.find(stop.as_str())?;
            Some((start + stop.len(), start))
        });
        if let Some((_, start)) = ends.min() {
            self.withheld.truncate(start);
            self.hit = true;
            return (std::mem::take(&mut self.withheld), true);
        }
        let held = self.stops.iter().map(|stop| overlap(&self.withheld, stop)).max().unwrap_or(0);
        let rest = self.withheld.split_off(self.withheld.len() - held);
        (std::mem::replace(&mut self.withheld, rest), false)
    }

    /// Ends the stream: what was withheld and became no stop string.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.withheld)
    }
}

/// Bytes at the end of `text` that begin `stop`, the whole of it excepted.
fn overlap(text: &str, stop: &str) -> usize {
    (1..stop.len().min(text.len() + 1))
        .rev()
        .filter(|&n| stop.is_char_boundary(n))
        .find(|&n| text.ends_with(&stop[..n]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(stops: &[&str], pieces: &[&str]) -> (String, bool) {
        let mut watch = StopStrings::new(stops.iter().map(|s| (*s).to_owned()).collect());
        let (mut out, mut hit) = (String::new(), false);
        for piece in pieces {
            let (text, now) = watch.push(piece);
            out += &text;
            hit = now;
        }
        out += &watch.finish();
        (out, hit)
    }

    #[test]
    fn nothing_of_a_stop_string_is_shown() {
        assert_eq!(run(&["\nUser:"], &["Hi.", "\nUs", "er", ": more"]), ("Hi.".into(), true));
        assert_eq!(run(&["\nUser:"], &["Hi.", "\nUs", "ed"]), ("Hi.\nUsed".into(), false));
        assert_eq!(run(&["\nUser:"], &["Hi.", "\nUs"]), ("Hi.\nUs".into(), false));
        assert_eq!(run(&["", "x"], &["ab", "xc"]), ("ab".into(), true));
        assert_eq!(run(&[], &["ab", "c"]), ("abc".into(), false));
    }

    #[test]
    fn withholds_no_more_than_needed() {
        let mut watch = StopStrings::new(vec!["aab".into()]);
        assert_eq!(watch.push("aaa"), ("a".into(), false));
        assert_eq!(watch.push("b"), (String::new(), true));
        assert_eq!(watch.push("later"), (String::new(), true));
    }

    proptest! {
        #[test]
        fn cutting_changes_nothing(
            text in "[abé]{0,24}",
            stops in proptest::collection::vec("[abé]{0,4}", 0..4),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut at: Vec<usize> = cuts.iter().map(|i| i.index(text.len() + 1)).filter(|&i| text.is_char_boundary(i)).collect();
            at.extend([0, text.len()]);
            at.sort_unstable();
            let pieces: Vec<&str> = at.windows(2).map(|w| &text[w[0]..w[1]]).collect();
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let single: Vec<String> = text.chars().map(String::from).collect();
            let single: Vec<&str> = single.iter().map(String::as_str).collect();
            let whole = run(&stops, &[&text]);
            prop_assert_eq!(&run(&stops, &pieces), &whole);
            prop_assert_eq!(&run(&stops, &single), &whole);
        }
    }
}
