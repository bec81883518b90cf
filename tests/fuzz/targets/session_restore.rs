//! Any bytes as a saved session: taken, they are what is saved again; refused, the session is as it was.
//!
//! Input: a byte of flags and the bytes. Flags: the type of the KV cache, whether the length is made right, whether the
//! checksum is, which no change by chance would ever pass.

use super::file::File;
use b158::Error;
use b158::kernels::Compute;
use b158::model::{KvType, Loaded, Loader, LoaderOptions};
use b158::session::{GenerateOptions, Session, SessionOptions, Step};
use std::cell::RefCell;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use twox_hash::XxHash3_128;

const LENGTH: usize = 16;
const CONTEXT: usize = 40;
const TOKENS: usize = 44;
const HEADER: usize = 48;
const CHECKSUM: usize = 16;

static MODEL: LazyLock<Arc<Loaded>> = LazyLock::new(|| {
    let mut loader = Loader::new(Compute::default(), LoaderOptions::default());
    loader.push(&File::new().bytes()).expect("a sound file");
    Arc::new(loader.finish().expect("a sound file"))
});

thread_local! {
    static SESSIONS: RefCell<Vec<(Session, Vec<u8>)>> = RefCell::new(
        [KvType::F16, KvType::F32, KvType::Q8_0].map(|kind| {
            let session = having_read(kind, &[1, 70]);
            let saved = session.save().expect("there is memory");
            (session, saved)
        }).into(),
    );
}

fn having_read(kv_type: KvType, tokens: &[u32]) -> Session {
    let options = SessionOptions { context: Some(8), kv_type: Some(kv_type), ..Default::default() };
    let mut session = Session::new(MODEL.clone(), options).expect("there is memory");
    go_on(&mut session, tokens);
    session
}

/// Reads a text, and generates a token after it. Keys and values that were made up may be so large that numbers end.
fn go_on(session: &mut Session, tokens: &[u32]) {
    session.start(tokens, GenerateOptions { max_tokens: Some(1), ..Default::default() }).expect("it fits");
    loop {
        match session.step(Duration::MAX) {
            Ok(Step::Done(_)) | Err(Error::NotFinite { .. }) => return,
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

pub fn run(input: &[u8]) {
    let Some((&flags, bytes)) = input.split_first() else { return };
    let mut bytes = bytes.to_vec();
    let length = bytes.len() as u64;
    if flags & 4 != 0 && bytes.len() >= HEADER {
        bytes[LENGTH..][..8].copy_from_slice(&length.to_le_bytes());
    }
    if flags & 8 != 0
        && let Some((body, checksum)) = bytes.split_last_chunk_mut::<CHECKSUM>()
    {
        *checksum = XxHash3_128::oneshot(body).to_le_bytes();
    }
    SESSIONS.with_borrow_mut(|sessions| {
        let (session, before) = &mut sessions[usize::from(flags & 3) % 3];
        match session.restore(&bytes) {
            Err(error) => {
                assert!(!error.to_string().is_empty());
                assert!(session.save().expect("there is memory") == *before, "changed, with {error}");
            }
            Ok(()) => {
                // All but the context, which is the session's own, and the checksum over it.
                let again = session.save().expect("there is memory");
                assert!(again[..CONTEXT] == bytes[..CONTEXT] && again.len() == bytes.len());
                assert!(again[TOKENS..again.len() - CHECKSUM] == bytes[TOKENS..bytes.len() - CHECKSUM]);
                let tokens = (again.len() - HEADER - CHECKSUM) / 4;
                let read = u32::from_le_bytes(again[TOKENS..HEADER].try_into().expect("four bytes")) as usize;
                let ids = again[HEADER..].as_chunks().0[..read.min(tokens)].iter().map(|id| u32::from_le_bytes(*id));
                let mut text: Vec<u32> = ids.take(6).collect();
                text.push(70);
                go_on(session, &text);
                session.restore(before).expect("its own");
            }
        }
    });
}

pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![b"\0b158-kv\n".to_vec()];
    for (number, kind) in [KvType::F16, KvType::F32, KvType::Q8_0].into_iter().enumerate() {
        for text in [&[1][..], &[1, 70, 71]] {
            let saved = having_read(kind, text).save().expect("there is memory");
            seeds.extend([0, 4 | 8].map(|flags| [&[number as u8 | flags], &saved[..]].concat()));
        }
    }
    seeds
}
