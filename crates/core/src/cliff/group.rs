//! One group: its members, and what is expected of them.

use std::ops::RangeInclusive;

use super::hourly::{DAY, HOURS, Hourly, RunningMinute};
use super::member::{Basis, Days, Fall, Member};
use super::sources::{SourceLists, Sources};

/// Fewest expected peers of a member whose last minutes are judged.
pub const MANY_PEERS: f32 = 100.0;
/// Fewest expected peers of a member whose last hour is judged.
pub const SOME_PEERS: f32 = 30.0;
/// The ratio below which many peers have fallen.
pub const FALL_OF_MANY: f32 = 0.35;
/// The ratio below which some peers have fallen.
pub const FALL_OF_SOME: f32 = 0.25;
/// The ratio above which a fall is over.
pub const RECOVERED: f32 = 0.5;
/// Hours after which a fall is accepted as normal: two weeks.
pub const HOURS_UNTIL_ACCEPTED: u32 = 14 * DAY;
/// The share of their peers that all other members together must have kept.
const KEPT_BY_OTHERS: f32 = 0.5;
/// Hours after a change before yesterday's numbers can be compared.
const HOURS_UNTIL_DAY_COMPARISON: u32 = 26;
/// Hours after a change before the numbers of three hours ago can be compared: they are a mean of
/// up to four hours ago, and answers of before the change remain for up to two hours.
const HOURS_UNTIL_HOUR_COMPARISON: u32 = 6;
/// Hours ago whose sources and tables decide what yesterday's rhythm of the last three hours says.
const HOURS_OF_RHYTHM: RangeInclusive<u32> = 23..=29;

/// The ratio of the current peers of a member to the expected ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cliff(pub f32);

/// The members of a group over two days.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// Sorted by key.
    pub(super) members: Vec<Member>,
    /// The members that have fallen.
    pub(super) falls: Vec<Fall>,
    pub(super) sources: Sources,
    pub(super) now: RunningMinute,
    /// The hour in which what is seen of the group last changed; 0 = never.
    pub(super) changed: u32,
}

impl Group {
    /// Notes that what is seen of the group changed. A fall is not over for that.
    pub fn mark_changed(&mut self, at: RunningMinute) {
        self.changed = at.hour.max(1);
    }

    /// Notes that what is seen of the group changed after its last sample.
    pub fn mark_changed_since(&mut self) {
        self.mark_changed(self.now);
    }

