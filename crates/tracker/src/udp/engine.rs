//! The UDP tracker protocol as a pure state machine. It takes jobs, datagrams and the time, and
//! returns packets, name lookups and observations. It knows no socket and no clock. The time is an
//! [`Instant`], because a round trip in a local network is shorter than the millisecond of `Mono`.
//!
//! # States of a probe
//!
//! ```text
//!            ┌─ waiting ─┐            ┌─ ready ─┐         ┌in flight ┐
//! submit ──▶ │ address,  │ connected  │ window  │  poll   │ answer   │ on_datagram
//!            │ connect   │ ─────────▶ │         │ ──────▶ │          │ ──▶ next request
//!            └───────────┘            └─────────┘         └──────────┘     or observation
//!                  ▲                       ▲   retransmission   │
//!                  └── connection id old ──┴────────────────────┘
//! ```
//!
//! A lost packet costs a timer and a table entry. It blocks neither the window nor other probes.
//! See [`send_window`] and [`round_trip`].

mod answer;
mod outbox;
mod probe;
mod remote;
mod round_trip;
mod send;
mod send_window;
mod timer_wheel;
mod transactions;

pub use outbox::Outbox;

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Settings;
use super::codec::{self, ResponseBody};
use crate::{FailureReason, Job, Observation, ProbeError, TrackerId};
use seedwatch_torrent::Family;
use seedwatch_torrent::{Scheme, TrackerUrl};

use slotmap::SlotMap;

use probe::{Probe, QueueState, Step};
use remote::{Connection, Link, Remote};
pub use send_window::MAX_HOLD;
use send_window::SendWindow;
use timer_wheel::TimerWheel;
use transactions::{IdHasher, Owner, Transactions};

/// The text for `ENOBUFS`.
pub const NO_BUFFERS: &str = "no buffer space for packets";
/// The largest number of packets that one [`Engine::poll`] writes.
const MAX_BATCH: usize = 256;
/// A remote without jobs is forgotten after this time.
const REMOTE_TTL: Duration = Duration::from_secs(3600);
/// The time between two searches for such remotes.
const FORGET_INTERVAL: Duration = Duration::from_secs(600);

slotmap::new_key_type! {
    /// The key of a probe. It may outlive its probe, and then leads to no other.
    struct ProbeKey;
    /// The key of a remote.
    struct RemoteKey;
}

/// Why a packet did not arrive, as the network or the kernel reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undelivered {
    /// The port is closed.
    Refused,
    /// A router reports that the host or network is unreachable. This may be temporary (RFC 1122,
    /// 4.2.3.9).
    Unreachable,
    /// Our own kernel did not send it: there is no route, or a firewall rule forbids it.
    Unsent,
    /// Our own kernel had no memory for it.
    Lost,
}

/// A name that must be looked up.
#[derive(Debug, Clone)]
pub struct NameLookup {
    /// The tracker.
    pub tracker: TrackerId,
    /// Its URL, which has the name.
    pub url: Arc<TrackerUrl>,
    /// The time limit of the lookup.
    pub limit: Duration,
}

/// Counts of unexpected datagrams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DatagramStats {
    /// Ignored because they answer no pending request: late, duplicated, forged or garbage.
    pub stray: u64,
    /// Accepted although they come from another address of the host.
    pub foreign: u64,
}

/// The state machine of one address family.
#[derive(Debug)]
pub struct Engine {
    family: Family,
    settings: Settings,
    probes: SlotMap<ProbeKey, Probe>,
    remotes: SlotMap<RemoteKey, Remote>,
    by_tracker: HashMap<TrackerId, RemoteKey, BuildHasherDefault<IdHasher>>,
    transactions: Transactions,
    timers: TimerWheel<Owner>,
    /// Timers that just fired; kept between calls to reuse its memory.
    fired: Vec<Owner>,
    window: SendWindow,
    /// Remotes with something to send, each once.
    queue: VecDeque<RemoteKey>,
    /// The number of probes in `ready` queues.
    unsent: usize,
    lookups: Vec<NameLookup>,
    observations: Vec<Observation>,
    datagram_stats: DatagramStats,
    forgot_at: Instant,
    closing: bool,
}

