//! Keys and values of the tokens read so far.
//!
//! Memory grows with the text, in pages of [`PAGE`] positions that never move: nothing is copied, and in wasm no
//! hole is left behind. A page holds one layer's keys, then its values, each as `[kv head][position][head_dim]`,
//! so that attention streams along one head.

use super::Config;
use crate::kernels::Backend;
use crate::{Error, Result, error::try_zeroed};

/// Positions in a page.
pub(crate) const PAGE: usize = 256;

/// How keys and values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KvType {
    /// Half precision: the default, as in llama.cpp.
    #[default]
    F16,
    /// Single precision: what comparisons with references need.
    F32,
}

impl KvType {
    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        match self {
            KvType::F16 => 2,
            KvType::F32 => 4,
        }
    }

    /// The name that options use.
    pub fn name(self) -> &'static str {
        match self {
            KvType::F16 => "f16",
            KvType::F32 => "f32",
        }
    }
}

impl std::str::FromStr for KvType {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        match s {
            "f16" => Ok(KvType::F16),
            "f32" => Ok(KvType::F32),
            _ => Err(Error::BadOption { option: "kv-cache", value: s.to_owned(), reason: "must be f16 or f32" }),
        }
    }
}

pub(crate) enum Page {
    F16(Vec<u16>),
    F32(Vec<f32>),
}

/// One head's keys or values within a page.
#[derive(Clone, Copy)]
pub(crate) enum Rows<'a> {
    F16(&'a [u16]),
    F32(&'a [f32]),
}

/// The cache of one session.
pub struct KvCache {
    kind: KvType,
    layers: usize,
    kv_heads: usize,
    head_dim: usize,
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
        self.pages.len() as u64 * self.page_elements() as u64 * self.kind.bytes() as u64
    }

    /// Bytes taken when the context is full.
    pub fn bytes_when_full(&self) -> u64 {
        let pages = (self.context.div_ceil(PAGE) * self.layers) as u64;
        pages * self.page_elements() as u64 * self.kind.bytes() as u64
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
        let end = self.len + tokens;
        if end > self.context {
            return Err(Error::PromptTooLong { tokens: end, context: self.context });
        }
        while self.pages.len() < end.div_ceil(PAGE) * self.layers {
            let elements = self.page_elements();
            self.pages.push(match self.kind {
                KvType::F16 => Page::F16(try_zeroed(elements, "the KV cache")?),
                KvType::F32 => Page::F32(try_zeroed(elements, "the KV cache")?),
            });
        }
        Ok(())
    }

    /// Stores one token's keys and values (`kv_heads × head_dim` each) at a position that was reserved.
    pub(crate) fn store(&mut self, backend: Backend, layer: usize, position: usize, keys: &[f32], values: &[f32]) {
        let (dim, half) = (self.head_dim, self.page_elements() / 2);
        let page = &mut self.pages[position / PAGE * self.layers + layer];
        for head in 0..self.kv_heads {
            let source = head * dim..(head + 1) * dim;
            let at = (head * PAGE + position % PAGE) * dim;
            for (start, x) in [(at, &keys[source.clone()]), (half + at, &values[source])] {
                match page {
                    Page::F16(page) => backend.f32_to_f16(x, &mut page[start..start + dim]),
                    Page::F32(page) => page[start..start + dim].copy_from_slice(x),
                }
            }
        }
    }

    /// Counts positions that were stored in every layer.
    pub(crate) fn commit(&mut self, tokens: usize) {
        self.len += tokens;
    }

    /// Keys and values of positions `PAGE * page ..`, `count` of them, of one head.
    pub(crate) fn rows(&self, layer: usize, head: usize, page: usize, count: usize) -> (Rows<'_>, Rows<'_>) {
        let (start, half) = (head * PAGE * self.head_dim, self.page_elements() / 2);
        let (keys, values) = (start..start + count * self.head_dim, half + start..half + start + count * self.head_dim);
        match &self.pages[page * self.layers + layer] {
            Page::F16(page) => (Rows::F16(&page[keys]), Rows::F16(&page[values])),
            Page::F32(page) => (Rows::F32(&page[keys]), Rows::F32(&page[values])),
        }
    }

    fn page_elements(&self) -> usize {
        2 * self.kv_heads * PAGE * self.head_dim
    }
}
