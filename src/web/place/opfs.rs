//! The cache in the origin's private file system: a folder for each file. Only in a worker: only there are files written in place.

use super::super::executor::spawn;
use super::clock::Timers;
use super::keeper::Keeper;
use super::locks::{self, Lock};
use super::{Buffer, name};
use crate::download::{Bytes, Clock, Slot, Store, StoreError};
use futures::channel::oneshot;
use futures::future::{Either, select};
use js_sys::{ArrayBuffer, Function, Promise, Reflect, Uint8Array, global};
use std::cell::OnceCell;
use std::pin::pin;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    File, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions, FileSystemGetFileOptions,
    FileSystemReadWriteOptions, FileSystemRemoveOptions, FileSystemSyncAccessHandle, StorageEstimate,
};

const FOLDER: &str = "b158-models";
const DATA: &str = "data";
const JOURNAL: &str = "journal";
/// A worker that was ended keeps its lock and its files open for a moment.
const PATIENCE_MS: u64 = 2000;
/// Between two tries to open a file.
const RETRY_MS: u64 = 50;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = ["navigator", "storage"], js_name = getDirectory, catch)]
    fn get_directory() -> Result<Promise, JsValue>;
    #[wasm_bindgen(js_namespace = ["navigator", "storage"], js_name = estimate, catch)]
    fn estimate() -> Result<Promise, JsValue>;
}

/// The folder of all files.
#[derive(Debug)]
pub(crate) struct Opfs {
    folder: FileSystemDirectoryHandle,
    keepers: Option<Function>,
}

impl Opfs {
    /// The error says why there is no such file system, or no safe way to use it.
    pub(super) async fn open(keepers: Option<Function>) -> Result<Self, StoreError> {
        if let Some(why) = why_not() {
            return Err(StoreError::Other(why.to_owned()));
        }
        let root: FileSystemDirectoryHandle = settled(get_directory()?).await?;
        Ok(Opfs { folder: folder_in(&root, FOLDER).await?, keepers })
    }
}

fn why_not() -> Option<&'static str> {
    let global = global();
    // Outside of browsers nobody says it.
    if property(&global, &["isSecureContext"]) == JsValue::FALSE {
        return Some("this page is not in a secure context (https or localhost)");
    }
    let is_there = |path: &[&str]| property(&global, path).is_truthy();
    if !is_there(&["navigator", "storage", "getDirectory"]) || !is_there(&["navigator", "locks"]) {
        return Some("this browser gives pages no private file system (navigator.storage)");
    }
    if !is_there(&["FileSystemFileHandle", "prototype", "createSyncAccessHandle"]) {
        return Some("this browser writes no files in place");
    }
    None
}

/// A property's property's property; undefined where there is none.
fn property(of: &JsValue, path: &[&str]) -> JsValue {
    path.iter().fold(of.clone(), |of, name| Reflect::get(&of, &(*name).into()).unwrap_or_default())
}

/// What a promise gives, in the type that its API says.
async fn settled<T: JsCast>(promise: Promise) -> Result<T, JsValue> {
    JsFuture::from(promise).await?.dyn_into()
}

async fn folder_in(folder: &FileSystemDirectoryHandle, name: &str) -> Result<FileSystemDirectoryHandle, JsValue> {
    let options = FileSystemGetDirectoryOptions::new();
    options.set_create(true);
    settled(folder.get_directory_handle_with_options(name, &options)).await
}

/// Nobody says where `estimate` is missing, as in workers of Safari 16.
pub(super) async fn room() -> Option<u64> {
    let estimate: StorageEstimate = JsFuture::from(estimate().ok()?).await.ok()?.unchecked_into();
    let (quota, usage) = (estimate.get_quota()?, estimate.get_usage()?);
    Some((quota - usage).max(0.0) as u64)
}

impl Store for Opfs {
    type Bytes = Buffer;
    type Slot = OpfsSlot;

