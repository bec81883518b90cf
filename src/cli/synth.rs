//! `b158 synth`: models of any shape and type with random weights, always the same bytes for the same options.
//!
//! They stand in for real files where only shape and size matter: loading, memory, speed. The preset `2b-4t` has
//! the published model's shapes, types, key order and token counts, so its file is as long as the published one to
//! within the text of the vocabulary.

use super::load::bar;
use super::output::{Output, Place};
use super::synth_shape::{Preset, Shape, TIED, Tensor};
use super::terminal::{self, say};
use super::values::whole;
use super::{Outcome, interrupt};
use b158::blocks::{i2_s, ptq1_0, q1_0, q2_0, q4_0, q4_k, q5_k, q6_k, q8_0, tq1_0, tq2_0};
use b158::gguf::{Metadata, Split, TensorDeclaration, TensorType, Writer};
use clap::Args;
use half::{bf16, f16};
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use std::io::BufWriter;
use std::path::PathBuf;

/// Which numbers of a preset to change.
#[derive(Args)]
pub(crate) struct Synth {
    /// Shape to start from.
    #[arg(long, value_enum, default_value = "tiny")]
    preset: Preset,
    /// File to write.
    #[arg(short = 'o', long, value_name = "FILE")]
    output: PathBuf,
    /// Split the model: FILE-00001-of-0000N.gguf and so on, each with at most so many tensors.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    split_max_tensors: Option<u16>,
    /// Architecture: bitnet-b1.58, bitnet-25, bitnet, llama, qwen3 or minicpm; the preset's where absent.
    #[arg(long, value_name = "NAME")]
    arch: Option<String>,
    /// Type of the linear layers, of any that this engine reads; the preset's where absent.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Type of the token embedding: any but I2_S; the preset's where absent.
    #[arg(long, value_name = "TYPE")]
    embedding_type: Option<String>,
    /// Type of an output head of its own, or none; the preset's where absent.
    #[arg(long, value_name = "TYPE")]
    output_type: Option<String>,
    /// Transformer layers.
    #[arg(long, value_name = "N", value_parser = whole::<u32>(0, "a whole number"))]
    layers: Option<u32>,
    /// Width of the residual stream.
    #[arg(long, value_name = "N", value_parser = whole::<u32>(0, "a whole number"))]
    embedding: Option<u32>,
    /// Width of the feed-forward network.
    #[arg(long, value_name = "N", value_parser = whole::<u32>(0, "a whole number"))]
    feed_forward: Option<u32>,
    /// Query heads.
    #[arg(long, value_name = "N", value_parser = whole::<u32>(0, "a whole number"))]
    heads: Option<u32>,
    /// Width of a head; without it the embedding's width is divided by the heads.
    #[arg(long, value_name = "N", value_parser = whole::<u32>(0, "a whole number"))]
    head_dim: Option<u32>,
    /// Key and value heads.
    #[arg(long, value_name = "N", value_parser = whole::<u32>(0, "a whole number"))]
    kv_heads: Option<u32>,
    /// Tokens.
    #[arg(long, value_name = "N", value_parser = whole::<u32>(0, "a whole number"))]
    vocabulary: Option<u32>,
    /// Context length.
    #[arg(long, value_name = "N", value_parser = whole::<u32>(0, "a whole number"))]
    context: Option<u32>,
    /// Seed of the weights.
    #[arg(long, value_name = "S", default_value_t = 158)]
    seed: u64,
}

