//! tokenizer.json as `tokenizer.ggml.*`: the `gpt2` kind of byte-level BPE, the `llama` kind of BPE whose words begin with ▁.

use super::json::{self, bad, unsupported};
use super::tables::{Merges, Tables};
use super::{pipeline, scores};
use crate::Result;
use crate::allocate::{try_with_capacity, try_zeroed};
use crate::convert::Folder;
use crate::gguf::{Array, Metadata, Strings, Value};
use crate::tokenizer::{byte_token, shown};

pub(super) const FILE: &str = "tokenizer.json";

/// `tokenizer.ggml.token_type`, numbered as in llama.cpp.
const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;
const BYTE: i32 = 6;

/// The tokens by their numbers, as many as the embedding has rows.
pub(super) struct Tokens {
    pub(super) texts: Strings,
    pub(super) types: Vec<i32>,
}

impl Tokens {
    /// Whether a token is one that merges make.
    pub(super) fn is_normal(&self, id: u32) -> bool {
        self.types.get(id as usize) == Some(&NORMAL)
    }

    /// The number of the token of that text, a special one first.
    pub(super) fn id(&self, text: &str) -> Option<u32> {
        let mut found = None;
        for ((id, token), &kind) in (0u32..).zip(self.texts.iter_bytes()).zip(&self.types) {
            if token == text.as_bytes() && kind != UNUSED {
                if matches!(kind, CONTROL | UNKNOWN | USER_DEFINED) {
                    return Some(id);
                }
                found = found.or(Some(id));
            }
        }
        found
    }
}

/// Which of the two kinds it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    ByteLevel,
    SentencePiece,
}

/// What is read of the file besides its tables.
pub(super) struct Tokenizer {
    pub(super) tokens: Tokens,
    pub(super) post_processor: Option<serde_json::Value>,
}

/// Reads the file into `m`; the vocabulary gets `rows` tokens.
pub(super) fn read(
    folder: &mut impl Folder,
    rows: u64,
    m: &mut Metadata,
    notes: &mut Vec<String>,
) -> Result<Tokenizer> {
    let Some(bytes) = json::bytes(folder, FILE)? else {
        let other = ["tokenizer.model", "vocab.json"].into_iter().find(|other| json::has(folder, other));
        let there = other.map_or(String::new(), |other| format!(", {other} alone is not read"));
        let reason = format!(
            "it is missing{there}: write it with transformers, AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)"
        );
        return Err(bad(FILE, "the tokenizer", reason));
    };
    json::try_ahead(bytes.len(), FILE)?;
    let tables: Tables = serde_json::from_slice(&bytes).map_err(|error| json::not_json(FILE, &bytes, &error))?;
    drop(bytes);
    let kind = kind(&tables)?;
    let tokens = tokens(&tables, kind, rows, notes)?;
    let no_merges = Merges::default();
    let list = tables.model.merges.as_ref().unwrap_or(&no_merges);
    let text = |value: &str| Value::String(value.to_owned());
    let mut splitters = Vec::new();
    match kind {
        Kind::ByteLevel => {
            m.insert("tokenizer.ggml.model", text("gpt2"));
            splitters = pipeline::byte_level(&tables, notes)?;
            m.insert("tokenizer.ggml.merges", Value::Array(Array::Strings(merges(list)?)));
        }
        Kind::SentencePiece => {
            m.insert("tokenizer.ggml.model", text("llama"));
            let space_prefix = pipeline::sentence_piece(&tables, notes)?;
            m.insert("tokenizer.ggml.add_space_prefix", Value::Bool(space_prefix));
            let scores = scores::by_rank(&tokens, list, notes)?;
            m.insert("tokenizer.ggml.scores", Value::Array(Array::F32(scores)));
        }
    }
    m.insert("tokenizer.ggml.tokens", Value::Array(Array::Strings(tokens.texts.try_clone(FILE)?)));
    m.insert("tokenizer.ggml.token_type", Value::Array(Array::I32(crate::allocate::try_copy(&tokens.types, FILE)?)));
    if let Some(best) = splitters.first() {
        m.insert("tokenizer.ggml.pre", text(best.name));
        let ignore_merges = tables.model.ignore_merges.unwrap_or_default();
        // They differ in nothing else. The best-known name is the one that all readers know.
        if best.ignore_merges != ignore_merges && !super::built(m)?.merges_make_every_token() {
            match splitters.iter().find(|splitter| splitter.ignore_merges == ignore_merges) {
                Some(splitter) => m.insert("tokenizer.ggml.pre", text(splitter.name)),
                None => notes.push(format!(
                    "{FILE}: `model.ignore_merges` is {ignore_merges}, with GGUF's splitter {} it is {}: pieces that are tokens as a \
                     whole may become others",
                    best.name, best.ignore_merges
                )),
            }
        }
    }
    Ok(Tokenizer { tokens, post_processor: tables.post_processor })
}

