//! What a file is that is no GGUF, told by its first bytes, and what to do about it.

/// As many bytes as are looked at, where there are so many: a tar's mark ends at byte 262.
pub(crate) const HEAD: usize = 512;

const CONVERT: &str = "convert it to GGUF, or take a GGUF of the same model";
const FOLDER: &str = "give the folder that it lies in, with config.json and tokenizer.json";
const UNPACK: &str = "unpack it, and give the GGUF in it";
const ADDRESS: &str = "use the address of the file itself (on Hugging Face the one with /resolve/ in it)";

/// Formats by what they begin with.
const MAGICS: &[(&[u8], &str, &str)] = &[
    // The magics of llama.cpp before August 2023, little-endian.
    (b"lmgg", "an old GGML model (ggml)", CONVERT),
    (b"fmgg", "an old GGML model (ggmf)", CONVERT),
    (b"tjgg", "an old GGML model (ggjt)", CONVERT),
    (b"algg", "an old GGML adapter (ggla)", "take a GGUF of the whole model"),
    (b"GGML", "an old GGML model", CONVERT),
    (b"\x1f\x8b", "compressed with gzip", "unpack it with `gunzip`"),
    (b"\xfd7zXZ\0", "compressed with xz", "unpack it with `unxz`"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it with `unzstd`"),
    (b"BZh", "compressed with bzip2", "unpack it with `bunzip2`"),
    (b"\x04\x22\x4d\x18", "compressed with lz4", "unpack it with `unlz4`"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"\x89HDF", "an HDF5 file, as Keras writes them", CONVERT),
    (b"\x93NUMPY", "a NumPy array", CONVERT),
    (b"MZqFpD", "a llamafile, a program with a model in it", "take the model's GGUF"),
    (b"\x7fELF", "a program", "give the model's GGUF"),
    (b"MZ", "a program", "give the model's GGUF"),
    (b"%PDF", "a PDF", "give the model's GGUF"),
    (b"b158-kv\n", "a saved session (prompt cache)", "give the model's GGUF, and this as the cache"),
    (b"\0asm", "a WebAssembly module", "give the model's GGUF"),
];

/// What a file is, and what to do. `head` is its beginning, [`HEAD`] bytes or all there are.
pub(crate) fn recognise(head: &[u8]) -> String {
    let known = MAGICS.iter().find(|(magic, ..)| head.starts_with(magic));
    if let Some((_, what, advice)) = known {
        return format!("it is {what}: {advice}");
    }
    // Every member of a zip begins so, the end of an empty one otherwise.
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return match contains(head, b"data.pkl") || contains(head, b"/version") || contains(head, b"/byteorder") {
            true => format!("it is a PyTorch checkpoint: {CONVERT}"),
            false => format!("it is a zip archive: {UNPACK}"),
        };
    }
    if head.get(257..262) == Some(b"ustar") {
        return format!("it is a tar archive: {UNPACK}");
    }
    if head.get(4..8) == Some(b"TFL3") {
        return format!("it is a TensorFlow Lite model: {CONVERT}");
    }
    if is_safetensors(head) {
        return format!("it is a file of a safetensors checkpoint: {FOLDER}");
    }
    if is_pickle(head) {
        return format!("it is a Python pickle, an old PyTorch checkpoint: {CONVERT}");
    }
    if is_onnx(head) {
        return format!("it is an ONNX model: {CONVERT}");
    }
    match text(head) {
        Some("") => "it is white space alone: fetch it again".to_owned(),
        Some(text) => of_text(text),
        None if head.iter().all(|byte| *byte == 0) => {
            "it begins with zeros, as a download does that has only been given its place: fetch it again".to_owned()
        }
        None => {
            let first: Vec<String> = head.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
            format!("it begins with {}, a GGUF with 47 47 55 46: check the address or the file", first.join(" "))
        }
    }
}

/// What a file is that should be none of text, where it is one: a pointer, a page, a message.
pub(crate) fn of_text_file(head: &[u8]) -> Option<String> {
    text(head).filter(|text| !text.is_empty()).map(of_text)
}

