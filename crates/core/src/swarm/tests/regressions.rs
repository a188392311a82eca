//! Cases that once showed a wrong 0 or lost peers: outages, inconclusive lists, wrong clocks, new
//! collections, a split hybrid, and a daemon killed between two files.

use super::asn_counts::{reconfigure, with_systems};
use super::history::{DAY, HOUR, URL, live, restored, saved, torrent_in, unique};
use super::*;

fn five() -> [&'static str; 5] {
    ["8.8.8.1", "8.8.8.2", "8.8.8.3", "8.8.8.4", "8.8.8.5"]
}

/// The tracker of a torrent lists these peers.
fn list(world: &mut World, index: usize, ips: &[&str]) {
    let id = world.announce(index, 0);
    world.list(id, ips);
}

fn collection(world: &mut World) -> Arc<CollectionRow> {
    world.swarms.blocks(&world.roster, world.now);
    let rows = world.swarms.collections(&world.roster, world.now);
    Arc::clone(&rows[0])
}

#[test]
fn values_become_unknown_without_a_zero_in_an_outage() {
    let mut world = World::new(&[torrent_in(1, Some("work"))]);
    list(&mut world, 0, &five());
    assert_eq!(unique(&mut world, 0)[0], Some(5));
    let mut shown = Vec::new();
    for minute in 0..25 * 6 {
        world.advance(600);
        let day = unique(&mut world, 0)[0];
        let row = collection(&mut world);
        let all = world.swarms.totals().unique[0].get();
        if day == Some(0) || row.unique[0].get() == Some(0) || all == Some(0) {
            shown.push((minute * 10, day, row.unique[0].get(), all));
        }
    }
    assert_eq!(shown, []);
}

/// A scrape brings counts, but no list of peers.
#[test]
fn windows_are_unknown_after_a_scrape() {
    let mut world = World::new(&[torrent_in(1, None)]);
    let id = world.announce(0, 0);
    let counts = Counts {
        seeders: Some(50),
        leechers: Some(7),
        completed: Some(1),
    };
    world.report(
        Family::Ipv4,
        Health::Up,
        Report::Scrape {
            ids: vec![id],
            result: Ok(vec![Some(counts)]),
        },
    );
    let row = world.row(0);
    assert_eq!((row.seeders, row.peers), (Some(50), [None; 2]));
    assert_eq!(unique(&mut world, 0), [None; 3]);
}

#[test]
fn windows_are_unknown_after_a_withheld_list() {
    let mut world = World::new(&[torrent_in(1, None)]);
    let id = world.announce(0, 0);
    let counts = Counts {
        seeders: Some(50),
        leechers: Some(7),
        completed: Some(1),
    };
    world.answer(
        id,
        Family::Ipv4,
        AnnounceResponse {
            counts,
            peer_list_withheld: true,
            ..AnnounceResponse::default()
        },
    );
    assert_eq!(world.row(0).peers, [None; 2]);
    assert_eq!(unique(&mut world, 0), [None; 3]);
}

/// The same tracker lists no peers and then claims peers: the peers are unknown.
#[test]
fn later_claims_of_peers_contradict_an_empty_list() {
    for (seeders, leechers, expected) in [
        (0, 0, Some(0)),
        // The leecher may be us: a tracker counts us for a while.
        (0, 1, Some(0)),
        (1, 0, None),
        (0, 2, None),
    ] {
        let counts = Counts {
            seeders: Some(seeders),
            leechers: Some(leechers),
            completed: None,
        };
        let mut world = World::new(&[torrent_in(1, None)]).without_dht();
        let id = world.announce(0, 0);
        world.list(id, &[]);
        let scrape = Report::Scrape {
            ids: vec![id],
            result: Ok(vec![Some(counts)]),
        };
        world.report(Family::Ipv4, Health::Up, scrape);
        assert_eq!(world.row(0).peers[0], expected, "scrape of {counts:?}");

        let mut world = World::new(&[torrent_in(1, None)]).without_dht();
        let id = world.announce(0, 0);
        world.list(id, &[]);
        let peer_list_withheld = AnnounceResponse {
            counts,
            peer_list_withheld: true,
            ..AnnounceResponse::default()
        };
        world.answer(id, Family::Ipv4, peer_list_withheld);
        assert_eq!(
            world.row(0).peers[0],
            expected,
            "peer_list_withheld {counts:?}"
        );
    }
}

