//! `b158 convert --check`: the ternary matrices of one GGUF against those of another.

use super::Outcome;
use super::terminal::{self, say};
use b158::blocks::{decode_row, i2_s};
use b158::gguf::{Decoder, Event, Limits, Split, TensorInfo, TensorType};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Matrices that are shown one by one.
const SHOWN: usize = 20;

/// A GGUF on its way, held against another one.
pub(crate) struct Comparison {
    other: Other,
    decoder: Decoder,
    /// Bytes of the tensor at hand.
    bytes: Vec<u8>,
    /// The matrix before it, whose scale it may be.
    last: Option<Matrix>,
    count: usize,
    /// Names, and what is not as it should be.
    differ: Vec<(String, String)>,
}

impl Comparison {
    /// With the GGUF at a path.
    pub(crate) fn with(path: &Path) -> Outcome<Self> {
        let decoder = Decoder::new(Limits::default());
        let other = Other::open(path)?;
        Ok(Comparison { other, decoder, bytes: Vec::new(), last: None, count: 0, differ: Vec::new() })
    }

    /// The next bytes of the file at hand.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Outcome {
        loop {
            let (taken, event) = self.decoder.push(bytes)?;
            match event {
                Event::NeedMore => return Ok(()),
                Event::TensorData { index, bytes, .. } => {
                    let info = &self.decoder.tensors()[index];
                    if is_ternary(info) || info.name.ends_with(SCALE) {
                        self.bytes.try_reserve(bytes.len())?;
                        self.bytes.extend_from_slice(bytes);
                    }
                }
                Event::TensorEnd { index } => self.end(index)?,
                _ => {}
            }
            bytes = &bytes[taken..];
        }
    }

    fn end(&mut self, index: usize) -> Outcome {
        let info = &self.decoder.tensors()[index];
        let bytes = std::mem::take(&mut self.bytes);
        match &mut self.last {
            Some(last) if info.name == last.scale_name() => last.scale = scale(&bytes),
            _ => {
                let next = is_ternary(info).then(|| Matrix { info: info.clone(), bytes, scale: 1.0 });
                self.compare_last()?;
                self.last = next;
            }
        }
        Ok(())
    }

    fn compare_last(&mut self) -> Outcome {
        let Some(here) = self.last.take() else { return Ok(()) };
        self.count += 1;
        let difference = match self.other.matrix(&here.info.name)? {
            None => Some("it is not there".to_owned()),
            Some(there) => difference(&here, &there)?,
        };
        self.differ.extend(difference.map(|difference| (here.info.name, difference)));
        Ok(())
    }

    /// Says what came of it; an error where the two differ.
    pub(crate) fn finish(mut self, quiet: bool) -> Outcome {
        self.compare_last()?;
        let (count, name) = (self.count, &self.other.name);
        if count == 0 {
            return Err(format!("{name}: there is no ternary matrix to compare").into());
        }
        for (matrix, difference) in self.differ.iter().take(SHOWN) {
            say!("{matrix}: {difference}");
        }
        match self.differ.len() {
            0 if quiet => Ok(()),
            0 => {
                say!("{name}: all {count} matrices have the same codes, and scales within one step of bf16");
                Ok(())
            }
            differ => Err(format!("{name}: {differ} of {count} matrices differ from those of the checkpoint").into()),
        }
    }
}

/// What ends the name of a scale that stands beside its matrix, in place of `.weight`.
const SCALE: &str = ".scale";

fn is_ternary(info: &TensorInfo) -> bool {
    matches!(info.kind, TensorType::I2S | TensorType::TQ1_0 | TensorType::TQ2_0)
}

/// The number of a scale's tensor.
fn scale(bytes: &[u8]) -> f32 {
    bytes.first_chunk().map_or(1.0, |bytes| f32::from_le_bytes(*bytes))
}

/// A matrix, whole.
struct Matrix {
    info: TensorInfo,
    bytes: Vec<u8>,
    /// What stands beside it.
    scale: f32,
}

impl Matrix {
    fn scale_name(&self) -> String {
        format!("{}{SCALE}", self.info.name.trim_end_matches(".weight"))
    }

    fn decode(&self, row: u64, values: &mut [f32]) -> Outcome {
        let kind = self.info.kind;
        let short = || format!("{}: it is cut short", self.info.name);
        let width = usize::try_from(self.info.row_length() / kind.block() * kind.block_bytes())?;
        let at = usize::try_from(row)? * width;
        decode_row(kind, self.bytes.get(at..at + width).ok_or_else(short)?, values)?;
        // The scale of I2_S is that of the tensor, behind the last row.
        let of_tensor = match kind {
            TensorType::I2S => i2_s::scale(self.bytes.last_chunk().ok_or_else(short)?),
            _ => 1.0,
        };
        values.iter_mut().for_each(|value| *value *= of_tensor * self.scale);
        Ok(())
    }
}

/// The file to compare with.
struct Other {
    name: String,
    file: File,
    decoder: Decoder,
}

