//! README.md's front matter, which says the licence, and may say a name and what the model is.

use crate::Result;
use crate::convert::Folder;
use crate::gguf::{Metadata, Value};

const FILE: &str = "README.md";
/// Front matter is some lines.
const MOST: u64 = 64 << 10;
const LONGEST: usize = 200;

/// Sets `general.license`, `general.name` and the like. A card that can't be read says nothing.
pub(super) fn read(folder: &mut impl Folder, m: &mut Metadata) -> Result<()> {
    let Some((_, size)) = folder.files().iter().find(|(name, _)| name == FILE) else { return Ok(()) };
    let mut bytes = crate::allocate::try_zeroed((*size).min(MOST) as usize, FILE)?;
    folder.read(FILE, 0, &mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    if lines.next().map(str::trim_end) != Some("---") {
        return Ok(());
    }
    for line in lines.take_while(|line| line.trim_end() != "---") {
        let Some((key, value)) = line.split_once(':') else { continue };
        let key = match key {
            // As llama.cpp's converters take them.
            "name" | "model_name" => "general.name",
            "description" | "model_description" => "general.description",
            "license" => "general.license",
            "license_name" => "general.license.name",
            "license_link" => "general.license.link",
            _ => continue,
        };
        let value = value.trim().trim_matches(['"', '\'']);
        if !value.is_empty() && value.len() <= LONGEST && !value.contains(char::is_control) {
            m.insert(key, Value::String(value.to_owned()));
        }
    }
    Ok(())
}
