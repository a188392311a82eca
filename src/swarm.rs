//! Folds observations into the state of torrents and trackers. Pure: no clock, no socket.
//!
//! A peer is one IP address. The latest valid answer of every (torrent, tracker, family) is kept
//! until it is stale, and so is the latest lookup that came through of every (info-hash, family); a
//! torrent's peers are the union of what is kept. A failure never makes a 0 and never erases an
//! answer: only age does.

mod announce;
mod filter;
mod kept;
mod lookup;
mod own;
mod row;
mod tally;
mod tracker;

use std::sync::Arc;
use std::time::Duration;

pub use filter::Filter;
pub use own::OwnAddresses;
pub use row::{
    AnnounceRow, Block, Bounds, Count, Histogram, Rejection, Stamp, TorrentRow, TorrentView,
    TrackerRow,
};

use crate::address::Accept;
use crate::observation::{
    AnnounceId, Failed, Family, Lookup, Observation, Report, Source, TrackerId, Verdict,
};
use crate::roster::{Changes, Roster};
use crate::time::{Mono, Now};
use announce::Announce;
use kept::{Room, Tick};
use lookup::Lookups;
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
    lookups: Lookups,
    /// What was shown last.
    blocks: Vec<Arc<Block>>,
    room: Room,
    durations: [Histogram; Source::ALL.len()],
    queries: Histogram,
}

/// What is kept of one torrent beside its announces.
#[derive(Debug, Clone, Copy, Default)]
struct Torrent {
    /// By [`Source::index`].
    last_success: [Stamp; Source::ALL.len()],
    last_peer_seen: Stamp,
    /// When the first of its answers goes stale, and its row must be made anew. Never come = now.
    fresh_until: Tick,
}

impl Torrent {
    /// Its row must be made anew.
    fn change(&mut self) {
        self.fresh_until = Tick::default();
    }

