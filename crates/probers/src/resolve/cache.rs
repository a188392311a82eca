//! The cache of answers and pending lookups.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::KEEP_SHORTAGE;
use super::ROUTES_MAX_AGE;
use super::lookup::Answer;
use super::{KEEP_FAILURE, KEEP_FAILURE_LONGEST};
use seedwatch_torrent::Host;

/// The progress of a lookup, sent to all callers that wait for it.
#[derive(Debug, Clone)]
pub(super) enum Progress {
    /// It waits in our own queue.
    Queued,
    /// Name servers are being asked.
    Asking,
    /// It has ended.
    Done(Arc<Answer>),
}

pub(super) type Waiting = watch::Receiver<Progress>;

/// A bounded map from host to answer.
pub(super) struct Cache {
    capacity: usize,
    entries: Mutex<HashMap<Host, Entry>>,
}

enum Entry {
    Pending {
        waiting: Waiting,
        /// The number of failures in a row before this lookup.
        failures: u8,
    },
    Kept {
        found: Found,
        /// The number of failures in a row, with this one.
        failures: u8,
        expires: Instant,
        routes_seen: Instant,
    },
}

/// An answer, and those of its addresses that have a route.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) answer: Arc<Answer>,
    pub(super) routed: Arc<[IpAddr]>,
}

impl Found {
    pub(super) fn new(answer: Arc<Answer>, has_route: impl Fn(&IpAddr) -> bool) -> Self {
        let routed = match &answer.addresses {
            Ok(known) => known.iter().copied().filter(|ip| has_route(ip)).collect(),
            Err(_) => Arc::default(),
        };
        Self { answer, routed }
    }
}

impl Entry {
    fn failures(&self) -> u8 {
        match self {
            Entry::Pending { failures, .. } | Entry::Kept { failures, .. } => *failures,
        }
    }
}

/// Returns how long a failure is kept after `failures` others in a row. A name that never resolves
/// is looked up less and less often.
fn back_off(keep: Duration, failures: u8) -> Duration {
    let factor = 1 << failures.min(8);
    keep.max((KEEP_FAILURE * factor).min(KEEP_FAILURE_LONGEST))
}

/// The state of a host in the cache.
pub(super) enum Hit {
    /// A valid answer.
    Found(Found),
    /// Another caller is looking it up.
    Wait(Waiting),
    /// No answer: this caller must look it up, and all other callers now wait for it.
    Miss {
        sender: watch::Sender<Progress>,
        /// Whether the name did not resolve in the last lookup.
        has_failed: bool,
    },
}

impl Cache {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: Mutex::default(),
        }
    }

    pub(super) fn get(
        &self,
        host: &Host,
        now: Instant,
        has_route: impl Fn(&IpAddr) -> bool,
    ) -> Hit {
        let mut entries = self.lock();
        match entries.get_mut(host) {
            // A lookup whose task has ended with its runtime must not block the name.
            Some(Entry::Pending { waiting, .. }) if waiting.has_changed().is_ok() => {
                return Hit::Wait(waiting.clone());
            }
            Some(Entry::Kept {
                found,
                expires,
                routes_seen,
                ..
            }) if *expires > now => {
                if now.saturating_duration_since(*routes_seen) > ROUTES_MAX_AGE {
                    *found = Found::new(found.answer.clone(), has_route);
                    *routes_seen = now;
                }
                return Hit::Found(found.clone());
            }
            _ => {}
        }
        if entries.len() >= self.capacity && !entries.contains_key(host) {
            make_room(&mut entries, now);
        }
        let failures = entries.get(host).map_or(0, Entry::failures);
        let (sender, waiting) = watch::channel(Progress::Queued);
        entries.insert(host.clone(), Entry::Pending { waiting, failures });
        Hit::Miss {
            sender,
            has_failed: failures > 0,
        }
    }

    /// Stores an answer. Its routes are checked when it is first used.
    pub(super) fn put(&self, host: &Host, answer: Arc<Answer>, now: Instant) {
        let mut entries = self.lock();
        let (failures, keep) = match answer.addresses {
            Ok(_) => (0, answer.keep),
            // No name server was asked.
            Err(ref failed) if failed.is_ours => {
                let before = entries.get(host).map_or(0, Entry::failures);
                (before, KEEP_SHORTAGE)
            }
            Err(_) => {
                let before = entries.get(host).map_or(0, Entry::failures);
                (before.saturating_add(1), back_off(answer.keep, before))
            }
        };
        let expires = now + keep;
        let routed = answer.addresses.as_deref().unwrap_or_default().into();
        let entry = Entry::Kept {
            found: Found { answer, routed },
            failures,
            expires,
            routes_seen: now.checked_sub(2 * ROUTES_MAX_AGE).unwrap_or(now),
        };
        entries.insert(host.clone(), entry);
    }

    /// Drops the entry of a lookup that no caller waits for.
    pub(super) fn abandon_if_unwanted(
        &self,
        host: &Host,
        sender: &watch::Sender<Progress>,
    ) -> bool {
        let mut entries = self.lock();
        // The entry itself holds one receiver.
        let unwanted = sender.receiver_count() <= 1;
        if unwanted {
            entries.remove(host);
        }
        unwanted
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Host, Entry>> {
        // No code that holds the lock can panic half-way through a change.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops expired entries, or else the entry that would expire first. Pending lookups stay: the
/// callers that wait bound their number.
fn make_room(entries: &mut HashMap<Host, Entry>, now: Instant) {
    let before = entries.len();
    entries.retain(|_, entry| !matches!(entry, Entry::Kept { expires, .. } if *expires <= now));
    if entries.len() < before {
        return;
    }
    let first = entries
        .iter()
        .filter_map(|(host, entry)| match entry {
            Entry::Kept { expires, .. } => Some((*expires, host)),
            Entry::Pending { .. } => None,
        })
        .min_by_key(|(expires, _)| *expires)
        .map(|(_, host)| host.clone());
    if let Some(host) = first {
        entries.remove(&host);
    }
}
