//! What the DHT says of torrents.

use super::*;
use seedwatch_dht::{FoundPeers, LookupError, LookupReport, LookupStats, SwarmEstimate};

fn found(ips: &[&str], estimate: Option<(u32, u32)>) -> Result<FoundPeers, LookupError> {
    let mut peers = Peers::default();
    ips.iter()
        .for_each(|ip| peers.push(ip.parse().unwrap(), 6881));
    Ok(FoundPeers {
        peers,
        estimate: estimate.map(|(seeders, leechers)| SwarmEstimate {
            seeders,
            leechers,
            saturated: false,
        }),
    })
}

impl World {
    fn look_up(&mut self, hash: u8, family: Family, result: Result<FoundPeers, LookupError>) {
        let lookup = LookupReport {
            info_hash: InfoHash([hash; 20]),
            family,
            result,
            diagnosis: LookupStats {
                queries: 9,
                duration: Duration::from_millis(300),
                ..LookupStats::default()
            },
        };
        self.swarms.count_lookup(&lookup);
        self.swarms.fold_lookup(&self.roster, &lookup, self.now);
    }
}

#[test]
fn peers_are_the_union_of_trackers_and_the_dht() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO)]);
    let id = world.announce(0, 0);
    world.list(id, &["1.1.1.1", "1.1.1.2"]);
    world.look_up(
        1,
        Family::Ipv4,
        found(&["1.1.1.2", "1.1.1.3", "1.1.1.3", "1.1.1.4"], Some((2, 1))),
    );
    let row = world.row(0);
    assert_eq!(row.peers, [Some(4), None], "the IPv6 half was not asked");
    assert_eq!(row.source_peers, [Some(3), Some(2)]);
    assert_eq!(row.dht, [Some(2), Some(1)]);
    world.look_up(
        1,
        Family::Ipv6,
        found(&["2a00::1", "2a00::2", "2a00:0:0:1::"], Some((1, 5))),
    );
    let row = world.row(0);
    assert_eq!(row.peers, [Some(4), Some(2)], "IPv6 by /64");
    assert_eq!(row.source_peers, [Some(5), Some(2)]);
    assert_eq!(row.dht, [Some(3), Some(6)], "families are added");
    assert_eq!(row.probe_success, [Some(true); 2]);
    assert_eq!(row.last_success[0], Some(Unix(1_700_000_000)));
}

#[test]
fn a_torrent_without_trackers_is_known_by_the_dht_alone() {
    let mut world = World::new(&[torrent("t", v1(1), &[])]);
    assert_eq!(world.row(0).peers, [None; 2]);
    world.look_up(1, Family::Ipv4, found(&["1.1.1.1"], None));
    let row = world.row(0);
    assert_eq!((row.peers, row.dht), ([Some(1), None], [None; 2]));
    assert_eq!((row.seeders, row.trackers_online), (None, None));
    assert_eq!(row.probe_success, [Some(true), None]);
    assert_eq!(row.last_peer_seen, Some(Unix(1_700_000_000)));
}

#[test]
fn nobody_is_zero_and_a_failed_lookup_is_not() {
    let mut world = World::new(&[torrent("t", v1(1), &[])]);
    world.look_up(1, Family::Ipv4, Err(LookupError::Timeout));
    let row = world.row(0);
    assert_eq!((row.peers, row.dht), ([None; 2], [None; 2]));
    assert_eq!(row.probe_success, [Some(false), None]);
    assert_eq!(row.last_success, [None; 2]);
    world.look_up(1, Family::Ipv4, found(&[], None));
    let row = world.row(0);
    assert_eq!((row.peers, row.dht), ([Some(0), None], [Some(0); 2]));
    assert_eq!(row.source_peers, [Some(0), None]);
    assert_eq!(
        (row.probe_success[0], row.last_peer_seen),
        (Some(true), None)
    );
}

