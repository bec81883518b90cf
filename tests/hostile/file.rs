//! A small right model as the fields its file is written from: an attack changes one of them.

/// Types of metadata values.
pub(crate) const U8: u32 = 0;
pub(crate) const U32: u32 = 4;
pub(crate) const F32: u32 = 6;
pub(crate) const BOOL: u32 = 7;
pub(crate) const STRING: u32 = 8;
pub(crate) const ARRAY: u32 = 9;
pub(crate) const U64: u32 = 10;

/// Types of tensors.
pub(crate) const TENSOR_F32: u32 = 0;
pub(crate) const TENSOR_F16: u32 = 1;
pub(crate) const TENSOR_Q4_0: u32 = 2;
pub(crate) const TENSOR_Q8_0: u32 = 8;
pub(crate) const TENSOR_Q4_K: u32 = 12;
pub(crate) const TENSOR_Q5_K: u32 = 13;
pub(crate) const TENSOR_TQ1_0: u32 = 34;
pub(crate) const TENSOR_TQ2_0: u32 = 35;
pub(crate) const TENSOR_I2_S: u32 = 36;
pub(crate) const TENSOR_Q1_0: u32 = 41;
pub(crate) const TENSOR_Q2_0: u32 = 42;
pub(crate) const TENSOR_PQ2_0: u32 = 142;
pub(crate) const TENSOR_PTQ1_0: u32 = 143;

/// Its widths: each is the least that the kernels take, or twice that.
pub(crate) const WIDTH: u64 = 128;
pub(crate) const FEED_FORWARD: u64 = 256;

#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) name: Vec<u8>,
    pub(crate) name_length: Option<u64>,
    pub(crate) kind: u32,
    pub(crate) value: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) name: Vec<u8>,
    pub(crate) name_length: Option<u64>,
    pub(crate) dims: Vec<u64>,
    pub(crate) dim_count: Option<u32>,
    pub(crate) kind: u32,
    /// The sum of what goes before, where absent.
    pub(crate) offset: Option<u64>,
    pub(crate) data: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct File {
    pub(crate) architecture: &'static str,
    pub(crate) magic: [u8; 4],
    pub(crate) version: u32,
    pub(crate) tensor_count: Option<u64>,
    pub(crate) key_count: Option<u64>,
    pub(crate) keys: Vec<Key>,
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) alignment: usize,
}

impl File {
    /// One layer, two heads, byte tokens of the `llama` kind: 40 kB.
    pub(crate) fn new() -> File {
        let tokens = ["<unk>".to_owned(), "<s>".to_owned(), "</s>".to_owned()].into_iter();
        let tokens = tokens.chain((0..=255u8).map(|byte| format!("<0x{byte:02X}>")));
        let tokens: Vec<String> = tokens.chain(["\u{2581}", "a", "b", "ab"].map(str::to_owned)).collect();
        let mut types = vec![2u32, 3, 3];
        types.extend([6; 256]);
        types.extend([1; 4]);
        let mut file = File {
            architecture: "bitnet-b1.58",
            magic: *b"GGUF",
            version: 3,
            tensor_count: None,
            key_count: None,
            keys: Vec::new(),
            tensors: Vec::new(),
            alignment: 32,
        };
        file.set("general.architecture", string("bitnet-b1.58"));
        for (name, value) in [
            ("vocab_size", tokens.len() as u32),
            ("context_length", 64),
            ("embedding_length", WIDTH as u32),
            ("block_count", 1),
            ("feed_forward_length", FEED_FORWARD as u32),
            ("attention.head_count", 2),
            ("attention.head_count_kv", 1),
        ] {
            file.set_model(name, u32(value));
        }
        file.set_model("attention.layer_norm_rms_epsilon", f32(1e-5));
        file.set("tokenizer.ggml.model", string("llama"));
        file.set("tokenizer.ggml.tokens", strings(&tokens));
        file.set("tokenizer.ggml.scores", numbers(F32, &vec![0u32; tokens.len()]));
        file.set("tokenizer.ggml.token_type", numbers(5, &types));
        file.set("tokenizer.ggml.bos_token_id", u32(1));
        file.set("tokenizer.ggml.eos_token_id", u32(2));

        let (e, f, kv) = (WIDTH, FEED_FORWARD, WIDTH / 2);
        file.add("token_embd.weight", &[e, tokens.len() as u64], TENSOR_Q4_0);
        file.add("output_norm.weight", &[e], TENSOR_F32);
        for (name, dims, kind) in [
            ("attn_norm", &[e][..], TENSOR_F32),
            ("attn_q", &[e, e], TENSOR_I2_S),
            ("attn_k", &[e, kv], TENSOR_I2_S),
            ("attn_v", &[e, kv], TENSOR_I2_S),
            ("attn_sub_norm", &[e], TENSOR_F32),
            ("attn_output", &[e, e], TENSOR_I2_S),
            ("ffn_norm", &[e], TENSOR_F32),
            ("ffn_gate", &[e, f], TENSOR_I2_S),
            ("ffn_up", &[e, f], TENSOR_I2_S),
            ("ffn_sub_norm", &[f], TENSOR_F32),
            ("ffn_down", &[f, e], TENSOR_I2_S),
        ] {
            file.add(&format!("blk.0.{name}.weight"), dims, kind);
        }
        file
    }

