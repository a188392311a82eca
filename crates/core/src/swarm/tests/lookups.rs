//! Lookups of the DHT.

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
    assert_eq!(row.peers, [Some(4), None], "IPv6 was not asked over");
    assert_eq!(row.source_peers, [Some(3), Some(2)]);
    assert_eq!(row.dht, [Some(2), Some(1)]);
    world.look_up(
        1,
        Family::Ipv6,
        found(&["2a00::1", "2a00::2", "2a00:0:0:1::"], Some((1, 5))),
    );
    let row = world.row(0);
    assert_eq!(row.peers, [Some(4), Some(2)], "IPv6 peers are /64 prefixes");
    assert_eq!(row.source_peers, [Some(5), Some(2)]);
    assert_eq!(row.dht, [Some(3), Some(6)], "the families add up");
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
fn an_empty_swarm_is_zero_and_a_failed_lookup_is_unknown() {
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

/// Until the first lookup ends, all peers may be known to the DHT alone.
#[test]
fn an_empty_tracker_list_is_unknown_until_the_first_lookup_ends() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO)]);
    let id = world.announce(0, 0);
    world.list(id, &[]);
    let row = world.row(0);
    assert_eq!((row.peers, row.source_peers), ([None; 2], [None, Some(0)]));
    world.list(id, &["1.1.1.1"]);
    assert_eq!(
        world.row(0).peers,
        [Some(1), None],
        "a listed peer counts at once"
    );
    world.list(id, &[]);
    world.look_up(1, Family::Ipv6, Err(LookupError::Timeout));
    assert_eq!(world.row(0).peers, [Some(0), None], "the lookup ended");
}

#[test]
fn an_unreadable_list_is_a_failed_lookup() {
    let mut world = World::new(&[torrent("t", v1(1), &[])]);
    let mut unreadable = FoundPeers::default();
    unreadable.peers.push_compact4(&[1, 2, 3]);
    world.look_up(1, Family::Ipv4, Ok(unreadable));
    let row = world.row(0);
    assert_eq!((row.peers[0], row.probe_success[0]), (None, Some(false)));
    assert_eq!(world.swarms.rejected()[Rejection::Malformed.index()], 1);
}

#[test]
fn a_lookup_over_one_family_is_a_success() {
    let mut world = World::new(&[torrent("t", v1(1), &[])]);
    world.look_up(1, Family::Ipv4, found(&["1.1.1.1"], None));
    world.look_up(1, Family::Ipv6, Err(LookupError::Timeout));
    assert_eq!(world.row(0).probe_success[0], Some(true));
    world.look_up(1, Family::Ipv4, Err(LookupError::Timeout));
    let row = world.row(0);
    assert_eq!(row.probe_success[0], Some(false));
    assert_eq!(row.peers[0], Some(1), "the earlier result is still fresh");
}

#[test]
fn the_last_success_is_hidden_while_the_dht_is_off() {
    let mut world = World::new(&[torrent("t", v1(1), &[])]);
    world.look_up(1, Family::Ipv4, found(&["1.1.1.1"], None));
    let success = |world: &mut World| world.row(0).last_success[0];
    let seen = success(&mut world);
    assert!(seen.is_some());
    world = world.without_dht();
    assert_eq!(success(&mut world), None, "the DHT is off");
    world.configure(&[torrent("t", v1(1), &[])]);
    assert_eq!(success(&mut world), seen);
}

#[test]
fn lookups_have_an_age_limit_of_their_own() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO)]);
    let id = world.announce(0, 0);
    world.list(id, &["1.1.1.1"]);
    world.look_up(1, Family::Ipv4, found(&["1.1.1.2"], Some((1, 0))));
    world.advance(STALE.as_secs());
    let row = world.row(0);
    assert_eq!(row.source_peers, [Some(1), None]);
    assert_eq!(row.dht[0], Some(1));
    world.advance(LOOKUPS_STALE.as_secs() - STALE.as_secs());
    let row = world.row(0);
    assert_eq!((row.peers, row.source_peers), ([None; 2], [None; 2]));
    assert_eq!((row.dht, row.probe_success), ([None; 2], [None; 2]));
    assert!(
        row.last_success[0].is_some(),
        "the time of the last success stays"
    );
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
    assert_eq!(row.dht, [Some(4), Some(9)], "the larger claims count");
}

#[test]
fn peers_from_the_dht_are_filtered_like_peers_from_trackers() {
    let mut world = World::new(&[torrent("t", v1(1), &[])]);
    let own: [IpAddr; 2] = ["8.8.8.8".parse().unwrap(), "2a01::5".parse().unwrap()];
    world.swarms.set_local_addresses(&own);
    let mut result = found(&["8.8.8.8", "10.0.0.1", "1.1.1.1"], None).unwrap();
    result.peers.push("9.9.9.9".parse().unwrap(), 0);
    // Our port proves nothing, because we never announce to the DHT.
    result.peers.push("1.1.1.2".parse().unwrap(), 4242);
    world.look_up(1, Family::Ipv4, Ok(result));
    world.look_up(1, Family::Ipv6, found(&["2a01::5"], None));
    let row = world.row(0);
    assert_eq!(row.peers, [Some(2), Some(0)]);
    assert_eq!(row.dht, [None; 2], "there are peers, but no counts");
    assert_eq!(world.swarms.rejected(), [1, 1, 2, 0]);
}

#[test]
fn a_reload_forgets_the_lookups_of_torrents_that_became_private() {
    let numbered = |n: u8| torrent(&format!("t{n}"), v1(n), &[]);
    let mut world = World::new(&[numbered(2), numbered(4), numbered(6)]);
    for hash in [2, 4, 6] {
        world.look_up(hash, Family::Ipv4, found(&["1.1.1.1"], None));
    }
    let private = seedwatch_torrent::Torrent {
        privacy: Privacy::Consented,
        ..numbered(2)
    };
    world.configure(&[numbered(1), private, numbered(5), numbered(6), numbered(7)]);
    let scheduled = world.roster.dht_hashes().iter().map(|hash| hash.0[0]);
    assert_eq!(scheduled.collect::<Vec<_>>(), [1, 5, 6, 7]);
    let peers: Vec<_> = (0..5).map(|index| world.row(index).peers[0]).collect();
    assert_eq!(peers, [None, None, None, Some(1), None]);
    assert_eq!(world.row(1).last_success[0], None);
    assert_eq!(world.row(1).probe_success[0], None);
    // Results of lookups that were under way for removed torrents are dropped.
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
fn failed_lookups_are_counted_too() {
    let mut world = World::new(&[torrent("t", v1(1), &[])]);
    world.look_up(1, Family::Ipv4, Err(LookupError::Timeout));
    world.look_up(1, Family::Ipv4, found(&[], None));
    let durations = world.swarms.durations();
    assert_eq!(durations[Source::Dht].counts.iter().sum::<u64>(), 2);
    assert_eq!(durations[Source::Tracker], Histogram::default());
    let queries = world.swarms.lookup_queries();
    assert_eq!((queries.sum, queries.counts[5]), (18.0, 2));
    // A lookup without a known node sent no query.
    let lookup = LookupReport {
        info_hash: InfoHash([1; 20]),
        family: Family::Ipv6,
        result: Err(LookupError::Timeout),
        diagnosis: LookupStats::default(),
    };
    world.swarms.count_lookup(&lookup);
    assert_eq!(world.swarms.lookup_queries(), queries);
}
