//! Keys and values of the tokens read so far.
//!
//! Memory grows with the text, in pages of [`PAGE`] positions that never move: nothing is copied, and in wasm no
//! hole is left behind. A page holds one layer's keys as `[kv head][position][width]`, then its values as
//! `[kv head][column of the width][position][COLUMN]`, so that attention streams along one head; the width is that of a head,
//! rounded up to a multiple of [`COLUMN`] with zeros. What is stored is finite: infinity becomes the largest number, NaN zero.

#[path = "kv_rows.rs"]
mod rows;

use super::Config;
use crate::allocate::try_zeroed;
use crate::kernels::Backend;
use crate::kernels::attention::{COLUMN, Stored};
use crate::{Error, Result};

/// Positions in a page.
pub(crate) const PAGE: usize = 256;

/// How keys and values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum KvType {
    /// Half precision, as in llama.cpp by default.
    F16,
    /// Single precision: what comparisons with references need.
    F32,
    /// 8 bits: half the memory of f16. Named as in llama.cpp, but with one f32 scale for each head's key and value.
    Q8_0,
}

impl KvType {
    /// Bytes of one key or value of `width` elements.
    fn row_bytes(self, width: usize) -> usize {
        match self {
            KvType::F16 => 2 * width,
            KvType::F32 => 4 * width,
            KvType::Q8_0 => width + size_of::<f32>(),
        }
    }

    /// The name that options use.
    pub fn name(self) -> &'static str {
        match self {
            KvType::F16 => "f16",
            KvType::F32 => "f32",
            KvType::Q8_0 => "q8_0",
        }
    }
}

impl std::str::FromStr for KvType {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "f16" => Ok(KvType::F16),
            "f32" => Ok(KvType::F32),
            "q8_0" => Ok(KvType::Q8_0),
            _ => Err(Error::BadOption {
                option: "kv-cache",
                value: s.to_owned(),
                reason: "must be auto, f16, f32 or q8_0",
            }),
        }
    }
}

enum Page {
    F16(Vec<u16>),
    F32(Vec<f32>),
    /// Codes, and scales of keys, then of values: `[kv head][position]`.
    Q8(Vec<i8>, Vec<f32>),
}

/// The cache of one session.
pub struct KvCache {
    kind: KvType,
    layers: usize,
    kv_heads: usize,
    head_dim: usize,
    width: usize,
    context: usize,
    len: usize,
    /// `[page of positions][layer]`
    pages: Vec<Page>,
}

impl KvCache {
    /// An empty cache for at most `context` positions; memory is taken as the text grows.
    pub fn new(config: &Config, kind: KvType, context: usize) -> Self {
        KvCache {
            kind,
            layers: config.layers,
            kv_heads: config.kv_heads,
            head_dim: config.head_dim,
            width: config.head_dim.next_multiple_of(COLUMN),
            context,
            len: 0,
            pages: Vec::new(),
        }
    }

    /// Positions held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing has been read yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Positions that fit.
    pub fn context(&self) -> usize {
        self.context
    }

    /// How elements are stored.
    pub fn kind(&self) -> KvType {
        self.kind
    }

    /// Bytes taken now.
    pub fn bytes(&self) -> u64 {
        self.pages.len() as u64 * self.page_bytes()
    }

    /// Bytes taken when the context is full.
    pub fn bytes_when_full(&self) -> u64 {
        self.bytes_for(self.context)
    }

    /// Bytes that so many positions take, of those that fit.
    pub fn bytes_for(&self, positions: usize) -> u64 {
        (positions.min(self.context).div_ceil(PAGE) * self.layers) as u64 * self.page_bytes()
    }

    /// Forgets all positions from `len` on; their memory stays for the next text.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Makes room for `tokens` more positions.
    ///
    /// # Errors
    /// [`Error::PromptTooLong`] past the context, [`Error::OutOfMemory`]; the cache is as before.
    pub(crate) fn reserve(&mut self, tokens: usize) -> Result<()> {
        self.reserve_to(self.len + tokens)
    }

    /// Makes room for `end` positions in all, with the same errors.
    pub(crate) fn reserve_to(&mut self, end: usize) -> Result<()> {
        if end > self.context {
            return Err(Error::PromptTooLong { tokens: end, context: self.context });
        }
        while self.pages.len() < end.div_ceil(PAGE) * self.layers {
            let elements = self.page_elements();
            self.pages
                .try_reserve(1)
                .map_err(|_| Error::OutOfMemory { what: "the KV cache".to_owned(), bytes: size_of::<Page>() as u64 })?;
            self.pages.push(match self.kind {
                KvType::F16 => Page::F16(try_zeroed(elements, "the KV cache")?),
                KvType::F32 => Page::F32(try_zeroed(elements, "the KV cache")?),
                KvType::Q8_0 => {
                    let scales = try_zeroed(2 * self.kv_heads * PAGE, "the KV cache")?;
                    Page::Q8(try_zeroed(elements, "the KV cache")?, scales)
                }
            });
        }
        Ok(())
    }

