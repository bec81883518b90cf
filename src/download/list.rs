//! What is kept, for whoever wants to see or delete it.

use super::journal::Journal;
use super::place::{Catalog, Slot, StoreError};

/// A file in the cache, whole or in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached {
    /// Its name in the store.
    pub key: String,
    /// Where it came from.
    pub url: String,
    /// Bytes that are there.
    pub bytes: u64,
    /// Bytes in all, where known.
    pub total: Option<u64>,
    /// All of it is there.
    pub complete: bool,
    /// Milliseconds since 1970.
    pub last_used: u64,
    /// Of the whole, where somebody has checked it.
    pub sha256: Option<String>,
}

/// What there is, the last used first.
///
/// # Errors
/// Those of the store.
pub async fn list<C: Catalog>(catalog: &C) -> Result<Vec<Cached>, StoreError> {
    let mut files = Vec::new();
    for key in catalog.keys().await? {
        let Some(journal) = Journal::read(&catalog.journal(&key).await?) else { continue };
        let there = (journal.parts.len() as u64).saturating_mul(journal.head.part_bytes);
        let total = journal.complete.or(journal.head.size);
        files.push(Cached {
            key,
            bytes: journal.complete.unwrap_or(there.min(total.unwrap_or(u64::MAX))),
            total,
            complete: journal.complete.is_some(),
            last_used: journal.used,
            sha256: journal.sha256,
            url: journal.head.url,
        });
    }
    files.sort_by_key(|file| std::cmp::Reverse(file.last_used));
    Ok(files)
}

/// Deletes a file; false where there is none of this key.
///
/// # Errors
/// [`StoreError::Other`] while it is being loaded, here or elsewhere.
pub async fn delete<C: Catalog>(catalog: &C, key: &str) -> Result<bool, StoreError> {
    if !catalog.keys().await?.iter().any(|other| other == key) {
        return Ok(false);
    }
    let slot = catalog.open(key).await?;
    if !slot.writable() {
        let who = slot.occupant();
        let reason = format!("{who} is loading the model; delete it when that has ended");
        return Err(StoreError::Other(reason));
    }
    slot.remove().await?;
    Ok(true)
}
