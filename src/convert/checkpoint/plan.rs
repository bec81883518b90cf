//! Which tensors the GGUF has, and where the values of each lie: all that can be refused is, before any weight is read.

use super::Options;
use super::texts::{Description, Quantization, ScaleMeaning};
use super::weights::{Weights, float_type};
use crate::convert::{DenseType, Folder, TernaryEncoder};
use crate::gguf::TensorDeclaration;
use crate::safetensors::{DType, Tensor};
use crate::{Error, Result};
use std::collections::HashSet;

/// The GGUF's tensors, in their order.
pub(super) struct Plan {
    pub(super) tensors: Vec<Planned>,
    pub(super) notes: Vec<String>,
}

/// A tensor of the GGUF, and what stands beside it.
pub(super) struct Planned {
    /// Of the tensor, and behind it of its scale, where that is a tensor of its own.
    pub(super) declarations: Vec<TensorDeclaration>,
    pub(super) source: Source,
}

/// Where the values of a tensor are, and what becomes of them.
pub(super) enum Source {
    /// Codes of two bits, four quarters of the rows in one byte, and the scale.
    Packed { matrix: Matrix, encoder: TernaryEncoder },
    /// Floats that become codes.
    Masters { matrix: Matrix, rule: Rule },
    /// Floats that stay floats.
    Dense { matrix: Matrix, kind: DenseType },
    /// Values that `config.json` has.
    Given(Vec<f32>),
}

/// How codes are made of floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// As training does in each step, by the mean of all magnitudes.
    AbsMean,
    /// They are ternary already: all magnitudes but zeros are one.
    Exact,
}

/// A matrix of the checkpoint; a vector is one of one row.
#[derive(Clone)]
pub(super) struct Matrix {
    /// The tensor's name in the checkpoint.
    pub(super) name: String,
    pub(super) dtype: DType,
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) order: RowOrder,
}

/// The order of a matrix's rows in the GGUF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowOrder {
    /// The checkpoint's.
    Same,
    /// Of each head, which has so many rows, first row 0 and row half, then row 1 and row half + 1: the pairs that are rotated
    /// together are neighbours.
    Paired { head: usize },
}

impl RowOrder {
    /// The checkpoint's row that is row `row` of the GGUF.
    pub(super) fn source(self, row: usize) -> usize {
        match self {
            RowOrder::Same => row,
            RowOrder::Paired { head } => {
                let (start, within) = (row - row % head, row % head);
                start + within / 2 + within % 2 * (head / 2)
            }
        }
    }
}

/// A projection of a layer.
struct Projection {
    /// In the checkpoint, behind the layer's name.
    name: &'static str,
    /// In the GGUF, behind the layer's name.
    gguf: &'static str,
    shape: fn(&Description) -> [usize; 2],
    /// Heads whose rows may be reordered.
    heads: Option<fn(&Description) -> usize>,
}

fn q_width(model: &Description) -> usize {
    model.heads.saturating_mul(model.head_dim)
}

fn kv_width(model: &Description) -> usize {
    model.kv_heads.saturating_mul(model.head_dim)
}

/// Rows and columns.
#[rustfmt::skip]
const PROJECTIONS: [Projection; 7] = [
    Projection { name: "self_attn.q_proj", gguf: "attn_q",      shape: |m| [q_width(m), m.hidden],      heads: Some(|m| m.heads) },
    Projection { name: "self_attn.k_proj", gguf: "attn_k",      shape: |m| [kv_width(m), m.hidden],     heads: Some(|m| m.kv_heads) },
    Projection { name: "self_attn.v_proj", gguf: "attn_v",      shape: |m| [kv_width(m), m.hidden],     heads: None },
    Projection { name: "self_attn.o_proj", gguf: "attn_output", shape: |m| [m.hidden, q_width(m)],      heads: None },
    Projection { name: "mlp.gate_proj",    gguf: "ffn_gate",    shape: |m| [m.feed_forward, m.hidden],  heads: None },
    Projection { name: "mlp.up_proj",      gguf: "ffn_up",      shape: |m| [m.feed_forward, m.hidden],  heads: None },
    Projection { name: "mlp.down_proj",    gguf: "ffn_down",    shape: |m| [m.hidden, m.feed_forward],  heads: None },
];

