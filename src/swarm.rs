//! Folds observations into the state of torrents and trackers. Pure: no clock, no socket.
//!
//! A peer is one IP address. The latest valid answer of every (torrent, tracker, family) is kept
//! until it is stale; a torrent's peers are the union of what is kept. A failure never makes a 0
//! and never erases an answer: only age does.

mod announce;
mod filter;
mod own;
mod row;
mod tally;
mod tracker;

use std::sync::Arc;
use std::time::Duration;

pub use filter::Filter;
pub use own::OwnAddresses;
pub use row::{AnnounceRow, Histogram, Rejection, TorrentRow, TrackerRow};

use crate::address::Accept;
use crate::observation::{
    AnnounceId, Failed, Family, Observation, Report, Source, TrackerId, Verdict,
};
use crate::roster::{Changes, Roster};
use crate::time::{Mono, Now, Unix};
use announce::Announce;
use tally::Tally;
use tracker::Tracker;

/// The state of everything watched.
#[derive(Debug)]
pub struct Swarms {
    filter: Filter,
    stale_after: Duration,
    /// In the order of [`Roster::torrents`].
    torrents: Vec<Torrent>,
    /// By announce id.
    announces: Vec<Announce>,
    /// By tracker id.
    trackers: Vec<Tracker>,
    durations: [Histogram; Source::ALL.len()],
}

/// The state of one torrent.
#[derive(Debug)]
struct Torrent {
    /// What is shown of it; made anew when something changed or went stale.
    row: Arc<TorrentRow>,
    changed: bool,
    /// When the first of its answers goes stale.
    fresh_until: Mono,
    last_success: Option<Unix>,
    last_peer_seen: Option<Unix>,
}

impl Swarms {
    /// Nothing watched yet. `port` is the one that we claim to trackers.
    pub fn new(accept: Accept, port: u16, stale_after: Duration) -> Self {
        Self {
            filter: Filter::new(accept, port),
            stale_after,
            torrents: Vec::new(),
            announces: Vec::new(),
            trackers: Vec::new(),
            durations: Default::default(),
        }
    }

    /// Takes over a new configuration; torrents and trackers that stay keep their state.
    pub fn update(
        &mut self,
        accept: Accept,
        stale_after: Duration,
        roster: &Roster,
        changes: &Changes,
    ) {
        self.filter.accept = accept;
        self.stale_after = stale_after;
        let mut old: Vec<_> = self.torrents.drain(..).map(Some).collect();
        for (entry, moved) in roster.torrents().iter().zip(&changes.moved) {
            let kept = moved.and_then(|place| old.get_mut(place as usize)?.take());
            let row = Arc::new(TorrentRow::unknown(Arc::clone(&entry.torrent)));
            self.torrents.push(Torrent {
                row,
                changed: true,
                fresh_until: Mono(u64::MAX),
                last_success: kept.as_ref().and_then(|torrent| torrent.last_success),
                last_peer_seen: kept.as_ref().and_then(|torrent| torrent.last_peer_seen),
            });
        }
        self.announces
            .resize_with(roster.announce_ids(), Announce::default);
        for id in changes.removed.iter().chain(&changes.added) {
            self.announces[id.0 as usize] = Announce::default();
        }
        for url in &roster.trackers()[self.trackers.len()..] {
            let label = url.as_ref().map(|url| url.label()).unwrap_or_default();
            self.trackers.push(Tracker::new(label));
        }
    }

    /// Our own addresses, as the system lists them.
    pub fn set_local_addresses(&mut self, addresses: &[std::net::IpAddr]) {
        self.filter.own.set_local(addresses);
    }

    /// Counts what a probe took and, if it failed, why. Done for every probe, also for one that
    /// our own outage made void.
    pub fn count(&mut self, observation: &Observation) {
        let Some(tracker) = self.trackers.get_mut(observation.tracker.0 as usize) else {
            return;
        };
        if matches!(observation.report, Report::NoAddress { .. }) {
            return;
        }
        tracker.count(observation);
        let asked = observation
            .report
            .failed()
            .is_none_or(|f| !f.reason.is_abstention());
        if asked {
            self.durations[Source::Tracker as usize].observe(observation.exchange.duration);
        }
    }

