//! Bytes and a cache in memory, with the promises of a browser's: one writer, everybody else may read, and a crash costs what was
//! not flushed.

use crate::clock::turn;
use b158::download::{Bytes, Catalog, Slot, Store, StoreError};
use sha2::{Digest, Sha256};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

thread_local! {
    static ALIVE: Cell<usize> = const { Cell::new(0) };
    static MOST_ALIVE: Cell<usize> = const { Cell::new(0) };
    static HASHING: Cell<usize> = const { Cell::new(0) };
    static MOST_HASHING: Cell<usize> = const { Cell::new(0) };
}

/// The most bytes that were held at a time since the last call.
pub(crate) fn most_alive() -> usize {
    MOST_ALIVE.with(|most| most.replace(ALIVE.get()))
}

/// The most hashes that were under way at a time since the last call.
pub(crate) fn most_hashing() -> usize {
    MOST_HASHING.with(|most| most.replace(HASHING.get()))
}

/// Bytes that the engine can't see, as in a browser: it must ask for a copy.
#[derive(Clone)]
pub(crate) struct Buffer {
    all: Rc<Memory>,
    range: Range<usize>,
}

struct Memory(RefCell<Vec<u8>>);

impl Drop for Memory {
    fn drop(&mut self) {
        ALIVE.set(ALIVE.get() - self.0.borrow().len());
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        ALIVE.set(ALIVE.get() + bytes.len());
        MOST_ALIVE.set(MOST_ALIVE.get().max(ALIVE.get()));
        let range = 0..bytes.len();
        Buffer { all: Rc::new(Memory(RefCell::new(bytes))), range }
    }
}

impl Buffer {
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        self.all.0.borrow()[self.range.clone()].to_vec()
    }
}

struct Hashing;

impl Drop for Hashing {
    fn drop(&mut self) {
        HASHING.set(HASHING.get() - 1);
    }
}

impl Bytes for Buffer {
    fn room(len: usize) -> b158::Result<Self> {
        assert!(len <= 64 << 20, "nobody needs {len} bytes");
        Ok(vec![0; len].into())
    }

    fn len(&self) -> usize {
        self.range.len()
    }

    fn slice(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len());
        let start = self.range.start;
        Buffer { all: self.all.clone(), range: start + range.start..start + range.end }
    }

    fn write(&mut self, at: usize, piece: &Self) {
        assert_eq!(Rc::strong_count(&self.all), 1, "somebody else has a slice of it");
        let piece = piece.to_vec();
        self.all.0.borrow_mut()[self.range.clone()][at..at + piece.len()].copy_from_slice(&piece);
    }

    fn read(&self, at: usize, out: &mut [u8]) {
        out.copy_from_slice(&self.all.0.borrow()[self.range.clone()][at..at + out.len()]);
    }

    async fn sha256(&self) -> [u8; 32] {
        HASHING.set(HASHING.get() + 1);
        MOST_HASHING.set(MOST_HASHING.get().max(HASHING.get()));
        let _hashing = Hashing;
        turn().await;
        turn().await;
        Sha256::digest(self.to_vec()).into()
    }
}

#[derive(Default, Clone)]
pub(crate) struct Files {
    pub(crate) data: Vec<u8>,
    pub(crate) journal: Vec<u8>,
    /// As they are on the disk.
    flushed: (Vec<u8>, Vec<u8>),
}

impl Files {
    pub(crate) fn new(data: Vec<u8>, journal: Vec<u8>) -> Self {
        Files { flushed: (data.clone(), journal.clone()), data, journal }
    }
}

#[derive(Default)]
struct State {
    files: RefCell<BTreeMap<String, Files>>,
    writers: RefCell<BTreeSet<String>>,
    quota: Cell<Option<usize>>,
    told: Cell<Option<u64>>,
    broken: RefCell<Option<String>>,
    /// Slots of before a crash write nothing any more.
    crashes: Cell<usize>,
}

/// A store that a test looks into.
#[derive(Clone, Default)]
pub(crate) struct MemoryStore(Rc<State>);

impl MemoryStore {
    /// Bytes that may be written in all, data and journals.
    pub(crate) fn set_quota(&self, bytes: usize) {
        self.0.quota.set(Some(bytes));
    }

    /// What it says of that; its word may be wrong.
    pub(crate) fn set_told(&self, bytes: u64) {
        self.0.told.set(Some(bytes));
    }

    /// There is no place for files, for this reason.
    pub(crate) fn set_broken(&self, reason: &str) {
        self.0.broken.replace(Some(reason.to_owned()));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.files.borrow().len()
    }

    pub(crate) fn writers(&self) -> usize {
        self.0.writers.borrow().len()
    }

    /// The only file that there is.
    pub(crate) fn only(&self) -> (String, Files) {
        let files = self.0.files.borrow();
        assert_eq!(files.len(), 1);
        files.iter().next().map(|(key, files)| (key.clone(), files.clone())).expect("there is one")
    }

    pub(crate) fn put(&self, key: &str, files: Files) {
        self.0.files.borrow_mut().insert(key.to_owned(), files);
    }

    pub(crate) fn clear(&self) {
        self.0.files.borrow_mut().clear();
    }

    /// Changes the data of the only file.
    pub(crate) fn damage(&self, at: usize, bytes: &[u8]) {
        let (key, mut files) = self.only();
        files.data[at..at + bytes.len()].copy_from_slice(bytes);
        self.put(&key, files);
    }

    /// Somebody else writes there.
    pub(crate) fn occupy(&self, key: &str) {
        self.0.writers.borrow_mut().insert(key.to_owned());
    }

    pub(crate) fn leave(&self, key: &str) {
        self.0.writers.borrow_mut().remove(key);
    }

