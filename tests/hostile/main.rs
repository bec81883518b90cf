//! Hostile files: each attack that has been published against a reader of GGUF or of safetensors, or is near one, as a small file with the
//! error that it must give. The same error natively and in a browser, where sizes have 32 bits, and in chunks of any size;
//! no panic, and no memory beyond twice the file and a megabyte.

mod alignment;
mod arrays;
mod chat_template;
mod checkpoint;
#[path = "../common/checkpoint.rs"]
mod checkpoint_files;
mod counts;
#[cfg(not(target_family = "wasm"))]
mod decoder_memory;
mod file;
mod graph;
mod header;
mod hyper_parameters;
mod keys;
mod names;
mod offsets;
#[path = "../common/safetensors.rs"]
mod safetensors;
mod stream;
#[cfg(not(target_family = "wasm"))]
mod template_limits;
mod tensor_info;
mod tokenizer;
mod values;

use b158::chat::Message;
use b158::kernels::Compute;
use b158::model::{KvType, Loaded, Loader, LoaderOptions, State};
use b158::tokenizer::Special;
use b158::{Error, Result};

#[cfg(not(target_family = "wasm"))]
use core::prelude::v1::test;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;
#[cfg(target_family = "wasm")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

/// Sizes of the chunks that a file comes in.
const CHUNKS: [usize; 4] = [1, 7, 4096, usize::MAX];

/// Loads a file whose size is known or not.
fn load(file: &[u8], chunk: usize, file_size: Option<u64>) -> Result<Loaded> {
    let mut loader = Loader::new(Compute::default(), LoaderOptions { file_size, ..Default::default() });
    for part in file.chunks(chunk) {
        loader
            .push(part)
            .inspect_err(|error| assert_eq!(loader.push(b"more").as_ref(), Err(error), "an error stays"))?;
    }
    loader.finish()
}

/// What a load with the size known comes to, in every chunking; never with more memory than the file is worth.
#[track_caller]
fn outcome(name: &str, file: &[u8], known: bool) -> Result<Loaded> {
    let size = known.then_some(file.len() as u64);
    let whole = load(file, usize::MAX, size);
    for chunk in CHUNKS {
        let mut found = None;
        let peak = peak(|| found = load(file, chunk, size).err());
        assert_eq!(found.as_ref(), whole.as_ref().err(), "{name}, chunks of {chunk}");
        let most = 2 * file.len() as u64 + (1 << 20);
        assert!(!known || peak <= most, "{name}, chunks of {chunk}: {peak} bytes at most for {}", file.len());
    }
    whole
}

/// Most bytes allocated at a time; 0 where that can't be counted.
fn peak(work: impl FnOnce()) -> u64 {
    #[cfg(not(target_family = "wasm"))]
    return allocation_counter::measure(work).bytes_max;
    #[cfg(target_family = "wasm")]
    {
        work();
        0
    }
}

/// A file that is refused with this error, and with none of another code where its size is not known: then a count may be
/// over a limit instead, or the file may end early.
#[track_caller]
fn refused(name: &str, file: &[u8], expected: impl Fn(&Error) -> bool) {
    let error = outcome(name, file, true).err().unwrap_or_else(|| panic!("{name} is taken for a model"));
    assert!(expected(&error), "{name}: {error:?}");
    let error =
        outcome(name, file, false).err().unwrap_or_else(|| panic!("{name} of unknown size is taken for a model"));
    let later = matches!(error, Error::OverLimit { .. } | Error::Truncated { .. });
    assert!(expected(&error) || later, "{name} of unknown size: {error:?}");
}

/// A file that is odd and harmless: it loads, and everything can be done with it.
#[track_caller]
fn harmless(name: &str, file: &[u8]) -> Loaded {
    assert_eq!(outcome(name, file, false).err(), None, "{name} of unknown size");
    let loaded = outcome(name, file, true).unwrap_or_else(|error| panic!("{name}: {error}"));
    let ids = loaded.tokenizer.encode("ab aaaa \u{1F98A} <s>", Special::PARSED).unwrap();
    assert!(ids.iter().all(|&id| (id as usize) < loaded.model.config.vocabulary), "{name}: {ids:?}");
    assert!(!loaded.tokenizer.decode(&ids, true).is_empty(), "{name}");
    loaded.template.encode(&loaded.tokenizer, &[Message::new("user", "ab")], true).unwrap();
    let model = &loaded.model;
    let mut state = State::new(model, KvType::F16, 8, 4).unwrap();
    state.begin(model, &ids[..4]).unwrap();
    while !state.step(model).unwrap() {}
    assert!(state.logits(model, 3).unwrap().iter().all(|logit| logit.is_finite()), "{name}");
    loaded
}

/// `refuse! { NAME, FILE => PATTERN if GUARD, … }`
macro_rules! refuse {
    ($($name:expr, $file:expr => $pattern:pat $(if $guard:expr)?,)*) => {
        $($crate::refused(&$name.to_string(), &$file, |error| matches!(error, $pattern $(if $guard)?));)*
    };
}
pub(crate) use refuse;

#[test]
fn the_model_that_attacks_change_is_right() {
    harmless("spelled with byte tokens", &file::File::new().bytes());
    harmless("spelled with merges", &file::File::byte_level().bytes());
}