/// Norms of a layer: names in checkpoints, the one in the GGUF, the width, and whether a model has it.
type LayerNorm = (&'static [&'static str], &'static str, fn(&Description) -> usize, fn(&Description) -> bool);

#[rustfmt::skip]
const NORMS: [LayerNorm; 6] = [
    (&["input_layernorm"],                                     "attn_norm",     |m| m.hidden,       |_| true),
    (&["post_attention_layernorm"],                            "ffn_norm",      |m| m.hidden,       |_| true),
    (&["self_attn.attn_sub_norm", "self_attn.inner_attn_ln"],  "attn_sub_norm", q_width,            |m| m.sub_norms),
    (&["mlp.ffn_sub_norm", "mlp.ffn_layernorm"],               "ffn_sub_norm",  |m| m.feed_forward, |m| m.sub_norms),
    (&["self_attn.q_norm"],                                    "attn_q_norm",   |m| m.head_dim,     |m| m.head_norms),
    (&["self_attn.k_norm"],                                    "attn_k_norm",   |m| m.head_dim,     |m| m.head_norms),
];

const HEAD: &str = "lm_head.weight";

/// The embedding's name, and with it what other names begin with: a model that is saved without its head has no `model.`.
pub(super) fn embedding(weights: &Weights) -> Result<(&'static str, &Tensor)> {
    let named = |prefix, name| weights.get(name).map(|tensor| (prefix, tensor));
    match (named("model.", "model.embed_tokens.weight"), named("", "embed_tokens.weight")) {
        (Some(found), _) | (None, Some(found)) => Ok(found),
        // As messages name it.
        (None, None) => weights.require("model.embed_tokens.weight").map(|tensor| ("model.", tensor)),
    }
}

struct Planner<'a, F> {
    folder: &'a mut F,
    weights: &'a Weights,
    model: &'a Description,
    options: Options,
    /// What the names of the body's tensors begin with.
    prefix: &'static str,
    used: HashSet<String>,
    plan: Plan,
    packed: usize,
    masters: usize,
}

impl Plan {
    pub(super) fn new(
        folder: &mut impl Folder,
        weights: &Weights,
        model: &Description,
        options: Options,
    ) -> Result<Self> {
        let (prefix, embedding) = embedding(weights)?;
        let plan = Plan { tensors: Vec::new(), notes: Vec::new() };
        let mut planner =
            Planner { folder, weights, model, options, prefix, used: HashSet::new(), plan, packed: 0, masters: 0 };
        planner.tables(embedding)?;
        for (name, values) in &model.tensors {
            let dims = vec![values.len() as u64];
            let kind = DenseType::F32.kind().into();
            planner
                .push(vec![TensorDeclaration { name: (*name).to_owned(), dims, kind }], Source::Given(values.clone()));
        }
        for layer in 0..model.layers {
            planner.layer(layer)?;
        }
        planner.vector(&format!("{prefix}norm.weight"), "output_norm.weight".to_owned(), model.hidden)?;
        planner.note_modes();
        planner.check_rest()?;
        Ok(planner.plan)
    }
}

