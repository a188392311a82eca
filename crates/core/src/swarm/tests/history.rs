//! Windows, collections, countries, and saved state.

use super::*;
use crate::snapshot::{Country, Window};
use crate::swarm::Shard;
use seedwatch_torrent::Details;

pub(super) const HOUR: u64 = 3600;
pub(super) const DAY: u64 = 24 * HOUR;
pub(super) const URL: &str = "udp://a.example:1/announce";

/// Addresses in Germany, the USA and Japan, by the embedded table.
const DE: [u8; 3] = [79, 192, 0];
const US: [u8; 3] = [8, 8, 8];
const JP: [u8; 3] = [133, 11, 0];

pub(super) fn ips(net: [u8; 3], hosts: std::ops::Range<u8>) -> Vec<u32> {
    let [a, b, c] = net;
    hosts.map(|d| u32::from_be_bytes([a, b, c, d])).collect()
}

/// Returns a torrent in this collection, if any.
pub(super) fn torrent_in(n: u8, collection: Option<&str>) -> seedwatch_torrent::Torrent {
    let details = Details {
        collection: collection.map(Arc::from),
        ..Details::default()
    };
    seedwatch_torrent::Torrent {
        details: details.boxed(),
        ..torrent(&format!("t{n}"), Hashes::V1(InfoHash([n; 20])), &[URL])
    }
}

/// The tracker of a torrent lists these peers.
pub(super) fn list(world: &mut World, index: usize, peers: &[u32]) {
    let id = world.announce(index, 0);
    let endpoint = |ip: &u32| Endpoint4 {
        ip: *ip,
        port: 6881,
    };
    let peers = Peers {
        v4: peers.iter().map(endpoint).collect(),
        ..Peers::default()
    };
    let answer = AnnounceResponse {
        peers,
        ..AnnounceResponse::default()
    };
    world.answer(id, Family::Ipv4, answer);
}

/// Advances the time, and builds rows every hour, as the daemon does.
pub(super) fn live(world: &mut World, seconds: u64) {
    for _ in 0..seconds / HOUR {
        world.advance(HOUR);
        world.swarms.blocks(&world.roster, world.now);
    }
    world.advance(seconds % HOUR);
}

pub(super) fn unique(world: &mut World, index: usize) -> [Option<u32>; 3] {
    let now = world.now;
    let blocks = world.swarms.blocks(&world.roster, now);
    let (row, _, windows) = blocks[0].get(index).unwrap();
    row.unique(windows).map(Count::get)
}

fn countries(world: &mut World, index: usize) -> Vec<(String, u32)> {
    let blocks = world.swarms.blocks(&world.roster, world.now);
    let breakdown = blocks[0].get(index).unwrap().2.unwrap().geo.clone();
    let breakdown = breakdown.unwrap();
    let rows = breakdown.countries.iter();
    rows.map(|row| (row.country.to_string(), row.peers))
        .collect()
}

fn collection(world: &mut World) -> Arc<CollectionRow> {
    world.swarms.blocks(&world.roster, world.now);
    let rows = world.swarms.collections(&world.roster, world.now);
    assert_eq!(rows.len(), 1);
    Arc::clone(&rows[0])
}

fn country(row: &CollectionRow, code: &str) -> Option<(Option<u32>, [Option<u32>; 3])> {
    let code = Country::parse(code);
    let here = row.countries.iter().find(|row| row.country == code)?;
    Some((here.peers.get(), here.unique.map(Count::get)))
}

#[test]
fn windows_slide_and_are_unknown_without_a_list() {
    let mut world = World::new(&[torrent_in(1, None)]);
    assert_eq!(unique(&mut world, 0), [None; 3]);
    list(&mut world, 0, &[]);
    assert_eq!(unique(&mut world, 0), [Some(0); 3]);
    list(&mut world, 0, &ips(DE, 0..5));
    assert_eq!(unique(&mut world, 0), [Some(5); 3]);
    live(&mut world, 23 * HOUR);
    list(&mut world, 0, &ips(DE, 4..7));
    assert_eq!(unique(&mut world, 0), [Some(7); 3]);
    live(&mut world, 2 * HOUR);
    assert_eq!(unique(&mut world, 0), [Some(3), Some(7), Some(7)]);
    live(&mut world, DAY);
    // No list came for more than a day, so a 0 would be wrong.
    assert_eq!(unique(&mut world, 0), [None, Some(7), Some(7)]);
    list(&mut world, 0, &[]);
    assert_eq!(unique(&mut world, 0), [Some(0), Some(7), Some(7)]);
    live(&mut world, 31 * DAY);
    list(&mut world, 0, &[]);
    assert_eq!(unique(&mut world, 0), [Some(0); 3]);
    assert!(world.swarms.state.history.torrents.is_empty());
}

