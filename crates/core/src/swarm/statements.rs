//! What each source of a torrent says: that there are peers, that there are none, or nothing.

use std::time::Duration;

use crate::Health;
use crate::snapshot::AnnounceRow;
use crate::verdict::{Evidence, SourceSet};
use seedwatch_clock::Mono;

/// What all sources of a torrent say.
#[derive(Debug, Default)]
pub(super) struct Statements {
    evidence: Evidence,
    /// The number of trackers added so far.
    trackers: usize,
    dht: DhtStatement,
}

/// What one tracker says, over both families and about both hashes of a hybrid torrent.
#[derive(Debug, Default)]
pub(super) struct TrackerStatement {
    has_state: bool,
    has_list: bool,
    /// When the oldest fresh answer came.
    oldest: Option<Mono>,
}

/// What the lookups of the DHT say.
#[derive(Debug, Default)]
struct DhtStatement {
    names_peers: bool,
    /// When the oldest fresh lookup ended that found no peer.
    oldest_empty: Option<Mono>,
}

impl TrackerStatement {
    /// Adds what the tracker said over one family: when its counts and its list go stale.
    pub(super) fn add(
        &mut self,
        counts_until: Option<Mono>,
        list_until: Option<Mono>,
        stale_after: Duration,
    ) {
        self.has_state = true;
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
    /// Adds a tracker: its state by [`Family::index`](seedwatch_torrent::Family::index), however
    /// old it is, its row, and whether one of its lists names a peer. A list outweighs counts,
    /// which some trackers keep when the last peer has left.
    pub(super) fn add_tracker(
        &mut self,
        statement: &TrackerStatement,
        health: [Health; 2],
        row: &AnnounceRow,
        names_peers: bool,
    ) {
        let position = self.trackers;
        self.trackers += 1;
        if health.contains(&Health::Closed) && !health.contains(&Health::Up) {
            return;
        }
        let claims = [row.seeders, row.leechers].map(|count| count.get());
        let claims_peers = claims.iter().flatten().any(|count| *count > 0);
        let has_counts = claims.iter().any(Option::is_some);
        let evidence = &mut self.evidence;
        let set = if names_peers || !statement.has_list && claims_peers {
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
        set.add_tracker(position);
    }

    /// Adds a lookup in the DHT.
    pub(super) fn add_lookup(&mut self, names_peers: bool, empty_at: Option<Mono>) {
        self.dht.names_peers |= names_peers;
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
        evidence
    }
}