    /// Samples the current peers by member, and judges them.
    pub(super) fn sample(
        &mut self,
        at: RunningMinute,
        sources: SourceLists<'_>,
        absent: u32,
        peers: impl Iterator<Item = (u32, u32)>,
    ) {
        if at.hour > self.now.hour {
            self.end_hour(at.hour);
        }
        self.now = at;
        self.sources.sample(sources);
        self.accept_old_falls(at);
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
                // Members are many, and few join a group later.
                self.members.reserve_exact(1);
                self.members.insert(index, member);
            }
        }
        self.update_falls();
    }

    /// Stores the means of the hour that ended, and forgets hours without a sample.
    fn end_hour(&mut self, hour: u32) {
        let ended = self.now.hour;
        let skipped = ended + 1..hour;
        self.sources.end_hour(ended, skipped.len() as u32);
        let skipped = skipped.rev().take(HOURS as usize);
        for member in &mut self.members {
            let mean = std::mem::take(&mut member.now).mean();
            if self.falls.iter().any(|fall| fall.key == member.key) {
                continue;
            }
            member.hours.store(ended, mean);
            skipped
                .clone()
                .for_each(|hour| member.hours.store(hour, None));
        }
        let falls = &self.falls;
        let is_watched = |member: &Member| {
            let has_fallen = falls.iter().any(|fall| fall.key == member.key);
            has_fallen
                || member
                    .hours
                    .largest()
                    .is_some_and(|it| is_at_least(it, SOME_PEERS))
        };
        self.members.retain(is_watched);
        self.members.shrink_to_fit();
    }

    fn fall_of(&self, key: u32) -> Option<Fall> {
        self.falls.iter().copied().find(|fall| fall.key == key)
    }

    /// Begins, continues and ends falls.
    fn update_falls(&mut self) {
        let now = self.now;
        let basis = self.basis();
        let others = Others::new(self, basis);
        for index in 0..self.members.len() {
            let member = &mut self.members[index];
            let kept = others.kept_without(member, index);
            let fall = self.falls.iter().find(|fall| fall.key == member.key);
            if let Some(fall) = fall.copied() {
                self.follow(fall, index, basis.is_some(), kept);
                continue;
            }
            let expected = others.expected[index].zip(kept);
            let expected = expected.map(|(expected, kept)| expected * kept);
            let enough = expected.filter(|expected| is_at_least(*expected, SOME_PEERS));
            member.ratio = match (expected, enough) {
                (None, _) => f32::INFINITY,
                (_, None) => f32::NAN,
                (_, Some(enough)) => member.recent() / enough,
            };
            if enough.is_some_and(|expected| member.has_fallen(now, expected)) {
                self.begin(index, others.expected[index], basis);
            }
        }
    }

    /// Begins the fall of a member.
    fn begin(&mut self, index: usize, expected: Option<f32>, basis: Option<Basis>) {
        let Member { key, ratio, .. } = self.members[index];
        let since = self.now.hour;
        let others = self.others_of_day(key);
        let scale = expected.map_or(1.0, |expected| self.freeze(index, expected, basis));
        self.falls.reserve_exact(1);
        self.falls.push(Fall {
            key,
            since,
            ratio,
            scale,
            others,
        });
    }

    /// Keeps the usual day of a member that falls now, in the place of its last two days. Returns
    /// the scale by which that day gives what is expected now.
    fn freeze(&mut self, index: usize, expected: f32, basis: Option<Basis>) -> f32 {
        let now = self.now.hour;
        let mut usual = self.members[index].hours.clone();
        for hour in now.saturating_sub(DAY)..now {
            let mean = self.usual_at(index, hour);
            usual.store(hour, mean);
            usual.store(hour + DAY, mean);
        }
        let member = &mut self.members[index];
        member.hours = usual;
        if basis == Some(Basis::Yesterday) {
            return 1.0;
        }
        let usual = member.usual_before(self.now, now, f32::min);
        if let Some(usual) = usual.filter(|usual| *usual >= SOME_PEERS) {
            return expected / usual;
        }
        // Too few peers to have a rhythm.
        (0..HOURS).for_each(|hour| member.hours.store(hour, Some(expected)));
        1.0
    }

    /// Returns the usual peers of a member at an hour of the last day.
    fn usual_at(&self, index: usize, hour: u32) -> Option<f32> {
        let hours = &self.members[index].hours;
        let before = hour.checked_sub(DAY);
        let days = Days {
            yesterday: hours.at(Some(hour))?,
            before: hours.at(before.filter(|hour| !self.sources.was_lacking(*hour))),
        };
        Some(days.usual())
    }

    /// Returns the peers of a member at this time of yesterday and of the day before.
    fn days(&self, member: &Member) -> Option<Days> {
        let now = self.now;
        let neighbour = if now.minute < 30 { 1 } else { -1 };
        let hours = [0, neighbour].map(|ago| now.hour.saturating_add_signed(-48 - ago));
        let is_lacking = hours.iter().any(|hour| self.sources.was_lacking(*hour));
        let before = member.hours.around(now, 2 * DAY, now.hour, f32::min);
        Some(Days {
            yesterday: member.hours.around(now, DAY, now.hour, f32::min)?,
            before: before.filter(|_| !is_lacking),
        })
    }

    /// Updates the ratio of a fall, or ends it. While a list of its time is missing, more peers
    /// may still show that it is over; fewer show nothing.
    fn follow(&mut self, mut fall: Fall, index: usize, has_basis: bool, kept: Option<f32>) {
        let now = self.now;
        let member = &self.members[index];
        let recent = member.recent();
        let lasts = now.hour.saturating_sub(fall.since);
        let kept = match lasts < DAY {
            true => kept,
            false => Some(self.others_of_day(fall.key) / fall.others),
        };
        let kept = kept.filter(|kept| has_basis && *kept >= KEPT_BY_OTHERS);
        let usual = member.expected_in(&fall, now);
        let expected = usual.map(|usual| usual * kept.unwrap_or(1.0).min(1.0));
        if expected.is_some_and(|expected| recent >= expected * RECOVERED) {
            self.falls.retain(|known| known.key != fall.key);
            return self.members[index].hours.repeat_day(fall.since, now.hour);
        }
        if let Some(expected) = expected.filter(|_| kept.is_some()) {
            fall.ratio = recent / expected;
            let known = self.falls.iter_mut().find(|known| known.key == fall.key);
            known.into_iter().for_each(|known| *known = fall);
        }
    }

    /// Accepts what is left of members as normal, if they have fallen for long. What is expected of
    /// them is learned again.
    pub(super) fn accept_old_falls(&mut self, at: RunningMinute) {
        let is_old = |fall: &Fall| at.hour.saturating_sub(fall.since) >= HOURS_UNTIL_ACCEPTED;
        if !self.falls.iter().any(is_old) {
            return;
        }
        for fall in self.falls.extract_if(.., |fall| is_old(fall)) {
            let member = self.members.iter_mut().find(|it| it.key == fall.key);
            member
                .into_iter()
                .for_each(|member| member.hours = Hourly::default());
        }
    }

    /// Returns the mean over a day of the peers of all members but one. For those that have fallen,
    /// it is the day before.
    fn others_of_day(&self, key: u32) -> f32 {
        let others = self.members.iter().filter(|member| member.key != key);
        let means = others.map(|member| {
            let fall = self.fall_of(member.key);
            let end = fall.map_or(self.now.hour, |fall| fall.since);
            member.hours.mean_of_day(end)
        });
        means.sum()
    }

    /// Returns what the current peers can be compared with.
    fn basis(&self) -> Option<Basis> {
        let passed = self.now.hour.saturating_sub(self.changed);
        let is_unchanged = |hours| self.changed == 0 || passed >= hours;
        let is_complete = |hours| self.sources.are_complete(self.now, hours);
        if is_unchanged(HOURS_UNTIL_DAY_COMPARISON) && is_complete(HOURS_UNTIL_DAY_COMPARISON + 1) {
            Some(Basis::Yesterday)
        } else if is_unchanged(HOURS_UNTIL_HOUR_COMPARISON)
            && is_complete(HOURS_UNTIL_HOUR_COMPARISON)
        {
            let has_rhythm =
                is_unchanged(*HOURS_OF_RHYTHM.end()) && self.sources.is_steady(HOURS_OF_RHYTHM);
            Some(Basis::Hours { has_rhythm })
        } else {
            None
        }
    }

    /// Returns the members that have fallen.
    pub(super) fn cliffs(&self) -> impl Iterator<Item = (u32, Cliff)> {
        let falls = self.falls.iter();
        falls.map(|fall| (fall.key, Cliff(fall.ratio)))
    }

    /// Returns the ratios of the peers of members to the expected ones. They are infinite where
    /// that is not known. Members of which too few peers are expected are left out.
    pub(super) fn ratios(&self) -> impl Iterator<Item = (u32, f32)> {
        let ratios = self.members.iter().map(|member| {
            let fall = self.fall_of(member.key);
            (member.key, fall.map_or(member.ratio, |fall| fall.ratio))
        });
        ratios.filter(|(_, ratio)| !ratio.is_nan())
    }

    /// Returns whether nothing is known of the group.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn watched(&self) -> usize {
        self.members.len()
    }

    /// Forgets everything but the falls, whose hours move by `hours`: the clock has jumped.
    pub(super) fn forget_hours(&mut self, at: RunningMinute, hours: i64) {
        let falls = std::mem::take(&mut self.falls);
        self.members
            .retain(|member| falls.iter().any(|fall| fall.key == member.key));
        *self = Self {
            members: std::mem::take(&mut self.members),
            falls,
            now: at,
            ..Self::default()
        };
        self.shift_falls(hours);
        for fall in &mut self.falls {
            fall.since = fall.since.min(at.hour);
        }
    }

    /// Moves all hours to earlier ones: running time stood still for a while.
    pub(super) fn shift(&mut self, hours: i64) {
        let earlier = |hour: u32| u32::try_from(i64::from(hour) - hours).unwrap_or(0);
        self.now.hour = earlier(self.now.hour);
        if self.changed > 0 {
            self.changed = earlier(self.changed).max(1);
        }
        self.sources.shift(hours);
        self.shift_falls(hours);
    }

    fn shift_falls(&mut self, hours: i64) {
        for member in &mut self.members {
            member.hours.shift(hours);
        }
        for fall in &mut self.falls {
            fall.since = u32::try_from(i64::from(fall.since) - hours).unwrap_or(0);
        }
    }
}

