//! Language models whose weights are -1, 0 and +1 (BitNet b1.58, Bonsai, Falcon-E, BitCPM), in a browser tab and in a terminal.
//!
//! ```
//! use b158::model::Loaded;
//! use b158::session::{GenerateOptions, Session, SessionOptions};
//! use b158::tokenizer::Special;
//!
//! # fn main() -> b158::Result<()> {
//! # let mut story = String::new();
//! let loaded = Loaded::open("tests/models/stories-I2_S.gguf")?;
//! let prompt = loaded.tokenizer.encode("Once upon a time, there was a brave fox named Pip.", Special::TEXT)?;
//! let mut session = Session::new(loaded.into(), SessionOptions::default())?;
//! for text in session.generate(&prompt, GenerateOptions { max_tokens: Some(60), ..Default::default() })? {
//!     # let text = text.inspect(|text| story.push_str(text));
//!     print!("{}", text?);
//! }
//! # assert!(story.len() > 60, "{story}");
//! # Ok(())
//! # }
//! ```
//!
//! To answer a message instead, let the model's chat template write the prompt:
//!
//! ```
//! # use b158::{chat::Message, model::Loaded, session::{GenerateOptions, Session, SessionOptions}};
//! # fn main() -> b158::Result<()> {
//! # let loaded = Loaded::open("tests/models/stories-I2_S.gguf")?;
//! let question = [Message::new("user", "What color is the sky?")];
//! let prompt = loaded.template.encode(&loaded.tokenizer, &question, true)?;
//! # let mut session = Session::new(loaded.into(), SessionOptions::default())?;
//! # let options = GenerateOptions { sampler: b158::sampler::SamplerOptions::greedy(), ..Default::default() };
//! # let answer = session.generate(&prompt, options)?.collect::<b158::Result<String>>()?;
//! # assert_eq!(answer, "The sky is blue.");
//! # Ok(())
//! # }
//! ```
//!
//! # The path
//!
//! ```text
//! address ──► download (ranges, journal, cache) ──► bytes
//! checkpoint ──► safetensors ──► convert ──► bytes of a GGUF
//! bytes ──► gguf (push parser) ──► blocks (I2_S, TQ2_0, Q2_0, F16 …) ──► weights in the kernels' layout
//! text ──► tokenizer ──► model.forward (kernels + threads + KV cache) ──► constraint, sampler ──► detokenizer ──► text
//! ```
//!
//! A GGUF file arrives in chunks of any size and is never held whole. Each module below is a step, and its page names the
//! next one:
//!
//! 1. [`download`] brings the file from its address, by way of a cache, part by part.
//! 2. [`gguf`] parses the container, and checks every count and offset before it is used. A checkpoint of Hugging Face's
//!    libraries, in [`safetensors`], is read as the GGUF that [`convert`] would make of it.
//! 3. [`blocks`] turns one block of a storage format into ternary codes or `f32`.
//! 4. [`model`] puts weights into the kernels' layout as they arrive, and runs the transformer over them.
//! 5. [`kernels`] is its arithmetic: one scalar oracle, and one module for each instruction set that equals it bit for bit.
//! 6. [`threads`] hands the kernels' work out in small pieces.
//! 7. [`tokenizer`] turns text into token ids and back; [`chat`] turns messages into a prompt.
//! 8. [`session`] reads a prompt and generates tokens, one step at a time.
//! 9. [`constraint`] tells which tokens may follow, where an answer has to have a form.
//! 10. [`sampler`] chooses each token from the logits.
//! 11. [`verify`] tells whether the text makes sense.
//!
//! # What you can rely on
//!
//! - The same GGUF, prompt, seed and options give the same logits, bit for bit, on every backend, with any number of
//!   threads and any chunking of the download or the prompt.
//! - What a file says is checked before it is used. A bad one gives an [`Error`] that says what is wrong, where, and what
//!   to do; nothing here panics on bytes from outside.
//! - What had to be decided for you (a missing key, a tensor that is not used) is in [`notes`](model::Loaded::notes).
//!
//! The feature `cli`, which is on by itself, builds the native program `b158`; a program that uses the crate as a library needs it
//! for answers of a form alone ([`constraint`]). In a browser the crate is used through the npm package of the same
//! name; the worker that its modules are is in `web`, which exists on `wasm32` alone.

#![warn(clippy::unwrap_used, clippy::disallowed_macros)]

mod allocate;
pub mod blocks;
pub mod chat;
pub mod constraint;
pub mod convert;
pub mod download;
mod error;
pub mod gguf;
mod json;
pub mod kernels;
pub mod model;
#[cfg(not(target_family = "wasm"))]
pub mod openai;
pub mod safetensors;
pub mod sampler;
pub mod session;
pub mod threads;
pub mod tokenizer;
pub mod verify;
#[cfg(any(target_family = "wasm", test))]
pub mod web;

pub use error::{Error, Result};

#[cfg(all(feature = "cli", target_family = "wasm"))]
compile_error!("the feature `cli` is the native program: for wasm32 add --no-default-features");

// Without this the browser passes over every test of the library.
#[cfg(all(test, target_family = "wasm"))]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// Every build of the tests checks what the engine asserts, and its sums.
#[cfg(test)]
mod tests {
    #[cfg_attr(target_family = "wasm", wasm_bindgen_test::wasm_bindgen_test)]
    #[cfg_attr(not(target_family = "wasm"), test)]
    fn assertions_are_checked() {
        let mut checked = false;
        debug_assert!({
            checked = true;
            checked
        });
        assert!(checked);
    }

    // A panic ends the page of the wasm tests; their profile is the same.
    #[cfg(not(target_family = "wasm"))]
    #[test]
    #[should_panic(expected = "overflow")]
    fn overflow_is_checked() {
        std::hint::black_box(std::hint::black_box(u8::MAX) + 1);
    }
}
