//! Falls that last, and how they end.

use super::super::{Group, HOURS_UNTIL_ACCEPTED};
use super::*;

/// Returns a world of two days in which the USA have just fallen.
fn fallen() -> World {
    let mut world = World::new();
    world.run(2 * DAY, steady);
    world.run(30, cut);
    assert_eq!(keys(&world), [US]);
    world
}

fn keys(world: &World) -> Vec<u32> {
    world.fallen().into_iter().map(|(key, _)| key).collect()
}

/// Runs hour by hour, and checks after each that the same members have fallen.
fn run_with(
    world: &mut World,
    fallen: &[u32],
    hours: u32,
    peers: impl Fn(RunningMinute) -> Vec<(u32, u32)>,
) {
    for _ in 0..hours {
        world.run(60, &peers);
        assert_eq!(keys(world), fallen, "{:?}", world.now);
    }
}

#[test]
fn a_fall_ends_with_half_of_the_peers_or_after_two_weeks() {
    let partly = |us| move |_| vec![(US, us), (RU, 6_000), (IN, 4_000), (FR, 1_500)];
    let mut world = fallen();
    run_with(&mut world, &[US], 5 * 24, cut);
    run_with(&mut world, &[US], 24, partly(5_500));
    run_with(&mut world, &[], 24, partly(7_000));
    // The days before the fall are expected again, so that the next one is found at once.
    world.run(10, partly(2_000));
    assert_eq!(keys(&world), [US]);
    let before = world.now.hour;
    while keys(&world) == [US] {
        world.run(60, partly(2_000));
    }
    assert_eq!(world.now.hour - before, HOURS_UNTIL_ACCEPTED);
    // What is normal is learned again. Then another fall is found.
    run_with(&mut world, &[], 26, partly(2_000));
    world.run(10, partly(200));
    assert_eq!(keys(&world), [US]);
}

/// The rhythm of the days before the fall is expected for as long as it lasts.
#[test]
fn a_night_is_no_recovery() {
    let night = |at: RunningMinute| (2..14).contains(&(at.hour % 24));
    let peers = |at: RunningMinute, share: u32| {
        let us = if night(at) { 600 } else { 3_000 };
        vec![(US, us * share / 100), (RU, 2_000)]
    };
    let mut world = World::new();
    world.run(2 * DAY, |at| peers(at, 100));
    world.run(30, |at| peers(at, 20));
    for _ in 0..4 * 24 {
        world.run(60, |at| peers(at, 20));
        assert_eq!(world.fallen().len(), 1, "{:?}", world.now);
        // Around dawn and dusk, the larger hour is expected.
        let hour = world.now.hour % 24;
        if !(0..=3).contains(&hour) && !(12..=15).contains(&hour) {
            assert_eq!(world.fallen(), [(US, 20)], "{:?}", world.now);
        }
    }
    world.run(10, |at| peers(at, 70));
    assert_eq!(world.fallen(), []);
}

/// All countries shrink by 3 % per day. The one that has fallen is back when it has its old share
/// of them again.
#[test]
fn a_swarm_that_shrinks_meanwhile_is_no_obstacle_to_recovery() {
    let shrunk = |at: RunningMinute, us: u32| {
        let days = at.hour.saturating_sub(49) as f32 / 24.0;
        let kept = 0.97_f32.powf(days);
        let peers = [(US, us), (RU, 6_000), (IN, 4_000), (FR, 1_500)];
        peers
            .map(|(key, n)| (key, (n as f32 * kept) as u32))
            .to_vec()
    };
    let mut world = World::new();
    world.run(2 * DAY, |at| shrunk(at, 4_000));
    world.run(30, |at| shrunk(at, 400));
    run_with(&mut world, &[US], 12 * 24, |at| shrunk(at, 400));
    // 1,600 are two fifths of the peers of that time, but most of what is expected now.
    world.run(10, |at| shrunk(at, 2_300));
    assert_eq!(keys(&world), [], "{:?}", world.now);
}

