//! Our own addresses and entries. No statement of another host may hide a peer.

use super::*;
use seedwatch_dht::{FoundPeers, LookupReport, LookupStats};

/// The only seeder of the torrent `victim`.
const SEEDER: &str = "1.1.1.9";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Returns an answer to `started`.
fn joined(entries: &[(&str, u16)]) -> AnnounceResponse {
    let mut peers = Peers::default();
    for (address, port) in entries {
        peers.push(ip(address), *port);
    }
    AnnounceResponse {
        peers,
        strategy: AnnounceStrategy::StartThenStop,
        ..AnnounceResponse::default()
    }
}

/// Returns a world with two torrents: one at an honest and a byzantine tracker, one at the
/// byzantine tracker alone.
fn victim_and_lure() -> World {
    World::new(&[
        torrent("victim", v1(1), &TWO),
        torrent("lure", v1(2), &TWO[1..]),
    ])
}

impl World {
    /// The byzantine tracker and DHT nodes claim in every possible way that the seeder is us.
    fn lie(&mut self) {
        let lie = AnnounceResponse {
            external_ip: Some(ip(SEEDER)),
            ..joined(&[(SEEDER, 4242), (SEEDER, 4243)])
        };
        for (torrent, index) in [(0, 1), (1, 0)] {
            let id = self.announce(torrent, index);
            self.answer(id, Family::Ipv4, lie.clone());
        }
        let nodes = [ip(SEEDER)];
        self.swarms.set_external_addresses(nodes.into_iter());
    }

    fn look_up_seeder(&mut self) {
        let mut peers = Peers::default();
        peers.push(ip(SEEDER), 4242);
        let lookup = LookupReport {
            info_hash: InfoHash([1; 20]),
            family: Family::Ipv4,
            result: Ok(FoundPeers {
                peers,
                estimate: None,
            }),
            diagnosis: LookupStats::default(),
        };
        self.swarms.fold_lookup(&self.roster, &lookup, self.now);
    }
}

#[test]
fn no_other_host_can_hide_a_peer_that_a_tracker_names() {
    let mut world = victim_and_lure();
    let honest = world.announce(0, 0);
    for _ in 0..3 {
        world.lie();
        world.list(honest, &[SEEDER]);
        assert_eq!(world.row(0).peers[0], Some(1));
        world.lie();
        assert_eq!(world.row(0).peers[0], Some(1), "in either order");
        world.advance(60);
    }
    // Nor in an answer of the honest tracker to `started`.
    world.answer(honest, Family::Ipv4, joined(&[(SEEDER, 6881)]));
    assert_eq!(world.row(0).peers[0], Some(1));
}

#[test]
fn no_other_host_can_hide_a_peer_that_the_dht_names() {
    let mut world = victim_and_lure();
    world.lie();
    world.look_up_seeder();
    assert_eq!(world.row(0).source_peers[Source::Dht.index()], Some(1));
    assert_eq!(world.row(0).peers[0], Some(1));
}

#[test]
fn one_entry_per_family_is_ours_in_an_answer_to_started() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO[..1])]);
    world.swarms.state.intake.filter.ports = [4242, 4343];
    let id = world.announce(0, 0);
    let both = joined(&[("8.8.8.8", 4242), ("2a01::1", 4343), ("1.1.1.1", 1)]);
    world.answer(id, Family::Ipv4, both);
    assert_eq!(world.row(0).peers, [Some(1), None]);
    // A peer behind the same router has a port of its own.
    world.answer(
        id,
        Family::Ipv4,
        joined(&[("8.8.8.8", 4242), ("8.8.8.8", 6881)]),
    );
    assert_eq!(world.row(0).peers[0], Some(1));
}

#[test]
fn only_one_of_two_entries_with_our_port_is_ours() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO)]);
    let (byzantine, honest) = (world.announce(0, 1), world.announce(0, 0));
    world.answer(
        byzantine,
        Family::Ipv4,
        joined(&[(SEEDER, 4242), ("8.8.8.8", 4242)]),
    );
    assert_eq!(world.row(0).peers[0], Some(1), "the count is right");
    // With evidence, the right entry of this list is left out.
    world
        .swarms
        .set_external_addresses([ip("8.8.8.8")].into_iter());
    world.answer(
        byzantine,
        Family::Ipv4,
        joined(&[("1.1.1.1", 4242), ("8.8.8.8", 4242)]),
    );
    world.list(honest, &["1.1.1.1", SEEDER]);
    assert_eq!(world.row(0).peers[0], Some(2));
}

