//! The page's table of models, and what this engine says of headers of those shapes.

use crate::common::parts::Parts;
use b158::gguf::{Array, TensorDeclaration, TensorType, Value};
use b158::model::{Estimate, Estimator, KvType, LoaderOptions};
use serde_json::Value as Json;

const CATALOGUE: &str = include_str!("../../www/demo/catalogue.json");

/// What a published model is made of.
struct Shape {
    id: &'static str,
    layers: u32,
    embedding: u32,
    feed_forward: u32,
    heads: u32,
    kv_heads: u32,
    head_dim: u32,
    vocabulary: u32,
    context: u32,
    linear: TensorType,
    token_embedding: TensorType,
    output: Option<TensorType>,
    /// Of each layer, besides the two that every model has.
    norms: &'static [(&'static str, u32)],
}

/// Of the heads' queries and keys.
const HEAD_NORMS: &[(&str, u32)] = &[("attn_q_norm", 128), ("attn_k_norm", 128)];

const fn bonsai(id: &'static str, kind: TensorType) -> Shape {
    Shape {
        id,
        layers: 28,
        embedding: 2048,
        feed_forward: 6144,
        heads: 16,
        kv_heads: 8,
        head_dim: 128,
        vocabulary: 151_669,
        context: 32_768,
        linear: kind,
        token_embedding: kind,
        output: None,
        norms: HEAD_NORMS,
    }
}

const SHAPES: [Shape; 4] = [
    bonsai("bonsai-1.7b", TensorType::Q1_0),
    bonsai("ternary-bonsai-1.7b", TensorType::PQ2_0),
    Shape {
        id: "falcon-e-1b",
        layers: 24,
        embedding: 2048,
        feed_forward: 9216,
        heads: 16,
        kv_heads: 2,
        head_dim: 128,
        vocabulary: 32_768,
        context: 8192,
        linear: TensorType::I2S,
        token_embedding: TensorType::F16,
        output: Some(TensorType::F16),
        norms: &[],
    },
    Shape {
        id: "official",
        layers: 30,
        embedding: 2560,
        feed_forward: 6912,
        heads: 20,
        kv_heads: 5,
        head_dim: 128,
        vocabulary: 128_256,
        context: 4096,
        linear: TensorType::I2S,
        token_embedding: TensorType::F16,
        output: None,
        norms: &[("attn_sub_norm", 2560), ("ffn_sub_norm", 6912)],
    },
];

impl Shape {
    /// A header that makes a file of so many bytes, most of it tokens.
    fn header(&self, architecture: &str, file_bytes: u64) -> Vec<u8> {
        let mut parts = Parts::new();
        parts.metadata = Default::default();
        let key = |name: &str| format!("{architecture}.{name}");
        parts.metadata.insert("general.architecture", Value::String(architecture.into()));
        for (name, value) in [
            ("block_count", self.layers),
            ("context_length", self.context),
            ("embedding_length", self.embedding),
            ("feed_forward_length", self.feed_forward),
            ("attention.head_count", self.heads),
            ("attention.head_count_kv", self.kv_heads),
            ("attention.key_length", self.head_dim),
            ("attention.value_length", self.head_dim),
            ("rope.dimension_count", self.head_dim),
        ] {
            parts.metadata.insert(key(name), Value::U32(value));
        }
        parts.metadata.insert(key("attention.layer_norm_rms_epsilon"), Value::F32(1e-5));
        parts.metadata.insert(key("rope.freq_base"), Value::F32(1e6));
        parts.tensors = self.tensors().map(|tensor| (tensor, Vec::new())).collect();
        let tokens = |parts: &mut Parts, each: usize| {
            let tokens = vec!["x".repeat(each); self.vocabulary as usize];
            parts.metadata.insert("tokenizer.ggml.tokens", Value::Array(Array::Strings(tokens.iter().collect())));
            estimate(&parts.header(), LoaderOptions::default()).file_bytes
        };
        let left = file_bytes - tokens(&mut parts, 0);
        tokens(&mut parts, (left / u64::from(self.vocabulary)) as usize);
        parts.header()
    }

