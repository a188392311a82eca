//! The bytes of saved shards.

use super::days::days;
use super::history::{DAY, HOUR, ips, list, live, restored, saved, torrent_in};
use super::*;
use crate::verdict::State;

/// A configured and a removed torrent, and the collection of both.
fn world() -> World {
    let mut world = World::new(&[torrent_in(1, Some("work")), torrent_in(2, Some("work"))]);
    list(&mut world, 0, &ips([79, 192, 0], 0..2));
    list(&mut world, 1, &ips([8, 8, 8], 0..1));
    world.swarms.blocks(&world.roster, world.now);
    live(&mut world, 2 * HOUR);
    world.configure(&[torrent_in(1, Some("work"))]);
    list(&mut world, 0, &ips([133, 11, 0], 0..1));
    world.swarms.blocks(&world.roster, world.now);
    // The daemon was off.
    world.advance(3 * DAY);
    list(&mut world, 0, &ips([79, 192, 0], 0..1));
    world
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the torrents of [`world`] share.
const SHARED: &str = "\
     f9ea31dc42170ee4a0ccd0aa06a083e0aa0600000001a2e91c90d30f04a2e91c02a9edc084b30303f9f3e6f8\
     3a00cd9298ca43018d91fdd6630304776f726b04a2e91c02a9edc084b30303f9f3e6f83a00cd9298ca43018d\
     91fdd66303034445a2e91c02a2e91c02a5e1a7fded0300dda395a1a701034a50a1e91c01a1e91c02f5f3bfc7\
     b1040055539fe91c019fe91c02a9edc084b30300";

/// The torrents of [`world`], before the memory of verdicts was saved.
const TORRENTS_V3: &str = "\
     f9ea31dc42170ee4020001a0ccd0aa06a083e0aa0600000001a2e91c90d30f01010101010101010101010101\
     010101010101010000a083e0aa06a083e0aa0600a2e91c02444534a04a5034a103a2e91c02a6e1a7fded0300\
     ce9298ca43018e91fdd663030202020202020202020202020202020202020202a1e91c0080e2cfaa0680e2cf\
     aa06009fe91c01555334a001a1e91c02aaedc084b30302";

/// The torrents of [`world`], before the need for seeding and their days were saved.
const TORRENTS_V4: &str = "\
     f9ea31dc42170ee4020001a0ccd0aa06a083e0aa0600000001a2e91c90d30f01010101010101010101010101\
     010101010101010000a083e0aa06a083e0aa0600a2e91c0480e2cfaa068101a1699f69000002444534a04a50\
     34a103a2e91c02a6e1a7fded0300ce9298ca43018e91fdd66303020202020202020202020202020202020202\
     0202a1e91c0080e2cfaa0680e2cfaa06009fe91c0480e2cfaa068101a0699f69000001555334a001a1e91c02\
     aaedc084b30302";

/// The torrents of [`world`].
const TORRENTS: &str = "\
     f9ea31dc42170ee4020001a0ccd0aa06a083e0aa0600000001a2e91c90d30f01010101010101010101010101\
     010101010101010000a083e0aa06a083e0aa0600a2e91c0480e2cfaa068101a1699f6900000000dc9901a006\
     011000ff3f00410201db990101022000ff2f00411202444534a04a5034a103a2e91c02a6e1a7fded0300ce92\
     98ca43018e91fdd663030202020202020202020202020202020202020202a1e91c0080e2cfaa0680e2cfaa06\
     009fe91c0480e2cfaa068101a0699f69000000000001db990101011000ff1f00411201555334a001a1e91c02\
     aaedc084b30302";

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

/// Versions 1 to 3 of a shard differ only in their sets of peers, so one reader serves them all.
#[test]
fn a_shard_of_version_3_is_read() {
    let mut world = world();
    let [shared, torrents] = saved(&mut world);
    let mut again = World::new(&[]);
    let (v3, format) = (bytes(TORRENTS_V3), ShardFormat::of(3));
    again.swarms.decode_torrents(&v3, format).unwrap();
    assert_eq!(again.swarms.saved_torrents(), 2);
    let mut latest = restored(&shared, &torrents, world.now);
    assert_eq!(latest.swarms.saved_torrents(), 2);
    latest.configure(&[torrent_in(1, Some("work"))]);
    again.now = world.now;
    again.configure(&[torrent_in(1, Some("work"))]);
    let states = [&mut latest, &mut again].map(|world| {
        let blocks = world.swarms.blocks(&world.roster, world.now);
        blocks[0].get(0).unwrap().0.verdict.state
    });
    assert_eq!(states, [State::Alive, State::Pending]);
}

#[test]
fn a_shard_of_version_4_has_no_days() {
    let mut world = world();
    let [shared, torrents] = saved(&mut world);
    let mut latest = restored(&shared, &torrents, world.now);
    let mut before = World::new(&[]);
    before.now = world.now;
    let (v4, format) = (bytes(TORRENTS_V4), ShardFormat::of(4));
    before.swarms.decode_torrents(&v4, format).unwrap();
    let known = [&mut latest, &mut before].map(|world| {
        world.configure(&[torrent_in(1, Some("work")), torrent_in(2, Some("work"))]);
        let blocks = world.swarms.blocks(&world.roster, world.now);
        let is_alive = |n| blocks[0].get(n).unwrap().0.verdict.state == State::Alive;
        assert!(is_alive(0) && is_alive(1));
        days(world, 0, 30).iter().flatten().count()
    });
    assert_eq!(known, [2, 0]);
}

#[test]
fn the_encoding_of_a_shard_does_not_change() {
    let mut world = world();
    let [shared, torrents] = saved(&mut world);
    assert_eq!(hex(&shared), SHARED);
    assert_eq!(hex(&torrents), TORRENTS);
    let [shared_again, _] = saved(&mut restored(&shared, &torrents, world.now));
    assert_eq!(hex(&shared_again), SHARED);
}
