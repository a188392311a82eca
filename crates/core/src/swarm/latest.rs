//! The latest answers of all sources.
//!
//! A new source is one field of [`LatestAnswers`], and one loop in each of its methods that visit
//! all sources: [`LatestAnswers::flush`], [`LatestAnswers::fresh_lists`],
//! [`LatestAnswers::row_builder`].

use std::sync::Arc;
use std::time::Duration;

use super::announce::AnnounceState;
use super::config::SwarmConfig;
use super::lookup::Lookups;
use super::peer_history::{ListOrigin, PeerHistory};
use super::peer_list::{PeerLists, PeerSlices, RecordedAt};
use super::row_builder::RowBuilder;
use super::tracker::TrackerState;
use crate::roster::{Changes, Roster, TorrentIndex};
use crate::snapshot::TrackerRow;
use crate::{PerSource, Source};
use seedwatch_clock::{Mono, Now, Unix};
use seedwatch_torrent::{Family, InfoHash};
use seedwatch_tracker::{AnnounceId, TrackerId};

/// The latest answers of all sources, and the state of the trackers.
#[derive(Debug, Default)]
pub(super) struct LatestAnswers {
    /// By tracker id.
    pub(super) trackers: Vec<TrackerState>,
    /// By announce id.
    pub(super) announces: Vec<AnnounceState>,
    pub(super) lookups: Lookups,
    /// Age at which an answer is stale.
    pub(super) stale_after: PerSource<Duration>,
}

impl LatestAnswers {
    /// Adopts the trackers and announces of a new configuration. Those that stay keep their state.
    pub(super) fn update(&mut self, roster: &Roster, changes: &Changes) {
        self.announces
            .resize_with(roster.announce_ids(), AnnounceState::default);
        for id in changes
            .removed_announces
            .iter()
            .chain(&changes.added_announces)
        {
            self.announces[id.0 as usize] = AnnounceState::default();
        }
        for url in &roster.trackers()[self.trackers.len()..] {
            let label = url.as_ref().map(|url| url.label()).unwrap_or_default();
            let is_loopback = url.as_ref().is_some_and(|url| url.is_loopback());
            self.trackers.push(TrackerState::new(label, is_loopback));
        }
    }

    /// Records in the history the confirmed lists of a torrent that are still to be recorded and
    /// that `is_wanted` selects.
    pub(super) fn flush(
        &mut self,
        torrent: TorrentIndex,
        roster: &Roster,
        config: &SwarmConfig,
        history: &mut PeerHistory,
        is_wanted: impl Fn(RecordedAt) -> bool,
    ) {
        let mut flush = |source: Source, lists: &mut PeerLists| {
            let origin = ListOrigin {
                roster,
                torrent,
                source,
                config,
            };
            if is_wanted(lists.recorded_at) {
                history.flush(origin, lists);
            }
        };
        for id in roster.announces_of(torrent) {
            let announce = self.announces.get_mut(id.0 as usize);
            for lists in announce.into_iter().flat_map(AnnounceState::lists_mut) {
                flush(Source::Tracker, lists);
            }
        }
        for hash in wire_hashes(roster, torrent) {
            for lists in self.lookups.lists_mut(&hash) {
                flush(Source::Dht, lists);
            }
        }
    }

    /// Returns the fresh lists of a torrent, with the announce of those that came from a tracker.
    pub(super) fn fresh_lists<'a>(
        &'a self,
        torrent: TorrentIndex,
        roster: &'a Roster,
        now: Mono,
    ) -> impl Iterator<Item = (Option<AnnounceId>, PeerSlices<'a>)> {
        let announces = roster.announces_of(torrent).iter();
        let from_trackers = announces.flat_map(move |id| {
            let announce = self.announces.get(id.0 as usize).into_iter();
            let states = announce.flat_map(AnnounceState::families);
            let stale_after = self.stale_after[Source::Tracker];
            let fresh = states.filter_map(move |(_, state)| state.peers(now, stale_after));
            fresh.map(move |(peers, _)| (Some(*id), peers))
        });
        let lookups = wire_hashes(roster, torrent).filter_map(|hash| self.lookups.of(&hash));
        let from_dht = lookups.flatten().filter_map(move |lookup| {
            let fresh = lookup.fresh(now, self.stale_after[Source::Dht]);
            Some((None, fresh.peers?))
        });
        from_trackers.chain(from_dht)
    }

    /// Returns a builder with all answers about a torrent.
    pub(super) fn row_builder(
        &self,
        torrent: TorrentIndex,
        roster: &Roster,
        now: Now,
    ) -> RowBuilder<'_> {
        let mut builder = RowBuilder::new(now);
        let tracker_of = |id: &AnnounceId| roster.announce(*id).map(|announce| announce.tracker);
        let announces = roster.announces_of(torrent);
        let stale_after = self.stale_after[Source::Tracker];
        for at_tracker in announces.chunk_by(|a, b| tracker_of(a) == tracker_of(b)) {
            let Some(id) = at_tracker.first().and_then(tracker_of) else {
                continue;
            };
            let tracker = &self.trackers[id.0 as usize];
            let health = tracker.health(now.mono, stale_after);
            let states = at_tracker.iter().map(|id| &self.announces[id.0 as usize]);
            let down_reasons = Family::ALL.map(|family| tracker.down_reason(family));
            let stale_after = tracker.stale_after(stale_after);
            let asked = tracker.asked();
            builder.add_tracker(id, states, health, asked, down_reasons, stale_after);
        }
        for hash in wire_hashes(roster, torrent) {
            let lookups = self.lookups.of(&hash).into_iter().flatten();
            for (family, lookup) in Family::ALL.into_iter().zip(lookups) {
                builder.add_lookup(family, lookup, self.stale_after[Source::Dht]);
            }
        }
        builder
    }

    /// Loads the memory that [`LatestAnswers::row_builder`] reads, so that the loads of many
    /// torrents overlap. The result only keeps the compiler from removing the loads.
    pub(super) fn prefetch(&self, torrent: TorrentIndex, roster: &Roster) -> u64 {
        let announces = roster.announces_of(torrent).iter();
        let states = announces.filter_map(|id| self.announces.get(id.0 as usize));
        let loads = states.flat_map(AnnounceState::families);
        loads.fold(0, |sum, (_, state)| sum.wrapping_add(state.prefetch()))
    }

    /// Returns the rows of all trackers, by tracker id. `next_probe` says when a tracker may be
    /// asked next.
    pub(super) fn tracker_rows(
        &self,
        roster: &Roster,
        now: Mono,
        next_probe: impl Fn(TrackerId) -> Option<Unix>,
    ) -> Vec<Option<Arc<TrackerRow>>> {
        let stale_after = self.stale_after[Source::Tracker];
        let ids = (0..).map(TrackerId);
        let trackers = roster.trackers().iter().zip(&self.trackers).zip(ids);
        trackers
            .map(|((url, tracker), id)| {
                url.as_ref()?;
                Some(Arc::new(tracker.row(now, stale_after, next_probe(id))))
            })
            .collect()
    }
}

/// Returns the info-hashes of a torrent as they are on the wire.
fn wire_hashes(roster: &Roster, torrent: TorrentIndex) -> impl Iterator<Item = InfoHash> {
    let torrent = roster.torrents().get(torrent.get()).into_iter();
    torrent.flat_map(|torrent| torrent.hashes.wire())
}
