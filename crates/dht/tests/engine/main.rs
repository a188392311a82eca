//! The engine in an emulated DHT, in virtual time.

use std::net::SocketAddr;
use std::time::Duration;

use seedwatch_clock::Mono;
use seedwatch_dev_dht_sim::{Sim, hashes};
use seedwatch_dev_dht_world::{AttackStyle, Delay, Eclipse, Net, World, WorldSettings};
use seedwatch_dht::{Engine, LookupError, LookupReport, Outbox, Settings};
use seedwatch_torrent::Family;
use seedwatch_torrent::address::Accept;

mod eclipse;

const MINUTE: Duration = Duration::from_secs(60);

fn settings() -> Settings {
    Settings {
        max_rate: 10_000.0,
        interval: 60 * MINUTE,
        recall_target: None,
        require_distinct_subnets: true,
        accept: Accept::Any,
    }
}

fn honest() -> WorldSettings {
    WorldSettings {
        nodes: 5_000,
        delay: Delay::Uniform {
            min_ms: 50.0,
            max_ms: 150.0,
        },
        ..WorldSettings::default()
    }
}

/// Looks up `n` info-hashes. Returns the mean recall and the number of invented peers.
fn found(sim: &mut Sim, n: usize) -> (f64, usize) {
    for hash in hashes(n, 5) {
        sim.look_up(hash);
    }
    assert!(sim.run(n, 5 * MINUTE), "a lookup never ended");
    let each: Vec<_> = sim.ended.iter().map(|lookup| sim.recall(lookup)).collect();
    let recall = each.iter().map(|(recall, _)| recall).sum::<f64>() / n as f64;
    (recall, each.iter().map(|(_, bogus)| bogus).sum())
}

#[test]
fn every_peer_is_found_and_every_lookup_ends() {
    for family in [Net::V4, Net::V6] {
        let mut sim = Sim::new(settings(), WorldSettings { family, ..honest() });
        sim.world.auto_peers(30);
        let (recall, bogus) = found(&mut sim, 20);
        assert!(recall > 0.999, "{recall}");
        assert_eq!(bogus, 0);
        for lookup in &sim.ended {
            let diagnosis = lookup.diagnosis;
            assert!(diagnosis.duration < Duration::from_secs(2), "{diagnosis:?}");
            assert!((8..40).contains(&diagnosis.queries), "{diagnosis:?}");
            assert!(diagnosis.closest_bits.unwrap() >= 10, "{diagnosis:?}");
            assert!(diagnosis.holders >= 6, "{diagnosis:?}");
        }
    }
}

/// libtorrent names a quarter as many peers over IPv6.
#[test]
fn shorter_lists_of_ipv6_count_as_truncated() {
    let family = Net::V6;
    let mut sim = Sim::new(settings(), WorldSettings { family, ..honest() });
    sim.world.auto_peers(150);
    let (recall, bogus) = found(&mut sim, 10);
    assert!(recall > 0.98, "{recall}");
    assert_eq!(bogus, 0);
}

#[test]
fn the_engine_respects_limits_and_never_announces() {
    let mut sim = Sim::new(settings(), honest());
    sim.world.auto_peers(1_000);
    found(&mut sim, 20);
    let stats = sim.world.stats();
    assert_eq!(
        (stats.announces, stats.without_ro, stats.malformed),
        (0, 0, 0)
    );
    // A burst of three, then one per second.
    assert!(stats.max_to_one_in_10s <= 12, "{stats:?}");
}

#[test]
fn the_rate_limit_holds_with_dead_nodes_and_loss() {
    let slow = Settings {
        max_rate: 20.0,
        interval: Duration::from_secs(1),
        ..settings()
    };
    let dead = WorldSettings {
        dead: 0.5,
        loss: 0.2,
        ..honest()
    };
    let mut sim = Sim::new(slow, dead);
    sim.watch(hashes(1_000, 1));
    sim.run(usize::MAX / 2, MINUTE);
    let packets = sim.packets();
    assert!((1_000..=1_208).contains(&packets), "{packets}");
    let status = sim.status();
    assert!(status.overdue > 0, "{status:?}");
}

#[test]
fn a_low_rate_makes_lookups_slow_and_not_wrong() {
    let slow = Settings {
        max_rate: 20.0,
        ..settings()
    };
    let mut sim = Sim::new(slow, honest());
    sim.world.auto_peers(10);
    sim.watch(hashes(300, 1));
    assert!(sim.run(300, 10 * MINUTE));
    assert!(sim.ended.iter().all(|lookup| sim.recall(lookup).0 > 0.99));
}

