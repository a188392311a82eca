//! Which lookup may ask the name servers now.
//!
//! A name that does not resolve holds its place until its time is over, and there may be hundreds
//! of them. So a lookup is a sequence of tries, each longer than the one before, and each kind of
//! try has places of its own. Names that never resolve fill the places of later tries; the first
//! try of a name that never failed waits for other first tries only, which are short.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Time of each try. Together they are the longest time that a lookup asks.
pub(super) const TRIES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(6),
];

/// Places for the first try of a name that has not failed lately.
const FIRST: usize = 64;
/// Places for the first try of a name that failed lately.
const AGAIN: usize = 16;
/// Places for each of the later tries.
const LATER: [usize; TRIES.len() - 1] = [24, 16];
/// Places for all tries of names on which more than one tracker depends.
const URGENT: usize = 8;
/// Lookups under way at once. Each is up to three questions, and each question a socket.
pub(super) const PLACES: usize = FIRST + AGAIN + LATER[0] + LATER[1] + URGENT;

/// How a lookup is ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    /// Canaries and bootstrap nodes of the DHT. Few, and written by the user.
    Urgent,
    /// A name that resolved when it was last asked for, or was never asked for.
    Fresh,
    /// A name that did not resolve when it was last asked for.
    Failed,
}

/// The places. Those who wait for the same kind get it in the order in which they came.
#[derive(Debug)]
pub(super) struct Queue {
    first: Arc<Semaphore>,
    again: Arc<Semaphore>,
    later: [Arc<Semaphore>; LATER.len()],
    urgent: Arc<Semaphore>,
}

impl Default for Queue {
    fn default() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            first: places(FIRST),
            again: places(AGAIN),
            later: LATER.map(places),
            urgent: places(URGENT),
        }
    }
}

impl Queue {
    /// Waits for a place for a try, counted from 0. `None` if the resolver is gone.
    pub(super) async fn enter(&self, rank: Rank, number: usize) -> Option<OwnedSemaphorePermit> {
        let places = match (rank, number.checked_sub(1)) {
            (Rank::Urgent, _) => &self.urgent,
            (Rank::Fresh, None) => &self.first,
            (Rank::Failed, None) => &self.again,
            (_, Some(later)) => self.later.get(later)?,
        };
        places.clone().acquire_owned().await.ok()
    }
}
