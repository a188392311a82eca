//! Tests that a local shortage of resources is not counted against trackers.

use super::*;

const TRACKER: &str = "http://a.example/announce";

/// Fails every probe until `until` with a local shortage of resources. Returns the times at which
/// probes over IPv4 left.
fn run_with_shortage(sim: &mut Sim, until: Mono) -> Vec<Mono> {
    let mut left = Vec::new();
    while let Some(at) = sim.engine.next_wake().filter(|at| *at <= until) {
        sim.step(at.max(sim.now.mono));
        let mut jobs = Vec::new();
        sim.engine.poll(at, &mut jobs);
        sim.engine.checks_due(at, &mut jobs);
        for job in jobs {
            if job.family == Family::Ipv4 {
                left.push(at);
            }
            let observation = Observation {
                tracker: job.tracker,
                family: job.family,
                report: job.request.failed(ProbeError::ours("too many open files")),
                stats: ProbeStats::default(),
            };
            sim.engine.absorb(observation, sim.now);
        }
    }
    sim.step(until);
    left
}

#[test]
fn a_probe_without_resources_is_not_counted_and_is_retried_after_five_seconds() {
    let list = vec![torrent(1, &[TRACKER], Privacy::Public)];
    let mut sim = Sim::new(&settings(list));
    let left = run_with_shortage(&mut sim, Mono(20_900));
    let seconds: Vec<u64> = left.iter().map(|at| at.0 / 1000).collect();
    assert_eq!(seconds, [0, 5, 10, 15, 20]);
    let snapshot = sim.engine.snapshot(sim.now);
    let tracker = snapshot.trackers[0].as_ref().unwrap();
    assert_eq!((tracker.requests, tracker.probes), (0, 0));
    assert_eq!(tracker.failures.iter().sum::<u64>(), 0);
    assert_eq!(tracker.up, [None; 2]);
    assert_eq!(snapshot.network_up, [None; 2]);
    assert_eq!(snapshot.schedule.in_flight[Source::Tracker], 0);
    assert_eq!(snapshot.rows().next().unwrap().announces[0].success, None);

    // A shortage does not change the health of a tracker that is up.
    sim.run(60, |_, label| !label.is_empty());
    let is_up = |sim: &mut Sim| {
        let snapshot = sim.engine.snapshot(sim.now);
        snapshot.trackers[0].as_ref().unwrap().up[0]
    };
    assert_eq!(is_up(&mut sim), Some(true));
    let next = sim.now.mono.after(Duration::from_secs(2000));
    let left = run_with_shortage(&mut sim, next);
    assert!(left.len() > 10, "{left:?}");
    assert_eq!(is_up(&mut sim), Some(true));
}
