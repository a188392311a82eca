//! Folds observations into the state of torrents, collections and trackers. Pure: no clock, no socket.
//!
//! A peer is one IP address. The latest valid answer of every (torrent, tracker, family) is kept
//! until it is stale, and so is the latest lookup that came through of every (info-hash, family); a
//! torrent's peers are the union of what is kept. A failure never makes a 0 and never erases an
//! answer: only age does.
//!
//! | File | What lives there |
//! |---|---|
//! | `filter`, `own` | which claimed peers count |
//! | `announce`, `lookup`, `kept` | the latest answers |
//! | `tally` | from these to a row and the union of who is there |
//! | `memory`, `history` | who was seen in the last month |
//! | `collection` | torrents of one work, counted as one |
//! | `places`, `systems` | countries and autonomous systems |
//! | `picture` | when what is shown is made anew |
//! | `row`, `reach` | what is shown |
//! | `saved` | what is remembered as bytes |
//! | `lost` | which parts of that were lost |
//! | `tracker` | the state of a tracker |

mod announce;
mod collection;
mod filter;
mod history;
mod kept;
mod lookup;
mod lost;
mod memory;
mod own;
mod picture;
mod places;
mod reach;
mod row;
mod saved;
mod systems;
mod tally;
mod tracker;

use std::sync::Arc;
use std::time::Duration;

pub use filter::Filter;
pub use own::OwnAddresses;
pub use reach::{
    CollectionRow, CountryPeers, CountryRow, FleetRow, Listed, Places, Reach, System, Systems,
    Unique,
};
pub use row::{
    AnnounceRow, Block, Bounds, Count, Histogram, Rejection, Stamp, TorrentRow, TorrentView,
    TrackerRow,
};
pub use saved::Part;

use crate::roster::{Changes, Roster};
use crate::{Health, Source, Verdict};
use announce::Announce;
use kept::{Lists, Room, TakenIn, Tick};
use lookup::Lookups;
use memory::{Last, Memory, Of};
use seedwatch_clock::{Mono, Now};
use seedwatch_dht::Lookup;
use seedwatch_distinct::{Key, Moment};
use seedwatch_geo::Geo;
use seedwatch_torrent::Family;
use seedwatch_torrent::address::Accept;
use seedwatch_tracker::{AnnounceId, Failed, Observation, Remark, Report, TrackerId};
use tracker::Tracker;

/// What counts, for how long, and where it is.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Which addresses count.
    pub accept: Accept,
    /// Age at which an answer of a tracker is no longer shown.
    pub stale_after: Duration,
    /// Where addresses are.
    pub geo: Arc<Geo>,
    /// Whether countries are to be counted.
    pub countries: bool,
    /// Tells these places from those before: set by [`Swarms::update`].
    version: u32,
}

impl Terms {
    /// All of them.
    pub fn new(accept: Accept, stale_after: Duration, geo: Arc<Geo>, countries: bool) -> Self {
        Self {
            accept,
            stale_after,
            geo,
            countries,
            version: 0,
        }
    }
}

/// The state of everything watched.
#[derive(Debug)]
pub struct Swarms {
    filter: Filter,
    terms: Terms,
    /// In the order of [`Roster::torrents`].
    torrents: Vec<Torrent>,
    /// By announce id.
    announces: Vec<Announce>,
    /// By tracker id.
    trackers: Vec<Tracker>,
    lookups: Lookups,
    memory: Memory,
    /// What was shown last, and when its windows ended.
    blocks: Vec<(Arc<Block>, Option<Moment>)>,
    room: Room,
    durations: [Histogram; Source::ALL.len()],
    queries: Histogram,
}

/// What is kept of one torrent beside its announces.
#[derive(Debug, Clone, Copy, Default)]
struct Torrent {
    last: Last,
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

    /// A probe came through.
    fn succeed(&mut self, source: Source, now: Now) {
        self.change();
        self.last.success[source.index()].set(now.unix);
    }

    /// A list came.
    fn list(&mut self, source: Source, anybody: bool, now: Now, hour: u32) {
        self.last.list[source.index()] = hour;
        if anybody {
            self.last.peer_seen.set(now.unix);
        }
    }
}

impl Swarms {
    /// Nothing watched yet. `ports` are those that we claim to trackers, by family; with `key`, peers
    /// are remembered without their addresses.
    pub fn new(terms: Terms, ports: [u16; 2], key: Key) -> Self {
        Self {
            filter: Filter::new(terms.accept, ports),
            terms,
            torrents: Vec::new(),
            announces: Vec::new(),
            trackers: Vec::new(),
            lookups: Lookups::default(),
            memory: Memory::new(key),
            blocks: Vec::new(),
            room: Room::default(),
            durations: Default::default(),
            queries: Histogram::default(),
        }
    }

