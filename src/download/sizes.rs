//! What is still to come of a split model, for its progress.

use super::place::Place;
use super::remote::Remote;
use super::request::Request;
use std::cell::RefCell;

/// Fills in the sizes that are not known yet, as far as the servers tell. One after the other: the download is more urgent.
pub(super) async fn part_sizes<P: Place>(place: &P, requests: &[Option<Request>], sizes: &RefCell<Vec<Option<u64>>>) {
    for (index, request) in requests.iter().enumerate() {
        let known = sizes.borrow().get(index).copied().flatten();
        let Some(request) = request.as_ref().filter(|request| known.is_none() && !request.offline) else { continue };
        let remote = Remote::new(place, request);
        // The download itself will say what is wrong.
        let Ok(answer) = remote.open(Some(0..1), None, place.tuning().stall_ms).await else { return };
        if let Some(size) = sizes.borrow_mut().get_mut(index) {
            *size = size.or(answer.version.size);
        }
    }
}