    async fn room(&self) -> Option<u64> {
        room().await
    }

    async fn open(&self, key: &str) -> Result<OpfsSlot, StoreError> {
        let folder = self.folder.clone();
        let name = format!("{FOLDER}/{key}");
        // It comes while the lock is waited for.
        let keeper = self.keepers.as_ref().and_then(|keepers| Keeper::start(keepers).ok());
        let lock = pin!(locks::acquire(&name));
        let clock = Timers::default();
        let late = pin!(clock.sleep(PATIENCE_MS));
        match select(lock, late).await {
            Either::Left((lock, _)) => {
                let files = to_its_end(Writable::open(folder, key.to_owned(), lock?, keeper)).await?;
                Ok(OpfsSlot::Writable(files))
            }
            Either::Right(_) => Ok(OpfsSlot::ReadOnly(ReadOnly { folder, key: key.to_owned(), data: OnceCell::new() })),
        }
    }
}

/// Goes on when nobody waits for it any more, and lets go of what comes of it then: files that are half open would stay so.
async fn to_its_end<T: 'static>(work: impl Future<Output = Result<T, StoreError>> + 'static) -> Result<T, StoreError> {
    let (give, given) = oneshot::channel();
    spawn(async move {
        let _ = give.send(work.await);
    });
    given.await.unwrap_or_else(|_| Err(StoreError::Other("this worker is ending".to_owned())))
}

/// The place of one file.
#[derive(Debug)]
pub(crate) enum OpfsSlot {
    /// This worker writes there.
    Writable(Writable),
    /// Another one does.
    ReadOnly(ReadOnly),
}

/// A file that is written in place. Closed when it is dropped.
#[derive(Debug)]
struct InPlace(FileSystemSyncAccessHandle);

impl Drop for InPlace {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl InPlace {
    /// Makes it where it is not there.
    async fn open(folder: &FileSystemDirectoryHandle, name: &str) -> Result<Self, StoreError> {
        let options = FileSystemGetFileOptions::new();
        options.set_create(true);
        let handle: FileSystemFileHandle = settled(folder.get_file_handle_with_options(name, &options)).await?;
        let clock = Timers::default();
        let begun = clock.now();
        let file = loop {
            match settled(handle.create_sync_access_handle()).await {
                Ok(file) => break InPlace(file),
                Err(thrown)
                    if self::name(&thrown).as_deref() == Some("NoModificationAllowedError")
                        && clock.now() - begun <= PATIENCE_MS as f64 =>
                {
                    clock.sleep(RETRY_MS).await;
                }
                Err(thrown) => return Err(thrown.into()),
            }
        };
        file.size()?;
        Ok(file)
    }

    fn size(&self) -> Result<u64, StoreError> {
        let size = self.0.get_size()?;
        // Before the standard was final, a promise.
        if size.is_nan() {
            return Err(StoreError::Other("this browser writes no files in place".to_owned()));
        }
        Ok(size as u64)
    }

    fn read(&self, at: u64, len: usize) -> Result<Buffer, StoreError> {
        let bytes = Buffer::unwritten(len)?;
        let read = self.0.read_with_js_u8_array_and_options(bytes.as_js(), &position(at))?;
        Ok(bytes.slice(0..read as usize))
    }

    fn write(&self, at: u64, bytes: &Buffer) -> Result<(), StoreError> {
        let written = self.0.write_with_js_u8_array_and_options(bytes.as_js(), &position(at))?;
        // Chromium writes what there is room for, and does not throw.
        if written != bytes.len() as f64 {
            return Err(StoreError::Quota("the browser gives this site no more room".to_owned()));
        }
        Ok(())
    }

    fn cut(&self, len: u64) -> Result<(), StoreError> {
        Ok(self.0.truncate_with_f64(len as f64)?)
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(self.0.flush()?)
    }
}

fn position(at: u64) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at(at as f64);
    options
}

