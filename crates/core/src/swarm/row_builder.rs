//! Builds the row of one torrent from the latest answers of its sources.

use std::sync::Arc;
use std::time::Duration;

use super::announce::AnnounceState;
use super::lookup::LookupState;
use super::peer_list::PeerSlices;
use super::peer_union::{Listed, PeerUnion};
use super::statements::{AskedTracker, Statements, TrackerStatement};
use super::tick::Tick;
use super::torrent::LastSeen;
use crate::snapshot::{
    AnnounceRow, Count, ExclusiveShare, ListedWindows, TorrentRow, UnixOption32,
};
use crate::verdict::Evidence;
use crate::{Health, PerSource, Source};
use seedwatch_clock::{Mono, Now};
use seedwatch_distinct::{Moment, Window};
use seedwatch_torrent::Family;
use seedwatch_tracker::{Problem, TrackerId};

/// Builds the row of one torrent, answer by answer.
#[derive(Debug)]
pub(super) struct RowBuilder<'a> {
    now: Mono,
    clocks: Now,
    announces: Vec<AnnounceRow>,
    sources: PerSource<SourceAnswers<'a>>,
    dht_claims: DhtClaims,
    /// By [`Family::index`].
    dht_lists: [u8; 2],
    statements: Statements,
    fresh_until: Mono,
}

/// The row of a torrent, and what it was built from.
#[derive(Debug)]
pub(super) struct BuiltRow<'a> {
    pub(super) row: TorrentRow,
    pub(super) announces: Vec<AnnounceRow>,
    /// The current peers, if at least one list is known.
    pub(super) union: Option<PeerUnion<'a>>,
    pub(super) evidence: Evidence,
}

/// The answers of one source.
#[derive(Debug, Default)]
struct SourceAnswers<'a> {
    lists: ListSet<'a>,
    success: Option<bool>,
    state: SourceState,
}

/// Whether a source is asked about the torrent, and has answered.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum SourceState {
    /// The source is not asked about this torrent.
    #[default]
    Unused,
    /// No probe has ended yet.
    Awaited,
    /// At least one probe has ended.
    Probed,
}

impl SourceState {
    /// Adds one swarm of the torrent at this source.
    fn add(&mut self, is_awaited: bool) {
        *self = match is_awaited && *self != Self::Probed {
            true => Self::Awaited,
            false => Self::Probed,
        };
    }
}

/// The counts of the DHT's Bloom filters (BEP 33), by [`Family::index`]. Filters hold addresses, so
/// the counts of the families add up.
#[derive(Debug, Default)]
struct DhtClaims {
    seeders: [Count; 2],
    leechers: [Count; 2],
}

/// The number of the DHT among the sources of a torrent. The trackers have the numbers of their
/// rows; there are at most 64.
const DHT: u8 = u8::MAX;

/// Peer lists to be united, and the families that were asked for them.
#[derive(Debug, Default)]
struct ListSet<'a> {
    v4: Vec<Listed<'a, u32>>,
    v6: Vec<Listed<'a, u64>>,
    asked: [bool; 2],
    /// The families over which a list came that names a peer, of either family.
    naming: [bool; 2],
}

impl<'a> RowBuilder<'a> {
    /// Returns a builder without answers.
    pub(super) fn new(clocks: Now) -> Self {
        let mut sources = PerSource::<SourceAnswers<'_>>::default();
        // One unreachable tracker must not hide the answers of the others.
        sources[Source::Tracker].state = SourceState::Probed;
        Self {
            now: clocks.mono,
            clocks,
            announces: Vec::new(),
            sources,
            dht_claims: DhtClaims::default(),
            dht_lists: [0; 2],
            statements: Statements::default(),
            fresh_until: Mono(u64::MAX),
        }
    }

