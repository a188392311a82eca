//! Samples countries and systems for cliffs, and shows the cliffs.

mod lists;
mod saved;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

#[cfg(test)]
use crate::cliff::SourceLists;
use crate::cliff::{Cliffs, HOURS_UNTIL_ACCEPTED, RECOVERED, RunningMinute};
use crate::roster::{Roster, TorrentIndex};
use crate::snapshot::{
    AnnounceRow, AsnLabel, Block, CliffRows, CollectionRow, CountryPeers, TorrentRow,
};
use lists::{ListTotals, SourceIds};
use seedwatch_clock::{Now, Unix};
use seedwatch_geo::{Asn, Country};
use seedwatch_torrent::InfoHash;

/// Minutes between two samples of a group.
const STEP: u64 = 5;
/// Share of the torrents of a collection whose loss is tolerated.
const TOLERATED_LOSS: f32 = 0.03;
/// Hours by which running time may shift against the time of day. What is expected is the smaller
/// of two hours.
const TOLERATED_SHIFT: u64 = 1;
/// Longest time in hours without a process after which the hours before it are compared.
const LONGEST_DOWNTIME: i64 = 48;
/// Fewest torrents that must have peers in a country, for it to be called cut off.
const FEWEST_TORRENTS: usize = 3;

/// The cliffs of all torrents, collections and systems.
#[derive(Debug, Default)]
pub(super) struct CliffMonitor {
    torrents: Cliffs<InfoHash>,
    collections: Cliffs<Arc<str>>,
    systems: Cliffs<()>,
    /// Torrents of each collection at its last sample: the first bytes of their info-hashes,
    /// sorted.
    torrents_before: HashMap<Arc<str>, Vec<u64>>,
    /// The countries that are cut off, with the ratio in the median torrent.
    cut_off: BTreeMap<Country, f32>,
    /// The number of the five-minute step of the last sample.
    sampled: Option<u64>,
    /// Hours by which the wall clock is ahead of running time.
    hours_ahead: Option<i64>,
    /// Whether all hours are those of an earlier process.
    is_restored: bool,
    rows: Arc<CliffRows>,
}

/// What is sampled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampled<'a> {
    pub(super) roster: &'a Roster,
    pub(super) blocks: &'a [Arc<Block>],
    pub(super) collections: &'a [Arc<CollectionRow>],
    pub(super) systems: &'a [(AsnLabel, u64)],
}

impl CliffMonitor {
    /// Forgets the cliffs that are shown, whose torrents may have other indices now.
    pub(super) fn forget_rows(&mut self) {
        self.sampled = None;
        self.rows = Arc::default();
    }

    /// Notes that a new database assigns addresses to countries and systems.
    pub(super) fn mark_changed(&mut self, at: RunningMinute) {
        self.torrents.mark_changed(at);
        self.collections.mark_changed(at);
        self.systems.mark_changed(at);
    }

    /// Samples once every few minutes, and returns the cliffs.
    pub(super) fn sample(
        &mut self,
        all: Sampled<'_>,
        at: RunningMinute,
        now: Now,
    ) -> Arc<CliffRows> {
        let step = now.mono.0 / (STEP * 60_000);
        if self.sampled.replace(step) == Some(step) {
            return Arc::clone(&self.rows);
        }
        self.follow_clock(at, now.unix);
        let ids = SourceIds::of(all.roster);
        let mut rows = CliffRows::default();
        self.sample_torrents(all, &ids, at);
        self.sample_collections(all, &ids, at);
        self.sample_systems(all, &ids, at);
        self.torrents.accept_old_falls(at);
        self.collections.accept_old_falls(at);
        self.systems.accept_old_falls(at);
        self.show_torrents(all.roster, &mut rows);
        self.show_countries(&mut rows);
        self.show_collections(all.collections, &mut rows);
        let systems = self.systems.of(&());
        rows.systems
            .extend(systems.map(|(key, cliff)| (Asn(key), cliff.0)));
        self.rows = Arc::new(rows);
        Arc::clone(&self.rows)
    }

    /// Forgets all hours if the wall clock and running time have diverged, because the machine
    /// slept or the clock was set: 24 hours of running time ago, it was another time of day. After
    /// a restart, the time in between has passed.
    fn follow_clock(&mut self, at: RunningMinute, wall: Unix) {
        let wall_hour = i64::try_from(wall.0 / 3600).unwrap_or(i64::MAX);
        let ahead = wall_hour.saturating_sub(at.hour.into());
        let before = *self.hours_ahead.get_or_insert(ahead);
        let is_restored = std::mem::take(&mut self.is_restored);
        if before.abs_diff(ahead) <= TOLERATED_SHIFT {
            return;
        }
        self.hours_ahead = Some(ahead);
        let jumped = ahead.saturating_sub(before);
        if is_restored && (0..=LONGEST_DOWNTIME).contains(&jumped) {
            self.torrents.shift(jumped);
            self.collections.shift(jumped);
            self.systems.shift(jumped);
        } else {
            let longest = i64::from(HOURS_UNTIL_ACCEPTED);
            let jumped = jumped.clamp(-longest, longest);
            self.torrents.forget_hours(at, jumped);
            self.collections.forget_hours(at, jumped);
            self.systems.forget_hours(at, jumped);
        }
    }

