//! Folds observations into the state.

use std::sync::Arc;

use super::peer_history::ListOrigin;
use super::peer_list::ListUpdate;
use super::state::SwarmState;
use crate::roster::{Roster, TorrentIndex};
use crate::snapshot::Rejection;
use crate::{HealthChange, Source};
use seedwatch_clock::Now;
use seedwatch_dht::LookupReport;
use seedwatch_torrent::Family;
use seedwatch_tracker::{
    AnnounceId, AnnounceResponse, Counts, Observation, ProbeError, Problem, Report, TrackerId,
};

/// One observation of a tracker, while it is folded.
#[derive(Debug)]
pub(super) struct TrackerFold<'a> {
    pub(super) state: &'a mut SwarmState,
    pub(super) roster: &'a Roster,
    pub(super) tracker: TrackerId,
    pub(super) family: Family,
    pub(super) change: HealthChange,
    pub(super) now: Now,
}

impl TrackerFold<'_> {
    /// Folds the observation.
    pub(super) fn run(mut self, observation: Observation) {
        let Observation { report, stats, .. } = observation;
        let tracker = self.tracker.0 as usize;
        let Some(tracker) = self.state.latest.trackers.get_mut(tracker) else {
            return;
        };
        tracker.set_health(self.family, self.change.health, self.now.mono);
        tracker.set_down_reason(self.family, report.failed());
        tracker.scrape_interval = stats.scrape_interval().or(tracker.scrape_interval);
        match report.failed() {
            Some(failed) => tracker.set_rate_limit(failed, self.now.mono),
            None if matches!(report, Report::NoAddress { .. }) => {}
            None => tracker.set_phases(self.family, &stats.phases),
        }
        if self.change.changed {
            self.mark_tracker_dirty();
        }
        match report {
            Report::Announce { id, result } => match result {
                Ok(answer) => self.announce(id, &answer),
                Err(failed) => self.fail(&[id], failed),
            },
            Report::Scrape { ids, result } => match result {
                Ok(counts) => self.scrape(&ids, &counts),
                Err(failed) => self.fail(&ids, failed),
            },
            Report::NoAddress { .. } => {}
        }
    }

    /// Folds the answer to an announce.
    fn announce(&mut self, id: AnnounceId, answer: &AnnounceResponse) {
        let now = self.now.mono;
        let tracker = &mut self.state.latest.trackers[self.tracker.0 as usize];
        tracker.interval = answer.interval.or(tracker.interval);
        let warning = tracker.set_warning(answer.warning.as_deref(), now);
        let Some(torrent) = self.state.torrent_of(self.roster, id) else {
            return;
        };
        let intake = &mut self.state.intake;
        let malformed = u64::from(answer.peers.malformed);
        intake.filter.reject(Rejection::Malformed, malformed);
        let announce = &mut self.state.latest.announces[id.0 as usize];
        let family = announce.family_mut(self.family);
        family.store_counts(answer.counts, now);
        // An empty list is inconclusive if the tracker withholds its peers.
        let update = match answer.peer_list_withheld {
            true => None,
            false => family.store_list(answer, intake, now),
        };
        match (answer.counts.has_current(), &update) {
            (true, _) => family.record_answer(warning, now),
            (false, Some(_)) => family.record_list(warning, now),
            (false, None) => family.record_inconclusive(warning, now),
        }
        self.state.torrents[torrent.get()].record_success(Source::Tracker, self.now);
        let Some(update) = update else {
            return;
        };
        let lists = family.lists_mut().filter(|_| update.has_peers);
        let origin = ListOrigin {
            roster: self.roster,
            torrent,
            source: Source::Tracker,
            config: &self.state.config,
        };
        let ListUpdate {
            has_peers,
            replaced,
        } = update;
        self.state.history.record_answer(origin, replaced, lists);
        let hour = self.state.history.moment().hour();
        self.state.torrents[torrent.get()].record_list(Source::Tracker, has_peers, self.now, hour);
    }

    /// Folds the answer to a scrape.
    fn scrape(&mut self, ids: &[AnnounceId], counts: &[Option<Counts>]) {
        let is_short = Report::is_short(counts);
        for (id, counts) in ids.iter().zip(counts) {
            if counts.is_none() && !is_short {
                self.fail(&[*id], Report::left_out());
            }
            let torrent = self.state.torrent_of(self.roster, *id);
            let (Some(torrent), Some(counts)) = (torrent, counts) else {
                continue;
            };
            let announce = &mut self.state.latest.announces[id.0 as usize];
            let family = announce.family_mut(self.family);
            // Some trackers answer every scrape with 0, so beside announces that proves no more
            // than the announces do.
            let is_trusted = self.change.is_confirmed || family.has_latest_list();
            let counts = match counts.is_empty() && !is_trusted {
                true => Counts {
                    completed: counts.completed,
                    ..Counts::default()
                },
                false => *counts,
            };
            family.store_scrape(counts, self.now.mono);
            let torrent = &mut self.state.torrents[torrent.get()];
            torrent.mark_dirty();
            // A scrape beside announces does not show whether the announces succeed.
            if self.change.is_confirmed {
                family.record_answer(None, self.now.mono);
                torrent.record_success(Source::Tracker, self.now);
            }
        }
    }

    /// Folds a failure, if it stands.
    fn fail(&mut self, ids: &[AnnounceId], failed: ProbeError) {
        if !self.change.is_confirmed {
            return;
        }
        let failed = Arc::new(Problem::Failed(failed));
        for id in ids {
            let Some(torrent) = self.state.torrent_of(self.roster, *id) else {
                continue;
            };
            let announce = &mut self.state.latest.announces[id.0 as usize];
            let family = announce.family_mut(self.family);
            family.record_failure(Arc::clone(&failed), self.now.mono);
            self.state.torrents[torrent.get()].mark_dirty();
        }
    }

    /// Marks the rows of all torrents at the tracker, which show its health.
    fn mark_tracker_dirty(&mut self) {
        let indices = TorrentIndex::range(0..self.state.torrents.len());
        for (index, torrent) in indices.zip(&mut self.state.torrents) {
            let is_here = |id: &AnnounceId| {
                let announce = self.roster.announce(*id);
                announce.is_some_and(|announce| announce.tracker == self.tracker)
            };
            if self.roster.announces_of(index).iter().any(is_here) {
                torrent.mark_dirty();
            }
        }
    }
}

