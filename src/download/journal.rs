//! The journal of a cached file: lines of JSON that are only ever added, so that one which a crash has torn costs itself alone.
//!
//! The first line has a fixed length and is the exception: when the file was last used, written over in place.

use super::remote::Version;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Of the first line, without its end.
const USED_LENGTH: usize = 31;
/// The largest part: each is read whole. A journal that speaks of larger ones was not written by this engine.
pub(super) const MOST_PART_BYTES: u64 = 64 << 20;

/// What a file in the cache is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head {
    pub(super) url: String,
    pub(super) part_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_modified: Option<String>,
}

impl Head {
    pub(super) fn version(&self) -> Version {
        Version { size: self.size, etag: self.etag.clone(), last_modified: self.last_modified.clone() }
    }
}

/// One line: a head, a part that lies in the data with this hash, a part that does not any more, or that all are there, with
/// the hash of the whole where somebody has checked it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<Head>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    complete: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Used {
    used: u64,
}

/// What the lines of a file say together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Journal {
    /// Milliseconds since 1970.
    pub(super) used: u64,
    pub(super) head: Head,
    /// Hash by part.
    pub(super) parts: BTreeMap<u64, [u8; 32]>,
    /// Bytes in all, once every one is there.
    pub(super) complete: Option<u64>,
    /// Of the whole.
    pub(super) sha256: Option<String>,
    /// Bytes up to here are sound.
    pub(super) length: u64,
}

impl Journal {
    /// Of a file of which nothing is there.
    pub(super) fn new(head: Head, used: u64) -> Self {
        Journal { used, head, parts: BTreeMap::new(), complete: None, sha256: None, length: 0 }
    }

    /// `None` where there is nothing to go on from.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut journal = None;
        let mut used = 0;
        let mut length = 0;
        for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            length += line.len() as u64;
            let Some(text) = line.strip_suffix(b"\n") else { break };
            if index == 0 {
                used = serde_json::from_slice(text).map_or(0, |first: Used| first.used);
                continue;
            }
            let sound = serde_json::from_slice(text).ok().and_then(|line| Self::apply(&mut journal, line, used));
            if sound.is_none() {
                break;
            }
            journal.as_mut()?.length = length;
        }
        journal
    }

    /// `None` for a line that makes no sense there.
    fn apply(journal: &mut Option<Self>, line: Line, used: u64) -> Option<()> {
        match (line, journal) {
            (Line { head: Some(head), .. }, journal) => {
                let sound = (1..=MOST_PART_BYTES).contains(&head.part_bytes);
                *journal = Some(Journal::new(head, used)).filter(|_| sound);
                journal.as_ref()?;
            }
            (Line { part: Some(part), sha256, .. }, Some(journal)) => {
                let sha256 = from_hex(&sha256?)?;
                (part < journal.most_parts()).then_some(())?;
                journal.parts.insert(part, sha256);
            }
            (Line { lost: Some(part), .. }, Some(journal)) => journal.lose(part),
            (Line { complete: Some(bytes), sha256, .. }, Some(journal)) => {
                journal.holds(bytes).then_some(())?;
                journal.complete = Some(bytes);
                journal.sha256 = sha256.or(journal.sha256.take());
            }
            _ => return None,
        }
        Some(())
    }

    /// Parts that there can be.
    fn most_parts(&self) -> u64 {
        self.head.size.unwrap_or(u64::MAX).div_ceil(self.head.part_bytes)
    }

    /// Whether all parts of a file of so many bytes are there, and no other.
    pub(super) fn holds(&self, bytes: u64) -> bool {
        let count = bytes.div_ceil(self.head.part_bytes);
        self.parts.len() as u64 == count && self.parts.last_key_value().is_none_or(|(last, _)| *last < count)
    }

    /// The part is not what it was.
    pub(super) fn lose(&mut self, part: u64) {
        self.parts.remove(&part);
        self.complete = None;
    }
}

/// The first line.
pub(super) fn used_line(ms: u64) -> Vec<u8> {
    let text = line(&Used { used: ms });
    let mut bytes = text.trim_ascii_end().to_vec();
    bytes.resize(USED_LENGTH.max(bytes.len()), b' ');
    bytes.push(b'\n');
    bytes
}

/// What the file is.
pub(super) fn head_line(head: &Head) -> Vec<u8> {
    line(&Line { head: Some(head.clone()), ..Line::default() })
}

/// The part lies in the data, and has this hash.
pub(super) fn part_line(part: u64, sha256: &[u8; 32]) -> Vec<u8> {
    line(&Line { part: Some(part), sha256: Some(to_hex(sha256)), ..Line::default() })
}

/// It does not any more.
pub(super) fn lost_line(part: u64) -> Vec<u8> {
    line(&Line { lost: Some(part), ..Line::default() })
}

/// All is there.
pub(super) fn complete_line(bytes: u64, sha256: Option<&str>) -> Vec<u8> {
    line(&Line { complete: Some(bytes), sha256: sha256.map(str::to_owned), ..Line::default() })
}

fn line(value: &impl Serialize) -> Vec<u8> {
    // Texts and numbers can always be written; a line that is none would end the journal there.
    let mut bytes = serde_json::to_vec(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// A file's name in a store. Addresses may be too long for one.
pub(super) fn key_of(url: &str) -> String {
    let mut key = to_hex(&Sha256::digest(url.as_bytes()).into());
    key.truncate(32);
    key
}

pub(super) fn to_hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in digest.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(digest)
}