    /// The machine stops. Of each file, what was not flushed is there as far as `luck` says, of so many bytes: locks are gone. To be
    /// called before the download is dropped.
    pub(crate) fn crash(&self, mut luck: impl FnMut(usize) -> usize) {
        self.0.crashes.set(self.0.crashes.get() + 1);
        self.0.writers.borrow_mut().clear();
        for files in self.0.files.borrow_mut().values_mut() {
            let (data, journal) = &files.flushed;
            files.data = torn(data, &files.data, &mut luck);
            files.journal = torn(journal, &files.journal, &mut luck);
            files.flushed = (files.data.clone(), files.journal.clone());
        }
    }
}

/// Up to some byte as it was to be, from there on as it was.
fn torn(flushed: &[u8], written: &[u8], luck: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    let common = flushed.iter().zip(written).take_while(|(a, b)| a == b).count();
    let end = common + luck(written.len() - common + 1);
    let mut bytes = written[..end].to_vec();
    if flushed.len() > end {
        bytes.extend(&flushed[end..]);
    }
    bytes
}

impl Store for MemoryStore {
    type Bytes = Buffer;
    type Slot = MemorySlot;

    async fn room(&self) -> Option<u64> {
        turn().await;
        self.0.told.get()
    }

    async fn open(&self, key: &str) -> Result<MemorySlot, StoreError> {
        turn().await;
        if let Some(reason) = &*self.0.broken.borrow() {
            return Err(StoreError::Other(reason.clone()));
        }
        let writable = self.0.writers.borrow_mut().insert(key.to_owned());
        if writable {
            self.0.files.borrow_mut().entry(key.to_owned()).or_default();
        }
        Ok(MemorySlot { store: self.clone(), key: key.to_owned(), writable, crashes: self.0.crashes.get() })
    }
}

impl Catalog for MemoryStore {
    async fn keys(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.0.files.borrow().keys().cloned().collect())
    }

    async fn journal(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        Ok(self.0.files.borrow().get(key).map(|files| files.journal.clone()).unwrap_or_default())
    }
}

pub(crate) struct MemorySlot {
    store: MemoryStore,
    key: String,
    writable: bool,
    crashes: usize,
}

impl MemorySlot {
    fn alive(&self) -> bool {
        self.crashes == self.store.0.crashes.get()
    }

    fn get<T>(&self, read: impl FnOnce(&Files) -> T) -> T {
        read(self.store.0.files.borrow().get(&self.key).unwrap_or(&Files::default()))
    }

    fn change(&self, change: impl FnOnce(&mut Files)) -> Result<(), StoreError> {
        if !self.writable {
            return Err(StoreError::Other("this slot is read only".to_owned()));
        }
        if self.alive()
            && let Some(files) = self.store.0.files.borrow_mut().get_mut(&self.key)
        {
            change(files);
        }
        Ok(())
    }

    fn check_quota(&self, more: usize) -> Result<(), StoreError> {
        let files = self.store.0.files.borrow();
        let all: usize = files.values().map(|files| files.data.len() + files.journal.len()).sum();
        if self.store.0.quota.get().is_some_and(|quota| all + more > quota) {
            return Err(StoreError::Quota("no more room".to_owned()));
        }
        Ok(())
    }
}

fn put(file: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let end = at as usize + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[at as usize..end].copy_from_slice(bytes);
}

impl Slot for MemorySlot {
    type Bytes = Buffer;

    fn writable(&self) -> bool {
        self.writable
    }

    async fn read_journal(&self) -> Result<Vec<u8>, StoreError> {
        turn().await;
        Ok(self.get(|files| files.journal.clone()))
    }

    fn write_journal(&self, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.check_quota((at as usize + bytes.len()).saturating_sub(self.get(|files| files.journal.len())))?;
        let text = String::from_utf8_lossy(bytes);
        let speaks_of_data = text.contains("\"part\":") || text.contains("\"complete\":");
        self.change(|files| {
            assert!(!speaks_of_data || files.flushed.0 == files.data, "the data comes first");
            put(&mut files.journal, at, bytes);
        })
    }

    fn cut_journal(&self, len: u64) -> Result<(), StoreError> {
        self.change(|files| files.journal.truncate(len as usize))
    }

    async fn read(&self, at: u64, len: usize) -> Result<Buffer, StoreError> {
        turn().await;
        Ok(self.get(|files| {
            let start = files.data.len().min(at as usize);
            files.data[start..files.data.len().min(start.saturating_add(len))].to_vec().into()
        }))
    }

    async fn write(&self, at: u64, bytes: &Buffer, sha256: Option<[u8; 32]>) -> Result<[u8; 32], StoreError> {
        let sha256 = match sha256 {
            Some(sha256) => sha256,
            None => bytes.sha256().await,
        };
        let bytes = bytes.to_vec();
        self.check_quota((at as usize + bytes.len()).saturating_sub(self.get(|files| files.data.len())))?;
        self.change(|files| put(&mut files.data, at, &bytes))?;
        Ok(sha256)
    }

    async fn cut(&self, len: u64) -> Result<(), StoreError> {
        self.change(|files| files.data.truncate(len as usize))
    }

    async fn flush(&self) -> Result<(), StoreError> {
        self.change(|files| files.flushed.0.clone_from(&files.data))
    }

    fn flush_journal(&self) -> Result<(), StoreError> {
        self.change(|files| files.flushed.1.clone_from(&files.journal))
    }

    async fn remove(self) -> Result<(), StoreError> {
        turn().await;
        assert!(self.writable);
        if self.alive() {
            self.store.0.files.borrow_mut().remove(&self.key);
        }
        Ok(())
    }
}

impl Drop for MemorySlot {
    fn drop(&mut self) {
        if self.writable && self.alive() {
            self.store.leave(&self.key);
        }
    }
}
