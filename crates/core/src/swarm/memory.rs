//! What is remembered longer than a round: who was seen in the last month, and since when nobody.
//!
//! A torrent is known by the first of its info-hashes, so that its past outlives restarts, changes of
//! its name, and a while out of the configuration.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::Terms;
use super::collection::Collection;
use super::history::History;
use super::kept::{Lists, TakenIn};
use super::lost::Lost;
use super::reach::{Reach, later};
use super::row::Stamp;
use super::systems::Fleet;
use super::tally::Union;
use crate::Source;
use crate::roster::{Changes, Roster};
use seedwatch_clock::{Mono, Now, Unix};
use seedwatch_distinct::{Insert, Key, Moment, RunningClock, SOURCES, Set, Window};
use seedwatch_torrent::InfoHash;

// Sets of peers tell as many sources apart as there are.
const _: () = assert!(SOURCES == Source::ALL.len());

/// Hours between looks for what to forget.
const SWEEP: u32 = 24;

/// Everything that outlives a round.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) key: Key,
    /// `None` before the first reading of the clock.
    pub(super) calendar: Option<RunningClock>,
    pub(super) moment: Moment,
    /// When the windows last moved.
    pub(super) moved: Mono,
    /// Lists that were not taken in since this began are taken in again: it is that of a configuration.
    epoch: u16,
    swept: u32,
    /// In this hour everybody on a list is taken in everywhere: collections may be new, or be
    /// restored as they were before their torrents.
    thorough: u32,
    /// The collection that is looked at first in the next picture.
    pub(super) turn: usize,
    /// Of torrents that had peers within the last month.
    pub(super) histories: HashMap<InfoHash, Box<History>>,
    /// Torrents that are not in the configuration any more, or not yet again.
    pub(super) gone: HashMap<InfoHash, Gone>,
    pub(super) fleet: Set,
    pub(super) collections: BTreeMap<Arc<str>, Collection>,
    pub(super) systems: Fleet,
    pub(super) lost: Lost,
}

/// What is kept of a torrent that is gone beside its history.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Gone {
    /// The hour it went, of running time.
    pub(super) since: u32,
    pub(super) last: Last,
}

/// When a torrent was last well.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Last {
    /// End of the last successful probe, by [`Source::index`].
    pub(super) success: [Stamp; Source::ALL.len()],
    /// The hour of running time in which the last list came, even an empty one, by
    /// [`Source::index`]; 0 = never.
    pub(super) list: [u32; Source::ALL.len()],
    /// Last time at least one peer was seen.
    pub(super) peer_seen: Stamp,
}

impl Last {
    /// Sees to it that nothing is later than now; returns whether something was.
    pub(super) fn settle(&mut self, now: Unix) -> bool {
        let all = self.success.iter_mut().chain([&mut self.peer_seen]);
        all.fold(false, |changed, stamp| stamp.settle(now) | changed)
    }

    /// The later of both, point by point.
    fn or_later(self, other: Self) -> Self {
        let success = |source: usize| later(self.success[source], other.success[source]);
        let list = |source: usize| self.list[source].max(other.list[source]);
        Self {
            success: std::array::from_fn(success),
            list: std::array::from_fn(list),
            peer_seen: later(self.peer_seen, other.peer_seen),
        }
    }
}

/// Whose list it is, and what counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) roster: &'a Roster,
    /// Of the torrent in the roster.
    pub(super) place: usize,
    pub(super) source: Source,
    pub(super) terms: &'a Terms,
}

impl Memory {
    /// Nothing remembered.
    pub(super) fn new(key: Key) -> Self {
        Self {
            key,
            moment: RunningClock::start(Unix(0)).moment(),
            calendar: None,
            moved: Mono(0),
            thorough: 0,
            turn: 0,
            epoch: 0,
            swept: 0,
            histories: HashMap::new(),
            gone: HashMap::new(),
            fleet: Set::new(),
            collections: BTreeMap::new(),
            systems: Fleet::default(),
            lost: Lost::default(),
        }
    }

