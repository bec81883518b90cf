//! Which known name an unknown one stands for: as in `www/src/internal/options/nearest.ts`.

/// Of the longer name's characters, at most this share may differ.
const SHARE: f64 = 0.35;
/// No name is longer; what is given may be.
const LONGEST: usize = 64;

/// The same for `max_tokens`, `maxTokens` and `MAX-TOKENS`.
pub(super) fn plain(name: &str) -> String {
    name.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect()
}

/// The nearest of the known names, if one is near.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let given = plain(&name.chars().take(LONGEST).collect::<String>());
    let mut best: Option<(&str, f64)> = None;
    for candidate in known {
        let other = plain(candidate);
        let share = difference(&given, &other) / given.len().max(other.len()).max(1) as f64;
        if share <= SHARE && best.is_none_or(|(_, least)| share < least) {
            best = Some((candidate, share));
        }
    }
    best.map(|(name, _)| name)
}

fn difference(a: &str, b: &str) -> f64 {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    // A word more, as in `abortSignal`, is less of a difference than other letters.
    if short.len() > 2 && long.contains(short) {
        return (long.len() - short.len()) as f64 / 2.0;
    }
    edits(a.as_bytes(), b.as_bytes()) as f64
}

/// Letters to put in, take out, replace or exchange with their neighbour.
fn edits(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i];
        for j in 1..=b.len() {
            let replaced = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut cost = replaced.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                cost = cost.min(before[j - 2] + 1);
            }
            next.push(cost);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}
