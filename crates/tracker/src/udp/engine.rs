//! The UDP tracker protocol as a pure state machine: jobs, datagrams and the time go in; packets,
//! lookups and observations come out. No socket, no clock.
//!
//! # The way of a probe
//!
//! ```text
//!            ┌─ waiting ─┐            ┌─ ready ─┐         ┌─ flying ─┐
//! submit ──▶ │ address,  │ connected  │ window  │  poll   │ answer   │ on_datagram
//!            │ connect   │ ─────────▶ │         │ ──────▶ │          │ ──▶ next question
//!            └───────────┘            └─────────┘         └──────────┘     or observation
//!                  ▲                       ▲   retransmission   │
//!                  └── connection id old ──┴────────────────────┘
//! ```
//!
//! A lost packet costs a timer and a place in a table, nothing else: it blocks neither the window
//! nor other probes. See [`window`] and [`round_trip`].

mod answer;
mod arena;
mod outbox;
mod probe;
mod remote;
mod round_trip;
mod send;
mod transactions;
mod wheel;
mod window;

pub use outbox::Outbox;
pub use transactions::Random;

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Settings;
use super::codec::{self, Answer};
use crate::{Failed, Failure, Job, Observation, TrackerId};
use seedwatch_torrent::Family;
use seedwatch_torrent::{Scheme, TrackerUrl};

use arena::{Arena, Key};
use probe::{Place, Probe, Step};
use remote::{Connection, Link, Remote};
use transactions::{Owner, Spread, Transactions};
use wheel::Wheel;
use window::Window;

/// What the kernel means by `ENOBUFS`.
pub const NO_BUFFERS: &str = "no buffer space for packets";
/// Most packets that one [`Engine::poll`] hands out.
const MAX_BATCH: usize = 256;
/// Remotes nobody asked about for so long are forgotten.
const REMOTE_AGE: Duration = Duration::from_secs(3600);
/// Time between two looks for such remotes.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// Why a packet did not arrive, as the network says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undelivered {
    /// The port is closed: nobody is there.
    Refused,
    /// Host or network cannot be reached, says a router. This may pass (RFC 1122, 4.2.3.9).
    Unreachable,
    /// Our own kernel did not send it: no route, or its firewall forbids it.
    Unsent,
    /// Our own kernel had no memory for it.
    Lost,
}

/// A name that must be looked up.
#[derive(Debug, Clone)]
pub struct Lookup {
    /// Whose name.
    pub tracker: TrackerId,
    /// Holds the name.
    pub url: Arc<TrackerUrl>,
    /// How long name servers may be asked.
    pub limit: Duration,
}

/// Datagrams that were not what we expect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Oddities {
    /// They answer nothing we asked: late, doubled, forged or garbage. Ignored.
    pub stray: u64,
    /// They answer a request of ours from another address of the host. Accepted.
    pub foreign: u64,
}

/// The state machine of one address family.
#[derive(Debug)]
pub struct Engine {
    family: Family,
    settings: Settings,
    probes: Arena<Probe>,
    remotes: Arena<Remote>,
    by_tracker: HashMap<TrackerId, Key, BuildHasherDefault<Spread>>,
    transactions: Transactions,
    timers: Wheel<Owner>,
    /// Timers that just fired; kept for its memory.
    fired: Vec<Owner>,
    window: Window,
    /// Remotes that have something to send, each once.
    queue: VecDeque<Key>,
    /// Probes that stand in a `ready` queue.
    unsent: usize,
    lookups: Vec<Lookup>,
    observations: Vec<Observation>,
    oddities: Oddities,
    swept: Instant,
    closing: bool,
}

impl Engine {
    /// An engine at rest. `window` is the number of answers the receive buffer has room for.
    pub fn new(
        family: Family,
        settings: Settings,
        window: usize,
        random: Random,
        now: Instant,
    ) -> Self {
        Self {
            family,
            settings,
            probes: Arena::default(),
            remotes: Arena::default(),
            by_tracker: HashMap::default(),
            transactions: Transactions::new(random),
            timers: Wheel::new(now),
            fired: Vec::new(),
            window: Window::new(window),
            queue: VecDeque::new(),
            unsent: 0,
            lookups: Vec::new(),
            observations: Vec::new(),
            oddities: Oddities::default(),
            swept: now,
            closing: false,
        }
    }

