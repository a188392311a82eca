//! Tests of the DHT beside trackers and as the only source.

use super::*;
use crate::snapshot::Cause;
use crate::verdict::Reason;
use seedwatch_dht::{DhtStatus, FoundPeers, LookupError, LookupStats};
use seedwatch_torrent::{Host, Peers};

fn with_dht(torrents: Vec<Torrent>) -> Settings {
    let mut settings = settings(torrents);
    settings.dht.enabled = true;
    settings
}

fn lookup(hash: u8, family: Family, result: Result<FoundPeers, LookupError>) -> DhtReport {
    DhtReport::Lookups(vec![LookupReport {
        info_hash: InfoHash([hash; 20]),
        family,
        result,
        diagnosis: LookupStats {
            queries: 9,
            duration: Duration::from_secs(5),
            ..LookupStats::default()
        },
    }])
}

fn one_peer() -> Result<FoundPeers, LookupError> {
    let mut peers = Peers::default();
    peers.push("1.1.1.9".parse().unwrap(), 6881);
    Ok(FoundPeers {
        peers,
        estimate: None,
    })
}

impl Sim {
    fn absorb_dht(&mut self, report: DhtReport) {
        self.engine.absorb_dht(report, self.now);
    }

    /// Runs until a time in seconds while no tracker and no canary answers.
    fn run_in_silence(&mut self, until: u64) {
        self.run(until, |_, _| false);
    }
}

#[test]
fn only_public_torrents_are_looked_up() {
    let torrents = [Privacy::Public, Privacy::Consented, Privacy::LeftAlone];
    let torrents = (1..).zip(torrents).map(|(n, p)| torrent(n, &[A], p));
    let mut settings = with_dht(torrents.collect());
    let mut sim = Sim::new(&settings);
    assert_eq!(**sim.engine.dht_hashes(), [InfoHash([1; 20])]);
    settings.dht.enabled = false;
    sim.engine.reload(&settings, sim.now);
    assert!(sim.engine.dht_hashes().is_empty());
    sim.absorb_dht(lookup(1, Family::Ipv4, one_peer()));
    let snapshot = sim.snapshot();
    assert!(snapshot.dht.is_none());
    assert_eq!(snapshot.row(0).unwrap().source_peers, [Count::UNKNOWN; 2]);
}

#[test]
fn a_successful_lookup_is_evidence_of_connectivity() {
    let mut sim = Sim::new(&with_dht(vec![torrent(1, &[A], Privacy::Public)]));
    sim.step(Mono(1_000));
    sim.absorb_dht(lookup(1, Family::Ipv4, one_peer()));
    let snapshot = sim.snapshot();
    assert_eq!(snapshot.network_up, [Some(true), None]);
    let row = snapshot.row(0).unwrap();
    assert_eq!(row.source_peers.map(Count::get), [Some(1), None]);
    assert_eq!(row.peers.map(Count::get), [Some(1), None]);
}

#[test]
fn answers_of_local_nodes_are_no_evidence_of_connectivity() {
    let mut settings = with_dht(vec![torrent(1, &[A], Privacy::Public)]);
    settings.dht.bootstrap = vec![(Host::Ip("127.0.0.1".parse().unwrap()), 6881)];
    let mut sim = Sim::new(&settings);
    sim.absorb_dht(lookup(1, Family::Ipv4, one_peer()));
    assert_eq!(sim.snapshot().network_up, [None; 2]);
    settings.accept = Accept::Any;
    let mut lab = Sim::new(&settings);
    lab.absorb_dht(lookup(1, Family::Ipv4, one_peer()));
    assert_eq!(lab.snapshot().network_up[0], Some(true));
}

#[test]
fn a_failed_lookup_counts_only_after_the_canary_check() {
    for alive in [true, false] {
        let mut sim = Sim::new(&with_dht(vec![torrent(1, &[], Privacy::Public)]));
        sim.step(Mono(10_000));
        sim.absorb_dht(lookup(1, Family::Ipv4, Err(LookupError::Timeout)));
        let held = sim.snapshot();
        assert_eq!(held.row(0).unwrap().probe_success, [None; 2]);
        let mut jobs = Vec::new();
        let checks = sim.engine.checks_due(sim.now.mono, &mut jobs);
        assert!(checks.contains(&Family::Ipv4));
        sim.engine.check_ended(Family::Ipv4, Some(alive), sim.now);
        let snapshot = sim.snapshot();
        let row = snapshot.row(0).unwrap();
        assert_eq!(row.probe_success[Source::Dht], alive.then_some(false));
        assert_eq!(
            row.peers,
            [Count::UNKNOWN; 2],
            "a failure is not a count of zero"
        );
        assert_eq!(snapshot.network_up[0], Some(alive));
        assert_eq!(sim.engine.is_dht_paused(Family::Ipv4, sim.now.mono), !alive);
    }
}