    /// Takes the time. Once a day it returns that it is time to tidy up.
    pub(super) fn tick(&mut self, now: Now) -> bool {
        self.lost.tick(now.unix);
        let calendar = self
            .calendar
            .get_or_insert_with(|| RunningClock::start(now.unix));
        let moment = calendar.tick(now.unix);
        if self.swept == 0 {
            self.swept = moment.hour();
        }
        // Where windows begin may also change when the clock is set.
        if moment != self.moment {
            self.moved = now.mono;
            for collection in self.collections.values_mut() {
                collection.change();
            }
        }
        self.moment = moment;
        let is_due = moment.hour().saturating_sub(self.swept) >= SWEEP;
        if is_due {
            self.swept = moment.hour();
            self.sweep();
            for gone in self.gone.values_mut() {
                gone.last.settle(now.unix);
            }
        }
        is_due
    }

    /// Goes on with a calendar that was saved, unless a later one is known.
    pub(super) fn restore(&mut self, calendar: RunningClock) {
        let known = self.calendar.as_ref().map(RunningClock::moment);
        if known.is_some_and(|known| known.hour() >= calendar.moment().hour()) {
            return;
        }
        self.moment = calendar.moment();
        self.calendar = Some(calendar);
    }

    /// What was saved of a torrent that may or may not be in the configuration.
    pub(super) fn remember(&mut self, hash: InfoHash, gone: Gone, history: History) {
        let known = self.gone.entry(hash).or_default();
        known.since = known.since.max(gone.since);
        known.last = known.last.or_later(gone.last);
        if !history.set.is_empty() || !history.countries_are_over() {
            let united = self.histories.entry(hash).or_default();
            united.unite(history, self.moment);
        }
    }

    /// Forgets what is older than the longest window.
    fn sweep(&mut self) {
        let hour = self.moment.hour();
        let over = |since: u32| hour.saturating_sub(since) > Window::Month.hours();
        let (histories, systems) = (&mut self.histories, &mut self.systems);
        self.gone.retain(|hash, gone| {
            let stays = !over(gone.since);
            if !stays && let Some(history) = histories.remove(hash) {
                systems.remove(&history.systems);
            }
            stays
        });
        let moment = self.moment;
        self.collections
            .retain(|_, collection| collection.is_of_use(moment));
    }

    /// Takes over a new configuration. `last` says what is known of the torrents before it, by place.
    pub(super) fn update(
        &mut self,
        roster: &Roster,
        changes: &Changes,
        last: impl Fn(u32) -> Option<Last>,
    ) {
        self.epoch = self.epoch.wrapping_add(1);
        self.thorough = self.moment.hour();
        for (place, hash) in &changes.gone {
            let gone = Gone {
                since: self.moment.hour(),
                last: last(*place).unwrap_or_default(),
            };
            self.gone.insert(*hash, gone);
            if let Some(history) = self.histories.get_mut(hash) {
                self.systems.remove(&history.leave());
            }
        }
        for (before, now) in &changes.renamed {
            self.rename(before, *now);
        }
        let members = self.collections.values_mut();
        members.for_each(Collection::leave);
        for collection in roster.collections() {
            let known = self.collections.entry(Arc::clone(&collection.name));
            known.or_default().enter();
        }
    }

    /// What was known of a torrent while it was gone, under any of its info-hashes. And whether it has a
    /// past of other torrents now, which its collection may not know of.
    pub(super) fn welcome(
        &mut self,
        hashes: impl Iterator<Item = InfoHash>,
        last: Last,
    ) -> (Last, bool) {
        let (mut last, mut is_more) = (last, false);
        let mut identity = None;
        for hash in hashes {
            if let Some(gone) = self.gone.remove(&hash) {
                last = last.or_later(gone.last);
            }
            match identity {
                None => identity = Some(hash),
                Some(identity) => is_more |= self.rename(&hash, identity),
            }
        }
        (last, is_more)
    }

    /// Whether there is nothing to welcome anybody with.
    pub(super) fn nobody_is_gone(&self) -> bool {
        self.gone.is_empty()
    }

    /// Returns whether anything was known of it.
    fn rename(&mut self, before: &InfoHash, now: InfoHash) -> bool {
        let Some(history) = self.histories.remove(before) else {
            return false;
        };
        self.systems.remove(&history.systems);
        let united = self.histories.entry(now).or_default();
        united.unite(*history, self.moment);
        true
    }

