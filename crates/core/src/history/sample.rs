//! The sample of one day, in eight bytes.

use std::time::Duration;

use super::calendar::UtcDay;
use super::scale;
use crate::verdict::State;

/// Seconds per unit of the time for which a torrent was known.
const UNIT: u32 = 1800;
/// Units of a day.
const UNITS: u64 = UtcDay::SECONDS / UNIT as u64;

/// The most trackers that are counted; more are shown as so many.
const MOST_TRACKERS: u32 = 14;
const UNKNOWN_TRACKERS: u64 = 15;
const UNKNOWN_STATE: u64 = 7;

/// A part of the sample: its first bit and its number of bits.
type Field = (u32, u32);

const MOST: Field = (0, scale::BITS);
const LEAST: Field = (12, scale::BITS);
const SEEDERS: Field = (24, scale::BITS);
const UNIQUE: Field = (36, scale::BITS);
const TRACKERS: Field = (48, 4);
const WORST: Field = (52, 3);
const LAST: Field = (55, 3);
const KNOWN: Field = (58, 6);

/// What was known of a torrent on one day, for readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// The day.
    pub date: UtcDay,
    /// The current peers, if they were ever known on that day.
    pub peers: Option<PeerRange>,
    /// Distinct peers of the 24 hours before the current peers were last known.
    pub unique: Option<u32>,
    /// The largest number of seeders that trackers claimed or the DHT estimated.
    pub seeders: Option<u32>,
    /// The largest number of trackers that were online at the same time; 14 stands for more too.
    pub trackers_online: Option<u32>,
    /// The most urgent state of the day, if it was judged.
    pub worst: Option<State>,
    /// The state at the latest reading, if it was judged.
    pub last: Option<State>,
    /// For how long peers or seeders were known, in half hours, rounded up.
    pub known: Duration,
}

/// The smallest and the largest number of current peers of a day. Counts of 512 or more are rounded
/// down by less than one 256th.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerRange {
    /// The smallest.
    pub least: u32,
    /// The largest.
    pub most: u32,
}

/// The packed sample of one day: counts of 12 bits, states of 3 bits, and for how long the torrent
/// was known, in half hours. Without such a time, the day is a gap.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DaySample([u8; 8]);

/// A sample and its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DatedSample {
    /// The day.
    pub(crate) date: UtcDay,
    /// The sample.
    pub(crate) sample: DaySample,
}

impl DaySample {
    /// Of a day on which nothing was known.
    pub const GAP: Self = {
        let counts = (1 << (MOST.1 + LEAST.1 + SEEDERS.1 + UNIQUE.1)) - 1;
        let states = UNKNOWN_STATE << WORST.0 | UNKNOWN_STATE << LAST.0;
        Self((counts | UNKNOWN_TRACKERS << TRACKERS.0 | states).to_le_bytes())
    };

    /// Returns the sample's bytes.
    pub(super) const fn to_bytes(self) -> [u8; 8] {
        self.0
    }

    /// Returns the sample of these bytes, whatever they are.
    pub(super) const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    const fn get(self, (first, bits): Field) -> u64 {
        u64::from_le_bytes(self.0) >> first & ((1 << bits) - 1)
    }

    const fn with(self, (first, bits): Field, value: u64) -> Self {
        let mask = ((1 << bits) - 1) << first;
        let others = u64::from_le_bytes(self.0) & !mask;
        Self((others | value << first & mask).to_le_bytes())
    }

    fn count(self, field: Field) -> Option<u32> {
        scale::decode(self.get(field) as u16)
    }

    fn with_count(self, field: Field, count: Option<u32>) -> Self {
        self.with(field, scale::encode(count).into())
    }

    fn state(self, field: Field) -> Option<State> {
        State::ALL.get(self.get(field) as usize).copied()
    }

    fn with_state(self, field: Field, state: Option<State>) -> Self {
        let code = state.map_or(UNKNOWN_STATE, |state| state.index() as u64);
        self.with(field, code)
    }

    fn trackers(self) -> Option<u32> {
        let trackers = self.get(TRACKERS);
        (trackers != UNKNOWN_TRACKERS).then_some(trackers as u32)
    }

    /// Returns whether the day is a gap.
    pub(crate) const fn is_gap(self) -> bool {
        self.get(KNOWN) == 0
    }

