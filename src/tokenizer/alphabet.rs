//! How tokens, as files store them, spell bytes and spaces.

/// The character that stands for a byte in GPT-2's alphabet: printable ones for themselves, the other 68 from
/// U+0100 on (Radford et al., 2019, `bytes_to_unicode`).
pub(super) fn byte_char(byte: u8) -> char {
    let code = match byte {
        33..=126 | 161..=172 | 174..=255 => u32::from(byte),
        0..=32 => 0x100 + u32::from(byte),
        127..=160 => 0x100 + 33 + u32::from(byte - 127),
        173 => 0x100 + 67,
    };
    // Every code above is below U+0144: all of them are characters.
    char::from_u32(code).unwrap_or('\u{fffd}')
}

/// The byte that a character of GPT-2's alphabet stands for.
pub(super) fn char_byte(c: char) -> Option<u8> {
    let code = u32::from(c);
    let byte = match code {
        33..=126 | 161..=172 | 174..=255 => code,
        0x100..=0x120 => code - 0x100,
        0x121..=0x142 => code - 0x121 + 127,
        0x143 => 173,
        _ => return None,
    };
    u8::try_from(byte).ok()
}

/// The mark that stands for a space.
pub(crate) const SPACE: char = '\u{2581}';

/// The byte of a token `<0xNN>`.
pub(crate) fn byte_token(token: &[u8]) -> Option<u8> {
    let digits = token.strip_prefix(b"<0x")?.strip_suffix(b">")?;
    // from_str_radix alone would take a sign.
    if digits.len() != 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// The beginning of a string from a file, for messages.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 40;
    let mut shown: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}
