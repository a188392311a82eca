//! One group: its members, and what is expected of them.

use std::ops::RangeInclusive;

use super::hourly::{Hourly, Running, RunningMinute};

/// Fewest expected peers of a member whose last minutes are judged.
pub const MANY_PEERS: f32 = 100.0;
/// Fewest expected peers of a member whose last hour is judged.
pub const SOME_PEERS: f32 = 30.0;
/// The ratio below which many peers have fallen.
pub const FALL_OF_MANY: f32 = 0.35;
/// The ratio below which some peers have fallen.
pub const FALL_OF_SOME: f32 = 0.25;
/// The ratio above which a fall is over.
const RECOVERED: f32 = 0.5;
/// The share of their peers that all other members together must have kept.
const KEPT_BY_OTHERS: f32 = 0.5;
/// Hours after a change before yesterday's numbers can be compared.
const HOURS_UNTIL_DAY_COMPARISON: u32 = 26;
/// Hours after a change before the numbers of three hours ago can be compared: they are a mean of
/// up to four hours ago, and peers remain for 90 minutes after their source was lost.
const HOURS_UNTIL_HOUR_COMPARISON: u32 = 6;
/// Hours ago whose sources and tables decide what yesterday's rhythm of the last three hours says.
const HOURS_OF_RHYTHM: RangeInclusive<u32> = 23..=29;
/// The largest growth that yesterday's rhythm may predict for three hours.
const MOST_GROWTH: f32 = 2.0;
/// The share of their peers that members may lose in three hours, if their rhythm is not known.
const UNKNOWN_RHYTHM: f32 = 0.5;

/// How many sources answer. The unit is up to the caller.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SourceCount {
    /// SourceCount that answer now.
    pub online: u32,
    /// By how much the number may fall without a loss: noise of the hourly mean.
    pub tolerance: f32,
}

/// The ratio of the current peers of a member to the expected ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cliff(pub f32);

/// The members of a group over two days.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// Sorted by key.
    members: Vec<Member>,
    sources: Hourly,
    sources_now: Running,
    /// The numbers of sources at the last two samples.
    last_sources: [u32; 2],
    now: RunningMinute,
    /// The hour in which what is seen of the group last changed; 0 = never.
    changed: u32,
}

/// One watched member.
#[derive(Debug, Clone)]
struct Member {
    key: u32,
    hours: Hourly,
    now: Running,
    /// The last two samples.
    last: [f32; 2],
    /// [`NO_CLIFF`] without one.
    cliff: f32,
}

/// Stands for no cliff, in half the memory of an option.
const NO_CLIFF: f32 = f32::INFINITY;

const _: () = assert!(size_of::<Member>() <= 120);

impl Group {
    /// Notes that what is seen of the group changed.
    pub fn mark_changed(&mut self, at: RunningMinute) {
        self.changed = at.hour.max(1);
        self.members
            .iter_mut()
            .for_each(|member| member.cliff = NO_CLIFF);
    }

    /// Samples the current peers by member, and judges them.
    pub(super) fn sample(
        &mut self,
        at: RunningMinute,
        sources: SourceCount,
        absent: u32,
        peers: impl Iterator<Item = (u32, u32)>,
    ) {
        if at.hour > self.now.hour {
            self.end_hour(at.hour);
        }
        self.now = at;
        self.sources_now.add(sources.online);
        self.last_sources = [self.last_sources[1], sources.online];
        let mut seen: Vec<(u32, u32)> = peers.collect();
        seen.sort_unstable();
        for member in &mut self.members {
            let found = seen.binary_search_by_key(&member.key, |(key, _)| *key);
            let peers = found.map_or(absent, |index| seen[index].1);
            member.add(peers);
        }
        for (key, peers) in seen
            .into_iter()
            .filter(|(_, peers)| *peers as f32 >= SOME_PEERS)
        {
            if let Err(index) = self.members.binary_search_by_key(&key, |member| member.key) {
                let mut member = Member::new(key);
                member.add(peers);
                self.members.insert(index, member);
            }
        }
        self.update_cliffs(sources.tolerance);
    }

    /// Stores the means of the hour that ended, and forgets hours without a sample.
    fn end_hour(&mut self, hour: u32) {
        let ended = self.now.hour;
        let skipped = (ended + 1..hour).rev().take(48);
        self.sources.store(ended, self.sources_now.mean());
        self.sources_now = Running::default();
        for member in &mut self.members {
            member.hours.store(ended, member.now.mean());
            member.now = Running::default();
            skipped
                .clone()
                .for_each(|hour| member.hours.store(hour, None));
        }
        skipped.for_each(|hour| self.sources.store(hour, None));
        let now = RunningMinute { hour, minute: 0 };
        let is_watched = |member: &Member| member.hours.largest(now, 48) >= Some(SOME_PEERS);
        self.members.retain(is_watched);
    }