    /// The same with the tables of the `gpt2` kind: a token for each byte, and one merge.
    pub(crate) fn byte_level() -> File {
        let mut file = File::new();
        // GPT-2's alphabet: printable bytes for themselves, the others from U+0100 on.
        let mut spare = 0x100;
        let mut tokens: Vec<String> = (0..=255u8)
            .map(|byte| {
                let code = match byte {
                    33..=126 | 161..=172 | 174..=255 => u32::from(byte),
                    _ => {
                        spare += 1;
                        spare - 1
                    }
                };
                char::from_u32(code).unwrap().to_string()
            })
            .collect();
        tokens.extend(["<s>", "</s>", "ab", "bc", "abc", "aa", "aaaa"].map(str::to_owned));
        let mut types = vec![1u32; tokens.len()];
        types[256..258].fill(3);
        file.set("tokenizer.ggml.model", string("gpt2"));
        file.set("tokenizer.ggml.pre", string("gpt-2"));
        file.set("tokenizer.ggml.tokens", strings(&tokens));
        file.set("tokenizer.ggml.token_type", numbers(5, &types));
        file.set("tokenizer.ggml.merges", strings(&["a b"]));
        file.set("tokenizer.ggml.bos_token_id", u32(256));
        file.set("tokenizer.ggml.eos_token_id", u32(257));
        assert_eq!(tokens.len() as u64, file.tensor("token_embd.weight").dims[1]);
        file
    }

    /// The same as another architecture has it, with all that its graph may have: keys, norms, a head.
    pub(crate) fn of(architecture: &'static str) -> File {
        let mut file = File::new();
        for key in &mut file.keys {
            if let Some(name) = key.name.strip_prefix(b"bitnet-b1.58.") {
                key.name = [architecture.as_bytes(), b".", name].concat();
            }
        }
        file.architecture = architecture;
        file.set("general.architecture", string(architecture));
        file.tensors.retain(|tensor| !tensor.name.ends_with(b"sub_norm.weight"));
        let (e, f, half) = (WIDTH, FEED_FORWARD, WIDTH / 4);
        match architecture {
            "qwen3" => {
                // Two heads as wide as the embedding each.
                for name in ["attention.key_length", "attention.value_length", "rope.dimension_count"] {
                    file.set_model(name, u32(e as u32));
                }
                file.set_model("rope.scaling.type", string("yarn"));
                file.set_model("rope.scaling.factor", f32(4.0));
                file.set_model("rope.scaling.original_context_length", u32(16));
                file.set_model("pooling_type", u32(3));
                for (name, dims) in
                    [("attn_q", [e, 2 * e]), ("attn_k", [e, e]), ("attn_v", [e, e]), ("attn_output", [2 * e, e])]
                {
                    let name = format!("blk.0.{name}.weight");
                    file.tensors.retain(|tensor| tensor.name != name.as_bytes());
                    file.add(&name, &dims, TENSOR_I2_S);
                }
                for name in ["attn_q_norm", "attn_k_norm"] {
                    file.add(&format!("blk.0.{name}.weight"), &[e], TENSOR_F32);
                }
                for (name, width) in [("attn_q", e), ("attn_k", e), ("attn_v", e), ("attn_output", 2 * e)] {
                    file.add(&format!("blk.0.{name}_norm_in.weight"), &[width], TENSOR_F16);
                }
                for (name, width) in [("ffn_gate", e), ("ffn_up", e), ("ffn_down", f)] {
                    file.add(&format!("blk.0.{name}_norm_in.weight"), &[width], TENSOR_F16);
                }
            }
            "minicpm" => {
                for (name, value) in [("embedding_scale", 12.0), ("residual_scale", 0.5), ("logit_scale", 4.0)] {
                    file.set_model(name, f32(value));
                }
                file.set_model("rope.scaling.type", string("longrope"));
                file.set_model("rope.scaling.original_context_length", u32(16));
                for name in ["rope_factors_long.weight", "rope_factors_short.weight"] {
                    file.add(name, &[half], TENSOR_F32);
                }
            }
            _ => {
                file.add("rope_freqs.weight", &[half], TENSOR_F32);
                let tokens = file.tensor("token_embd.weight").dims[1];
                file.add("output.weight", &[e, tokens], TENSOR_F16);
            }
        }
        file
    }

