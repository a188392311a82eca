//! What is remembered of a collection, and what is shown of it.

use std::sync::Arc;
use std::time::Duration;

use super::Terms;
use super::lost::UnknownWindows;
use super::places;
use super::reach::{CollectionRow, CountryRow, Unique, known};
use super::tally::Union;
use seedwatch_clock::Mono;
use seedwatch_distinct::{Insert, Moment, PeerHash, Set, Window};
use seedwatch_geo::Country;

/// Addresses that may be united anew in each second: a union of many is made less often.
const PACE: usize = 10_000;
/// Looking at a torrent costs as much as so many addresses.
const TORRENT: usize = 4;

/// The peers of torrents of one work.
#[derive(Debug, Default)]
pub(super) struct Collection {
    pub(super) peers: Set,
    /// Sorted by country.
    pub(super) countries: Vec<InCountry>,
    row: Arc<CollectionRow>,
    /// It is in the configuration.
    watched: bool,
    changed: bool,
    /// Not made anew before.
    due: Mono,
}

/// Its peers in one country.
#[derive(Debug, Default)]
pub(super) struct InCountry {
    pub(super) country: Country,
    pub(super) peers: Set,
    /// The hour in which somebody was last there.
    pub(super) seen: u32,
}

/// Its torrents as they are now.
#[derive(Debug, Default)]
pub(super) struct Members<'a> {
    pub(super) torrents: u32,
    /// Who is there, with repetitions; `None` if no list is known.
    pub(super) union: Option<Union<'a>>,
    /// Families that are known.
    pub(super) asked: [bool; 2],
    /// The hour of the last list of any of them, of running time.
    pub(super) last_list: u32,
    /// The windows of any of them that reach back beyond a loss.
    pub(super) unknown: UnknownWindows,
}

impl Collection {
    pub(super) fn leave(&mut self) {
        self.watched = false;
    }

    pub(super) fn enter(&mut self) {
        self.watched = true;
        self.changed = true;
        self.due = Mono(0);
    }

    /// It is watched, or was within the last month.
    pub(super) fn is_of_use(&mut self, now: Moment) -> bool {
        // What a window leaves out may come back when the clock is set right.
        let is_of_use = |peers: &mut Set| {
            peers.counts(now);
            !peers.is_empty()
        };
        self.countries
            .retain_mut(|here| is_of_use(&mut here.peers) || now.is_recent(here.seen));
        self.watched || is_of_use(&mut self.peers)
    }

    /// Takes in what was saved of it.
    pub(super) fn unite(&mut self, peers: &Set, countries: Vec<InCountry>, now: Moment) {
        self.peers.unite(peers, now);
        for theirs in countries {
            let known = &mut self.countries;
            match known.binary_search_by_key(&theirs.country, |here| here.country) {
                Ok(at) => {
                    known[at].peers.unite(&theirs.peers, now);
                    known[at].seen = known[at].seen.max(theirs.seen);
                }
                Err(at) => known.insert(at, theirs),
            }
        }
    }

    /// A sighting in an hour up to now. If `thorough`, the country is told also of who was seen in that
    /// hour before.
    pub(super) fn add(
        &mut self,
        peer: PeerHash,
        country: impl FnOnce() -> Option<Country>,
        hour: u32,
        now: Moment,
        thorough: bool,
    ) {
        if self.peers.add_late(peer, 0, hour, now) == Insert::Unchanged && !thorough {
            return;
        }
        let Some(country) = country() else {
            return;
        };
        let here = self.in_country(country);
        here.seen = here.seen.max(hour);
        here.peers.add_late(peer, 0, hour, now);
    }

    fn in_country(&mut self, country: Country) -> &mut InCountry {
        let place = self.countries.binary_search_by_key(&country, |c| c.country);
        let place = place.unwrap_or_else(|place| {
            let new = InCountry {
                country,
                ..InCountry::default()
            };
            self.countries.insert(place, new);
            place
        });
        &mut self.countries[place]
    }

    /// One of its torrents is shown otherwise.
    pub(super) fn change(&mut self) {
        self.changed = true;
    }

    /// It is to be made anew now.
    pub(super) fn is_due(&self, now: Mono) -> bool {
        self.changed && now >= self.due
    }

    /// What was shown last.
    pub(super) fn row(&self) -> &Arc<CollectionRow> {
        &self.row
    }

    /// Makes anew what is shown; says how much work that was.
    pub(super) fn show(
        &mut self,
        name: &Arc<str>,
        members: Members<'_>,
        terms: &Terms,
        now: Mono,
        moment: Moment,
    ) -> usize {
        self.changed = false;
        let listed = members.union.as_ref().map_or(0, Union::len);
        let effort = listed + members.torrents as usize * TORRENT;
        self.due = now.after(Duration::from_secs((effort / PACE) as u64));
        let union = members.union.map(Union::distinct);
        let counts = union.as_ref().map_or([0; 2], Union::by_family);
        let shown = |family: usize| members.asked[family] || counts[family] > 0;
        let peers = [0, 1].map(|f| (union.is_some() && shown(f)).then_some(counts[f]).into());
        let here = match &union {
            Some(union) if terms.countries => places::countries(union, &terms.geo),
            _ => Vec::new(),
        };
        for (country, _) in &here {
            self.in_country(*country).seen = moment.hour();
        }
        let countries = self.countries.iter_mut().filter_map(|known_here| {
            let at = here.binary_search_by_key(&known_here.country, |(country, _)| *country);
            let peers = at.map_or(0, |at| here[at].1);
            let peers = union.as_ref().map(|_| peers);
            let peers = peers.filter(|_| moment.is_recent(known_here.seen));
            let counts = known_here.peers.counts(moment).all;
            // Whose countries are counted since a moment ago has no past to show.
            let is_new = counts[Window::Month.index()] == 0 && peers.is_some_and(|n| n > 0);
            let unique = match is_new {
                true => Unique::default(),
                false => known(members.last_list, counts, members.unknown, moment),
            };
            let is_empty = counts[Window::Month.index()] == 0 && peers.is_none();
            (!is_empty).then_some(CountryRow {
                country: known_here.country,
                peers: peers.into(),
                unique,
            })
        });
        self.row = Arc::new(CollectionRow {
            name: Arc::clone(name),
            torrents: members.torrents,
            peers,
            countries: match terms.countries {
                true => countries.collect(),
                false => Vec::new(),
            },
            unique: known(
                members.last_list,
                self.peers.counts(moment).all,
                members.unknown,
                moment,
            ),
        });
        effort
    }
}
