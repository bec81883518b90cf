//! Vectors that say when there is no memory: [`Error::OutOfMemory`] and never a trap. Whatever grows with a model, a text or
//! a file is made here; small names and messages are not. `tests/out_of_memory.rs` holds the engine to it.

use crate::{Error, Result};

/// An empty vector with room for `len`.
pub(crate) fn try_with_capacity<T>(len: usize, what: &str) -> Result<Vec<T>> {
    let mut v = Vec::new();
    try_reserve(&mut v, len, what)?;
    Ok(v)
}

/// A vector of zeros.
pub(crate) fn try_zeroed<T: Clone + Default>(len: usize, what: &str) -> Result<Vec<T>> {
    let mut v = try_with_capacity(len, what)?;
    v.resize(len, T::default());
    Ok(v)
}

/// Whether there are so many bytes for what a library will make, which can't be told that there are none.
pub(crate) fn try_ahead(bytes: usize, what: &str) -> Result<()> {
    let room = try_with_capacity::<u8>(bytes, what)?;
    // The compiler would see that nobody uses it, and not ask.
    drop(std::hint::black_box(room));
    Ok(())
}

/// A copy.
pub(crate) fn try_copy<T: Copy>(values: &[T], what: &str) -> Result<Vec<T>> {
    let mut v = try_with_capacity(values.len(), what)?;
    v.extend_from_slice(values);
    Ok(v)
}

/// Adds zeros until there are `len` elements, where there are fewer.
pub(crate) fn try_grow<T: Clone + Default>(v: &mut Vec<T>, len: usize, what: &str) -> Result<()> {
    if v.len() < len {
        try_reserve(v, len - v.len(), what)?;
        v.resize(len, T::default());
    }
    Ok(())
}

/// Room for `more` elements.
pub(crate) fn try_reserve<T>(v: &mut Vec<T>, more: usize, what: &str) -> Result<()> {
    v.try_reserve_exact(more).map_err(|_| Error::OutOfMemory {
        what: what.to_owned(),
        bytes: (more as u64).saturating_mul(size_of::<T>() as u64),
    })
}