/// Returns the peers that are expected of a member that has not fallen.
fn expected(
    member: &Member,
    days: Option<Days>,
    basis: Option<Basis>,
    now: RunningMinute,
) -> Option<f32> {
    let days = days?;
    match basis? {
        Basis::Yesterday => Some(days.usual()),
        Basis::Hours { has_rhythm } => member.expected_of_hours(now, days.yesterday, has_rhythm),
    }
}

/// Returns whether so many peers are expected, apart from the rounding of stored means.
pub(super) fn is_at_least(expected: f32, peers: f32) -> bool {
    expected >= peers * 0.995
}

/// The expected and current peers of all members together, from which those of all but one follow.
struct Others {
    /// What is expected of each member.
    expected: Vec<Option<f32>>,
    all_expected: f32,
    all_recent: f32,
    /// Whether each member counts.
    counts: Vec<bool>,
}

impl Others {
    /// A member that fell more than a day ago does not count: its fall is not one of today.
    fn new(group: &Group, basis: Option<Basis>) -> Self {
        let now = group.now;
        let mut others = Self {
            expected: Vec::with_capacity(group.members.len()),
            all_expected: 0.0,
            all_recent: 0.0,
            counts: Vec::with_capacity(group.members.len()),
        };
        for member in &group.members {
            let (expected, is_of_today) = match group.fall_of(member.key) {
                None => (expected(member, group.days(member), basis, now), true),
                Some(fall) => {
                    let expected = member.expected_in(&fall, now);
                    (expected, now.hour.saturating_sub(fall.since) < DAY)
                }
            };
            others.expected.push(expected);
            others.counts.push(is_of_today && expected.is_some());
            if let Some(expected) = expected.filter(|_| is_of_today) {
                others.all_expected += expected;
                others.all_recent += member.recent();
            }
        }
        others
    }

    /// Returns which share of their peers all members but this one have kept; `None` if they are
    /// too few, or lost so many that nothing can be said of one of them.
    fn kept_without(&self, member: &Member, index: usize) -> Option<f32> {
        let (mut expected, mut recent) = (self.all_expected, self.all_recent);
        if self.counts[index] {
            expected -= self.expected[index].unwrap_or(0.0);
            recent -= member.recent();
        }
        let kept = (expected >= SOME_PEERS).then(|| recent / expected)?;
        (kept >= KEPT_BY_OTHERS).then(|| kept.min(1.0))
    }
}