    fn sample_torrents(&mut self, all: Sampled<'_>, ids: &SourceIds, at: RunningMinute) {
        let mut lists = Vec::new();
        for (index, row, announces, countries) in countries(all.blocks) {
            let Some(hash) = all.roster.identity(index) else {
                continue;
            };
            let sources = ids.of_torrent(row, announces, &mut lists);
            let peers = countries.iter().map(|row| (key(row.country), row.peers));
            self.torrents.sample(hash, at, sources, 0, peers);
        }
        if self.torrents.watched() == 0 {
            return;
        }
        let torrents = TorrentIndex::range(0..all.roster.torrents().len());
        let mut known: Vec<_> = torrents
            .filter_map(|index| all.roster.identity(index))
            .collect();
        known.sort_unstable();
        self.torrents
            .retain(|hash| known.binary_search(hash).is_ok());
    }

    /// Shows the falls of torrents, also of those that no source answers for now.
    fn show_torrents(&self, roster: &Roster, rows: &mut CliffRows) {
        let mut fallen: Vec<&InfoHash> = self.torrents.fallen().collect();
        if fallen.is_empty() {
            return;
        }
        fallen.sort_unstable();
        for index in TorrentIndex::range(0..roster.torrents().len()) {
            let hash = roster.identity(index);
            let Some(hash) = hash.filter(|hash| fallen.binary_search(&hash).is_ok()) else {
                continue;
            };
            for (key, cliff) in self.torrents.of(&hash) {
                let index = index.get() as u32;
                rows.torrents
                    .extend(country(key).map(|it| (index, it, cliff.0)));
            }
        }
    }

    /// Shows the countries that most torrents have lost: they are cut off. One that fell in few
    /// torrents left these. While too little is known, a country stays what it was.
    fn show_countries(&mut self, rows: &mut CliffRows) {
        let fallen = rows.torrents.iter();
        let mut ratios: BTreeMap<Country, Vec<f32>> = fallen
            .map(|(_, country, _)| (*country, Vec::new()))
            .collect();
        self.cut_off
            .retain(|country, _| ratios.contains_key(country));
        if ratios.is_empty() {
            return;
        }
        for (key, ratio) in self.torrents.ratios() {
            let here = country(key).and_then(|country| ratios.get_mut(&country));
            here.into_iter().for_each(|ratios| ratios.push(ratio));
        }
        for (country, mut ratios) in ratios {
            let all = ratios.len();
            ratios.retain(|ratio| ratio.is_finite());
            if ratios.len() < FEWEST_TORRENTS.max(all - ratios.len()) {
                continue;
            }
            ratios.sort_unstable_by(f32::total_cmp);
            let median = ratios[(ratios.len() - 1) / 2];
            match ratios[ratios.len() / 2] < RECOVERED {
                true => self.cut_off.insert(country, median),
                false => self.cut_off.remove(&country),
            };
        }
        let cut_off = self.cut_off.iter();
        rows.countries
            .extend(cut_off.map(|(country, ratio)| (*country, *ratio)));
    }

    fn sample_collections(&mut self, all: Sampled<'_>, ids: &SourceIds, at: RunningMinute) {
        let mut totals = ListTotals::new(all.roster);
        for row in all.collections {
            let torrents = collection(all.roster, &row.name);
            let hashes = hashes(all.roster, torrents);
            let before = &mut self.torrents_before;
            let before = before.insert(Arc::clone(&row.name), hashes.clone());
            // The peers of a torrent that joins are no fall.
            if before.is_some_and(|before| has_lost_torrents(&before, &hashes)) {
                self.collections.mark_group_changed(&row.name, at);
            }
            for torrent in torrents {
                let block = all.blocks.get(torrent.get() / Block::SIZE);
                let found = block.and_then(|block| block.get(torrent.get() % Block::SIZE));
                found
                    .into_iter()
                    .for_each(|(row, announces, _)| totals.add(row, announces));
            }
            let lists = totals.take(ids);
            let known = row.countries.iter();
            let peers = known.filter_map(|row| Some((key(row.country), row.peers.get()?)));
            // Without any list, the countries are unknown, not empty.
            if peers.clone().next().is_some() {
                let name = Arc::clone(&row.name);
                self.collections.sample(name, at, lists.sources(), 0, peers);
            }
        }
        // Collections are sorted by name.
        let is_known = |name: &Arc<str>| {
            let found = all.collections.binary_search_by(|row| row.name.cmp(name));
            found.is_ok()
        };
        self.collections.retain(is_known);
        self.torrents_before.retain(|name, _| is_known(name));
    }

    fn show_collections(&self, collections: &[Arc<CollectionRow>], rows: &mut CliffRows) {
        for row in collections {
            for (key, cliff) in self.collections.of(&row.name) {
                let name = Arc::clone(&row.name);
                rows.collections
                    .extend(country(key).map(|it| (name, it, cliff.0)));
            }
        }
    }

