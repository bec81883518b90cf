//! Room for connections: where it is all taken, who has asked nothing for longest makes room for who comes.

use super::connection::Peer;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Connections at a time. Systems let a program have a thousand files.
const MOST: usize = 512;

/// Who is sent away goes at once, but for one that has begun a request: then the next is asked.
const PATIENCE: Duration = Duration::from_millis(50);

pub(super) struct Places {
    free: Arc<Semaphore>,
    taken: Mutex<Vec<Arc<Peer>>>,
}

/// A connection's place; free again when this is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    peer: Arc<Peer>,
    _permit: OwnedSemaphorePermit,
}

impl Default for Places {
    fn default() -> Self {
        Places { free: Arc::new(Semaphore::new(MOST)), taken: Mutex::default() }
    }
}

impl Places {
    /// Waits as long as on all connections something is asked.
    pub(super) async fn take(self: &Arc<Self>, peer: Arc<Peer>) -> Place {
        let permit = loop {
            let free = Arc::clone(&self.free);
            if let Ok(permit) = Arc::clone(&free).try_acquire_owned() {
                break permit;
            }
            self.make_room();
            if let Ok(Ok(permit)) = timeout(PATIENCE, free.acquire_owned()).await {
                break permit;
            }
        };
        self.peers().push(Arc::clone(&peer));
        Place { places: Arc::clone(self), peer, _permit: permit }
    }

    /// Sends the connection away on which nothing has been asked for longest.
    pub(super) fn make_room(&self) {
        let peers = self.peers();
        let idle = peers.iter().filter_map(|peer| Some((peer.idle_since()?, peer)));
        if let Some((_, peer)) = idle.min_by_key(|(since, _)| *since) {
            peer.send_away();
        }
    }

    /// Returns when all connections have ended.
    pub(super) async fn all_free(&self) {
        let all = u32::try_from(MOST).unwrap_or(u32::MAX);
        let _ = self.free.acquire_many(all).await;
    }

    fn peers(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Peer>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(super) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.peers().retain(|peer| !Arc::ptr_eq(peer, &self.peer));
    }
}
