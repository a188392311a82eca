//! What looks like a fall and is none, and falls that are hard to see.

use super::*;

const SE: u32 = 5;
const DE: u32 = 6;

/// Runs minute by minute of sampling and checks that nothing has fallen at any time.
fn run_without_fall(
    world: &mut World,
    minutes: u32,
    peers: impl Fn(RunningMinute) -> Vec<(u32, u32)>,
) {
    for _ in 0..minutes / u32::from(STEP) {
        world.run(STEP.into(), &peers);
        assert_eq!(world.fallen(), [], "{:?}", world.now);
    }
}

fn keys(world: &World) -> Vec<u32> {
    world.fallen().into_iter().map(|(key, _)| key).collect()
}

#[test]
fn of_the_countries_of_2021_only_the_usa_fell_in_the_rhythm_of_each() {
    // Peers grow and shrink over twelve hours each, in each country at its own time.
    let wave = |at: RunningMinute, low: f64, high: f64, first: f64| {
        let hour = f64::from(at.hour % 24) + f64::from(at.minute) / 60.0;
        let part = ((hour - first).rem_euclid(24.0) / 12.0 - 1.0).abs();
        (high - (high - low) * part) as u32
    };
    let yesterday = move |at| {
        vec![
            (US, wave(at, 67_500.0, 135_000.0, 0.0)),
            (RU, wave(at, 60_000.0, 120_000.0, 12.0)),
            (IN, wave(at, 20_000.0, 80_000.0, 12.0)),
            (FR, 30_000),
            // Too few peers to compare.
            (DE, 20),
        ]
    };
    let today = move |at| {
        vec![
            (US, wave(at, 11_000.0, 22_000.0, 0.0)),
            (RU, wave(at, 58_800.0, 117_600.0, 12.0)),
            (IN, wave(at, 13_000.0, 52_000.0, 12.0)),
            (FR, 30_000),
            (DE, 2),
        ]
    };
    let mut world = World::new();
    run_without_fall(&mut world, 2 * DAY, yesterday);
    world.run(10, today);
    assert_eq!(keys(&world), [US]);
    for _ in 0..23 {
        world.run(60, today);
        assert_eq!(keys(&world), [US], "{:?}", world.now);
    }
}

#[test]
fn a_fall_to_two_fifths_is_none() {
    let mut world = World::new();
    world.run(DAY + 4 * 60, |_| vec![(US, 400), (IN, 400), (RU, 700)]);
    run_without_fall(&mut world, DAY, |_| vec![(US, 200), (IN, 160), (RU, 700)]);
}

#[test]
fn a_bad_answer_of_minutes_ends_with_it() {
    let mut world = World::new();
    world.run(DAY + 4 * 60, |_| vec![(US, 400), (RU, 700)]);
    world.run(10, |_| vec![(US, 40), (RU, 700)]);
    world.run(10, |_| vec![(US, 400), (RU, 700)]);
    assert_eq!(world.fallen(), []);
}

#[test]
fn a_country_without_a_yesterday_or_without_others_has_no_fall() {
    let mut world = World::new();
    world.run(20 * 60, |_| vec![(RU, 700)]);
    run_without_fall(&mut world, 8 * 60, |_| vec![(US, 400), (RU, 700)]);
    run_without_fall(&mut world, 8 * 60, |_| vec![(US, 10), (RU, 700)]);
    let mut world = World::new();
    world.run(DAY + 4 * 60, |_| vec![(US, 400), (RU, 9)]);
    run_without_fall(&mut world, DAY, |_| vec![(US, 10), (RU, 9)]);
}

#[test]
fn a_general_fall_to_a_fifth_is_none_of_the_country_that_falls_most() {
    let mut world = World::new();
    world.run(DAY + 4 * 60, |_| vec![(US, 400), (RU, 900)]);
    run_without_fall(&mut world, DAY, |_| vec![(US, 40), (RU, 180)]);
}