impl Synth {
    pub(crate) fn run(self) -> Outcome {
        let preset = self.preset.shape();
        let embedding = self.embedding.unwrap_or(preset.embedding);
        let heads = self.heads.unwrap_or(preset.heads);
        let resized = (embedding, heads) != (preset.embedding, preset.heads);
        let types = [&self.kind, &self.embedding_type, &self.output_type];
        let [kind, embedding_type, output_type] =
            std::array::from_fn(|i| types[i].as_deref().unwrap_or(preset.types[i]));
        let output = if output_type == TIED { None } else { Some(parse(output_type)?) };
        let shape = Shape {
            arch: self.arch.clone().unwrap_or(preset.arch),
            layers: self.layers.unwrap_or(preset.layers),
            embedding,
            feed_forward: self.feed_forward.unwrap_or(preset.feed_forward),
            heads,
            kv_heads: self.kv_heads.unwrap_or(preset.kv_heads),
            head_dim: self.head_dim.unwrap_or(if resized { embedding / heads.max(1) } else { preset.head_dim }),
            vocabulary: self.vocabulary.unwrap_or(preset.vocabulary),
            context: self.context.unwrap_or(preset.context),
            ..preset
        };
        let kind = parse(kind)?;
        let metadata = shape.metadata(kind)?;
        let tensors = shape.tensors(kind, parse(embedding_type)?, output);
        let most = self.split_max_tensors.map_or(tensors.len(), usize::from);
        let files = self.files(tensors.len().div_ceil(most), tensors.len() as u32, metadata)?;
        let total = tensors.iter().filter_map(|t| t.kind.size_of(&t.dims)).sum();
        let bar = bar(Some(total), false, "writing");
        // Stopped, it leaves nothing behind.
        interrupt::listen();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut written = Vec::with_capacity(files.len());
        for ((path, metadata), tensors) in files.iter().zip(tensors.chunks(most)) {
            let declarations: Vec<_> = tensors.iter().map(declaration).collect();
            let file = BufWriter::with_capacity(1 << 20, Output::create(path)?);
            let mut writer = Writer::new(file, metadata, &declarations)?;
            for tensor in tensors {
                write_tensor(&mut rng, tensor, &mut |bytes| {
                    if interrupt::take() {
                        return Err("stopped".into());
                    }
                    bar.inc(bytes.len() as u64);
                    Ok(writer.write_tensor_data(bytes)?)
                })?;
            }
            written.push(writer.finish()?.into_inner().map_err(|e| e.into_error())?.close());
        }
        // Of a split model all files or none.
        written.into_iter().try_for_each(Place::commit)?;
        bar.finish_and_clear();
        let path = terminal::path(&files[0].0);
        say!("{path}: {} tensors, {:.1} MB, random weights", tensors.len(), total as f64 / 1e6);
        Ok(())
    }

    /// Path and metadata of each file.
    fn files(&self, count: usize, tensors: u32, metadata: Metadata) -> Outcome<Vec<(PathBuf, Metadata)>> {
        if count == 1 {
            return Ok(vec![(self.output.clone(), metadata)]);
        }
        let count = u16::try_from(count).map_err(|_| format!("{count} files are too many: at most 65535"))?;
        let name = self.output.to_str().ok_or("the name of a split model must be UTF-8")?;
        let prefix = name.strip_suffix(".gguf").unwrap_or(name);
        let (mut files, mut metadata) = (Vec::new(), metadata);
        for no in 0..count {
            Split { no, count, tensors }.write(&mut metadata);
            files.push((Split::name(prefix, no.into(), count.into()).into(), metadata));
            // The others have the split's keys alone.
            metadata = Metadata::new();
        }
        Ok(files)
    }
}

fn parse(name: &str) -> Outcome<TensorType> {
    let names = || TensorType::ALL.map(TensorType::name).join(", ");
    let found = TensorType::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name));
    Ok(found.ok_or_else(|| format!("type `{name}` is not one of {}", names()))?)
}

fn declaration(tensor: &Tensor) -> TensorDeclaration {
    TensorDeclaration { name: tensor.name.clone(), dims: tensor.dims.clone(), kind: tensor.kind.into() }
}

