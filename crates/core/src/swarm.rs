//! Folds observations into the state of torrents, collections and trackers, and fills the read
//! model ([`crate::snapshot`]). Pure: no clock, no socket.
//!
//! A peer is one IP address. The latest valid answer of every (torrent, tracker, family) and the
//! latest successful lookup of every (info-hash, family) are kept until they are stale. The current
//! peers of a torrent are the union of their lists. A failure never makes a 0 and never erases an
//! answer: answers only go stale.
//!
//! | File | Contents |
//! |---|---|
//! | `config` | settings |
//! | `fold` | observations → state |
//! | `intake`, `filter`, `own` | which claimed peers count |
//! | `announce`, `lookup`, `peer_list` | the latest answers of one tracker, and of the DHT |
//! | `latest` | the latest answers of all sources |
//! | `state` | the whole state |
//! | `tracker`, `torrent`, `tick` | the state of a tracker and of a torrent |
//! | `statements` | answers → evidence for the verdict |
//! | `row_builder`, `peer_union` | answers → row of a torrent, and the current peers |
//! | `row_cache` | which rows each snapshot builds again |
//! | `peer_history`, `torrent_history`, `clock` | the peers of the last month |
//! | `day_book` | the daily histories |
//! | `collection` | torrents of one work, counted as one |
//! | `geo_breakdown`, `asn_counts` | countries and autonomous systems |
//! | `saved`, `shard` | the peer history as bytes |
//! | `lost` | parts of the history that were lost |

mod announce;
mod asn_counts;
mod clock;
mod collection;
mod config;
mod day_book;
mod filter;
mod fold;
mod geo_breakdown;
mod intake;
mod latest;
mod lookup;
mod lost;
mod own;
mod peer_history;
mod peer_list;
mod peer_union;
mod row_builder;
mod row_cache;
mod saved;
mod shard;
mod state;
mod statements;
mod tick;
mod torrent;
mod torrent_history;
mod tracker;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use config::SwarmConfig;
pub use saved::ShardFormat;
pub use shard::Shard;

use crate::cliff::RunningMinute;
use crate::history::HistoryBlock;
use crate::roster::{Changes, Roster, TorrentIndex};
use crate::saved::DecodeError;
use crate::snapshot::{Block, CollectionRow, Histogram, Rejection, TotalsRow, TrackerRow};
use crate::verdict::{NetworkState, Rounds, StateChange};
use crate::{Health, HealthChange, PerSource, Source};
use announce::FamilyState;
use collection::unique_since;
use fold::TrackerFold;
use row_cache::{RowCache, RowContext};
use seedwatch_clock::{Mono, Now, Unix};
use seedwatch_dht::LookupReport;
use seedwatch_distinct::Key;
use seedwatch_geo::Database;
use seedwatch_torrent::Family;
use seedwatch_tracker::{AnnounceId, Observation, Report, TrackerId};
use state::SwarmState;
use torrent::TorrentState;

/// How long trackers may list an announce that was not withdrawn: most forget it within an hour.
const LEFT_BEHIND: Duration = Duration::from_secs(2 * 3600);

/// The state of all torrents, collections and trackers.
#[derive(Debug)]
pub struct Swarms {
    state: SwarmState,
    rows: RowCache,
    probes: ProbeHistograms,
}

/// Histograms over all probes.
#[derive(Debug, Default)]
struct ProbeHistograms {
    durations: PerSource<Histogram>,
    lookup_queries: Histogram,
}

impl Swarms {
    /// Returns the state of a daemon that watches nothing yet. `ports` are those that we announce
    /// to trackers, by family. Peers are stored as hashes under `key`, never as addresses.
    pub fn new(config: SwarmConfig, ports: [u16; 2], key: Key) -> Self {
        Self {
            state: SwarmState::new(config, ports, key),
            rows: RowCache::default(),
            probes: ProbeHistograms::default(),
        }
    }

