//! What is remembered of one torrent between two judgements.

use super::evidence::SourceSet;
use super::need::NeedMemory;
use super::reason::Reason;
use super::state::{Conditions, State, Verdict};
use crate::snapshot::UnixOption32;
use seedwatch_clock::Mono;
use serde::{Deserialize, Serialize};

/// What is remembered of one torrent, in 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct VerdictMemory {
    /// Since when the torrent is in its state.
    pub(super) since: UnixOption32,
    pub(super) state: State,
    pub(super) reason: Reason,
    pub(super) conditions: Conditions,
    /// Since when sources are asked, in this process.
    pub(super) asked: AskedHour,
    /// The sources and the families of the last named peers.
    pub(super) last_naming: SourceSet,
    /// When a peer was last named.
    pub(super) peer_hour: Hour,
    /// Since when the torrent has had few peers.
    pub(super) few_since: Hour,
    /// Since when no source has known of a seeder.
    pub(super) no_seeder_since: Hour,
    /// When all sources first said that the swarm is empty, since a peer was last named.
    pub(super) empty_since: Second,
    /// When the sources last sufficed for a judgement, or since when they are asked.
    pub(super) known_at: Second,
    /// Whether the torrent needs seeding.
    pub(super) need: NeedMemory,
}

// Beside it, the row of the torrent holds the verdict: 40 bytes per torrent.
const _: () = assert!(size_of::<VerdictMemory>() <= 32 && size_of::<Verdict>() <= 8);

impl VerdictMemory {
    /// Returns the latest verdict.
    pub(crate) const fn verdict(&self) -> Verdict {
        Verdict {
            state: self.state,
            since: self.since,
            reason: self.reason,
            conditions: self.conditions,
        }
    }

    /// Returns the memory whose state changed last. Merges two memories of a torrent that had two
    /// info-hashes.
    #[must_use]
    pub(crate) fn or_later(self, other: Self) -> Self {
        let (later, earlier) = match other.since.get() > self.since.get() {
            true => (other, self),
            false => (self, other),
        };
        let need = match later.need.since().get() {
            Some(_) => later.need,
            None => earlier.need,
        };
        Self { need, ..later }
    }

    /// Returns what is remembered of the need for seeding.
    pub(crate) const fn need(&self) -> NeedMemory {
        self.need
    }

    /// Returns the memory with a need that was saved.
    #[must_use]
    pub(crate) fn with_need(self, need: NeedMemory) -> Self {
        Self { need, ..self }
    }

    /// Returns the memory of a torrent that is not asked about for a while.
    #[must_use]
    pub(crate) fn without_emptiness(self) -> Self {
        Self {
            empty_since: Second::NEVER,
            known_at: Second::NEVER,
            asked: AskedHour::default(),
            ..self
        }
    }

    /// Returns what outlives a restart.
    pub(crate) fn save(&self) -> SavedVerdict {
        SavedVerdict {
            state: self.state.index() as u8,
            since: self.since.get().map_or(0, |at| at.0 as u32),
            last_naming: self.last_naming.0,
            hours: [self.peer_hour, self.few_since, self.no_seeder_since].map(|hour| hour.0),
            empty_for: self.empty_since.until(self.known_at),
        }
    }

    /// Returns the memory of a torrent that was saved before a restart. The time in between does
    /// not count: nothing was observed.
    pub(crate) fn restore(saved: SavedVerdict, now: Mono) -> Option<Self> {
        let state = *State::ALL.get(usize::from(saved.state))?;
        let [peer_hour, few_since, no_seeder_since] = saved.hours.map(Hour);
        Some(Self {
            state,
            since: UnixOption32::from(seedwatch_clock::Unix(saved.since.into())),
            last_naming: SourceSet(saved.last_naming),
            peer_hour,
            few_since,
            no_seeder_since,
            empty_since: saved
                .empty_for
                .map_or(Second::NEVER, |age| Second::before(now, age)),
            known_at: Second::NEVER,
            ..Self::default()
        })
    }
}

/// What outlives a restart of a [`VerdictMemory`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct SavedVerdict {
    /// [`State::index`].
    pub state: u8,
    /// Seconds since 1970; 0 = unknown.
    pub since: u32,
    /// The sources of the last named peers.
    pub last_naming: u16,
    /// Low bits of hours of running time: last peer, few peers, no seeder.
    pub hours: [u16; 3],
    /// For how many seconds all sources have said that the swarm is empty, when it was last shown.
    pub empty_for: Option<u32>,
}

/// The low bits of an hour of running time; 0 = never. Two hours may be seven years apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Hour(u16);

impl Hour {
    /// Returns an hour of running time.
    pub(super) fn at(hour: u32) -> Self {
        Self((hour as u16).max(1))
    }

    /// Returns how many hours have passed; `None` = never.
    pub(super) fn passed(self, now: u32) -> Option<u16> {
        (self.0 != 0).then(|| Self::at(now).0.wrapping_sub(self.0))
    }

    /// Starts now if `holds` and it has not started yet; ends if not. Unknown changes nothing.
    pub(super) fn track(&mut self, holds: Option<bool>, now: u32) {
        match holds {
            Some(true) if self.0 == 0 => *self = Self::at(now),
            Some(false) => *self = Self::default(),
            _ => {}
        }
    }
}

/// The hour of running time in which sources were first asked; 0 = never. It is known for some
/// days, which is longer than anything waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct AskedHour(u8);

impl AskedHour {
    const LONG_AGO: u8 = u8::MAX;

    /// Starts now, if it has not started yet, or else keeps it.
    pub(super) fn start(&mut self, now: u32) {
        match self.0 {
            0 => self.0 = Self::phase(now),
            _ => self.keep(now),
        }
    }

    /// Keeps what has started. It must be called every few hours.
    pub(super) fn keep(&mut self, now: u32) {
        if self.passed(now) > u32::from(Self::LONG_AGO) / 2 {
            self.0 = Self::LONG_AGO;
        }
    }

    /// Returns how many hours have passed.
    pub(super) fn passed(self, now: u32) -> u32 {
        let cycle = u32::from(Self::LONG_AGO - 1);
        match self.0 {
            0 => 0,
            Self::LONG_AGO => u32::MAX,
            start => (u32::from(Self::phase(now)) + cycle - u32::from(start)) % cycle,
        }
    }

    fn phase(hour: u32) -> u8 {
        (hour % u32::from(Self::LONG_AGO - 1)) as u8 + 1
    }
}

/// A second of the monotonic clock. It may lie before the start of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Second(i32);

impl Second {
    pub(super) const NEVER: Self = Self(i32::MIN);

    /// Returns the second of a point in time.
    pub(super) fn at(now: Mono) -> Self {
        Self(i32::try_from(now.0 / 1000).unwrap_or(i32::MAX))
    }

    /// Returns the second `age` seconds before a point in time.
    fn before(now: Mono, age: u32) -> Self {
        let age = i32::try_from(age).unwrap_or(i32::MAX);
        Self(Self::at(now).0.saturating_sub(age).max(i32::MIN + 1))
    }

    /// Returns how many seconds later `end` is; `None` if this never was.
    fn until(self, end: Self) -> Option<u32> {
        (self != Self::NEVER).then(|| end.0.saturating_sub(self.0).max(0) as u32)
    }

    /// Returns how many seconds have passed; `None` = never.
    pub(super) fn age(self, now: Mono) -> Option<u32> {
        self.until(Self::at(now))
    }
}

impl Default for Second {
    fn default() -> Self {
        Self::NEVER
    }
}