impl Engine {
    /// Returns an engine without jobs. `window` is the number of answers that the receive buffer
    /// holds. `seed` must be unpredictable: transaction ids are drawn from it.
    pub fn new(
        family: Family,
        settings: Settings,
        window: usize,
        seed: [u8; 32],
        now: Instant,
    ) -> Self {
        Self {
            family,
            settings,
            probes: SlotMap::with_key(),
            remotes: SlotMap::with_key(),
            by_tracker: HashMap::default(),
            transactions: Transactions::new(seed),
            timers: TimerWheel::new(now),
            fired: Vec::new(),
            window: SendWindow::new(window),
            queue: VecDeque::new(),
            unsent: 0,
            lookups: Vec::new(),
            observations: Vec::new(),
            datagram_stats: DatagramStats::default(),
            forgot_at: now,
            closing: false,
        }
    }

    /// Uses these settings for all requests from now on.
    pub fn configure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Starts a job. Its timeout runs from `now`.
    pub fn submit(&mut self, job: Job, now: Instant) {
        if self.closing {
            return;
        }
        let remote = self.remote(&job, now);
        let speaks_udp = job.url.scheme() == Scheme::Udp && job.family == self.family;
        let probe = self.probes.insert(Probe::new(job, remote, now));
        if speaks_udp {
            self.route(probe, now);
        } else {
            let failed = ProbeError::new(FailureReason::Unsupported, "not for this prober");
            self.fail(probe, failed, now);
        }
    }

    /// Takes the result of a [`NameLookup`]: the addresses of this engine's family. `took` is the
    /// time that name servers needed; `None` if a cache answered. Only this time counts against the
    /// probes that waited.
    pub fn on_lookup(
        &mut self,
        tracker: TrackerId,
        result: Result<Vec<SocketAddr>, ProbeError>,
        took: Option<Duration>,
        now: Instant,
    ) {
        let Some(&key) = self.by_tracker.get(&tracker) else {
            return;
        };
        let Some(remote) = self.remotes.get_mut(key) else {
            return;
        };
        let failed = match result {
            Ok(list) => {
                remote.addresses.set(list, now);
                None
            }
            Err(failed) => remote.addresses.keep(&failed, now).then_some(failed),
        };
        let no_address = remote.addresses.current().is_none();
        if let Link::Up(Connection { to, .. }) = remote.link
            && !remote.addresses.contains(to)
        {
            remote.link = Link::Down;
        }
        let asked = took.unwrap_or_default();
        let mut took = took;
        for key in std::mem::take(&mut remote.waiting) {
            let Some(probe) = self.probes.get_mut(key) else {
                continue;
            };
            // The time is reported once, by the probe that waited longest.
            probe.phases.resolve = probe.phases.resolve.or(took.take());
            probe.resume(asked, now);
            probe.queue_state = QueueState::InFlight;
            if let Some(failed) = &failed {
                self.fail(key, failed.clone(), now);
            } else if no_address {
                let step = probe.no_address(&self.settings);
                self.advance(key, step, now);
            } else {
                self.route(key, now);
            }
        }
    }

