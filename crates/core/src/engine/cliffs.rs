//! Samples countries and systems for cliffs, and shows the cliffs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cliff::{Cliffs, RunningMinute, SourceCount};
use crate::roster::{Roster, TorrentIndex};
use crate::snapshot::{
    AsnLabel, Block, CliffRows, CollectionRow, CountryPeers, Source, TorrentRow,
};
use seedwatch_clock::{Now, Unix};
use seedwatch_geo::{Asn, Country};
use seedwatch_torrent::InfoHash;

/// Minutes between two samples of a group.
const STEP: u64 = 5;
/// Scale of the number of sources of several torrents: thousandths per torrent.
const SCALE: u64 = 1000;
/// Share of the sources of several torrents, or of the torrents of a collection, whose loss is
/// tolerated.
const TOLERATED_LOSS: f32 = 0.03;
/// Hours by which running time may shift against the time of day. What is expected is the smaller
/// of two hours.
const TOLERATED_SHIFT: u64 = 1;
/// By how much the hourly mean of the sources of one torrent may fall without a loss.
const TOLERATED_NOISE: f32 = 0.7;

/// The cliffs of all torrents, collections and systems.
#[derive(Debug, Default)]
pub(super) struct CliffMonitor {
    torrents: Cliffs<InfoHash>,
    collections: Cliffs<Arc<str>>,
    systems: Cliffs<()>,
    /// Torrents of each collection at its last sample: the first bytes of their info-hashes,
    /// sorted.
    torrents_before: HashMap<Arc<str>, Vec<u64>>,
    /// The number of the five-minute step of the last sample.
    sampled: Option<u64>,
    /// Hours by which the wall clock is ahead of running time.
    hours_ahead: Option<i64>,
    rows: Arc<CliffRows>,
}

