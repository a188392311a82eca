//! The peers of the last month: of every torrent, of collections, and of all torrents together.
//!
//! A torrent is identified by the first of its info-hashes. Its history therefore outlives
//! restarts, a new name, and a while outside the configuration.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::asn_counts::AsnCounts;
use super::clock::HistoryClock;
use super::collection::CollectionState;
use super::config::SwarmConfig;
use super::day_book::DayBook;
use super::geo_breakdown::first_address;
use super::lost::LostShards;
use super::peer_list::{PeerLists, RecordedAt};
use super::peer_union::PeerUnion;
use super::torrent::{LastSeen, TorrentState};
use super::torrent_history::TorrentHistory;
use crate::Source;
use crate::history::{Run, Runs, StoredHistory};
use crate::roster::{Changes, Roster, TorrentIndex};
use crate::snapshot::TorrentWindows;
use crate::verdict::VerdictMemory;
use seedwatch_clock::Now;
use seedwatch_distinct::{Insert, Key, Moment, PeerHash, SOURCES, Set, Window};
use seedwatch_torrent::InfoHash;

// A set of peers distinguishes as many sources as there are.
const _: () = assert!(SOURCES == Source::ALL.len());

/// The peers of the last month.
#[derive(Debug)]
pub(super) struct PeerHistory {
    pub(super) key: Key,
    pub(super) clock: HistoryClock,
    /// The number of the configuration. Lists recorded under another one are recorded again.
    epoch: u16,
    /// Recording in this hour is thorough: collections may be new, or may have been restored from
    /// an older save than their torrents.
    thorough_hour: u32,
    /// Torrents that had peers within the last month.
    pub(super) torrents: HashMap<InfoHash, Box<TorrentHistory>>,
    /// Torrents that are not in the configuration any more, or not yet again.
    pub(super) removed: HashMap<InfoHash, RemovedTorrent>,
    /// The distinct peers of all torrents.
    pub(super) all_peers: Set,
    pub(super) collections: BTreeMap<Arc<str>, CollectionState>,
    pub(super) asn_counts: AsnCounts,
    pub(super) lost: LostShards,
    /// The daily histories.
    pub(super) days: DayBook,
}

/// Most torrents outside the configuration that are remembered. A list that names other torrents
/// every hour must not fill the memory.
pub(super) const MAX_REMOVED: usize = 100_000;

/// The state of a torrent outside the configuration, beside its history.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct RemovedTorrent {
    /// The hour of running time in which the torrent was removed.
    pub(super) since: u32,
    pub(super) last_seen: LastSeen,
    pub(super) memory: VerdictMemory,
    pub(super) days: StoredHistory,
}

/// What is known of a torrent that comes back.
#[derive(Debug)]
pub(super) struct Reinstated {
    pub(super) state: TorrentState,
    /// Its daily history while it was outside the configuration, if it was.
    pub(super) days: Option<StoredHistory>,
    /// Whether the history grew: the collection of the torrent may not know the added peers.
    pub(super) has_grown: bool,
}

impl Reinstated {
    /// Returns the state, with the current day, and the days before it if they changed. `runs` are
    /// those that the state has without what was kept outside the configuration.
    pub(super) fn into_state(self, runs: &[Run]) -> (TorrentState, Option<Runs>) {
        let mut state = self.state;
        let Some(days) = self.days else {
            return (state, None);
        };
        let mut all = StoredHistory {
            today: state.today,
            runs: Runs::of(runs),
        };
        all.unite(days);
        state.today = all.today;
        (state, Some(all.runs))
    }
}

/// The torrent and source of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListOrigin<'a> {
    pub(super) roster: &'a Roster,
    pub(super) torrent: TorrentIndex,
    pub(super) source: Source,
    pub(super) config: &'a SwarmConfig,
}

impl PeerHistory {
    /// Returns an empty history. Peers are stored as hashes under `key`.
    pub(super) fn new(key: Key) -> Self {
        Self {
            key,
            clock: HistoryClock::default(),
            epoch: 0,
            thorough_hour: 0,
            torrents: HashMap::new(),
            removed: HashMap::new(),
            all_peers: Set::new(),
            collections: BTreeMap::new(),
            asn_counts: AsnCounts::default(),
            lost: LostShards::default(),
            days: DayBook::default(),
        }
    }

    /// Returns the current moment of running time.
    pub(super) fn moment(&self) -> Moment {
        self.clock.moment()
    }

    /// Advances the clock, and forgets old peers once a day. Returns whether it did.
    pub(super) fn tick(&mut self, now: Now) -> bool {
        self.lost.tick(now.unix);
        self.days.tick(now);
        let tick = self.clock.tick(now);
        if tick.has_slid {
            for collection in self.collections.values_mut() {
                collection.mark_dirty();
            }
        }
        if tick.is_prune_due {
            self.prune();
            for removed in self.removed.values_mut() {
                removed.last_seen.clamp_to(now.unix);
            }
        }
        tick.is_prune_due
    }

