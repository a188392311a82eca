//! Falls that are reported, and changes that are not.

mod incidents;
mod lasting;
mod lookalikes;
mod memory;
mod month;

use super::{Cliffs, LIST, RunningMinute, SourceLists};

/// Minutes between two samples.
const STEP: u8 = 5;
const US: u32 = 1;
const RU: u32 = 2;
const IN: u32 = 3;
const FR: u32 = 4;

/// One group whose members are sampled every five minutes.
struct World {
    cliffs: Cliffs<u8>,
    now: RunningMinute,
    /// The sources that give a list: as many, from the first on.
    sources: u32,
    /// The number of the first source.
    first_source: u32,
    /// Peers of members that are not named.
    absent: u32,
}

impl World {
    fn new() -> Self {
        Self {
            cliffs: Cliffs::default(),
            now: RunningMinute { hour: 1, minute: 0 },
            sources: 3,
            first_source: 0,
            absent: 0,
        }
    }

    /// Samples for so many minutes, with the peers of each member at each time.
    fn run(&mut self, minutes: u32, peers: impl Fn(RunningMinute) -> Vec<(u32, u32)>) {
        for _ in 0..minutes / u32::from(STEP) {
            let sources = self.first_source..self.first_source + self.sources;
            let lists: Vec<(u32, u16)> = sources.map(|source| (source, LIST)).collect();
            let sources = SourceLists {
                lists: &lists,
                tolerance: LIST / 10,
            };
            self.cliffs.sample(
                0,
                self.now,
                sources,
                self.absent,
                peers(self.now).into_iter(),
            );
            self.now.minute += STEP;
            if self.now.minute >= 60 {
                self.now = RunningMinute {
                    hour: self.now.hour + 1,
                    minute: self.now.minute - 60,
                };
            }
        }
    }

    /// Returns the members that have fallen, with their ratio in percent.
    fn fallen(&self) -> Vec<(u32, i32)> {
        let cliffs = self.cliffs.of(&0);
        cliffs
            .map(|(key, cliff)| (key, (cliff.0 * 100.0).round() as i32))
            .collect()
    }
}

const DAY: u32 = 24 * 60;

fn steady(_: RunningMinute) -> Vec<(u32, u32)> {
    vec![(US, 13_500), (RU, 6_000), (IN, 4_000), (FR, 1_500)]
}

/// 23 September 2021 and the day after, scaled down by ten.
fn cut(_: RunningMinute) -> Vec<(u32, u32)> {
    vec![(US, 2_200), (RU, 5_880), (IN, 2_600), (FR, 1_500)]
}

#[test]
fn of_the_countries_of_2021_only_the_usa_fell() {
    let mut world = World::new();
    world.run(DAY + 60, steady);
    assert_eq!(world.fallen(), []);
    // One round: both of the last two samples show it.
    world.run(10, cut);
    let fallen = world.fallen();
    assert_eq!(fallen.len(), 1, "{fallen:?}");
    assert_eq!(fallen[0].0, US);
    for _ in 0..3 * 24 {
        world.run(60, cut);
        assert_eq!(world.fallen(), fallen, "{:?}", world.now);
    }
}

#[test]
fn a_fall_ends_when_the_peers_come_back() {
    let mut world = World::new();
    world.run(DAY + 60, steady);
    world.run(30, cut);
    assert_eq!(world.fallen().len(), 1);
    world.run(10, steady);
    assert_eq!(world.fallen(), []);
}

#[test]
fn a_hundred_peers_are_enough_for_one_round_and_thirty_for_an_hour() {
    for (expected, minutes) in [(100, 10), (30, 60)] {
        let mut world = World::new();
        world.run(DAY + 60, |_| vec![(US, expected), (RU, 100)]);
        world.run(minutes, |_| vec![(US, expected / 8), (RU, 100)]);
        assert_eq!(world.fallen().len(), 1, "{expected}");
    }
    let mut world = World::new();
    world.run(DAY + 60, |_| vec![(US, 29), (RU, 100)]);
    world.run(60, |_| vec![(US, 0), (RU, 100)]);
    assert_eq!(world.fallen(), [], "too few to be watched");
}

