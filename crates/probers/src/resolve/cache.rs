//! Answers kept, and lookups under way.

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

/// How far a lookup is. Told to all callers that wait for it.
#[derive(Debug, Clone)]
pub(super) enum Progress {
    /// It waits for a place in our own queue.
    Queued,
    /// Name servers are asked.
    Asking,
    /// It is over.
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
        /// Failures in a row before.
        failures: u8,
    },
    Kept {
        found: Found,
        /// Failures in a row, this one included.
        failures: u8,
        expires: Instant,
        routes_seen: Instant,
    },
}

/// An answer with those of its addresses that have a route.
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

/// How long a failure is kept after so many others in a row: a name that never resolves costs a
/// lookup ever more seldom.
fn back_off(keep: Duration, failures: u8) -> Duration {
    let factor = 1 << failures.min(8);
    keep.max((KEEP_FAILURE * factor).min(KEEP_FAILURE_LONGEST))
}

/// What the cache knows of a host.
pub(super) enum Hit {
    /// An answer that still holds.
    Found(Found),
    /// Somebody is looking it up.
    Wait(Waiting),
    /// Nothing: the caller must look it up, and all other callers now wait for it.
    Miss {
        sender: watch::Sender<Progress>,
        /// The name did not resolve when it was last asked for.
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
            // A lookup whose task is gone (runtime shut down in between) must not block the name.
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

    /// Keeps an answer. Its routes are looked at when it is first asked for.
    pub(super) fn put(&self, host: &Host, answer: Arc<Answer>, now: Instant) {
        let mut entries = self.lock();
        let (failures, keep) = match answer.addresses {
            Ok(_) => (0, answer.keep),
            // The name servers were not asked.
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

    /// Drops the entry of a lookup that nobody waits for any more.
    pub(super) fn abandon_if_unwanted(
        &self,
        host: &Host,
        sender: &watch::Sender<Progress>,
    ) -> bool {
        let mut entries = self.lock();
        // One receiver is the entry's own.
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

/// Drops what has expired, or else the kept entry that would expire first. Lookups under way are
/// left: their number is bounded by who waits for them.
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