#[test]
fn a_list_that_stays_the_same_counts_in_each_hour() {
    let mut world = World::new(&[torrent_in(1, None)]);
    for _ in 0..3 * 24 {
        list(&mut world, 0, &ips(DE, 0..5));
        world.advance(HOUR);
    }
    assert_eq!(unique(&mut world, 0)[Window::Day.index()], Some(5));
}

#[test]
fn a_country_stays_at_zero_for_eight_days() {
    let mut world = World::new(&[torrent_in(1, None)]);
    list(&mut world, 0, &[ips(DE, 0..3), ips(US, 1..3)].concat());
    let both = |de, us| vec![("DE".to_owned(), de), ("US".to_owned(), us)];
    assert_eq!(countries(&mut world, 0), both(3, 2));
    for _ in 0..8 {
        live(&mut world, DAY - 60);
        list(&mut world, 0, &ips(DE, 0..4));
        assert_eq!(countries(&mut world, 0), both(4, 0));
    }
    live(&mut world, DAY);
    list(&mut world, 0, &ips(DE, 0..4));
    assert_eq!(countries(&mut world, 0), [("DE".to_owned(), 4)]);
}

#[test]
fn countries_age_while_the_daemon_is_off() {
    for (downtime, us) in [(5 * DAY, Some(Some(0))), (10 * DAY, None)] {
        let mut world = World::new(&[torrent_in(1, Some("work"))]);
        list(&mut world, 0, &[ips(DE, 0..3), ips(US, 1..3)].concat());
        live(&mut world, 2 * HOUR);
        list(&mut world, 0, &ips(DE, 0..3));
        world.advance(downtime);
        list(&mut world, 0, &ips(DE, 0..3));
        let shown = countries(&mut world, 0).into_iter();
        let shown = shown.filter(|(country, _)| country == "US").count();
        assert_eq!(shown, usize::from(us.is_some()), "after {downtime} s");
        let row = country(&collection(&mut world), "US");
        assert_eq!(
            row.map(|(now, _)| now),
            us.or(Some(None)),
            "after {downtime} s"
        );
    }
}

#[test]
fn a_collection_is_the_union_of_its_torrents() {
    let torrents = [1, 2, 3].map(|n| torrent_in(n, (n < 3).then_some("work")));
    let mut world = World::new(&torrents);
    assert_eq!(collection(&mut world).peers, [Count::UNKNOWN; 2]);
    list(&mut world, 0, &ips(DE, 0..10));
    list(&mut world, 1, &[ips(DE, 5..12), ips(US, 0..3)].concat());
    list(&mut world, 2, &ips(JP, 0..9));
    let row = collection(&mut world);
    assert_eq!((&*row.name, row.torrents), ("work", 2));
    assert_eq!(row.peers.map(Count::get), [Some(15), None]);
    assert_eq!(row.unique.map(Count::get), [Some(15); 3]);
    assert_eq!(country(&row, "DE"), Some((Some(12), [Some(12); 3])));
    assert_eq!(country(&row, "US"), Some((Some(3), [Some(3); 3])));
    assert_eq!(country(&row, "JP"), None);
    let all = world.swarms.totals();
    assert_eq!(all.unique.map(Count::get), [Some(24); 3]);

    live(&mut world, 25 * HOUR);
    list(&mut world, 0, &[]);
    list(&mut world, 1, &ips(DE, 0..1));
    let row = collection(&mut world);
    assert_eq!(row.unique.map(Count::get), [Some(1), Some(15), Some(15)]);
    let us = Some((Some(0), [Some(0), Some(3), Some(3)]));
    assert_eq!(country(&row, "US"), us);
}