    /// Adopts a new configuration. Torrents and trackers that stay keep their state, and torrents
    /// that come back keep their history.
    pub fn update(&mut self, config: SwarmConfig, roster: &Roster, changes: &Changes, now: Now) {
        self.state.tick(now);
        self.state.update(config, roster, changes);
        self.rows.clear();
    }

    /// Restores that the operator of a tracker asked not to be contacted, as found before a
    /// restart.
    pub fn mark_closed(&mut self, tracker: TrackerId, family: Family, now: Mono) {
        if let Some(state) = self.state.latest.trackers.get_mut(tracker.0 as usize) {
            state.set_health(family, Health::Closed, now);
        }
    }

    /// Adopts the lookup schedule of the DHT. A lookup is stale after `stale_after`.
    pub fn update_lookups(&mut self, stale_after: Duration, roster: &Roster) {
        self.state.latest.stale_after[Source::Dht] = stale_after;
        self.state.latest.lookups.update(roster.dht_hashes());
        self.state
            .torrents
            .iter_mut()
            .for_each(TorrentState::mark_dirty);
    }

    /// Sets our own addresses as most DHT nodes see them (BEP 42). They are a hint only: a
    /// statement of DHT nodes never excludes a peer.
    pub fn set_external_addresses(&mut self, addresses: impl Iterator<Item = IpAddr>) {
        self.state.intake.filter.own.set_external(addresses);
    }

    /// Expects entries of our own in all peer lists for [`LEFT_BEHIND`].
    pub fn expect_own_entries(&mut self, now: Mono) {
        self.state.intake.filter.own_listed_until = now.after(LEFT_BEHIND);
    }

    /// Sets the state of our own network, for the verdicts.
    pub fn set_network(&mut self, network: NetworkState) {
        self.state.network = network;
    }

    /// Sets how often the sources are asked, for the verdicts.
    pub fn set_rounds(&mut self, rounds: Rounds) {
        self.state.rounds = rounds;
    }

    /// Sets the addresses of the local interfaces.
    pub fn set_local_addresses(&mut self, addresses: &[IpAddr]) {
        self.state.intake.filter.own.set_local(addresses);
    }

    /// Counts the duration of a probe and its failure. Must be called for every probe, even if our
    /// own outage voids it, unless our own resolver does.
    pub fn count_probe(&mut self, observation: &Observation) {
        let tracker = observation.tracker.0 as usize;
        let Some(tracker) = self.state.latest.trackers.get_mut(tracker) else {
            return;
        };
        if matches!(observation.report, Report::NoAddress { .. }) {
            return;
        }
        tracker.count(observation);
        let failed = observation.report.failed();
        if failed.is_none_or(|failed| !failed.reason.is_abstention()) {
            let seconds = observation.stats.duration.as_secs_f64();
            self.probes.durations[Source::Tracker].observe(seconds, &Histogram::SECONDS);
        }
    }

    /// Loads the memory that [`Swarms::fold`] reads of a swarm, so that the loads of many swarms
    /// overlap. The result only keeps the compiler from removing the loads.
    pub fn prefetch(&self, roster: &Roster, id: AnnounceId, family: Family) -> u64 {
        let Some(torrent) = self.state.torrent_of(roster, id) else {
            return 0;
        };
        let state = self.state.latest.announces[id.0 as usize].family(family);
        let read = state.map_or(0, FamilyState::prefetch);
        let hour = self.state.torrents[torrent.get()].last_seen.list_hour[Source::Tracker];
        read.wrapping_add(hour.into())
    }

    /// Folds an observation of a tracker. `change` states what it means for the tracker.
    pub fn fold(
        &mut self,
        roster: &Roster,
        observation: Observation,
        change: HealthChange,
        now: Now,
    ) {
        self.state.tick(now);
        let fold = TrackerFold {
            state: &mut self.state,
            roster,
            tracker: observation.tracker,
            family: observation.family,
            change,
            now,
        };
        fold.run(observation);
    }

