//! The splitters that the tests try.

/// A way of cutting text up, as the references name it: with Llama-3's a piece that is a token is taken whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Llama-3's own: one regular expression.
    Llama3,
    /// What bitnet.cpp falls back to for a file without `tokenizer.ggml.pre`: four passes.
    Default,
    Qwen2,
    SmolLm,
    Falcon,
    Falcon3,
    FalconE,
    Gpt4o,
    DeepSeekLlm,
    DeepSeekCoder,
    Gpt2,
}

impl Mode {
    pub(crate) const ALL: [Self; 11] = [
        Self::Gpt2,
        Self::Qwen2,
        Self::SmolLm,
        Self::Falcon,
        Self::Falcon3,
        Self::FalconE,
        Self::Gpt4o,
        Self::DeepSeekLlm,
        Self::DeepSeekCoder,
        Self::Llama3,
        Self::Default,
    ];
    /// Those that are tried with the full-size vocabulary too, which takes seconds each.
    pub(crate) const MAIN: [Self; 2] = [Self::Llama3, Self::Default];

    /// The value of `tokenizer.ggml.pre`.
    pub(crate) fn pre(self) -> &'static str {
        match self {
            Self::Llama3 => "llama-bpe",
            Self::Default => "default",
            Self::Qwen2 => "qwen2",
            Self::SmolLm => "smollm",
            Self::Falcon => "falcon",
            Self::Falcon3 => "falcon3",
            Self::FalconE => "falcon_e",
            Self::Gpt4o => "gpt-4o",
            Self::DeepSeekLlm => "deepseek-llm",
            Self::DeepSeekCoder => "deepseek-coder",
            Self::Gpt2 => "gpt-2",
        }
    }
}
