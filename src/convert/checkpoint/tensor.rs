//! One tensor's way: out of the checkpoint's bytes, row by row, into the GGUF's.

use super::converter::PIECE;
use super::plan::{Matrix, Planned, RowOrder, Source};
use super::ternary::{Ternarizer, unpack};
use super::weights::{Weights, float_type};
use crate::allocate::{try_reserve, try_zeroed};
use crate::blocks::{decode_row, has_three};
use crate::convert::{DenseType, Folder, LinearType, TernaryEncoder};
use crate::gguf::TensorType;
use crate::{Error, Result};

/// What memory is asked for.
const MATRIX: &str = "a matrix of the checkpoint";

/// A tensor that is being written.
pub(super) struct Current {
    source: Source,
    /// The next row.
    row: usize,
    /// All bytes of the tensor in the checkpoint, where they are needed at once: codes lie four rows in a byte, the scale of master
    /// weights is that of all of them, and reordered rows lie apart.
    bytes: Vec<u8>,
    codes: Option<Codes>,
    /// Whether there has been another float than zero.
    counts: bool,
}

/// A tensor that is written.
pub(super) struct Ended {
    /// The bytes of its scale, where that is a tensor of its own.
    pub(super) beside: Option<[u8; 4]>,
    pub(super) note: Option<String>,
}

/// What makes codes of a tensor's bytes.
struct Codes {
    encoder: TernaryEncoder,
    /// Of master weights.
    ternarizer: Option<Ternarizer>,
    /// A row, before and after.
    weights: Vec<f32>,
    codes: Vec<u8>,
    /// Whether there has been another weight than zero.
    counts: bool,
}

impl Current {
    /// Reads what is needed at once.
    pub(super) fn begin(
        planned: Planned,
        weights: &Weights,
        folder: &mut impl Folder,
        linear: LinearType,
    ) -> Result<Self> {
        let source = planned.source;
        let whole = match &source {
            Source::Packed { matrix, .. } | Source::Masters { matrix, .. } => Some(matrix),
            Source::Dense { matrix, .. } => Some(matrix).filter(|matrix| matrix.order != RowOrder::Same),
            Source::Given(_) => None,
        };
        let mut bytes = Vec::new();
        if let Some(matrix) = whole {
            let size = weights.require(&matrix.name)?.size;
            bytes = try_zeroed(usize::try_from(size).unwrap_or(usize::MAX), MATRIX)?;
            weights.fill(folder, &matrix.name, 0, &mut bytes)?;
        }
        let codes = match &source {
            Source::Packed { matrix, encoder } => {
                check_codes(weights, matrix, &bytes)?;
                Some(Codes::new(*encoder, None, matrix)?)
            }
            Source::Masters { matrix, rule } => {
                let ternarizer = Ternarizer::by(*rule, kind_of(matrix), &bytes)?;
                let ternarizer = ternarizer.map_err(|reason| weights.bad(&matrix.name, reason))?;
                let encoder = TernaryEncoder::apart(linear, ternarizer.scale);
                Some(Codes::new(encoder, Some(ternarizer), matrix)?)
            }
            Source::Dense { .. } | Source::Given(_) => None,
        };
        Ok(Current { source, row: 0, bytes, codes, counts: false })
    }

    /// Appends rows to `out` until it is a piece, or the tensor ends.
    pub(super) fn write_rows(
        &mut self,
        weights: &Weights,
        folder: &mut impl Folder,
        out: &mut Vec<u8>,
    ) -> Result<Option<Ended>> {
        let ended = |note| Ok(Some(Ended { beside: None, note }));
        match (&self.source, &mut self.codes) {
            (Source::Packed { matrix, .. } | Source::Masters { matrix, .. }, Some(codes)) => {
                while self.row < matrix.rows && out.len() < PIECE {
                    codes.write_row(&self.bytes, matrix, self.row, out)?;
                    self.row += 1;
                }
                Ok(if self.row == matrix.rows { Some(codes.end(matrix, out)?) } else { None })
            }
            (Source::Dense { matrix, kind }, _) => {
                let rows = (PIECE / (4 * matrix.cols).max(1)).clamp(1, matrix.rows - self.row);
                let values = self.floats(matrix, rows, weights, folder)?;
                kind.encode(&values, out).map_err(|error| match error {
                    Error::BadTensorData { reason, .. } => {
                        weights.bad(&matrix.name, format!("of its rows from {} on {reason}", self.row))
                    }
                    error => error,
                })?;
                self.counts = self.counts || values.iter().any(|value| *value != 0.0);
                self.row += rows;
                let note = (!self.counts).then(|| all_zero(&matrix.name));
                if self.row == matrix.rows { ended(note) } else { Ok(None) }
            }
            (Source::Given(values), _) => {
                DenseType::F32.encode(values, out)?;
                ended(None)
            }
            (Source::Packed { .. } | Source::Masters { .. }, None) => ended(None),
        }
    }

