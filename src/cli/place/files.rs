//! The cache: a folder for each file, in it `data` and `journal`, as in a browser's private file system.
//!
//! One process at a time writes a file. It holds the lock of `KEY/lock` as long as its [`Slot`] lives, and the system lets go of
//! it with the process, however that ends. Others read meanwhile. That lock is taken, and the folder deleted, under the lock of
//! the cache's own `lock`: nobody is left with the lock of a file that has no name any more.
//!
//! Nothing waits for the disk (`fsync`). A process that ends leaves what it has written to the system. After a power cut data
//! may be missing that the journal tells of, and is fetched again: each part is held against its hash when it is read.

use super::bytes::{Piece, beside, room};
use crate::cli::terminal;
use b158::download::{self, Catalog, Slot, Store, StoreError};
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const DATA: &str = "data";
const JOURNAL: &str = "journal";
const LOCK: &str = "lock";

/// The folder of the cache.
pub(crate) struct Files {
    folder: PathBuf,
}

impl Files {
    /// The folder that `B158_CACHE` names, else where the system keeps caches.
    pub(crate) fn folder() -> Result<PathBuf, StoreError> {
        folder_of(|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
    }

    /// With what is there; nothing is made before something is to be written.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Files { folder }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// Where the file with this key lies.
    pub(crate) fn data(&self, key: &str) -> PathBuf {
        self.folder.join(key).join(DATA)
    }

    /// Bytes that its folder takes.
    pub(crate) fn size(&self, key: &str) -> u64 {
        let size = |name| fs::metadata(self.folder.join(key).join(name)).map_or(0, |found| found.len());
        size(DATA) + size(JOURNAL)
    }

    /// Whoever has it may take and delete files' folders.
    fn lock(&self) -> Result<File, StoreError> {
        fs::create_dir_all(&self.folder).map_err(|e| failed(&self.folder, &e))?;
        let path = self.folder.join(LOCK);
        let lock = open(&path).and_then(|file| file.lock().map(|()| file));
        lock.map_err(|e| failed(&path, &e))
    }

    fn writable(&self, key: &str) -> Result<Option<FileSlot>, StoreError> {
        let all = self.lock()?;
        let folder = self.folder.join(key);
        fs::create_dir_all(&folder).map_err(|e| failed(&folder, &e))?;
        let path = folder.join(LOCK);
        let lock = open(&path).map_err(|e| failed(&path, &e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(failed(&path, &error)),
        }
        drop(all);
        let opened = |name| open(&folder.join(name)).map_err(|e| failed(&folder.join(name), &e));
        Ok(Some(FileSlot {
            data: Some(Positioned::new(opened(DATA)?)),
            journal: Some(Positioned::new(opened(JOURNAL)?)),
            writer: Some(lock),
            store: Files::new(self.folder.clone()),
            folder,
        }))
    }

    fn readable(&self, key: &str) -> FileSlot {
        let folder = self.folder.join(key);
        let opened = |name| File::open(folder.join(name)).ok().map(Positioned::new);
        FileSlot {
            data: opened(DATA),
            journal: opened(JOURNAL),
            writer: None,
            store: Files::new(self.folder.clone()),
            folder,
        }
    }

    /// Why nothing can be written or deleted here, if so.
    pub(crate) fn check_writable(&self) -> Result<(), StoreError> {
        self.lock().map(drop)
    }
}

impl Store for Files {
    type Bytes = Piece;
    type Slot = FileSlot;

    async fn room(&self) -> Option<u64> {
        fs4::available_space(&self.folder).ok()
    }

    async fn open(&self, key: &str) -> Result<FileSlot, StoreError> {
        match self.writable(key) {
            Ok(Some(slot)) => Ok(slot),
            Ok(None) => Ok(self.readable(key)),
            // A cache that can only be read is of use, too, for what is whole there.
            Err(error) => {
                let cached = download::list(self).await.unwrap_or_default();
                let whole = cached.iter().any(|file| file.key == key && file.complete);
                if whole { Ok(self.readable(key)) } else { Err(error) }
            }
        }
    }
}

impl Catalog for Files {
    async fn keys(&self) -> Result<Vec<String>, StoreError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(&self.folder, &error)),
        };
        let mut keys = Vec::new();
        for entry in entries {
            let name = entry.map_err(|e| failed(&self.folder, &e))?.file_name();
            keys.extend(name.into_string().ok().filter(|name| is_key(name)));
        }
        Ok(keys)
    }

    async fn journal(&self, key: &str) -> Result<Vec<u8>, StoreError> {
        self.readable(key).read_journal().await
    }
}

