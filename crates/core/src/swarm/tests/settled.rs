//! Lists that stay the same are not written down each hour; nobody may notice.

use super::memory::{HOUR, URL, live, restart, unique};
use super::*;

const OTHER: &str = "udp://b.example:1/announce";
const THREE: [&str; 3] = ["8.8.8.1", "8.8.8.2", "8.8.8.3"];
const TWO: [&str; 2] = ["8.8.8.3", "79.192.0.9"];

/// Three peers at one tracker and two at another, one of them the same, for so many hours.
fn steady(hours: u64) -> World {
    let mut world = World::new(&[both()]);
    for _ in 0..hours {
        live(&mut world, HOUR);
        hear(&mut world, 0, &THREE);
        hear(&mut world, 1, &TWO);
    }
    world
}

fn both() -> seedwatch_torrent::Torrent {
    torrent("t", v1(1), &[URL, OTHER])
}

fn hear(world: &mut World, tracker: usize, ips: &[&str]) {
    let id = world.announce(0, tracker);
    world.list(id, ips);
}

/// From now on only the second tracker lists anybody: those of the first must leave the day when they
/// were last named a day ago, no sooner and no later.
fn assert_they_leave_after_a_day(mut world: World, after: &str) {
    for hour in 1..30 {
        live(&mut world, HOUR);
        hear(&mut world, 1, &TWO);
        let day = if hour < 24 { 4 } else { 2 };
        let counts = [Some(day), Some(4), Some(4)];
        assert_eq!(unique(&mut world, 0), counts, "{after}, {hour}");
    }
}

#[test]
fn a_tracker_that_falls_silent() {
    for hours in [1, 2, 17, 18, 19, 100] {
        let world = steady(hours);
        assert_they_leave_after_a_day(world, &format!("silent after {hours}"));
    }
}

#[test]
fn a_list_that_changes_or_ends() {
    for hours in [2, 17, 100] {
        let mut world = steady(hours);
        hear(&mut world, 0, &[]);
        assert_they_leave_after_a_day(world, "an empty list");
        let mut world = steady(hours);
        hear(&mut world, 0, &TWO[..1]);
        assert_they_leave_after_a_day(world, "another list");
    }
}

#[test]
fn a_tracker_that_is_removed() {
    let mut world = steady(10);
    world.configure(&[torrent("t", v1(1), &[OTHER])]);
    world.configure(&[both()]);
    assert_they_leave_after_a_day(world, "removed");
}

#[test]
fn a_restart() {
    let world = restart(&mut steady(10), 3);
    assert_they_leave_after_a_day(world, "restarted");
}

/// What a torrent knows, its fleet knows.
#[test]
fn the_fleet_forgets_nobody_sooner() {
    let mut world = steady(100);
    for hour in 1..30 {
        live(&mut world, HOUR);
        hear(&mut world, 1, &TWO);
        let day = if hour < 24 { 4 } else { 2 };
        world.swarms.blocks(&world.roster, world.now);
        let fleet = world.swarms.fleet().unique.map(Count::get);
        assert_eq!(fleet, [Some(day), Some(4), Some(4)], "{hour}");
    }
}
