//! Pre-tokenizers of the `gpt2` kind: the regular expressions that cut text into pieces before merging, by the
//! names that llama.cpp gives them in `tokenizer.ggml.pre`.
//!
//! Each is one or more passes; a pass splits every piece of the pass before into its matches and what lies
//! between them. They run on `regex`, in time that grows with the text. It can't look ahead, which all of them do in one
//! place alone, `\s+(?!\S)`: see [`Pass`].
//!
//! The expressions are those of the models' own `tokenizer.json`. llama.cpp's differ from them where its engine knows
//! no better: `(?i:'s)` matches the long s here, and combining marks belong to words with `gpt-4o`.

use super::bad;
use crate::Result;
use crate::gguf::Metadata;
use regex::Regex;
use std::ops::Range;

const KEY: &str = "tokenizer.ggml.pre";

const LLAMA_3: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
/// Llama-3's with digits one by one.
const QWEN_2: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
/// Words end before a capital letter, and with a contraction.
const GPT_4O: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
const GPT_2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)";
const PUNCTUATION: &str = r"[\p{P}\$\+<=>\^~\|`]+";
const THREE_DIGITS: &str = "[0-9][0-9][0-9]";
/// Letters that have cases, as of the Unicode that DeepSeek's tokenizer was written for.
const CASED: &str = concat!(
    r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\x{1f7d}",
    r"ᾀ-ᾴᾶ-ᾼ\x{1fbe}ῂ-ῄῆ-ῌῐ-\x{1fd3}ῖ-\x{1fdb}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\x{2126}ℨ\x{212a}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛ",
    r"Ꜣ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+"
);
const CHINESE_AND_KOREAN: &str = r"[\x{4e00}-\x{9fa5}\x{800}-\x{4e00}\x{ac00}-\x{d7ff}]+";

/// One of the known splitters.
struct Preset {
    /// What files call it, the best-known name first.
    names: &'static [&'static str],
    passes: &'static [&'static str],
    /// A piece that is a token as a whole is taken as such, whatever the merges would make of it.
    ignore_merges: bool,
    /// Whether begin-of-text goes first when the file does not say.
    add_bos: bool,
}

const PRESETS: &[Preset] = &[
    Preset {
        names: &["llama-bpe", "llama3", "llama-v3", "falcon-h1", "lfm2", "midm-2.0", "pixtral", "jina-v5-nano"],
        passes: &[LLAMA_3],
        ignore_merges: true,
        add_bos: true,
    },
    Preset { names: &["smaug-bpe", "dbrx"], passes: &[LLAMA_3], ignore_merges: false, add_bos: false },
    // What llama.cpp and bitnet.cpp fall back to when a file names no splitter.
    Preset {
        names: &["default"],
        passes: &[r"[\p{P}\$\+<=>\^~\|]+", GPT_2, r"\p{N}+", THREE_DIGITS],
        ignore_merges: false,
        add_bos: false,
    },
    Preset {
        names: &[
            "qwen2",
            "deepseek-r1-qwen",
            "megrez",
            "kormo",
            "f2llmv2",
            "stablelm2",
            "hunyuan",
            "solar-open",
            "grok-2",
        ],
        passes: &[QWEN_2],
        ignore_merges: false,
        add_bos: false,
    },
    Preset {
        names: &[
            "gpt-2",
            "phi-2",
            "mpt",
            "olmo",
            "jais",
            "gigachat",
            "a.x-4.0",
            "mellum",
            "modern-bert",
            "exaone4",
            "trillion",
            "granite-docling",
            "jina-es",
            "jina-de",
            "jina-v2-es",
            "jina-v2-de",
        ],
        passes: &[GPT_2],
        ignore_merges: false,
        add_bos: false,
    },
    Preset {
        names: &["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"],
        passes: &[r"\p{N}", GPT_2],
        ignore_merges: false,
        add_bos: false,
    },
    Preset { names: &["falcon"], passes: &[PUNCTUATION, GPT_2, THREE_DIGITS], ignore_merges: false, add_bos: false },
    Preset { names: &["falcon3"], passes: &[PUNCTUATION, GPT_2, "[0-9]"], ignore_merges: false, add_bos: false },
    Preset { names: &["falcon_e"], passes: &[PUNCTUATION, GPT_2, "[0-9]"], ignore_merges: true, add_bos: true },
    Preset {
        names: &["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"],
        passes: &[GPT_4O],
        ignore_merges: false,
        add_bos: false,
    },
    Preset {
        names: &["deepseek-llm"],
        passes: &[r"[\r\n]", CASED, r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", CHINESE_AND_KOREAN, r"\p{N}+"],
        ignore_merges: false,
        add_bos: false,
    },
    Preset {
        names: &["deepseek-coder"],
        passes: &[r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", CHINESE_AND_KOREAN, r"\p{N}"],
        ignore_merges: false,
        add_bos: false,
    },
];

/// The best-known name of each splitter.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().filter_map(|preset| preset.names.first().copied())
}

/// A splitter's best-known name and what it does.
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) passes: &'static [&'static str],
    pub(crate) ignore_merges: bool,
}