/// The bytes of a model: read and written beside this worker, where that can be.
#[derive(Debug)]
enum Data {
    Beside(Keeper),
    Here(InPlace),
}

impl Data {
    async fn open(keeper: Option<Keeper>, files: &FileSystemDirectoryHandle, key: &str) -> Result<Self, StoreError> {
        if let Some(keeper) = keeper
            && keeper.open([FOLDER, key], DATA).await.is_ok()
        {
            return Ok(Data::Beside(keeper));
        }
        InPlace::open(files, DATA).await.map(Data::Here)
    }

    async fn read(&self, at: u64, len: usize) -> Result<Buffer, StoreError> {
        match self {
            Data::Beside(keeper) => keeper.read(at, len).await,
            Data::Here(file) => file.read(at, len),
        }
    }

    async fn write(&self, at: u64, bytes: &Buffer, sha256: Option<[u8; 32]>) -> Result<[u8; 32], StoreError> {
        match (self, sha256) {
            (Data::Beside(keeper), sha256) => keeper.write(at, bytes, sha256).await,
            (Data::Here(file), Some(sha256)) => file.write(at, bytes).map(|()| sha256),
            (Data::Here(file), None) => {
                let sha256 = bytes.sha256().await;
                file.write(at, bytes).map(|()| sha256)
            }
        }
    }

    async fn cut(&self, len: u64) -> Result<(), StoreError> {
        match self {
            Data::Beside(keeper) => keeper.cut(len).await,
            Data::Here(file) => file.cut(len),
        }
    }

    async fn flush(&self) -> Result<(), StoreError> {
        match self {
            Data::Beside(keeper) => keeper.flush().await,
            Data::Here(file) => file.flush(),
        }
    }
}

/// Both files open, behind the lock.
#[derive(Debug)]
pub(crate) struct Writable {
    /// There until it is let go.
    data: Option<Data>,
    journal: Option<InPlace>,
    folder: FileSystemDirectoryHandle,
    key: String,
    /// The last to go.
    lock: Option<Lock>,
}

impl Drop for Writable {
    fn drop(&mut self) {
        self.journal = None;
        if let Some(Data::Beside(keeper)) = self.data.take() {
            keeper.close_behind(self.lock.take());
        }
    }
}

impl Writable {
    async fn open(
        folder: FileSystemDirectoryHandle,
        key: String,
        lock: Lock,
        keeper: Option<Keeper>,
    ) -> Result<Self, StoreError> {
        let files = folder_in(&folder, &key).await?;
        let data = Some(Data::open(keeper, &files, &key).await?);
        let journal = Some(InPlace::open(&files, JOURNAL).await?);
        Ok(Writable { data, journal, folder, key, lock: Some(lock) })
    }

    fn data(&self) -> Result<&Data, StoreError> {
        self.data.as_ref().ok_or_else(occupied)
    }

    fn journal(&self) -> Result<&InPlace, StoreError> {
        self.journal.as_ref().ok_or_else(occupied)
    }

    async fn remove(mut self) -> Result<(), StoreError> {
        self.journal = None;
        if let Some(Data::Beside(keeper)) = self.data.take() {
            keeper.close().await;
        }
        let (folder, key, lock) = (self.folder.clone(), self.key.clone(), self.lock.take());
        let options = FileSystemRemoveOptions::new();
        options.set_recursive(true);
        let removed = JsFuture::from(folder.remove_entry_with_options(&key, &options)).await;
        drop(lock);
        removed?;
        Ok(())
    }
}

/// A part that the other one writes while it is read has another hash, or fails, and counts as missing.
#[derive(Debug)]
pub(crate) struct ReadOnly {
    folder: FileSystemDirectoryHandle,
    key: String,
    data: OnceCell<File>,
}