/// Whether a folder of this name is ours.
fn is_key(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// The place of one file.
pub(crate) struct FileSlot {
    data: Option<Positioned>,
    journal: Option<Positioned>,
    /// The lock, which goes with it.
    writer: Option<File>,
    store: Files,
    folder: PathBuf,
}

impl FileSlot {
    fn to_write<'a>(&self, file: &'a Option<Positioned>) -> Result<&'a Positioned, StoreError> {
        match (file, &self.writer) {
            (Some(file), Some(_)) => Ok(file),
            _ => Err(StoreError::Other(format!("{} is open for reading alone", terminal::path(&self.folder)))),
        }
    }

    fn write_at(&self, file: &Option<Positioned>, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.to_write(file)?.write(at, bytes).map_err(|e| failed(&self.folder, &e))
    }

    fn cut_at(&self, file: &Option<Positioned>, len: u64) -> Result<(), StoreError> {
        self.to_write(file)?.cut(len).map_err(|e| failed(&self.folder, &e))
    }
}

impl Slot for FileSlot {
    type Bytes = Piece;

    fn writable(&self) -> bool {
        self.writer.is_some()
    }

    fn occupant(&self) -> &'static str {
        "another process"
    }

    async fn read_journal(&self) -> Result<Vec<u8>, StoreError> {
        let Some(journal) = &self.journal else { return Ok(Vec::new()) };
        journal.read_all().map_err(|e| failed(&self.folder, &e))
    }

    fn write_journal(&self, at: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.write_at(&self.journal, at, bytes)
    }

    fn cut_journal(&self, len: u64) -> Result<(), StoreError> {
        self.cut_at(&self.journal, len)
    }

    async fn read(&self, at: u64, len: usize) -> Result<Piece, StoreError> {
        let Some(data) = self.data.clone() else { return Ok(Piece::default()) };
        // What is read is held against its hash, which is cheapest while it is in the processor's cache.
        let piece = beside(move || data.read(at, len).map(Piece::hashed)).await;
        piece.map_err(|e| failed(&self.folder, &e))
    }

    async fn write(&self, at: u64, bytes: &Piece, sha256: Option<[u8; 32]>) -> Result<[u8; 32], StoreError> {
        let (data, piece) = (self.to_write(&self.data)?.clone(), bytes.clone());
        let written = beside(move || {
            data.write(at, piece.bytes())?;
            Ok(sha256.unwrap_or_else(|| piece.sha256_here()))
        });
        written.await.map_err(|e| failed(&self.folder, &e))
    }

    async fn cut(&self, len: u64) -> Result<(), StoreError> {
        self.cut_at(&self.data, len)
    }

    async fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn flush_journal(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn remove(mut self) -> Result<(), StoreError> {
        self.to_write(&self.data)?;
        let _all = self.store.lock()?;
        // Some systems keep the folder of a file that is open. Nobody takes the lock meanwhile.
        (self.data, self.journal, self.writer) = (None, None, None);
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(&self.folder, &error)),
            _ => Ok(()),
        }
    }
}

/// A file that is read and written at places, by several threads.
#[derive(Clone)]
struct Positioned(Arc<Mutex<File>>);

impl Positioned {
    fn new(file: File) -> Self {
        Positioned(Arc::new(Mutex::new(file)))
    }

    fn at<T>(&self, at: u64, work: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
        // Each begins at a place of its own: a thread that panicked has left nothing behind.
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(at))?;
        work(&mut file)
    }

    fn read(&self, at: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = room(len).ok_or(ErrorKind::OutOfMemory)?;
        self.at(at, |file| file.take(len as u64).read_to_end(&mut bytes))?;
        Ok(bytes)
    }

    fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.at(0, |file| file.read_to_end(&mut bytes))?;
        Ok(bytes)
    }

    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.at(at, |file| file.write_all(bytes))
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.at(0, |file| file.set_len(len))
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}

fn failed(path: &Path, error: &io::Error) -> StoreError {
    let what = format!("{}: {error}", terminal::path(path));
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => StoreError::Quota(what),
        _ => StoreError::Other(what),
    }
}

