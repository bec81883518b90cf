//! What is counted of an I2_S tensor while its bytes pass.

use b158::Result;
use b158::blocks::{BlockReader, i2_s};
use b158::gguf::TensorInfo;

/// Shares of zeros between these are usual: a normal distribution gives 0.31 by absmean, trained models 0.3 to 0.5.
const USUAL: std::ops::RangeInclusive<f64> = 0.05..=0.95;

/// Counts of one tensor. Its bytes are not kept.
pub(super) struct Tally {
    blocks: BlockReader,
    elements: u64,
    row_length: usize,
    /// First element of the next block, in the tensor and in its row.
    next: u64,
    column: usize,
    /// Codes -1 and +1 in each row and in each column, as far as read.
    pub(super) rows: Vec<u32>,
    pub(super) columns: Vec<u32>,
    /// Codes 3, which stand for nothing.
    pub(super) invalid: u64,
    pub(super) scale: f32,
}

impl Tally {
    pub(super) fn new(info: &TensorInfo) -> Result<Self> {
        Ok(Self {
            blocks: BlockReader::new(i2_s::BYTES)?,
            elements: info.elements(),
            row_length: info.row_length() as usize,
            next: 0,
            column: 0,
            rows: Vec::new(),
            columns: Vec::new(),
            invalid: 0,
            scale: f32::NAN,
        })
    }

    /// Takes the tensor's next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let Self { blocks, elements, row_length, next, column, rows, columns, invalid, scale } = self;
        let mut codes = [0; i2_s::BLOCK];
        blocks.push(bytes, |whole| {
            for block in whole.as_chunks().0 {
                if next == elements {
                    *scale = i2_s::scale(block);
                    continue;
                }
                if !i2_s::decode(block, &mut codes) {
                    *invalid += codes.iter().filter(|&&code| code == 3).count() as u64;
                }
                if *column == 0 {
                    rows.push(0);
                }
                // Grown as the first row arrives: a shape alone gets no memory.
                if columns.len() < *column + i2_s::BLOCK {
                    columns.resize(*column + i2_s::BLOCK, 0);
                }
                let mut in_block = 0;
                for (count, code) in columns[*column..].iter_mut().zip(codes) {
                    let not_zero = u32::from(code & 1 == 0);
                    *count += not_zero;
                    in_block += not_zero;
                }
                if let Some(row) = rows.last_mut() {
                    *row += in_block;
                }
                *next += i2_s::BLOCK as u64;
                *column = if *column + i2_s::BLOCK == *row_length { 0 } else { *column + i2_s::BLOCK };
            }
            Ok(())
        })
    }

    /// The share of zeros; a code 3 dequantises to 0 and counts as one.
    pub(super) fn zeros(&self) -> f64 {
        1.0 - self.rows.iter().map(|&row| u64::from(row)).sum::<u64>() as f64 / self.elements as f64
    }

    /// Why the engine would refuse the tensor, if it would.
    pub(super) fn damage(&self) -> Option<String> {
        if self.invalid > 0 {
            return Some(format!("{} codes are 3, which stands for no weight", self.invalid));
        }
        let usable = self.scale.is_finite() && self.scale != 0.0;
        (!usable).then(|| format!("its scale is {}", self.scale))
    }

    /// What is odd about the tensor and yet can be computed.
    pub(super) fn oddity(&self) -> Option<String> {
        if self.scale < 0.0 {
            return Some(format!("its scale is {}, no writer gives a negative one", self.scale));
        }
        let zeros = self.zeros();
        (!USUAL.contains(&zeros)).then(|| format!("{:.1} % of its weights are zero", 100.0 * zeros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use b158::gguf::TensorType;

    fn tally(bytes: &[u8], piece: usize) -> Tally {
        let dims = vec![256, 2];
        let info =
            TensorInfo { name: "t".into(), size: bytes.len() as u64, dims, kind: TensorType::I2S, id: 36, offset: 0 };
        let mut tally = Tally::new(&info).unwrap();
        bytes.chunks(piece).for_each(|part| tally.push(part).unwrap());
        tally
    }

    fn tensor(codes: &[u8; 512], scale: f32) -> Vec<u8> {
        let mut bytes: Vec<u8> = codes.as_chunks().0.iter().flat_map(i2_s::encode).collect();
        bytes.extend(i2_s::tail(scale));
        bytes
    }

    #[test]
    fn counts_rows_and_columns_in_pieces_of_any_size() {
        let mut codes = [1; 512];
        codes[0] = 2;
        codes[130] = 0;
        codes[256 + 130] = 2;
        for piece in [1, 31, 33, 1000] {
            let tally = tally(&tensor(&codes, 0.5), piece);
            assert_eq!(tally.rows, [2, 1]);
            assert_eq!((tally.columns.len(), tally.columns[0], tally.columns[130]), (256, 1, 2));
            assert_eq!(tally.columns.iter().sum::<u32>(), 3);
            assert_eq!((tally.invalid, tally.scale), (0, 0.5));
            assert_eq!(tally.damage(), None);
            assert_eq!(tally.oddity().unwrap(), "99.4 % of its weights are zero");
        }
    }

    #[test]
    fn finds_what_no_writer_writes() {
        let mut codes = [0; 512];
        codes[..256].fill(1);
        for scale in [0.0, f32::NAN, f32::INFINITY] {
            assert!(tally(&tensor(&codes, scale), 7).damage().unwrap().contains("scale"), "{scale}");
        }
        let negative = tally(&tensor(&codes, -1.0), 7);
        assert!(negative.damage().is_none() && negative.oddity().unwrap().contains("negative"));
        assert!(tally(&tensor(&codes, 1.0), 7).oddity().is_none());
        codes[300] = 3;
        codes[511] = 3;
        assert!(tally(&tensor(&codes, 1.0), 7).damage().unwrap().starts_with("2 codes are 3"));
    }
}
