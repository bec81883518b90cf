//! The native program, as a person or a script uses it.
#![cfg(all(feature = "cli", not(target_family = "wasm")))]

#[path = "../common/mod.rs"]
mod common;

mod cache;
mod check;
mod checkpoints;
mod commands;
mod conversation;
#[cfg(unix)]
mod documents;
mod downloads;
mod embeddings;
mod escapes;
mod files;
mod form;
mod options;
mod pack;
mod pipes;
mod release;
mod server;

use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/stories-I2_S.gguf");
const GOLDEN_A: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/A.gguf");
const PROMPT: &str = common::TOLD[0].0;
/// What the model says to that at temperature 0.
const STORY: &str = common::TOLD[0].1;

fn b158(args: &[impl AsRef<OsStr>], input: impl AsRef<[u8]>) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_b158"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that has ended for a reason of its own takes no more.
    let _ = child.stdin.take().unwrap().write_all(input.as_ref());
    child.wait_with_output().unwrap()
}

/// Standard output of a run that succeeds.
fn out(args: &[&str], input: &str) -> String {
    let output = b158(args, input);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Standard error of a run that fails, and says nothing on standard output.
fn refusal(args: &[&str]) -> String {
    let output = b158(args, "");
    assert!(!output.status.success(), "{args:?} succeeded");
    assert!(output.stdout.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

/// What was said on standard error, or printed.
fn said(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn temporary(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}
