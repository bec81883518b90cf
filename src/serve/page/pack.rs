//! The page's folder as the program serves it: also a module of build.rs, which puts it into the program.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::Path;

/// By this the page knows that an engine is there, and where its API is. A page of any other host asks nobody.
const MARK: &str = r#"<meta name="b158-engine" content="v1/">"#;

/// A file of the page.
pub(crate) struct File {
    /// From the root: `/` is the page itself.
    pub(crate) path: String,
    /// Whether the bytes are compressed.
    pub(crate) gzip: bool,
    /// Of what it holds, for the header ETag.
    pub(crate) tag: String,
    pub(crate) bytes: Vec<u8>,
}

/// All files of a page that has been built.
pub(crate) fn pack(folder: &Path, compress: bool) -> Result<Vec<File>, String> {
    if !folder.join("index.html").is_file() {
        return Err("there is no index.html in it".to_owned());
    }
    let mut names = Vec::new();
    collect(folder, "", &mut names)?;
    names.sort();
    names.iter().map(|name| file(folder, name, compress).map_err(|why| format!("{name}: {why}"))).collect()
}

fn collect(folder: &Path, under: &str, names: &mut Vec<String>) -> Result<(), String> {
    let failed = |why: std::io::Error| format!("{under}: {why}");
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().into_string().unwrap_or_default();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || !name.bytes().all(fits) {
            return Err(format!("{name:?}: the names of a page's files have letters, digits and -_. alone"));
        }
        let path = if under.is_empty() { name } else { format!("{under}/{name}") };
        if entry.file_type().map_err(failed)?.is_dir() {
            collect(&entry.path(), &path, names)?;
        } else {
            names.push(path);
        }
    }
    Ok(())
}

fn file(folder: &Path, name: &str, compress: bool) -> Result<File, String> {
    let mut bytes = fs::read(folder.join(name)).map_err(|why| why.to_string())?;
    let mut path = format!("/{name}");
    if name == "index.html" {
        bytes = marked(bytes)?;
        "/".clone_into(&mut path);
    }
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let tag = format!("W/\"{:016x}\"", hasher.finish());
    // A model is downloaded by its length, which is that of its bytes.
    let compressed = if compress && !name.ends_with(".gguf") { compressed(&bytes)? } else { None };
    Ok(File { path, gzip: compressed.is_some(), tag, bytes: compressed.unwrap_or(bytes) })
}

fn marked(page: Vec<u8>) -> Result<Vec<u8>, String> {
    let text = String::from_utf8(page).map_err(|why| why.to_string())?;
    let (before, after) = text.split_once("<head>").ok_or("it has no <head>")?;
    Ok(format!("{before}<head>\n    {MARK}{after}").into_bytes())
}

/// None where that saves little.
fn compressed(bytes: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).map_err(|why| why.to_string())?;
    let compressed = encoder.finish().map_err(|why| why.to_string())?;
    Ok(Some(compressed).filter(|compressed| compressed.len() < bytes.len() / 10 * 9))
}
