//! `b158 synth`: models of any shape and type with random weights, always the same bytes for the same options.
//!
//! They stand in for real files where only shape and size matter: loading, memory, speed. The preset `2b-4t` has
//! the published model's shapes, types, key order and token counts, so its file is as long as the published one to
//! within the text of the vocabulary.

use super::load::bar;
use super::output::{Output, Place};
use super::synth_q4_k;
use super::synth_tokenizer::Vocabulary;
use super::terminal::{self, say};
use super::values::whole;
use super::{Outcome, interrupt};
use b158::blocks::{i2_s, ptq1_0, q1_0, q2_0, q4_0, q4_k, q5_k, q6_k, q8_0, tq1_0, tq2_0};
use b158::gguf::{Array, Metadata, Split, Storage, TensorDeclaration, TensorType, Value, Writer};
use clap::{Args, ValueEnum};
use half::{bf16, f16};
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use std::io::BufWriter;
use std::path::PathBuf;

#[derive(Clone, Copy, ValueEnum)]
enum Preset {
    /// 2 layers of 256, 512 tokens.
    Tiny,
    /// 6 layers of 256, 1024 tokens.
    #[value(name = "5m")]
    FiveMillion,
    /// BitNet b1.58-2B-4T.
    #[value(name = "2b-4t")]
    TwoBillion,
}

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
    /// Architecture: bitnet-b1.58, bitnet-25 or bitnet.
    #[arg(long, value_name = "NAME", default_value = "bitnet-b1.58")]
    arch: String,
    /// Type of the linear layers: I2_S, TQ1_0, TQ2_0, any float type, or Q4_K (for llama.cpp: this engine does not read it).
    #[arg(long = "type", value_name = "TYPE", default_value = "I2_S")]
    kind: String,
    /// Type of the token embedding: F16, F32, BF16, Q8_0, Q6_K or Q4_0.
    #[arg(long, value_name = "TYPE", default_value = "F16")]
    embedding_type: String,
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

struct Shape {
    layers: u32,
    embedding: u32,
    feed_forward: u32,
    heads: u32,
    kv_heads: u32,
    vocabulary: u32,
    context: u32,
}

impl Preset {
    fn shape(self) -> Shape {
        let of = |[layers, embedding, feed_forward, heads, kv_heads, vocabulary, context]: [u32; 7]| Shape {
            layers,
            embedding,
            feed_forward,
            heads,
            kv_heads,
            vocabulary,
            context,
        };
        match self {
            Preset::Tiny => of([2, 256, 768, 4, 2, 512, 512]),
            Preset::FiveMillion => of([6, 256, 768, 4, 2, 1024, 512]),
            Preset::TwoBillion => of([30, 2560, 6912, 20, 5, 128_256, 4096]),
        }
    }
}

