//! What each source of a torrent says: that there are peers, that there are none, or nothing.

use std::time::Duration;

use super::announce::FamilyState;
use super::lookup::FreshLookup;
use super::peer_list::PeerSlices;
use crate::Health;
use crate::snapshot::AnnounceRow;
use crate::verdict::{Evidence, SourceSet};
use seedwatch_clock::Mono;

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
        // One count alone does not prove an empty swarm.
        let has_counts = claims.iter().all(Option::is_some);
        let evidence = &mut self.evidence;
        let claims_peers = statement.claims_others || !statement.has_list && claims_peers;
        let set = if names_peers || claims_peers {
            &mut evidence.naming
        } else if let Some(at) = statement
            .oldest
            .filter(|_| statement.has_list || has_counts)
        {
            evidence.record_empty(at);
            &mut evidence.empty
        } else if statement.is_unasked(health) {
            &mut evidence.unasked
        } else {
            &mut evidence.silent
        };
        set.add_tracker(key);
        if statement.has_lost_peers {
            evidence.silent.add_tracker(key);
        }
    }

    /// Adds a lookup in the DHT.
    pub(super) fn add_lookup(&mut self, fresh: &FreshLookup<'_>) {
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
        let set: &mut SourceSet = match (dht, self.dht.oldest_empty) {
            (None, _) => return evidence,
            (Some(_), _) if self.dht.names_peers => &mut evidence.naming,
            (Some(_), Some(at)) => {
                evidence.record_empty(at);
                &mut evidence.empty
            }
            (Some(true), None) => &mut evidence.silent,
            (Some(false), None) => &mut evidence.unasked,
        };
        set.add_dht();
        if self.dht.has_lost_peers {
            evidence.silent.add_dht();
        }
        evidence
    }
}