    /// The past of a new member is the past of its collection; of countries only the future is.
    pub(super) fn join(&mut self, roster: &Roster, joined: &[u32]) {
        for place in joined.iter().map(|place| *place as usize) {
            let torrent = roster.torrents().get(place);
            let collection = torrent.and_then(|torrent| torrent.collection());
            let collection = collection.and_then(|name| self.collections.get_mut(name));
            let hash = roster.identity(place);
            let history = hash.and_then(|hash| self.histories.get(&hash));
            if let (Some(collection), Some(history)) = (collection, history) {
                collection.peers.unite_flattened(&history.set, self.moment);
            }
        }
    }

    /// An answer brought these lists, in the place of those before.
    pub(super) fn hear(&mut self, of: Of<'_>, before: Option<Lists>, lists: Option<&mut Lists>) {
        if let Some(mut before) = before {
            self.settle(of, &mut before);
        }
        // Of a list that did not change it is enough to know that: who settles finds it before it matters.
        if let Some(lists) = lists
            && !lists.taken_in.again(self.epoch, self.moment)
        {
            self.see(of, lists, self.moment.hour());
        }
    }

    /// Remembers of everybody on a list when they were last named, if that is not remembered yet.
    pub(super) fn settle(&mut self, of: Of<'_>, lists: &mut Lists) {
        if let Some(hour) = lists.taken_in.pending() {
            self.see(of, lists, hour);
        }
    }

    /// Everybody on a list was there in this hour.
    fn see(&mut self, of: Of<'_>, lists: &mut Lists, hour: u32) {
        lists.taken_in = TakenIn::all(hour, self.epoch);
        let Of {
            roster,
            place,
            source,
            terms,
        } = of;
        let Some(hash) = roster.identity(place) else {
            return;
        };
        let history = self.histories.entry(hash).or_default();
        let name = roster.torrents()[place].collection();
        let mut collection = name.and_then(|name| self.collections.get_mut(name));
        let geo = terms.countries.then_some(&*terms.geo);
        let (source, now) = (source.index(), self.moment);
        let thorough = self.thorough == now.hour();
        let (v4, v6) = Lists::slices(Some(lists));
        let v4 = v4.iter().map(|ip| {
            let address = IpAddr::V4(Ipv4Addr::from_bits(*ip));
            (self.key.v4(*ip), address)
        });
        let v6 = v6.iter().map(|net| {
            let address = IpAddr::V6(Ipv6Addr::from_bits(u128::from(*net) << 64));
            (self.key.v6(*net), address)
        });
        for (peer, address) in v4.chain(v6) {
            match history.set.add_late(peer, source, hour, now) {
                Insert::Unchanged if !thorough => continue,
                Insert::Unchanged | Insert::New => self.fleet.add_late(peer, 0, hour, now),
                Insert::AboveThreshold => Insert::AboveThreshold,
            };
            if let Some(collection) = &mut collection {
                let country = || geo.map(|geo| geo.country(address));
                collection.add(peer, country, hour, now, thorough);
            }
        }
    }

    /// Reads what [`Memory::reach`] reads; returns something of it.
    pub(super) fn prefetch(&self, hash: Option<InfoHash>) -> u64 {
        let history = hash.and_then(|hash| self.histories.get(&hash));
        history.map_or(0, |history| u64::from(history.set.is_empty()))
    }

    /// What is to be shown of a torrent beside its row. `union` is who is there now, if that is
    /// known.
    pub(super) fn reach(
        &mut self,
        hash: &InfoHash,
        union: Option<&Union<'_>>,
        terms: &Terms,
    ) -> Option<Reach> {
        let history = self.histories.get_mut(hash)?;
        let places = history.places(union, terms, self.moment, &mut self.systems);
        let counts = history.set.counts(self.moment);
        // What a window leaves out may come back when the clock is set right.
        if history.set.is_empty() && history.countries_are_over() {
            self.systems.remove(&history.leave());
            self.histories.remove(hash);
            return None;
        }
        Some(Reach { counts, places })
    }
}
