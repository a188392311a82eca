//! What must not become a false zero or be lost: outages, lists that say nothing, clocks that are wrong,
//! collections that are new, a hybrid that is split, a daemon killed between two files.

use super::memory::{DAY, HOUR, URL, live, member, restored, saved, unique};
use super::systems::{take_over, with_systems};
use super::*;

fn five() -> [&'static str; 5] {
    ["8.8.8.1", "8.8.8.2", "8.8.8.3", "8.8.8.4", "8.8.8.5"]
}

/// The torrent's tracker names these.
fn hear(world: &mut World, place: usize, ips: &[&str]) {
    let id = world.announce(place, 0);
    world.list(id, ips);
}

fn collection(world: &mut World) -> Arc<CollectionRow> {
    world.swarms.blocks(&world.roster, world.now);
    let rows = world.swarms.collections(&world.roster, world.now);
    Arc::clone(&rows[0])
}

/// An outage makes no 0 on the way to unknown.
#[test]
fn outage_makes_no_zero() {
    let mut world = World::new(&[member(1, Some("work"))]);
    hear(&mut world, 0, &five());
    assert_eq!(unique(&mut world, 0)[0], Some(5));
    let mut shown = Vec::new();
    for minute in 0..25 * 6 {
        world.pass(600);
        let day = unique(&mut world, 0)[0];
        let row = collection(&mut world);
        let fleet = world.swarms.fleet().unique[0].get();
        if day == Some(0) || row.unique[0].get() == Some(0) || fleet == Some(0) {
            shown.push((minute * 10, day, row.unique[0].get(), fleet));
        }
    }
    assert_eq!(shown, []);
}