/// Rejected entries may stand for peers, unless the counts are 0.
#[test]
fn a_list_of_rejected_entries_is_empty_only_if_the_counts_are_zero() {
    let counts = |seeders, leechers| Counts {
        seeders,
        leechers,
        completed: None,
    };
    let three = counts(Some(3), Some(1));
    let zero = counts(Some(0), Some(0));
    let none = Counts::default();
    for (peer, counts, expected) in [
        ("0.0.0.0:0", three, None),
        ("0.0.0.0:0", none, None),
        ("0.0.0.0:0", counts(Some(0), None), None),
        ("0.0.0.0:0", zero, Some(0)),
        ("1.1.1.1:0", three, None),
        ("192.168.1.1:6881", three, None),
        ("192.168.1.1:6881", zero, Some(0)),
        ("1.1.1.1:6881", three, Some(1)),
    ] {
        let mut world = World::new(&[torrent_in(1, None)]).without_dht();
        let id = world.announce(0, 0);
        let peer: std::net::SocketAddr = peer.parse().unwrap();
        let mut peers = Peers::default();
        peers.push(peer.ip(), peer.port());
        let answer = AnnounceResponse {
            peers,
            counts,
            ..AnnounceResponse::default()
        };
        world.answer(id, Family::Ipv4, answer);
        assert_eq!(world.row(0).peers[0], expected, "{peer} {counts:?}");
    }
}

/// The country has current peers, and the collection has no history of it yet.
#[test]
fn the_countries_of_a_new_collection_have_no_zero() {
    let mut world = World::new(&[torrent_in(1, None)]);
    list(&mut world, 0, &five());
    world.configure(&[torrent_in(1, Some("work"))]);
    world.advance(60);
    list(&mut world, 0, &five());
    let row = collection(&mut world);
    let us = row
        .countries
        .iter()
        .find(|c| c.country.as_str() == "US")
        .unwrap();
    assert_eq!(us.peers.get(), Some(5));
    assert_ne!(us.unique[0].get(), Some(0));
}

/// The clock is 40 days ahead for a minute.
#[test]
fn a_clock_that_was_ahead_loses_no_peer() {
    let mut world = World::new(&[torrent_in(1, Some("work"))]);
    let no_countries = SwarmConfig {
        countries: false,
        ..config()
    };
    let changes = world
        .roster
        .update(&vec![torrent_in(1, Some("work"))].into(), |_| false);
    world
        .swarms
        .update(no_countries, &world.roster, &changes, world.now);
    list(&mut world, 0, &five());
    live(&mut world, 2 * HOUR);
    assert_eq!(unique(&mut world, 0)[2], Some(5));
    world.now.unix.0 += 40 * DAY;
    world.swarms.blocks(&world.roster, world.now);
    world.now.mono.0 += 60_000;
    world.now.unix.0 = world.now.unix.0 + 60 - 40 * DAY;
    live(&mut world, 2 * HOUR);
    assert_eq!(unique(&mut world, 0), [Some(5); 3]);
}

/// The clock is ahead at the start and is corrected a minute later.
#[test]
fn a_start_with_a_clock_ahead_keeps_collections() {
    let torrents = [torrent_in(1, Some("work"))];
    let mut world = World::new(&torrents);
    list(&mut world, 0, &five());
    let [shared, torrents_shard] = saved(&mut world);
    let mut again = restored(&shared, &torrents_shard, world.now);
    again.now.unix.0 += 400 * DAY;
    again.configure(&torrents);
    again.swarms.blocks(&again.roster, again.now);
    again.now.mono.0 += 60_000;
    again.now.unix.0 = again.now.unix.0 + 60 - 400 * DAY;
    again.swarms.blocks(&again.roster, again.now);
    live(&mut again, 2 * HOUR);
    let row = collection(&mut again);
    assert_eq!(row.countries.len(), 1, "the country and its windows");
}

/// A clock that was ahead leaves times in the future.
#[test]
fn a_time_in_the_future_makes_no_zero() {
    let mut world = World::new(&[torrent_in(1, None)]);
    world.now.unix.0 += 40 * DAY;
    list(&mut world, 0, &five());
    world.advance(60);
    world.swarms.blocks(&world.roster, world.now);
    world.now.unix.0 -= 40 * DAY;
    world.swarms.blocks(&world.roster, world.now);
    // No tracker answers from now on.
    live(&mut world, 3 * DAY);
    assert_eq!(unique(&mut world, 0)[0], None);
}

#[test]
fn a_clock_in_1970_does_not_replace_the_time_of_the_last_peer() {
    let torrents = [torrent_in(1, None)];
    let mut world = World::new(&torrents);
    list(&mut world, 0, &five());
    let real = world.now.unix;
    world.now.unix = Unix(60);
    list(&mut world, 0, &five());
    world.now.mono.0 += 60_000;
    world.now.unix = Unix(real.0 + 120);
    assert_eq!(unique(&mut world, 0), [Some(5); 3]);
    assert!(world.row(0).last_peer_seen.unwrap() >= real);
}