    /// Folds one observation, with what it means for its tracker.
    pub fn fold(&mut self, roster: &Roster, observation: Observation, verdict: Verdict, now: Now) {
        let Observation {
            tracker,
            family,
            report,
            exchange,
        } = observation;
        let Some(state) = self.trackers.get_mut(tracker.0 as usize) else {
            return;
        };
        state.settle(family, verdict.health, &exchange, now.mono);
        if verdict.changed {
            // The health of a tracker shows at each of its torrents.
            self.touch_tracker(roster, tracker);
        }
        match report {
            Report::Announce {
                id,
                result: Ok(answer),
            } => {
                let state = &mut self.trackers[tracker.0 as usize];
                state.interval = answer.interval.or(state.interval);
                if let Some(ip) = answer.external_ip {
                    self.filter.own.claim(tracker, ip);
                }
                let Some(torrent) = self.torrent_of(roster, id) else {
                    return;
                };
                self.filter.rejected[Rejection::Malformed.index()] +=
                    u64::from(answer.peers.malformed);
                let side = self.announces[id.0 as usize].side(family);
                let found = side.list(&answer, tracker, &mut self.filter, now.mono);
                let torrent = &mut self.torrents[torrent];
                torrent.changed = true;
                torrent.last_success = Some(now.unix);
                if found {
                    torrent.last_peer_seen = Some(now.unix);
                }
            }
            Report::Scrape {
                ids,
                result: Ok(counts),
            } => {
                for (id, counts) in ids.into_iter().zip(counts) {
                    let (Some(torrent), Some(counts)) = (self.torrent_of(roster, id), counts)
                    else {
                        continue;
                    };
                    self.announces[id.0 as usize]
                        .side(family)
                        .count(counts, now.mono);
                    let torrent = &mut self.torrents[torrent];
                    torrent.changed = true;
                    torrent.last_success = Some(now.unix);
                }
            }
            Report::Announce {
                id,
                result: Err(failed),
            } => {
                self.fail(roster, &[id], family, failed, verdict);
            }
            Report::Scrape {
                ids,
                result: Err(failed),
            } => {
                self.fail(roster, &ids, family, failed, verdict);
            }
            Report::NoAddress { .. } => {}
        }
    }

    fn fail(
        &mut self,
        roster: &Roster,
        ids: &[AnnounceId],
        family: Family,
        failed: Failed,
        verdict: Verdict,
    ) {
        if !verdict.stands {
            return;
        }
        let failed = Arc::new(failed);
        for id in ids {
            let Some(torrent) = self.torrent_of(roster, *id) else {
                continue;
            };
            self.announces[id.0 as usize]
                .side(family)
                .fail(Arc::clone(&failed));
            self.torrents[torrent].changed = true;
        }
    }

    fn torrent_of(&self, roster: &Roster, id: AnnounceId) -> Option<usize> {
        let place = roster.announce(id)?.torrent as usize;
        (place < self.torrents.len() && (id.0 as usize) < self.announces.len()).then_some(place)
    }

    fn touch_tracker(&mut self, roster: &Roster, tracker: TrackerId) {
        for (entry, torrent) in roster.torrents().iter().zip(&mut self.torrents) {
            let here = |id: &AnnounceId| {
                roster
                    .announce(*id)
                    .is_some_and(|announce| announce.tracker == tracker)
            };
            torrent.changed |= entry.announces.iter().any(here);
        }
    }

    /// The rows of all torrents, those that changed or went stale made anew.
    pub fn torrent_rows(&mut self, roster: &Roster, now: Now) -> Vec<Arc<TorrentRow>> {
        for place in 0..self.torrents.len() {
            if self.torrents[place].changed || self.torrents[place].fresh_until <= now.mono {
                self.refresh(place, roster, now);
            }
        }
        self.torrents
            .iter()
            .map(|torrent| Arc::clone(&torrent.row))
            .collect()
    }

    /// The rows of all trackers.
    pub fn tracker_rows(&self, roster: &Roster, now: Now) -> Vec<Option<Arc<TrackerRow>>> {
        let trackers = roster.trackers().iter().zip(&self.trackers);
        trackers
            .map(|(url, tracker)| {
                url.as_ref()
                    .map(|_| Arc::new(tracker.row(now.mono, self.stale_after)))
            })
            .collect()
    }

    /// Peers thrown away, by reason.
    pub fn rejected(&self) -> [u64; 4] {
        self.filter.rejected
    }

    /// Durations of probes, by source.
    pub fn durations(&self) -> [Histogram; Source::ALL.len()] {
        self.durations
    }

    fn refresh(&mut self, place: usize, roster: &Roster, now: Now) {
        let entry = &roster.torrents()[place];
        let mut tally = Tally::new(now.mono, self.stale_after);
        for of_tracker in entry.announces.chunk_by(|a, b| {
            roster.announce(*a).map(|a| a.tracker) == roster.announce(*b).map(|b| b.tracker)
        }) {
            let Some(announce) = of_tracker.first().and_then(|id| roster.announce(*id)) else {
                continue;
            };
            let health = self.trackers[announce.tracker.0 as usize].health();
            let announces = of_tracker.iter().map(|id| &self.announces[id.0 as usize]);
            tally.tracker(announce.tracker, announces, health);
        }
        let torrent = &mut self.torrents[place];
        torrent.fresh_until = tally.fresh_until();
        torrent.changed = false;
        torrent.row = Arc::new(tally.row(
            Arc::clone(&entry.torrent),
            torrent.last_success,
            torrent.last_peer_seen,
        ));
    }
}

#[cfg(test)]
mod tests;