#[test]
fn an_empty_swarm_is_reported_empty_and_a_silent_network_is_unknown() {
    let mut sim = Sim::new(settings(), honest());
    let (_, bogus) = found(&mut sim, 3);
    assert_eq!(bogus, 0);
    for lookup in &sim.ended {
        let found = lookup.result.as_ref().unwrap();
        assert!(found.peers.is_empty());
        assert_eq!(found.estimate.unwrap().seeders, 0);
    }
    let mut silent = Sim::new(
        settings(),
        WorldSettings {
            loss: 1.0,
            ..honest()
        },
    );
    silent.watch(hashes(3, 1));
    assert!(silent.run(3, MINUTE));
    let failed = |lookup: &LookupReport| lookup.result.is_err();
    assert!(silent.ended.iter().all(failed));
    assert_eq!(silent.status().up, Some(false));
}

#[test]
fn byzantine_nodes_have_little_effect() {
    let lying = WorldSettings {
        byzantine: 0.2,
        dead: 0.1,
        ..honest()
    };
    let mut sim = Sim::new(settings(), lying);
    sim.world.auto_peers(50);
    let (recall, _) = found(&mut sim, 40);
    assert!(recall > 0.97, "{recall}");
    let bogus = |lookup: &LookupReport| {
        let peers = &lookup.result.as_ref().unwrap().peers.v4;
        let ip = |peer: &seedwatch_torrent::Endpoint4| std::net::Ipv4Addr::from_bits(peer.ip);
        peers
            .iter()
            .filter(|peer| World::is_invented(ip(peer).into()))
            .count()
    };
    let touched = sim.ended.iter().filter(|lookup| bogus(lookup) > 0).count();
    assert!(
        touched <= 2,
        "{touched} of 40 name peers that byzantine nodes invented"
    );
}

#[test]
fn the_second_round_needs_fewer_packets() {
    let mut sim = Sim::new(settings(), honest());
    sim.world.auto_peers(10);
    let n = 300;
    sim.watch(hashes(n, 1));
    assert!(sim.run(n, 10 * MINUTE));
    let cold = sim.packets();
    assert!(sim.run(n, 61 * MINUTE));
    let warm = sim.packets() - cold;
    assert!(warm * 10 < cold * 9, "{cold} then {warm}");
    assert!((warm as f64) < 8.5 * n as f64, "{warm}");
    assert!(sim.ended.iter().all(|lookup| sim.recall(lookup).0 > 0.99));
    let status = sim.status();
    let size = status.estimated_nodes.unwrap();
    assert!((4_000..6_000).contains(&size), "{size}");
    assert_eq!((status.up, status.overdue), (Some(true), 0));
}

#[test]
fn a_recall_target_saves_packets() {
    let early = Settings {
        recall_target: Some(0.98),
        ..settings()
    };
    let mut sim = Sim::new(early, honest());
    sim.world.auto_peers(10);
    let n = 300;
    sim.watch(hashes(n, 1));
    assert!(sim.run(n, 10 * MINUTE));
    let cold = sim.packets();
    assert!(sim.run(n, 61 * MINUTE));
    let warm = (sim.packets() - cold) as f64 / n as f64;
    assert!(warm < 4.0, "{warm}");
    let recall: f64 = sim.ended[n..]
        .iter()
        .map(|lookup| sim.recall(lookup).0)
        .sum();
    assert!(recall / n as f64 > 0.98);
}

#[test]
fn filters_estimate_the_size_of_a_large_swarm() {
    let mut sim = Sim::new(settings(), honest());
    sim.world.auto_peers(2_000);
    found(&mut sim, 5);
    for lookup in &sim.ended {
        let estimate = lookup.result.as_ref().unwrap().estimate.unwrap();
        let (seeders, leechers) = (estimate.seeders, estimate.leechers);
        assert!((450..550).contains(&seeders), "{estimate:?}");
        assert!((1_350..1_650).contains(&leechers), "{estimate:?}");
    }
}

#[test]
fn the_external_address_is_the_one_that_most_nodes_report() {
    let mut sim = Sim::new(settings(), honest());
    found(&mut sim, 3);
    assert_eq!(sim.status().external_ip, Some([127, 0, 0, 1].into()));
}

