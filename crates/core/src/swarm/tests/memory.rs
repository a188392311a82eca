//! Windows, collections, countries and what survives.

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

fn ips(net: [u8; 3], hosts: std::ops::Range<u8>) -> Vec<u32> {
    let [a, b, c] = net;
    hosts.map(|d| u32::from_be_bytes([a, b, c, d])).collect()
}

pub(super) fn member(n: u8, collection: Option<&str>) -> seedwatch_torrent::Torrent {
    let details = Details {
        collection: collection.map(Arc::from),
        ..Details::default()
    };
    seedwatch_torrent::Torrent {
        details: details.boxed(),
        ..torrent(&format!("t{n}"), Hashes::V1(InfoHash([n; 20])), &[URL])
    }
}

/// One torrent answers with these peers.
fn hear(world: &mut World, place: usize, peers: &[u32]) {
    let id = world.announce(place, 0);
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

/// Time goes by as the daemon sees it: with pictures.
pub(super) fn live(world: &mut World, seconds: u64) {
    for _ in 0..seconds / HOUR {
        world.pass(HOUR);
        world.swarms.blocks(&world.roster, world.now);
    }
    world.pass(seconds % HOUR);
}

pub(super) fn unique(world: &mut World, place: usize) -> [Option<u32>; 3] {
    let now = world.now;
    let blocks = world.swarms.blocks(&world.roster, now);
    let (row, _, reach) = blocks[0].get(place).unwrap();
    row.unique(reach).map(Count::get)
}

fn countries(world: &mut World, place: usize) -> Vec<(String, u32)> {
    let blocks = world.swarms.blocks(&world.roster, world.now);
    let places = blocks[0].get(place).unwrap().2.unwrap().places.clone();
    let rows = places.unwrap();
    let rows = rows.countries.iter();
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
fn windows_slide_and_are_unknown_where_nobody_answered() {
    let mut world = World::new(&[member(1, None)]);
    assert_eq!(unique(&mut world, 0), [None; 3]);
    hear(&mut world, 0, &[]);
    assert_eq!(unique(&mut world, 0), [Some(0); 3]);
    hear(&mut world, 0, &ips(DE, 0..5));
    assert_eq!(unique(&mut world, 0), [Some(5); 3]);
    live(&mut world, 23 * HOUR);
    hear(&mut world, 0, &ips(DE, 4..7));
    assert_eq!(unique(&mut world, 0), [Some(7); 3]);
    live(&mut world, 2 * HOUR);
    assert_eq!(unique(&mut world, 0), [Some(3), Some(7), Some(7)]);
    live(&mut world, DAY);
    // Nothing was heard for more than a day: a 0 would be a lie.
    assert_eq!(unique(&mut world, 0), [None, Some(7), Some(7)]);
    hear(&mut world, 0, &[]);
    assert_eq!(unique(&mut world, 0), [Some(0), Some(7), Some(7)]);
    live(&mut world, 31 * DAY);
    hear(&mut world, 0, &[]);
    assert_eq!(unique(&mut world, 0), [Some(0); 3]);
    assert!(world.swarms.memory.histories.is_empty());
}

#[test]
fn a_list_that_stays_the_same_counts_in_each_hour() {
    let mut world = World::new(&[member(1, None)]);
    for _ in 0..3 * 24 {
        hear(&mut world, 0, &ips(DE, 0..5));
        world.pass(HOUR);
    }
    assert_eq!(unique(&mut world, 0)[Window::Day.index()], Some(5));
}

#[test]
fn a_country_stays_at_zero_for_eight_days() {
    let mut world = World::new(&[member(1, None)]);
    hear(&mut world, 0, &[ips(DE, 0..3), ips(US, 1..3)].concat());
    let both = |de, us| vec![("DE".to_owned(), de), ("US".to_owned(), us)];
    assert_eq!(countries(&mut world, 0), both(3, 2));
    for _ in 0..8 {
        live(&mut world, DAY - 60);
        hear(&mut world, 0, &ips(DE, 0..4));
        assert_eq!(countries(&mut world, 0), both(4, 0));
    }
    live(&mut world, DAY);
    hear(&mut world, 0, &ips(DE, 0..4));
    assert_eq!(countries(&mut world, 0), [("DE".to_owned(), 4)]);
}

#[test]
fn a_rest_of_ours_is_time_for_countries_too() {
    for (rest, us) in [(5 * DAY, Some(Some(0))), (10 * DAY, None)] {
        let mut world = World::new(&[member(1, Some("work"))]);
        hear(&mut world, 0, &[ips(DE, 0..3), ips(US, 1..3)].concat());
        live(&mut world, 2 * HOUR);
        hear(&mut world, 0, &ips(DE, 0..3));
        world.pass(rest);
        hear(&mut world, 0, &ips(DE, 0..3));
        let shown = countries(&mut world, 0).into_iter();
        let shown = shown.filter(|(country, _)| country == "US").count();
        assert_eq!(shown, usize::from(us.is_some()), "after {rest} s");
        let row = country(&collection(&mut world), "US");
        assert_eq!(row.map(|(now, _)| now), us.or(Some(None)), "after {rest} s");
    }
}

#[test]
fn a_collection_is_the_union_of_its_torrents() {
    let torrents = [1, 2, 3].map(|n| member(n, (n < 3).then_some("work")));
    let mut world = World::new(&torrents);
    assert_eq!(collection(&mut world).peers, [Count::UNKNOWN; 2]);
    hear(&mut world, 0, &ips(DE, 0..10));
    hear(&mut world, 1, &[ips(DE, 5..12), ips(US, 0..3)].concat());
    hear(&mut world, 2, &ips(JP, 0..9));
    let row = collection(&mut world);
    assert_eq!((&*row.name, row.torrents), ("work", 2));
    assert_eq!(row.peers.map(Count::get), [Some(15), None]);
    assert_eq!(row.unique.map(Count::get), [Some(15); 3]);
    assert_eq!(country(&row, "DE"), Some((Some(12), [Some(12); 3])));
    assert_eq!(country(&row, "US"), Some((Some(3), [Some(3); 3])));
    assert_eq!(country(&row, "JP"), None);
    let fleet = world.swarms.fleet();
    assert_eq!(fleet.unique.map(Count::get), [Some(24); 3]);

    live(&mut world, 25 * HOUR);
    hear(&mut world, 0, &[]);
    hear(&mut world, 1, &ips(DE, 0..1));
    let row = collection(&mut world);
    assert_eq!(row.unique.map(Count::get), [Some(1), Some(15), Some(15)]);
    let us = Some((Some(0), [Some(0), Some(3), Some(3)]));
    assert_eq!(country(&row, "US"), us);
}

#[test]
fn a_torrent_brings_its_past_into_a_collection() {
    let mut world = World::new(&[member(1, None), member(2, None)]);
    hear(&mut world, 0, &ips(DE, 0..10));
    hear(&mut world, 1, &ips(DE, 5..12));
    world.configure(&[member(1, Some("work")), member(2, Some("work"))]);
    let row = collection(&mut world);
    assert_eq!(row.unique.map(Count::get), [Some(12); 3]);
}

#[test]
fn who_comes_back_within_a_month_finds_his_past() {
    let mut world = World::new(&[member(1, None), member(2, None)]);
    hear(&mut world, 0, &ips(DE, 0..10));
    let heard = world.now.unix;
    world.configure(&[member(2, None)]);
    live(&mut world, 20 * DAY);
    world.swarms.blocks(&world.roster, world.now);
    world.configure(&[member(1, None), member(2, None)]);
    assert_eq!(unique(&mut world, 0), [None, None, Some(10)]);
    let blocks = world.swarms.blocks(&world.roster, world.now);
    assert_eq!(
        blocks[0].get(0).unwrap().0.last_peer_seen.get(),
        Some(heard)
    );

    world.configure(&[member(2, None)]);
    for _ in 0..32 {
        live(&mut world, DAY);
        world.swarms.blocks(&world.roster, world.now);
    }
    assert_eq!(world.swarms.remembered(), 1);
    assert!(world.swarms.memory.histories.is_empty());
}

#[test]
fn a_hybrid_keeps_what_its_halves_knew() {
    let v2 = InfoHashV2([9; 32]);
    let half = torrent("t", Hashes::V2(Box::new(v2)), &[URL]);
    let mut world = World::new(std::slice::from_ref(&half));
    hear(&mut world, 0, &ips(DE, 0..10));
    let whole = Hashes::of(Some(InfoHash([1; 20])), Some(v2)).unwrap();
    world.configure(&[torrent("t", whole, &[URL])]);
    assert_eq!(unique(&mut world, 0), [Some(10); 3]);
    world.configure(&[half]);
    assert_eq!(unique(&mut world, 0), [Some(10); 3]);
}

#[test]
fn a_collection_knows_what_both_halves_of_a_hybrid_knew() {
    let (v1, v2) = (InfoHash([1; 20]), InfoHashV2([9; 32]));
    let other = torrent("other", Hashes::V2(Box::new(v2)), &[URL]);
    let mut world = World::new(&[member(1, Some("work")), other]);
    // By name, "other" comes first.
    let [first, second] = [0, 1].map(|place| world.roster.torrents()[place].collection().is_some());
    assert!(first != second);
    hear(&mut world, usize::from(second), &ips(DE, 0..10));
    hear(&mut world, usize::from(first), &ips(DE, 10..30));
    let whole = seedwatch_torrent::Torrent {
        hashes: Hashes::of(Some(v1), Some(v2)).unwrap(),
        ..member(1, Some("work"))
    };
    world.configure(&[whole]);
    assert_eq!(unique(&mut world, 0), [Some(30); 3]);
    assert_eq!(collection(&mut world).unique[0].get(), Some(30));
}

/// Saves everything in so many parts and loads it into a world of the same torrents.
pub(super) fn restart(world: &mut World, parts: u32) -> World {
    let mut again = blank(world.now);
    for index in 0..parts {
        let of = Shard { index, of: parts };
        let mut shared = Vec::new();
        world.swarms.encode_shared(of, &mut shared);
        again.swarms.decode_shared(&shared, Format::V3).unwrap();
        again.swarms.decode_shared(&shared, Format::V3).unwrap();
        let mut part = Vec::new();
        world.swarms.encode_torrents(&world.roster, of, &mut part);
        again.swarms.decode_torrents(&part, Format::V3).unwrap();
        // Found twice, after the number of parts has changed.
        again.swarms.decode_torrents(&part, Format::V3).unwrap();
    }
    again.configure(world.roster.torrents());
    again
}

#[test]
fn a_restart_changes_nothing() {
    let torrents = [1, 2, 3].map(|n| member(n, (n < 3).then_some("work")));
    let mut world = World::new(&torrents);
    hear(&mut world, 0, &[ips(DE, 0..10), ips(US, 0..2)].concat());
    hear(&mut world, 1, &ips(DE, 5..12));
    world.swarms.blocks(&world.roster, world.now);
    live(&mut world, 30 * HOUR);
    hear(&mut world, 0, &ips(DE, 10..20));
    hear(&mut world, 1, &[]);
    hear(&mut world, 2, &[]);
    let before = [0, 1, 2].map(|place| unique(&mut world, place));
    let row = collection(&mut world);
    for parts in [1, 4] {
        let mut again = restart(&mut world, parts);
        let after = [0, 1, 2].map(|place| unique(&mut again, place));
        assert_eq!(after, before);
        let restored = collection(&mut again);
        assert_eq!(restored.unique, row.unique);
        assert_eq!(restored.peers, [Count::UNKNOWN; 2]);
        let fleet = |world: &mut World| world.swarms.fleet().unique;
        assert_eq!(fleet(&mut again), fleet(&mut world));
        // Nothing is shown as current before it was heard; then the zeros are there.
        hear(&mut again, 0, &ips(DE, 10..20));
        assert_eq!(
            countries(&mut again, 0),
            [("DE".to_owned(), 10), ("US".to_owned(), 0)]
        );
        assert_eq!(country(&collection(&mut again), "US"), country(&row, "US"));
    }
}

/// A daemon before its configuration, with what another one saved. The monotonic clock begins anew.
pub(super) fn restored(shared: &[u8], torrents: &[u8], now: Now) -> World {
    let mut world = blank(now);
    world.swarms.decode_shared(shared, Format::V3).unwrap();
    world.swarms.decode_torrents(torrents, Format::V3).unwrap();
    world
}

fn blank(now: Now) -> World {
    World {
        roster: Roster::default(),
        swarms: Swarms::new(terms(), [4242; 2], Key::new([7; 16])),
        now: Now {
            mono: Mono(1),
            ..now
        },
    }
}

/// What is shared and what is remembered of torrents, each in one part.
pub(super) fn saved(world: &mut World) -> [Vec<u8>; 2] {
    let whole = Shard { index: 0, of: 1 };
    let (mut shared, mut torrents) = (Vec::new(), Vec::new());
    let swarms = &mut world.swarms;
    swarms.encode_torrents(&world.roster, whole, &mut torrents);
    swarms.encode_shared(whole, &mut shared);
    [shared, torrents]
}

#[test]
fn what_another_key_wrote_is_nonsense() {
    let mut world = World::new(&[member(1, None)]);
    hear(&mut world, 0, &ips(DE, 0..10));
    let [shared, part] = saved(&mut world);
    let mut other = Swarms::new(terms(), [4242; 2], Key::new([8; 16]));
    assert!(other.decode_shared(&shared, Format::V3).is_err());
    assert!(other.decode_torrents(&part, Format::V3).is_err());
    let mut same = Swarms::new(terms(), [4242; 2], Key::new([7; 16]));
    for end in 0..shared.len() {
        assert!(
            same.decode_shared(&shared[..end], Format::V3).is_err(),
            "{end}"
        );
    }
    for end in 0..part.len() {
        let cut = same.decode_torrents(&part[..end], Format::V3);
        // Nothing but the head is a part without torrents.
        assert!(cut.is_err() || same.remembered() == 0, "{end}");
    }
    assert_eq!(same.remembered(), 0);
}

#[test]
fn no_address_is_remembered() {
    let mut world = World::new(&[member(1, Some("work"))]);
    let peers = ips(DE, 0..200);
    hear(&mut world, 0, &peers);
    let [shared, part] = saved(&mut world);
    for peer in peers {
        for needle in [peer.to_be_bytes(), peer.to_le_bytes()] {
            for saved in [&shared, &part] {
                assert!(!saved.windows(4).any(|bytes| bytes == needle));
            }
        }
    }
}
