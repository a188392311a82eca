//! What each source of a torrent says: that there are peers, that there are none, or nothing.

use std::time::Duration;

use super::announce::FamilyState;
use super::lookup::FreshLookup;
use super::peer_list::PeerSlices;
use crate::Health;
use crate::snapshot::AnnounceRow;
use crate::verdict::{Evidence, SourceSet};
use seedwatch_clock::Mono;
use seedwatch_torrent::Family;

/// What all sources of a torrent say.
#[derive(Debug, Default)]
pub(super) struct Statements {
    evidence: Evidence,
    dht: DhtStatement,
}

/// A tracker that is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct AskedTracker {
    /// A hash of its label.
    pub(super) key: u64,
    /// Its health by [`Family::index`](seedwatch_torrent::Family::index), however old.
    pub(super) health: [Health; 2],
}

/// What one tracker says, over both families and about both hashes of a hybrid torrent.
#[derive(Debug, Default)]
pub(super) struct TrackerStatement {
    has_state: bool,
    has_list: bool,
    /// Counts without a list say that the swarm is empty.
    counts_are_zero: bool,
    /// A part has never said whether the swarm is empty.
    has_unheard: bool,
    /// Counts without a list claim peers other than us.
    claims_others: bool,
    /// A part last named peers, and has fallen silent since.
    has_lost_peers: bool,
    /// When the oldest fresh answer came.
    oldest: Option<Mono>,
}

/// What the lookups of the DHT say.
#[derive(Debug, Default)]
struct DhtStatement {
    names_peers: bool,
    /// A family last named peers, and has fallen silent since.
    has_lost_peers: bool,
    /// Lookups of a family have failed since the start, or none over IPv4 has ended yet.
    is_unheard: bool,
    /// Lookups over IPv4 fail. Few nodes of the DHT speak IPv6 (BEP 32), so an empty swarm there
    /// proves nothing about IPv4.
    lacks_ipv4: bool,
    /// When the oldest fresh lookup ended that found no peer.
    oldest_empty: Option<Mono>,
}

impl TrackerStatement {
    /// Adds what the tracker said over one family: when its counts and its list go stale.
    pub(super) fn add(
        &mut self,
        counts_until: Option<Mono>,
        list_until: Option<Mono>,
        state: &FamilyState,
        stale_after: Duration,
    ) {
        self.has_state = true;
        let is_counted_only = counts_until.is_some() && list_until.is_none();
        self.claims_others |= is_counted_only && state.claims_others();
        self.counts_are_zero |= is_counted_only && state.counts_are_zero();
        self.has_unheard |= !state.was_conclusive();
        self.has_lost_peers |= list_until.is_none() && state.named_peers();
        self.has_list |= list_until.is_some();
        let answers = counts_until.into_iter().chain(list_until);
        let oldest = answers.map(|until| until.before(stale_after)).min();
        self.oldest = self.oldest.into_iter().chain(oldest).min();
    }

    /// Returns whether the tracker was never asked about the torrent, and may still be.
    fn is_unasked(&self, health: [Health; 2]) -> bool {
        // A family without an address is no question to the tracker.
        let is_open = |health: &Health| matches!(health, Health::Unknown | Health::Absent);
        let is_new = health.iter().all(is_open) && health.contains(&Health::Unknown);
        !self.has_state && (is_new || health.contains(&Health::Up))
    }
}

impl Statements {
    /// Adds a tracker, its row, and whether one of its lists names a peer. A list outweighs counts
    /// of the same answer, which some trackers keep when the last peer has left.
    pub(super) fn add_tracker(
        &mut self,
        statement: &TrackerStatement,
        tracker: AskedTracker,
        row: &AnnounceRow,
        names_peers: bool,
    ) {
        let AskedTracker { key, health } = tracker;
        if health.contains(&Health::Closed) && !health.contains(&Health::Up) {
            return;
        }
        let claims = [row.seeders, row.leechers].map(|count| count.get());
        let claims_peers = claims.iter().flatten().any(|count| *count > 0);
        let evidence = &mut self.evidence;
        let claims_peers = statement.claims_others || !statement.has_list && claims_peers;
        evidence.has_listed_peer |= names_peers;
        let set = if names_peers || claims_peers {
            &mut evidence.naming
        } else if let Some(at) = statement
            .oldest
            .filter(|_| statement.has_list || statement.counts_are_zero)
        {
            evidence.record_empty(at);
            &mut evidence.empty
        } else if statement.is_unasked(health) {
            &mut evidence.unasked
        } else {
            &mut evidence.silent
        };
        set.add_tracker(key);
        if statement.has_unheard || !statement.has_state {
            evidence.unheard.add_tracker(key);
        }
        if statement.has_lost_peers {
            evidence.silent.add_tracker(key);
        }
    }

    /// Adds a lookup in the DHT over a family.
    pub(super) fn add_lookup(&mut self, family: Family, fresh: &FreshLookup<'_>) {
        let is_silent = fresh.peers.is_none() && !fresh.is_awaited;
        self.dht.lacks_ipv4 |= is_silent && family == Family::Ipv4;
        let is_open = is_silent || fresh.is_awaited && family == Family::Ipv4;
        self.dht.is_unheard |= is_open && !fresh.has_succeeded;
        let names = |(v4, v6): PeerSlices<'_>| !(v4.is_empty() && v6.is_empty());
        self.dht.names_peers |= fresh.peers.is_some_and(names);
        self.dht.has_lost_peers |= fresh.has_lost_peers;
        let empty_at = fresh.empty_at;
        let oldest = self.dht.oldest_empty.into_iter().chain(empty_at);
        self.dht.oldest_empty = oldest.min();
    }

    /// Returns the evidence. `dht` is `None` if the DHT is not asked, or else
    /// whether a lookup has ended.
    pub(super) fn into_evidence(self, dht: Option<bool>) -> Evidence {
        let mut evidence = self.evidence;
        evidence.has_listed_peer |= dht.is_some() && self.dht.names_peers;
        let set: &mut SourceSet = match (dht, self.dht.oldest_empty) {
            (None, _) => return evidence,
            (Some(_), _) if self.dht.names_peers => &mut evidence.naming,
            (Some(_), Some(at)) if !self.dht.lacks_ipv4 => {
                evidence.record_empty(at);
                &mut evidence.empty
            }
            (Some(true), _) => &mut evidence.silent,
            (Some(false), _) => &mut evidence.unasked,
        };
        set.add_dht();
        if self.dht.is_unheard {
            evidence.unheard.add_dht();
        }
        if self.dht.has_lost_peers {
            evidence.silent.add_dht();
        }
        evidence
    }
}
