//! Whole blocks out of chunks that end anywhere.

use crate::allocate::try_zeroed;
use crate::{Error, Result};

/// Joins bytes that arrive in any pieces into whole blocks. Blocks that are whole in a piece are passed on as they lie,
/// many at once; only one that is cut is copied.
///
/// The block may be a format's own, or a whole row: 32 bytes also part an I2_S tensor into its blocks and, last, the
/// tail that holds the scale.
#[derive(Debug)]
pub struct BlockReader {
    /// The begun block: `held[..len]`.
    held: Vec<u8>,
    len: usize,
}

impl BlockReader {
    /// For blocks of this many bytes, at least 1.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if one block finds no room.
    pub fn new(block_bytes: usize) -> Result<Self> {
        Ok(Self { held: try_zeroed(block_bytes.max(1), "a block cut by the end of a chunk")?, len: 0 })
    }

    /// Passes each run of one or more whole, adjacent blocks to `f`.
    ///
    /// # Errors
    /// The first error of `f`; the bytes of that call of `push` are then lost.
    pub fn push(&mut self, mut bytes: &[u8], mut f: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        if self.len > 0 {
            let (now, rest) = bytes.split_at(bytes.len().min(self.held.len() - self.len));
            self.held[self.len..][..now.len()].copy_from_slice(now);
            self.len += now.len();
            bytes = rest;
            if self.len < self.held.len() {
                return Ok(());
            }
            self.len = 0;
            f(&self.held)?;
        }
        let (whole, rest) = bytes.split_at(bytes.len() - bytes.len() % self.held.len());
        if !whole.is_empty() {
            f(whole)?;
        }
        self.held[..rest.len()].copy_from_slice(rest);
        self.len = rest.len();
        Ok(())
    }

    /// The begun block, as far as it has come; the next bytes begin another.
    pub fn take_pending(&mut self) -> &[u8] {
        &self.held[..std::mem::take(&mut self.len)]
    }

    /// Bytes of a begun block. 0 at the end of a tensor, or it was not a whole number of blocks.
    pub fn pending(&self) -> usize {
        self.len
    }

    /// Refuses a begun block at the end of the tensor of this name.
    ///
    /// # Errors
    /// [`Error::BadTensorData`].
    pub fn finish(&self, tensor: &str) -> Result<()> {
        match self.len {
            0 => Ok(()),
            len => Err(Error::BadTensorData {
                name: tensor.to_owned(),
                reason: format!("it ends after {len} of a block's {} bytes", self.held.len()),
            }),
        }
    }
}
