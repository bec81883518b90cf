//! Memory that runs out at any step between the first byte and the first tokens: an error each time, never the end of the
//! program, and the next try works.
//!
//! From the n-th allocation of [`LARGE`] bytes or more on there are no more such ones, for every n. Smaller ones are always
//! given: names and messages, of which the standard library makes many without asking. So is what the libraries behind the
//! tokenizer allocate, once the loader has been given as much beforehand.
//!
//! On Linux alone, which tells when the thread that makes the tokenizer has ended.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

#[path = "common/checkpoint.rs"]
#[allow(dead_code)]
mod checkpoint;
#[path = "hostile/file.rs"]
#[allow(dead_code)]
mod file;

use b158::convert::{Converter, LinearType, Options};
use b158::kernels::Compute;
use b158::model::{EmbeddingType, KvType, Loaded, Loader, LoaderOptions};
use b158::sampler::SamplerOptions;
use b158::session::{GenerateOptions, Session, SessionOptions, Step};
use b158::threads::Pool;
use b158::{Error, Result};
use file::File;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const LARGE: usize = 1024;
const LAYERS: usize = 8;

/// Large allocations that are still given.
static LEFT: AtomicUsize = AtomicUsize::new(usize::MAX);
/// Large ones that were asked for.
static ASKED: AtomicUsize = AtomicUsize::new(0);

struct Ending;

impl Ending {
    fn gives(size: usize) -> bool {
        if size < LARGE {
            return true;
        }
        ASKED.fetch_add(1, SeqCst);
        LEFT.fetch_update(SeqCst, SeqCst, |left| match left {
            usize::MAX => Some(left),
            _ => left.checked_sub(1),
        })
        .is_ok()
    }
}

// SAFETY: the system's allocator does everything; a null pointer is the answer where there is no memory.
unsafe impl GlobalAlloc for Ending {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        if Self::gives(layout.size()) { unsafe { System.alloc(layout) } } else { std::ptr::null_mut() }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        if Self::gives(layout.size()) { unsafe { System.alloc_zeroed(layout) } } else { std::ptr::null_mut() }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > layout.size() && !Self::gives(size) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Ending = Ending;

/// Does what is given all the memory it wants.
fn given<T>(work: impl FnOnce() -> T) -> T {
    let left = LEFT.swap(usize::MAX, SeqCst);
    let done = work();
    LEFT.store(left, SeqCst);
    done
}

/// Threads of this program.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// The harness has things to write down when a test has begun already. When its thread sleeps, it waits for the test's end. With
/// `--test-threads 1` it is this one.
fn wait_for_harness() {
    if std::thread::current().name() == Some("main") {
        return;
    }
    let stat = format!("/proc/self/task/{}/stat", std::process::id());
    let sleeps = || std::fs::read_to_string(&stat).unwrap().rsplit(')').next().unwrap().trim_start().starts_with('S');
    while !sleeps() {
        std::thread::yield_now();
    }
}

/// The small model of the hostile files, with layers enough for tables of some size.
fn model(change: impl Fn(&mut File)) -> Vec<u8> {
    let mut file = File::byte_level();
    file.set_model("block_count", file::u32(LAYERS as u32));
    file.set_model("context_length", file::u32(1024));
    let layer: Vec<_> = file.tensors.iter().filter(|t| t.name.starts_with(b"blk.0.")).cloned().collect();
    for number in 1..LAYERS {
        for tensor in &layer {
            let mut tensor = tensor.clone();
            let name = String::from_utf8(tensor.name).unwrap().replacen("blk.0.", &format!("blk.{number}."), 1);
            tensor.name = name.into_bytes();
            file.tensors.push(tensor);
        }
    }
    change(&mut file);
    file.bytes()
}

struct Case {
    file: Vec<u8>,
    /// Where its key-values end: with the byte before that the tokenizer is built.
    text: usize,
    embedding: EmbeddingType,
    kv_type: KvType,
}

impl Case {
    fn new(file: Vec<u8>, embedding: EmbeddingType, kv_type: KvType) -> Self {
        use b158::gguf::{Decoder, Event, Limits};
        let (mut decoder, mut text) = (Decoder::new(Limits::default()), 0);
        loop {
            let (used, event) = decoder.push(&file[text..]).unwrap();
            text += used;
            if event == Event::Metadata {
                return Case { file, text, embedding, kv_type };
            }
        }
    }

    /// Everything that a conversation needs memory for.
    fn talk(&self, compute: Compute) -> Result<Vec<u32>> {
        let loaded = self.load(compute)?;
        // The caller's own, of one size for all models.
        let loaded = given(|| Arc::new(loaded));
        let options =
            SessionOptions { context: Some(600), kv_type: Some(self.kv_type), batch: 20, ..Default::default() };
        let mut session = Session::new(loaded, options)?;
        let prompt: Vec<u32> = given(|| (0..290).map(|i| i % 200).collect());
        let sampler = SamplerOptions { temperature: 1.0, ..Default::default() };
        session
            .start(&prompt, GenerateOptions { max_tokens: Some(3), ignore_end: true, sampler, ..Default::default() })?;
        let mut said = Vec::new();
        loop {
            match session.step(Duration::ZERO)? {
                Step::Prefill { .. } | Step::Pass => {}
                Step::Token { id, .. } => said.push(id),
                Step::Done(_) => break,
            }
        }
        let mut copy = session.try_clone()?;
        copy.restore(&session.save()?)?;
        Ok(said)
    }