    /// Takes over a new configuration; torrents and trackers that stay keep their state, and those
    /// that come back find what was remembered of them.
    pub fn update(&mut self, terms: Terms, roster: &Roster, changes: &Changes, now: Now) {
        self.tick(now);
        self.filter.accept = terms.accept;
        let same_places = (&terms.geo, terms.countries) == (&self.terms.geo, self.terms.countries);
        self.terms = Terms {
            version: self.terms.version + u32::from(!same_places),
            ..terms
        };
        let before = std::mem::take(&mut self.torrents);
        self.memory.update(roster, changes, |place| {
            before.get(place as usize).map(|torrent| torrent.last)
        });
        let nobody_is_gone = self.memory.nobody_is_gone();
        let mut joined = changes.joined.clone();
        let moved = (0..).zip(&changes.moved).zip(roster.torrents().iter());
        let torrents = moved.map(|((place, moved), torrent)| {
            let before = moved.and_then(|at| before.get(at as usize));
            let last = before.map_or(Last::default(), |before| before.last);
            let mut hashes = torrent.hashes.wire();
            let last = match nobody_is_gone && hashes.nth(1).is_none() {
                true => last,
                false => {
                    let (last, is_more) = self.memory.welcome(torrent.hashes.wire(), last);
                    joined.extend(is_more.then_some(place));
                    last
                }
            };
            Torrent {
                last,
                fresh_until: Tick::default(),
            }
        });
        self.torrents = torrents.collect();
        self.memory.join(roster, &joined);
        self.blocks.clear();
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

    /// Takes over that the operator of a tracker asked not to be contacted, before a restart too.
    pub fn leave_alone(&mut self, tracker: TrackerId, family: Family, now: Mono) {
        if let Some(state) = self.trackers.get_mut(tracker.0 as usize) {
            state.settle(family, Health::Closed, now);
        }
    }

    /// Takes the time. A clock that was ahead leaves points behind that have not come: whoever is a day older
    /// and still has them has a clock that is right now, and not one that is not set yet.
    fn tick(&mut self, now: Now) {
        if self.memory.tick(now) {
            for torrent in &mut self.torrents {
                if torrent.last.settle(now.unix) {
                    torrent.change();
                }
            }
        }
    }

    /// Takes over what is looked up in the DHT. What it says is shown until it is `stale_after` old.
    pub fn update_lookups(&mut self, stale_after: Duration, roster: &Roster) {
        self.lookups.stale_after = stale_after;
        self.lookups.update(roster.sweep());
        self.torrents.iter_mut().for_each(Torrent::change);
    }

    /// Our own addresses, as most nodes of the DHT see us (BEP 42). A hint only: no peer is removed
    /// because nodes name its address.
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

    /// Reads what [`Swarms::fold`] reads of a swarm; returns something of it.
    pub fn prefetch(&self, roster: &Roster, id: AnnounceId, family: Family) -> u64 {
        let Some(place) = self.torrent_of(roster, id) else {
            return 0;
        };
        let side = self.announces[id.0 as usize].known(family);
        let read = side.map_or(0, announce::Side::prefetch);
        read.wrapping_add(self.torrents[place].last.list[0].into())
    }

    /// Folds one observation, with what it means for its tracker.
    pub fn fold(&mut self, roster: &Roster, observation: Observation, verdict: Verdict, now: Now) {
        self.tick(now);
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
        state.fail(family, report.failed());
        state.scrape_interval = exchange.scrape_interval().or(state.scrape_interval);
        let answered = report.failed().is_none() && !matches!(report, Report::NoAddress { .. });
        if answered {
            state.time(family, &exchange.phases);
        }
        if let Some(failed) = report.failed() {
            state.refuse(failed, now.mono);
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
                let warning = state.warn(answer.warning.as_deref(), now.mono);
                let Some(torrent) = self.torrent_of(roster, id) else {
                    return;
                };
                self.filter.rejected[Rejection::Malformed.index()] +=
                    u64::from(answer.peers.malformed);
                let side = self.announces[id.0 as usize].side(family);
                side.count(answer.counts, now.mono);
                side.answer(warning, now.mono);
                self.torrents[torrent].succeed(Source::Tracker, now);
                // A list that the tracker keeps to itself is not an empty one.
                let (filter, room) = (&mut self.filter, &mut self.room);
                let heard = match answer.withheld {
                    true => None,
                    false => side.list(&answer, filter, room, now.mono),
                };
                if let Some(heard) = heard {
                    let lists = side.lists().filter(|_| heard.anybody);
                    let of = Of {
                        roster,
                        place: torrent,
                        source: Source::Tracker,
                        terms: &self.terms,
                    };
                    self.memory.hear(of, heard.before, lists);
                    let hour = self.memory.moment.hour();
                    self.torrents[torrent].list(Source::Tracker, heard.anybody, now, hour);
                }
            }
            Report::Scrape {
                ids,
                result: Ok(counts),
            } => {
                let is_short = Report::is_short(&counts);
                for (id, counts) in ids.into_iter().zip(counts) {
                    if counts.is_none() && !is_short {
                        let failed = Report::left_out();
                        self.fail(roster, &[id], family, failed, verdict, now.mono);
                    }
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
                        side.answer(None, now.mono);
                        torrent.succeed(Source::Tracker, now);
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
        let failed = Arc::new(Remark::Failed(failed));
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
        self.tick(now);
        let place = roster.place_of(&lookup.info_hash);
        let place = place.filter(|place| *place < self.torrents.len());
        let side = self.lookups.side(&lookup.info_hash, lookup.family);
        let (Some(place), Some(side)) = (place, side) else {
            return;
        };
        let found = lookup.result.as_ref().map_err(|reason| *reason);
        let found = found.and_then(|found| {
            self.filter.rejected[Rejection::Malformed.index()] += u64::from(found.peers.malformed);
            side.found(found, &mut self.filter, &mut self.room, now.mono)
        });
        let torrent = &mut self.torrents[place];
        let Ok(heard) = found else {
            side.fail(now.mono);
            torrent.change();
            return;
        };
        let hour = self.memory.moment.hour();
        torrent.succeed(Source::Dht, now);
        torrent.list(Source::Dht, heard.anybody, now, hour);
        let lists = side.lists().filter(|_| heard.anybody);
        let of = Of {
            roster,
            place,
            source: Source::Dht,
            terms: &self.terms,
        };
        self.memory.hear(of, heard.before, lists);
    }

    /// Remembers when everybody was last named of whom that is not remembered yet: to be done before
    /// another configuration is taken over.
    pub fn settle(&mut self, roster: &Roster) {
        for place in 0..self.torrents.len() {
            self.settle_torrent(roster, place, |_| true);
        }
    }

    fn settle_torrent(&mut self, roster: &Roster, place: usize, which: impl Fn(TakenIn) -> bool) {
        let (memory, terms) = (&mut self.memory, &self.terms);
        let mut settle = |source: Source, lists: &mut Lists| {
            let of = Of {
                roster,
                place,
                source,
                terms,
            };
            if which(lists.taken_in) {
                memory.settle(of, lists);
            }
        };
        for id in roster.announces_of(place) {
            let announce = self.announces.get_mut(id.0 as usize);
            for lists in announce.into_iter().flat_map(Announce::lists) {
                settle(Source::Tracker, lists);
            }
        }
        let watched = roster.torrents().get(place);
        for hash in watched.into_iter().flat_map(|it| it.hashes.wire()) {
            for lists in self.lookups.lists(&hash) {
                settle(Source::Dht, lists);
            }
        }
    }

    fn torrent_of(&self, roster: &Roster, id: AnnounceId) -> Option<usize> {
        let place = roster.announce(id)?.torrent as usize;
        (place < self.torrents.len() && (id.0 as usize) < self.announces.len()).then_some(place)
    }

    /// Whether another source lists peers of this family for a swarm that one tracker calls empty.
    pub fn is_listed_elsewhere(
        &self,
        roster: &Roster,
        id: AnnounceId,
        family: Family,
        now: Mono,
    ) -> bool {
        let Some(torrent) = self.torrent_of(roster, id) else {
            return false;
        };
        let names = |(v4, v6): (&[u32], &[u64])| match family {
            Family::Ipv4 => !v4.is_empty(),
            Family::Ipv6 => !v6.is_empty(),
        };
        let others = roster.announces_of(torrent).iter().filter(|it| **it != id);
        let by_trackers = others
            .filter_map(|it| self.announces.get(it.0 as usize))
            .flat_map(|announce| Family::ALL.map(|over| announce.known(over)))
            .filter_map(|side| side?.peers(now, self.terms.stale_after))
            .any(|(v4, v6, _)| names((v4, v6)));
        let hashes = roster.torrents().get(torrent).into_iter();
        by_trackers
            || hashes
                .flat_map(|it| it.hashes.wire())
                .filter_map(|hash| self.lookups.sides(&hash))
                .flatten()
                .filter_map(|side| side.known(now, self.lookups.stale_after).peers)
                .any(names)
    }

    fn touch_tracker(&mut self, roster: &Roster, tracker: TrackerId) {
        for (place, torrent) in self.torrents.iter_mut().enumerate() {
            let here = |id: &AnnounceId| roster.announce(*id).is_some_and(|a| a.tracker == tracker);
            if roster.announces_of(place).iter().any(here) {
                torrent.change();
            }
        }
    }

    /// The rows of all trackers.
    pub fn tracker_rows(&self, roster: &Roster, now: Now) -> Vec<Option<Arc<TrackerRow>>> {
        let trackers = roster.trackers().iter().zip(&self.trackers);
        trackers
            .map(|(url, tracker)| {
                url.as_ref()
                    .map(|_| Arc::new(tracker.row(now.mono, self.terms.stale_after)))
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
}

#[cfg(test)]
mod tests;