fn kind(tables: &Tables) -> Result<Kind> {
    let model = &tables.model;
    match model.kind.as_deref() {
        // Files before 2021 do not say it.
        Some("BPE") | None if model.merges.is_some() => {}
        Some("BPE") => return Err(bad(FILE, "`model.merges`", "it is missing")),
        other => {
            let other = other.map_or("missing".to_owned(), shown);
            let reason = format!("it is {other}, supported is BPE alone (byte-level, or with ▁ for spaces)");
            return Err(unsupported(FILE, "`model.type`", reason));
        }
    }
    for (key, affix) in [
        ("continuing_subword_prefix", &model.continuing_subword_prefix),
        ("end_of_word_suffix", &model.end_of_word_suffix),
    ] {
        if let Some(affix) = affix.as_deref().filter(|affix| !affix.is_empty()) {
            return Err(unsupported(
                FILE,
                format!("`model.{key}`"),
                format!("it is {}: it is not supported", shown(affix)),
            ));
        }
    }
    if pipeline::is_byte_level(tables) {
        Ok(Kind::ByteLevel)
    } else if model.byte_fallback == Some(true) || pipeline::is_metaspace(tables) {
        Ok(Kind::SentencePiece)
    } else {
        let reason = "neither byte-level nor with ▁ for spaces: text can't become such tokens here";
        Err(unsupported(FILE, "`pre_tokenizer`", reason))
    }
}

/// No token has this number.
const NONE: u32 = u32::MAX;