    fn tensors(&self) -> impl Iterator<Item = TensorDeclaration> + '_ {
        let (e, f, q, kv) =
            (self.embedding, self.feed_forward, self.heads * self.head_dim, self.kv_heads * self.head_dim);
        let matrices = [
            ("attn_q", [e, q]),
            ("attn_k", [e, kv]),
            ("attn_v", [e, kv]),
            ("attn_output", [q, e]),
            ("ffn_gate", [e, f]),
            ("ffn_up", [e, f]),
            ("ffn_down", [f, e]),
        ];
        let tensor = |name: String, kind: TensorType, dims: &[u32]| TensorDeclaration {
            name: format!("{name}.weight"),
            dims: dims.iter().map(|&dim| dim.into()).collect(),
            kind: kind.into(),
        };
        let layers = (0..self.layers).flat_map(move |layer| {
            let linears = matrices.iter().map(move |(name, dims)| (*name, self.linear, &dims[..]));
            let linears: Vec<_> =
                linears.map(|(name, kind, dims)| tensor(format!("blk.{layer}.{name}"), kind, dims)).collect();
            let norms = [("attn_norm", e), ("ffn_norm", e)].into_iter().chain(self.norms.iter().copied());
            linears
                .into_iter()
                .chain(norms.map(move |(name, width)| tensor(format!("blk.{layer}.{name}"), TensorType::F32, &[width])))
        });
        let head = self.output.map(|kind| tensor("output".into(), kind, &[e, self.vocabulary]));
        [
            tensor("token_embd".into(), self.token_embedding, &[e, self.vocabulary]),
            tensor("output_norm".into(), TensorType::F32, &[e]),
        ]
        .into_iter()
        .chain(head)
        .chain(layers)
    }
}

fn estimate(header: &[u8], options: LoaderOptions) -> Estimate {
    let mut estimator = Estimator::new(options);
    assert!(estimator.push(header).unwrap());
    estimator.finish().unwrap()
}

/// What the table must say of it. `leastMemoryBytes` are those of a KV cache in 8 bits.
fn expected(header: &[u8]) -> Vec<(&'static str, u64)> {
    let f16 = estimate(header, LoaderOptions::default());
    let q8_0 = estimate(header, LoaderOptions { kv_type: Some(KvType::Q8_0), ..Default::default() });
    vec![
        ("parameters", f16.parameters()),
        ("contextLength", f16.context as u64),
        ("weightBytes", f16.weight_bytes),
        ("kvCacheBytes", f16.kv_cache_bytes),
        ("memoryBytes", f16.wasm_bytes),
        ("leastMemoryBytes", q8_0.wasm_bytes),
    ]
}

#[test]
fn what_the_page_says_of_its_models_is_what_the_engine_says() {
    let catalogue: Vec<Json> = serde_json::from_str(CATALOGUE).unwrap();
    let mut wrong = Vec::new();
    for model in &catalogue {
        let (id, file_bytes) = (model["id"].as_str().unwrap(), model["fileBytes"].as_u64().unwrap());
        let header = match SHAPES.iter().find(|shape| shape.id == id) {
            Some(shape) => shape.header(model["architecture"].as_str().unwrap(), file_bytes),
            None if id == "embedded" => {
                assert_eq!(file_bytes, crate::common::STORIES.len() as u64);
                crate::common::STORIES.to_vec()
            }
            None => panic!("{id} has no shape here"),
        };
        let found = expected(&header);
        // A peak has the engine's buffers in it, which change now and then by less than anybody is shown.
        let same = |(field, bytes): &(&str, u64)| {
            let slack = if field.ends_with("emoryBytes") { bytes / 100 } else { 0 };
            model[field].as_u64().is_some_and(|said| said.abs_diff(*bytes) <= slack)
        };
        if !found.iter().all(same) {
            wrong.push(format!(
                "{id}: {}",
                found.iter().map(|(f, n)| format!("\"{f}\": {n}")).collect::<Vec<_>>().join(", ")
            ));
        }
    }
    assert!(wrong.is_empty(), "www/demo/catalogue.json must say\n{}", wrong.join("\n"));
}
