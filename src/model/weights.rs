//! What the graph reads: matrices in the kernels' layout, norms in f32.

use super::Config;
use super::rope::is_long;
use crate::Result;
use crate::kernels::tables::Product;
use crate::kernels::{Activations, Compute, DenseMatrix, Int8Matrix, TernaryMatrix, WideActivations};
use crate::kernels::{dense_matmul, dense_rows, int8_matmul, int8_rows, ternary_matmul, ternary_matmuls, ternary_rows};

/// A linear layer, rows × columns as outputs × inputs.
pub enum Linear {
    /// Weights of -1, 0 and +1: inputs are rounded to int8, with one scale a row (BitNet's BitLinear) or, for types with a
    /// scale for each 64 or 128 weights, one for each 32 inputs (llama.cpp's Q8_0).
    Ternary(TernaryMatrix),
    /// Any other type a file may hold: a plain float product, as llama.cpp computes it.
    Dense(DenseMatrix),
}

impl Linear {
    /// Bytes in memory.
    pub fn bytes(&self) -> u64 {
        match self {
            Linear::Ternary(matrix) => matrix.bytes() as u64,
            Linear::Dense(matrix) => matrix.bytes() as u64,
        }
    }

    /// The bytes themselves.
    pub fn memory(&self) -> &[u8] {
        match self {
            Linear::Ternary(matrix) => matrix.memory(),
            Linear::Dense(matrix) => matrix.memory(),
        }
    }

    /// The scales that are not among those bytes.
    pub fn scales(&self) -> &[f32] {
        match self {
            Linear::Ternary(matrix) => matrix.scales(),
            Linear::Dense(_) => &[],
        }
    }

    /// Multiply-accumulates a token.
    pub fn macs(&self) -> u64 {
        let (rows, cols) = match self {
            Linear::Ternary(matrix) => (matrix.rows(), matrix.cols()),
            Linear::Dense(matrix) => (matrix.rows(), matrix.cols()),
        };
        rows as u64 * cols as u64
    }
}

/// A linear layer with what files may keep beside it.
pub struct ScaledLinear {
    /// A norm of its own over its input (`_norm_in`).
    pub norm: Option<Vec<f32>>,
    /// The matrix.
    pub linear: Linear,
    /// Multiplied into every output, after the product (`.scale`, in files of arch `bitnet`).
    pub scale: Option<f32>,
}

/// `y[token][rows]` of each layer from the inputs `x`, which all have in common; `quantized` are the same inputs rounded to int8.
pub(crate) fn apply<const N: usize>(
    compute: &Compute,
    x: &[f32],
    quantized: &Activations,
    mut layers: [(&ScaledLinear, &mut [f32]); N],
) {
    let mut ternary: Vec<Product<'_, '_>> = Vec::with_capacity(N);
    for (layer, y) in &mut layers {
        match &layer.linear {
            Linear::Ternary(matrix) => ternary.push((matrix, y)),
            Linear::Dense(matrix) => dense_matmul(compute, matrix, x, y),
        }
    }
    ternary_matmuls(compute, &mut ternary, quantized);
    for (layer, y) in layers {
        if let Some(scale) = layer.scale {
            y.iter_mut().for_each(|y| *y *= scale);
        }
    }
}

/// A matrix with a row a token, vocabulary × width: the token embedding, which BitNet ties to its output head, or a head
/// of its own.
pub enum Embedding {
    /// As it is in the file.
    File(DenseMatrix),
    /// Rounded to 8 bits, with a scale a row.
    Int8(Int8Matrix),
    /// In ternary blocks, as in the file.
    Ternary(TernaryMatrix),
}

/// Last hidden states in the form that the output head wants: scratch.
pub(crate) struct HeadInput {
    width: usize,
    wide: Vec<WideActivations>,
    groups: Activations,
}