/// Who only scrapes, or gets no list, never looked who is there.
#[test]
fn a_scrape_is_no_list() {
    let mut world = World::new(&[member(1, None)]);
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
fn a_withheld_list_is_no_list() {
    let mut world = World::new(&[member(1, None)]);
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

/// The same tracker calls a swarm empty and then counts its members: who is there is unknown.
#[test]
fn later_claims_of_members_contradict_an_empty_list() {
    for (seeders, leechers, expected) in [
        (0, 0, Some(0)),
        // That may be us: the tracker counts us for a while.
        (0, 1, Some(0)),
        (1, 0, None),
        (0, 2, None),
    ] {
        let counts = Counts {
            seeders: Some(seeders),
            leechers: Some(leechers),
            completed: None,
        };
        let mut world = World::new(&[member(1, None)]).without_dht();
        let id = world.announce(0, 0);
        world.list(id, &[]);
        let scrape = Report::Scrape {
            ids: vec![id],
            result: Ok(vec![Some(counts)]),
        };
        world.report(Family::Ipv4, Health::Up, scrape);
        assert_eq!(world.row(0).peers[0], expected, "scrape of {counts:?}");

        let mut world = World::new(&[member(1, None)]).without_dht();
        let id = world.announce(0, 0);
        world.list(id, &[]);
        let withheld = AnnounceResponse {
            counts,
            peer_list_withheld: true,
            ..AnnounceResponse::default()
        };
        world.answer(id, Family::Ipv4, withheld);
        assert_eq!(world.row(0).peers[0], expected, "withheld {counts:?}");
    }
}

/// Entries that are no peers may stand for some, unless the counts are 0.
#[test]
fn a_list_without_any_peer_that_counts_is_a_0_only_if_the_counts_say_so() {
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
        let mut world = World::new(&[member(1, None)]).without_dht();
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

/// A country found by a collection that just got its name.
#[test]
fn a_new_collection_has_no_false_zero() {
    let mut world = World::new(&[member(1, None)]);
    hear(&mut world, 0, &five());
    world.configure(&[member(1, Some("work"))]);
    world.pass(60);
    hear(&mut world, 0, &five());
    let row = collection(&mut world);
    let us = row
        .countries
        .iter()
        .find(|c| c.country.as_str() == "US")
        .unwrap();
    assert_eq!(us.peers.get(), Some(5));
    assert_ne!(us.unique[0].get(), Some(0));
}

/// A clock that is ahead for a minute.
#[test]
fn a_clock_ahead_loses_nothing() {
    let mut world = World::new(&[member(1, Some("work"))]);
    let no_countries = Terms {
        countries: false,
        ..terms()
    };
    let changes = world
        .roster
        .update(&vec![member(1, Some("work"))].into(), |_| false);
    world
        .swarms
        .update(no_countries, &world.roster, &changes, world.now);
    hear(&mut world, 0, &five());
    live(&mut world, 2 * HOUR);
    assert_eq!(unique(&mut world, 0)[2], Some(5));
    world.now.unix.0 += 40 * DAY;
    world.swarms.blocks(&world.roster, world.now);
    world.now.mono.0 += 60_000;
    world.now.unix.0 = world.now.unix.0 + 60 - 40 * DAY;
    live(&mut world, 2 * HOUR);
    assert_eq!(unique(&mut world, 0), [Some(5); 3]);
}

/// A start with a clock that is put right a minute later.
#[test]
fn a_start_with_a_clock_ahead_keeps_collections() {
    let torrents = [member(1, Some("work"))];
    let mut world = World::new(&torrents);
    hear(&mut world, 0, &five());
    let [shared, part] = saved(&mut world);
    let mut again = restored(&shared, &part, world.now);
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

/// A clock that was ahead leaves stamps of the future.
#[test]
fn a_stamp_of_the_future_makes_no_zero() {
    let mut world = World::new(&[member(1, None)]);
    world.now.unix.0 += 40 * DAY;
    hear(&mut world, 0, &five());
    world.pass(60);
    world.swarms.blocks(&world.roster, world.now);
    world.now.unix.0 -= 40 * DAY;
    world.swarms.blocks(&world.roster, world.now);
    // Nothing answers from now on.
    live(&mut world, 3 * DAY);
    assert_eq!(unique(&mut world, 0)[0], None);
}
/// A machine that starts in 1970.
#[test]
fn a_start_in_1970_keeps_the_last_sight() {
    let torrents = [member(1, None)];
    let mut world = World::new(&torrents);
    hear(&mut world, 0, &five());
    let real = world.now.unix;
    world.now.unix = Unix(60);
    hear(&mut world, 0, &five());
    world.now.mono.0 += 60_000;
    world.now.unix = Unix(real.0 + 120);
    assert_eq!(unique(&mut world, 0), [Some(5); 3]);
    assert!(world.row(0).last_peer_seen.unwrap() >= real);
}

/// A history that is dropped leaves its systems.
#[test]
fn systems_are_not_counted_twice() {
    let terms = Terms {
        countries: false,
        ..with_systems(&[("8.8.8.0/24", 15169)])
    };
    let mut world = World::new(&[member(1, None)]);
    take_over(&mut world, terms, &[member(1, None)]);
    hear(&mut world, 0, &five());
    world.swarms.blocks(&world.roster, world.now);
    assert_eq!(world.swarms.fleet().systems[0].1, 5);
    // The machine slept for 40 days, or the clock jumped.
    world.now.unix.0 += 40 * DAY;
    world.now.mono.0 += 60_000;
    world.swarms.blocks(&world.roster, world.now);
    world.pass(2 * HOUR);
    hear(&mut world, 0, &five());
    world.swarms.blocks(&world.roster, world.now);
    assert_eq!(world.swarms.fleet().systems[0].1, 5);
}

/// A hybrid that is split.
#[test]
fn a_split_hybrid_keeps_its_first_half() {
    let v2 = InfoHashV2([9; 32]);
    let v1 = InfoHash([1; 20]);
    let whole = Hashes::of(Some(v1), Some(v2)).unwrap();
    let mut world = World::new(&[torrent("t", whole, &[URL])]);
    hear(&mut world, 0, &five());
    world.configure(&[
        torrent("t", Hashes::V1(v1), &[URL]),
        torrent("u", Hashes::V2(Box::new(v2)), &[URL]),
    ]);
    assert_eq!(world.row(0).peers[0], Some(5));
    assert_eq!(unique(&mut world, 0), [Some(5); 3]);
}

/// A daemon is killed after it wrote its torrents and before it wrote what they share.
#[test]
fn what_was_seen_between_two_files_is_in_all_counts() {
    let torrents = [member(1, Some("work"))];
    let mut world = World::new(&torrents);
    hear(&mut world, 0, &five()[..1]);
    let [shared, _] = saved(&mut world);
    hear(&mut world, 0, &five());
    let [_, part] = saved(&mut world);
    let mut again = restored(&shared, &part, world.now);
    again.configure(&torrents);
    again.pass(60);
    hear(&mut again, 0, &five());
    let row = collection(&mut again);
    let fleet = again.swarms.fleet().unique[0].get();
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
            fleet
        ),
        (Some(5), Some(5), Some(5), Some(5))
    );
}

/// Who was seen a month from now was seen by a clock that was ahead.
#[test]
fn what_a_clock_ahead_said_is_not_the_future_for_long() {
    const MONTH: u64 = 30 * 24 * HOUR;
    let mut world = World::new(&[member(1, None)]);
    let right = world.now.unix;
    world.now.unix.0 += MONTH;
    hear(&mut world, 0, &five());
    hear(&mut world, 0, &[]);
    assert_eq!(world.row(0).last_peer_seen, Some(world.now.unix));
    world.now.unix = right;
    live(&mut world, 25 * HOUR);
    let seen = world.row(0).last_peer_seen.unwrap();
    assert!((right..=world.now.unix).contains(&seen), "{seen:?}");
    // A machine that starts in 1970 does not know what is the future.
    world.now.unix = Unix(60);
    live(&mut world, 25 * HOUR);
    assert_eq!(world.row(0).last_peer_seen, Some(seen));
}

/// A calendar that only a crafted file has.
#[test]
fn a_calendar_at_the_end_of_time() {
    let world = World::new(&[member(1, None)]);
    let mut shared = Key::new([7; 16]).fingerprint().to_vec();
    let latest = (1u64 << 31) * HOUR;
    for n in [2 * latest, latest, 0, 0, 0, 0, 0, 0, 0] {
        seedwatch_distinct::write_varint(&mut shared, n);
    }
    let mut again = World {
        roster: Roster::default(),
        swarms: Swarms::new(terms(), [4242; 2], Key::new([7; 16])),
        now: world.now,
    };
    // Refused or not: it must not end the daemon.
    let _ = again.swarms.decode_shared(&shared, Format::V3);
    again.configure(&[member(1, None)]);
    hear(&mut again, 0, &five());
    again.swarms.blocks(&again.roster, again.now);
    live(&mut again, 2 * HOUR);
    hear(&mut again, 0, &five());
    assert_eq!(unique(&mut again, 0)[0], Some(5));
}
