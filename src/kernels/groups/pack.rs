//! From the rows of a file to a tile.

use super::super::{Backend, Packing};
use super::{LANES, QUAD, ROWS, TILE, place, scale_place, tile_bytes};
use std::array::from_fn;

/// Columns at a time: whole blocks of every packing.
const PIECE: usize = 1024;

/// The rows of a file's matrix as a tile. False if one of the codes is 3: what `out` then holds has no meaning.
pub(in crate::kernels) fn pack_tile<'a>(
    backend: Backend,
    packing: Packing,
    cols: usize,
    row: impl Fn(usize) -> &'a [u8],
    out: &mut [u8],
) -> bool {
    let (block, from) = (packing.block(), packing.block_bytes());
    assert!(PIECE.is_multiple_of(block) && out.len() == tile_bytes(cols, block), "bytes of a tile");
    let (mut line, mut ternary) = ([0; PIECE], true);
    for start in (0..cols).step_by(PIECE) {
        let columns = start..cols.min(start + PIECE);
        let bytes = columns.start / block * from..columns.end / block * from;
        let line = &mut line[..columns.len()];
        for lane in 0..LANES {
            let rows: [_; ROWS] = from_fn(|i| &row(LANES * i + lane)[bytes.clone()]);
            ternary &= backend.pack_rows(packing, rows, line);
            for (i, line) in line.chunks_exact(block).enumerate() {
                let (at, _) = place(block, lane, start + i * block);
                for (quad, out) in line.as_chunks::<QUAD>().0.iter().zip(out[at..].chunks_mut(QUAD * LANES)) {
                    out[..QUAD].copy_from_slice(quad);
                }
            }
        }
    }
    let scale = packing.scale_at();
    for i in 0..TILE {
        for (b, bytes) in row(i).chunks_exact(from).enumerate() {
            out[scale_place(block, i, b * block)..][..2].copy_from_slice(&bytes[scale..][..2]);
        }
    }
    ternary
}
