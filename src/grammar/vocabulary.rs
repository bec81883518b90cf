//! A model's tokens as a trie, made once a model.

use crate::{Answer, Error};
use llguidance::ParserFactory;
use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use std::sync::Arc;

/// What a text describes an answer in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any JSON object; the text is not looked at.
    JsonObject,
    /// A JSON schema.
    JsonSchema,
    /// A regular expression that the whole answer matches.
    Regex,
    /// A grammar in Lark's form, as llguidance reads it.
    Lark,
}

/// The tokens of a model.
pub struct Vocabulary {
    factory: ParserFactory,
}

impl Vocabulary {
    /// `tokens` has each token's bytes by id, none for those that text never shows; `control` the names of these (`<|eot_id|>`), which
    /// a grammar may ask for; `ends` the ids that end an answer.
    ///
    /// # Errors
    /// A vocabulary that has no tokens, or no end.
    pub fn new(tokens: &[Vec<u8>], control: &[(u32, String)], ends: &[u32]) -> Result<Self, Error> {
        let mut words = tokens.to_vec();
        for (id, name) in control {
            words[*id as usize] = [&[TokTrie::SPECIAL_TOKEN_MARKER], name.as_bytes()].concat();
        }
        let info = TokRxInfo::new(words.len() as u32, ends[0]);
        let trie = TokTrie::from(&info, &words).with_eos_tokens(ends);
        let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new_simple(&env).map_err(Error::new)?;
        factory.quiet();
        Ok(Vocabulary { factory })
    }

    /// Tokens of the vocabulary, whose bits [`Answer::next`] sets.
    pub fn tokens(&self) -> usize {
        self.factory.tok_env().tok_trie().vocab_size()
    }

    /// An answer of this form, from its first byte on.
    ///
    /// # Errors
    /// A text that is none of its kind, that nothing can meet, that asks for what can't be kept (named), or that is too large.
    pub fn answer(&self, kind: Kind, text: &str) -> Result<Answer, Error> {
        let grammar = match kind {
            Kind::JsonObject => TopLevelGrammar::from_json_schema(serde_json::json!({"type": "object"})),
            Kind::JsonSchema => TopLevelGrammar::from_json_schema(serde_json::from_str(text).map_err(Error::new)?),
            Kind::Regex => TopLevelGrammar::from_regex(text),
            Kind::Lark => TopLevelGrammar::from_lark(text.to_owned()),
        };
        Answer::new(self.factory.create_parser(grammar).map_err(Error::new)?)
    }
}