/// The peers of a lost tracker remain until they are stale.
#[test]
fn a_lost_tracker_of_one_country_is_no_fall_after_its_peers_are_stale() {
    let mut world = World::new();
    world.sources = 9;
    world.run(DAY + 4 * 60, |_| vec![(US, 400), (RU, 900)]);
    world.sources = 8;
    run_without_fall(&mut world, 50, |_| vec![(US, 400), (RU, 900)]);
    run_without_fall(&mut world, DAY, |_| vec![(US, 10), (RU, 900)]);
}

/// It lists nearly all peers of one country. There are as many lists as before.
#[test]
fn a_tracker_that_is_lost_when_another_comes_back_is_no_fall() {
    let mut world = World::new();
    world.run(2 * DAY, |_| vec![(US, 400), (RU, 900)]);
    world.first_source = 1;
    run_without_fall(&mut world, 26 * 60, |_| vec![(US, 20), (RU, 900)]);
}

/// Our IPv6 fails for three hours, and most peers of one country are on IPv6.
#[test]
fn a_lost_family_is_no_fall() {
    let mut world = World::new();
    world.sources = 5;
    world.run(DAY + 4 * 60, |_| vec![(IN, 400), (RU, 900)]);
    world.sources = 4;
    run_without_fall(&mut world, 50, |_| vec![(IN, 400), (RU, 900)]);
    run_without_fall(&mut world, 130, |_| vec![(IN, 40), (RU, 900)]);
    world.sources = 5;
    run_without_fall(&mut world, 20, |_| vec![(IN, 40), (RU, 900)]);
    run_without_fall(&mut world, DAY, |_| vec![(IN, 400), (RU, 900)]);
}

/// No samples for ten minutes, then one source after the other.
#[test]
fn a_restart_is_no_fall() {
    let mut world = World::new();
    world.sources = 5;
    world.run(DAY + 4 * 60, |_| vec![(US, 400), (RU, 900)]);
    world.now.minute += 10;
    for sources in 2..=4 {
        world.sources = sources;
        run_without_fall(&mut world, 10, |_| vec![(US, 0), (RU, 700)]);
    }
    world.sources = 5;
    run_without_fall(&mut world, DAY, |_| vec![(US, 400), (RU, 900)]);
}

/// The DHT fails for five minutes in every seventy, also while a country falls.
#[test]
fn a_family_of_the_dht_that_flaps_hides_no_fall() {
    let mut world = World::new();
    world.sources = 5;
    world.run(20 * 60, steady);
    for _ in 0..8 {
        world.sources = 4;
        world.run(5, steady);
        world.sources = 5;
        world.run(65, steady);
    }
    world.sources = 4;
    world.run(5, cut);
    world.sources = 5;
    world.run(65, cut);
    assert_eq!(keys(&world), [US]);
}

/// All trackers of one operator vanish. They listed nearly all Swedish peers. Eight hours later,
/// Germany falls.
#[test]
fn a_fall_is_found_hours_after_sources_were_lost() {
    let mut world = World::new();
    world.sources = 5;
    world.run(30 * 60, |_| vec![(SE, 440), (US, 400), (DE, 400)]);
    world.sources = 3;
    run_without_fall(&mut world, 60, |_| vec![(SE, 440), (US, 400), (DE, 400)]);
    run_without_fall(&mut world, 7 * 60, |_| vec![(SE, 60), (US, 380), (DE, 380)]);
    world.run(10, |_| vec![(SE, 60), (US, 380), (DE, 60)]);
    assert_eq!(keys(&world), [DE]);
    world.run(2 * 60, |_| vec![(SE, 60), (US, 380), (DE, 60)]);
    assert_eq!(keys(&world), [DE]);
}

/// Only the largest systems are listed. One that left the list may have as many peers as the
/// smallest that is in it.
#[test]
fn a_system_that_leaves_the_list_has_fallen_only_if_the_smallest_is_small() {
    for (expected, smallest, fell) in [(300, 60, true), (110, 100, false)] {
        let mut world = World::new();
        world.run(DAY + 4 * 60, |_| vec![(US, expected), (RU, 500)]);
        world.absent = smallest;
        world.run(60, |_| vec![(RU, 500)]);
        assert_eq!(!world.fallen().is_empty(), fell, "{expected}");
    }
}
