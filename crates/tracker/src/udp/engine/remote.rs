//! One tracker over one family: its addresses, its connection id, and the probes that wait for
//! them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ProbeKey;
use super::round_trip::RoundTrip;
use super::send_window::{SendWindow, Ticket};
use crate::{FailureReason, ProbeError, TrackerId};
use seedwatch_torrent::TrackerUrl;

/// Addresses are looked up again after this time. The old ones are used meanwhile.
const ADDRESS_AGE: Duration = Duration::from_secs(600);
/// The shortest time between two lookups of one tracker.
const LOOKUP_GAP: Duration = Duration::from_secs(30);
/// A connection id starts no new announce after this time, so that `started` and `stopped` can use
/// the same one.
const ID_FOR_NEW: Duration = Duration::from_secs(50);
/// A connection id is not used after this time. BEP 15 makes it valid for 60 s, and packets take
/// time.
const ID_FOR_ALL: Duration = Duration::from_secs(59);

/// The largest number of requests sent to one remote within a few round trips. Its receive buffer
/// is most likely the system default, which holds 256 small packets on Linux and is shared with
/// other clients.
const WINDOW: usize = 128;

/// A tracker with recent probes.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) tracker: TrackerId,
    pub(super) url: Arc<TrackerUrl>,
    pub(super) addresses: Addresses,
    pub(super) link: Link,
    /// Probes that wait for an address or a connection id, oldest first. The key of a probe that
    /// has ended is dead.
    pub(super) waiting: VecDeque<ProbeKey>,
    /// Probes whose next packet can be sent.
    pub(super) ready: VecDeque<ProbeKey>,
    /// Whether it is in the queue of remotes with something to send.
    pub(super) queued: bool,
    /// Bounds the requests in flight to this remote.
    pub(super) window: SendWindow,
    pub(super) round_trip: RoundTrip,
    /// When its last answer arrived.
    pub(super) last_answer: Option<Instant>,
    /// When a router last reported it unreachable.
    pub(super) unreachable: Option<Instant>,
    /// When this machine last lacked memory for a packet to it.
    pub(super) lost: Option<Instant>,
    pub(super) used: Instant,
}

/// The addresses of a remote.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    list: Vec<SocketAddr>,
    current: usize,
    /// When the list was looked up.
    known: Option<Instant>,
    pub(super) looking_up: bool,
    /// A probe has failed since the lookup: the tracker may have moved.
    pub(super) doubtful: bool,
}

/// The state of the connection id.
#[derive(Debug, Clone, Copy)]
pub(super) enum Link {
    Down,
    Connecting(Connecting),
    Up(Connection),
}

/// A pending connect, with its retransmissions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connecting {
    pub(super) transaction: u32,
    /// Packets sent since the last probe joined the queue.
    pub(super) sent: u32,
    /// All packets sent.
    pub(super) total: u32,
    /// When the last packet was sent.
    pub(super) last: Instant,
    /// The wait after the first packet of a series.
    pub(super) first_wait: Duration,
    /// When the next packet is due.
    pub(super) due: Instant,
    /// The ticket of the last packet.
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
            window: SendWindow::new(WINDOW),
            round_trip: RoundTrip::default(),
            last_answer: None,
            unreachable: None,
            lost: None,
            used: now,
        }
    }

    /// Returns the connection id if it is young enough for a new request, or for the last
    /// `stopped`.
    pub(super) fn connection(&self, is_stop: bool, now: Instant) -> Option<Connection> {
        match self.link {
            Link::Up(connection) => {
                let limit = if is_stop { ID_FOR_ALL } else { ID_FOR_NEW };
                (now.saturating_duration_since(connection.since) < limit).then_some(connection)
            }
            _ => None,
        }
    }

    /// Returns whether it has answered since `then`.
    pub(super) fn heard_since(&self, then: Instant) -> bool {
        self.last_answer
            .is_some_and(|last_answer| last_answer >= then)
    }

    /// Returns whether it has answered so recently that silence most likely means loss: since the
    /// request was first sent, or within one timeout before.
    pub(super) fn is_alive(&self, first: Instant, timeout: Duration) -> bool {
        self.last_answer
            .is_some_and(|last_answer| last_answer + timeout >= first)
    }

    /// Returns whether no probe waits and the remote was unused for the time `after`.
    pub(super) fn is_forgettable(&self, now: Instant, after: Duration) -> bool {
        self.waiting.is_empty()
            && self.ready.is_empty()
            && !self.queued
            && !self.addresses.looking_up
            && now.saturating_duration_since(self.used) > after
    }
}

impl Addresses {
    /// Returns the address in use.
    pub(super) fn current(&self) -> Option<SocketAddr> {
        self.list.get(self.current).copied()
    }

    pub(super) fn contains(&self, address: SocketAddr) -> bool {
        self.list.contains(&address)
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Switches to the next address, because the current one does not answer.
    pub(super) fn rotate(&mut self) {
        self.current = (self.current + 1) % self.list.len().max(1);
    }

    /// Returns whether a lookup is due.
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

    /// Returns whether probes must wait for the pending lookup.
    pub(super) fn are_awaited(&self) -> bool {
        self.looking_up && (self.doubtful || self.list.is_empty())
    }

    /// Takes the result of a lookup. The address in use is kept if it is still listed.
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

    /// Takes the failure of a lookup. Returns whether waiting probes fail; otherwise the old
    /// addresses stay in use.
    pub(super) fn keep(&mut self, failed: &ProbeError, now: Instant) -> bool {
        let useless =
            self.doubtful || self.list.is_empty() || failed.reason == FailureReason::Denied;
        self.known = Some(now);
        self.looking_up = false;
        if useless {
            self.list.clear();
        }
        useless
    }
}
