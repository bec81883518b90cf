//! A session as bytes: the tokens that it has read, with their keys and values in the exact bits. Restored, they give the
//! same answers, bit for bit, as if they had never been away, on every backend.
//!
//! All numbers are little-endian.
//!
//! | at | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic: `b158-kv\n` |
//! | 8 | 4 | version: 1 |
//! | 12 | 4 | type of the KV cache: 0 is f16, 1 f32, 2 q8_0 |
//! | 16 | 8 | length of the whole |
//! | 24 | 16 | the model's [fingerprint](crate::model::Fingerprint) |
//! | 40 | 4 | context of the session that was saved |
//! | 44 | 4 | n, the number of tokens |
//! | 48 | 4 n | token ids |
//! | 48 + 4 n | n × the size of a row | keys and values: `[layer][token][kv head]`, the key and then the value |
//! | length − 16 | 16 | checksum: XXH3 in 128 bits of all before it |
//!
//! A key or value is `head_dim` numbers of the cache's type; in q8_0 it is an f32 scale and `head_dim` codes.
//!
//! Nothing is believed before it is checked, and nothing of the session changes before everything has been. The checksum
//! finds damage; bytes made on purpose to pass it can make a model say anything, but not read or write out of place.

use super::Session;
use crate::allocate::try_with_capacity;
use crate::model::KvType;
use crate::{Error, Result};
use twox_hash::XxHash3_128;

const MAGIC: [u8; 8] = *b"b158-kv\n";
const VERSION: u32 = 1;
const VERSION_AT: usize = 8;
const TYPE_AT: usize = 12;
const LENGTH_AT: usize = 16;
const FINGERPRINT_AT: usize = 24;
const CONTEXT_AT: usize = 40;
const TOKENS_AT: usize = 44;
/// Bytes before the token ids.
const HEADER: usize = 48;
const CHECKSUM: usize = 16;

impl Session {
    /// What has been read, as bytes. Of a generation under way that is the part whose keys and values are complete.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn save(&self) -> Result<Vec<u8>> {
        let (cache, tokens) = (&self.cache, self.tokens());
        let length = length(self, tokens.len());
        let mut out = try_with_capacity(usize::try_from(length).unwrap_or(usize::MAX), "a saved session")?;
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend(type_number(cache.kind()).to_le_bytes());
        out.extend(length.to_le_bytes());
        out.extend(self.loaded.model.fingerprint().0);
        // A context is at most 2^24.
        out.extend((cache.context() as u32).to_le_bytes());
        out.extend((tokens.len() as u32).to_le_bytes());
        out.extend(tokens.iter().flat_map(|id| id.to_le_bytes()));
        cache.write_rows(&mut out);
        let checksum = XxHash3_128::oneshot(&out);
        out.extend(checksum.to_le_bytes());
        Ok(out)
    }

    /// Takes what another session has [saved](Self::save), in place of all that this one has read; a generation under way
    /// is dropped. The contexts may differ, as long as the tokens fit.
    ///
    /// # Errors
    /// [`Error::BadSession`] for what is no saved session, is cut short or damaged; [`Error::ForeignSession`] for one of
    /// another model or type of KV cache; [`Error::SessionTooLong`]; [`Error::OutOfMemory`]. The session is then as it was.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let saved = Saved::check(self, bytes)?;
        let mut tokens = try_with_capacity(saved.ids.len(), "the tokens of a saved session")?;
        tokens.extend(saved.ids.iter().map(|id| u32::from_le_bytes(*id)));
        self.cache.reserve_to(tokens.len())?;
        self.cache.read_rows(tokens.len(), saved.rows);
        self.tokens = tokens;
        (self.run, self.read) = (None, None);
        Ok(())
    }
}

/// The parts of bytes that have been checked.
struct Saved<'a> {
    ids: &'a [[u8; 4]],
    rows: &'a [u8],
}

impl<'a> Saved<'a> {
    fn check(session: &Session, bytes: &'a [u8]) -> Result<Self> {
        if !bytes.starts_with(&MAGIC[..MAGIC.len().min(bytes.len())]) {
            return Err(bad("magic", 0, "no saved session begins like this"));
        }
        let Some(header) = bytes.first_chunk::<HEADER>() else {
            return Err(ends(header_field(bytes.len()), bytes.len()));
        };
        let version = u32_at(header, VERSION_AT);
        if version != VERSION {
            return Err(bad("version", VERSION_AT, format!("it is {version}, this engine reads {VERSION}")));
        }
        let tokens = u32_at(header, TOKENS_AT);
        let (announced, actual) = (u64_at(header, LENGTH_AT), bytes.len() as u64);
        if actual < announced {
            let field = match actual {
                _ if actual < HEADER as u64 + 4 * u64::from(tokens) => "token ids",
                _ if actual < announced.saturating_sub(CHECKSUM as u64) => "keys and values",
                _ => "checksum",
            };
            return Err(ends(field, bytes.len()));
        }
        let (body, checksum) = match bytes.split_last_chunk::<CHECKSUM>() {
            Some((body, checksum)) if actual == announced && body.len() >= HEADER => (body, checksum),
            _ => return Err(bad("length", LENGTH_AT, format!("it is {announced}, there are {actual} bytes"))),
        };
        if XxHash3_128::oneshot(body).to_le_bytes() != *checksum {
            return Err(bad("checksum", body.len(), "it does not fit the bytes before it: they are damaged"));
        }
        Self::check_sound(session, body, tokens)
    }