/// A history that is dropped also leaves the counts by autonomous system.
#[test]
fn peers_are_not_counted_twice_by_autonomous_system() {
    let config = SwarmConfig {
        countries: false,
        ..with_systems(&[("8.8.8.0/24", 15169)])
    };
    let mut world = World::new(&[torrent_in(1, None)]);
    reconfigure(&mut world, config, &[torrent_in(1, None)]);
    list(&mut world, 0, &five());
    world.swarms.blocks(&world.roster, world.now);
    assert_eq!(world.swarms.totals().systems[0].1, 5);
    // The machine slept for 40 days, or the clock jumped.
    world.now.unix.0 += 40 * DAY;
    world.now.mono.0 += 60_000;
    world.swarms.blocks(&world.roster, world.now);
    world.advance(2 * HOUR);
    list(&mut world, 0, &five());
    world.swarms.blocks(&world.roster, world.now);
    assert_eq!(world.swarms.totals().systems[0].1, 5);
}

#[test]
fn a_split_hybrid_keeps_the_history_of_its_first_half() {
    let v2 = InfoHashV2([9; 32]);
    let v1 = InfoHash([1; 20]);
    let whole = Hashes::of(Some(v1), Some(v2)).unwrap();
    let mut world = World::new(&[torrent("t", whole, &[URL])]);
    list(&mut world, 0, &five());
    world.configure(&[
        torrent("t", Hashes::V1(v1), &[URL]),
        torrent("u", Hashes::V2(Box::new(v2)), &[URL]),
    ]);
    assert_eq!(world.row(0).peers[0], Some(5));
    assert_eq!(unique(&mut world, 0), [Some(5); 3]);
}

/// The daemon is killed after it saved its torrents and before it saved what they share.
#[test]
fn peers_seen_between_two_files_are_in_all_counts() {
    let torrents = [torrent_in(1, Some("work"))];
    let mut world = World::new(&torrents);
    list(&mut world, 0, &five()[..1]);
    let [shared, _] = saved(&mut world);
    list(&mut world, 0, &five());
    let [_, torrents_shard] = saved(&mut world);
    let mut again = restored(&shared, &torrents_shard, world.now);
    again.configure(&torrents);
    again.advance(60);
    list(&mut again, 0, &five());
    let row = collection(&mut again);
    let all = again.swarms.totals().unique[0].get();
    let us = row
        .countries
        .iter()
        .find(|c| c.country.as_str() == "US")
        .unwrap();
    assert_eq!(
        (
            unique(&mut again, 0)[0],
            row.unique[0].get(),
            us.unique[0].get(),
            all
        ),
        (Some(5), Some(5), Some(5), Some(5))
    );
}

/// A clock that was ahead leaves the time of the last peer in the future.
#[test]
fn times_in_the_future_are_clamped_within_a_day() {
    const MONTH: u64 = 30 * 24 * HOUR;
    let mut world = World::new(&[torrent_in(1, None)]);
    let right = world.now.unix;
    world.now.unix.0 += MONTH;
    list(&mut world, 0, &five());
    list(&mut world, 0, &[]);
    assert_eq!(world.row(0).last_peer_seen, Some(world.now.unix));
    world.now.unix = right;
    live(&mut world, 25 * HOUR);
    let seen = world.row(0).last_peer_seen.unwrap();
    assert!((right..=world.now.unix).contains(&seen), "{seen:?}");
    // A machine that starts in 1970 cannot tell which times are in the future.
    world.now.unix = Unix(60);
    live(&mut world, 25 * HOUR);
    assert_eq!(world.row(0).last_peer_seen, Some(seen));
}

/// Only a crafted file has such a calendar.
#[test]
fn a_saved_calendar_at_the_end_of_time_is_survived() {
    let world = World::new(&[torrent_in(1, None)]);
    let mut shared = Key::new([7; 16]).fingerprint().to_vec();
    let latest = (1u64 << 31) * HOUR;
    for n in [2 * latest, latest, 0, 0, 0, 0, 0, 0, 0] {
        crate::saved::append(&n, &mut shared);
    }
    let mut again = World {
        roster: Roster::default(),
        swarms: Swarms::new(config(), [4242; 2], Key::new([7; 16])),
        now: world.now,
    };
    // The file may be refused or not, but it must not end the daemon.
    let _ = again.swarms.decode_shared(&shared, ShardFormat::LATEST);
    again.configure(&[torrent_in(1, None)]);
    list(&mut again, 0, &five());
    again.swarms.blocks(&again.roster, again.now);
    live(&mut again, 2 * HOUR);
    list(&mut again, 0, &five());
    assert_eq!(unique(&mut again, 0)[0], Some(5));
}