    /// Adds the answers of one tracker: one announce, two for a hybrid torrent. `health` is by
    /// [`Family::index`], each with the time at which it goes stale; `asked` is the tracker;
    /// `down_reasons` say why it is not up.
    pub(super) fn add_tracker(
        &mut self,
        tracker: TrackerId,
        announces: impl Iterator<Item = &'a AnnounceState>,
        health: [(Health, Mono); 2],
        asked: AskedTracker,
        down_reasons: [Option<&Arc<Problem>>; 2],
        stale_after: Duration,
    ) {
        let mut row = AnnounceRow::unknown(tracker);
        let mut lists = ListSet::default();
        let number = self.announces.len() as u8;
        // Of this torrent at a tracker that is up; of this torrent; of a tracker that is down.
        let (mut refusal, mut failure, mut warning) = (None, None, None);
        let (mut has_failed, down_reason) = self.add_health(health, down_reasons);
        let (mut has_answered, mut probed) = (false, Tick::default());
        let mut statement = TrackerStatement::default();
        for (family, state) in announces.flat_map(AnnounceState::families) {
            probed = probed.max(state.probed());
            let counted = state.add_counts(&mut row, self.now, stale_after);
            self.limit_freshness(counted);
            let failed_here = state.failure(self.now, stale_after);
            self.limit_freshness(failed_here.map(|(_, until)| until));
            if matches!(health[family.index()].0, Health::Unknown | Health::Up) {
                has_failed |= failed_here.is_some();
                refusal = refusal.or(failed_here.map(|(failed, _)| failed));
                let is_answered = state.is_answered(self.now, stale_after);
                has_answered |= is_answered;
                warning = warning.or(state.warning().filter(|_| is_answered));
            }
            failure = failure.or(failed_here.map(|(failed, _)| failed));
            let refusals = failed_here.map_or(0, |_| state.refusals());
            row.refusals = row.refusals.max(refusals);
            let peers = state.peers(self.now, stale_after);
            let listed = peers.map(|(_, until)| until);
            if let Some((peers, _)) = peers {
                lists.push(number, family, peers);
            }
            self.limit_freshness(listed);
            row.lists[family.index()] += u8::from(listed.is_some());
            statement.add(counted, listed, state, stale_after);
        }
        let names_peers = !lists.is_empty();
        self.statements
            .add_tracker(&statement, asked, &row, names_peers);
        row.success = (has_answered || has_failed).then_some(has_answered);
        let why = || refusal.or(down_reason).or(failure);
        row.problem = if has_answered { warning } else { why() }.cloned();
        row.peers = lists.total().into();
        row.last_probe = probed.unix(self.clocks);
        let trackers = &mut self.sources[Source::Tracker];
        trackers.success = trackers.success.max(row.success);
        trackers.lists.append(lists);
        self.announces.push(row);
    }

    /// Adds the health of a tracker, by [`Family::index`]. Returns whether it is offline, and why.
    /// It is so for all its torrents, even for those that it was never asked about.
    fn add_health<'p>(
        &mut self,
        health: [(Health, Mono); 2],
        reasons: [Option<&'p Arc<Problem>>; 2],
    ) -> (bool, Option<&'p Arc<Problem>>) {
        let (mut is_offline, mut why) = (false, None);
        for ((health, until), reason) in health.into_iter().zip(reasons) {
            if matches!(health, Health::Down | Health::Closed) {
                is_offline = true;
                why = why.or(reason);
                self.limit_freshness(Some(until));
            }
        }
        (is_offline, why)
    }

    /// Adds the lookups of one info-hash over one family. The two swarms of a hybrid overlap, and
    /// their Bloom filters cannot be told apart, so the larger claim counts.
    pub(super) fn add_lookup(
        &mut self,
        family: Family,
        lookup: &'a LookupState,
        stale_after: Duration,
    ) {
        let fresh = lookup.fresh(self.now, stale_after);
        self.limit_freshness(fresh.until);
        let dht = &mut self.sources[Source::Dht];
        dht.success = dht.success.max(fresh.success);
        dht.state.add(lookup.is_awaited());
        self.statements.add_lookup(family, &fresh);
        if let Some(peers) = fresh.peers {
            dht.lists.push(DHT, family, peers);
            self.dht_lists[family.index()] += 1;
        }
        let DhtClaims { seeders, leechers } = &mut self.dht_claims;
        let family = family.index();
        seeders[family] = seeders[family].max(fresh.seeders);
        leechers[family] = leechers[family].max(fresh.leechers);
    }

    /// Notes that a value of the row goes stale at this time.
    fn limit_freshness(&mut self, at: Option<Mono>) {
        self.fresh_until = at.map_or(self.fresh_until, |at| at.min(self.fresh_until));
    }

    /// Returns when the first value of the row goes stale.
    pub(super) fn fresh_until(&self) -> Mono {
        self.fresh_until
    }