    /// Counts the duration and the queries of a lookup, unless no node was known. Must be called
    /// for every lookup, even if our own outage voids it.
    pub fn count_lookup(&mut self, lookup: &LookupReport) {
        if lookup.diagnosis.queries == 0 {
            return;
        }
        let seconds = lookup.diagnosis.duration.as_secs_f64();
        self.probes.durations[Source::Dht].observe(seconds, &Histogram::SECONDS);
        let queries = f64::from(lookup.diagnosis.queries);
        self.probes
            .lookup_queries
            .observe(queries, &Histogram::QUERIES);
    }

    /// Folds a lookup of the DHT. A failed lookup never makes a 0.
    pub fn fold_lookup(&mut self, roster: &Roster, lookup: &LookupReport, now: Now) {
        self.state.tick(now);
        fold::fold_lookup(&mut self.state, roster, lookup, now);
    }

    /// Records all confirmed lists in the history. Must be called before another configuration is
    /// adopted.
    pub fn flush(&mut self, roster: &Roster) {
        for torrent in TorrentIndex::range(0..self.state.torrents.len()) {
            self.state.flush(roster, torrent, |_| true);
        }
    }

    /// Returns whether another source lists peers of this family for the swarm of an announce.
    pub fn is_listed_elsewhere(
        &self,
        roster: &Roster,
        id: AnnounceId,
        family: Family,
        now: Mono,
    ) -> bool {
        let Some(torrent) = self.state.torrent_of(roster, id) else {
            return false;
        };
        let mut lists = self.state.latest.fresh_lists(torrent, roster, now);
        lists.any(|(announce, (v4, v6))| {
            let has_peers = match family {
                Family::Ipv4 => !v4.is_empty(),
                Family::Ipv6 => !v6.is_empty(),
            };
            announce != Some(id) && has_peers
        })
    }

    /// Returns the rows of all torrents. Unchanged blocks are shared with earlier calls.
    pub fn blocks(&mut self, roster: &Roster, now: Now) -> Vec<Arc<Block>> {
        self.state.tick(now);
        let state = &mut self.state;
        self.rows.blocks(RowContext { state, roster, now })
    }

    /// Returns the daily histories of all torrents before the current day. [`Swarms::blocks`] must
    /// be called first.
    pub fn histories(&self) -> Vec<Arc<HistoryBlock>> {
        self.state.history.days.blocks()
    }

    /// Returns the current hour and minute of running time.
    pub fn running_time(&mut self, now: Now) -> RunningMinute {
        self.state.tick(now);
        let clock = &self.state.history.clock;
        let minutes = now.mono.since(clock.slid_at()).as_secs() / 60;
        RunningMinute {
            hour: clock.moment().hour(),
            minute: minutes.min(59) as u8,
        }
    }

    /// Returns what tells our key from others.
    pub(crate) fn key_fingerprint(&self) -> [u8; 8] {
        self.state.history.key.fingerprint()
    }

    /// Returns the torrents whose state has changed since the last call.
    pub fn take_changes(&mut self) -> Vec<StateChange> {
        self.rows.take_changes()
    }

    /// Returns the rows of all collections, sorted by name. [`Swarms::blocks`] must be called
    /// first.
    pub fn collections(&mut self, roster: &Roster, now: Now) -> Vec<Arc<CollectionRow>> {
        let state = &mut self.state;
        self.rows.collections(RowContext { state, roster, now })
    }

    /// Returns the values of all torrents together.
    pub fn totals(&mut self) -> TotalsRow {
        let torrents = self.state.torrents.iter();
        let hours = torrents.map(|torrent| torrent.last_seen.latest_list_hour());
        let last_list_hour = hours.max().unwrap_or(0);
        let history = &mut self.state.history;
        let moment = history.moment();
        let counts = history.all_peers.counts(moment).all;
        let unknown = history.lost.windows_of_any();
        TotalsRow {
            unique: unique_since(last_list_hour, counts, unknown, moment),
            systems: match self.state.config.geo.built(Database::Asn) {
                Some(_) => history.asn_counts.rows(),
                None => Vec::new(),
            },
        }
    }