    /// Restores a saved torrent, which may or may not be in the configuration.
    pub(super) fn restore(
        &mut self,
        hash: InfoHash,
        saved: RemovedTorrent,
        history: TorrentHistory,
    ) {
        let known = self.removed.entry(hash).or_default();
        known.since = known.since.max(saved.since);
        known.last_seen = known.last_seen.or_later(saved.last_seen);
        known.memory = known.memory.or_later(saved.memory);
        known.days.unite(saved.days);
        if !history.is_empty() {
            let moment = self.moment();
            let known = self.torrents.entry(hash).or_default();
            known.merge(history, moment);
        }
    }

    /// Forgets torrents that were removed before the longest window, and collections of no use.
    fn prune(&mut self) {
        let moment = self.moment();
        let is_over = |since: u32| moment.hour().saturating_sub(since) > Window::Month.hours();
        let removed = self.removed.iter();
        let over = removed.filter(|(_, removed)| is_over(removed.since));
        let over: Vec<InfoHash> = over.map(|(hash, _)| *hash).collect();
        over.iter().for_each(|hash| self.forget(hash));
        self.collections
            .retain(|_, collection| collection.is_of_use(moment));
    }

    /// Forgets a torrent outside the configuration.
    fn forget(&mut self, hash: &InfoHash) {
        self.removed.remove(hash);
        if let Some(history) = self.torrents.remove(hash) {
            self.asn_counts.remove(&history.by_asn);
        }
    }

    /// Forgets the torrents that were removed first, beyond [`MAX_REMOVED`].
    pub(super) fn limit_removed(&mut self) {
        let excess = self.removed.len().saturating_sub(MAX_REMOVED);
        if let Some(last) = excess.checked_sub(1) {
            let removed = self.removed.iter();
            let mut oldest: Vec<_> = removed.map(|(hash, it)| (it.since, *hash)).collect();
            oldest.select_nth_unstable(last);
            oldest[..excess]
                .iter()
                .for_each(|(_, hash)| self.forget(hash));
        }
    }

    /// Adopts a new configuration. `state` returns the state of a torrent by its old index.
    pub(super) fn update(
        &mut self,
        roster: &Roster,
        changes: &Changes,
        state: impl Fn(TorrentIndex) -> Option<TorrentState>,
    ) {
        let since = self.moment().hour();
        self.epoch = self.epoch.wrapping_add(1);
        self.thorough_hour = since;
        for (index, hash) in &changes.removed_torrents {
            let state = state(*index).unwrap_or_default();
            let removed = RemovedTorrent {
                since,
                last_seen: state.last_seen,
                memory: state.memory.without_emptiness(),
                days: StoredHistory {
                    today: state.today,
                    runs: Runs::of(self.days.runs(*index)),
                },
            };
            self.removed.insert(*hash, removed);
            if let Some(history) = self.torrents.get_mut(hash) {
                self.asn_counts.remove(&history.take_by_asn());
            }
        }
        for (before, now) in &changes.renamed {
            self.rename(before, *now);
        }
        let collections = self.collections.values_mut();
        collections.for_each(CollectionState::deconfigure);
        for collection in roster.collections() {
            let known = self.collections.entry(Arc::clone(&collection.name));
            known.or_default().configure();
        }
    }

    /// Merges what is known of a torrent under any of its info-hashes while it was removed.
    pub(super) fn reinstate(
        &mut self,
        hashes: impl Iterator<Item = InfoHash>,
        mut state: TorrentState,
    ) -> Reinstated {
        let mut has_grown = false;
        let mut days: Option<StoredHistory> = None;
        let mut identity = None;
        for hash in hashes {
            if let Some(removed) = self.removed.remove(&hash) {
                state.last_seen = state.last_seen.or_later(removed.last_seen);
                state.memory = state.memory.or_later(removed.memory);
                days.get_or_insert_default().unite(removed.days);
            }
            match identity {
                None => identity = Some(hash),
                Some(identity) => has_grown |= self.rename(&hash, identity),
            }
        }
        Reinstated {
            state,
            days,
            has_grown,
        }
    }

    /// Returns whether no torrent is removed.
    pub(super) fn has_no_removed(&self) -> bool {
        self.removed.is_empty()
    }

    /// Moves the history of an info-hash to another one. Returns whether there was a history.
    fn rename(&mut self, before: &InfoHash, now: InfoHash) -> bool {
        let Some(history) = self.torrents.remove(before) else {
            return false;
        };
        self.asn_counts.remove(&history.by_asn);
        let moment = self.moment();
        self.torrents
            .entry(now)
            .or_default()
            .merge(*history, moment);
        true
    }

