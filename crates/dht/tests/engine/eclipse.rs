//! Nodes that cluster around an info-hash do not make its swarm look empty, and honest nodes are
//! not mistaken for a cluster.

use super::*;

/// Peers of every swarm.
const PEERS: usize = 30;

fn tight() -> Vec<f64> {
    (1..=20).map(|n| f64::from(n) * 1e-12).collect()
}

/// Looks up a surrounded info-hash twice: without known nodes, and with those of the first lookup.
/// Returns the reports.
fn surrounded(
    sim: &mut Sim,
    shares: &[f64],
    known: f64,
    style: AttackStyle,
    seed: u64,
) -> Vec<LookupReport> {
    let hash = hashes(1, seed)[0];
    sim.world.eclipse(Eclipse {
        target: hash.0,
        shares: shares.to_vec(),
        known,
        style,
    });
    let before = sim.ended.len();
    for _ in 0..2 {
        sim.look_up(hash);
        assert!(sim.run(1, 5 * MINUTE), "a lookup never ended");
        sim.run(usize::MAX / 2, MINUTE);
    }
    sim.ended[before..].to_vec()
}

#[test]
fn twenty_nodes_in_twenty_networks_do_not_hide_a_swarm() {
    for style in [
        AttackStyle::Empty,
        AttackStyle::DeadEnds,
        AttackStyle::Invented,
        AttackStyle::Mute,
    ] {
        for known in [0.3, 1.0] {
            let mut sim = Sim::new(settings(), honest());
            sim.world.auto_peers(PEERS);
            for lookup in surrounded(&mut sim, &tight(), known, style, 9) {
                let case = format!("{style:?} {known} {:?}", lookup.diagnosis);
                let (recall, bogus) = sim.recall(&lookup);
                assert!(recall > 0.9, "{case}: {recall}");
                assert_eq!(bogus, 0, "{case}");
                // Unresponsive nodes may be skipped without being excluded.
                let is_doubted = lookup.diagnosis.doubted >= 4;
                assert!(is_doubted || style == AttackStyle::Mute, "{case}");
            }
        }
    }
}

/// An attacker that knows the size of the DHT spreads its ids as far as possible. While they are at
/// least ten times as dense as honest nodes, no lookup says that the swarm is empty. At five times
/// as dense, distances alone do not always tell the cluster from honest nodes.
#[test]
fn a_spread_cluster_does_not_make_a_swarm_look_empty() {
    let spreads = [0.02, 0.05, 0.1, 0.2];
    let (mut found, mut zeros) = (0, Vec::new());
    for (seed, spread) in (20..220).flat_map(|seed| spreads.map(|spread| (seed, spread))) {
        let mut sim = Sim::new(settings(), honest());
        sim.world.auto_peers(PEERS);
        let shares: Vec<f64> = (1..=20).map(|n| spread * f64::from(n) / 5_000.0).collect();
        for lookup in surrounded(&mut sim, &shares, 0.9, AttackStyle::Empty, seed) {
            let case = format!("{seed} {spread} {:?}", lookup.diagnosis);
            match &lookup.result {
                Ok(known) if known.peers.is_empty() => zeros.push((spread, case)),
                Ok(_) => found += 1,
                Err(reason) => assert_eq!(*reason, LookupError::Doubtful, "{case}"),
            }
        }
    }
    let dense = zeros.iter().filter(|(spread, _)| *spread < 0.2);
    assert_eq!(dense.count(), 0, "{zeros:?}");
    assert!(zeros.len() <= 2, "{} of 400 at 0.2: {zeros:?}", zeros.len());
    assert!(found >= 1_500, "{found} of 1600");
}

/// Before the size of the DHT is known, nothing is said to be empty: the first lookups of a process
/// may end early and measure nonsense.
#[test]
fn one_bad_measurement_does_not_hide_a_cluster() {
    for seed in [40, 62, 133, 163] {
        let mut sim = Sim::new(settings(), honest());
        sim.world.auto_peers(PEERS);
        for lookup in surrounded(&mut sim, &tight(), 0.9, AttackStyle::Empty, seed) {
            let found = lookup.result.map(|found| found.peers.len());
            assert_ne!(found, Ok(0), "{seed}");
        }
    }
}

/// No honest DHT raises an alarm, whether small or large, with dead nodes or over IPv6. Of empty
/// swarms, a few stay unknown because the nodes around them happen to lie close together.
#[test]
fn honest_nodes_are_not_excluded() {
    let (mut empty, mut unknown) = (0, 0);
    for (seed, nodes) in [(1, 10), (2, 30), (3, 50), (4, 200), (5, 3_000), (6, 60)] {
        for (family, dead) in [(Net::V4, 0.0), (Net::V6, 0.3)] {
            for peers in [0, PEERS] {
                let world = WorldSettings {
                    nodes,
                    dead,
                    loss: dead / 20.0,
                    family,
                    seed,
                    ..honest()
                };
                let lab = Settings {
                    require_distinct_subnets: nodes > 50,
                    ..settings()
                };
                let mut sim = Sim::new(lab, world);
                sim.world.auto_peers(peers);
                for hash in hashes(60, seed + 30) {
                    sim.look_up(hash);
                    assert!(sim.run(1, MINUTE), "a lookup never ended");
                }
                for lookup in &sim.ended {
                    let case = format!("{nodes} {family:?} {peers}: {:?}", lookup.diagnosis);
                    if peers == 0 && lookup.result == Err(LookupError::Doubtful) {
                        unknown += 1;
                        continue;
                    }
                    empty += usize::from(peers == 0);
                    assert_eq!(lookup.diagnosis.doubted, 0, "{case}");
                    if dead == 0.0 {
                        let found = lookup.result.as_ref().expect(&case);
                        let is_zero = found.estimate.is_some() && found.peers.is_empty();
                        assert_eq!(is_zero, peers == 0, "{case}");
                    }
                }
            }
        }
    }
    assert!(unknown * 50 <= empty, "{unknown} of {empty}");
}
