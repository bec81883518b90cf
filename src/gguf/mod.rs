//! GGUF, the container: a push parser, its values, and a writer.
//!
//! [`Decoder`] takes a file in chunks of any size, as they come off the network, and hands out events. Metadata and
//! the tensor table are kept; tensor bytes are borrowed from the chunk and never copied. Every count, length and
//! offset is checked against what the file can still hold before anything is allocated, so a 24-byte file cannot ask
//! for gigabytes. The same bytes give the same events and the same error, however they are cut.
//!
//! A model may be split over several files: [`Split`] is what each says of itself.
//!
//! Versions 2 and 3, little-endian. Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.
//!
//! ```
//! use b158::gguf::{Decoder, Event, Limits};
//! # fn read(chunks: &[&[u8]]) -> b158::Result<()> {
//! let mut decoder = Decoder::new(Limits::default());
//! for chunk in chunks {
//!     let mut rest = *chunk;
//!     loop {
//!         let (used, event) = decoder.push(rest)?;
//!         rest = &rest[used..];
//!         match event {
//!             Event::NeedMore => break,
//!             Event::Tensors => println!("{} tensors", decoder.tensors().len()),
//!             Event::TensorData { index, offset, bytes } => { /* repack into the kernels' layout */ }
//!             _ => {}
//!         }
//!     }
//! }
//! decoder.finish()
//! # }
//! ```
//!
//! Next: [`blocks`](crate::blocks), which reads the tensors' bytes.

mod decoder;
pub(crate) mod foreign;
mod key_values;
mod meaning;
mod metadata;
mod reader;
mod split;
mod table;
mod tensor;
#[cfg(test)]
mod tests;
mod value;
mod writer;

pub use decoder::{Decoder, Event, Limits};
pub use metadata::{MAX_KEY, Metadata};
pub(crate) use split::Sequence;
pub use split::Split;
pub use tensor::{MAX_DIMS, MAX_NAME, Storage, TensorInfo, TensorType};
pub use value::{Array, Strings, Value};
pub use writer::{Head, TensorDeclaration, Writer};