/// Folds a lookup of the DHT. A failed lookup never makes a 0.
pub(super) fn fold_lookup(
    state: &mut SwarmState,
    roster: &Roster,
    lookup: &LookupReport,
    now: Now,
) {
    let torrent = roster.torrent_of(&lookup.info_hash);
    let torrent = torrent.filter(|index| index.get() < state.torrents.len());
    let lookups = &mut state.latest.lookups;
    let latest = lookups.state_mut(&lookup.info_hash, lookup.family);
    let (Some(torrent), Some(latest)) = (torrent, latest) else {
        return;
    };
    let intake = &mut state.intake;
    let found = lookup.result.as_ref().map_err(|reason| *reason);
    let update = found.and_then(|found| {
        let malformed = u64::from(found.peers.malformed);
        intake.filter.reject(Rejection::Malformed, malformed);
        latest.store(found, intake, now.mono)
    });
    let Ok(update) = update else {
        latest.record_failure(now.mono);
        state.torrents[torrent.get()].mark_dirty();
        return;
    };
    let hour = state.history.moment().hour();
    let row = &mut state.torrents[torrent.get()];
    row.record_success(Source::Dht, now);
    row.record_list(Source::Dht, update.has_peers, now, hour);
    let lists = latest.lists_mut().filter(|_| update.has_peers);
    let origin = ListOrigin {
        roster,
        torrent,
        source: Source::Dht,
        config: &state.config,
    };
    state.history.record_answer(origin, update.replaced, lists);
}