#[test]
fn a_failed_lookup_counts_at_once_after_recent_success() {
    let mut sim = Sim::new(&with_dht(vec![
        torrent(1, &[], Privacy::Public),
        torrent(2, &[], Privacy::Public),
    ]));
    sim.step(Mono(10_000));
    sim.absorb_dht(lookup(1, Family::Ipv4, one_peer()));
    sim.step(Mono(12_000));
    sim.absorb_dht(lookup(2, Family::Ipv4, Err(LookupError::Timeout)));
    let success =
        |snapshot: Snapshot, index| snapshot.row(index).unwrap().probe_success[Source::Dht];
    assert_eq!(success(sim.snapshot(), 1), Some(false));
    assert_eq!(success(sim.snapshot(), 0), Some(true));
}

#[test]
fn dht_results_expire_after_one_and_a_half_intervals() {
    let mut settings = with_dht(vec![torrent(1, &[], Privacy::Public)]);
    settings.dht.interval = Duration::from_secs(6 * 3600);
    let mut sim = Sim::new(&settings);
    sim.absorb_dht(lookup(1, Family::Ipv4, one_peer()));
    let known = |sim: &mut Sim| sim.snapshot().row(0).unwrap().peers[0].get();
    sim.run_in_silence(9 * 3600 - 1);
    assert_eq!(known(&mut sim), Some(1));
    sim.run_in_silence(9 * 3600 + 1);
    assert_eq!(known(&mut sim), None);
}

#[test]
fn the_dht_status_hides_our_external_address() {
    let mut sim = Sim::new(&with_dht(vec![torrent(1, &[A], Privacy::Public)]));
    let status = DhtStatus {
        up: Some(true),
        nodes: 7,
        external_ip: Some("1.1.1.9".parse().unwrap()),
        in_flight: 3,
        overdue: 5,
        lag: Duration::from_secs(40),
        ..DhtStatus::default()
    };
    sim.absorb_dht(DhtReport::Status([Some(status), None]));
    sim.absorb_dht(lookup(1, Family::Ipv4, one_peer()));
    let snapshot = sim.snapshot();
    let shown = snapshot.dht.unwrap().families;
    assert_eq!((shown[0].unwrap().nodes, shown[1]), (7, None));
    assert_eq!(shown[0].unwrap().external_ip, None);
    assert_eq!(snapshot.schedule.in_flight[Source::Dht], 3);
    assert!(snapshot.schedule.overdue >= 5);
    assert_eq!(snapshot.schedule.lag, Duration::from_secs(40));
    // The peer has the reported external address, but nodes may report any address.
    let row = snapshot.row(0).unwrap();
    assert_eq!(row.source_peers[Source::Dht].get(), Some(1));
    assert_eq!(snapshot.peers_rejected, [0; 4]);
}

#[test]
fn a_family_without_connectivity_is_not_a_failure() {
    let mut sim = Sim::new(&with_dht(vec![torrent(1, &[], Privacy::Public)]));
    let silent = Some(DhtStatus {
        up: Some(false),
        ..DhtStatus::default()
    });
    sim.absorb_dht(DhtReport::Status([silent; 2]));
    sim.step(Mono(10_000));
    sim.absorb_dht(lookup(1, Family::Ipv6, Err(LookupError::Timeout)));
    let up = |sim: &mut Sim| sim.snapshot().dht.unwrap().families.map(|f| f.unwrap().up);
    assert_eq!(
        up(&mut sim),
        [None; 2],
        "the cause of the silence is unknown"
    );
    // IPv4 works, and no canary has an IPv6 address.
    sim.engine.check_ended(Family::Ipv4, Some(true), sim.now);
    sim.engine.check_ended(Family::Ipv6, None, sim.now);
    let snapshot = sim.snapshot();
    assert_eq!(snapshot.row(0).unwrap().probe_success, [None; 2]);
    assert_eq!(snapshot.network_up, [Some(true), None]);
    assert_eq!(up(&mut sim), [Some(false), None]);
}

