//! Token ids beside two references, with vocabularies of the golden models and with Llama-3's of full size:
//!
//! 1. the whole pipeline of Hugging Face's `tokenizers`, from `tokenizer.json` (pipeline.rs);
//! 2. merging by rank as in tiktoken, with another engine for the regular expressions (rank_bpe.rs).
//!
//! Both are the reference of every splitter. With Llama-3's a piece that is a token is taken whole, in both. With most
//! others, such as bitnet.cpp's `default`, merges alone count, in both, so that some tokens can't come up there.
//!
//! `../ids.json` has one number for the ids of each set of texts, which is all that the tests of every change compare with.
#![cfg(test)]

#[path = "../corpus.rs"]
mod corpus;
#[path = "../ids.rs"]
mod ids;
#[path = "../mode.rs"]
mod mode;
mod pipeline;
mod properties;
mod rank_bpe;
#[path = "../texts.rs"]
mod texts;
#[path = "../vocabulary.rs"]
mod vocabulary;

use b158::tokenizer::{Special, Tokenizer};
use ids::Fingerprint;
use mode::Mode;
use rank_bpe::RankBpe;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Instant;
use vocabulary::Vocabulary;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// One vocabulary with one splitter: the engine and its two references.
struct Case {
    name: String,
    engine: Tokenizer,
    pipeline: tokenizers::Tokenizer,
    rank_bpe: RankBpe,
}

static VOCABULARIES: LazyLock<Vec<(Vocabulary, Vec<Case>)>> = LazyLock::new(|| {
    let of = |(vocabulary, modes): (Vocabulary, &[Mode])| {
        let cases = modes.iter().map(|&mode| Case::new(&vocabulary, mode)).collect();
        (vocabulary, cases)
    };
    Vocabulary::all().into_iter().map(of).collect()
});

fn cases() -> impl Iterator<Item = &'static Case> {
    VOCABULARIES.iter().flat_map(|(_, cases)| cases)
}

impl Case {
    fn new(vocabulary: &Vocabulary, mode: Mode) -> Self {
        let mut pipeline = pipeline::of(vocabulary, mode);
        // As `Special::parse` off: what the user types is no control token.
        pipeline.set_encode_special_tokens(true);
        Self {
            name: format!("{} {}", vocabulary.name, mode.pre()),
            engine: Tokenizer::from_metadata(&vocabulary.metadata(mode)).unwrap(),
            pipeline,
            rank_bpe: RankBpe::of(vocabulary, mode),
        }
    }

    /// The ids of a text, which equal those of both references.
    fn check(&self, text: &str) -> Result<Vec<u32>, String> {
        let ids = self.engine.encode(text, Special::PIECE).map_err(|e| format!("{}: {e}", self.name))?;
        let pipeline = self.pipeline.encode_fast(text, false).unwrap();
        let equal = |reference: &str, expected: &[u32]| {
            if ids == expected {
                return Ok(());
            }
            let at = ids.iter().zip(expected).take_while(|(a, b)| a == b).count();
            let show = |ids: &[u32]| {
                let from = &ids[at.min(ids.len())..];
                from.iter().take(8).map(|&id| (id, self.engine.token_text(id).unwrap_or_default())).collect::<Vec<_>>()
            };
            let (ours, theirs) = (show(&ids), show(expected));
            Err(format!("{}: from token {at} on {ours:?}, by {reference} {theirs:?}", self.name))
        };
        equal("tokenizers", pipeline.get_ids())?;
        equal("rank BPE", &self.rank_bpe.encode(text))?;
        Ok(ids)
    }

    /// Control tokens in a text, by `tokenizers` alone: the other reference knows none.
    fn check_parsed(&self, text: &str) -> Vec<u32> {
        let mut pipeline = self.pipeline.clone();
        pipeline.set_encode_special_tokens(false);
        let parsed = self.engine.encode(text, Special { add_bos: Some(false), parse: true }).unwrap();
        assert_eq!(parsed, pipeline.encode_fast(text, false).unwrap().get_ids(), "{}: {text:?}", self.name);
        parsed
    }
}

#[test]
fn every_set_has_the_ids_of_both_references_and_their_fingerprint() {
    let mut found: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (vocabulary, cases) in &*VOCABULARIES {
        for case in cases {
            let row = found.entry(case.name.clone()).or_default();
            for (set, texts) in ids::sets(vocabulary, &case.engine) {
                let (start, mut fingerprint) = (Instant::now(), Fingerprint::new());
                let mut failed = Vec::new();
                for (about, text) in &texts {
                    match case.check(text) {
                        Ok(ids) => fingerprint.add(&ids),
                        Err(why) => failed.push(format!("{about}: {why}")),
                    }
                }
                println!("{}, {set}: {} texts in {:?}", case.name, texts.len(), start.elapsed());
                assert!(failed.is_empty(), "{} of {} texts differ:\n{}", failed.len(), texts.len(), failed.join("\n"));
                row.insert(set.to_owned(), fingerprint.text());
            }
            let mut special = Fingerprint::new();
            for text in texts::SPECIAL {
                case.check(text).unwrap();
                special.add(&case.check_parsed(text));
            }
            row.insert("special".to_owned(), special.text());
        }
    }
    let pinned = ids::pinned();
    // Without the large vocabulary there is less.
    let missing = || VOCABULARIES.iter().all(|(vocabulary, _)| !vocabulary.is_full_size());
    let equal = found.iter().all(|(name, sets)| pinned.get(name) == Some(sets));
    assert!(
        equal && (missing() || found.len() == pinned.len()),
        "ids.json is to be:\n{}",
        serde_json::to_string_pretty(&found).unwrap()
    );
}

#[test]
fn the_long_s_is_an_s() {
    cases().for_each(|case| drop(case.check("'\u{17f}x").unwrap()));
}

#[test]
fn tokens_that_only_a_piece_taken_whole_can_be() {
    let Some((v, cases)) = VOCABULARIES.iter().find(|(vocabulary, _)| vocabulary.is_full_size()) else { return };
    let merges_alone = RankBpe::of(v, Mode::Default);
    let ids = 0u32..128_000;
    assert_eq!(ids.filter(|&id| merges_alone.merge(cases[0].engine.bytes(id)) != [id]).count(), 588);
}
