//! A model's tokens as a trie, made once a model.

use crate::answer::{Quotes, Watch};
use crate::error::quoted;
use crate::keys::Keys;
use crate::parts::Control;
use crate::pattern::{Reach, Reading};
use crate::{Answer, Error, json, lark, limits, parts, pattern, schema};
use llguidance::ParserFactory;
use llguidance::api::TopLevelGrammar;
use llguidance::panic_utils::catch_unwind;
use llguidance::toktrie::{ApproximateTokEnv, INVALID_TOKEN, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie};
use std::panic::AssertUnwindSafe;
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
    /// A grammar in Lark's form, as llguidance reads it. JSON schemas in it (`%json`) are kept as they are for themselves.
    Lark,
    /// Calls of tools: see [`crate::parts`].
    Parts,
}

impl Kind {
    /// By the name that a response format's `type` has.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "json_object" => Kind::JsonObject,
            "json_schema" => Kind::JsonSchema,
            "regex" => Kind::Regex,
            "lark" => Kind::Lark,
            "parts" => Kind::Parts,
            _ => return None,
        })
    }
}

/// The tokens of a model.
pub struct Vocabulary {
    factory: ParserFactory,
    quotes: Arc<Quotes>,
}

impl Vocabulary {
    /// `tokens` has each token's bytes by id, none for those that text never shows; `control` the names of these (`<|eot_id|>`), which
    /// a grammar may ask for; `ends` the ids that end an answer. Without one, an answer ends where nothing can follow it.
    ///
    /// Tokens that no answer may have whatever its form: those whose bytes can't stand in UTF-8, and those over 256 bytes.
    ///
    /// # Errors
    /// A vocabulary without tokens, or too large for the trie; an id beyond it.
    pub fn new(tokens: &[Vec<u8>], control: &[(u32, String)], ends: &[u32]) -> Result<Self, Error> {
        if tokens.is_empty() {
            return Err(Error("a vocabulary without tokens".into()));
        }
        for &id in control.iter().map(|(id, _)| id).chain(ends) {
            if id as usize >= tokens.len() {
                return Err(Error(format!("token {id} of a vocabulary of {}", tokens.len())));
            }
        }
        let mut words: Vec<Vec<u8>> = Vec::new();
        words.try_reserve_exact(tokens.len()).map_err(|_| Error(format!("no memory for {} tokens", tokens.len())))?;
        words.extend(tokens.iter().map(|bytes| if spelled(bytes) { bytes.clone() } else { Vec::new() }));
        // An end ends, whatever its bytes are.
        for &id in ends {
            words[id as usize].clear();
        }
        for (id, name) in control {
            if name.is_empty() || name.len() > limits::TOKEN_BYTES {
                return Err(Error(format!("the name of control token {id}: {}", quoted(name, 40))));
            }
            words[*id as usize] = [&[TokTrie::SPECIAL_TOKEN_MARKER], name.as_bytes()].concat();
        }
        fits(&words)?;
        let quotes = |word: &Vec<u8>| {
            if word.first() == Some(&TokTrie::SPECIAL_TOKEN_MARKER) {
                0
            } else {
                word.iter().filter(|&&b| b == b'"').count()
            }
        };
        let with =
            |least: usize| words.iter().zip(0..).filter(|(word, _)| quotes(word) >= least).map(|(_, id)| id).collect();
        let before_keys = words
            .iter()
            .zip(0..)
            .filter(|(word, _)| quotes(word) > 0 || word.contains(&b','))
            .map(|(_, id)| id)
            .collect();
        let quotes = Arc::new(Quotes { some: with(1), many: with(3), before_keys });
        let factory = catch_unwind(AssertUnwindSafe(|| {
            let info = TokRxInfo::new(words.len() as u32, ends.first().copied().unwrap_or(INVALID_TOKEN));
            let mut trie = TokTrie::from(&info, &words);
            drop(words);
            if ends.len() > 1 {
                trie = trie.with_eos_tokens(ends);
            }
            let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
            ParserFactory::new(&env, InferenceCapabilities::default(), &limits::slices())
        }));
        let mut factory = factory.map_err(Error::new)?;
        *factory.limits_mut() = limits::parser();
        factory.quiet();
        Ok(Vocabulary { factory, quotes })
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
        let trie = self.factory.tok_env().tok_trie();
        self.compiled(kind, text, Some(&|name| trie.get_special_token(name)))
    }

