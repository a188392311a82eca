//! One tracker over one family: its addresses, its connection id, and who waits for them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::arena::Key;
use super::round_trip::RoundTrip;
use super::window::{Ticket, Window};
use crate::{Failed, Failure, TrackerId};
use seedwatch_torrent::TrackerUrl;

/// Addresses are looked up again after this time; the old ones serve meanwhile.
const ADDRESS_AGE: Duration = Duration::from_secs(600);
/// Two lookups of one tracker are at least this far apart.
const LOOKUP_GAP: Duration = Duration::from_secs(30);
/// A connection id starts nothing new after this time, so that `started` and `stopped` can use the
/// same one.
const ID_FOR_NEW: Duration = Duration::from_secs(50);
/// A connection id is never used after this time: BEP 15 grants 60 s, and packets take time.
const ID_FOR_ALL: Duration = Duration::from_secs(59);

/// Requests sent to one remote within a few round trips. Its receive buffer is most likely the
/// default of its system, which holds 256 small packets on Linux, and it has other clients.
const WINDOW: usize = 128;

/// A tracker that was asked lately.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) tracker: TrackerId,
    pub(super) url: Arc<TrackerUrl>,
    pub(super) addresses: Addresses,
    pub(super) link: Link,
    /// Probes that wait for an address or a connection id, oldest first. Those that ran out of
    /// time meanwhile are dead keys.
    pub(super) waiting: VecDeque<Key>,
    /// Probes whose next packet can go out.
    pub(super) ready: VecDeque<Key>,
    /// In the queue of remotes that have something to send.
    pub(super) queued: bool,
    /// Bounds what is on its way to this remote.
    pub(super) window: Window,
    pub(super) round_trip: RoundTrip,
    /// When it last answered anything.
    pub(super) heard: Option<Instant>,
    /// When the network last said that it cannot be reached.
    pub(super) unreachable: Option<Instant>,
    /// When this machine last had no memory for a packet to it.
    pub(super) lost: Option<Instant>,
    pub(super) used: Instant,
}

/// Where a remote is.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    list: Vec<SocketAddr>,
    current: usize,
    /// When the list was looked up.
    known: Option<Instant>,
    pub(super) looking_up: bool,
    /// A probe failed since the lookup: perhaps the tracker moved.
    pub(super) doubtful: bool,
}

/// The state of the connection id.
#[derive(Debug, Clone, Copy)]
pub(super) enum Link {
    Down,
    Connecting(Connecting),
    Up(Connection),
}

/// A connect on its way, with its retransmissions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connecting {
    pub(super) transaction: u32,
    /// Packets sent since somebody new began to wait.
    pub(super) sent: u32,
    /// Packets sent altogether.
    pub(super) total: u32,
    /// When the last packet went out.
    pub(super) last: Instant,
    /// What the first packet of a series waits for.
    pub(super) first_wait: Duration,
    /// When the next packet goes out.
    pub(super) due: Instant,
    /// The place of the last packet.
    pub(super) ticket: Option<Ticket>,
}

/// A connection id.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) to: SocketAddr,
    pub(super) since: Instant,
}

impl Remote {
    pub(super) fn new(tracker: TrackerId, url: Arc<TrackerUrl>, now: Instant) -> Self {
        Self {
            tracker,
            url,
            addresses: Addresses::default(),
            link: Link::Down,
            waiting: VecDeque::new(),
            ready: VecDeque::new(),
            queued: false,
            window: Window::new(WINDOW),
            round_trip: RoundTrip::default(),
            heard: None,
            unreachable: None,
            lost: None,
            used: now,
        }
    }

    /// The connection id, if it is young enough for a new question or for a farewell.
    pub(super) fn connection(&self, farewell: bool, now: Instant) -> Option<Connection> {
        match self.link {
            Link::Up(connection) => {
                let limit = if farewell { ID_FOR_ALL } else { ID_FOR_NEW };
                (now.saturating_duration_since(connection.since) < limit).then_some(connection)
            }
            _ => None,
        }
    }

    /// It said something since `then`.
    pub(super) fn heard_since(&self, then: Instant) -> bool {
        self.heard.is_some_and(|heard| heard >= then)
    }

    /// It said something so lately that silence most likely means loss: since the request was
    /// first sent, or within one probe's time before that.
    pub(super) fn is_alive(&self, first: Instant, timeout: Duration) -> bool {
        self.heard.is_some_and(|heard| heard + timeout >= first)
    }

    /// Nobody waits and nothing is kept that a new remote would not learn in a second.
    pub(super) fn is_forgettable(&self, now: Instant, after: Duration) -> bool {
        self.waiting.is_empty()
            && self.ready.is_empty()
            && !self.queued
            && !self.addresses.looking_up
            && now.saturating_duration_since(self.used) > after
    }
}

impl Addresses {
    /// The address in use.
    pub(super) fn current(&self) -> Option<SocketAddr> {
        self.list.get(self.current).copied()
    }

    pub(super) fn contains(&self, address: SocketAddr) -> bool {
        self.list.contains(&address)
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Goes on to the next address: the present one does not answer.
    pub(super) fn rotate(&mut self) {
        self.current = (self.current + 1) % self.list.len().max(1);
    }

    /// Whether a lookup is due.
    pub(super) fn are_old(&self, now: Instant) -> bool {
        let limit = if self.doubtful {
            LOOKUP_GAP
        } else {
            ADDRESS_AGE
        };
        !self.looking_up
            && (self.list.is_empty()
                || self
                    .known
                    .is_none_or(|known| now.saturating_duration_since(known) >= limit))
    }

    /// Whether probes must wait for the lookup that is under way.
    pub(super) fn are_awaited(&self) -> bool {
        self.looking_up && (self.doubtful || self.list.is_empty())
    }

    /// A lookup ended. The address in use stays in use if it is still listed.
    pub(super) fn set(&mut self, list: Vec<SocketAddr>, now: Instant) {
        let current = self.current();
        self.current = list
            .iter()
            .position(|address| Some(*address) == current)
            .unwrap_or(0);
        self.list = list;
        self.known = Some(now);
        self.looking_up = false;
        self.doubtful = false;
    }

    /// A lookup failed. Returns whether this is the end for those who wait; otherwise what was
    /// known serves on.
    pub(super) fn keep(&mut self, failed: &Failed, now: Instant) -> bool {
        let useless = self.doubtful || self.list.is_empty() || failed.reason == Failure::Denied;
        self.known = Some(now);
        self.looking_up = false;
        if useless {
            self.list.clear();
        }
        useless
    }
}