    fn load(&self, compute: Compute) -> Result<Loaded> {
        let options =
            LoaderOptions { file_size: Some(self.file.len() as u64), embedding: self.embedding, ..Default::default() };
        let mut loader = Loader::new(compute, options);
        let (before, after) = self.file.split_at(self.text - 1);
        let (text, after) = after.split_at(1);
        before.chunks(1000).try_for_each(|chunk| loader.push(chunk))?;
        // The loader asks for all that the libraries will need; then they are given it.
        let asks = LEFT.load(SeqCst);
        if asks > 0 && asks < usize::MAX {
            given(|| {
                let before = threads();
                loader.push(text)?;
                while threads() > before {
                    std::thread::yield_now();
                }
                Ok(())
            })?;
            LEFT.store(asks - 1, SeqCst);
        } else {
            loader.push(text)?;
        }
        after.chunks(1000).try_for_each(|chunk| loader.push(chunk))?;
        loader.finish()
    }
}

/// One test, since the allocator is that of the harness too, which begins and reports others beside it.
#[test]
fn memory_may_run_out() {
    wait_for_harness();
    at_any_step();
    at_any_row_of_a_checkpoint();
}

fn at_any_step() {
    let plain = |_: &mut File| ();
    let tq = |file: &mut File| {
        (0..LAYERS).for_each(|i| file.retype(&format!("blk.{i}.ffn_down.weight"), file::TENSOR_TQ2_0));
        // Not one scale for all.
        let data = &mut file.tensor("blk.3.ffn_down.weight").data;
        let end = data.len() - 2;
        data[end..].copy_from_slice(&0x4000u16.to_le_bytes());
    };
    for (name, case) in [
        ("I2_S, f16 cache", Case::new(model(plain), EmbeddingType::File, KvType::F16)),
        ("TQ2_0, f32 cache", Case::new(model(tq), EmbeddingType::File, KvType::F32)),
        ("8-bit embedding and cache", Case::new(model(plain), EmbeddingType::Int8, KvType::Q8_0)),
    ] {
        let expected = case.talk(compute()).unwrap();
        let mut refusals = 0;
        for given in 0.. {
            // Threads are no matter of memory here: std starts them without asking.
            let with_threads = compute();
            // A panic or an abort is to say where it was.
            print!("{given} ");
            LEFT.store(given, SeqCst);
            let outcome = case.talk(with_threads);
            LEFT.store(usize::MAX, SeqCst);
            match outcome {
                Ok(said) => {
                    assert_eq!(said, expected);
                    break;
                }
                Err(error) => {
                    assert!(
                        matches!(&error, Error::OutOfMemory { what, bytes } if !what.is_empty() && *bytes > 0),
                        "{error:?}"
                    );
                    refusals += 1;
                }
            }
            if given % 64 == 0 {
                assert_eq!(case.talk(compute()).unwrap(), expected, "after {given} allocations");
            }
        }
        println!("\n{name}: {refusals} steps at which memory ran out, of {} large allocations", ASKED.swap(0, SeqCst));
        assert!(refusals > 100, "{refusals}");
    }
}

/// From the header on: texts are read by a parser that can't be told, which is given what it wants.
fn at_any_row_of_a_checkpoint() {
    for (name, files, linear) in [
        ("packed", checkpoint::s1a(), LinearType::I2S),
        ("masters", checkpoint::s1b(), LinearType::Tq1),
        ("of Llama", checkpoint::s1c(), LinearType::Tq2),
    ] {
        let options = Options { linear, ..Default::default() };
        let expected = checkpoint::convert(files.clone(), options).unwrap();
        let mut file = Vec::with_capacity(expected.len());
        let mut refusals = 0;
        for given in 0.. {
            let mut converter = Converter::new(files.clone(), options).unwrap();
            file.clear();
            LEFT.store(given, SeqCst);
            let outcome = loop {
                match converter.next_bytes() {
                    Ok(Some(bytes)) => file.extend_from_slice(bytes),
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            LEFT.store(usize::MAX, SeqCst);
            match outcome {
                Ok(()) => break,
                Err(error) => {
                    assert!(
                        matches!(&error, Error::OutOfMemory { what, bytes } if !what.is_empty() && *bytes > 0),
                        "{error:?}"
                    );
                    assert_eq!(converter.next_bytes(), Err(error), "with memory it is still the same error");
                    refusals += 1;
                }
            }
        }
        assert!(file == expected && refusals > 10, "{name}: {refusals} refusals");
    }
}

fn compute() -> Compute {
    Compute { pool: Pool::new(2), ..Compute::default() }
}