impl<F: Folder> Planner<'_, F> {
    fn push(&mut self, declarations: Vec<TensorDeclaration>, source: Source) {
        self.plan.tensors.push(Planned { declarations, source });
    }

    /// The embedding, and a head of its own where there is one.
    fn tables(&mut self, embedding: &Tensor) -> Result<()> {
        let name = format!("{}embed_tokens.weight", self.prefix);
        let rows = embedding.shape.first().copied().unwrap_or(0);
        let vocabulary = self.model.vocabulary;
        if vocabulary as u64 != rows {
            let reason =
                format!("it has {rows} rows, `vocab_size` in config.json is {vocabulary}: take files of one model");
            return Err(self.weights.bad(&name, reason));
        }
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        self.table(&name, "token_embd.weight", rows)?;
        match (self.model.tied, self.weights.get(HEAD)) {
            (Some(true), Some(_)) => {
                self.used.insert(HEAD.to_owned());
                let note = "it is passed over: `tie_word_embeddings` says that the embedding is the head";
                self.plan.notes.push(format!("{HEAD}: {note}"));
                Ok(())
            }
            (Some(true), None) => Ok(()),
            (None, None) => {
                let note = "config.json does not say `tie_word_embeddings`, and there is no lm_head.weight: the embedding is the head";
                self.plan.notes.push(note.to_owned());
                Ok(())
            }
            _ => self.table(HEAD, "output.weight", rows),
        }
    }

    fn table(&mut self, name: &str, gguf: &str, rows: usize) -> Result<()> {
        let matrix = self.matrix(name, rows, self.model.hidden)?;
        let wanted = self.options.embedding;
        let kind = wanted.for_rows(matrix.cols as u64);
        if kind != wanted {
            let note = format!("{gguf}: it is {kind}, rows of {} are no whole blocks of {wanted}", matrix.cols);
            self.plan.notes.push(note);
        }
        self.dense(matrix, gguf.to_owned(), kind);
        Ok(())
    }

    fn layer(&mut self, layer: usize) -> Result<()> {
        let (model, weights) = (self.model, self.weights);
        let from = format!("{}layers.{layer}.", self.prefix);
        let to = format!("blk.{layer}.");
        for (names, gguf, width, has) in NORMS {
            if has(model) {
                let named = names.iter().map(|name| format!("{from}{name}.weight"));
                let name = named.clone().find(|name| weights.get(name).is_some()).or(named.clone().next());
                self.vector(&name.unwrap_or_default(), format!("{to}{gguf}.weight"), width(model))?;
            }
        }
        for projection in &PROJECTIONS {
            let [rows, cols] = (projection.shape)(model);
            let name = format!("{from}{}", projection.name);
            let gguf = format!("{to}{}", projection.gguf);
            if model.input_norms {
                self.vector(&format!("{name}.rms_norm.weight"), format!("{gguf}_norm_in.weight"), cols)?;
            }
            let order = match projection.heads {
                Some(_) if model.permuted => RowOrder::Paired { head: model.head_dim },
                _ => RowOrder::Same,
            };
            self.projection(&name, format!("{gguf}.weight"), rows, cols, order)?;
        }
        Ok(())
    }

    fn projection(&mut self, module: &str, gguf: String, rows: usize, cols: usize, order: RowOrder) -> Result<()> {
        let (weights, model) = (self.weights, self.model);
        let name = format!("{module}.weight");
        let tensor = weights.require(&name)?;
        if tensor.dtype == DType::U8 {
            let matrix = self.packed_matrix(&name, rows, cols, order)?;
            let scale = self.scale(&name)?;
            let encoder = TernaryEncoder::new(self.options.linear, scale);
            self.packed += 1;
            let declarations = encoder.declarations(&gguf, &[cols as u64, rows as u64]).collect();
            self.push(declarations, Source::Packed { matrix, encoder });
            return Ok(());
        }
        let matrix = Matrix { order, ..self.matrix(&name, rows, cols)? };
        let rule = match &model.quantization {
            Some(quantization) if is_listed(&quantization.not_converted, module) => {
                let kind = match matrix.dtype {
                    DType::BF16 => DenseType::BF16,
                    DType::F16 => DenseType::F16,
                    _ => DenseType::F32,
                };
                self.dense(matrix, gguf, kind);
                return Ok(());
            }
            Some(_) => Rule::AbsMean,
            None => Rule::Exact,
        };
        self.check_row(&name, cols)?;
        self.masters += 1;
        // Its scale is known when all of it has been read, and blocks may not hold it.
        let declarations = TernaryEncoder::apart(self.options.linear, 1.0);
        let declarations = declarations.declarations(&gguf, &[cols as u64, rows as u64]).collect();
        self.push(declarations, Source::Masters { matrix, rule });
        Ok(())
    }

    /// A matrix with four rows in each byte, which are as far apart as there are rows of bytes.
    fn packed_matrix(&mut self, name: &str, rows: usize, cols: usize, order: RowOrder) -> Result<Matrix> {
        let tensor = self.weights.require(name)?;
        let expected = [rows as u64 / 4, cols as u64];
        if !rows.is_multiple_of(4) || tensor.shape != expected {
            let reason = format!(
                "its shape is {:?}, expected {expected:?}: {rows} rows by config.json, four in a byte, and {cols} columns",
                tensor.shape
            );
            return Err(self.weights.bad(name, reason));
        }
        self.check_row(name, cols)?;
        self.used.insert(name.to_owned());
        Ok(Matrix { name: name.to_owned(), dtype: tensor.dtype, rows, cols, order })
    }

    /// What a code of a packed matrix is worth.
    fn scale(&mut self, name: &str) -> Result<f32> {
        let Some(Quantization { scale: meaning, .. }) = &self.model.quantization else {
            return Err(Error::BadCheckpoint {
                file: "config.json".to_owned(),
                what: "`quantization_config`".to_owned(),
                reason: format!(
                    "it is missing, and {name} is packed: what its weight_scale means is told by \"linear_class\" in it; add \
                     {{\"quant_method\": \"bitnet\", \"linear_class\": …}} as in the model's first config.json"
                ),
            });
        };
        let beside = format!("{name}_scale");
        let tensor = self.weights.require(&beside)?;
        let value = self.weights.number(self.folder, &beside)?.ok_or_else(|| {
            let reason = format!("it is {} {:?}, expected one number in BF16, F16 or F32", tensor.dtype, tensor.shape);
            self.weights.bad(&beside, reason)
        })?;
        let scale = match meaning {
            ScaleMeaning::Factor => value,
            ScaleMeaning::Divisor => 1.0 / value,
        };
        if value == 0.0 || scale == 0.0 || !value.is_finite() || !scale.is_finite() {
            let reason = format!(
                "the scale is {value}, not a finite number other than zero: fetch or save the checkpoint again"
            );
            return Err(self.weights.bad(&beside, reason));
        }
        self.used.insert(beside);
        Ok(scale)
    }

    /// Rows are blocks of the type that was asked for.
    fn check_row(&self, name: &str, cols: usize) -> Result<()> {
        let kind = self.options.linear;
        if !kind.fits(cols as u64) {
            let kind = kind.kind();
            let reason = format!("its rows of {cols} are no whole blocks of {kind}, which hold {}", kind.block());
            return Err(self.weights.unsupported(name, reason));
        }
        Ok(())
    }

    /// A norm.
    fn vector(&mut self, name: &str, gguf: String, width: usize) -> Result<()> {
        let tensor = self.weights.require(name)?;
        if tensor.shape != [width as u64] {
            let reason = format!("its shape is {:?}, expected [{width}] by config.json", tensor.shape);
            return Err(self.weights.bad(name, reason));
        }
        let matrix = self.floats(name, 1, width)?;
        self.dense(matrix, gguf, DenseType::F32);
        Ok(())
    }

    fn dense(&mut self, matrix: Matrix, gguf: String, kind: DenseType) {
        let mut dims = vec![matrix.cols as u64];
        if self.weights.get(&matrix.name).is_some_and(|tensor| tensor.shape.len() > 1) {
            dims.push(matrix.rows as u64);
        }
        let declaration = TensorDeclaration { name: gguf, dims, kind: kind.kind().into() };
        self.push(vec![declaration], Source::Dense { matrix, kind });
    }

    /// A matrix of floats.
    fn matrix(&mut self, name: &str, rows: usize, cols: usize) -> Result<Matrix> {
        let tensor = self.weights.require(name)?;
        let expected = [rows as u64, cols as u64];
        if float_type(tensor.dtype).is_some() && tensor.shape != expected {
            let reason = format!("its shape is {:?}, expected {expected:?} by config.json", tensor.shape);
            return Err(self.weights.bad(name, reason));
        }
        self.floats(name, rows, cols)
    }

    fn floats(&mut self, name: &str, rows: usize, cols: usize) -> Result<Matrix> {
        let tensor = self.weights.require(name)?;
        if float_type(tensor.dtype).is_none() {
            let reason = format!("its type {} is not read here: save the model in BF16, or packed in U8", tensor.dtype);
            return Err(self.weights.unsupported(name, reason));
        }
        self.used.insert(name.to_owned());
        Ok(Matrix { name: name.to_owned(), dtype: tensor.dtype, rows, cols, order: RowOrder::Same })
    }

    /// Where `quantization_mode` says other than the tensors, they are right.
    fn note_modes(&mut self) {
        let Some(quantization) = &self.model.quantization else {
            if self.masters > 0 {
                let note = "config.json has no `quantization_config`: matrices count as ternary where all of their values are -s, 0 and s";
                self.plan.notes.push(note.to_owned());
            }
            return;
        };
        let what = match quantization.packed {
            Some(false) if self.packed > 0 => Some(("online", self.packed, "packed")),
            Some(true) if self.masters > 0 => Some(("offline", self.masters, "master weights, not packed")),
            _ => None,
        };
        if let Some((mode, count, are)) = what {
            let note = format!(
                "config.json: `quantization_mode` is {mode}, but {count} matrices are {are}: they are read as they are"
            );
            self.plan.notes.push(note);
        }
    }

    /// What is left over: in a layer of the graph it would change the answers, elsewhere it is passed over, and said.
    fn check_rest(&mut self) -> Result<()> {
        let (weights, prefix, layers) = (self.weights, self.prefix, self.model.layers);
        // What older programs wrote down although it follows from the config.
        let follows = |name: &str| name.ends_with("rotary_emb.inv_freq");
        let mut rest: Vec<&str> = weights.names().filter(|name| !self.used.contains(*name) && !follows(name)).collect();
        rest.sort_unstable();
        let belongs = |name: &&&str| {
            let layer = name.strip_prefix(prefix).and_then(|name| name.strip_prefix("layers.")?.split_once('.'));
            match layer {
                Some((layer, _)) => layer.parse().is_ok_and(|layer: usize| layer < layers),
                None => name.starts_with("lm_head.") || (!prefix.is_empty() && name.starts_with(prefix)),
            }
        };
        if let Some(name) = rest.iter().find(belongs) {
            let reason = "it has no place in the graph of its architecture (biases, experts, adapters): the model is another one";
            return Err(weights.unsupported(name, reason));
        }
        if let Some(first) = rest.first() {
            let count = rest.len();
            let tensors = if count == 1 { "tensor is" } else { "tensors are" };
            self.plan.notes.push(format!("{count} {tensors} not used, as {first}: config.json has {layers} layers"));
        }
        Ok(())
    }
}

/// Whether `modules_to_not_convert` names a module: whole, by its last parts, or by a part of it.
fn is_listed(names: &[String], module: &str) -> bool {
    names.iter().any(|name| {
        !name.is_empty()
            && (module == name
                || module.ends_with(&format!(".{name}"))
                || module.starts_with(&format!("{name}."))
                || module.contains(&format!(".{name}.")))
    })
}