/// What is sampled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampled<'a> {
    pub(super) roster: &'a Roster,
    pub(super) blocks: &'a [Arc<Block>],
    pub(super) collections: &'a [Arc<CollectionRow>],
    pub(super) systems: &'a [(AsnLabel, u64)],
    /// Number of families over which our network works, plus those over which the DHT answers.
    pub(super) family_sources: u32,
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
        let mut rows = CliffRows::default();
        self.sample_torrents(all, at, &mut rows);
        self.sample_collections(all, at, &mut rows);
        self.sample_systems(all, at, &mut rows);
        self.rows = Arc::new(rows);
        Arc::clone(&self.rows)
    }

    /// Forgets all hours if the wall clock and running time have diverged, because the machine
    /// slept or the clock was set: 24 hours of running time ago, it was another time of day.
    fn follow_clock(&mut self, at: RunningMinute, wall: Unix) {
        let wall_hour = i64::try_from(wall.0 / 3600).unwrap_or(i64::MAX);
        let ahead = wall_hour.saturating_sub(at.hour.into());
        let before = *self.hours_ahead.get_or_insert(ahead);
        if before.abs_diff(ahead) > TOLERATED_SHIFT {
            self.hours_ahead = Some(ahead);
            self.torrents.clear();
            self.collections.clear();
            self.systems.clear();
        }
    }

    fn sample_torrents(&mut self, all: Sampled<'_>, at: RunningMinute, rows: &mut CliffRows) {
        for (index, row, countries) in countries(all.blocks) {
            let Some(hash) = all.roster.identity(index) else {
                continue;
            };
            let sources = SourceCount {
                online: online(row) + all.family_sources,
                tolerance: TOLERATED_NOISE,
            };
            let peers = countries.iter().map(|row| (key(row.country), row.peers));
            self.torrents.sample(hash, at, sources, 0, peers);
            for (key, cliff) in self.torrents.of(&hash) {
                let index = index.get() as u32;
                rows.torrents
                    .extend(country(key).map(|it| (index, it, cliff.0)));
            }
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

    fn sample_collections(&mut self, all: Sampled<'_>, at: RunningMinute, rows: &mut CliffRows) {
        let sources = mean_sources(all);
        for row in all.collections {
            let torrents = torrents_of(all.roster, &row.name);
            let before = &mut self.torrents_before;
            let before = before.insert(Arc::clone(&row.name), torrents.clone());
            // The peers of a torrent that joins are no fall.
            if before.is_some_and(|before| has_lost_torrents(&before, &torrents)) {
                self.collections.mark_group_changed(&row.name, at);
            }
            let known = row.countries.iter();
            let peers = known.filter_map(|row| Some((key(row.country), row.peers.get()?)));
            let name = Arc::clone(&row.name);
            self.collections.sample(name, at, sources, 0, peers);
            for (key, cliff) in self.collections.of(&row.name) {
                let name = Arc::clone(&row.name);
                rows.collections
                    .extend(country(key).map(|it| (name, it, cliff.0)));
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

    /// Only the largest systems are known. One that is missing may have as many peers as the
    /// smallest of them.
    fn sample_systems(&mut self, all: Sampled<'_>, at: RunningMinute, rows: &mut CliffRows) {
        let has_more = all
            .systems
            .iter()
            .any(|(label, _)| *label == AsnLabel::Other);
        let peers = all.systems.iter().filter_map(|(label, peers)| match label {
            AsnLabel::Known(asn) => Some((asn.0, u32::try_from(*peers).unwrap_or(u32::MAX))),
            AsnLabel::Other | AsnLabel::Unknown => None,
        });
        let smallest = peers.clone().map(|(_, peers)| peers).min();
        let absent = smallest.filter(|_| has_more).unwrap_or(0);
        self.systems
            .sample((), at, mean_sources(all), absent, peers);
        let cliffs = self.systems.of(&());
        rows.systems
            .extend(cliffs.map(|(key, cliff)| (Asn(key), cliff.0)));
    }
}

/// Returns the torrents whose current countries are known.
fn countries(
    blocks: &[Arc<Block>],
) -> impl Iterator<Item = (TorrentIndex, &TorrentRow, &[CountryPeers])> {
    let positions = blocks
        .iter()
        .flat_map(|block| (0..Block::SIZE).map(move |at| block.get(at)));
    let torrents = TorrentIndex::range(0..blocks.len() * Block::SIZE);
    torrents.zip(positions).filter_map(|(torrent, row)| {
        let (row, _, windows) = row?;
        let geo = windows?.geo.as_deref()?;
        Some((torrent, row, &*geo.countries))
    })
}

/// Returns the sources of a torrent that answer.
fn online(row: &TorrentRow) -> u32 {
    let dht = row.probe_success[Source::Dht] == Some(true);
    row.trackers_online.get().unwrap_or(0) + u32::from(dht)
}

/// Returns the first bytes of the info-hashes of a collection, sorted.
fn torrents_of(roster: &Roster, name: &str) -> Vec<u64> {
    let collections = roster.collections();
    let found = collections.binary_search_by(|collection| (*collection.name).cmp(name));
    let torrents = found.map_or(&[][..], |index| &collections[index].torrents);
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

/// Returns the mean number of sources over all torrents.
fn mean_sources(all: Sampled<'_>) -> SourceCount {
    let (mut torrents, mut total) = (0, 0);
    for block in all.blocks {
        for (row, ..) in (0..Block::SIZE).map_while(|position| block.get(position)) {
            torrents += 1;
            total += u64::from(online(row) + all.family_sources);
        }
    }
    let online = (total * SCALE).checked_div(torrents).unwrap_or(0) as u32;
    SourceCount {
        online,
        tolerance: online as f32 * TOLERATED_LOSS,
    }
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
    use super::{CliffMonitor, RunningMinute, SourceCount, Unix, has_lost_torrents};
    use seedwatch_torrent::InfoHash;

    #[test]
    fn hours_before_a_sleep_are_forgotten() {
        let mut monitor = CliffMonitor::default();
        let at = |hour| RunningMinute { hour, minute: 0 };
        let wall = |hours: u64| Unix(hours * 3600);
        let sources = SourceCount {
            online: 1,
            tolerance: 0.7,
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
