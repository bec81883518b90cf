//! The header of a checkpoint's weights, of any text. What is taken covers its file exactly; what becomes a GGUF is one that the
//! decoder takes, and as long as was foretold. The same text as an index names files of its own folder alone.
//!
//! Input: bytes of data, four little-endian of which eighteen bits count, and the header's text. All data are 0x55: zeros in codes, numbers as floats.

use b158::convert::{Converter, Folder, Options};
use b158::gguf::{Decoder, Event, Limits};
use b158::safetensors::{Header, Index};
use b158::{Error, Result};

const WEIGHTS: &str = "model.safetensors";
const CONFIG: &str = r#"{"architectures": ["BitNetForCausalLM"], "model_type": "bitnet", "vocab_size": 256, "hidden_size": 128,
    "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1, "hidden_act": "relu2",
    "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear"}}"#;
const ROWS: u32 = 256;

/// A byte-level tokenizer of the 256 bytes alone.
fn tokenizer() -> String {
    // Bytes that are no visible character stand as those from 256 on.
    let visible = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut others = (256..).filter_map(char::from_u32);
    let tokens = (0..=255u8).map(|byte| {
        let token = if visible(byte) { char::from(byte) } else { others.next().expect("there are more characters") };
        let escape = if matches!(token, '"' | '\\') { "\\" } else { "" };
        format!("\"{escape}{token}\": {byte}")
    });
    let vocabulary = tokens.collect::<Vec<_>>().join(", ");
    format!(
        r#"{{"version": "1.0", "added_tokens": [], "normalizer": null, "post_processor": null,
        "pre_tokenizer": {{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}},
        "decoder": {{"type": "ByteLevel"}}, "model": {{"type": "BPE", "vocab": {{{vocabulary}}}, "merges": []}}}}"#
    )
}

struct Files {
    list: Vec<(String, u64)>,
    bytes: [Vec<u8>; 3],
}

impl Files {
    fn new(weights: Vec<u8>) -> Self {
        let bytes = [weights, CONFIG.into(), tokenizer().into()];
        let names = [WEIGHTS, "config.json", "tokenizer.json"];
        let list = names.iter().zip(&bytes).map(|(name, bytes)| ((*name).to_owned(), bytes.len() as u64));
        Files { list: list.collect(), bytes }
    }
}

impl Folder for Files {
    fn files(&self) -> &[(String, u64)] {
        &self.list
    }

    fn read(&mut self, file: &str, offset: u64, out: &mut [u8]) -> Result<()> {
        let at = self.list.iter().position(|(name, _)| name == file).expect("it is one of the list");
        let from = self.bytes[at].get(offset as usize..).and_then(|bytes| bytes.get(..out.len()));
        out.copy_from_slice(from.expect("no byte behind the end is asked for"));
        Ok(())
    }
}

pub fn run(input: &[u8]) {
    let Some((data, text)) = input.split_first_chunk() else { return };
    let data = u32::from_le_bytes(*data) as usize % (1 << 18);
    let file = [&(text.len() as u64).to_le_bytes()[..], text, &vec![0x55; data]].concat();
    match header(&file) {
        Ok(header) => {
            let mut end = 8 + text.len() as u64;
            for tensor in &header.tensors {
                assert_eq!(tensor.offset, end, "{}", tensor.name);
                assert_eq!(tensor.dtype.size_of(&tensor.shape), Some(tensor.size), "{}", tensor.name);
                end += tensor.size;
            }
            assert_eq!(end, file.len() as u64);
        }
        Err(error) => assert!(matches!(error, Error::BadCheckpoint { .. }), "{error}"),
    }
    match convert(file) {
        Ok(bytes) => decode(&bytes),
        Err(error) => assert!(error.to_string().len() < 2000),
    }
    if let Ok(index) = Index::parse("index", text) {
        assert!(index.files().iter().all(|name| !name.contains(['/', '\\']) && *name != ".."));
    }
}

fn header(file: &[u8]) -> Result<Header> {
    Header::read(WEIGHTS, file.len() as u64, |offset, out| {
        out.copy_from_slice(&file[offset as usize..][..out.len()]);
        Ok(())
    })
}

fn convert(weights: Vec<u8>) -> Result<Vec<u8>> {
    let mut converter = Converter::new(Files::new(weights), Options::default())?;
    let mut bytes = Vec::new();
    while let Some(piece) = converter.next_bytes()? {
        bytes.extend_from_slice(piece);
    }
    assert_eq!(bytes.len() as u64, converter.size());
    Ok(bytes)
}

fn decode(mut bytes: &[u8]) {
    let mut decoder = Decoder::new(Limits { file_size: Some(bytes.len() as u64), ..Limits::default() });
    loop {
        let (taken, event) = decoder.push(bytes).expect("it was written here");
        bytes = &bytes[taken..];
        if matches!(event, Event::NeedMore) {
            break;
        }
    }
    decoder.finish().expect("all of it was written");
}

/// Names, types and shapes of a model, and so many bytes of data as they need.
fn model() -> (String, u32) {
    let mut tensors = vec![("model.embed_tokens.weight".to_owned(), "F16", vec![ROWS, 128], ROWS * 256)];
    let layer = |name: &str| format!("model.layers.0.{name}.weight");
    for name in ["input_layernorm", "post_attention_layernorm", "self_attn.attn_sub_norm", "mlp.ffn_sub_norm"] {
        tensors.push((layer(name), "BF16", vec![128], 256));
    }
    for name in ["self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "mlp.gate", "mlp.up", "mlp.down"] {
        let name = layer(&format!("{name}_proj"));
        tensors.push((format!("{name}_scale"), "BF16", vec![1], 2));
        tensors.push((name, "U8", vec![32, 128], 4096));
    }
    tensors.push(("model.norm.weight".to_owned(), "BF16", vec![128], 256));
    let mut at = 0;
    let entries = tensors.iter().map(|(name, dtype, shape, size)| {
        let begin = at;
        at += size;
        format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{begin},{at}]}}"#)
    });
    let text = format!("{{{}}}", entries.collect::<Vec<_>>().join(","));
    (text, at)
}

pub fn seeds() -> Vec<Vec<u8>> {
    let (text, data) = model();
    let seed = |text: &str, data: u32| [&data.to_le_bytes()[..], text.as_bytes()].concat();
    let whole = format!(r#"{{"__metadata__":{{"format":"pt"}},{}"#, &text[1..]);
    let file = [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &vec![0x55; data as usize]].concat();
    decode(&convert(file).expect("the model that is changed is right"));
    vec![
        seed(&text, data),
        seed(&whole, data),
        seed(r#"{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#, 4),
        seed(r#"{"metadata":{"total_size":1},"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#, 0),
    ]
}