    /// Adds the peers of new torrents to their collections. Countries are counted from now on only.
    pub(super) fn join(&mut self, roster: &Roster, joined: &[TorrentIndex]) {
        let moment = self.moment();
        for index in joined {
            let torrent = roster.torrents().get(index.get());
            let name = torrent.and_then(|torrent| torrent.collection());
            let collection = name.and_then(|name| self.collections.get_mut(name));
            let hash = roster.identity(*index);
            let history = hash.and_then(|hash| self.torrents.get(&hash));
            if let (Some(collection), Some(history)) = (collection, history) {
                collection.peers.unite_flattened(&history.peers, moment);
            }
        }
    }

    /// Records a new answer. `replaced` are the peers of the list before it.
    pub(super) fn record_answer(
        &mut self,
        origin: ListOrigin<'_>,
        replaced: Option<PeerLists>,
        lists: Option<&mut PeerLists>,
    ) {
        if let Some(mut replaced) = replaced {
            self.flush(origin, &mut replaced);
        }
        let moment = self.moment();
        if let Some(lists) = lists
            && !lists.recorded_at.confirm(self.epoch, moment)
        {
            self.record(origin, lists, moment.hour());
        }
    }

    /// Records the last confirmation of a list, if it is still to be recorded.
    pub(super) fn flush(&mut self, origin: ListOrigin<'_>, lists: &mut PeerLists) {
        if let Some(hour) = lists.recorded_at.pending_hour() {
            self.record(origin, lists, hour);
        }
    }

    /// Records that a source named all peers of a list in this hour.
    fn record(&mut self, origin: ListOrigin<'_>, lists: &mut PeerLists, hour: u32) {
        lists.recorded_at = RecordedAt::new(hour, self.epoch);
        let ListOrigin {
            roster,
            torrent,
            source,
            config,
        } = origin;
        let Some(hash) = roster.identity(torrent) else {
            return;
        };
        let history = self.torrents.entry(hash).or_default();
        let name = roster.torrents()[torrent.get()].collection();
        let mut collection = name.and_then(|name| self.collections.get_mut(name));
        let geo = config.countries.then_some(&*config.geo);
        let (source, now) = (source.index(), self.clock.moment());
        let thorough = self.thorough_hour == now.hour();
        for (peer, address) in keyed(&self.key, lists) {
            match history.peers.add_late(peer, source, hour, now) {
                Insert::Unchanged if !thorough => continue,
                Insert::Unchanged | Insert::New => {
                    self.all_peers.add_late(peer, 0, hour, now);
                }
                Insert::AboveThreshold => {}
            };
            if let Some(collection) = &mut collection {
                let country = || geo.map(|geo| geo.country(address));
                collection.record(peer, country, hour, now, thorough);
            }
        }
    }

    /// Loads the memory that [`PeerHistory::windows`] reads. The result only keeps the compiler
    /// from removing the loads.
    pub(super) fn prefetch(&self, hash: Option<InfoHash>) -> u64 {
        let history = hash.and_then(|hash| self.torrents.get(&hash));
        history.map_or(0, |history| u64::from(history.peers.is_empty()))
    }

    /// Returns the distinct peers of a torrent over time and by place; `None` without peers in the
    /// last month. `union` holds the current peers, if they are known.
    pub(super) fn windows(
        &mut self,
        hash: &InfoHash,
        union: Option<&PeerUnion<'_>>,
        config: &SwarmConfig,
    ) -> Option<TorrentWindows> {
        let moment = self.moment();
        let history = self.torrents.get_mut(hash)?;
        let geo = history.break_down(union, config, moment, &mut self.asn_counts);
        let counts = history.peers.counts(moment);
        // Peers outside all windows stay until the set forgets them: they may be inside again once
        // the clock is corrected.
        if history.is_empty() {
            self.asn_counts.remove(&history.take_by_asn());
            self.torrents.remove(hash);
            return None;
        }
        Some(TorrentWindows { counts, geo })
    }

    /// Adds the peers of every torrent to `all_peers`, after the saved ones were lost.
    pub(super) fn rebuild_all_peers(&mut self) {
        let moment = self.moment();
        for history in self.torrents.values() {
            self.all_peers.unite_flattened(&history.peers, moment);
        }
    }
}

/// Returns the peers of a list with their addresses. A /64 prefix stands for its first address.
fn keyed<'a>(key: &'a Key, lists: &'a PeerLists) -> impl Iterator<Item = (PeerHash, IpAddr)> {
    let (v4, v6) = PeerLists::slices(Some(lists));
    let v4 = v4.iter().map(|ip| {
        let address = IpAddr::V4(Ipv4Addr::from_bits(*ip));
        (key.v4(*ip), address)
    });
    let v6 = v6.iter().map(|net| (key.v6(*net), first_address(*net)));
    v4.chain(v6)
}
