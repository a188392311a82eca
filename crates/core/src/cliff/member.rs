//! One member of a group: its peers over two days, and its fall.

use super::group::{FALL_OF_MANY, FALL_OF_SOME, MANY_PEERS, RECOVERED, is_at_least};
use super::hourly::{Hourly, Running, RunningMinute, same_hour_before};

/// The largest growth that yesterday's rhythm may predict for three hours.
const MOST_GROWTH: f32 = 2.0;
/// The share of their peers that members may lose in three hours, if their rhythm is not known.
const UNKNOWN_RHYTHM: f32 = 0.5;

/// One watched member.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) key: u32,
    /// The hours before the current one; the hours before the fall, if it has fallen.
    pub(super) hours: Hourly,
    pub(super) now: Running,
    /// The last two samples.
    last: [f32; 2],
    /// The ratio of its peers to the expected ones; infinite if that is not known, and not a number
    /// if too few are expected.
    pub(super) ratio: f32,
}

const _: () = assert!(size_of::<Member>() <= 96);

/// A fall that holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fall {
    pub(super) key: u32,
    /// The hour in which it began.
    pub(super) since: u32,
    /// The ratio of the peers to the expected ones, when they were last comparable.
    pub(super) ratio: f32,
    /// By how much the days before it are to be multiplied: it may have been found by the last
    /// hours, when yesterday was not comparable.
    pub(super) scale: f32,
    /// The mean over a day of the peers of all other members, when it began.
    pub(super) others: f32,
}

/// The peers of a member at the same time of the last two days.
#[derive(Debug, Clone, Copy)]
pub(super) struct Days {
    pub(super) yesterday: f32,
    /// `None` also if a list of yesterday was lacking then.
    pub(super) before: Option<f32>,
}

impl Days {
    /// Returns the peers of yesterday, or those of the day before if they were fewer: the end of a
    /// crowd of one day is no fall.
    pub(super) fn usual(self) -> f32 {
        let before = self.before.unwrap_or(self.yesterday);
        before.min(self.yesterday)
    }
}

/// What the current peers are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basis {
    /// The same hours of yesterday.
    Yesterday,
    /// Three hours ago, scaled by yesterday's rhythm. A source that came or went yesterday, or
    /// another table, spoils the rhythm.
    Hours { has_rhythm: bool },
}

impl Member {
    pub(super) fn new(key: u32) -> Self {
        Self {
            key,
            hours: Hourly::default(),
            now: Running::default(),
            last: [0.0; 2],
            ratio: f32::INFINITY,
        }
    }

    pub(super) fn add(&mut self, peers: u32) {
        let sample = peers as f32;
        self.last = match self.now == Running::default() && self.hours == Hourly::default() {
            true => [sample; 2],
            false => [self.last[1], sample],
        };
        self.now.add(peers);
    }

    /// Returns the mean of the last two samples.
    pub(super) fn recent(&self) -> f32 {
        self.last.iter().sum::<f32>() / 2.0
    }

    /// Returns what the last hours and yesterday's rhythm let expect.
    pub(super) fn expected_of_hours(
        &self,
        now: RunningMinute,
        yesterday: f32,
        has_rhythm: bool,
    ) -> Option<f32> {
        let recent = self.hours.until(now, 3)?;
        if !has_rhythm {
            return Some(recent * UNKNOWN_RHYTHM);
        }
        let then = self.hours.until(now, 27).filter(|then| *then > 0.0)?;
        Some(recent * (yesterday / then).min(MOST_GROWTH))
    }

    /// Returns the peers of the same hours of the last day before the hour `since`.
    pub(super) fn usual_before(
        &self,
        now: RunningMinute,
        since: u32,
        choose: fn(f32, f32) -> f32,
    ) -> Option<f32> {
        let ago = now.hour - same_hour_before(now.hour, since)?;
        self.hours.around(now, ago, since, choose)
    }

    /// Returns the peers that are expected while a fall holds. Of two hours, the one with more
    /// counts: the night before a morning makes no recovery.
    pub(super) fn expected_in(&self, fall: &Fall, now: RunningMinute) -> Option<f32> {
        Some(self.usual_before(now, fall.since, f32::max)? * fall.scale)
    }

    /// Returns whether it has fallen, if so many peers are expected.
    pub(super) fn has_fallen(&self, now: RunningMinute, expected: f32) -> bool {
        let recent = self.recent() / expected;
        let hour = self.hours.last_hour(now, self.now.mean());
        let over_hour = hour.map(|hour| hour / expected);
        let has_many_fallen = is_at_least(expected, MANY_PEERS) && recent < FALL_OF_MANY;
        let has_some_fallen = over_hour.is_some_and(|it| it < FALL_OF_SOME);
        has_many_fallen || has_some_fallen && recent < RECOVERED
    }
}
