//! `b158 inspect --check`: whether an I2_S file says what its writer meant, as far as its bytes can tell.
//!
//! **Damage.** Codes 3, scales that are 0 or not finite: the engine refuses such tensors, and the check fails.
//!
//! **Foreign layout.** Since November 2025 bitnet.cpp's ARM builds write 64 weights in 16 bytes where the published layout
//! has 128 in 32, under the same type number, in the same size, with no marker. Read as the other, every row is whole and
//! its weights are permuted within each 128: six runs of 16 in eight move. The model loads and gives word salad.
//!
//! What tells the two apart is that a feed-forward channel is seen from both sides. A row of `ffn_gate` and one of
//! `ffn_up` write it, an element of `ffn_sub_norm` scales it, none of which a layout can move; a column of `ffn_down`
//! reads it, and that is where the layout says. A channel that training made matter has many non-zeros on either side. So:
//!
//! 1. For each layer, the non-zeros of each column of `ffn_down`, read in one layout, are ranked and regressed on the
//!    ranks of the non-zeros of the rows and of the norm's elements, over the channels that move. n·R² is χ² with as many
//!    degrees of freedom as there are references, **if the reading is wrong**: the channels of a layer begin as random draws
//!    alike and nothing in the graph knows their order, so a wrong pairing is a random one. The sign does not matter.
//! 2. Layers add up, and the sum becomes a standard normal deviate z, one a layout.
//! 3. A layout is told if its z is at least 6 and twice the other's.
//!
//! Attention's value channels and the residual stream's carry signal too, and are left out: grouped heads repeat a
//! channel and layers share the residual, so that their sums are no χ².
//!
//! **Measured** on three trained models of one shape, 6 layers of 768 channels each; the second has grown into the
//! story model of `tests/models` (8 layers: 40.7, 0.5 as published); z as the published layout and as 64-weight groups:
//!
//! | | as published | re-encoded in groups of 64 |
//! |---|---|---|
//! | the story model before | 30.9, 1.0 | -0.3, 30.9 |
//! | a second run | 34.0, 1.8 | 1.2, 34.0 |
//! | its pilot | 38.3, 1.1 | -1.2, 38.3 |
//! | random weights (`tests/golden`) | -0.0, 0.6; 0.1, -0.7; 0.3, 0.5 | likewise |
//!
//! Each layer of the three tells by itself (z from 8.6). Wrong readings, 18 000 of the three models with the runs of 16
//! deranged in other ways: mean -0.1 to 0.4, standard deviation 1.0 to 1.1, 1.5 % beyond the 1 % point, the largest 3.7.
//! So by chance a random model is called either layout less than once in 10⁸, and a trained one the wrong layout more
//! rarely still, since the right one would have to be passed twice over; none was in all these trials. What errs is the
//! silence: with noise of three standard deviations on the columns' counts 299 of 300 files of the three are told, with
//! four 237; of single layers cut to 128 channels 75 of 108.
//!
//! **Not seen**: a layout in a model without signal (random or hardly trained weights, a hundred channels or so); a third
//! layout, as the four interleaved rows of x86 builds without `ACT_PARALLEL`, which fits neither reading (z −0.6 to 2.0 on
//! the three) and so cannot be told; weights permuted in attention or gate and up alone, since one writer writes a whole
//! file. The published 2B-4T file was not at hand: its 30 layers of 6912 channels give the statistic 45 times the
//! channels, but how strong their signal is has not been measured.

mod report;
mod statistics;
mod tally;

use super::source::{Fetch, Source};
use super::terminal::{self, unless_closed};
use super::{Outcome, fetch, load};
use b158::blocks;
use b158::download::Receiver;
use b158::gguf::{Decoder, Event, Limits, Split, TensorInfo, TensorType};
use report::{Report, TensorReport};
use statistics::{Evidence, Layout, decide};
use std::collections::BTreeMap;
use std::io::Read;
use tally::Tally;

/// What a layer shows of its feed-forward channels.
#[derive(Default)]
struct Layer {
    /// Non-zeros of the columns of `ffn_down`, read in groups of 128.
    columns: Vec<f64>,
    /// One value a channel, from tensors that no layout can permute.
    references: Vec<Vec<f64>>,
}

/// Collects what the tensors of a file show, one after the other.
#[derive(Default)]
struct Check {
    layers: BTreeMap<usize, Layer>,
    tensors: Vec<TensorReport>,
}

/// A tensor whose bytes are arriving.
#[derive(Default)]
enum Reading {
    Ternary(Tally),
    /// A norm.
    Floats(Vec<u8>),
    /// Of no interest.
    #[default]
    Other,
}

/// Reads the file, prints what it found, and fails if the file is damaged or in the foreign layout.
pub(super) fn run(source: &Source, fetch: &Fetch, json: bool) -> Outcome {
    let report = match source {
        Source::File(path) => read(load::open(path)?).map_err(|e| format!("{}: {e}", terminal::path(path)))?,
        Source::Repository(address) => {
            read(load::open_repository(address, fetch, false)?).map_err(|e| format!("{address}: {e}"))?
        }
        Source::Address(address) => fetch::all(fetch.requests(address)?, false, Reader::default(), Reader::finish)?,
    };
    let mut out = terminal::out();
    unless_closed(if json { report.print_json(&mut out) } else { report.print_text(&mut out) })?;
    match report.failure() {
        Some(reason) => Err(format!("{}: {reason}", source.name()).into()),
        None => Ok(()),
    }
}

