//! Shapes that `b158 synth` knows by name: those of published models, as far as they are known, and small ones; and what a
//! file of a shape holds.

use super::Outcome;
use super::synth_tokenizer::Vocabulary;
use b158::gguf::{Array, Metadata, TensorType, Value};
use clap::ValueEnum;

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Preset {
    /// bitnet-b1.58: 2 layers of 256, 512 tokens.
    Tiny,
    /// llama: 2 layers of 256, a head of its own.
    TinyLlama,
    /// qwen3: 2 layers of 256, with YaRN, its heads wider together than the embedding.
    TinyQwen3,
    /// minicpm: 2 layers of 256.
    TinyMinicpm,
    /// An embedding model, qwen3: 2 layers of 256, a norm before each projection.
    TinyEmbedding,
    /// bitnet-b1.58: 6 layers of 256, 1024 tokens.
    #[value(name = "5m")]
    FiveMillion,
    /// BitNet b1.58-2B-4T.
    #[value(name = "2b-4t")]
    TwoBillion,
    /// Bonsai 1.7B: Q1_0.
    #[value(name = "bonsai-1.7b")]
    Bonsai1B,
    /// Bonsai 4B.
    #[value(name = "bonsai-4b")]
    Bonsai4B,
    /// Bonsai 8B.
    #[value(name = "bonsai-8b")]
    Bonsai8B,
    /// Ternary-Bonsai 1.7B: Q2_0.
    #[value(name = "ternary-bonsai-1.7b")]
    TernaryBonsai1B,
    /// Ternary-Bonsai 4B.
    #[value(name = "ternary-bonsai-4b")]
    TernaryBonsai4B,
    /// Ternary-Bonsai 8B.
    #[value(name = "ternary-bonsai-8b")]
    TernaryBonsai8B,
    /// Falcon-E 1B.
    #[value(name = "falcon-e-1b")]
    FalconE1B,
    /// Falcon-E 3B.
    #[value(name = "falcon-e-3b")]
    FalconE3B,
    /// Falcon3-1B-Instruct-1.58bit.
    #[value(name = "falcon3-1b")]
    Falcon31B,
    /// Falcon3-3B-Instruct-1.58bit.
    #[value(name = "falcon3-3b")]
    Falcon33B,
    /// BitCPM 0.5B.
    #[value(name = "bitcpm-0.5b")]
    BitCpmHalf,
    /// BitCPM 1B.
    #[value(name = "bitcpm-1b")]
    BitCpm1B,
    /// BitNet-embedding 0.6B.
    #[value(name = "bitnet-embedding-0.6b")]
    Embedding,
}

/// What a model is made of.
#[derive(Clone)]
pub(super) struct Shape {
    pub(super) arch: String,
    pub(super) layers: u32,
    pub(super) embedding: u32,
    pub(super) feed_forward: u32,
    pub(super) heads: u32,
    pub(super) kv_heads: u32,
    pub(super) head_dim: u32,
    pub(super) vocabulary: u32,
    pub(super) context: u32,
    pub(super) rope_base: f32,
    pub(super) epsilon: f32,
    /// YaRN: its factor, and the context from before.
    pub(super) yarn: Option<(f32, u32)>,
    /// A norm before each projection, all norms in F16, and the last token's state as the answer.
    pub(super) embeds: bool,
    /// Types of the linear layers, of the embedding, and of a head of its own.
    pub(super) types: [&'static str; 3],
}

/// No head of its own.
pub(super) const TIED: &str = "none";

/// A tensor to write.
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) dims: Vec<u64>,
    pub(super) kind: TensorType,
}

impl Tensor {
    pub(super) fn is_norm(&self) -> bool {
        self.dims.len() == 1
    }
}