    /// What is to be asked of bytes that are as they were written, by whomever.
    fn check_sound(session: &Session, body: &'a [u8], tokens: u32) -> Result<Self> {
        let (cache, model) = (&session.cache, &session.loaded.model);
        let foreign = |field, at: usize, found: String, expected: String| {
            Err(Error::ForeignSession { field, offset: at as u64, found, expected })
        };
        let kind = u32_at(body, TYPE_AT);
        match [KvType::F16, KvType::F32, KvType::Q8_0].into_iter().find(|known| type_number(*known) == kind) {
            None => return Err(bad("type of the KV cache", TYPE_AT, format!("it is {kind}, known are 0 to 2"))),
            Some(found) if found != cache.kind() => {
                return foreign("type of the KV cache", TYPE_AT, found.name().into(), cache.kind().name().into());
            }
            Some(_) => {}
        }
        let (found, own) = (&body[FINGERPRINT_AT..CONTEXT_AT], model.fingerprint());
        if *found != own.0 {
            let found = found.iter().map(|byte| format!("{byte:02x}")).collect();
            return foreign("fingerprint of the model", FINGERPRINT_AT, found, own.to_string());
        }
        let context = u32_at(body, CONTEXT_AT);
        if tokens > context {
            let reason = format!("{tokens} do not fit the context of {context} that was saved");
            return Err(bad("number of tokens", TOKENS_AT, reason));
        }
        // Positions are turned by other angles in long contexts than in short ones.
        let factors = |context: usize| model.weights.rope_factors(&model.config, context).map(<[f32]>::as_ptr);
        if factors(context as usize) != factors(cache.context()) {
            let own = cache.context().to_string();
            return foreign("context, which decides how positions are told,", CONTEXT_AT, context.to_string(), own);
        }
        let count = tokens as usize;
        if count > cache.context() {
            let (offset, tokens) = (TOKENS_AT as u64, u64::from(tokens));
            return Err(Error::SessionTooLong { offset, tokens, context: cache.context() });
        }
        let (actual, expected) = ((body.len() + CHECKSUM) as u64, length(session, count));
        if actual != expected {
            return Err(bad("length", LENGTH_AT, format!("it is {actual}, {tokens} tokens take {expected}")));
        }
        let (ids, rows) = body[HEADER..].split_at(4 * count);
        let (ids, _) = ids.as_chunks::<4>();
        let vocabulary = model.config.vocabulary;
        if let Some(i) = ids.iter().position(|id| u32::from_le_bytes(*id) as usize >= vocabulary) {
            let reason = format!("{} is not in the vocabulary of {vocabulary} tokens", u32::from_le_bytes(ids[i]));
            return Err(bad("token ids", HEADER + 4 * i, reason));
        }
        cache.check_rows(rows).map_err(|e| bad("keys and values", HEADER + 4 * count + e.offset, e.reason))?;
        Ok(Saved { ids, rows })
    }
}

/// Bytes in all. A context is at most 2^24 and a token's rows below 2^31: no overflow.
fn length(session: &Session, tokens: usize) -> u64 {
    HEADER as u64 + 4 * tokens as u64 + session.cache.rows_bytes(tokens) + CHECKSUM as u64
}

fn type_number(kind: KvType) -> u32 {
    match kind {
        KvType::F16 => 0,
        KvType::F32 => 1,
        KvType::Q8_0 => 2,
    }
}

/// The field of the header in which so many bytes end.
fn header_field(bytes: usize) -> &'static str {
    let starts = [
        (TOKENS_AT, "number of tokens"),
        (CONTEXT_AT, "context"),
        (FINGERPRINT_AT, "fingerprint of the model"),
        (LENGTH_AT, "length"),
        (TYPE_AT, "type of the KV cache"),
        (VERSION_AT, "version"),
    ];
    starts.into_iter().find(|(start, _)| bytes >= *start).map_or("magic", |(_, field)| field)
}

/// A number of the header, all of which is there.
fn u32_at(header: &[u8], at: usize) -> u32 {
    header[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(header: &[u8], at: usize) -> u64 {
    header[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn bad(field: &'static str, at: usize, reason: impl Into<String>) -> Error {
    Error::BadSession { field, offset: at as u64, reason: reason.into() }
}

fn ends(field: &'static str, at: usize) -> Error {
    bad(field, at, "the bytes end inside it, they are not all there")
}