    /// Settings for all questions from now on.
    pub fn configure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Takes a job. Its time starts now.
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
            let failed = Failed::new(Failure::Unsupported, "not for this prober");
            self.fail(probe, failed, now);
        }
    }

    /// Answers a [`Lookup`]: the addresses of this engine's family, and for how long name servers
    /// were asked unless it was answered from a cache. The rest of the time in which probes waited
    /// for it is not theirs.
    pub fn on_lookup(
        &mut self,
        tracker: TrackerId,
        result: Result<Vec<SocketAddr>, Failed>,
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
        let homeless = remote.addresses.current().is_none();
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
            // The time is told once, by the probe that waited longest.
            probe.phases.resolve = probe.phases.resolve.or(took.take());
            probe.resume(asked, now);
            probe.place = Place::Flying;
            if let Some(failed) = &failed {
                self.fail(key, failed.clone(), now);
            } else if homeless {
                let step = probe.homeless(&self.settings);
                self.advance(key, step, now);
            } else {
                self.route(key, now);
            }
        }
    }

    /// Takes a datagram. Nothing in it can do harm: what does not answer a request is ignored.
    pub fn on_datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        let Some(datagram) = codec::parse(bytes) else {
            self.oddities.stray += 1;
            return;
        };
        match self.transactions.owner(datagram.transaction) {
            Some(Owner::Probe(key)) => self.on_answer(key, from, &datagram.answer, now),
            Some(Owner::Remote(key)) => self.on_connected(key, from, &datagram.answer, now),
            None => self.oddities.stray += 1,
        }
    }

    /// Takes the beginning of a request of ours that did not arrive.
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
        // ICMP is as easily forged as any datagram; it must at least name the right address.
        if !remote.addresses.contains(to) {
            return;
        }
        match why {
            Undelivered::Unreachable => {
                remote.unreachable = Some(now);
                return;
            }
            // It is sent again as any lost packet is.
            Undelivered::Lost => {
                remote.lost = Some(now);
                return;
            }
            Undelivered::Refused | Undelivered::Unsent => {}
        }
        match owner {
            Some(Owner::Remote(_)) => self.on_connect_undelivered(key, why, now),
            // The connect that must follow tells what is true of the whole tracker.
            Some(Owner::Probe(probe)) => {
                if matches!(remote.link, Link::Up(connection) if connection.to == to) {
                    remote.link = Link::Down;
                }
                self.route(probe, now);
            }
            None => {}
        }
    }

    /// Fires what is due and writes the packets that may be sent now, at most 256. To be called
    /// again after they are sent, until it writes none.
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

    /// When [`Engine::poll`] should be called although nothing happened.
    pub fn next_timeout(&self) -> Option<Instant> {
        let timer = self.timers.next();
        let room = self.window.next_room().filter(|_| !self.queue.is_empty());
        timer.into_iter().chain(room).min()
    }

    /// Moves the observations made since the last call to the end of `to`.
    pub fn take_observations(&mut self, to: &mut Vec<Observation>) {
        to.append(&mut self.observations);
    }

    /// Takes the lookups wanted since the last call.
    pub fn take_lookups(&mut self) -> Vec<Lookup> {
        std::mem::take(&mut self.lookups)
    }

    /// Jobs that have not ended.
    pub fn active(&self) -> usize {
        self.probes.len()
    }

    /// Jobs that wait for the window only.
    pub fn unsent(&self) -> usize {
        self.unsent
    }

    /// What was odd so far.
    pub fn oddities(&self) -> Oddities {
        self.oddities
    }

    /// Takes no more jobs and drops those that leave no trace, without an observation: a probe cut
    /// short says nothing about its tracker. What was `started` is `stopped`, until `end`.
    pub fn close(&mut self, end: Instant, now: Instant) {
        self.closing = true;
        let keys: Vec<Key> = self.probes.keys().collect();
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

    /// Ends all jobs with a failure, after a fault of our own.
    pub fn wreck(mut self, now: Instant) -> Vec<Observation> {
        let keys: Vec<Key> = self.probes.keys().collect();
        for key in keys {
            let failed = Failed::new(Failure::Malformed, "the prober failed over some datagram");
            if let Some(probe) = self.probes.get(key) {
                let report = probe::report(&probe.job.ask, Err(failed));
                self.observations.push(probe.observation(report, None, now));
            }
        }
        self.observations
    }

    /// The remote of a job, perhaps a new one.
    fn remote(&mut self, job: &Job, now: Instant) -> Key {
        if let Some(key) = self.by_tracker.get(&job.tracker) {
            return *key;
        }
        if now.saturating_duration_since(self.swept) > SWEEP_EVERY {
            self.swept = now;
            let remotes = &mut self.remotes;
            self.by_tracker.retain(|_, key| {
                let forget = remotes
                    .get(*key)
                    .is_none_or(|remote| remote.is_forgettable(now, REMOTE_AGE));
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
