//! What a person may write for an address, and the addresses that it stands for.
//!
//! Next: a [`Request`](super::Request) for each of them.

use crate::{Error, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

const HUB: &str = "https://huggingface.co";

/// All but what JavaScript's `encodeURIComponent` leaves as it is: the addresses of both, and so their caches, are the same.
pub(super) const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// An absolute address without a fragment, of one that may be relative to `base`, or of `hf:owner/repository/file` and
/// `hf:owner/repository@revision/file` on Hugging Face.
///
/// # Errors
/// [`Error::BadAddress`].
pub fn resolve(given: &str, base: Option<&str>) -> Result<Url> {
    let bad = || Error::BadAddress { reason: format!("\"{given}\" is not an address") };
    let mut url = match given.strip_prefix("hf:") {
        Some(path) => on_the_hub(path).ok_or_else(|| Error::BadAddress {
            reason: format!(
                "\"{given}\" is not an address on Hugging Face: write hf:owner/repository/file.gguf or \
                 hf:owner/repository@revision/file.gguf, with %2F for a slash in the revision"
            ),
        })?,
        None => {
            let base = base.map(Url::parse).transpose().map_err(|_| bad())?;
            Url::options().base_url(base.as_ref()).parse(given).map_err(|_| bad())?
        }
    };
    url.set_fragment(None);
    Ok(url)
}

/// Of what follows `hf:`.
fn on_the_hub(path: &str) -> Option<Url> {
    let (owner, rest) = path.split_once('/')?;
    let (repository, file) = rest.split_once('/')?;
    let (repository, revision) = match repository.split_once('@') {
        Some((repository, revision)) => (repository, percent_decode_str(revision).decode_utf8().ok()?),
        None => (repository, "main".into()),
    };
    let segments = [owner, repository, "resolve", &revision].into_iter().chain(file.split('/'));
    let mut address = HUB.to_owned();
    for segment in segments.clone() {
        // Dots would lead out of the repository.
        if matches!(segment, "" | "." | "..") {
            return None;
        }
        address.push('/');
        address.extend(utf8_percent_encode(segment, COMPONENT));
    }
    (!owner.contains('@')).then(|| Url::parse(&address).ok()).flatten()
}

/// Every part of a split file, of which `url` is the first, `…-00001-of-00003.gguf`; or `url` alone.
///
/// # Errors
/// [`Error::BadAddress`] where it is another part than the first.
pub fn parts(url: &Url) -> Result<Vec<Url>> {
    let Some(split) = Split::of(url.path()) else { return Ok(vec![url.clone()]) };
    let numbered = |number: u32| {
        let mut part = url.clone();
        part.set_path(&format!("{}{number:05}{}", split.before, split.after));
        part
    };
    if split.part != 1 {
        let reason =
            format!("{url} is part {} of a split file: give the address of the first one, {}", split.part, numbered(1));
        return Err(Error::BadAddress { reason });
    }
    Ok((1..=split.count.max(1)).map(numbered).collect())
}

/// A path that ends in `-00001-of-00003.gguf`.
struct Split<'a> {
    /// Up to the part's number.
    before: &'a str,
    /// From there on.
    after: &'a str,
    part: u32,
    count: u32,
}

impl<'a> Split<'a> {
    fn of(path: &'a str) -> Option<Self> {
        const TAIL: usize = "-00001-of-00003.gguf".len();
        let tail = path.get(path.len().checked_sub(TAIL)?..)?;
        let (part, count) = (tail.get(1..6)?, tail.get(10..15)?);
        let is_split = tail.starts_with('-')
            && tail.get(6..10)?.eq_ignore_ascii_case("-of-")
            && tail.get(15..)?.eq_ignore_ascii_case(".gguf");
        let number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?;
        let (part, count) = (number(part)?, number(count)?);
        let (before, after) = path.split_at(path.len() - TAIL + 1);
        is_split.then_some(Split { before, after: after.get(5..)?, part, count })
    }
}

/// Whether it names a commit of a repository on the hub, whose bytes never change.
pub fn is_immutable(url: &str) -> bool {
    let path = url.strip_prefix(HUB).and_then(|rest| rest.strip_prefix('/'));
    let mut segments = path.unwrap_or_default().split(['/', '?', '#']).skip(2);
    segments.next() == Some("resolve")
        && segments.next().is_some_and(|revision| {
            revision.len() == 40 && revision.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        })
}

/// Whether it is that of a file of a repository on the hub.
pub fn is_on_hub(url: &str) -> bool {
    let path = url.strip_prefix(HUB).and_then(|rest| rest.strip_prefix('/'));
    path.unwrap_or_default().split(['/', '?', '#']).nth(2) == Some("resolve")
}

/// The last part of an address's path, as a person reads it.
pub fn file_name(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    let last = path.split('/').rfind(|segment| !segment.is_empty()).unwrap_or(url);
    percent_decode_str(last).decode_utf8().map_or_else(|_| last.to_owned(), |name| name.into_owned())
}

/// Scheme, host and port of an absolute address in its normal form, as [`resolve`] and browsers give it. Of others at
/// worst another text for the same origin, which then counts as a foreign one.
pub(super) fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(host..).and_then(|rest| rest.find(['/', '?', '#', '\\']));
    url.get(..end.map_or(url.len(), |end| host + end)).unwrap_or(url)
}

/// Whether two absolute addresses in their normal form have the same scheme, host and port.
pub fn same_origin(one: &str, other: &str) -> bool {
    origin(one) == origin(other)
}

/// An address for a message, without what may be a secret: people paste messages into issues.
pub(super) fn shown(url: &str) -> String {
    let address = url.split(['?', '#']).next().unwrap_or(url);
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit('@').next().unwrap_or(host);
    format!("{scheme}://{host}{path}")
}
