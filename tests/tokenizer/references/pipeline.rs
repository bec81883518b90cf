//! The first reference: the whole pipeline of `tokenizers`. For Llama-3's vocabulary and splitter that is `tokenizer.json`
//! as published. Of other splitters the passes are one `Split` each.

use crate::mode::Mode;
use crate::vocabulary::Vocabulary;
use serde_json::{Value, json};

pub(crate) fn of(vocabulary: &Vocabulary, mode: Mode) -> tokenizers::Tokenizer {
    let mut json = vocabulary.published.clone().unwrap_or_else(|| published(vocabulary));
    if mode != Mode::Llama3 {
        let split = |pass: &&str| json!({ "type": "Split", "pattern": { "Regex": pass }, "behavior": "Isolated", "invert": false });
        let mut passes: Vec<_> = mode.passes().iter().map(split).collect();
        passes.extend(json["pre_tokenizer"]["pretokenizers"].as_array().unwrap().last().cloned());
        json["pre_tokenizer"]["pretokenizers"] = passes.into();
        json["model"]["ignore_merges"] = mode.whole_pieces().into();
    }
    tokenizers::Tokenizer::from_bytes(serde_json::to_vec(&json).unwrap()).unwrap()
}

/// `tokenizer.json` of a vocabulary as Llama-3's has it.
fn published(vocabulary: &Vocabulary) -> Value {
    let ids = || vocabulary.tokens.iter().enumerate().zip(&vocabulary.control);
    let vocab: serde_json::Map<_, _> =
        ids().filter(|(_, control)| !**control).map(|((id, t), _)| (t.clone(), json!(id))).collect();
    let added: Vec<_> = ids().filter(|(_, control)| **control).map(|((id, t), _)| added_token(id, t)).collect();
    let split = json!({ "type": "Split", "pattern": { "Regex": Mode::Llama3.passes()[0] }, "behavior": "Isolated", "invert": false });
    let byte_level =
        json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false });
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": { "type": "Sequence", "pretokenizers": [split, byte_level] },
        "post_processor": null, "decoder": byte_level,
        "model": { "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": true,
            "vocab": vocab, "merges": vocabulary.merges },
    })
}

fn added_token(id: usize, text: &str) -> Value {
    json!({ "id": id, "content": text, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        "special": true })
}