#[test]
fn a_silent_dht_is_one_cause_and_is_reported_once_per_outage() {
    let mut sim = Sim::new(&with_dht(vec![torrent(1, &[], Privacy::Public)]));
    let status = |up| {
        let up = Some(up);
        let status = DhtStatus {
            up,
            ..DhtStatus::default()
        };
        DhtReport::Status([Some(status), None])
    };
    let seen = |sim: &mut Sim| {
        let causes = sim.snapshot().causes;
        let mut changes = sim.engine.take_notices();
        changes.retain(|notice| matches!(notice, Notice::Dht { .. }));
        (causes, changes)
    };
    let change = |is_up| Notice::Dht {
        family: Family::Ipv4,
        is_up,
    };
    sim.absorb_dht(status(false));
    assert_eq!(
        seen(&mut sim),
        (vec![], vec![]),
        "our own network may be down"
    );
    sim.engine.check_ended(Family::Ipv4, Some(true), sim.now);
    let silent = vec![Cause::DhtSilent];
    assert_eq!(seen(&mut sim), (silent.clone(), vec![change(false)]));
    assert_eq!(
        seen(&mut sim),
        (silent.clone(), vec![]),
        "it is reported once"
    );
    sim.absorb_dht(status(true));
    assert_eq!(seen(&mut sim), (vec![], vec![change(true)]));
    sim.absorb_dht(status(false));
    assert_eq!(seen(&mut sim), (silent, vec![change(false)]));
}

#[test]
fn a_dht_without_a_node_to_query_is_a_cause_once_torrents_suffer() {
    let mut sim = Sim::new(&with_dht(vec![torrent(1, &[], Privacy::Public)]));
    sim.engine.check_ended(Family::Ipv4, Some(true), sim.now);
    for minute in (0..600).step_by(15) {
        sim.step(Mono(minute * 60_000));
        sim.engine.check_ended(Family::Ipv4, Some(true), sim.now);
        sim.absorb_dht(lookup(1, Family::Ipv4, Err(LookupError::Timeout)));
        sim.snapshot();
    }
    sim.absorb_dht(DhtReport::Status([Some(DhtStatus::default()), None]));
    let snapshot = sim.snapshot();
    let reason = snapshot.row(0).unwrap().verdict.reason;
    assert_eq!(reason, Reason::DhtSilent);
    assert_eq!(snapshot.causes, [Cause::DhtSilent]);
}

#[test]
fn without_canaries_the_dht_ends_an_outage() {
    let mut sim = Sim::new(&with_dht(vec![torrent(1, &[], Privacy::Public)]));
    sim.absorb_dht(lookup(1, Family::Ipv4, one_peer()));
    sim.step(Mono(100_000));
    sim.absorb_dht(lookup(1, Family::Ipv4, Err(LookupError::Timeout)));
    // No canary has an IPv4 address.
    sim.engine.check_ended(Family::Ipv4, None, sim.now);
    assert_eq!(sim.snapshot().network_up[0], Some(false));
    let is_paused = |sim: &Sim| sim.engine.is_dht_paused(Family::Ipv4, sim.now.mono);
    assert!(is_paused(&sim));
    sim.step(Mono(130_000));
    let checks = sim.engine.checks_due(sim.now.mono, &mut Vec::new());
    assert!(checks.contains(&Family::Ipv4) && !is_paused(&sim));
    sim.step(Mono(140_000));
    assert!(is_paused(&sim), "the trial period is over");
    sim.absorb_dht(lookup(1, Family::Ipv4, one_peer()));
    assert_eq!(sim.snapshot().network_up[0], Some(true));
    assert!(!is_paused(&sim));
}

#[test]
fn a_low_packet_rate_lengthens_the_expiry_of_dht_results() {
    let mut settings = with_dht(vec![torrent(1, &[], Privacy::Public)]);
    // The packet rate allows one hash per 20 s: a round takes twice the interval.
    settings.dht.interval = Duration::from_secs(10);
    settings.dht.time_per_hash = Duration::from_secs(20);
    settings.stale_after = Duration::from_secs(5);
    let mut sim = Sim::new(&settings);
    sim.absorb_dht(lookup(1, Family::Ipv4, one_peer()));
    let known = |sim: &mut Sim| sim.snapshot().row(0).unwrap().peers[0].get();
    sim.step(Mono(29_000));
    assert_eq!(known(&mut sim), Some(1));
    sim.step(Mono(31_000));
    assert_eq!(known(&mut sim), None);
}
