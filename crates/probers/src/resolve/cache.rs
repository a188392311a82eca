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

/// Pending lookups, and a bounded cache of answers.
pub(super) struct Cache {
    /// Held during every change of `kept`, so that each host has one lookup at a time.
    pending: Mutex<HashMap<Host, Waiting>>,
    /// Expired answers stay until they are replaced, with their number of failures.
    kept: moka::sync::Cache<Host, Kept>,
}

#[derive(Clone)]
struct Kept {
    found: Found,
    /// The number of failures in a row, with this one.
    failures: u8,
    expires: Instant,
    routes_seen: Instant,
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
        let kept = moka::sync::Cache::builder()
            .max_capacity(capacity as u64)
            .eviction_policy(moka::policy::EvictionPolicy::lru())
            .build();
        Self {
            pending: Mutex::default(),
            kept,
        }
    }

    pub(super) fn get(
        &self,
        host: &Host,
        now: Instant,
        has_route: impl Fn(&IpAddr) -> bool,
    ) -> Hit {
        let mut pending = self.lock();
        // A lookup whose task has ended with its runtime must not block the name.
        if let Some(waiting) = pending.get(host)
            && waiting.has_changed().is_ok()
        {
            return Hit::Wait(waiting.clone());
        }
        let kept = self.kept.get(host);
        let failures = kept.as_ref().map_or(0, |kept| kept.failures);
        if let Some(mut kept) = kept.filter(|kept| kept.expires > now) {
            if now.saturating_duration_since(kept.routes_seen) > ROUTES_MAX_AGE {
                kept.found = Found::new(kept.found.answer, has_route);
                kept.routes_seen = now;
                self.kept.insert(host.clone(), kept.clone());
            }
            return Hit::Found(kept.found);
        }
        let (sender, waiting) = watch::channel(Progress::Queued);
        pending.insert(host.clone(), waiting);
        Hit::Miss {
            sender,
            has_failed: failures > 0,
        }
    }

    /// Stores an answer. Its routes are checked when it is first used.
    pub(super) fn put(&self, host: &Host, answer: Arc<Answer>, now: Instant) {
        let mut pending = self.lock();
        let before = self.kept.get(host).map_or(0, |kept| kept.failures);
        let (failures, keep) = match answer.addresses {
            Ok(_) => (0, answer.keep),
            // No name server was asked.
            Err(ref failed) if failed.is_ours => (before, KEEP_SHORTAGE),
            Err(_) => (before.saturating_add(1), back_off(answer.keep, before)),
        };
        let expires = now + keep;
        let routed = answer.addresses.as_deref().unwrap_or_default().into();
        let kept = Kept {
            found: Found { answer, routed },
            failures,
            expires,
            routes_seen: now.checked_sub(2 * ROUTES_MAX_AGE).unwrap_or(now),
        };
        self.kept.insert(host.clone(), kept);
        pending.remove(host);
    }

    /// Drops the entry of a lookup that no caller waits for.
    pub(super) fn abandon_if_unwanted(
        &self,
        host: &Host,
        sender: &watch::Sender<Progress>,
    ) -> bool {
        let mut pending = self.lock();
        // The entry itself holds one receiver.
        let unwanted = sender.receiver_count() <= 1;
        if unwanted {
            pending.remove(host);
        }
        unwanted
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Host, Waiting>> {
        // No code that holds the lock can panic half-way through a change.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
