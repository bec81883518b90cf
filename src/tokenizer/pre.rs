//! Pre-tokenizers of the `gpt2` kind: the regular expressions that cut text into pieces before merging, by the
//! names that llama.cpp gives them in `tokenizer.ggml.pre`.
//!
//! Each is one or more passes; a pass splits every piece of the pass before into its matches and what lies
//! between them. The regular expressions run on one engine everywhere (`fancy-regex`, through `tokenizers`),
//! so that the splits are equal on every platform.

use super::bad;
use crate::Result;
use crate::gguf::Metadata;
use tokenizers::tokenizer::pattern::Pattern;
use tokenizers::utils::SysRegex;

const KEY: &str = "tokenizer.ggml.pre";

/// The Llama-3 splitter (tiktoken's `pat_str` of that model).
const LLAMA_3: &[&str] = &[concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)];
const GPT_2_PASS: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)";
/// What llama.cpp and bitnet.cpp fall back to when a file names no splitter.
const DEFAULT: &[&str] = &[r"[\p{P}\$\+<=>\^~\|]+", GPT_2_PASS, r"\p{N}+", r"[0-9][0-9][0-9]"];
const FALCON_3: &[&str] = &[r"[\p{P}\$\+<=>\^~\|`]+", GPT_2_PASS, r"[0-9]"];

/// One of the known splitters.
struct Preset {
    names: &'static [&'static str],
    passes: &'static [&'static str],
    /// A piece that is a token as a whole is taken as such, whatever the merges would make of it.
    ignore_merges: bool,
    /// Whether begin-of-text goes first when the file does not say.
    add_bos: bool,
}

const PRESETS: &[Preset] = &[
    Preset { names: &["llama-bpe", "llama3", "llama-v3"], passes: LLAMA_3, ignore_merges: true, add_bos: true },
    Preset { names: &["default"], passes: DEFAULT, ignore_merges: false, add_bos: false },
    Preset { names: &["gpt-2"], passes: &[GPT_2_PASS], ignore_merges: false, add_bos: false },
    Preset { names: &["falcon3", "falcon_e"], passes: FALCON_3, ignore_merges: false, add_bos: false },
];

/// Cuts text into the pieces that are merged each for itself.
pub(super) struct Splitter {
    preset: &'static Preset,
    passes: Vec<SysRegex>,
}

impl Splitter {
    /// The splitter that the file names, or Llama-3's with a note.
    pub(super) fn from_metadata(m: &Metadata, notes: &mut Vec<String>) -> Result<Self> {
        let name = match m.str(KEY)? {
            Some(name) => name,
            None => {
                notes.push(format!(
                    "no `{KEY}` in the file: using llama-bpe, the splitter BitNet b1.58 was trained with \
                     (the published file lacks the key; {KEY}=str:default gives bitnet.cpp's splitter)"
                ));
                "llama-bpe"
            }
        };
        let Some(preset) = PRESETS.iter().find(|p| p.names.contains(&name)) else {
            let known: Vec<&str> = PRESETS.iter().flat_map(|p| p.names).copied().collect();
            return Err(bad(format!(
                "`{KEY}` is `{name}`, a splitter not known here; known are {}; choose one with an override, \
                 {KEY}=str:llama-bpe",
                known.join(", ")
            )));
        };
        if name == "falcon3" {
            notes.push(format!(
                "`{KEY}` is `falcon3`: using bitnet.cpp's splitter of that name; llama.cpp means Llama-3's by it \
                 ({KEY}=str:llama-bpe)"
            ));
        }
        let passes = preset.passes.iter().map(|pass| SysRegex::new(pass));
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
    pub(super) fn split<'t>(&self, text: &'t str, each: &mut impl FnMut(&'t str) -> Result<()>) -> Result<()> {
        fn pass<'t>(passes: &[SysRegex], text: &'t str, each: &mut impl FnMut(&'t str) -> Result<()>) -> Result<()> {
            let Some((first, rest)) = passes.split_first() else {
                return each(text);
            };
            let spans = first.find_matches(text).map_err(|e| bad(format!("splitting: {e}")))?;
            for ((start, end), _) in spans {
                if let Some(piece) = text.get(start..end).filter(|p| !p.is_empty()) {
                    pass(rest, piece, each)?;
                }
            }
            Ok(())
        }
        pass(&self.passes, text, each)
    }
}
