//! safetensors, the container of Hugging Face's checkpoints: a file's header, and the index of a checkpoint in several files.
//!
//! A file is eight bytes that tell the header's length, the header, JSON that names each tensor with its type, its shape and where
//! its bytes begin and end, and then these bytes. All of it is checked before anything is made of it: a header is bounded in
//! length, in depth and in its number of tensors, no name comes twice, and the tensors cover the file exactly, without gaps.
//!
//! Format: <https://github.com/huggingface/safetensors>.
//!
//! ```
//! use b158::safetensors::Header;
//! # fn main() -> b158::Result<()> {
//! let json = br#"{"w": {"dtype": "F16", "shape": [2, 3], "data_offsets": [0, 12]}}"#;
//! let file = [&(json.len() as u64).to_le_bytes()[..], json, &[0; 12]].concat();
//! let header = Header::read("model.safetensors", file.len() as u64, |offset, out| {
//!     out.copy_from_slice(&file[offset as usize..][..out.len()]);
//!     Ok(())
//! })?;
//! assert_eq!((header.tensors[0].name.as_str(), header.tensors[0].size), ("w", 12));
//! # Ok(())
//! # }
//! ```
//!
//! Next: [`convert`](crate::convert), which reads the tensors' bytes.

mod dtype;
mod header;
mod index;
mod json;
#[cfg(test)]
mod tests;

pub use dtype::DType;
pub use header::{Header, MAX_HEADER, MAX_TENSORS, Tensor};
pub use index::Index;

use crate::Error;

/// An error about a part of a file.
fn bad(file: &str, what: &str, reason: impl Into<String>) -> Error {
    Error::BadCheckpoint { file: file.to_owned(), what: what.to_owned(), reason: reason.into() }
}