impl HeadInput {
    /// For states of this width: room for one, and for more when they come.
    pub(crate) fn new(width: usize) -> Result<Self> {
        let mut input = HeadInput { width, wide: Vec::new(), groups: Activations::new() };
        input.widen(1)?;
        Ok(input)
    }

    fn widen(&mut self, tokens: usize) -> Result<&mut [WideActivations]> {
        while self.wide.len() < tokens {
            self.wide.push(WideActivations::new(self.width)?);
        }
        Ok(&mut self.wide[..tokens])
    }
}

impl Embedding {
    /// Decodes the row of token `id` into `out[width]`.
    pub fn row(&self, id: usize, out: &mut [f32]) {
        match self {
            Embedding::File(matrix) => matrix.row(id, out),
            Embedding::Int8(matrix) => matrix.row(id, out),
            Embedding::Ternary(matrix) => matrix.row(id, out),
        }
    }

    /// `logits[token][vocabulary]` of tokens' last hidden states; `input` is scratch. The head is read once.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub(crate) fn logits(&self, c: &Compute, h: &[f32], input: &mut HeadInput, logits: &mut [f32]) -> Result<()> {
        match self {
            Embedding::File(matrix) => dense_matmul(c, matrix, h, logits),
            Embedding::Int8(matrix) => {
                let wide = input.widen(h.len() / matrix.cols())?;
                for (wide, h) in wide.iter_mut().zip(h.chunks_exact(matrix.cols())) {
                    wide.quantize(c.backend, h);
                }
                int8_matmul(c, matrix, wide, logits);
            }
            Embedding::Ternary(matrix) => {
                input.groups.quantize_best(c, h, matrix.cols(), std::iter::once(matrix))?;
                ternary_matmul(c, matrix, &input.groups, logits);
            }
        }
        Ok(())
    }

    /// The logits of the tokens `ids` alone after one token, the same bits.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub(crate) fn logits_of(
        &self,
        c: &Compute,
        h: &[f32],
        input: &mut HeadInput,
        ids: &[u32],
        logits: &mut [f32],
    ) -> Result<()> {
        match self {
            Embedding::File(matrix) => dense_rows(c, matrix, ids, h, logits),
            Embedding::Int8(matrix) => {
                let wide = &mut input.widen(1)?[0];
                wide.quantize(c.backend, h);
                int8_rows(c, matrix, ids, wide, logits);
            }
            Embedding::Ternary(matrix) => {
                input.groups.quantize_best(c, h, matrix.cols(), std::iter::once(matrix))?;
                ternary_rows(c, matrix, ids, &input.groups, logits);
            }
        }
        Ok(())
    }

    /// Up to so many tokens, wherever their rows lie, [`logits_of`](Self::logits_of) is faster than all logits. Measured: a row that is read
    /// alone costs up to twice its share of the whole, and of a ternary matrix some rows lie in the same bytes. At least one.
    pub(crate) fn few_rows(&self) -> usize {
        let few = match self {
            Embedding::File(matrix) => matrix.rows() / 4,
            Embedding::Int8(matrix) => matrix.rows() / 4,
            Embedding::Ternary(matrix) => matrix.rows() / matrix.rows_together() / 2,
        };
        few.max(1)
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> u64 {
        match self {
            Embedding::File(matrix) => matrix.bytes() as u64,
            Embedding::Int8(matrix) => matrix.bytes() as u64,
            Embedding::Ternary(matrix) => matrix.bytes() as u64,
        }
    }

    /// Everything that the logits read of it, but for scales.
    pub fn memory(&self) -> &[u8] {
        match self {
            Embedding::File(matrix) => matrix.memory(),
            Embedding::Int8(matrix) => matrix.memory(),
            Embedding::Ternary(matrix) => matrix.memory(),
        }
    }

    /// The scales that are not among those bytes.
    pub fn scales(&self) -> &[f32] {
        match self {
            Embedding::File(_) => &[],
            Embedding::Int8(matrix) => matrix.scales(),
            Embedding::Ternary(matrix) => matrix.scales(),
        }
    }

    /// Its type in memory: a format's name, `int8` or `ternary`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Embedding::File(matrix) => matrix.kind().name(),
            Embedding::Int8(_) => "int8",
            Embedding::Ternary(_) => "ternary",
        }
    }
}

