//! The cache's contents, copied and as bytes. The bytes are `[layer][position][kv head]`, each the key and then the value: their
//! elements in little-endian, in q8_0 behind the scale. Pages and columns are not in them, which are free to change.

use super::{COLUMN, KvCache, KvType, LARGEST, PAGE, Page, Places, SMALLEST};
use crate::Result;
use crate::allocate::{try_copy, try_with_capacity};

/// A number of the cache that no pass could have put there.
#[derive(Debug, PartialEq)]
pub(crate) struct Unsound {
    /// Where it stands in the bytes.
    pub(crate) offset: usize,
    /// What it should be.
    pub(crate) reason: &'static str,
}

impl KvCache {
    /// A cache of its own with the same contents.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn try_clone(&self) -> Result<Self> {
        fn copy<T: Copy>(values: &[T]) -> Result<Vec<T>> {
            try_copy(values, "the KV cache")
        }
        let pages = &self.pages[..self.len.div_ceil(PAGE) * self.layers];
        let mut copies = try_with_capacity(pages.len(), "the KV cache")?;
        for page in pages {
            copies.push(match page {
                Page::F16(page) => Page::F16(copy(page)?),
                Page::F32(page) => Page::F32(copy(page)?),
                Page::Q8(codes, scales) => Page::Q8(copy(codes)?, copy(scales)?),
            });
        }
        Ok(KvCache { pages: copies, ..*self })
    }

    /// Takes the positions up to `len` from a cache of the same shape whose first positions, as many as are held here, are the same.
    ///
    /// # Errors
    /// Those of [`reserve_to`](Self::reserve_to); the cache is as before.
    pub(crate) fn copy_to(&mut self, len: usize, other: &KvCache) -> Result<()> {
        debug_assert!(self.len <= len && len <= other.len);
        self.reserve_to(len)?;
        let pages = self.len / PAGE * self.layers..len.div_ceil(PAGE) * self.layers;
        for (own, others) in self.pages[pages.clone()].iter_mut().zip(&other.pages[pages]) {
            match (own, others) {
                (Page::F16(own), Page::F16(others)) => own.copy_from_slice(others),
                (Page::F32(own), Page::F32(others)) => own.copy_from_slice(others),
                (Page::Q8(codes, scales), Page::Q8(other_codes, other_scales)) => {
                    codes.copy_from_slice(other_codes);
                    scales.copy_from_slice(other_scales);
                }
                _ => unreachable!("caches of the same type"),
            }
        }
        self.len = len;
        Ok(())
    }

    /// Gives back the memory of positions that are not held.
    pub(crate) fn shrink(&mut self) {
        self.pages.truncate(self.len.div_ceil(PAGE) * self.layers);
        self.pages.shrink_to_fit();
    }

    /// Bytes of so many positions.
    pub(crate) fn rows_bytes(&self, positions: usize) -> u64 {
        2 * (self.layers * self.kv_heads) as u64 * positions as u64 * self.kind.row_bytes(self.head_dim) as u64
    }

    /// Appends the bytes of all positions to `out`.
    pub(crate) fn write_rows(&self, out: &mut Vec<u8>) {
        for (layer, position, head) in rows(self.layers, self.len, self.kv_heads) {
            let (places, dim) = (self.places(head, position % PAGE), self.head_dim);
            match &self.pages[position / PAGE * self.layers + layer] {
                Page::F16(page) => places.write(page, dim, None, out),
                Page::F32(page) => places.write(page, dim, None, out),
                Page::Q8(codes, scales) => {
                    places.write(codes, dim, Some(self.scale_places(head, position).map(|place| scales[place])), out);
                }
            }
        }
    }

    /// Makes sure that bytes hold what a pass could have put there: finite numbers, codes and scales in their range.
    pub(crate) fn check_rows(&self, bytes: &[u8]) -> Result<(), Unsound> {
        match self.kind {
            KvType::F16 => check::<u16, 2>(bytes, 0),
            KvType::F32 => check::<f32, 4>(bytes, 0),
            KvType::Q8_0 => {
                let size = self.kind.row_bytes(self.head_dim);
                for (i, row) in bytes.chunks_exact(size).enumerate() {
                    let (scale, codes) = row.split_at(size_of::<f32>());
                    let offset = i * size;
                    if scale.as_chunks().0.iter().any(|scale| !SCALES.contains(&f32::from_le_bytes(*scale))) {
                        return Err(Unsound { offset, reason: "a scale that the cache never gives" });
                    }
                    check::<i8, 1>(codes, offset + scale.len())?;
                }
                Ok(())
            }
        }
    }

    /// Takes the place of what is held: `positions` positions for which there is room, from bytes that have been checked.
    pub(crate) fn read_rows(&mut self, positions: usize, mut bytes: &[u8]) {
        for (layer, position, head) in rows(self.layers, positions, self.kv_heads) {
            let (places, dim) = (self.places(head, position % PAGE), self.head_dim);
            let scale_places = self.scale_places(head, position);
            match &mut self.pages[position / PAGE * self.layers + layer] {
                Page::F16(page) => places.read(page, dim, None, &mut bytes),
                Page::F32(page) => places.read(page, dim, None, &mut bytes),
                Page::Q8(codes, scales) => {
                    let mut read = [0.0; 2];
                    places.read(codes, dim, Some(&mut read), &mut bytes);
                    scale_places.into_iter().zip(read).for_each(|(place, scale)| scales[place] = scale);
                }
            }
        }
        self.len = positions;
    }

    /// Where the scales of a key and its value are.
    fn scale_places(&self, head: usize, position: usize) -> [usize; 2] {
        [head, self.kv_heads + head].map(|head| head * PAGE + position % PAGE)
    }
}