    /// Returns the row.
    pub(super) fn finish(mut self, mut last_seen: LastSeen, now: Moment) -> BuiltRow<'a> {
        // The times of a source that is not in use stay in the state, for the day it is used again.
        for source in Source::ALL {
            if self.sources[source].state == SourceState::Unused {
                last_seen.success[source] = UnixOption32::default();
                last_seen.list_hour[source] = 0;
            }
        }
        let source_peers = PerSource::from_fn(|source| self.sources[source].lists.total().into());
        let probe_success = PerSource::from_fn(|source| self.sources[source].success);
        let all = self.unite();
        let mut exclusive = vec![0; self.announces.len()];
        let union = all
            .is_asked()
            .then(|| PeerUnion::with_exclusive(&all.v4, &all.v6, &mut exclusive));
        for (row, part) in self.announces.iter_mut().zip(exclusive) {
            row.exclusive = ExclusiveShare::new(part, row.peers.get().unwrap_or(0));
        }
        let max = |count: fn(&AnnounceRow) -> Count| {
            let counts = self.announces.iter().map(count);
            counts.fold(Count::UNKNOWN, Count::max)
        };
        let row = TorrentRow {
            peers: all.by_family(union.as_ref()).map(Into::into),
            source_peers,
            dht_lists: self.dht_lists,
            trackers_online: self.trackers_online().into(),
            seeders: max(|row| row.seeders),
            leechers: max(|row| row.leechers),
            dht_seeders: sum(self.dht_claims.seeders),
            dht_leechers: sum(self.dht_claims.leechers),
            probe_success,
            listed: listed_windows(last_seen.list_hour, now),
            last_success: last_seen.success,
            last_peer_seen: last_seen.peer,
            ..TorrentRow::default()
        };
        let dht = match self.sources[Source::Dht].state {
            SourceState::Unused => None,
            state => Some(state == SourceState::Probed),
        };
        let mut evidence = std::mem::take(&mut self.statements).into_evidence(dht);
        for family in Family::ALL {
            if all.naming[family.index()] {
                evidence.naming.add_family(family);
            }
        }
        BuiltRow {
            row,
            announces: self.announces,
            union,
            evidence,
        }
    }

    /// Returns the current peers if at least one list is known, and the families that are known.
    pub(super) fn into_union(mut self) -> (Option<PeerUnion<'a>>, [bool; 2]) {
        let all = self.unite();
        (all.union(), all.asked)
    }

    /// Returns the number of trackers whose latest answer was valid, once one is known.
    fn trackers_online(&self) -> Option<u32> {
        let known = self.announces.iter().filter_map(|row| row.success);
        known.map(u32::from).reduce(|a, b| a + b)
    }

    /// Unites the lists of all sources. Until the first probe of every source ends, empty lists of
    /// the others do not mean an empty swarm; the peers are unknown.
    fn unite(&mut self) -> ListSet<'a> {
        let mut all = ListSet::default();
        let mut is_awaited = false;
        for source in self.sources.values_mut() {
            all.append(std::mem::take(&mut source.lists));
            is_awaited |= source.state == SourceState::Awaited;
        }
        if is_awaited && all.is_empty() {
            all.asked = [false; 2];
        }
        all
    }
}

impl<'a> ListSet<'a> {
    /// Adds a list that came over a family. It may name peers of the other one.
    fn push(&mut self, source: u8, family: Family, (v4, v6): PeerSlices<'a>) {
        self.asked[family.index()] = true;
        self.naming[family.index()] |= !(v4.is_empty() && v6.is_empty());
        if !v4.is_empty() {
            self.v4.push(Listed { source, peers: v4 });
        }
        if !v6.is_empty() {
            self.v6.push(Listed { source, peers: v6 });
        }
    }

    fn append(&mut self, other: Self) {
        append(&mut self.v4, other.v4);
        append(&mut self.v6, other.v6);
        for family in Family::ALL.map(Family::index) {
            self.asked[family] |= other.asked[family];
            self.naming[family] |= other.naming[family];
        }
    }

    fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Returns the distinct peers by family. A family that was not asked over and of which no list
    /// names a peer is unknown: a UDP tracker lists its own family only (BEP 15).
    fn by_family(&self, union: Option<&PeerUnion<'_>>) -> [Option<u32>; 2] {
        let counts = union.map_or([0; 2], PeerUnion::by_family);
        [0, 1].map(|family| {
            let is_known = self.asked[family] || counts[family] > 0;
            is_known.then_some(counts[family])
        })
    }

    /// Returns the distinct peers of both families, if at least one list is known.
    fn total(&self) -> Option<u32> {
        Some(self.union()?.by_family().iter().sum())
    }

    /// Returns whether at least one list is known.
    fn is_asked(&self) -> bool {
        self.asked.contains(&true)
    }

    /// Returns the union of the lists, if at least one is known.
    fn union(&self) -> Option<PeerUnion<'a>> {
        self.is_asked().then(|| PeerUnion::new(&self.v4, &self.v6))
    }
}

/// Appends a vector, and reuses its memory if the first one is empty.
fn append<T>(to: &mut Vec<T>, mut from: Vec<T>) {
    match to.is_empty() {
        true => *to = from,
        false => to.append(&mut from),
    }
}

/// Returns the windows that hold the latest list of each source.
fn listed_windows(list_hour: PerSource<u32>, now: Moment) -> ListedWindows {
    let mut listed = ListedWindows::default();
    for (source, hour) in list_hour.iter() {
        let windows = Window::ALL.into_iter();
        listed = listed.with(
            source,
            windows.filter(|window| now.is_within(*window, *hour)),
        );
    }
    listed
}

/// Returns the sum of the known counts.
fn sum(counts: [Count; 2]) -> Count {
    let known = counts.iter().filter_map(|count| count.get());
    known.reduce(u32::saturating_add).into()
}