/// One transformer layer.
pub struct Layer {
    /// Norm before attention.
    pub attn_norm: Vec<f32>,
    /// Norm of each head of queries.
    pub attn_q_norm: Option<Vec<f32>>,
    /// Norm of each head of keys.
    pub attn_k_norm: Option<Vec<f32>>,
    /// Norm between attention and its output projection.
    pub attn_sub_norm: Option<Vec<f32>>,
    /// Norm before the feed-forward network.
    pub ffn_norm: Vec<f32>,
    /// Norm between the gated product and the down projection.
    pub ffn_sub_norm: Option<Vec<f32>>,
    /// Queries.
    pub attn_q: ScaledLinear,
    /// Keys.
    pub attn_k: ScaledLinear,
    /// Values.
    pub attn_v: ScaledLinear,
    /// Output projection of attention.
    pub attn_output: ScaledLinear,
    /// Gate.
    pub ffn_gate: ScaledLinear,
    /// Up projection.
    pub ffn_up: ScaledLinear,
    /// Down projection.
    pub ffn_down: ScaledLinear,
}

impl Layer {
    /// Its matrices, in the order in which they are used.
    pub fn linears(&self) -> [&ScaledLinear; 7] {
        [&self.attn_q, &self.attn_k, &self.attn_v, &self.attn_output, &self.ffn_gate, &self.ffn_up, &self.ffn_down]
    }
}

/// Divisors of the rotary angles, one a pair.
pub struct RopeFactors {
    /// For contexts of any length, or for short ones.
    pub short: Vec<f32>,
    /// For contexts longer than [`short_context`](super::RopeScaling::short_context), where they differ.
    pub long: Option<Vec<f32>>,
}

/// All tensors of a model.
pub struct Weights {
    /// Token embedding; the output head too, unless there is one.
    pub token_embd: Embedding,
    /// The output head, where the file has one of its own.
    pub output: Option<Embedding>,
    /// Last norm.
    pub output_norm: Vec<f32>,
    /// Divisors of the rotary angles, where the file has them.
    pub rope_factors: Option<RopeFactors>,
    /// The layers, first to last.
    pub layers: Vec<Layer>,
}

impl Weights {
    /// Bytes of all matrices in memory.
    pub fn bytes(&self) -> u64 {
        let layers: u64 = self.layers.iter().flat_map(Layer::linears).map(|l| l.linear.bytes()).sum();
        layers + self.token_embd.bytes() + self.output.as_ref().map_or(0, Embedding::bytes)
    }

    /// The divisors of the rotary angles in a context of so many tokens.
    pub(crate) fn rope_factors(&self, config: &Config, context: usize) -> Option<&[f32]> {
        let RopeFactors { short, long } = self.rope_factors.as_ref()?;
        let is_long = is_long(config.rope_scaling.short_context, context);
        Some(long.as_ref().filter(|_| is_long).unwrap_or(short))
    }

    /// What the logits come from.
    pub fn head(&self) -> &Embedding {
        self.output.as_ref().unwrap_or(&self.token_embd)
    }

    /// The matrices where they lie, in the order in which a token reads them: of an embedding that is not the head, it
    /// reads a row.
    pub fn memory(&self) -> Vec<&[u8]> {
        let layers = self.layers.iter().flat_map(Layer::linears).map(|l| l.linear.memory());
        layers.chain([self.head().memory()]).collect()
    }

    /// Multiply-accumulates of a prompt's token: all matrices but the head, which only the last one needs.
    pub fn macs(&self) -> u64 {
        self.layers.iter().flat_map(Layer::linears).map(|l| l.linear.macs()).sum()
    }
}