/// Of keys and values in 8 bits.
const SCALES: std::ops::RangeInclusive<f32> = SMALLEST / 127.0..=LARGEST / 127.0;

fn rows(layers: usize, positions: usize, heads: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..layers).flat_map(move |layer| (0..positions).flat_map(move |p| (0..heads).map(move |head| (layer, p, head))))
}

/// A number of the cache in `N` bytes.
trait Element<const N: usize>: Copy {
    const WHAT: &str;
    fn to_bytes(self) -> [u8; N];
    fn from_bytes(bytes: [u8; N]) -> Self;
    fn is_sound(self) -> bool;
}

impl Element<2> for u16 {
    const WHAT: &str = "an f16 that is not finite";
    fn to_bytes(self) -> [u8; 2] {
        self.to_le_bytes()
    }
    fn from_bytes(bytes: [u8; 2]) -> Self {
        u16::from_le_bytes(bytes)
    }
    fn is_sound(self) -> bool {
        self & 0x7c00 != 0x7c00
    }
}

impl Element<4> for f32 {
    const WHAT: &str = "an f32 that is not finite";
    fn to_bytes(self) -> [u8; 4] {
        self.to_le_bytes()
    }
    fn from_bytes(bytes: [u8; 4]) -> Self {
        f32::from_le_bytes(bytes)
    }
    fn is_sound(self) -> bool {
        self.is_finite()
    }
}

impl Element<1> for i8 {
    const WHAT: &str = "the code -128, which is never given";
    fn to_bytes(self) -> [u8; 1] {
        self.to_le_bytes()
    }
    fn from_bytes(bytes: [u8; 1]) -> Self {
        i8::from_le_bytes(bytes)
    }
    fn is_sound(self) -> bool {
        self != i8::MIN
    }
}

fn check<T: Element<N>, const N: usize>(bytes: &[u8], begin: usize) -> Result<(), Unsound> {
    match bytes.as_chunks().0.iter().position(|bytes| !T::from_bytes(*bytes).is_sound()) {
        Some(i) => Err(Unsound { offset: begin + i * N, reason: T::WHAT }),
        None => Ok(()),
    }
}

impl Places {
    fn write<T: Element<N>, const N: usize>(
        &self,
        page: &[T],
        dim: usize,
        scales: Option<[f32; 2]>,
        out: &mut Vec<u8>,
    ) {
        let scale = |out: &mut Vec<u8>, i: usize| out.extend(scales.iter().flat_map(|scales| scales[i].to_le_bytes()));
        scale(out, 0);
        out.extend(page[self.key..][..dim].iter().flat_map(|x| x.to_bytes()));
        scale(out, 1);
        for (i, first) in (0..dim).step_by(COLUMN).enumerate() {
            let column = &page[self.value + i * PAGE * COLUMN..][..COLUMN.min(dim - first)];
            out.extend(column.iter().flat_map(|x| x.to_bytes()));
        }
    }

    fn read<T: Element<N>, const N: usize>(
        &self,
        page: &mut [T],
        dim: usize,
        mut scales: Option<&mut [f32; 2]>,
        bytes: &mut &[u8],
    ) {
        fn fill<T: Element<N>, const N: usize>(out: &mut [T], bytes: &mut &[u8]) {
            let (taken, rest) = bytes.split_at(out.len() * N);
            out.iter_mut().zip(taken.as_chunks().0).for_each(|(out, bytes)| *out = T::from_bytes(*bytes));
            *bytes = rest;
        }
        if let Some(scales) = &mut scales {
            fill(&mut scales[..1], bytes);
        }
        fill(&mut page[self.key..][..dim], bytes);
        if let Some(scales) = &mut scales {
            fill(&mut scales[1..], bytes);
        }
        for (i, first) in (0..dim).step_by(COLUMN).enumerate() {
            fill(&mut page[self.value + i * PAGE * COLUMN..][..COLUMN.min(dim - first)], bytes);
        }
    }
}
