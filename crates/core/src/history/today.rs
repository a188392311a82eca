//! The sample of the current day of one torrent, as it grows.

use std::time::Duration;

use super::calendar::{CalendarTime, UtcDay};
use super::runs::Runs;
use super::sample::{DatedSample, Day, DaySample, PeerRange};
use crate::snapshot::{Count, TorrentRow, TorrentWindows, Window};
use crate::verdict::State;

/// The longest time, in seconds, between two readings of a torrent. Rows are built once an hour at
/// least, and those of a large fleet one after the other. After a longer time, the machine slept.
const LONGEST_BETWEEN_READINGS: u32 = 75 * 60;

/// The sample of the current day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Today {
    pub(super) day: UtcDay,
    /// Without the time for which the torrent was known.
    pub(super) sample: DaySample,
    /// For how many seconds the torrent was known.
    pub(super) known: u32,
    /// The second of the monotonic clock of the latest reading, plus one, if the torrent was known
    /// then; 0 if not.
    known_at: u32,
}

// Beside it, the row of the torrent holds the sample with its day: 30 bytes per torrent.
const _: () = assert!(size_of::<Today>() <= 20 && size_of::<DatedSample>() <= 10);

/// What is known of a torrent at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Observed {
    /// The current peers.
    pub(crate) peers: Option<u32>,
    /// Distinct peers of the last day.
    pub(crate) unique: Option<u32>,
    pub(crate) seeders: Option<u32>,
    pub(crate) trackers_online: Option<u32>,
    pub(crate) state: State,
}

impl Observed {
    /// Returns what the row of a torrent says. All its other values have been set.
    pub(crate) fn of(row: &TorrentRow, windows: Option<&TorrentWindows>) -> Self {
        let known = row.peers.iter().filter_map(|count| count.get());
        let peers = known.reduce(u32::saturating_add);
        // While no list comes, fewer and fewer peers are in the window, which says nothing.
        let unique = row.unique(windows)[Window::Day.index()].get();
        Self {
            peers,
            unique: peers.and(unique),
            seeders: Count::max(row.seeders, row.dht_seeders).get(),
            trackers_online: row.trackers_online.get(),
            state: row.verdict.state,
        }
    }

    fn sample(self) -> DaySample {
        let day = Day {
            date: UtcDay::default(),
            peers: self.peers.map(|peers| PeerRange {
                least: peers,
                most: peers,
            }),
            unique: self.unique,
            seeders: self.seeders,
            trackers_online: self.trackers_online,
            worst: Some(self.state),
            last: Some(self.state),
            known: Duration::ZERO,
        };
        DaySample::from(day).open()
    }
}

impl Today {
    /// Returns the sample of a day that an earlier process began.
    pub(super) fn restored(day: UtcDay, sample: DaySample, known: u32) -> Self {
        Self {
            day,
            sample,
            known,
            known_at: 0,
        }
    }

    /// Begins another day if it is another one, and moves the sample of the day before to `runs`.
    /// If the clock was set back, continues the sample of the day that it says.
    pub(crate) fn turn(&mut self, runs: &mut Runs, now: CalendarTime) {
        if self.day != now.day {
            let passed = self.passed(now);
            let is_next = self.day.after(1) == Some(now.day);
            let after_midnight = if is_next { passed.min(now.second) } else { 0 };
            self.add_known(passed - after_midnight);
            self.close(runs);
            *self = Self {
                day: now.day,
                known: after_midnight,
                known_at: self.known_at.min(1) * second(now),
                ..Self::default()
            };
        }
        if let Some(before) = runs.take(now.day) {
            self.add_known(before.known());
            self.sample = before.open().followed_by(self.sample);
        }
        runs.trim(now);
    }

    /// Moves the sample to `runs`.
    pub(super) fn close(&mut self, runs: &mut Runs) {
        let DatedSample { date, sample } = self.shown();
        runs.insert(date, sample);
        *self = Self {
            known_at: self.known_at,
            ..Self::default()
        };
    }

    /// Unites two samples of one day, of which one may be an earlier reading of the other.
    pub(super) fn unite(&mut self, other: &Self) {
        let (earlier, later) = match self.known <= other.known {
            true => (self.sample, other.sample),
            false => (other.sample, self.sample),
        };
        self.sample = earlier.followed_by(later);
        self.known = self.known.max(other.known);
    }

    /// Adds a reading. The day must be the current one. While the clock is not set, so that there
    /// is no day, nothing is recorded.
    pub(crate) fn observe(&mut self, observed: Observed, now: Option<CalendarTime>) {
        let Some(now) = now else {
            self.known_at = 0;
            return;
        };
        self.credit(now);
        self.sample = self.sample.followed_by(observed.sample());
        let is_known = observed.peers.is_some() || observed.seeders.is_some();
        self.known_at = if is_known { second(now) } else { 0 };
    }

    /// Adds the time since the latest reading, if the day is still the same.
    pub(crate) fn credit(&mut self, now: CalendarTime) {
        if self.day == now.day && self.known_at != 0 {
            self.add_known(self.passed(now));
            self.known_at = second(now);
        }
    }

    /// Returns the sample so far.
    pub(crate) fn shown(&self) -> DatedSample {
        let sample = match self.sample.has_counts() {
            true => self.sample.known_for(self.known),
            false => DaySample::GAP,
        };
        DatedSample {
            date: self.day,
            sample,
        }
    }

    fn add_known(&mut self, seconds: u32) {
        self.known = (self.known + seconds).min(UtcDay::SECONDS as u32);
    }

    /// Returns how many seconds have passed since the latest reading, if the torrent was known
    /// then.
    fn passed(&self, now: CalendarTime) -> u32 {
        match self.known_at {
            0 => 0,
            at => second(now).saturating_sub(at).min(LONGEST_BETWEEN_READINGS),
        }
    }
}

/// Returns a second of the monotonic clock, at least 1.
fn second(now: CalendarTime) -> u32 {
    u32::try_from(now.mono.0 / 1000 + 1).unwrap_or(u32::MAX)
}