    fn update_cliffs(&mut self, tolerance: f32) {
        let now = self.now;
        let basis = self.basis(tolerance);
        let expected: Vec<Option<f32>> = self
            .members
            .iter()
            .map(|member| member.expected(now, basis))
            .collect();
        let all_expected: f32 = expected.iter().flatten().sum();
        let known = self.members.iter().zip(&expected);
        let known = known.filter(|(_, expected)| expected.is_some());
        let all_now: f32 = known.map(|(member, _)| member.recent()).sum();
        for (member, expected) in self.members.iter_mut().zip(expected) {
            let cliff = expected.and_then(|expected| {
                let others = all_expected - expected;
                let kept = (others >= SOME_PEERS).then(|| (all_now - member.recent()) / others)?;
                let kept = Some(kept).filter(|kept| *kept >= KEPT_BY_OTHERS)?.min(1.0);
                member.cliff(now, expected * kept)
            });
            member.cliff = cliff.map_or(NO_CLIFF, |cliff| cliff.0);
        }
    }

    /// Returns what the current peers can be compared with.
    fn basis(&self, tolerance: f32) -> Option<Basis> {
        let last_hour = self.sources.last_hour(self.now, self.sources_now.mean())?;
        // A source that came back may be missing in the last samples of the members.
        let last = self.last_sources.map(|online| online as f32);
        let online = last.into_iter().fold(last_hour, f32::min);
        let has_all = |hours| {
            let most = self.sources.largest(self.now, hours);
            most.is_none_or(|most| online > most - tolerance)
        };
        let passed = self.now.hour.saturating_sub(self.changed);
        let is_unchanged = |hours| self.changed == 0 || passed >= hours;
        if is_unchanged(HOURS_UNTIL_DAY_COMPARISON) && has_all(HOURS_UNTIL_DAY_COMPARISON + 1) {
            Some(Basis::Yesterday)
        } else if is_unchanged(HOURS_UNTIL_HOUR_COMPARISON) && has_all(HOURS_UNTIL_HOUR_COMPARISON)
        {
            let has_rhythm = is_unchanged(*HOURS_OF_RHYTHM.end())
                && self.sources.is_steady(self.now, HOURS_OF_RHYTHM, tolerance);
            Some(Basis::Hours { has_rhythm })
        } else {
            None
        }
    }

    /// Returns the members that have fallen.
    pub(super) fn cliffs(&self) -> impl Iterator<Item = (u32, Cliff)> {
        let members = self.members.iter();
        members.filter_map(|member| {
            (member.cliff < NO_CLIFF).then_some((member.key, Cliff(member.cliff)))
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn watched(&self) -> usize {
        self.members.len()
    }
}

/// What the current peers are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basis {
    /// The same hours of yesterday.
    Yesterday,
    /// Three hours ago, scaled by yesterday's rhythm. A source that came or went yesterday, or
    /// another table, spoils the rhythm.
    Hours { has_rhythm: bool },
}

impl Member {
    fn new(key: u32) -> Self {
        Self {
            key,
            hours: Hourly::default(),
            now: Running::default(),
            last: [0.0; 2],
            cliff: NO_CLIFF,
        }
    }

    fn add(&mut self, peers: u32) {
        let sample = peers as f32;
        self.last = match self.now == Running::default() && self.hours == Hourly::default() {
            true => [sample; 2],
            false => [self.last[1], sample],
        };
        self.now.add(peers);
    }

    /// Returns the mean of the last two samples.
    fn recent(&self) -> f32 {
        self.last.iter().sum::<f32>() / 2.0
    }

    fn expected(&self, now: RunningMinute, basis: Option<Basis>) -> Option<f32> {
        let yesterday = self.hours.around(now, 24)?;
        match basis? {
            Basis::Yesterday => {
                let before = self.hours.around(now, 48).unwrap_or(yesterday);
                Some(yesterday.min(before))
            }
            Basis::Hours { has_rhythm: false } => Some(self.hours.until(now, 3)? * UNKNOWN_RHYTHM),
            Basis::Hours { has_rhythm: true } => {
                let recent = self.hours.until(now, 3)?;
                let then = self.hours.until(now, 27).filter(|then| *then > 0.0)?;
                Some(recent * (yesterday / then).min(MOST_GROWTH))
            }
        }
    }

    /// Returns the cliff, if so many peers are expected.
    fn cliff(&self, now: RunningMinute, expected: f32) -> Option<Cliff> {
        let hour = self.hours.last_hour(now, self.now.mean());
        let recent = self.recent() / expected;
        let over_hour = hour.map(|hour| hour / expected);
        if self.cliff < NO_CLIFF && expected >= SOME_PEERS && recent < RECOVERED {
            return Some(Cliff(recent));
        }
        let has_many_fallen = expected >= MANY_PEERS && recent < FALL_OF_MANY;
        let has_some_fallen =
            expected >= SOME_PEERS && over_hour.is_some_and(|it| it < FALL_OF_SOME);
        (has_many_fallen || has_some_fallen && recent < RECOVERED).then_some(Cliff(recent))
    }
}
