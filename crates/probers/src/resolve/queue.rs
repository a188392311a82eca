//! The queue of lookups: decides which may ask the name servers now.
//!
//! A name that does not resolve holds its permit until its time is over, and there may be hundreds.
//! So a lookup is a sequence of tries, each longer than the one before, and each kind of try has
//! its own permits. Names that never resolve fill the permits of later tries. The first try of a
//! name that never failed waits only for other first tries, which are short.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The time limit of each try. Their sum is the time limit of a lookup.
pub(super) const TRIES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(6),
];

/// Permits for the first try of a name that has not failed recently.
const FIRST: usize = 64;
/// Permits for the first try of a name that has failed recently.
const AGAIN: usize = 16;
/// Permits for each of the later tries.
const LATER: [usize; TRIES.len() - 1] = [24, 16];
/// Permits for all tries of names that more than one tracker depends on.
const URGENT: usize = 8;
/// The largest number of concurrent lookups. Each sends up to three queries with a socket each.
pub(super) const PERMITS: usize = FIRST + AGAIN + LATER[0] + LATER[1] + URGENT;

/// The priority of a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    /// Canaries and bootstrap nodes of the DHT: few names from the configuration.
    Urgent,
    /// A name that resolved in the last lookup, or is new.
    Fresh,
    /// A name that did not resolve in the last lookup.
    Failed,
}

/// The permits. Lookups that wait for the same kind get them in order.
#[derive(Debug)]
pub(super) struct Queue {
    first: Arc<Semaphore>,
    again: Arc<Semaphore>,
    later: [Arc<Semaphore>; LATER.len()],
    urgent: Arc<Semaphore>,
}

impl Default for Queue {
    fn default() -> Self {
        let permits = |count| Arc::new(Semaphore::new(count));
        Self {
            first: permits(FIRST),
            again: permits(AGAIN),
            later: LATER.map(permits),
            urgent: permits(URGENT),
        }
    }
}

impl Queue {
    /// Waits for the permit of a try, counted from 0. `None` if the resolver is gone.
    pub(super) async fn enter(&self, rank: Rank, number: usize) -> Option<OwnedSemaphorePermit> {
        let permits = match (rank, number.checked_sub(1)) {
            (Rank::Urgent, _) => &self.urgent,
            (Rank::Fresh, None) => &self.first,
            (Rank::Failed, None) => &self.again,
            (_, Some(later)) => self.later.get(later)?,
        };
        permits.clone().acquire_owned().await.ok()
    }
}