/// Its peers may all be in the DHT, whose turn has not come.
#[test]
fn nobody_at_trackers_is_no_zero_before_the_dht_was_asked() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO)]);
    let id = world.announce(0, 0);
    world.list(id, &[]);
    let row = world.row(0);
    assert_eq!((row.peers, row.source_peers), ([None; 2], [None, Some(0)]));
    world.list(id, &["1.1.1.1"]);
    assert_eq!(world.row(0).peers, [Some(1), None], "who is there is there");
    world.list(id, &[]);
    world.look_up(1, Family::Ipv6, Err(LookupError::Timeout));
    assert_eq!(world.row(0).peers, [Some(0), None], "it was asked");
}

#[test]
fn a_list_that_cannot_be_read_is_a_failure() {
    let mut world = World::new(&[torrent("t", v1(1), &[])]);
    let mut unreadable = FoundPeers::default();
    unreadable.peers.push_compact4(&[1, 2, 3]);
    world.look_up(1, Family::Ipv4, Ok(unreadable));
    let row = world.row(0);
    assert_eq!((row.peers[0], row.probe_success[0]), (None, Some(false)));
    assert_eq!(world.swarms.rejected()[Rejection::Malformed.index()], 1);
}

#[test]
fn one_family_that_comes_through_is_a_success() {
    let mut world = World::new(&[torrent("t", v1(1), &[])]);
    world.look_up(1, Family::Ipv4, found(&["1.1.1.1"], None));
    world.look_up(1, Family::Ipv6, Err(LookupError::Timeout));
    assert_eq!(world.row(0).probe_success[0], Some(true));
    world.look_up(1, Family::Ipv4, Err(LookupError::Timeout));
    let row = world.row(0);
    assert_eq!(row.probe_success[0], Some(false));
    assert_eq!(row.peers[0], Some(1), "what was known goes on ageing");
}

#[test]
fn what_the_dht_said_is_known_again_when_it_is_asked_again() {
    let mut world = World::new(&[torrent("t", v1(1), &[])]);
    world.look_up(1, Family::Ipv4, found(&["1.1.1.1"], None));
    let success = |world: &mut World| world.row(0).last_success[0];
    let seen = success(&mut world);
    assert!(seen.is_some());
    world = world.without_dht();
    assert_eq!(success(&mut world), None, "it is none of its sources");
    world.configure(&[torrent("t", v1(1), &[])]);
    assert_eq!(success(&mut world), seen);
}

#[test]
fn lookups_age_at_their_own_pace() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO)]);
    let id = world.announce(0, 0);
    world.list(id, &["1.1.1.1"]);
    world.look_up(1, Family::Ipv4, found(&["1.1.1.2"], Some((1, 0))));
    world.pass(STALE.as_secs());
    let row = world.row(0);
    assert_eq!(row.source_peers, [Some(1), None]);
    assert_eq!(row.dht[0], Some(1));
    world.pass(LOOKUPS_STALE.as_secs() - STALE.as_secs());
    let row = world.row(0);
    assert_eq!((row.peers, row.source_peers), ([None; 2], [None; 2]));
    assert_eq!((row.dht, row.probe_success), ([None; 2], [None; 2]));
    assert!(row.last_success[0].is_some(), "that stays");
}

#[test]
fn both_hashes_of_a_hybrid_are_looked_up_and_united() {
    let hybrid = Hashes::Hybrid(InfoHash([1; 20]), Box::new(InfoHashV2([2; 32])));
    let mut world = World::new(&[torrent("t", hybrid, &[])]);
    let both = [InfoHash([1; 20]), InfoHash([2; 20])];
    assert_eq!(**world.roster.dht_hashes(), both);
    world.look_up(
        1,
        Family::Ipv4,
        found(&["1.1.1.1", "1.1.1.2"], Some((1, 9))),
    );
    world.look_up(
        2,
        Family::Ipv4,
        found(&["1.1.1.2", "1.1.1.3"], Some((4, 2))),
    );
    let row = world.row(0);
    assert_eq!(row.source_peers[0], Some(3));
    assert_eq!(row.dht, [Some(4), Some(9)], "the larger claims");
}