#[test]
fn a_fall_of_all_is_no_cliff_of_one() {
    let mut world = World::new();
    world.run(DAY + 60, steady);
    world.run(60, |at| {
        steady(at)
            .into_iter()
            .map(|(key, n)| (key, n / 8))
            .collect()
    });
    assert_eq!(world.fallen(), []);
}

#[test]
fn the_rhythm_of_a_day_is_expected() {
    let wave = |at: RunningMinute| {
        let night = (5..13).contains(&(at.hour % 24));
        let peers = if night { 120 } else { 1_000 };
        vec![(US, peers), (RU, 1_000)]
    };
    let mut world = World::new();
    for _ in 0..3 * 24 {
        world.run(60, wave);
        // On the first day nothing is expected yet.
        assert_eq!(world.fallen(), [], "{:?}", world.now);
    }
}

#[test]
fn the_end_of_a_crowd_of_one_day_is_no_fall() {
    let mut world = World::new();
    world.run(2 * DAY, |_| vec![(US, 200), (RU, 500)]);
    world.run(DAY, |_| vec![(US, 5_000), (RU, 500)]);
    for _ in 0..24 {
        world.run(60, |_| vec![(US, 200), (RU, 500)]);
        assert_eq!(world.fallen(), [], "{:?}", world.now);
    }
}

#[test]
fn a_lost_source_is_no_fall() {
    let mut world = World::new();
    world.run(2 * DAY, steady);
    world.sources = 2;
    for _ in 0..30 {
        world.run(60, cut);
        assert_eq!(world.fallen(), [], "{:?}", world.now);
    }
}

#[test]
fn a_change_of_what_is_seen_is_no_fall_but_a_later_one_is() {
    let mut world = World::new();
    world.run(2 * DAY, steady);
    // A new table moves addresses from the USA to France.
    world.cliffs.mark_changed(world.now);
    let moved = |_| vec![(US, 2_000), (RU, 6_000), (IN, 4_000), (FR, 13_000)];
    for _ in 0..8 {
        world.run(60, moved);
        assert_eq!(world.fallen(), [], "{:?}", world.now);
    }
    world.run(10, |_| {
        vec![(US, 2_000), (RU, 6_000), (IN, 4_000), (FR, 1_300)]
    });
    let keys: Vec<_> = world.fallen().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [FR]);
}

#[test]
fn a_gap_without_samples_is_not_compared() {
    let mut world = World::new();
    world.run(2 * DAY, steady);
    world.now.hour += 60;
    world.run(60, cut);
    assert_eq!(world.fallen(), []);
}

#[test]
fn members_and_groups_without_peers_are_forgotten() {
    let mut world = World::new();
    world.run(60, steady);
    assert_eq!(world.cliffs.watched(), 4);
    world.run(50 * 60, |_| vec![(RU, 6_000)]);
    assert_eq!(world.cliffs.watched(), 1);
    world.run(50 * 60, |_| Vec::new());
    assert_eq!(world.cliffs.watched(), 0);
}

#[test]
fn the_largest_swarms_are_no_limit() {
    let mut world = World::new();
    let all = |share: u32| {
        let peers = [(US, 250_000), (RU, 200_000), (IN, 9_000), (FR, 5_000)];
        peers.map(|(key, peers)| (key, peers / share)).to_vec()
    };
    world.run(DAY + 60, |_| all(1));
    world.run(60, |_| all(4));
    assert_eq!(world.fallen(), [], "all fell alike");
    let mut world = World::new();
    world.run(DAY + 60, |_| vec![(US, 180_000), (RU, 100_000)]);
    world.run(10, |_| vec![(US, 25_000), (RU, 100_000)]);
    assert_eq!(world.fallen().len(), 1);
}