impl Other {
    fn open(path: &Path) -> Outcome<Self> {
        let name = terminal::path(path);
        let failed = |e: &dyn std::fmt::Display| format!("{name}: {e}");
        let mut file = File::open(path).map_err(|e| failed(&e))?;
        let size = file.metadata().map_err(|e| failed(&e))?.len();
        let mut decoder = Decoder::new(Limits { file_size: Some(size), ..Limits::default() });
        read_header(&mut file, &mut decoder).map_err(|e| failed(&e))?;
        if Split::from_metadata(decoder.metadata())?.is_some_and(|split| split.count > 1) {
            return Err(failed(&"it is one of several parts: give a whole file").into());
        }
        Ok(Other { name, file, decoder })
    }

    fn matrix(&mut self, name: &str) -> Outcome<Option<Matrix>> {
        let Some(info) = self.find(name) else { return Ok(None) };
        let mut matrix = Matrix { bytes: self.read(&info)?, info, scale: 1.0 };
        if let Some(beside) = self.find(&matrix.scale_name()).filter(|beside| beside.kind == TensorType::F32) {
            matrix.scale = scale(&self.read(&beside)?);
        }
        Ok(Some(matrix))
    }

    fn find(&self, name: &str) -> Option<TensorInfo> {
        self.decoder.tensors().iter().find(|info| info.name == name).cloned()
    }

    fn read(&mut self, info: &TensorInfo) -> Outcome<Vec<u8>> {
        let start = self.decoder.data_offset().unwrap_or(0) + info.offset;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(usize::try_from(info.size)?)?;
        let failed = |e: &dyn std::fmt::Display| format!("{}: {}: {e}", self.name, info.name);
        self.file.seek(SeekFrom::Start(start)).map_err(|e| failed(&e))?;
        let n = (&self.file).take(info.size).read_to_end(&mut bytes).map_err(|e| failed(&e))?;
        if n as u64 == info.size { Ok(bytes) } else { Err(failed(&"the file is cut short").into()) }
    }
}

/// Up to the first tensor.
fn read_header(file: &mut File, decoder: &mut Decoder) -> Outcome {
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(decoder.finish()?);
        }
        let mut bytes = &buffer[..n];
        loop {
            let (taken, event) = decoder.push(bytes)?;
            match event {
                Event::NeedMore => break,
                Event::Tensors => return Ok(()),
                _ => bytes = &bytes[taken..],
            }
        }
    }
}

/// What of a matrix is not as in the other file, if anything is.
fn difference(here: &Matrix, there: &Matrix) -> Outcome<Option<String>> {
    if here.info.dims != there.info.dims {
        return Ok(Some(format!("its shape is {:?} there, {:?} here", there.info.dims, here.info.dims)));
    }
    let cols = usize::try_from(here.info.row_length())?;
    let (mut left, mut right) = (vec![0.0; cols], vec![0.0; cols]);
    let (mut codes, mut first, mut scales) = (0u64, None, None);
    for row in 0..here.info.elements() / here.info.row_length() {
        here.decode(row, &mut left)?;
        there.decode(row, &mut right)?;
        for (col, (here, there)) in left.iter().zip(&right).enumerate() {
            if code(*here) != code(*there) {
                codes += 1;
                first.get_or_insert((row, col));
            } else if !are_near(here.abs(), there.abs()) {
                scales.get_or_insert((here.abs(), there.abs()));
            }
        }
    }
    Ok(match (first, scales) {
        (Some((row, col)), _) => {
            let of = here.info.elements();
            Some(format!("{codes} of {of} codes differ, the first in row {row}, column {col}"))
        }
        (None, Some((here, there))) => Some(format!("a scale is {here} here, {there} there")),
        (None, None) => None,
    })
}

fn code(value: f32) -> i8 {
    i8::from(value > 0.0) - i8::from(value < 0.0)
}

/// Within one step of bf16, which has eight binary digits: a 128th of the power of two below the smaller.
fn are_near(a: f32, b: f32) -> bool {
    let power = f32::from_bits(a.min(b).to_bits() & 0x7f80_0000);
    (a - b).abs() <= power / 128.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_bf16_is_near_and_two_are_not() {
        for (a, b, near) in [
            (1.0, 1.0, true),
            (1.0, 1.0 + 1.0 / 128.0, true),
            (1.0, 1.0 + 2.0 / 128.0, false),
            (1.0, 1.0 - 1.0 / 128.0, false),
            (1.75, 1.75 + 1.0 / 128.0, true),
            (0.0, 0.0, true),
            (0.0, 1e-30, false),
            (1.0, f32::NAN, false),
            (f32::NAN, f32::NAN, false),
        ] {
            assert_eq!((are_near(a, b), are_near(b, a)), (near, near), "{a} {b}");
        }
        assert_eq!([-0.5, 0.0, -0.0, 2.0].map(code), [-1, 0, 0, 1]);
    }
}