/// All splitters.
pub(crate) fn splitters() -> impl Iterator<Item = Named> {
    PRESETS.iter().zip(names()).map(|(preset, name)| Named {
        name,
        passes: preset.passes,
        ignore_merges: preset.ignore_merges,
    })
}

#[cfg(test)]
pub(super) fn every_name() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().flat_map(|preset| preset.names.iter().copied())
}

/// Cuts text into the pieces that are merged each for itself.
pub(super) struct Splitter {
    preset: &'static Preset,
    passes: Vec<Pass>,
}

/// An expression in which `\s+(?!\S)`, all of a run of spaces but the one before a word, is `\s+`, and that one is given
/// back afterwards. Such a run is the last thing that an expression looks for, so a match of spaces alone is one; but a
/// run up to the last line break is whole, where that is looked for.
struct Pass {
    expression: Regex,
    gives_back: bool,
    breaks_are_whole: bool,
}

impl Pass {
    fn new(expression: &str) -> Result<Self, regex::Error> {
        const BUT_THE_LAST: &str = r"|\s+(?!\S)";
        let plain = expression.replace(&[BUT_THE_LAST, r"|\s+"].concat(), r"|\s+").replace(BUT_THE_LAST, r"|\s+");
        Ok(Self {
            gives_back: plain != expression,
            breaks_are_whole: plain.contains(r"|\s*[\r\n]+|"),
            expression: Regex::new(&plain)?,
        })
    }

    /// The next match from `from` on.
    fn find(&self, text: &str, from: usize) -> Option<Range<usize>> {
        let found = self.expression.find_at(text, from)?;
        let mut range = found.range();
        if self.gives_back && range.end < text.len() {
            let is_break = |c| self.breaks_are_whole && matches!(c, '\r' | '\n');
            // Nothing but spaces ends with one, line breaks apart.
            range.end = match found.as_str().char_indices().next_back() {
                Some((at, last)) if at > 0 && last.is_whitespace() && !is_break(last) => range.start + at,
                _ => range.end,
            };
        }
        Some(range)
    }
}

impl Splitter {
    /// The splitter that the file names, or with a note the one that its architecture was trained with.
    pub(super) fn from_metadata(m: &Metadata, notes: &mut Vec<String>) -> Result<Self> {
        let name = match m.str(KEY)? {
            Some(name) => name,
            None => unnamed(m, notes),
        };
        let Some(preset) = PRESETS.iter().find(|p| p.names.contains(&name)) else {
            let known: Vec<&str> = names().collect();
            return Err(bad(format!(
                "`{KEY}` is `{name}`, a splitter not known here; known are {} and other names for them; choose one with \
                 an override, {KEY}=str:llama-bpe",
                known.join(", ")
            )));
        };
        if let "falcon3" | "falcon_e" = name {
            notes.push(format!(
                "`{KEY}` is `{name}`: using bitnet.cpp's splitter of that name, where digits and punctuation stand alone; \
                 llama.cpp and ik_llama.cpp mean Llama-3's by it ({KEY}=str:llama-bpe)"
            ));
        }
        let passes = preset.passes.iter().map(|pass| Pass::new(pass));
        let passes = passes.collect::<Result<_, _>>().map_err(|e| bad(format!("{name}: {e}")))?;
        Ok(Self { preset, passes })
    }

    pub(super) fn ignore_merges(&self) -> bool {
        self.preset.ignore_merges
    }

    pub(super) fn add_bos(&self) -> bool {
        self.preset.add_bos
    }

    /// Hands out the pieces of `text` in order; together they are the text.
    pub(super) fn split(&self, text: &str, each: &mut impl FnMut(&str)) -> Result<()> {
        fn pass(passes: &[Pass], text: &str, each: &mut impl FnMut(&str)) {
            let Some((first, rest)) = passes.split_first() else {
                if !text.is_empty() {
                    each(text);
                }
                return;
            };
            let mut done = 0;
            while let Some(found) = first.find(text, done) {
                pass(rest, &text[done..found.start], each);
                pass(rest, &text[found.clone()], each);
                done = found.end;
            }
            pass(rest, &text[done..], each);
        }
        if u32::try_from(text.len()).is_err() {
            return Err(bad("a text of more than 4 GiB"));
        }
        pass(&self.passes, text, each);
        Ok(())
    }
}

/// The splitter of a file that names none.
fn unnamed(m: &Metadata, notes: &mut Vec<String>) -> &'static str {
    let architecture = m.str("general.architecture").ok().flatten().unwrap_or_default();
    let (name, why) = match architecture {
        "qwen2" | "qwen3" => ("qwen2", "that of all models of its architecture"),
        "" | "bitnet" | "bitnet-25" | "bitnet-b1.58" => {
            ("llama-bpe", "the splitter BitNet b1.58 was trained with (the published file lacks the key)")
        }
        _ => ("llama-bpe", "a guess: ask the model's publisher"),
    };
    notes.push(format!(
        "no `{KEY}` in the file: using {name}, {why}; {KEY}=str:default gives the splitter of llama.cpp and bitnet.cpp for \
         such files"
    ));
    name
}