#[test]
fn a_saved_table_needs_no_bootstrap() {
    let mut sim = Sim::new(settings(), honest());
    found(&mut sim, 20);
    let table = sim.engine.nodes_to_save();
    assert!(table.len() > 50, "{}", table.len());
    let now = Mono(0);
    let mut engine = Engine::new(settings(), [9; 32], now);
    engine.open(Family::Ipv4, now);
    assert!(engine.needs_bootstrap(Family::Ipv4, now));
    engine.restore(&table, now);
    sim.engine = engine;
    sim.ended.clear();
    let (_, bogus) = found(&mut sim, 3);
    assert_eq!(bogus, 0);
    assert!(sim.ended.iter().all(|lookup| lookup.result.is_ok()));
}

#[test]
fn a_pause_drops_lookups_and_restarts_them_afterwards() {
    let mut sim = Sim::new(settings(), honest());
    sim.watch(hashes(20, 1));
    sim.run(usize::MAX / 2, Duration::from_millis(300));
    let before = sim.ended.len();
    sim.engine.pause(Family::Ipv4, true, sim.mono());
    let packets = sim.packets();
    sim.run(usize::MAX / 2, 10 * MINUTE);
    assert_eq!((sim.ended.len(), sim.packets()), (before, packets));
    sim.engine.pause(Family::Ipv4, false, sim.mono());
    assert!(sim.run(20, MINUTE));
    assert!(sim.ended.iter().all(|lookup| lookup.result.is_ok()));
}

#[test]
fn an_outage_of_our_network_is_not_counted_against_nodes() {
    let mut sim = Sim::new(settings(), honest());
    sim.world.auto_peers(10);
    let all = sim.watch(hashes(20, 1));
    assert!(sim.run(20, MINUTE));
    // No node answers while lookups are made.
    sim.is_offline = true;
    for _ in 0..4 {
        for hash in all.iter() {
            sim.look_up(*hash);
        }
        sim.run(usize::MAX / 2, Duration::from_secs(20));
    }
    let failed = sim.ended[20..].iter().all(|lookup| lookup.result.is_err());
    assert!(failed, "a lookup succeeded without an answer");
    sim.is_offline = false;
    sim.ended.clear();
    for hash in all.iter() {
        sim.look_up(*hash);
    }
    assert!(sim.run(20, MINUTE));
    for lookup in &sim.ended {
        assert!(sim.recall(lookup).0 > 0.99, "{:?}", lookup.diagnosis);
    }
}

#[test]
fn lookups_fail_without_nodes_and_restart_once_there_is_one() {
    let mut sim = Sim::new(settings(), honest());
    sim.world.auto_peers(10);
    sim.is_offline = true;
    sim.watch(hashes(20, 1));
    sim.run(usize::MAX / 2, 10 * MINUTE);
    // Each lookup fails once, and a few again at their next regular time.
    assert!((20..=24).contains(&sim.ended.len()), "{}", sim.ended.len());
    sim.is_offline = false;
    sim.ended.clear();
    let first = sim.world.bootstrap();
    sim.engine.add_bootstrap(Family::Ipv4, &first);
    assert!(sim.run(20, MINUTE), "{}", sim.ended.len());
    assert!(sim.ended.iter().all(|lookup| sim.recall(lookup).0 > 0.99));
}

#[test]
fn one_packet_per_second_is_slow_and_not_wrong() {
    let crawl = Settings {
        max_rate: 1.0,
        ..settings()
    };
    let mut sim = Sim::new(crawl, honest());
    sim.world.auto_peers(10);
    sim.watch(hashes(3, 1));
    assert!(sim.run(3, 10 * MINUTE));
    assert!(sim.ended.iter().all(|lookup| sim.recall(lookup).0 > 0.99));
}

#[test]
fn only_the_queried_address_can_answer() {
    let now = Mono(0);
    let mut engine = Engine::new(settings(), [1; 32], now);
    engine.open(Family::Ipv4, now);
    let node = SocketAddr::from(([127, 1, 1, 1], 6881));
    engine.add_bootstrap(Family::Ipv4, &[node]);
    let mut out = Outbox::default();
    engine.poll(now, &mut out);
    let asked: Vec<u8> = out.iter().next().unwrap().1.to_vec();
    let at = asked.windows(4).position(|four| four == b"1:t4").unwrap() + 5;
    let mut answer = b"d1:rd2:id20:abcdefghij01234567895:nodes0:e1:t4:".to_vec();
    answer.extend_from_slice(&asked[at..at + 4]);
    answer.extend_from_slice(b"1:y1:re");
    let stranger = SocketAddr::from(([127, 1, 1, 2], 6881));
    engine.receive(stranger, &answer, now);
    assert_eq!(engine.status(Family::Ipv4, now).unwrap().nodes, 0);
    engine.receive(node, &answer, now);
    assert_eq!(engine.status(Family::Ipv4, now).unwrap().nodes, 1);
}