    /// Returns the rows of all trackers, by tracker id.
    pub fn tracker_rows(
        &self,
        roster: &Roster,
        now: Now,
        next_probe: impl Fn(TrackerId) -> Option<Unix>,
    ) -> Vec<Option<Arc<TrackerRow>>> {
        self.state.latest.tracker_rows(roster, now.mono, next_probe)
    }

    /// Returns the claimed peers that do not count, by [`Rejection::index`].
    pub fn rejected(&self) -> [u64; Rejection::ALL.len()] {
        self.state.intake.filter.rejected
    }

    /// Returns the durations of probes.
    pub fn durations(&self) -> PerSource<Histogram> {
        self.probes.durations
    }

    /// Returns the queries per lookup.
    pub fn lookup_queries(&self) -> Histogram {
        self.probes.lookup_queries
    }

    /// Returns the number of torrents with saved state: those of the configuration, and removed
    /// ones.
    pub fn saved_torrents(&self) -> usize {
        self.state.torrents.len() + self.state.history.removed.len()
    }

    /// Returns the number of collections with saved state.
    pub fn saved_collections(&self) -> usize {
        self.state.history.collections.len()
    }

    /// Appends a shard of the collections; the first shard also has what all torrents share. Only
    /// after [`Swarms::encode_torrents`] does it have all peers of the torrents.
    pub fn encode_shared(&self, shard: Shard, out: &mut Vec<u8>) {
        saved::encode_shared(&self.state.history, shard, out);
    }

    /// Merges a shard that [`Swarms::encode_shared`] wrote. Must be called before the first
    /// [`Swarms::update`].
    ///
    /// # Errors
    /// The bytes are damaged, or were written with another key. The state is unchanged.
    pub fn decode_shared(&mut self, bytes: &[u8], format: ShardFormat) -> Result<(), DecodeError> {
        saved::decode_shared(&mut self.state.history, bytes, format)
    }

    /// Appends a shard of the torrents.
    pub fn encode_torrents(&mut self, roster: &Roster, shard: Shard, out: &mut Vec<u8>) {
        let indices = TorrentIndex::range(0..self.state.torrents.len());
        for torrent in indices.clone() {
            let identity = roster.identity(torrent);
            if identity.is_some_and(|hash| shard.has(&hash)) {
                self.state.flush(roster, torrent, |_| true);
            }
        }
        let days = &self.state.history.days;
        let torrents = indices.zip(&self.state.torrents);
        let configured = torrents.filter_map(|(index, torrent)| {
            let hash = roster.identity(index)?;
            let mut torrent = *torrent;
            if let Some(now) = days.calendar.now() {
                torrent.today.credit(now);
            }
            Some((hash, torrent, days.runs(index)))
        });
        saved::encode_torrents(&self.state.history, configured, shard, out);
    }

    /// Merges a shard that [`Swarms::encode_torrents`] wrote. Must be called before the first
    /// [`Swarms::update`].
    ///
    /// # Errors
    /// The bytes are damaged, or were written with another key. The state is unchanged.
    pub fn decode_torrents(
        &mut self,
        bytes: &[u8],
        format: ShardFormat,
    ) -> Result<(), DecodeError> {
        saved::decode_torrents(&mut self.state.history, bytes, format)
    }

    /// Records that a shard of the torrents was found lost at this time.
    pub fn mark_lost(&mut self, at: Unix, shard: Shard) {
        self.state.history.lost.add(at, shard);
    }

    /// Counts the peers of every torrent among all peers again, after the saved ones were lost.
    pub fn rebuild_all_peers(&mut self) {
        self.state.history.rebuild_all_peers();
    }
}

#[cfg(test)]
mod tests;