impl Shape {
    /// The keys of the published BitNet file, in its order, and what other architectures have besides.
    pub(super) fn metadata(&self, kind: TensorType) -> Outcome<Metadata> {
        let vocabulary = Vocabulary::new(self.vocabulary)?;
        let arch = &self.arch;
        let mut m = Metadata::new();
        let mut put = |key: String, value: Value| m.insert(key, value);
        put("general.architecture".into(), Value::String(arch.clone()));
        put("general.name".into(), Value::String("synthetic, random weights".into()));
        for (key, value) in [
            ("vocab_size", self.vocabulary),
            ("context_length", self.context),
            ("embedding_length", self.embedding),
            ("block_count", self.layers),
            ("feed_forward_length", self.feed_forward),
            ("rope.dimension_count", self.head_dim),
            ("attention.head_count", self.heads),
            ("attention.head_count_kv", self.kv_heads),
        ] {
            put(format!("{arch}.{key}"), Value::U32(value));
        }
        put("tokenizer.ggml.add_bos_token".into(), Value::Bool(true));
        put(format!("{arch}.attention.layer_norm_rms_epsilon"), Value::F32(self.epsilon));
        put(format!("{arch}.rope.freq_base"), Value::F32(self.rope_base));
        if self.q_width() != u64::from(self.embedding) || self.has_head_norms() {
            for key in ["key_length", "value_length"] {
                put(format!("{arch}.attention.{key}"), Value::U32(self.head_dim));
            }
        }
        if let Some((factor, original)) = self.yarn {
            put(format!("{arch}.rope.scaling.type"), Value::String("yarn".into()));
            put(format!("{arch}.rope.scaling.factor"), Value::F32(factor));
            put(format!("{arch}.rope.scaling.original_context_length"), Value::U32(original));
        }
        if arch == "minicpm" {
            // scale_emb, scale_depth / √layers and width / dim_model_base of MiniCPM's own models.
            put(format!("{arch}.embedding_scale"), Value::F32(12.0));
            put(format!("{arch}.residual_scale"), Value::F32(1.4 / (self.layers as f32).sqrt()));
            put(format!("{arch}.logit_scale"), Value::F32(self.embedding as f32 / 256.0));
        }
        if self.embeds {
            // The last token's state.
            put(format!("{arch}.pooling_type"), Value::U32(3));
            put("tokenizer.ggml.add_eos_token".into(), Value::Bool(true));
        }
        put("general.file_type".into(), Value::U32(file_type(kind)));
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

    /// Tensors, with the linear layers of one type, the embedding of another, and a head of its own or none.
    pub(super) fn tensors(&self, kind: TensorType, embedding: TensorType, output: Option<TensorType>) -> Vec<Tensor> {
        let [e, f, head] = [self.embedding, self.feed_forward, self.head_dim].map(u64::from);
        let (q, kv, vocabulary) = (self.q_width(), head * u64::from(self.kv_heads), u64::from(self.vocabulary));
        let norm = if self.embeds { TensorType::F16 } else { TensorType::F32 };
        let declare =
            |name: &str, dims: &[u64], kind| Tensor { name: format!("{name}.weight"), dims: dims.to_vec(), kind };
        let mut all = vec![declare("token_embd", &[e, vocabulary], embedding), declare("output_norm", &[e], norm)];
        all.extend(output.map(|kind| declare("output", &[e, vocabulary], kind)));
        let (sub_norms, head_norms) = (self.arch.starts_with("bitnet"), self.has_head_norms());
        for i in 0..self.layers {
            for (name, dims, is_there) in [
                ("attn_norm", &[e][..], true),
                ("ffn_down", &[f, e], true),
                ("ffn_gate", &[e, f], true),
                ("ffn_up", &[e, f], true),
                ("ffn_norm", &[e], true),
                ("ffn_sub_norm", &[f], sub_norms),
                ("attn_sub_norm", &[q], sub_norms),
                ("attn_k", &[e, kv], true),
                ("attn_k_norm", &[head], head_norms),
                ("attn_output", &[q, e], true),
                ("attn_q", &[e, q], true),
                ("attn_q_norm", &[head], head_norms),
                ("attn_v", &[e, kv], true),
            ] {
                let (name, is_matrix) = (format!("blk.{i}.{name}"), dims.len() > 1);
                let own = is_matrix && self.embeds;
                all.extend(is_there.then(|| declare(&name, dims, if is_matrix { kind } else { norm })));
                all.extend(own.then(|| declare(&format!("{name}_norm_in"), &dims[..1], norm)));
            }
        }
        all
    }

    fn q_width(&self) -> u64 {
        u64::from(self.head_dim) * u64::from(self.heads)
    }

    fn has_head_norms(&self) -> bool {
        self.arch == "qwen3"
    }
}

/// `general.file_type`: bitnet.cpp's number for I2_S, which the published file has, and llama.cpp's for the others.
fn file_type(kind: TensorType) -> u32 {
    use TensorType::*;
    match kind {
        F32 => 0,
        F16 => 1,
        Q4_0 => 2,
        Q8_0 => 7,
        Q4_K => 14,
        Q5_K => 16,
        Q6_K => 18,
        Q1_0 => 27,
        Q2_0 | PQ2_0 | PTQ1_0 => 28,
        BF16 => 32,
        TQ1_0 => 36,
        TQ2_0 => 37,
        I2S => 40,
    }
}

impl Preset {
    #[rustfmt::skip]
    pub(super) fn shape(self) -> Shape {
        let of = |arch: &str, [layers, embedding, feed_forward]: [u32; 3], [heads, kv_heads, head_dim]: [u32; 3],
                  [vocabulary, context]: [u32; 2], (rope_base, epsilon): (f32, f32), types: [&'static str; 3]| Shape {
            arch: arch.to_owned(), layers, embedding, feed_forward, heads, kv_heads, head_dim, vocabulary, context, rope_base,
            epsilon, yarn: None, embeds: false, types,
        };
        let bitnet = |layer, heads, text| of("bitnet-b1.58", layer, heads, text, (5e5, 1e-5), ["I2_S", "F16", TIED]);
        let bonsai = |layer, heads, text, original, kind| Shape {
            yarn: Some((4.0, original)),
            ..of("qwen3", layer, heads, text, (1e6, 1e-6), [kind, kind, TIED])
        };
        let own_head = |shape: Shape| Shape { types: [shape.types[0]; 3], ..shape };
        let falcon = |layer, heads, text| of("llama", layer, heads, text, (1_000_042.0, 1e-6), ["I2_S", "F16", "F16"]);
        let minicpm = |layer, heads, text| of("minicpm", layer, heads, text, (1e4, 1e-6), ["TQ2_0", "F16", TIED]);
        let embeds = |layer, heads, text| Shape {
            embeds: true,
            ..of("qwen3", layer, heads, text, (1e6, 1e-6), ["I2_S", "F16", TIED])
        };
        match self {
            Preset::Tiny            => bitnet([2, 256, 768], [4, 2, 64], [512, 512]),
            Preset::FiveMillion     => bitnet([6, 256, 768], [4, 2, 64], [1024, 512]),
            Preset::TwoBillion      => bitnet([30, 2560, 6912], [20, 5, 128], [128_256, 4096]),
            Preset::TinyLlama       => falcon([2, 256, 768], [4, 2, 64], [512, 512]),
            Preset::TinyQwen3       => bonsai([2, 256, 768], [4, 2, 128], [512, 512], 128, "TQ2_0"),
            Preset::TinyMinicpm     => minicpm([2, 256, 768], [4, 2, 64], [512, 512]),
            Preset::TinyEmbedding   => embeds([2, 256, 768], [4, 2, 128], [512, 512]),
            Preset::Bonsai1B        => bonsai([28, 2048, 6144], [16, 8, 128], [151_669, 32_768], 8192, "Q1_0"),
            Preset::Bonsai4B        => bonsai([36, 2560, 9728], [32, 8, 128], [151_669, 32_768], 8192, "Q1_0"),
            Preset::Bonsai8B        => own_head(bonsai([36, 4096, 12_288], [32, 8, 128], [151_669, 65_536], 16_384, "Q1_0")),
            Preset::TernaryBonsai1B => bonsai([28, 2048, 6144], [16, 8, 128], [151_669, 32_768], 8192, "Q2_0"),
            Preset::TernaryBonsai4B => bonsai([36, 2560, 9728], [32, 8, 128], [151_669, 32_768], 8192, "Q2_0"),
            Preset::TernaryBonsai8B => own_head(bonsai([36, 4096, 12_288], [32, 8, 128], [151_669, 65_536], 16_384, "Q2_0")),
            Preset::FalconE1B       => falcon([24, 2048, 9216], [16, 2, 128], [32_768, 8192]),
            Preset::FalconE3B       => falcon([32, 2048, 13_312], [16, 2, 128], [32_768, 8192]),
            Preset::Falcon31B       => falcon([18, 2048, 8192], [8, 4, 256], [131_072, 8192]),
            Preset::Falcon33B       => falcon([22, 3072, 9216], [12, 4, 256], [131_072, 8192]),
            Preset::BitCpmHalf      => minicpm([24, 1024, 4096], [16, 2, 64], [73_448, 32_768]),
            Preset::BitCpm1B        => of("llama", [28, 2048, 6144], [16, 2, 128], [73_448, 32_768], (1e4, 1e-6), ["TQ2_0", "Q4_K", "Q6_K"]),
            Preset::Embedding       => embeds([28, 1024, 3072], [16, 8, 128], [151_669, 32_768]),
        }
    }
}