#[test]
fn a_torrent_brings_its_history_into_its_collection() {
    let mut world = World::new(&[torrent_in(1, None), torrent_in(2, None)]);
    list(&mut world, 0, &ips(DE, 0..10));
    list(&mut world, 1, &ips(DE, 5..12));
    world.configure(&[torrent_in(1, Some("work")), torrent_in(2, Some("work"))]);
    let row = collection(&mut world);
    assert_eq!(row.unique.map(Count::get), [Some(12); 3]);
}

#[test]
fn a_torrent_that_returns_within_a_month_keeps_its_history() {
    let mut world = World::new(&[torrent_in(1, None), torrent_in(2, None)]);
    list(&mut world, 0, &ips(DE, 0..10));
    let listed = world.now.unix;
    world.configure(&[torrent_in(2, None)]);
    live(&mut world, 20 * DAY);
    world.swarms.blocks(&world.roster, world.now);
    world.configure(&[torrent_in(1, None), torrent_in(2, None)]);
    assert_eq!(unique(&mut world, 0), [None, None, Some(10)]);
    let blocks = world.swarms.blocks(&world.roster, world.now);
    assert_eq!(
        blocks[0].get(0).unwrap().0.last_peer_seen.get(),
        Some(listed)
    );

    world.configure(&[torrent_in(2, None)]);
    for _ in 0..32 {
        live(&mut world, DAY);
        world.swarms.blocks(&world.roster, world.now);
    }
    assert_eq!(world.swarms.saved_torrents(), 1);
    assert!(world.swarms.state.history.torrents.is_empty());
}

#[test]
fn a_hybrid_keeps_the_history_of_its_halves() {
    let v2 = InfoHashV2([9; 32]);
    let half = torrent("t", Hashes::V2(Box::new(v2)), &[URL]);
    let mut world = World::new(std::slice::from_ref(&half));
    list(&mut world, 0, &ips(DE, 0..10));
    let whole = Hashes::of(Some(InfoHash([1; 20])), Some(v2)).unwrap();
    world.configure(&[torrent("t", whole, &[URL])]);
    assert_eq!(unique(&mut world, 0), [Some(10); 3]);
    world.configure(&[half]);
    assert_eq!(unique(&mut world, 0), [Some(10); 3]);
}

#[test]
fn a_collection_keeps_the_history_of_both_halves_of_a_hybrid() {
    let (v1, v2) = (InfoHash([1; 20]), InfoHashV2([9; 32]));
    let other = torrent("other", Hashes::V2(Box::new(v2)), &[URL]);
    let mut world = World::new(&[torrent_in(1, Some("work")), other]);
    // Torrents are sorted by name.
    let [first, second] = [0, 1].map(|index| world.roster.torrents()[index].collection().is_some());
    assert!(first != second);
    list(&mut world, usize::from(second), &ips(DE, 0..10));
    list(&mut world, usize::from(first), &ips(DE, 10..30));
    let whole = seedwatch_torrent::Torrent {
        hashes: Hashes::of(Some(v1), Some(v2)).unwrap(),
        ..torrent_in(1, Some("work"))
    };
    world.configure(&[whole]);
    assert_eq!(unique(&mut world, 0), [Some(30); 3]);
    assert_eq!(collection(&mut world).unique[0].get(), Some(30));
}

/// Saves everything in so many shards and restores it into a world of the same torrents.
pub(super) fn restart(world: &mut World, shards: u32) -> World {
    let mut again = blank(world.now);
    for index in 0..shards {
        let of = Shard { index, of: shards };
        let mut shared = Vec::new();
        world.swarms.encode_shared(of, &mut shared);
        again
            .swarms
            .decode_shared(&shared, ShardFormat::LATEST)
            .unwrap();
        again
            .swarms
            .decode_shared(&shared, ShardFormat::LATEST)
            .unwrap();
        let mut torrents = Vec::new();
        let roster = &world.roster;
        world.swarms.encode_torrents(roster, of, &mut torrents);
        again
            .swarms
            .decode_torrents(&torrents, ShardFormat::LATEST)
            .unwrap();
        // A torrent may be in two files after the number of shards has changed.
        again
            .swarms
            .decode_torrents(&torrents, ShardFormat::LATEST)
            .unwrap();
    }
    again.configure(world.roster.torrents());
    again
}