    /// The next rows of a matrix of floats.
    fn floats(&self, matrix: &Matrix, rows: usize, weights: &Weights, folder: &mut impl Folder) -> Result<Vec<f32>> {
        let kind = kind_of(matrix);
        let width = matrix.cols * kind.block_bytes() as usize;
        let mut values = try_zeroed(rows * matrix.cols, MATRIX)?;
        if matrix.order == RowOrder::Same {
            let mut bytes = try_zeroed(rows * width, MATRIX)?;
            weights.fill(folder, &matrix.name, self.row as u64 * width as u64, &mut bytes)?;
            decode_row(kind, &bytes, &mut values)?;
            return Ok(values);
        }
        for (i, values) in values.chunks_exact_mut(matrix.cols).enumerate() {
            let at = matrix.order.source(self.row + i) * width;
            decode_row(kind, &self.bytes[at..at + width], values)?;
        }
        Ok(values)
    }
}

impl Codes {
    fn new(encoder: TernaryEncoder, ternarizer: Option<Ternarizer>, matrix: &Matrix) -> Result<Self> {
        let weights = try_zeroed(if ternarizer.is_some() { matrix.cols } else { 0 }, MATRIX)?;
        Ok(Codes { encoder, ternarizer, weights, codes: try_zeroed(matrix.cols, MATRIX)?, counts: false })
    }

    fn write_row(&mut self, bytes: &[u8], matrix: &Matrix, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let source = matrix.order.source(row);
        match &self.ternarizer {
            None => unpack(bytes, matrix.rows, source, &mut self.codes),
            Some(ternarizer) => {
                let kind = kind_of(matrix);
                let width = matrix.cols * kind.block_bytes() as usize;
                decode_row(kind, &bytes[source * width..][..width], &mut self.weights)?;
                ternarizer.codes(&self.weights, &mut self.codes);
            }
        }
        self.counts = self.counts || self.codes.iter().any(|code| *code != 1);
        self.encoder.encode(&self.codes, out)
    }

    /// What follows the last row.
    fn end(&self, matrix: &Matrix, out: &mut Vec<u8>) -> Result<Ended> {
        let tail = self.encoder.tail();
        try_reserve(out, tail.map_or(0, |tail| tail.len()), MATRIX)?;
        out.extend(tail.into_iter().flatten());
        let note = (!self.counts).then(|| all_zero(&matrix.name));
        Ok(Ended { beside: self.encoder.beside(), note })
    }
}

/// Such a file may be one that a download has only been given its place for.
fn all_zero(name: &str) -> String {
    format!("{name}: all of its weights are zero, as no training leaves them: the checkpoint may be damaged")
}

fn check_codes(weights: &Weights, matrix: &Matrix, bytes: &[u8]) -> Result<()> {
    match bytes.iter().position(|byte| has_three(*byte)) {
        None => Ok(()),
        Some(at) => {
            let (row, col) = (at / matrix.cols, at % matrix.cols);
            let reason =
                format!("its byte in row {row}, column {col} holds a code 3, which is no weight: fetch the file again");
            Err(weights.bad(&matrix.name, reason))
        }
    }
}

/// The type of blocks that a matrix of floats is read as; the plan has no others.
fn kind_of(matrix: &Matrix) -> TensorType {
    float_type(matrix.dtype).unwrap_or(TensorType::F32)
}