    /// Stores one token's keys and values (`kv_heads × head_dim` each) at a position that was reserved.
    pub(crate) fn store(&mut self, backend: Backend, layer: usize, position: usize, keys: &[f32], values: &[f32]) {
        let (dim, slot) = (self.head_dim, position % PAGE);
        for head in 0..self.kv_heads {
            let (key, value) = (&keys[head * dim..][..dim], &values[head * dim..][..dim]);
            let places = self.places(head, slot);
            match &mut self.pages[position / PAGE * self.layers + layer] {
                Page::F16(page) => {
                    places.put(page, key, value, |x, out| {
                        backend.f32_to_f16(x, out);
                        out.iter_mut().for_each(|h| *h = finite_f16(*h));
                    });
                }
                Page::F32(page) => places.put(page, key, value, |x, out| {
                    out.iter_mut().zip(x).for_each(|(out, x)| *out = finite(*x));
                }),
                Page::Q8(codes, scales) => {
                    let [of_key, of_value] = [key, value].map(|x| backend.max_abs(x).clamp(SMALLEST, LARGEST) / 127.0);
                    scales[head * PAGE + slot] = of_key;
                    scales[(self.kv_heads + head) * PAGE + slot] = of_value;
                    places.put_key(codes, key, |x, out| backend.quantize(x, 1.0 / of_key, out));
                    places.put_value(codes, value, |x, out| backend.quantize(x, 1.0 / of_value, out));
                }
            }
        }
    }

    /// Counts positions that were stored in every layer.
    pub(crate) fn commit(&mut self, tokens: usize) {
        self.len += tokens;
    }

    /// Keys and values of one page of positions, of one head.
    pub(crate) fn stored(&self, layer: usize, head: usize, page: usize) -> Stored<'_> {
        let (size, half) = (PAGE * self.width, self.page_elements() / 2);
        let (keys, values) = (head * size..(head + 1) * size, half + head * size..half + (head + 1) * size);
        match &self.pages[page * self.layers + layer] {
            Page::F16(page) => Stored::F16 { keys: &page[keys], values: &page[values] },
            Page::F32(page) => Stored::F32 { keys: &page[keys], values: &page[values] },
            Page::Q8(codes, scales) => Stored::Q8 {
                keys: &codes[keys],
                values: &codes[values],
                key_scales: &scales[head * PAGE..][..PAGE],
                value_scales: &scales[(self.kv_heads + head) * PAGE..][..PAGE],
            },
        }
    }

    fn places(&self, head: usize, slot: usize) -> Places {
        let start = head * PAGE * self.width;
        Places { key: start + slot * self.width, value: self.page_elements() / 2 + start + slot * COLUMN }
    }

    fn page_elements(&self) -> usize {
        2 * self.kv_heads * PAGE * self.width
    }

    fn page_bytes(&self) -> u64 {
        2 * (self.kv_heads * PAGE) as u64 * self.kind.row_bytes(self.width) as u64
    }
}

/// Between these the largest element of a key or value in 8 bits is taken to be: its inverse and products stay finite.
const SMALLEST: f32 = 1e-30;
const LARGEST: f32 = 1e30;

/// Where one head's key and the first column of its value lie in a page.
struct Places {
    key: usize,
    value: usize,
}

impl Places {
    fn put<T>(&self, page: &mut [T], key: &[f32], value: &[f32], store: impl Fn(&[f32], &mut [T])) {
        self.put_key(page, key, &store);
        self.put_value(page, value, &store);
    }

    fn put_key<T>(&self, page: &mut [T], key: &[f32], store: impl Fn(&[f32], &mut [T])) {
        store(key, &mut page[self.key..][..key.len()]);
    }

    fn put_value<T>(&self, page: &mut [T], value: &[f32], store: impl Fn(&[f32], &mut [T])) {
        for (i, x) in value.chunks(COLUMN).enumerate() {
            store(x, &mut page[self.value + i * PAGE * COLUMN..][..x.len()]);
        }
    }
}

fn finite(x: f32) -> f32 {
    if x.is_nan() { 0.0 } else { x.clamp(f32::MIN, f32::MAX) }
}

fn finite_f16(h: u16) -> u16 {
    match h & 0x7fff {
        0..0x7c00 => h,
        0x7c00 => h - 1,
        _ => 0,
    }
}

#[cfg(test)]
#[path = "kv_cache_tests.rs"]
mod tests;