/// While a list is missing, nothing can be said, so nothing changes. That more than half of the
/// peers are back can be seen even so.
#[test]
fn a_lost_source_is_neither_a_recovery_nor_hides_one() {
    let mut world = fallen();
    let before = world.fallen();
    world.sources = 1;
    for _ in 0..5 {
        world.run(60, |_| {
            vec![(US, 1_100), (RU, 2_900), (IN, 1_300), (FR, 700)]
        });
        assert_eq!(world.fallen(), before, "{:?}", world.now);
    }
    world.run(10, |_| {
        vec![(US, 7_000), (RU, 2_900), (IN, 1_300), (FR, 700)]
    });
    assert_eq!(world.fallen(), []);
}

#[test]
fn a_new_table_and_hours_without_samples_end_no_fall() {
    let mut world = fallen();
    world.cliffs.mark_changed(world.now);
    run_with(&mut world, &[US], 30, cut);
    world.now.hour += 60;
    run_with(&mut world, &[US], 30, cut);
    world.run(20, steady);
    assert_eq!(world.fallen(), []);
}

/// A country that has left altogether is watched until its fall is accepted.
#[test]
fn a_country_without_peers_is_not_forgotten_while_its_fall_holds() {
    let gone = |_| vec![(RU, 6_000), (IN, 4_000), (FR, 1_500)];
    let mut world = World::new();
    world.run(2 * DAY, steady);
    world.run(30, gone);
    run_with(&mut world, &[US], 10 * 24, gone);
    assert_eq!(world.fallen(), [(US, 0)]);
    run_with(&mut world, &[], 1, steady);
}

/// The others are judged as before, once the fall of one is a day old.
#[test]
fn another_country_that_falls_later_is_found() {
    let mut world = World::new();
    let both = |us, ru| move |_| vec![(US, us), (RU, ru), (IN, 4_000), (FR, 1_500)];
    world.run(2 * DAY, both(13_500, 6_000));
    world.run(30, both(2_200, 6_000));
    run_with(&mut world, &[US], 50, both(2_200, 6_000));
    run_with(&mut world, &[US, RU], 24, both(2_200, 1_000));
    run_with(&mut world, &[US], 1, both(2_200, 6_000));
}

/// Nothing is lost over a restart, however long: the hours are given as bytes.
#[test]
fn a_restart_is_neither_a_fall_nor_a_recovery() {
    for (hours, has_yesterday) in [(0, true), (7, true), (20, true), (30, false), (200, false)] {
        let restart = |world: &mut World| {
            let mut bytes = Vec::new();
            world
                .cliffs
                .iter()
                .for_each(|(_, group)| group.encode(&mut bytes));
            world.cliffs = Cliffs::default();
            world
                .cliffs
                .restore(0, Group::decode(&mut &bytes[..]).unwrap());
            world.now.hour += hours;
        };
        let mut world = World::new();
        world.run(2 * DAY, steady);
        restart(&mut world);
        world.run(30, steady);
        assert_eq!(world.fallen(), [], "{hours}");
        world.run(30, cut);
        assert_eq!(!world.fallen().is_empty(), has_yesterday, "{hours}");

        let mut world = fallen();
        let before = world.fallen();
        restart(&mut world);
        assert_eq!(world.fallen(), before, "{hours}");
        run_with(&mut world, &[US], 3, cut);
        run_with(&mut world, &[], 3, steady);
    }
}

/// No source answers any more, so the torrent is not sampled.
#[test]
fn a_fall_is_accepted_even_if_nothing_is_known_any_more() {
    let mut world = fallen();
    world.now.hour += HOURS_UNTIL_ACCEPTED - 1;
    world.cliffs.accept_old_falls(world.now);
    assert_eq!(keys(&world), [US]);
    world.now.hour += 1;
    world.cliffs.accept_old_falls(world.now);
    assert_eq!(keys(&world), []);
}

/// The machine sleeps for 30 hours: running time has stood still.
#[test]
fn a_fall_survives_a_jump_of_the_clock() {
    let mut world = fallen();
    world.cliffs.forget_hours(world.now, 30);
    assert_eq!(world.cliffs.watched(), 1, "only the one that has fallen");
    run_with(&mut world, &[US], 40, cut);
    run_with(&mut world, &[], 3, steady);
}