    /// Takes a datagram. Ignores it unless it answers a pending request.
    pub fn on_datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        let Some(datagram) = codec::parse(bytes) else {
            self.datagram_stats.stray += 1;
            return;
        };
        match self.transactions.owner(datagram.transaction) {
            Some(Owner::Probe(key)) => self.on_answer(key, from, &datagram.answer, now),
            Some(Owner::Remote(key)) => self.on_connected(key, from, &datagram.answer, now),
            None => self.datagram_stats.stray += 1,
        }
    }

    /// Takes the beginning of a request that did not arrive.
    pub fn on_undelivered(
        &mut self,
        to: SocketAddr,
        packet: &[u8],
        why: Undelivered,
        now: Instant,
    ) {
        let owner = codec::transaction_of_request(packet)
            .and_then(|transaction| self.transactions.owner(transaction));
        let remote = match owner {
            Some(Owner::Remote(remote)) => Some(remote),
            Some(Owner::Probe(probe)) => self.probes.get(probe).map(|probe| probe.remote),
            None => None,
        };
        let Some((key, remote)) = remote.and_then(|key| Some((key, self.remotes.get_mut(key)?)))
        else {
            return;
        };
        // ICMP is as easily forged as any datagram. It must at least carry the right address.
        if !remote.addresses.contains(to) {
            return;
        }
        match why {
            Undelivered::Unreachable => {
                remote.unreachable = Some(now);
                return;
            }
            // The retransmission timer sends it again, as any lost packet.
            Undelivered::Lost => {
                remote.lost = Some(now);
                return;
            }
            Undelivered::Refused | Undelivered::Unsent => {}
        }
        match owner {
            Some(Owner::Remote(_)) => self.on_connect_undelivered(key, why, now),
            // The connect that follows shows whether this holds for the whole tracker.
            Some(Owner::Probe(probe)) => {
                if matches!(remote.link, Link::Up(connection) if connection.to == to) {
                    remote.link = Link::Down;
                }
                self.route(probe, now);
            }
            None => {}
        }
    }

    /// Fires due timers and writes the packets that may be sent now, at most 256. The caller sends
    /// them and calls again until it writes none.
    pub fn poll(&mut self, now: Instant, out: &mut Outbox) {
        let mut fired = std::mem::take(&mut self.fired);
        self.timers.expire(now, &mut fired);
        for owner in fired.drain(..) {
            match owner {
                Owner::Probe(key) => self.on_probe_timer(key, now),
                Owner::Remote(key) => self.on_remote_timer(key, now),
            }
        }
        self.fired = fired;
        let mut room = self.window.room(now).min(MAX_BATCH);
        while room > 0
            && let Some(remote) = self.queue.pop_front()
        {
            room -= self.send_from(remote, room, now, out);
        }
    }

    /// Returns when [`Engine::poll`] must be called again if nothing else happens.
    pub fn next_timeout(&self) -> Option<Instant> {
        let timer = self.timers.next();
        let room = self.window.next_room().filter(|_| !self.queue.is_empty());
        timer.into_iter().chain(room).min()
    }

    /// Moves the observations made since the last call to the end of `to`.
    pub fn take_observations(&mut self, to: &mut Vec<Observation>) {
        to.append(&mut self.observations);
    }

    /// Takes the lookups requested since the last call.
    pub fn take_lookups(&mut self) -> Vec<NameLookup> {
        std::mem::take(&mut self.lookups)
    }

    /// Returns the number of jobs that have not ended.
    pub fn active(&self) -> usize {
        self.probes.len()
    }

    /// Returns the number of jobs that wait only for the window.
    pub fn unsent(&self) -> usize {
        self.unsent
    }

    /// Returns the counts of unexpected datagrams since the start.
    pub fn datagram_stats(&self) -> DatagramStats {
        self.datagram_stats
    }

    /// Takes no more jobs. Drops jobs that left no trace at a tracker, without an observation,
    /// because a probe cut short says nothing about its tracker. Sends `stopped` where `started`
    /// was sent, until `end`.
    pub fn close(&mut self, end: Instant, now: Instant) {
        self.closing = true;
        let keys: Vec<ProbeKey> = self.probes.keys().collect();
        for key in keys {
            let Some(probe) = self.probes.get_mut(key) else {
                continue;
            };
            probe.resume(Duration::ZERO, now);
            match probe.cut_short(end) {
                Some(step) => self.advance(key, step, now),
                None if probe.due > end => self.arm(key, end),
                None => {}
            }
        }
    }

    /// Ends all jobs with a failure, after a bug in the prober.
    pub fn abort_all(mut self, now: Instant) -> Vec<Observation> {
        let keys: Vec<ProbeKey> = self.probes.keys().collect();
        for key in keys {
            let failed = ProbeError::new(
                FailureReason::Malformed,
                "the prober failed over some datagram",
            );
            if let Some(probe) = self.probes.get(key) {
                let report = probe::report(&probe.job.request, Err(failed));
                self.observations.push(probe.observation(report, None, now));
            }
        }
        self.observations
    }

    /// Returns the remote of a job. Creates it if needed.
    fn remote(&mut self, job: &Job, now: Instant) -> RemoteKey {
        if let Some(key) = self.by_tracker.get(&job.tracker) {
            return *key;
        }
        if now.saturating_duration_since(self.forgot_at) > FORGET_INTERVAL {
            self.forgot_at = now;
            let remotes = &mut self.remotes;
            self.by_tracker.retain(|_, key| {
                let forget = remotes
                    .get(*key)
                    .is_none_or(|remote| remote.is_forgettable(now, REMOTE_TTL));
                if forget {
                    remotes.remove(*key);
                }
                !forget
            });
        }
        let key = self
            .remotes
            .insert(Remote::new(job.tracker, Arc::clone(&job.url), now));
        self.by_tracker.insert(job.tracker, key);
        key
    }
}

#[cfg(test)]
mod tests;