fn folder_of(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf, StoreError> {
    if let Some(folder) = variable("B158_CACHE") {
        return Ok(folder);
    }
    let caches = if cfg!(windows) {
        variable("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        variable("HOME").map(|home| home.join("Library").join("Caches"))
    } else {
        // What is no absolute path counts for nothing, as the specification has it.
        variable("XDG_CACHE_HOME")
            .filter(|folder| folder.is_absolute())
            .or_else(|| variable("HOME").map(|home| home.join(".cache")))
    };
    let none = || StoreError::Other("there is no folder for caches: name one in B158_CACHE".to_owned());
    Ok(caches.ok_or_else(none)?.join("b158"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use b158::download::Bytes;
    use futures::executor::block_on;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn empty(name: &str) -> Files {
        let folder = std::env::temp_dir().join(format!("b158-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        Files::new(folder)
    }

    #[test]
    fn the_cache_is_where_the_system_has_caches() {
        let folder = |set: &[(&str, &str)]| {
            folder_of(|name| set.iter().find(|(other, _)| *other == name).map(|(_, value)| PathBuf::from(value)))
        };
        assert_eq!(folder(&[("B158_CACHE", "here"), ("HOME", "/h")]), Ok("here".into()));
        assert!(folder(&[]).is_err_and(|error| error.to_string().contains("B158_CACHE")));
        if cfg!(all(unix, not(target_os = "macos"))) {
            assert_eq!(folder(&[("HOME", "/h")]), Ok("/h/.cache/b158".into()));
            assert_eq!(folder(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]), Ok("/x/b158".into()));
            assert_eq!(folder(&[("HOME", "/h"), ("XDG_CACHE_HOME", "x")]), Ok("/h/.cache/b158".into()));
        }
    }

    #[test]
    fn one_writes_and_the_others_read_until_it_has_gone() {
        let files = empty("slots");
        block_on(async {
            let slot = files.open(KEY).await.unwrap();
            let hash = slot.write(3, &Piece::from(vec![1, 2, 3]), None).await.unwrap();
            assert_eq!(hash, Piece::from(vec![1, 2, 3]).sha256().await);
            assert_eq!(slot.write(3, &Piece::from(vec![1, 2, 3]), Some([7; 32])).await, Ok([7; 32]));
            slot.write_journal(0, b"line\n").unwrap();
            let reader = files.open(KEY).await.unwrap();
            assert!(slot.writable() && !reader.writable());
            assert!(reader.write(0, &Piece::from(vec![1]), None).await.is_err() && reader.cut_journal(0).is_err());
            // Fewer bytes where the file ends before.
            assert_eq!(reader.read(2, 10).await.unwrap().as_slice(), Some(&[0, 1, 2, 3][..]));
            assert_eq!(reader.read_journal().await.unwrap(), b"line\n");
            assert!(download::delete(&files, KEY).await.is_err() && reader.remove().await.is_err());
            slot.cut(4).await.unwrap();
            slot.cut_journal(2).unwrap();
            drop(slot);
            let slot = files.open(KEY).await.unwrap();
            assert!(slot.writable());
            let read = (slot.read(0, 9).await.unwrap().len(), slot.read_journal().await.unwrap());
            assert_eq!(read, (4, b"li".to_vec()));
            slot.remove().await.unwrap();
            assert_eq!(files.keys().await.unwrap(), Vec::<String>::new());
            assert!(!download::delete(&files, KEY).await.unwrap());
            // What is not ours stays.
            fs::create_dir(files.path().join("mine")).unwrap();
            assert!(files.open(KEY).await.unwrap().writable());
            assert!(download::delete(&files, KEY).await.unwrap() && files.path().join("mine").exists());
        });
        fs::remove_dir_all(files.path()).unwrap();
    }

    #[test]
    fn a_cache_that_can_not_be_is_an_error_that_names_it() {
        let files = empty("file");
        File::options().write(true).create_new(true).open(files.path()).unwrap();
        let error = block_on(files.open(KEY)).err().unwrap();
        assert!(error.to_string().contains("b158-file-"), "{error}");
        fs::remove_file(files.path()).unwrap();
    }

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let told = |kind: ErrorKind| matches!(failed(Path::new("x"), &kind.into()), StoreError::Quota(_));
        assert!(told(ErrorKind::StorageFull) && told(ErrorKind::QuotaExceeded) && !told(ErrorKind::PermissionDenied));
    }
}