fn of_text(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    if let Some(rest) = text.strip_prefix("version https://git-lfs.github.com/spec/") {
        let size = rest.lines().find_map(|line| line.strip_prefix("size "));
        let size = size.and_then(|size| size.trim().parse::<u64>().ok());
        let of = size.map_or(String::new(), |size| format!(" of {size} bytes"));
        return format!(
            "it is a Git LFS pointer, a few lines in place of the file{of}: get the file with `git lfs pull`, or download it"
        );
    }
    if ["<!doctype", "<html", "<head", "<body", "<?xml", "<!--"].iter().any(|tag| lower.starts_with(tag)) {
        return format!("it is a web page: {ADDRESS}");
    }
    let begins: String = text.lines().next().unwrap_or_default().chars().take(80).collect();
    let begins = begins.trim_end();
    let json = text.starts_with('{') || text.starts_with('[');
    let what = if json { "JSON, a server's answer or a model's settings" } else { "text" };
    format!("it is {what} (`{begins}`): {ADDRESS}")
}

/// A beginning that is text: UTF-8, but for a character cut at its end, without control characters. White space and a byte
/// order mark before it are left out.
fn text(head: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&head[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let readable = |c: char| !c.is_control() || c.is_ascii_whitespace();
    text.chars().all(readable).then(|| text.trim_start_matches('\u{feff}').trim())
}

/// The length of a JSON header, and the header.
fn is_safetensors(head: &[u8]) -> bool {
    let Some((length, rest)) = head.split_first_chunk() else { return false };
    (2..1 << 32).contains(&u64::from_le_bytes(*length)) && rest.first() == Some(&b'{')
}

/// Protocol 2 to 5, and what a dictionary or a magic number begins with; PyTorch before 1.6 writes a long of 10 bytes.
fn is_pickle(head: &[u8]) -> bool {
    matches!(head, [0x80, 2..=5, b'}' | b'c' | b'(' | b']' | b'X' | 0x8a | 0x95, ..])
}

/// A protocol buffer of ir_version and then a producer, a domain, a graph or an opset.
fn is_onnx(head: &[u8]) -> bool {
    matches!(head, [8, 1..=20, 0x12 | 0x1a | 0x22 | 0x3a | 0x42, ..])
}

fn contains(head: &[u8], text: &[u8]) -> bool {
    head.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn formats_by_their_first_bytes() {
        let safetensors = [&40u64.to_le_bytes()[..], b"{\"__metadata__\":{\"format\":\"pt\"}}      "].concat();
        let mut tar = vec![0; 512];
        tar[..7].copy_from_slice(b"a/model");
        tar[257..262].copy_from_slice(b"ustar");
        for (head, word) in [
            (
                &b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1187801280\n"[..],
                "of 1187801280 bytes",
            ),
            (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
            (b"<!DOCTYPE html><html lang=en>", "web page"),
            (b"\xef\xbb\xbf\r\n  <HTML>", "web page"),
            (b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "web page"),
            (b"{\"error\":\"Repository not found\"}", "JSON"),
            (b"Entry not found", "text (`Entry not found`)"),
            (b"Invalid username or password.", "text"),
            (&safetensors, "safetensors"),
            (b"\x1f\x8b\x08\x08", "gzip"),
            (b"PK\x03\x04\0\0\x08\x08\0\0\0\0\0\0pytorch_model/data.pkl", "PyTorch"),
            (b"PK\x03\x04\x14\0\0\0\x08\0model.gguf", "zip"),
            (b"PK\x05\x06\0\0", "zip"),
            (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "pickle"),
            (b"\x80\x04\x95\x1a\0\0\0", "pickle"),
            (b"lmgg\0\x7d\0\0", "ggml"),
            (b"fmgg\x01\0\0\0", "ggmf"),
            (b"tjgg\x03\0\0\0", "ggjt"),
            (b"\xfd7zXZ\0\0\x04", "xz"),
            (b"\x28\xb5\x2f\xfd\x04", "zstd"),
            (b"BZh91AY&SY", "bzip2"),
            (&tar, "tar"),
            (b"\x08\x07\x12\x07pytorch\x1a", "ONNX"),
            (&[0; 512], "zeros"),
            (b" \n\t\r\n ", "white space"),
            (b"\xff\xd8\xff\xe0", "begins with ff d8 ff e0"),
        ] {
            let said = recognise(head);
            assert!(said.contains(word), "{word}: {said}");
            // What it is, and what to do.
            assert!(said.starts_with("it ") && said.contains(": "), "{said}");
        }
    }

    #[test]
    fn text_of_others_is_shown_short_and_cut_between_characters() {
        let long = "ä".repeat(256);
        // The last byte of the head is the first of a character.
        let head = [b"a", long.as_bytes()].concat();
        let said = recognise(&head[..HEAD]);
        assert!(said.contains("text (`aä") && said.len() < 400, "{said}");
        // An escape is no text.
        assert!(recognise(b"\x1b[2Jhello").contains("begins with 1b 5b 32 4a"));
    }
}