#[test]
fn a_neighbour_in_our_own_subnet_is_a_peer() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO[..1])]);
    world.swarms.set_local_addresses(&[ip("2a01:0:0:7::1")]);
    let id = world.announce(0, 0);
    world.list(id, &["2a01:0:0:7::1", "1.1.1.1"]);
    assert_eq!(world.row(0).peers, [Some(1), None]);
    world.list(id, &["2a01:0:0:7::1", "2a01:0:0:7::2"]);
    assert_eq!(world.row(0).peers[1], Some(1));
}

#[test]
fn a_truncated_list_is_inconclusive() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO[..1])]).without_dht();
    let id = world.announce(0, 0);
    let mut answer = AnnounceResponse {
        counts: Counts {
            seeders: Some(0),
            leechers: Some(0),
            completed: None,
        },
        ..AnnounceResponse::default()
    };
    for port in 1..=300 {
        answer.peers.push_within(ip("10.0.0.1"), port, 200);
    }
    world.answer(id, Family::Ipv4, answer.clone());
    assert_eq!(
        world.row(0).peers[0],
        None,
        "the omitted entries may be peers"
    );
    answer.peers.omitted = 0;
    world.answer(id, Family::Ipv4, answer);
    assert_eq!(world.row(0).peers[0], Some(0));
}

#[test]
fn absurd_counts_are_unknown() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO[..1])]).without_dht();
    let id = world.announce(0, 0);
    for absurd in [Counts::MAX + 1, 1 << 31, u32::MAX - 1, u32::MAX] {
        let counts = Counts {
            seeders: Some(absurd),
            leechers: Some(absurd),
            completed: Some(absurd),
        };
        world.answer(
            id,
            Family::Ipv4,
            AnnounceResponse {
                counts,
                ..joined(&[("1.1.1.1", 1)])
            },
        );
        let row = world.row(0);
        assert_eq!((row.seeders, row.leechers), (None, None), "{absurd}");
        assert_eq!(row.announces[0].completed.get(), None, "{absurd}");
    }
}

#[test]
fn an_empty_list_beside_absurd_counts_is_inconclusive() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO[..1])]).without_dht();
    let id = world.announce(0, 0);
    for (has_absurd_counts, peers) in [(true, None), (false, Some(0))] {
        let answer = AnnounceResponse {
            has_absurd_counts,
            ..AnnounceResponse::default()
        };
        world.answer(id, Family::Ipv4, answer);
        assert_eq!(world.row(0).peers[0], peers);
    }
}

#[test]
fn an_entry_that_a_killed_process_left_behind_is_ours_for_two_hours() {
    let left_behind = |entries: &[(&str, u16)]| AnnounceResponse {
        strategy: AnnounceStrategy::StoppedFirst,
        ..joined(entries)
    };
    let mut world = World::new(&[torrent("victim", v1(1), &TWO[..1])]).without_dht();
    let honest = world.announce(0, 0);
    world.swarms.expect_own_entries(world.now.mono);
    // Behind NAT, the address is none of a local interface.
    let entries = [("1.1.1.7", 4242), (SEEDER, 6881)];
    world.answer(honest, Family::Ipv4, left_behind(&entries));
    assert_eq!(world.row(0).peers[0], Some(1));
    world.answer(honest, Family::Ipv4, left_behind(&entries[1..]));
    assert_eq!(world.row(0).peers[0], Some(1));
    world.answer(honest, Family::Ipv4, left_behind(&entries[..1]));
    assert_eq!(
        world.row(0).peers[0],
        Some(0),
        "our entry alone is an empty swarm"
    );
    world.advance(2 * 3600);
    world.answer(honest, Family::Ipv4, left_behind(&entries));
    assert_eq!(world.row(0).peers[0], Some(2));
}