    /// Only the largest systems are known. One that is missing may have as many peers as the
    /// smallest of them.
    fn sample_systems(&mut self, all: Sampled<'_>, ids: &SourceIds, at: RunningMinute) {
        let has_more = all
            .systems
            .iter()
            .any(|(label, _)| *label == AsnLabel::Other);
        let peers = all.systems.iter().filter_map(|(label, peers)| match label {
            AsnLabel::Known(asn) => Some((asn.0, u32::try_from(*peers).unwrap_or(u32::MAX))),
            AsnLabel::Other | AsnLabel::Unknown => None,
        });
        let smallest = peers.clone().map(|(_, peers)| peers).min();
        let Some(smallest) = smallest else {
            return;
        };
        let absent = if has_more { smallest } else { 0 };
        let mut totals = ListTotals::new(all.roster);
        for block in all.blocks {
            for (row, announces, _) in (0..Block::SIZE).map_while(|position| block.get(position)) {
                totals.add(row, announces);
            }
        }
        let lists = totals.take(ids);
        self.systems.sample((), at, lists.sources(), absent, peers);
    }
}

/// Returns the torrents whose current countries are known.
fn countries(
    blocks: &[Arc<Block>],
) -> impl Iterator<Item = (TorrentIndex, &TorrentRow, &[AnnounceRow], &[CountryPeers])> {
    let positions = blocks
        .iter()
        .flat_map(|block| (0..Block::SIZE).map(move |at| block.get(at)));
    let torrents = TorrentIndex::range(0..blocks.len() * Block::SIZE);
    torrents.zip(positions).filter_map(|(torrent, row)| {
        let (row, announces, windows) = row?;
        let geo = windows?.geo.as_deref()?;
        Some((torrent, row, announces, &*geo.countries))
    })
}

/// Returns the torrents of a collection.
fn collection<'a>(roster: &'a Roster, name: &str) -> &'a [TorrentIndex] {
    let collections = roster.collections();
    let found = collections.binary_search_by(|collection| (*collection.name).cmp(name));
    found.map_or(&[][..], |index| &collections[index].torrents)
}

/// Returns the first bytes of the info-hashes of torrents, sorted.
fn hashes(roster: &Roster, torrents: &[TorrentIndex]) -> Vec<u64> {
    let hashes = torrents
        .iter()
        .filter_map(|torrent| roster.identity(*torrent));
    let mut starts: Vec<u64> = hashes
        .map(|hash| {
            hash.0
                .iter()
                .take(8)
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        })
        .collect();
    starts.sort_unstable();
    starts
}

/// Returns whether more torrents left than may be tolerated.
fn has_lost_torrents(before: &[u64], now: &[u64]) -> bool {
    let is_lost = |torrent: &&u64| now.binary_search(torrent).is_err();
    before.iter().filter(is_lost).count() as f32 > before.len() as f32 * TOLERATED_LOSS
}

fn key(country: Country) -> u32 {
    u16::from_be_bytes(country.code()).into()
}

/// Returns the country of a key. Peers in no known country have no cliff of their own.
fn country(key: u32) -> Option<Country> {
    let code = u16::try_from(key).ok()?.to_be_bytes();
    Some(Country::of(code)).filter(|country| *country != Country::UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::{CliffMonitor, RunningMinute, SourceLists, Unix, has_lost_torrents};
    use seedwatch_torrent::InfoHash;

    #[test]
    fn hours_before_a_sleep_are_forgotten() {
        let mut monitor = CliffMonitor::default();
        let at = |hour| RunningMinute { hour, minute: 0 };
        let wall = |hours: u64| Unix(hours * 3600);
        let sources = SourceLists {
            lists: &[],
            tolerance: 0,
        };
        let mut watched_after = |running: u32, hours: u64| {
            monitor.follow_clock(at(running), wall(hours));
            let watched = monitor.torrents.watched();
            let peers = [(1, 100)].into_iter();
            let hash = InfoHash([1; 20]);
            monitor
                .torrents
                .sample(hash, at(running), sources, 0, peers);
            watched
        };
        assert_eq!(watched_after(11, 10), 0, "the first sample");
        assert_eq!(watched_after(12, 11), 1);
        assert_eq!(watched_after(13, 13), 1, "hours that begin elsewhere");
        assert_eq!(watched_after(14, 20), 0, "six hours of sleep");
        assert_eq!(watched_after(15, 21), 1);
        assert_eq!(watched_after(16, 3), 0, "the clock is set back");
    }

    #[test]
    fn only_torrents_that_leave_end_the_comparison() {
        let before: Vec<u64> = (0..100).collect();
        assert!(
            !has_lost_torrents(&before, &(0..200).collect::<Vec<_>>()),
            "more joined"
        );
        assert!(
            !has_lost_torrents(&before, &(3..100).collect::<Vec<_>>()),
            "three left"
        );
        assert!(
            has_lost_torrents(&before, &(4..104).collect::<Vec<_>>()),
            "four were exchanged"
        );
        assert!(has_lost_torrents(&[1], &[2]));
    }
}