/// All tokens in the order of their numbers; numbers without one become `[PADn]`, as llama.cpp's converters name them.
fn tokens(tables: &Tables, kind: Kind, rows: u64, notes: &mut Vec<String>) -> Result<Tokens> {
    let rows = u32::try_from(rows).map_err(|_| bad(FILE, "the embedding", format!("{rows} rows are no vocabulary")))?;
    let Some(vocabulary) = &tables.model.vocab else { return Err(bad(FILE, "`model.vocab`", "it is missing")) };
    let added = tables.added_tokens.as_slice();

    // Where in the vocabulary, or among the added tokens, a number's token is.
    let mut base: Vec<u32> = try_with_capacity(rows as usize, FILE)?;
    base.resize(rows as usize, NONE);
    let mut beyond: Vec<(u32, String)> = Vec::new();
    let mut too_many = 0usize;
    for (at, &id) in (0u32..).zip(&vocabulary.ids) {
        match base.get_mut(id as usize) {
            Some(slot) if *slot == NONE => *slot = at,
            Some(slot) => {
                let text = |at: u32| shown(&vocabulary.tokens.get(at as usize).unwrap_or_default());
                let reason = format!("{} and {} both have number {id}", text(*slot), text(at));
                return Err(bad(FILE, "`model.vocab`", reason));
            }
            None => {
                too_many += 1;
                if beyond.is_empty() {
                    beyond.push((id, vocabulary.tokens.get(at as usize).unwrap_or_default().into_owned()));
                }
            }
        }
    }
    let mut over: Vec<u32> = try_with_capacity(rows as usize, FILE)?;
    over.resize(rows as usize, NONE);
    let (mut odd, mut hidden) = (Vec::new(), Vec::new());
    for (at, token) in (0u32..).zip(added) {
        match over.get_mut(token.id as usize) {
            Some(slot) => {
                let before = match added.get(*slot as usize) {
                    Some(token) => Some(token.content.as_bytes()),
                    None => vocabulary.tokens.bytes(base[token.id as usize] as usize),
                };
                if before.is_some_and(|before| before != token.content.as_bytes()) {
                    hidden.push(token);
                }
                *slot = at;
            }
            None => {
                too_many += 1;
                if beyond.is_empty() {
                    beyond.push((token.id, token.content.clone()));
                }
            }
        }
        if token.single_word || token.lstrip || token.rstrip {
            odd.push(token);
        }
    }
    if let Some((id, text)) = beyond.first() {
        notes.push(format!(
            "{FILE}: {too_many} tokens have no row in the embedding of {rows}, as number {id} ({}): they are left out",
            shown(text)
        ));
    }
    if let Some(first) = odd.first() {
        notes.push(format!(
            "{FILE}: {} added tokens take spaces beside them, or whole words alone, as `{}`: here they are found as they are",
            odd.len(),
            shown(&first.content)
        ));
    }
    if !hidden.is_empty() {
        notes.push(format!(
            "{FILE}: `added_tokens` has {}, whose numbers other tokens have too: those are left out",
            json::a_few(&hidden, |token| format!("{} ({})", token.id, shown(&token.content)))
        ));
    }

    const LONGEST_PAD: usize = "[PAD4294967295]".len();
    let added_bytes: usize = added.iter().map(|token| token.content.len()).sum();
    let most = vocabulary.tokens.total() + added_bytes + rows as usize * LONGEST_PAD;
    let mut found = Tokens {
        texts: Strings::try_with_capacity(rows as usize, most, FILE)?,
        types: try_zeroed(rows as usize, FILE)?,
    };
    let mut missing = (0usize, 0u32);
    for id in 0..rows {
        let entry = match added.get(over[id as usize] as usize) {
            Some(token) => {
                let kind = match token.special {
                    true if Some(&token.content) == tables.model.unk_token.as_ref() => UNKNOWN,
                    true => CONTROL,
                    false => USER_DEFINED,
                };
                Some((token.content.as_bytes(), kind))
            }
            None => vocabulary.tokens.bytes(base[id as usize] as usize).map(|text| {
                let is_unknown = tables.model.unk_token.as_ref().is_some_and(|unknown| unknown.as_bytes() == text);
                let kind = match kind {
                    Kind::SentencePiece if is_unknown => UNKNOWN,
                    Kind::SentencePiece if tables.model.byte_fallback == Some(true) && byte_token(text).is_some() => {
                        BYTE
                    }
                    _ => NORMAL,
                };
                (text, kind)
            }),
        };
        let pad;
        let (text, kind) = match entry {
            Some(entry) => entry,
            None => {
                missing = (missing.0 + 1, id);
                pad = format!("[PAD{id}]");
                (pad.as_bytes(), UNUSED)
            }
        };
        found.texts.push_bytes(text);
        found.types[id as usize] = kind;
    }
    if let (count @ 1.., last) = missing {
        notes.push(format!(
            "{FILE}: {count} of the embedding's {rows} rows have no token, the last of them {last}: they get tokens that no text becomes"
        ));
    }
    Ok(found)
}

/// The merges as GGUF has them: two tokens and a space between.
fn merges(merges: &Merges) -> Result<Strings> {
    let mut list = Strings::try_with_capacity(merges.len(), merges.total() + merges.len(), FILE)?;
    for (rank, (first, second)) in merges.iter().enumerate() {
        if first.contains(&b' ') || second.contains(&b' ') {
            return Err(bad(
                FILE,
                format!("`model.merges` {rank}"),
                "a token of a byte-level vocabulary can't hold a space",
            ));
        }
        let (bytes, ends) = list.parts_mut();
        bytes.extend_from_slice(first);
        bytes.push(b' ');
        bytes.extend_from_slice(second);
        ends.push(bytes.len());
    }
    Ok(list)
}
