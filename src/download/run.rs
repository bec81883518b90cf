//! One download from beginning to end.

use super::place::Place;
use super::request::{Failure, Progress, Request};
use super::{Sink, StoreError};
use std::marker::PhantomData;

/// A file that the sink has. Its place in the cache stays locked until [`keep`](Self::keep) or [`discard`](Self::discard); dropped,
/// it is kept.
pub struct Downloaded<P: Place> {
    /// How many it has.
    pub bytes: u64,
    /// Every byte came from the cache.
    pub cached: bool,
    /// What a person should know: why it is not kept, or whether it could not be asked for a newer one.
    pub notes: Vec<String>,
    place: PhantomData<P>,
}

impl<P: Place> Downloaded<P> {
    /// It stays in the cache.
    pub async fn keep(self) {}

    /// It leaves the cache: the engine has found that it is no model.
    pub async fn discard(self) {}
}

/// The file of `request` into `sink`, in order.
///
/// # Errors
/// [`Failure::Changed`] where it begins anew; those of the sink, and [`Error::Network`](crate::Error::Network),
/// [`WebPage`](crate::Error::WebPage), [`Integrity`](crate::Error::Integrity), [`Storage`](crate::Error::Storage) and
/// [`Quota`](crate::Error::Quota).
pub async fn download<P: Place, S: Sink>(
    place: &P,
    request: &Request,
    sink: &mut S,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<Downloaded<P>, Failure> {
    let _ = (place, request, on_progress, sink.expected_size(), StoreError::Other(String::new()));
    Err(crate::Error::Network { reason: "not yet".to_owned() }.into())
}
