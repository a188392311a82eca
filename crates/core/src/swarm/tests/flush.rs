//! Unchanged lists are not recorded every hour. The counts must be the same as if they were.

use super::history::{HOUR, URL, live, restart, unique};
use super::*;

const OTHER: &str = "udp://b.example:1/announce";
const THREE: [&str; 3] = ["8.8.8.1", "8.8.8.2", "8.8.8.3"];
const TWO: [&str; 2] = ["8.8.8.3", "79.192.0.9"];

/// Returns a world in which one tracker lists three peers and another two, one of them the same,
/// for so many hours.
fn steady(hours: u64) -> World {
    let mut world = World::new(&[both()]);
    for _ in 0..hours {
        live(&mut world, HOUR);
        list(&mut world, 0, &THREE);
        list(&mut world, 1, &TWO);
    }
    world
}

fn both() -> seedwatch_torrent::Torrent {
    torrent("t", v1(1), &[URL, OTHER])
}

fn list(world: &mut World, tracker: usize, ips: &[&str]) {
    let id = world.announce(0, tracker);
    world.list(id, ips);
}

/// From now on only the second tracker lists peers. The peers of the first must leave the day
/// window exactly one day after the tracker last named them.
fn assert_peers_leave_after_a_day(mut world: World, after: &str) {
    for hour in 1..30 {
        live(&mut world, HOUR);
        list(&mut world, 1, &TWO);
        let day = if hour < 24 { 4 } else { 2 };
        let counts = [Some(day), Some(4), Some(4)];
        assert_eq!(unique(&mut world, 0), counts, "{after}, {hour}");
    }
}

#[test]
fn peers_leave_a_day_after_their_tracker_stops_answering() {
    for hours in [1, 2, 17, 18, 19, 100] {
        let world = steady(hours);
        assert_peers_leave_after_a_day(world, &format!("silent after {hours}"));
    }
}

#[test]
fn peers_leave_a_day_after_their_list_changes_or_ends() {
    for hours in [2, 17, 100] {
        let mut world = steady(hours);
        list(&mut world, 0, &[]);
        assert_peers_leave_after_a_day(world, "an empty list");
        let mut world = steady(hours);
        list(&mut world, 0, &TWO[..1]);
        assert_peers_leave_after_a_day(world, "another list");
    }
}

#[test]
fn peers_leave_a_day_after_their_tracker_is_removed() {
    let mut world = steady(10);
    world.configure(&[torrent("t", v1(1), &[OTHER])]);
    world.configure(&[both()]);
    assert_peers_leave_after_a_day(world, "removed");
}

#[test]
fn peers_leave_a_day_after_their_last_list_across_a_restart() {
    let world = restart(&mut steady(10), 3);
    assert_peers_leave_after_a_day(world, "restarted");
}

#[test]
fn all_torrents_together_keep_a_peer_as_long_as_its_torrent() {
    let mut world = steady(100);
    for hour in 1..30 {
        live(&mut world, HOUR);
        list(&mut world, 1, &TWO);
        let day = if hour < 24 { 4 } else { 2 };
        world.swarms.blocks(&world.roster, world.now);
        let all = world.swarms.totals().unique.map(Count::get);
        assert_eq!(all, [Some(day), Some(4), Some(4)], "{hour}");
    }
}
