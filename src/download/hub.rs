//! What a hub of Hugging Face says of a file beside its bytes: the SHA-256 of those that git does not hold itself.
//!
//! Asked for such a file it redirects to where the bytes lie, and names the hash in that first answer (`X-Linked-Etag`): whoever follows
//! redirects himself has it for nothing. A page can't: `fetch` shows the last answer alone. There the hub is asked for what git holds in
//! place of the file, a pointer of 130 bytes at `/raw/` where the file is at `/resolve/`.

use super::address::{origin, shown};
use super::place::{Body, Bytes, Place, Transport};
use super::remote::{Remote, within};
use super::request::HttpRequest;
use crate::{Error, Result};

/// Of what may be a pointer: git-lfs knows none that is longer.
const MOST_BYTES: usize = 1024;

/// What a file must be.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    /// Bytes.
    pub(super) size: Option<u64>,
    /// Of the whole, 64 lower-case hexadecimal digits.
    pub(super) sha256: Option<String>,
    /// The hub says so, and nobody else.
    pub(super) by_hub: bool,
}

impl Expected {
    /// Whether the file may be one of so many bytes.
    pub(super) fn may_have(&self, bytes: u64) -> bool {
        self.size.is_none_or(|size| size == bytes)
    }

    /// Refuses a file of so many bytes, if it must have others.
    pub(super) fn check_size(&self, bytes: u64, url: &str) -> Result<()> {
        let Some(size) = self.size.filter(|size| *size != bytes) else { return Ok(()) };
        let url_shown = shown(url);
        let reason = if self.by_hub {
            format!("{url_shown} has {bytes} bytes, {} says {size}: nothing of it was kept; load again", origin(url))
        } else {
            format!(
                "{url_shown} has {bytes} bytes, its manifest says {size}: ask whoever put them there for files of one model"
            )
        };
        Err(Error::Integrity { reason })
    }

    /// Refuses a file of another hash.
    pub(super) fn check_sha256(&self, found: &str, url: &str) -> Result<()> {
        let Some(wanted) = self.sha256.as_deref().filter(|wanted| *wanted != found) else { return Ok(()) };
        let (said, advice) = if self.by_hub {
            (format!(", which {} says", origin(url)), "ask whoever is between you and the hub")
        } else {
            (String::new(), "check the digest and the address")
        };
        let url = shown(url);
        let reason = format!(
            "{url} has the SHA-256 {found}, not {wanted}{said}; nothing of it was kept: load again, and if it stays so, {advice}"
        );
        Err(Error::Integrity { reason })
    }
}

/// The hub's word for a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Of the file that the pointer stands for.
    Pointer { sha256: String, size: u64 },
    /// Git holds the file itself, and knows no SHA-256 of it.
    InGit,
}

impl Word {
    fn read(text: &[u8]) -> Self {
        Self::pointer(text).unwrap_or(Word::InGit)
    }

    fn pointer(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() < MOST_BYTES)?;
        let mut lines = text.lines();
        lines.next()?.strip_prefix("version https://git-lfs.github.com/spec/")?;
        let values = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let sha256 = digest(values("oid")?.strip_prefix("sha256:")?)?;
        Some(Word::Pointer { sha256, size: values("size")?.parse().ok()? })
    }
}

/// The SHA-256 that an ETag is, if it is one.
pub(super) fn digest(etag: &str) -> Option<String> {
    let text = etag.trim().trim_start_matches("W/").trim_matches('"');
    (text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit())).then(|| text.to_ascii_lowercase())
}

