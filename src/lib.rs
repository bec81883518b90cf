//! BitNet b1.58: language models whose weights are -1, 0 and +1, in a browser tab and in a terminal.
//!
//! Follow the data. A GGUF file arrives in chunks of any size and is never held whole:
//!
//! ```text
//! bytes ──► gguf (push parser) ──► blocks (I2_S, TQ1_0, TQ2_0, F16 …) ──► weights in the kernels' layout
//! text ──► tokenizer ──► model.forward (kernels + threads + KV cache) ──► sampler ──► detokenizer ──► text
//! ```
//!
//! - [`gguf`] parses the container and checks every count and offset before it is believed.
//! - [`blocks`] turns one block of a storage format into ternary codes or `f32`.
//! - [`kernels`] is the arithmetic: one scalar oracle, and one module an instruction set that equals it bit for bit.
//! - [`threads`] hands the kernels' work out in small pieces.
//! - [`model`] is the transformer: configuration, weights, attention, feed-forward, KV cache.
//! - [`tokenizer`], [`chat`], [`sampler`] and [`session`] make text out of it.
//! - [`verify`] tells whether that text makes sense.
//!
//! The same GGUF, prompt, seed and options give the same logits, bit for bit, on every backend, with any
//! number of threads and any chunking of the download or the prompt.

#![warn(clippy::unwrap_used, clippy::disallowed_macros)]

mod allocate;
pub mod blocks;
pub mod chat;
mod error;
pub mod gguf;
pub mod kernels;
pub mod model;
pub mod sampler;
pub mod session;
pub mod threads;
pub mod tokenizer;
pub mod verify;
#[cfg(target_family = "wasm")]
pub mod web;

pub use error::{Error, Result};

// Without this the browser passes over every test of the library.
#[cfg(all(test, target_family = "wasm"))]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

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