/// Random weights of unit gain: ternary ones are half zeros; norms are about 1.
fn write_tensor(rng: &mut ChaCha8Rng, tensor: &Tensor, write: &mut dyn FnMut(&[u8]) -> Outcome) -> Outcome {
    let (cols, elements) = (tensor.dims[0] as f32, tensor.dims.iter().product::<u64>());
    if tensor.is_norm() {
        for _ in 0..elements {
            let value = 1.0 + 0.25 * uniform(rng);
            match tensor.kind {
                TensorType::F16 => write(&f16::from_f32(value).to_le_bytes())?,
                _ => write(&value.to_le_bytes())?,
            }
        }
        return Ok(());
    }
    let scale = (2.0 / cols).sqrt();
    let blocks = elements / tensor.kind.block();
    match tensor.kind {
        TensorType::I2S => {
            for _ in 0..blocks {
                write(&i2_s::encode(&codes(rng)))?;
            }
            write(&i2_s::tail(scale))?;
        }
        TensorType::TQ1_0 => (0..blocks).try_for_each(|_| write(&tq1_0::encode(&codes(rng), f16::from_f32(scale))))?,
        TensorType::TQ2_0 => (0..blocks).try_for_each(|_| write(&tq2_0::encode(&codes(rng), f16::from_f32(scale))))?,
        TensorType::Q1_0 => (0..blocks).try_for_each(|_| {
            let signs: [u8; q1_0::BLOCK] = codes::<{ q1_0::BLOCK }>(rng).map(|code| code & 2);
            write(&q1_0::encode(&signs, f16::from_f32(scale * 0.5f32.sqrt())))
        })?,
        TensorType::Q2_0 => (0..blocks).try_for_each(|_| {
            write(&q2_0::encode::<{ q2_0::BYTES }, { q2_0::BLOCK }>(&codes(rng), f16::from_f32(scale)))
        })?,
        TensorType::PQ2_0 => (0..blocks).try_for_each(|_| {
            write(&q2_0::encode::<{ q2_0::LONG_BYTES }, { q2_0::LONG_BLOCK }>(&codes(rng), f16::from_f32(scale)))
        })?,
        TensorType::PTQ1_0 => {
            (0..blocks).try_for_each(|_| write(&ptq1_0::encode(&codes(rng), f16::from_f32(scale))))?;
        }
        TensorType::Q4_K => (0..blocks).try_for_each(|_| write(&q4_k::encode(&floats(rng, scale))))?,
        TensorType::Q5_K => (0..blocks).try_for_each(|_| write(&q5_k::encode(&floats(rng, scale))))?,
        TensorType::Q8_0 => (0..blocks).try_for_each(|_| write(&q8_0::encode(&floats(rng, scale))))?,
        TensorType::Q4_0 => (0..blocks).try_for_each(|_| write(&q4_0::encode(&floats(rng, scale))))?,
        TensorType::Q6_K => (0..blocks).try_for_each(|_| write(&q6_k::encode(&floats(rng, scale))))?,
        TensorType::F32 => (0..blocks).try_for_each(|_| write(&(scale * uniform(rng)).to_le_bytes()))?,
        TensorType::F16 => (0..blocks).try_for_each(|_| write(&f16::from_f32(scale * uniform(rng)).to_le_bytes()))?,
        TensorType::BF16 => (0..blocks).try_for_each(|_| write(&bf16::from_f32(scale * uniform(rng)).to_le_bytes()))?,
    }
    Ok(())
}

/// Codes 0, 1, 2 with shares ¼, ½, ¼.
fn codes<const N: usize>(rng: &mut ChaCha8Rng) -> [u8; N] {
    let mut codes = [0; N];
    rng.fill_bytes(&mut codes);
    codes.iter_mut().for_each(|code| *code = (*code & 1) + (*code >> 1 & 1));
    codes
}

/// A number in -√3..√3, of unit variance.
fn uniform(rng: &mut ChaCha8Rng) -> f32 {
    (rng.next_u32() as f32 / 2f32.powi(31) - 1.0) * 3f32.sqrt()
}

fn floats<const N: usize>(rng: &mut ChaCha8Rng, scale: f32) -> [f32; N] {
    std::array::from_fn(|_| scale * uniform(rng))
}