/// Whether an ETag is that of a file which git holds: the hash of a blob.
pub(super) fn is_of_git(etag: &str) -> bool {
    let text = etag.trim().trim_start_matches("W/").trim_matches('"');
    text.len() == 40 && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// Where the pointer to the file of an address is: `owner/repository/resolve/revision/file` has `raw` for `resolve`.
fn pointer_address(url: &str) -> Option<String> {
    let path = url.get(origin(url).len()..)?.split(['?', '#']).next()?;
    let at = path.find("/resolve/").filter(|at| path[..*at].split('/').count() >= 3)?;
    let (before, after) = (&path[..at], &path[at + "/resolve/".len()..]);
    Some(format!("{}{before}/raw/{after}", origin(url)))
}

/// Asks the hub for its word; the error says why there is none.
pub(super) async fn ask<P: Place>(remote: &Remote<'_, P>) -> Result<Word, String> {
    let url = pointer_address(&remote.request.url).ok_or("its address is not one of the hub's")?;
    let request = HttpRequest { aside: true, ..remote.asked(&url, Some(0..MOST_BYTES as u64), None) };
    let asking = async {
        let mut response = remote.place.transport().send(&request).await.map_err(|why| why.to_string())?;
        if !(200..300).contains(&response.status) {
            return Err(format!("it answered {}", response.status));
        }
        let mut text = Vec::with_capacity(MOST_BYTES);
        while let Some(bytes) = response.body.next().await.map_err(|why| why.to_string())? {
            let (at, piece) = (text.len(), bytes.len().min(MOST_BYTES - text.len()));
            text.resize(at + piece, 0);
            bytes.read(0, &mut text[at..]);
            if text.len() == MOST_BYTES {
                break;
            }
        }
        Ok(Word::read(&text))
    };
    let patience = remote.place.tuning().ask_ms;
    within(remote.place.clock(), patience, asking).await.unwrap_or_else(|| Err("it gave no answer".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SHA256: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

    #[test]
    fn a_pointer_is_told_from_a_file() {
        let pointer = |text: &str| Word::read(text.as_bytes());
        let right = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{SHA256}\nsize 1187801280\n");
        let word = Word::Pointer { sha256: SHA256.to_owned(), size: 1_187_801_280 };
        assert_eq!(pointer(&right), word);
        assert_eq!(pointer(&right.replace('\n', "\r\n")), word);
        assert_eq!(pointer(&format!("{right}ext-0-x sha256:12\n")), word);
        for wrong in [
            "",
            "{}",
            "version https://git-lfs.github.com/spec/v1\n",
            &right.replace("sha256", "sha1"),
            &right.replace(SHA256, &SHA256[1..]),
            &right.replace("1187801280", "-1"),
            &format!(" {right}"),
            &format!("{right}{}", "x".repeat(1024)),
        ] {
            assert_eq!(pointer(wrong), Word::InGit, "{wrong}");
        }
        assert_eq!(Word::read(b"\xff\xfe"), Word::InGit);
    }

    #[test]
    fn a_hash_is_told_from_another_etag() {
        for etag in [format!("\"{SHA256}\""), SHA256.to_uppercase(), format!("W/\"{SHA256}\"")] {
            assert_eq!(digest(&etag).as_deref(), Some(SHA256));
            assert!(!is_of_git(&etag));
        }
        for etag in ["", "\"", "\"d41d8cd98f00b204e9800998ecf8427e-12\"", "\"ü\""] {
            assert_eq!((digest(etag), is_of_git(etag)), (None, false));
        }
        assert!(is_of_git("\"43734cd39e84dbfafd2ec36e7b2a1b5a8a62e8cf\""));
    }

    #[test]
    fn a_pointer_has_the_address_of_its_file() {
        let of = |url: &str| pointer_address(url);
        let raw = "https://huggingface.co/o/r/raw/main/a/resolve/m.gguf";
        assert_eq!(of("https://huggingface.co/o/r/resolve/main/a/resolve/m.gguf?download=true").as_deref(), Some(raw));
        assert_eq!(
            of("http://h:1/hub/o/r/resolve/a%2Fb/m.gguf").as_deref(),
            Some("http://h:1/hub/o/r/raw/a%2Fb/m.gguf")
        );
        for other in ["https://h/m.gguf", "https://h/resolve/m.gguf", "https://h/o/resolve/x", "", "x"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
