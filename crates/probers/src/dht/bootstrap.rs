//! Bootstrap: while too few nodes are known, resolves every configured name to all its addresses.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::runtime::Handle;
use tracing::{debug, info};

use crate::resolve::Resolver;
use crate::waker::Waker;
use seedwatch_clock::Mono;
use seedwatch_torrent::Family;
use seedwatch_torrent::Host;

/// The largest number of names.
pub(super) const MAX_NAMES: usize = 16;
/// The largest number of addresses used per name and family.
pub const MAX_ADDRESSES: usize = 16;
/// The time between the first two attempts. Each later wait is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest time between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// The addresses of one name over one family.
struct ResolvedName {
    family: Family,
    addresses: Vec<SocketAddr>,
}

/// Resolves the configured names, repeatedly while nodes are needed.
pub(super) struct Bootstrap {
    names: Vec<(Host, u16)>,
    resolver: Resolver,
    /// The runtime for name lookups.
    runtime: Handle,
    waker: Arc<Waker>,
    found: (mpsc::Sender<ResolvedName>, mpsc::Receiver<ResolvedName>),
    /// By [`Family::index`].
    attempts: [Attempts; 2],
}

impl Bootstrap {
    pub(super) fn new(
        names: Vec<(Host, u16)>,
        resolver: Resolver,
        runtime: Handle,
        waker: Arc<Waker>,
    ) -> Self {
        Self {
            names,
            resolver,
            runtime,
            waker,
            found: mpsc::channel(),
            attempts: Default::default(),
        }
    }

    /// Sets new names, which are tried at once.
    pub(super) fn configure(&mut self, names: Vec<(Host, u16)>) {
        if self.names != names {
            self.names = names;
            self.attempts.iter_mut().for_each(Attempts::restart);
        }
    }

    /// Begins an attempt if nodes are needed and it is due. Returns when to call again.
    pub(super) fn tend(&mut self, family: Family, needed: bool, now: Mono) -> Option<Mono> {
        let names = self.names.len().min(MAX_NAMES);
        let attempts = &mut self.attempts[family.index()];
        if attempts.begin(needed, names, now) {
            for (host, port) in self.names.iter().take(names) {
                self.look_up(family, host.clone(), *port);
            }
        }
        self.attempts[family.index()].next(needed && names > 0)
    }

    fn look_up(&self, family: Family, host: Host, port: u16) {
        let resolver = self.resolver.clone();
        let found = self.found.0.clone();
        let waker = Arc::clone(&self.waker);
        self.runtime.spawn(async move {
            let addresses = match resolver.resolve_host(&host).await {
                Ok(resolved) => {
                    let ips = resolved.of(family).into_iter().take(MAX_ADDRESSES);
                    ips.map(|ip| SocketAddr::new(ip, port)).collect()
                }
                Err(failed) => {
                    let reason = failed.reason.as_label();
                    debug!(%host, reason, "a bootstrap host of the DHT does not resolve");
                    Vec::new()
                }
            };
            // The worker may have ended.
            let _ = found.send(ResolvedName { family, addresses });
            waker.wake();
        });
    }

    /// Takes the addresses of one name.
    pub(super) fn take(&mut self) -> Option<(Family, Vec<SocketAddr>)> {
        let ResolvedName { family, addresses } = self.found.1.try_recv().ok()?;
        let attempts = &mut self.attempts[family.index()];
        if attempts.end_one(!addresses.is_empty()) {
            info!(
                family = family.as_label(),
                "no bootstrap host of the DHT has an address that can be reached"
            );
        }
        Some((family, addresses))
    }
}

/// The schedule of attempts of one family.
#[derive(Debug)]
struct Attempts {
    next: Mono,
    wait: Duration,
    /// The number of pending names in the current attempt.
    pending: usize,
    /// Whether the current attempt has found an address.
    fruitful: bool,
    /// Whether it was logged that no name leads anywhere.
    is_reported: bool,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            next: Mono(0),
            wait: FIRST_WAIT,
            pending: 0,
            fruitful: false,
            is_reported: false,
        }
    }
}

impl Attempts {
    /// Returns whether an attempt with `names` names begins now.
    fn begin(&mut self, needed: bool, names: usize, now: Mono) -> bool {
        if !needed {
            // The time of the next attempt stays, so that a need that comes and goes does not speed
            // up attempts.
            self.wait = FIRST_WAIT;
            return false;
        }
        if names == 0 || self.pending > 0 || now < self.next {
            return false;
        }
        self.next = now.after(self.wait);
        self.wait = (2 * self.wait).min(LONGEST_WAIT);
        self.pending = names;
        self.fruitful = false;
        true
    }

    /// Records the result of one name. Returns whether to log that no name leads anywhere, which is
    /// logged once until one does.
    fn end_one(&mut self, fruitful: bool) -> bool {
        self.pending = self.pending.saturating_sub(1);
        self.fruitful |= fruitful;
        if self.fruitful {
            self.is_reported = false;
        }
        let barren = self.pending == 0 && !self.fruitful;
        barren && !std::mem::replace(&mut self.is_reported, true)
    }

    /// Returns when to call [`Attempts::begin`] again.
    fn next(&self, needed: bool) -> Option<Mono> {
        (needed && self.pending == 0).then_some(self.next)
    }

    /// Resets the wait: the next attempt is the first.
    fn restart(&mut self) {
        self.next = Mono(0);
        self.wait = FIRST_WAIT;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_back_off() {
        let mut attempts = Attempts::default();
        let mut begun = Vec::new();
        for second in 0..1300 {
            if attempts.begin(true, 2, Mono(1000 * second)) {
                begun.push(second);
                assert!(!attempts.end_one(true) && !attempts.end_one(false));
            }
        }
        assert_eq!(begun, [0, 5, 15, 35, 75, 155, 315, 615, 915, 1215]);
        assert_eq!(attempts.next(true), Some(Mono(1_515_000)));
        assert_eq!(attempts.next(false), None);
    }

    #[test]
    fn a_recurring_need_waits_for_the_back_off() {
        let mut attempts = Attempts::default();
        assert!(!attempts.begin(false, 1, Mono(0)));
        assert!(attempts.begin(true, 1, Mono(0)));
        // The attempt is still running.
        assert!(!attempts.begin(true, 1, Mono(60_000)));
        assert_eq!(attempts.next(true), None);
        attempts.end_one(true);
        assert!(attempts.begin(true, 1, Mono(60_000)));
        attempts.end_one(true);
        assert!(!attempts.begin(false, 1, Mono(60_001)));
        assert!(!attempts.begin(true, 1, Mono(60_002)));
        assert!(attempts.begin(true, 1, Mono(70_000)));
        attempts.end_one(true);
        // After a reset, the second attempt follows soon.
        assert_eq!(attempts.next(true), Some(Mono(75_000)));
        attempts.restart();
        assert!(attempts.begin(true, 1, Mono(70_001)));
        assert!(!Attempts::default().begin(true, 0, Mono(0)));
    }

    #[test]
    fn fruitless_attempts_are_reported_once() {
        let mut attempts = Attempts::default();
        let mut attempt = |now, found: [bool; 2]| {
            assert!(attempts.begin(true, 2, Mono(now)));
            found.map(|fruitful| attempts.end_one(fruitful))
        };
        assert_eq!(attempt(0, [false, false]), [false, true]);
        assert_eq!(attempt(1_000_000, [false, false]), [false, false]);
        assert_eq!(attempt(2_000_000, [true, false]), [false, false]);
        assert_eq!(attempt(3_000_000, [false, false]), [false, true]);
    }
}