impl Synth {
    pub(crate) fn run(self) -> Outcome {
        let preset = self.preset.shape();
        let shape = Shape {
            layers: self.layers.unwrap_or(preset.layers),
            embedding: self.embedding.unwrap_or(preset.embedding),
            feed_forward: self.feed_forward.unwrap_or(preset.feed_forward),
            heads: self.heads.unwrap_or(preset.heads),
            kv_heads: self.kv_heads.unwrap_or(preset.kv_heads),
            vocabulary: self.vocabulary.unwrap_or(preset.vocabulary),
            context: self.context.unwrap_or(preset.context),
        };
        let (kind, embedding) = (Kind::parse(&self.kind)?, Kind::parse(&self.embedding_type)?);
        let metadata = metadata(&self.arch, &shape, kind)?;
        let tensors = tensors(&shape, kind, embedding);
        let most = self.split_max_tensors.map_or(tensors.len(), usize::from);
        let files = self.files(tensors.len().div_ceil(most), tensors.len() as u32, metadata)?;
        let total = tensors.iter().filter_map(|t| t.declaration().kind.size_of(&t.dims)).sum();
        let bar = bar(Some(total), false, "writing");
        // Stopped, it leaves nothing behind.
        interrupt::listen();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut written = Vec::with_capacity(files.len());
        for ((path, metadata), tensors) in files.iter().zip(tensors.chunks(most)) {
            let declarations: Vec<_> = tensors.iter().map(Tensor::declaration).collect();
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

/// What a tensor can be made of.
#[derive(Clone, Copy)]
enum Kind {
    /// A type that this engine reads.
    Read(TensorType),
    /// llama.cpp's most common type, for files that it is measured with.
    Q4K,
}

impl Kind {
    fn parse(name: &str) -> Outcome<Self> {
        use TensorType::*;
        let read = [F32, F16, BF16, I2S, TQ1_0, TQ2_0, Q8_0, Q6_K, Q4_0].map(Kind::Read);
        let kinds = || read.into_iter().chain([Kind::Q4K]);
        let names = || kinds().map(|kind| kind.storage().name).collect::<Vec<_>>().join(", ");
        let found = kinds().find(|kind| kind.storage().name.eq_ignore_ascii_case(name));
        Ok(found.ok_or_else(|| format!("type `{name}` is not one of {}", names()))?)
    }

    fn storage(self) -> Storage {
        match self {
            Kind::Read(kind) => kind.into(),
            Kind::Q4K => synth_q4_k::STORAGE,
        }
    }

    /// `general.file_type`: bitnet.cpp's number for I2_S, which the published file has, and llama.cpp's for the others.
    fn file_type(self) -> u32 {
        use TensorType::*;
        match self {
            Kind::Read(F32) => 0,
            Kind::Read(F16) => 1,
            Kind::Read(Q4_0) => 2,
            Kind::Read(Q8_0) => 7,
            Kind::Q4K => 14,
            Kind::Read(Q4_K) => 14,
            Kind::Read(Q5_K) => 16,
            Kind::Read(Q6_K) => 18,
            Kind::Read(Q1_0) => 27,
            Kind::Read(Q2_0 | PQ2_0 | PTQ1_0) => 28,
            Kind::Read(BF16) => 32,
            Kind::Read(TQ1_0) => 36,
            Kind::Read(TQ2_0) => 37,
            Kind::Read(I2S) => 40,
        }
    }
}

struct Tensor {
    name: String,
    dims: Vec<u64>,
    kind: Kind,
}

impl Tensor {
    fn declaration(&self) -> TensorDeclaration {
        TensorDeclaration { name: self.name.clone(), dims: self.dims.clone(), kind: self.kind.storage() }
    }
}

/// The keys of the published file, in its order.
fn metadata(arch: &str, shape: &Shape, kind: Kind) -> Outcome<Metadata> {
    let vocabulary = Vocabulary::new(shape.vocabulary)?;
    let mut m = Metadata::new();
    let mut put = |key: String, value: Value| m.insert(key, value);
    put("general.architecture".into(), Value::String(arch.into()));
    put("general.name".into(), Value::String("synthetic, random weights".into()));
    for (key, value) in [
        ("vocab_size", shape.vocabulary),
        ("context_length", shape.context),
        ("embedding_length", shape.embedding),
        ("block_count", shape.layers),
        ("feed_forward_length", shape.feed_forward),
        ("rope.dimension_count", shape.embedding / shape.heads.max(1)),
        ("attention.head_count", shape.heads),
        ("attention.head_count_kv", shape.kv_heads),
    ] {
        put(format!("{arch}.{key}"), Value::U32(value));
    }
    put("tokenizer.ggml.add_bos_token".into(), Value::Bool(true));
    put(format!("{arch}.attention.layer_norm_rms_epsilon"), Value::F32(1e-5));
    put(format!("{arch}.rope.freq_base"), Value::F32(500_000.0));
    put("general.file_type".into(), Value::U32(kind.file_type()));
    put("tokenizer.ggml.model".into(), Value::String("gpt2".into()));
    put("tokenizer.ggml.tokens".into(), Value::Array(Array::Strings(vocabulary.tokens)));
    put("tokenizer.ggml.scores".into(), Value::Array(Array::F32(vocabulary.scores)));
    put("tokenizer.ggml.token_type".into(), Value::Array(Array::I32(vocabulary.types)));
    put("tokenizer.ggml.merges".into(), Value::Array(Array::Strings(vocabulary.merges)));
    put("tokenizer.ggml.bos_token_id".into(), Value::U32(vocabulary.bos));
    put("tokenizer.ggml.eos_token_id".into(), Value::U32(vocabulary.eos));
    put("tokenizer.ggml.padding_token_id".into(), Value::U32(vocabulary.eos));
    put("general.quantization_version".into(), Value::U32(2));
    Ok(m)
}

fn tensors(shape: &Shape, kind: Kind, embedding: Kind) -> Vec<Tensor> {
    let (e, f) = (u64::from(shape.embedding), u64::from(shape.feed_forward));
    let kv = e / u64::from(shape.heads.max(1)) * u64::from(shape.kv_heads);
    let norm = Kind::Read(TensorType::F32);
    let declare = |name: &str, dims, kind| Tensor { name: format!("{name}.weight"), dims, kind };
    let mut all = vec![
        declare("token_embd", vec![e, u64::from(shape.vocabulary)], embedding),
        declare("output_norm", vec![e], norm),
    ];
    for i in 0..shape.layers {
        for (name, dims, kind) in [
            ("attn_norm", vec![e], norm),
            ("ffn_down", vec![f, e], kind),
            ("ffn_gate", vec![e, f], kind),
            ("ffn_up", vec![e, f], kind),
            ("ffn_norm", vec![e], norm),
            ("ffn_sub_norm", vec![f], norm),
            ("attn_sub_norm", vec![e], norm),
            ("attn_k", vec![e, kv], kind),
            ("attn_output", vec![e, e], kind),
            ("attn_q", vec![e, e], kind),
            ("attn_v", vec![e, kv], kind),
        ] {
            all.push(declare(&format!("blk.{i}.{name}"), dims, kind));
        }
    }
    all
}

/// Random weights of unit gain: ternary ones are half zeros; norms are about 1.
fn write_tensor(
    rng: &mut ChaCha8Rng,
    Tensor { name, dims, kind }: &Tensor,
    write: &mut dyn FnMut(&[u8]) -> Outcome,
) -> Outcome {
    let (cols, elements) = (dims[0] as f32, dims.iter().product::<u64>());
    if name.ends_with("norm.weight") {
        for _ in 0..elements {
            write(&(1.0 + 0.25 * uniform(rng)).to_le_bytes())?;
        }
        return Ok(());
    }
    let scale = (2.0 / cols).sqrt();
    let blocks = elements / kind.storage().block;
    let kind = match kind {
        Kind::Read(kind) => kind,
        Kind::Q4K => return (0..blocks).try_for_each(|_| write(&synth_q4_k::random_block(rng, scale))),
    };
    match kind {
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
