//! Fields out of chunks: a field that is whole in the chunk is borrowed, one that is cut is joined.

use super::Limits;
use crate::{Error, Result};

/// Memory kept for joining cut strings; a longer one is given back after use.
const KEEP: usize = 64 << 10;

pub(crate) struct Reader {
    pub(crate) limits: Limits,
    /// Bytes consumed: where the next one stands in the file.
    pub(crate) position: u64,
    /// The begun number, if a chunk ended inside one.
    number: [u8; 8],
    number_len: usize,
    /// Bytes that the begun number will have: checked where assertions are, as whoever began it must end it.
    number_size: usize,
    /// The begun string, likewise.
    text: Vec<u8>,
    /// `text` was handed out and is to be emptied.
    text_used: bool,
}

impl Reader {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, position: 0, number: [0; 8], number_len: 0, number_size: 0, text: Vec::new(), text_used: false }
    }

    /// Bytes of a field that the last chunk began and did not end: 0 between two fields.
    pub(crate) fn begun(&self) -> usize {
        self.number_len + if self.text_used { 0 } else { self.text.len() }
    }

    /// The first `len` bytes of `input`.
    pub(crate) fn split<'a>(&mut self, input: &mut &'a [u8], len: usize) -> &'a [u8] {
        let (taken, rest) = input.split_at(len);
        *input = rest;
        self.position += len as u64;
        taken
    }

    /// A field of `N` bytes (at most 8), or `None` when the input is used up before its end.
    pub(crate) fn fixed<const N: usize>(&mut self, input: &mut &[u8]) -> Option<[u8; N]> {
        const { assert!(N > 0 && N <= 8) };
        debug_assert_eq!(self.begun(), self.number_len, "a number inside a string");
        debug_assert!(self.number_len == 0 || self.number_size == N, "a number of {} ended as {N}", self.number_size);
        if self.number_len == 0
            && let Some((&field, rest)) = input.split_first_chunk::<N>()
        {
            *input = rest;
            self.position += N as u64;
            return Some(field);
        }
        let part = self.split(input, input.len().min(N - self.number_len));
        self.number[self.number_len..][..part.len()].copy_from_slice(part);
        self.number_len += part.len();
        if self.number_len < N {
            self.number_size = N;
            return None;
        }
        self.number_len = 0;
        self.number.first_chunk().copied()
    }

    pub(crate) fn u32(&mut self, input: &mut &[u8]) -> Option<u32> {
        self.fixed(input).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, input: &mut &[u8]) -> Option<u64> {
        self.fixed(input).map(u64::from_le_bytes)
    }

    /// As many whole fields of `N` bytes as the input has, at most `most`. None while a field is begun: finish that
    /// with [`fixed`](Self::fixed).
    pub(crate) fn run<'a, const N: usize>(&mut self, input: &mut &'a [u8], most: usize) -> &'a [[u8; N]] {
        if self.number_len != 0 {
            return &[];
        }
        let fields = (input.len() / N).min(most);
        self.split(input, fields * N).as_chunks().0
    }

    /// A string's `len` bytes, or `None` when the input is used up before their end. `field` names it in errors.
    pub(crate) fn bytes<'s, 'a: 's>(
        &'s mut self,
        input: &mut &'a [u8],
        len: usize,
        field: impl Fn() -> String,
    ) -> Result<Option<&'s [u8]>> {
        debug_assert_eq!(self.number_len, 0, "a string inside a number");
        if self.text_used {
            self.text_used = false;
            self.text.clear();
            self.text.shrink_to(KEEP);
        }
        debug_assert!(self.text.is_empty() || self.text.len() < len, "a string of {len} that has more");
        if self.text.is_empty() && input.len() >= len {
            return Ok(Some(self.split(input, len)));
        }
        let part = self.split(input, input.len().min(len - self.text.len()));
        let more = growth(self.text.len(), self.text.capacity(), part.len(), len);
        self.text.try_reserve_exact(more).map_err(|_| out_of_memory(field(), more))?;
        self.text.extend_from_slice(part);
        if self.text.len() < len {
            return Ok(None);
        }
        self.text_used = true;
        Ok(Some(&self.text))
    }

    /// A string that must be UTF-8.
    pub(crate) fn string<'s, 'a: 's>(
        &'s mut self,
        input: &mut &'a [u8],
        len: usize,
        field: impl Fn() -> String,
    ) -> Result<Option<&'s str>> {
        let end = self.position + (len - self.begun()) as u64;
        let Some(bytes) = self.bytes(input, len, &field)? else { return Ok(None) };
        std::str::from_utf8(bytes)
            .map(Some)
            .map_err(|e| Error::InvalidUtf8 { field: field(), offset: end - len as u64 + e.valid_up_to() as u64 })
    }

    /// Refuses what the file or the limits do not have room for, before it is awaited: `found` things, at most
    /// `limit` of them allowed, that take `size` bytes each at the least. `offset` is where they were announced.
    pub(crate) fn check(
        &self,
        found: u64,
        limit: u64,
        size: u64,
        offset: u64,
        field: impl Fn() -> String,
    ) -> Result<()> {
        let needed = found.saturating_mul(size);
        if let Some(size) = self.limits.file_size {
            let remaining = size.saturating_sub(self.position);
            if needed > remaining {
                return Err(Error::BeyondEnd { field: field(), offset, needed, remaining });
            }
        }
        if found > limit {
            return Err(Error::OverLimit { field: field(), offset, found, limit });
        }
        let end = self.position.saturating_add(needed);
        if end > self.limits.max_metadata {
            let field = format!("the size of the metadata with {}", field());
            return Err(Error::OverLimit { field, offset, found: end, limit: self.limits.max_metadata });
        }
        Ok(())
    }
}

/// How many elements beyond `len` to reserve so that `more` fit: growth by half, never beyond the announced `total`.
/// What a file announces is reserved only as it arrives.
pub(crate) fn growth(len: usize, capacity: usize, more: usize, total: usize) -> usize {
    if capacity - len >= more {
        return 0;
    }
    more.max((len / 2).max(64).min(total.saturating_sub(len)))
}

pub(crate) fn out_of_memory(what: String, bytes: usize) -> Error {
    Error::OutOfMemory { what, bytes: bytes as u64 }
}

/// A length as `usize`, which is 32 bits in a browser.
pub(crate) fn to_usize(len: u64, field: impl Fn() -> String) -> Result<usize> {
    usize::try_from(len).map_err(|_| Error::OutOfMemory { what: field(), bytes: len })
}