#[test]
fn a_restart_changes_nothing() {
    let torrents = [1, 2, 3].map(|n| torrent_in(n, (n < 3).then_some("work")));
    let mut world = World::new(&torrents);
    list(&mut world, 0, &[ips(DE, 0..10), ips(US, 0..2)].concat());
    list(&mut world, 1, &ips(DE, 5..12));
    world.swarms.blocks(&world.roster, world.now);
    live(&mut world, 30 * HOUR);
    list(&mut world, 0, &ips(DE, 10..20));
    list(&mut world, 1, &[]);
    list(&mut world, 2, &[]);
    let before = [0, 1, 2].map(|index| unique(&mut world, index));
    let row = collection(&mut world);
    for shards in [1, 4] {
        let mut again = restart(&mut world, shards);
        let after = [0, 1, 2].map(|index| unique(&mut again, index));
        assert_eq!(after, before);
        let restored = collection(&mut again);
        assert_eq!(restored.unique, row.unique);
        assert_eq!(restored.peers, [Count::UNKNOWN; 2]);
        let all = |world: &mut World| world.swarms.totals().unique;
        assert_eq!(all(&mut again), all(&mut world));
        // Current countries are unknown until a list comes. Then the zeros are restored.
        list(&mut again, 0, &ips(DE, 10..20));
        assert_eq!(
            countries(&mut again, 0),
            [("DE".to_owned(), 10), ("US".to_owned(), 0)]
        );
        assert_eq!(country(&collection(&mut again), "US"), country(&row, "US"));
    }
}

/// Returns a world without torrents that restored saved state. Its monotonic clock starts again.
pub(super) fn restored(shared: &[u8], torrents: &[u8], now: Now) -> World {
    let mut world = blank(now);
    world
        .swarms
        .decode_shared(shared, ShardFormat::LATEST)
        .unwrap();
    world
        .swarms
        .decode_torrents(torrents, ShardFormat::LATEST)
        .unwrap();
    world
}

fn blank(now: Now) -> World {
    World {
        roster: Roster::default(),
        swarms: Swarms::new(config(), [4242; 2], Key::new([7; 16])),
        now: Now {
            mono: Mono(1),
            ..now
        },
    }
}

/// Returns the saved state in one shard each: what torrents share, and the torrents.
pub(super) fn saved(world: &mut World) -> [Vec<u8>; 2] {
    let whole = Shard { index: 0, of: 1 };
    let (mut shared, mut torrents) = (Vec::new(), Vec::new());
    let swarms = &mut world.swarms;
    swarms.encode_torrents(&world.roster, whole, &mut torrents);
    swarms.encode_shared(whole, &mut shared);
    [shared, torrents]
}

#[test]
fn state_of_another_key_and_truncated_state_are_refused() {
    let mut world = World::new(&[torrent_in(1, None)]);
    list(&mut world, 0, &ips(DE, 0..10));
    let [shared, torrents] = saved(&mut world);
    let mut other = Swarms::new(config(), [4242; 2], Key::new([8; 16]));
    assert!(other.decode_shared(&shared, ShardFormat::LATEST).is_err());
    assert!(
        other
            .decode_torrents(&torrents, ShardFormat::LATEST)
            .is_err()
    );
    let mut same = Swarms::new(config(), [4242; 2], Key::new([7; 16]));
    for end in 0..shared.len() {
        assert!(
            same.decode_shared(&shared[..end], ShardFormat::LATEST)
                .is_err(),
            "{end}"
        );
    }
    for end in 0..torrents.len() {
        let cut = same.decode_torrents(&torrents[..end], ShardFormat::LATEST);
        // The head alone is a shard without torrents.
        assert!(cut.is_err() || same.saved_torrents() == 0, "{end}");
    }
    assert_eq!(same.saved_torrents(), 0);
}

#[test]
fn saved_state_holds_no_address() {
    let mut world = World::new(&[torrent_in(1, Some("work"))]);
    let peers = ips(DE, 0..200);
    list(&mut world, 0, &peers);
    let [shared, torrents] = saved(&mut world);
    for peer in peers {
        for needle in [peer.to_be_bytes(), peer.to_le_bytes()] {
            for saved in [&shared, &torrents] {
                assert!(!saved.windows(4).any(|bytes| bytes == needle));
            }
        }
    }
}