    fn is_old(&self, now: Mono) -> bool {
        self.fresh_until <= Tick::at(now)
    }
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
            lookups: Lookups::default(),
            blocks: Vec::new(),
            room: Room::default(),
            durations: Default::default(),
            queries: Histogram::default(),
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
        let kept = changes
            .moved
            .iter()
            .map(|moved| moved.and_then(|at| self.torrents.get(at as usize)));
        let torrents = kept.map(|kept| Torrent {
            fresh_until: Tick::default(),
            ..kept.copied().unwrap_or_default()
        });
        self.torrents = torrents.collect();
        self.blocks.clear();
        let trackers = roster.trackers();
        self.filter
            .own
            .retain(|id| trackers.get(id.0 as usize).is_some_and(Option::is_some));
        self.announces
            .resize_with(roster.announce_ids(), Announce::default);
        for id in changes.removed.iter().chain(&changes.added) {
            self.announces[id.0 as usize] = Announce::default();
        }
        for url in &roster.trackers()[self.trackers.len()..] {
            let label = url.as_ref().map(|url| url.label()).unwrap_or_default();
            let loopback = url.as_ref().is_some_and(|url| url.is_loopback());
            self.trackers.push(Tracker::new(label, loopback));
        }
    }

    /// Takes over what is looked up in the DHT. What it says is shown until it is `stale_after` old.
    pub fn update_lookups(&mut self, stale_after: Duration, roster: &Roster) {
        self.lookups.stale_after = stale_after;
        self.lookups.update(roster.sweep());
        for (torrent, watched) in self.torrents.iter_mut().zip(roster.torrents().iter()) {
            torrent.change();
            let hash = watched.hashes.wire().next();
            if hash.is_none_or(|hash| roster.place_of(&hash).is_none()) {
                torrent.last_success[Source::Dht.index()] = Stamp::default();
            }
        }
    }

    /// Our own addresses, as most nodes of the DHT see us (BEP 42).
    pub fn set_external_addresses(&mut self, addresses: impl Iterator<Item = std::net::IpAddr>) {
        self.filter.own.set_external(addresses);
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
            let seconds = observation.exchange.duration.as_secs_f64();
            self.durations[Source::Tracker.index()].observe(seconds, &Histogram::SECONDS);
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
        state.settle(family, verdict.health, now.mono);
        let answered = report.failed().is_none() && !matches!(report, Report::NoAddress { .. });
        if answered {
            state.time(family, &exchange.phases);
        }
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
                side.count(answer.counts, now.mono);
                side.answer(now.mono);
                let mut found = false;
                // A list that the tracker keeps to itself is not an empty one.
                if !answer.withheld {
                    let (filter, room) = (&mut self.filter, &mut self.room);
                    found = side.list(&answer, tracker, filter, room, now.mono);
                }
                let torrent = &mut self.torrents[torrent];
                torrent.change();
                torrent.last_success[Source::Tracker.index()] = now.unix.into();
                if found {
                    torrent.last_peer_seen = now.unix.into();
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
                    let side = self.announces[id.0 as usize].side(family);
                    side.count(counts, now.mono);
                    let torrent = &mut self.torrents[torrent];
                    torrent.change();
                    // Beside announces a scrape says nothing of how those fare.
                    if verdict.stands {
                        side.answer(now.mono);
                        torrent.last_success[Source::Tracker.index()] = now.unix.into();
                    }
                }
            }
            Report::Announce {
                id,
                result: Err(failed),
            } => {
                self.fail(roster, &[id], family, failed, verdict, now.mono);
            }
            Report::Scrape {
                ids,
                result: Err(failed),
            } => {
                self.fail(roster, &ids, family, failed, verdict, now.mono);
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
        now: Mono,
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
                .fail(Arc::clone(&failed), now);
            self.torrents[torrent].change();
        }
    }

    /// Counts what a lookup took. Done for every lookup, also for one that our own outage made
    /// void, but not where no node was known to be asked.
    pub fn count_lookup(&mut self, lookup: &Lookup) {
        if lookup.diagnosis.queries == 0 {
            return;
        }
        let seconds = lookup.diagnosis.duration.as_secs_f64();
        self.durations[Source::Dht.index()].observe(seconds, &Histogram::SECONDS);
        let queries = f64::from(lookup.diagnosis.queries);
        self.queries.observe(queries, &Histogram::QUERIES);
    }

    /// Folds one lookup. One that did not come through never makes a 0.
    pub fn fold_lookup(&mut self, roster: &Roster, lookup: &Lookup, now: Now) {
        let place = roster.place_of(&lookup.info_hash);
        let torrent = place.and_then(|place| self.torrents.get_mut(place));
        let side = self.lookups.side(&lookup.info_hash, lookup.family);
        let (Some(torrent), Some(side)) = (torrent, side) else {
            return;
        };
        torrent.change();
        let found = lookup.result.as_ref().map_err(|reason| *reason);
        let found = found.and_then(|found| {
            self.filter.rejected[Rejection::Malformed.index()] += u64::from(found.peers.malformed);
            side.found(found, &mut self.filter, &mut self.room, now.mono)
        });
        match found {
            Ok(anybody) => {
                torrent.last_success[Source::Dht.index()] = now.unix.into();
                if anybody {
                    torrent.last_peer_seen = now.unix.into();
                }
            }
            Err(_) => side.fail(now.mono),
        }
    }

    fn torrent_of(&self, roster: &Roster, id: AnnounceId) -> Option<usize> {
        let place = roster.announce(id)?.torrent as usize;
        (place < self.torrents.len() && (id.0 as usize) < self.announces.len()).then_some(place)
    }

    fn touch_tracker(&mut self, roster: &Roster, tracker: TrackerId) {
        for (place, torrent) in self.torrents.iter_mut().enumerate() {
            let here = |id: &AnnounceId| roster.announce(*id).is_some_and(|a| a.tracker == tracker);
            if roster.announces_of(place).iter().any(here) {
                torrent.change();
            }
        }
    }

    /// The rows of all torrents; those that changed or went stale are made anew.
    pub fn blocks(&mut self, roster: &Roster, now: Now) -> Vec<Arc<Block>> {
        self.blocks
            .resize_with(self.torrents.len().div_ceil(Block::SIZE), Arc::default);
        for block in 0..self.blocks.len() {
            let start = block * Block::SIZE;
            let end = self.torrents.len().min(start + Block::SIZE);
            let old = |torrent: &Torrent| torrent.is_old(now.mono);
            if self.torrents[start..end].iter().any(old) {
                let mut new = Block::default();
                for place in start..end {
                    let shown = self.blocks[block].get(place - start);
                    match shown.filter(|_| !old(&self.torrents[place])) {
                        Some((row, announces)) => new.push(*row, announces.iter().cloned()),
                        None => self.refresh(place, roster, now, &mut new),
                    }
                }
                new.shrink();
                self.blocks[block] = Arc::new(new);
            }
        }
        self.blocks.clone()
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

    /// Durations of probes, by [`Source::index`].
    pub fn durations(&self) -> [Histogram; Source::ALL.len()] {
        self.durations
    }

    /// Queries that lookups took.
    pub fn lookup_queries(&self) -> Histogram {
        self.queries
    }

    fn refresh(&mut self, place: usize, roster: &Roster, now: Now, to: &mut Block) {
        let mut tally = Tally::new(now.mono);
        let tracker_of = |id: &AnnounceId| roster.announce(*id).map(|announce| announce.tracker);
        let announces = roster.announces_of(place);
        for of_tracker in announces.chunk_by(|a, b| tracker_of(a) == tracker_of(b)) {
            let Some(tracker) = of_tracker.first().and_then(tracker_of) else {
                continue;
            };
            let state = &self.trackers[tracker.0 as usize];
            let health = state.health(now.mono, self.stale_after);
            let known = of_tracker.iter().map(|id| &self.announces[id.0 as usize]);
            tally.tracker(tracker, known, health, state.stale_after(self.stale_after));
        }
        let watched = roster.torrents().get(place);
        for hash in watched
            .into_iter()
            .flat_map(|torrent| torrent.hashes.wire())
        {
            let sides = self.lookups.sides(&hash).into_iter().flatten();
            for (family, side) in Family::ALL.into_iter().zip(sides) {
                tally.lookup(family, side, self.lookups.stale_after);
            }
        }
        let torrent = &mut self.torrents[place];
        torrent.fresh_until = Tick::at(tally.fresh_until());
        let (row, announces) = tally.finish(torrent.last_success, torrent.last_peer_seen);
        to.push(row, announces);
    }
}

#[cfg(test)]
mod tests;
