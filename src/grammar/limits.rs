//! Bounds, in one place: what a text may ask for, and what a step may cost.

/// Bytes of a token. The trie has room for 1,024; its walks go a level deeper a byte.
pub(crate) const TOKEN_BYTES: usize = 256;

/// Sets of tokens that a mask takes whole where a state allows all of them: the insides of JSON's strings.
pub(crate) fn slices() -> Vec<String> {
    match std::env::var("SLICES").as_deref() {
        Ok("0") => vec![],
        Ok("1") => vec![r#"[^"\\\x00-\x1F\x7F]+"#.to_string()],
        Ok("2") => vec![r#"[^"\\\x00-\x1F\x7F]{1,10}"#.to_string(), r#"[^"\\\x00-\x1F\x7F]+"#.to_string()],
        _ => llguidance::earley::SlicedBiasComputer::json_slices(),
    }
}