impl ReadOnly {
    /// `None` where there is none.
    async fn file(&self, name: &str) -> Result<Option<File>, StoreError> {
        let Some(files) = found(self.folder.get_directory_handle(&self.key)).await? else { return Ok(None) };
        let files: FileSystemDirectoryHandle = files.unchecked_into();
        let Some(handle) = found(files.get_file_handle(name)).await? else { return Ok(None) };
        Ok(found(handle.unchecked_into::<FileSystemFileHandle>().get_file()).await?.map(JsCast::unchecked_into))
    }

    async fn read_journal(&self) -> Result<Vec<u8>, StoreError> {
        let Some(file) = self.file(JOURNAL).await? else { return Ok(Vec::new()) };
        Ok(Buffer::from(contents(file.array_buffer()).await?).to_vec()?)
    }

    async fn read(&self, at: u64, len: usize) -> Result<Buffer, StoreError> {
        if self.data.get().is_none()
            && let Some(file) = self.file(DATA).await?
        {
            let _ = self.data.set(file);
        }
        let Some(file) = self.data.get() else { return Ok(Uint8Array::new_with_length(0).into()) };
        let piece = file.slice_with_f64_and_f64(at as f64, at as f64 + len as f64)?;
        Ok(contents(piece.array_buffer()).await?.into())
    }
}

async fn found(promise: Promise) -> Result<Option<JsValue>, JsValue> {
    match JsFuture::from(promise).await {
        Ok(found) => Ok(Some(found)),
        Err(thrown) if name(&thrown).as_deref() == Some("NotFoundError") => Ok(None),
        Err(thrown) => Err(thrown),
    }
}

/// What a file's promise of its bytes gives.
pub(crate) async fn contents(buffer: Promise) -> Result<Uint8Array, JsValue> {
    let buffer: ArrayBuffer = settled(buffer).await?;
    Ok(Uint8Array::new(&buffer))
}

impl OpfsSlot {
    fn written(&self) -> Result<&Writable, StoreError> {
        match self {
            OpfsSlot::Writable(files) => Ok(files),
            OpfsSlot::ReadOnly(_) => Err(occupied()),
        }
    }
}

fn occupied() -> StoreError {
    StoreError::Other("another tab writes there".to_owned())
}

impl Slot for OpfsSlot {
    type Bytes = Buffer;

    fn writable(&self) -> bool {
        matches!(self, OpfsSlot::Writable(_))
    }

    async fn read_journal(&self) -> Result<Vec<u8>, StoreError> {
        match self {
            OpfsSlot::Writable(files) => {
                let journal = files.journal()?;
                Ok(journal.read(0, journal.size()? as usize)?.to_vec()?)
            }
            OpfsSlot::ReadOnly(files) => files.read_journal().await,
        }
    }

    fn write_journal(&self, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let bytes = Buffer::copied(bytes)?;
        self.written()?.journal()?.write(at, &bytes)
    }

    fn cut_journal(&self, len: u64) -> Result<(), StoreError> {
        self.written()?.journal()?.cut(len)
    }

    async fn read(&self, at: u64, len: usize) -> Result<Buffer, StoreError> {
        match self {
            OpfsSlot::Writable(files) => files.data()?.read(at, len).await,
            OpfsSlot::ReadOnly(files) => files.read(at, len).await,
        }
    }

    async fn write(&self, at: u64, bytes: &Buffer, sha256: Option<[u8; 32]>) -> Result<[u8; 32], StoreError> {
        self.written()?.data()?.write(at, bytes, sha256).await
    }

    async fn cut(&self, len: u64) -> Result<(), StoreError> {
        self.written()?.data()?.cut(len).await
    }

    async fn flush(&self) -> Result<(), StoreError> {
        self.written()?.data()?.flush().await
    }

    fn flush_journal(&self) -> Result<(), StoreError> {
        self.written()?.journal()?.flush()
    }

    async fn remove(self) -> Result<(), StoreError> {
        match self {
            OpfsSlot::Writable(files) => to_its_end(files.remove()).await,
            OpfsSlot::ReadOnly(_) => Err(occupied()),
        }
    }
}