    /// Sets a key: in its place where there is one.
    pub(crate) fn set(&mut self, name: &str, (kind, value): (u32, Vec<u8>)) {
        let key = Key { name: name.into(), name_length: None, kind, value };
        match self.keys.iter_mut().find(|key| key.name == name.as_bytes()) {
            Some(old) => *old = key,
            None => self.keys.push(key),
        }
    }

    /// Sets a key of the architecture.
    pub(crate) fn set_model(&mut self, name: &str, value: (u32, Vec<u8>)) {
        self.set(&format!("{}.{name}", self.architecture), value);
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.keys.retain(|key| key.name != name.as_bytes());
    }

    /// Adds a tensor with sound data: codes 0, 1 and 2, scales of 1, norms of 1, an embedding of all sorts.
    pub(crate) fn add(&mut self, name: &str, dims: &[u64], kind: u32) {
        let elements: u64 = dims.iter().product();
        let blocks = |size: u64, block: &[u8]| block.repeat((elements / size) as usize);
        let one = 0x3c00u16.to_le_bytes();
        let data = match kind {
            TENSOR_F32 => blocks(1, &1f32.to_le_bytes()),
            TENSOR_F16 => blocks(1, &one),
            TENSOR_Q4_0 => {
                blocks(32, &[&one[..], b"\x01\x23\x45\x67\x89\xab\xcd\xef\x02\x46\x8a\xce\x13\x57\x9b\xdf"].concat())
            }
            TENSOR_Q8_0 => blocks(32, &[&one[..], &[1; 32]].concat()),
            TENSOR_TQ1_0 => blocks(256, &[&[128; 52][..], &one].concat()),
            TENSOR_TQ2_0 => blocks(256, &[&[0b10_01_00_01; 64][..], &one].concat()),
            TENSOR_Q4_K => blocks(256, &[&one[..], &one, &[0x41; 140]].concat()),
            TENSOR_Q5_K => blocks(256, &[&one[..], &one, &[0x41; 172]].concat()),
            TENSOR_Q1_0 => blocks(128, &[&one[..], &[0b0110_1001; 16]].concat()),
            TENSOR_Q2_0 => blocks(64, &[&one[..], &[0b10_01_00_01; 16]].concat()),
            TENSOR_PQ2_0 => blocks(128, &[&one[..], &[0b10_01_00_01; 32]].concat()),
            TENSOR_PTQ1_0 => blocks(128, &[&[128; 26][..], &one].concat()),
            TENSOR_I2_S => [blocks(4, &[0b10_01_00_01]), i2_s_tail(1.0)].concat(),
            _ => Vec::new(),
        };
        let (name, dims) = (name.into(), dims.to_vec());
        self.tensors.push(Tensor { name, name_length: None, dims, dim_count: None, kind, offset: None, data });
    }