#[test]
fn what_does_not_count_is_thrown_away_as_from_trackers() {
    let mut world = World::new(&[torrent("t", v1(1), &[])]);
    let own: [IpAddr; 2] = ["8.8.8.8".parse().unwrap(), "2a01::5".parse().unwrap()];
    world.swarms.set_local_addresses(&own);
    let mut result = found(&["8.8.8.8", "10.0.0.1", "1.1.1.1"], None).unwrap();
    result.peers.push("9.9.9.9".parse().unwrap(), 0);
    // Our port says nothing: we announce nothing here.
    result.peers.push("1.1.1.2".parse().unwrap(), 4242);
    world.look_up(1, Family::Ipv4, Ok(result));
    world.look_up(1, Family::Ipv6, found(&["2a01::5"], None));
    let row = world.row(0);
    assert_eq!(row.peers, [Some(2), Some(0)]);
    assert_eq!(row.dht, [None; 2], "somebody is there, nobody counted them");
    assert_eq!(world.swarms.rejected(), [1, 1, 2, 0]);
}

#[test]
fn a_reload_keeps_what_stays_and_forgets_what_is_private_now() {
    let four = |n: u8| torrent(&format!("t{n}"), v1(n), &[]);
    let mut world = World::new(&[four(2), four(4), four(6)]);
    for hash in [2, 4, 6] {
        world.look_up(hash, Family::Ipv4, found(&["1.1.1.1"], None));
    }
    let private = seedwatch_torrent::Torrent {
        privacy: Privacy::Consented,
        ..four(2)
    };
    world.configure(&[four(1), private, four(5), four(6), four(7)]);
    let swept = world.roster.dht_hashes().iter().map(|hash| hash.0[0]);
    assert_eq!(swept.collect::<Vec<_>>(), [1, 5, 6, 7]);
    let peers: Vec<_> = (0..5).map(|place| world.row(place).peers[0]).collect();
    assert_eq!(peers, [None, None, None, Some(1), None]);
    assert_eq!(world.row(1).last_success[0], None);
    assert_eq!(world.row(1).probe_success[0], None);
    // What was under way for a torrent that is gone has no place.
    world.look_up(4, Family::Ipv4, found(&["1.1.1.1"], None));
    world.look_up(2, Family::Ipv4, found(&["1.1.1.1"], None));
    assert_eq!(world.row(1).peers[0], None);

    world.roster.plan_lookups(false);
    assert!(world.roster.dht_hashes().is_empty());
    world.swarms.update_lookups(LOOKUPS_STALE, &world.roster);
    let row = world.row(3);
    assert_eq!((row.peers[0], row.last_success[0]), (None, None));
}

#[test]
fn lookups_are_counted_also_where_they_fail() {
    let mut world = World::new(&[torrent("t", v1(1), &[])]);
    world.look_up(1, Family::Ipv4, Err(LookupError::Timeout));
    world.look_up(1, Family::Ipv4, found(&[], None));
    let durations = world.swarms.durations();
    assert_eq!(durations[Source::Dht].counts.iter().sum::<u64>(), 2);
    assert_eq!(durations[Source::Tracker], Histogram::default());
    let queries = world.swarms.lookup_queries();
    assert_eq!((queries.sum, queries.counts[5]), (18.0, 2));
    // No node is known: nothing was asked.
    let lookup = LookupReport {
        info_hash: InfoHash([1; 20]),
        family: Family::Ipv6,
        result: Err(LookupError::Timeout),
        diagnosis: LookupStats::default(),
    };
    world.swarms.count_lookup(&lookup);
    assert_eq!(world.swarms.lookup_queries(), queries);
}