    fn compiled(&self, kind: Kind, text: &str, token: Option<&Control>) -> Result<Answer, Error> {
        match kind {
            Kind::JsonObject => self.schema("{\"type\": \"object\"}"),
            Kind::JsonSchema => self.schema(text),
            Kind::Regex => {
                let hir = pattern::read(text, Reach::Whole, Reading::Narrow)?;
                if hir.properties().maximum_len() == Some(0) {
                    return Err(Error(
                        "the regular expression matches the empty text alone: there is nothing to answer".into(),
                    ));
                }
                self.parsed(format!("start: /{}/\n", pattern::plain(&hir)), Watch::default(), Vec::new(), Error::new)
            }
            Kind::Lark => {
                let lark = lark::read(text)?;
                let keys = lark.open.then(|| Keys::new(true));
                let watch = Watch { keys, few_keys: lark.open && lark.few_keys, uncertain: lark.ignores };
                let answer =
                    self.parsed(lark.text.clone(), watch, lark.notes.clone(), |why| lark.error(&why.to_string()))?;
                // Rules that come to no text at all show at the first token.
                let first = answer.clone().next(&[], &mut vec![0; self.tokens().div_ceil(32)]);
                first.map_err(|why| Error(format!("the grammar: no answer can begin: {why}")))?;
                Ok(answer)
            }
            Kind::Parts => {
                let parts = parts::read(text, token)?;
                self.parsed(
                    parts.lark,
                    Watch {
                        keys: parts.unique.then(|| Keys::new(true)),
                        few_keys: parts.unique && parts.few_keys,
                        uncertain: false,
                    },
                    parts.notes,
                    Error::new,
                )
            }
        }
    }

    fn schema(&self, text: &str) -> Result<Answer, Error> {
        let rules = schema::rules(&json::read(text)?, "j")?;
        let lark = lark::ordered(&rules.text, &rules.start)?;
        self.parsed(
            lark,
            Watch { keys: rules.open.then(|| Keys::new(false)), few_keys: rules.few_keys, uncertain: false },
            rules.notes,
            Error::new,
        )
    }

    fn parsed(
        &self,
        lark: String,
        watch: Watch,
        notes: Vec<String>,
        error: impl FnOnce(anyhow::Error) -> Error,
    ) -> Result<Answer, Error> {
        // It catches panics itself, where panics unwind.
        let parser = self.factory.create_parser(TopLevelGrammar::from_lark(lark)).map_err(error)?;
        let answer = Answer::new(parser, watch, self.quotes.clone(), notes);
        // What can't even begin is told before the first token.
        answer
            .begins(&mut vec![0; self.tokens().div_ceil(32)])
            .map_err(|why| Error(format!("no answer can begin: {why}")))?;
        Ok(answer)
    }
}

/// Whether a token may stand in a text: the trie marks control tokens with a byte that UTF-8 never has, and has bounds on lengths.
fn spelled(bytes: &[u8]) -> bool {
    bytes.len() <= limits::TOKEN_BYTES && bytes.iter().all(|&b| !matches!(b, 0xc0 | 0xc1 | 0xf5..))
}

/// The trie counts its nodes in 22 bits and tokens in 24.
fn fits(words: &[Vec<u8>]) -> Result<(), Error> {
    let mut sorted: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    sorted.sort_unstable();
    let shared = |pair: &[&[u8]]| pair[0].iter().zip(pair[1]).take_while(|(a, b)| a == b).count();
    let nodes = sorted[0].len() + sorted.windows(2).map(|pair| (pair[1].len() - shared(pair)).max(1)).sum::<usize>();
    if nodes >= 1 << 22 || words.len() >= 1 << 23 {
        return Err(Error(format!("a vocabulary of {} tokens is too large for answers of a form", words.len())));
    }
    Ok(())
}

/// Whether `text` describes an answer, as far as that can be told without a model: control tokens that a grammar names are not looked up.
///
/// # Errors
/// As [`Vocabulary::answer`]'s.
pub fn check(kind: Kind, text: &str) -> Result<(), Error> {
    let bytes: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).chain([Vec::new()]).collect();
    let checked = Vocabulary::new(&bytes, &[], &[256])?.compiled(kind, text, None);
    match checked {
        // Which control tokens there are only the model's own vocabulary knows.
        Err(why) if kind == Kind::Lark && (why.0.contains("special token") || why.0.contains("oken range")) => Ok(()),
        checked => checked.map(drop),
    }
}