    /// Makes a tensor anew in another type.
    pub(crate) fn retype(&mut self, name: &str, kind: u32) {
        let place = self.tensors.iter().position(|tensor| tensor.name == name.as_bytes()).unwrap();
        let dims = self.tensors[place].dims.clone();
        self.add(name, &dims, kind);
        self.tensors.swap_remove(place);
    }

    pub(crate) fn tensor(&mut self, name: &str) -> &mut Tensor {
        self.tensors.iter_mut().find(|tensor| tensor.name == name.as_bytes()).unwrap()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bytes_and_edges().0
    }

    /// The file, and where its fields begin.
    pub(crate) fn bytes_and_edges(&self) -> (Vec<u8>, Vec<usize>) {
        let (mut out, mut edges) = (Vec::new(), Vec::new());
        let mut put = |out: &mut Vec<u8>, bytes: &[u8]| {
            edges.push(out.len());
            out.extend(bytes);
        };
        put(&mut out, &self.magic);
        put(&mut out, &self.version.to_le_bytes());
        put(&mut out, &self.tensor_count.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        put(&mut out, &self.key_count.unwrap_or(self.keys.len() as u64).to_le_bytes());
        for key in &self.keys {
            put(&mut out, &key.name_length.unwrap_or(key.name.len() as u64).to_le_bytes());
            put(&mut out, &key.name);
            put(&mut out, &key.kind.to_le_bytes());
            put(&mut out, &key.value);
        }
        let mut end = 0;
        for tensor in &self.tensors {
            put(&mut out, &tensor.name_length.unwrap_or(tensor.name.len() as u64).to_le_bytes());
            put(&mut out, &tensor.name);
            put(&mut out, &tensor.dim_count.unwrap_or(tensor.dims.len() as u32).to_le_bytes());
            tensor.dims.iter().for_each(|dim| put(&mut out, &dim.to_le_bytes()));
            put(&mut out, &tensor.kind.to_le_bytes());
            put(&mut out, &tensor.offset.unwrap_or(end).to_le_bytes());
            end += tensor.data.len().next_multiple_of(self.alignment) as u64;
        }
        for tensor in &self.tensors {
            let padding = vec![0; out.len().next_multiple_of(self.alignment) - out.len()];
            put(&mut out, &padding);
            put(&mut out, &tensor.data);
        }
        (out, edges)
    }
}

/// Changes a new file.
pub(crate) fn attack(change: impl FnOnce(&mut File)) -> Vec<u8> {
    let mut file = File::new();
    change(&mut file);
    file.bytes()
}

/// A string's length and bytes.
pub(crate) fn text(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes()[..], bytes].concat()
}

pub(crate) fn string(value: &str) -> (u32, Vec<u8>) {
    (STRING, text(value.as_bytes()))
}

pub(crate) fn u32(value: u32) -> (u32, Vec<u8>) {
    (U32, value.to_le_bytes().to_vec())
}

pub(crate) fn f32(value: f32) -> (u32, Vec<u8>) {
    (F32, value.to_le_bytes().to_vec())
}

/// An array of `count` elements, as it says.
pub(crate) fn array(kind: u32, count: u64, elements: &[u8]) -> (u32, Vec<u8>) {
    (ARRAY, [&kind.to_le_bytes()[..], &count.to_le_bytes(), elements].concat())
}

/// An array of a type of 4 bytes.
pub(crate) fn numbers(kind: u32, values: &[u32]) -> (u32, Vec<u8>) {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    array(kind, values.len() as u64, &bytes)
}

pub(crate) fn strings(values: &[impl AsRef<str>]) -> (u32, Vec<u8>) {
    let bytes: Vec<u8> = values.iter().flat_map(|value| text(value.as_ref().as_bytes())).collect();
    array(STRING, values.len() as u64, &bytes)
}

/// The last 32 bytes of an I2_S tensor.
pub(crate) fn i2_s_tail(scale: f32) -> Vec<u8> {
    [&scale.to_le_bytes()[..], &[0; 28]].concat()
}