fn read(load::Part { mut file, size, notes, .. }: load::Part) -> Outcome<Report> {
    let bar = load::bar(size, false, "checking");
    let mut reader =
        Reader { decoder: Some(Decoder::new(Limits { file_size: size, ..Limits::default() })), ..Reader::default() };
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        reader.push(&buffer[..n])?;
        bar.inc(n as u64);
    }
    bar.finish_and_clear();
    if let Some(notes) = notes {
        notes.say();
    }
    Ok(reader.finish()?)
}

/// Takes a file, or the parts of a split one.
#[derive(Default)]
struct Reader {
    check: Check,
    decoder: Option<Decoder>,
    /// Of the file at hand.
    tensors: Vec<TensorInfo>,
    reading: Reading,
    architecture: Option<String>,
    split: Option<Split>,
}

impl Reader {
    fn finish(self) -> b158::Result<Report> {
        self.decoder.map_or(Ok(()), |decoder| decoder.finish())?;
        Ok(self.check.report())
    }
}

impl Receiver for Reader {
    async fn begin(&mut self, size: Option<u64>) -> b158::Result<()> {
        *self = Reader::default();
        self.decoder = Some(Decoder::new(Limits { file_size: size, ..Limits::default() }));
        Ok(())
    }

    fn next_part(&mut self, size: Option<u64>) -> b158::Result<()> {
        self.decoder.as_ref().map_or(Ok(()), Decoder::finish)?;
        let limits = Limits { file_size: size, ..Limits::default() };
        self.decoder = Some(Decoder::of_part(limits, self.architecture.as_deref().unwrap_or_default()));
        Ok(())
    }

    fn push(&mut self, mut bytes: &[u8]) -> b158::Result<()> {
        loop {
            let Some(decoder) = &mut self.decoder else { return Ok(()) };
            let (taken, event) = decoder.push(bytes)?;
            match event {
                Event::NeedMore => return Ok(()),
                Event::Metadata => {
                    self.split = Split::from_metadata(decoder.metadata())?;
                    if self.architecture.is_none() {
                        self.architecture = decoder.metadata().str("general.architecture")?.map(str::to_owned);
                    }
                }
                Event::TensorData { index, offset, bytes } => {
                    if offset == 0 {
                        self.reading = Reading::new(&self.tensors[index])?;
                    }
                    match &mut self.reading {
                        Reading::Ternary(tally) => tally.push(bytes)?,
                        Reading::Floats(held) => held.extend_from_slice(bytes),
                        Reading::Other => {}
                    }
                }
                Event::TensorEnd { index } => {
                    self.check.finish(&self.tensors[index], std::mem::take(&mut self.reading))?;
                }
                Event::Tensors => self.tensors = decoder.tensors().to_vec(),
                _ => {}
            }
            bytes = &bytes[taken..];
        }
    }

    fn is_last_part(&self) -> bool {
        self.split.is_none_or(|split| split.no + 1 == split.count)
    }

    fn expected_size(&self) -> Option<u64> {
        self.decoder.as_ref().and_then(Decoder::data_size)
    }
}

impl Reading {
    fn new(info: &TensorInfo) -> b158::Result<Self> {
        Ok(match info.kind {
            TensorType::I2S => Reading::Ternary(Tally::new(info)?),
            TensorType::F32 | TensorType::F16 | TensorType::BF16
                if part(info).is_some_and(|p| p.1 == "ffn_sub_norm") =>
            {
                Reading::Floats(Vec::new())
            }
            _ => Reading::Other,
        })
    }
}

/// Layer and part of a tensor `blk.LAYER.PART.weight`.
fn part(info: &TensorInfo) -> Option<(usize, &str)> {
    let (layer, part) = info.name.strip_prefix("blk.")?.strip_suffix(".weight")?.split_once('.')?;
    Some((layer.parse().ok()?, part))
}

impl Check {
    fn finish(&mut self, info: &TensorInfo, reading: Reading) -> b158::Result<()> {
        let layer = part(info).map(|(layer, part)| (self.layers.entry(layer).or_default(), part));
        let counts = |counts: &[u32]| counts.iter().copied().map(f64::from).collect();
        match (reading, layer) {
            (Reading::Ternary(tally), layer) => {
                match layer {
                    Some((layer, "ffn_down")) => layer.columns = counts(&tally.columns),
                    Some((layer, "ffn_gate" | "ffn_up")) => layer.references.push(counts(&tally.rows)),
                    _ => {}
                }
                self.tensors.push(TensorReport::new(&info.name, &tally));
            }
            (Reading::Floats(bytes), Some((layer, _))) => {
                let mut values = vec![0.0; bytes.len() / info.kind.block_bytes() as usize];
                blocks::decode_row(info.kind, &bytes, &mut values)?;
                layer.references.push(values.into_iter().map(f64::from).collect());
            }
            _ => {}
        }
        Ok(())
    }

    fn report(self) -> Report {
        let mut totals = [Evidence::default(); 2];
        let mut layers = 0;
        for mut layer in self.layers.into_values() {
            layer.references.retain(|reference| reference.len() == layer.columns.len());
            let of = |layout| Evidence::of(&layer.columns, &layer.references, layout);
            let found = [of(Layout::Groups128), of(Layout::Groups64)];
            layers += usize::from(found[0].freedom > 0.0);
            totals.iter_mut().zip(found).for_each(|(total, found)| *total += found);
        }
        let [groups128, groups64] = totals;
        Report { tensors: self.tensors, layers, groups128, groups64, verdict: decide(groups128, groups64) }
    }
}
