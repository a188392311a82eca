//! The latest DHT lookups of every info-hash.

use std::sync::Arc;
use std::time::Duration;

use super::intake::PeerIntake;
use super::peer_list::{ListUpdate, PeerLists, PeerSlices};
use super::tick::Tick;
use crate::snapshot::Count;
use seedwatch_clock::Mono;
use seedwatch_dht::{FoundPeers, LookupError, SwarmEstimate};
use seedwatch_torrent::{Family, InfoHash};

/// The latest lookups of every info-hash in the lookup schedule, by family. Packed: there may be a
/// million.
#[derive(Debug)]
pub(super) struct Lookups {
    /// Sorted and distinct, as in the roster.
    hashes: Arc<[InfoHash]>,
    /// In the order of `hashes`.
    states: Vec<[LookupState; 2]>,
}

impl Default for Lookups {
    fn default() -> Self {
        Self {
            hashes: Arc::from([]),
            states: Vec::new(),
        }
    }
}

impl Lookups {
    /// Replaces the list of info-hashes. Those that stay keep their state.
    pub(super) fn update(&mut self, hashes: &Arc<[InfoHash]>) {
        let mut before = std::mem::take(&mut self.states).into_iter();
        let mut old = self.hashes.iter().zip(&mut before).peekable();
        let states = hashes.iter().map(|hash| {
            while old.next_if(|(known, _)| *known < hash).is_some() {}
            let known = old.next_if(|(known, _)| *known == hash);
            known.map(|(_, states)| states).unwrap_or_default()
        });
        self.states = states.collect();
        self.hashes = Arc::clone(hashes);
    }

    /// Returns the states of an info-hash, by [`Family::index`].
    pub(super) fn of(&self, hash: &InfoHash) -> Option<&[LookupState; 2]> {
        self.states.get(self.hashes.binary_search(hash).ok()?)
    }

    /// Returns the latest lists of an info-hash that name a peer, of both families.
    pub(super) fn lists_mut(&mut self, hash: &InfoHash) -> impl Iterator<Item = &mut PeerLists> {
        let index = self.hashes.binary_search(hash).ok();
        let states = index.and_then(|index| self.states.get_mut(index));
        states
            .into_iter()
            .flatten()
            .filter_map(LookupState::lists_mut)
    }

    /// Returns the state of an info-hash and family.
    pub(super) fn state_mut(
        &mut self,
        hash: &InfoHash,
        family: Family,
    ) -> Option<&mut LookupState> {
        let index = self.hashes.binary_search(hash).ok()?;
        Some(&mut self.states.get_mut(index)?[family.index()])
    }
}

/// The latest successful lookup, and when a later one failed.
#[derive(Debug, Default)]
pub(super) struct LookupState {
    answered: Tick,
    failed: Tick,
    /// `None` if the latest successful lookup found no peer.
    result: Option<Box<LookupResult>>,
}

/// The result of a lookup that found peers.
#[derive(Debug, Default)]
struct LookupResult {
    seeders: Count,
    leechers: Count,
    lists: PeerLists,
}

/// The values of a [`LookupState`] that are fresh.
#[derive(Debug, Default)]
pub(super) struct FreshLookup<'a> {
    /// Whether the latest lookup succeeded.
    pub(super) success: Option<bool>,
    /// Whether no lookup has ended yet.
    pub(super) is_awaited: bool,
    /// Whether a lookup has ever succeeded.
    pub(super) has_succeeded: bool,
    /// The latest list.
    pub(super) peers: Option<PeerSlices<'a>>,
    /// When the latest lookup that succeeded ended, if it found no peer and no sign of one.
    pub(super) empty_at: Option<Mono>,
    /// Whether the latest lookup that succeeded found peers and is stale.
    pub(super) has_lost_peers: bool,
    /// As estimated from the Bloom filters (BEP 33).
    pub(super) seeders: Count,
    /// As estimated from the Bloom filters (BEP 33).
    pub(super) leechers: Count,
    /// When the first of these values goes stale.
    pub(super) until: Option<Mono>,
}

impl LookupState {
    /// Stores the result of a lookup.
    ///
    /// # Errors
    /// The nodes named peers and none of the entries can be read: the peers stay unknown.
    pub(super) fn store(
        &mut self,
        found: &FoundPeers,
        intake: &mut PeerIntake,
        now: Mono,
    ) -> Result<ListUpdate, LookupError> {
        if found.peers.is_unreadable() {
            return Err(LookupError::Doubtful);
        }
        let PeerIntake { filter, scratch } = intake;
        scratch.fill(&found.peers, None, filter);
        // A lookup that finds no peer does not ask for Bloom filters. The swarm is known to be
        // empty.
        let is_empty = found.peers.is_empty() && found.estimate.is_none();
        let has_peers = !scratch.is_empty();
        let replaced = if is_empty {
            self.result.take().map(|result| result.lists)
        } else {
            let count = |of: fn(SwarmEstimate) -> u32| Count::from(found.estimate.map(of));
            let result = self.result.get_or_insert_default();
            result.seeders = count(|estimate| estimate.seeders);
            result.leechers = count(|estimate| estimate.leechers);
            result.lists.replace(scratch)
        };
        self.answered = Tick::at(now);
        self.failed = Tick::default();
        Ok(ListUpdate {
            has_peers,
            replaced,
        })
    }

    /// Returns the list of the latest successful lookup, if it found peers.
    pub(super) fn lists_mut(&mut self) -> Option<&mut PeerLists> {
        Some(&mut self.result.as_deref_mut()?.lists)
    }

    /// Records that the latest lookup failed. Earlier results keep their age.
    pub(super) fn record_failure(&mut self, now: Mono) {
        self.failed = Tick::at(now);
    }

    /// Returns whether no lookup has ended yet.
    pub(super) fn is_awaited(&self) -> bool {
        [self.answered, self.failed] == [Tick::default(); 2]
    }

    /// Returns the fresh values.
    pub(super) fn fresh(&self, now: Mono, stale_after: Duration) -> FreshLookup<'_> {
        let answered = self.answered.fresh_until(now, stale_after);
        let failed = self.failed.fresh_until(now, stale_after);
        let mut fresh = FreshLookup {
            success: (answered.is_some() || failed.is_some()).then_some(failed.is_none()),
            is_awaited: self.is_awaited(),
            has_succeeded: self.answered != Tick::default(),
            until: answered.into_iter().chain(failed).min(),
            has_lost_peers: answered.is_none() && self.result.is_some(),
            ..FreshLookup::default()
        };
        if let Some(until) = answered {
            let result = self.result.as_deref();
            let (v4, v6) = PeerLists::slices(result.map(|result| &result.lists));
            fresh.peers = Some((v4, v6));
            fresh.seeders = result.map_or(Some(0).into(), |result| result.seeders);
            fresh.leechers = result.map_or(Some(0).into(), |result| result.leechers);
            // Nodes may name only ourselves or what is no peer, and keep filters without peers.
            let claims = [fresh.seeders, fresh.leechers].map(Count::get);
            let is_claimed = claims.into_iter().flatten().any(|count| count > 0);
            let is_empty = v4.is_empty() && v6.is_empty() && !is_claimed;
            fresh.empty_at = is_empty.then(|| until.before(stale_after));
        }
        fresh
    }
}