    /// Returns whether peers or seeders were known.
    pub(super) fn has_counts(self) -> bool {
        self.count(MOST).is_some() || self.count(SEEDERS).is_some()
    }

    /// Returns whether an encoder writes this sample of a day that is no gap.
    pub(super) fn is_valid(self) -> bool {
        let (least, most) = (self.count(LEAST), self.count(MOST));
        let is_state = |field| self.state(field).is_some() || self.get(field) == UNKNOWN_STATE;
        (1..=UNITS).contains(&self.get(KNOWN))
            && self.has_counts()
            && least.is_some() == most.is_some()
            && least <= most
            && is_state(WORST)
            && is_state(LAST)
    }

    /// Sets for how many seconds the torrent was known. A moment counts as half an hour.
    #[must_use]
    pub(super) fn known_for(self, seconds: u32) -> Self {
        let units = u64::from(seconds.div_ceil(UNIT)).clamp(1, UNITS);
        self.with(KNOWN, units)
    }

    /// Returns for how many seconds the torrent was known.
    pub(super) fn known(self) -> u32 {
        self.get(KNOWN) as u32 * UNIT
    }

    /// Returns the sample without the time for which the torrent was known.
    #[must_use]
    pub(super) const fn open(self) -> Self {
        self.with(KNOWN, 0)
    }

    /// Adds a later reading, or the rest of the same day.
    #[must_use]
    pub(super) fn followed_by(self, later: Self) -> Self {
        let max = |field| self.count(field).max(later.count(field));
        let least = [self.count(LEAST), later.count(LEAST)];
        let [worst, also_worst] = [self, later].map(|sample| sample.state(WORST));
        // A torrent that was not judged yet has no state to speak of.
        let is_judged = |state: &State| *state != State::Pending;
        let states = worst.into_iter().chain(also_worst);
        let judged = states.clone().filter(is_judged).min();
        let last = later.state(LAST).filter(is_judged);
        let trackers = self.trackers().max(later.trackers());
        let trackers = trackers.map_or(UNKNOWN_TRACKERS, u64::from);
        self.with_count(MOST, max(MOST))
            .with_count(LEAST, least.into_iter().flatten().min())
            .with_count(SEEDERS, max(SEEDERS))
            .with_count(UNIQUE, later.count(UNIQUE).or(self.count(UNIQUE)))
            .with(TRACKERS, trackers)
            .with_state(WORST, judged.or(states.min()))
            .with_state(LAST, last.or(self.state(LAST)).or(later.state(LAST)))
    }

    /// Unites two samples of one day, of which one may be an earlier reading of the other.
    #[must_use]
    pub(super) fn united(self, other: Self) -> Self {
        let (earlier, later) = match self.known() <= other.known() {
            true => (self, other),
            false => (other, self),
        };
        earlier.followed_by(later).with(KNOWN, later.get(KNOWN))
    }

    /// Returns what readers see of a day; `None` if it is a gap.
    pub(crate) fn show(self, date: UtcDay) -> Option<Day> {
        let range = self.count(LEAST).zip(self.count(MOST));
        (!self.is_gap()).then(|| Day {
            date,
            peers: range.map(|(least, most)| PeerRange { least, most }),
            unique: self.count(UNIQUE),
            seeders: self.count(SEEDERS),
            trackers_online: self.trackers(),
            worst: self.state(WORST),
            last: self.state(LAST),
            known: Duration::from_secs(self.known().into()),
        })
    }
}

impl Default for DaySample {
    fn default() -> Self {
        Self::GAP
    }
}

impl std::fmt::Debug for DaySample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DaySample")
            .field(&self.show(UtcDay::default()))
            .finish()
    }
}

impl From<Day> for DaySample {
    fn from(day: Day) -> Self {
        let seconds = u32::try_from(day.known.as_secs()).unwrap_or(u32::MAX);
        let trackers = day.trackers_online.map(|online| online.min(MOST_TRACKERS));
        Self::GAP
            .with_count(MOST, day.peers.map(|peers| peers.most))
            .with_count(LEAST, day.peers.map(|peers| peers.least))
            .with_count(SEEDERS, day.seeders)
            .with_count(UNIQUE, day.unique)
            .with(TRACKERS, trackers.map_or(UNKNOWN_TRACKERS, u64::from))
            .with_state(WORST, day.worst)
            .with_state(LAST, day.last)
            .known_for(seconds)
    }
}
