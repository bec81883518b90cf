//! Bytes from outside the engine into it.

use super::place::Bytes;
use crate::Result;
use crate::allocate::try_zeroed;

/// All that a download ever has in the engine's memory.
const SCRATCH_BYTES: usize = 256 << 10;

/// One buffer, through which all bytes go that do not lie in the engine's memory already.
#[derive(Default)]
pub(super) struct Scratch(Vec<u8>);

impl Scratch {
    /// Hands `bytes` to `take`, piece by piece.
    pub(super) fn read<B: Bytes>(&mut self, bytes: &B, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        if let Some(slice) = bytes.as_slice() {
            return take(slice);
        }
        if self.0.is_empty() {
            self.0 = try_zeroed(SCRATCH_BYTES, "the download")?;
        }
        for start in (0..bytes.len()).step_by(SCRATCH_BYTES) {
            let piece = &mut self.0[..SCRATCH_BYTES.min(bytes.len() - start)];
            bytes.read(start, piece);
            take(piece)?;
        }
        Ok(())
    }
}
