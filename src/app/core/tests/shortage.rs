//! A lack of our own resources is nobody else's failure.

use super::*;

const TRACKER: &str = "http://a.example/announce";

/// Ends all probes for want of resources, as often as they come up to a time. Returns when they
/// left over IPv4.
fn lack(sim: &mut Sim, until: Mono) -> Vec<Mono> {
    let mut left = Vec::new();
    while let Some(at) = sim.core.next_wake().filter(|at| *at <= until) {
        sim.step(at.max(sim.now.mono));
        let mut jobs = Vec::new();
        sim.core.poll(at, &mut jobs);
        sim.core.looks_due(at, &mut jobs);
        for job in jobs {
            if job.family == Family::Ipv4 {
                left.push(at);
            }
            let observation = Observation {
                tracker: job.tracker,
                family: job.family,
                report: job.ask.failed(Failed::ours("too many open files")),
                exchange: Exchange::default(),
            };
            sim.core.absorb(observation, sim.now);
        }
    }
    sim.step(until);
    left
}

#[test]
fn a_probe_without_resources_is_not_counted_and_tried_again_soon() {
    let list = vec![torrent(1, &[TRACKER], Privacy::Public)];
    let mut sim = Sim::new(&config(list));
    let left = lack(&mut sim, Mono(20_900));
    let seconds: Vec<u64> = left.iter().map(|at| at.0 / 1000).collect();
    assert_eq!(seconds, [0, 5, 10, 15, 20]);
    let row = sim.core.snapshot(sim.now);
    let tracker = row.trackers[0].as_ref().unwrap();
    assert_eq!((tracker.requests, tracker.probes), (0, 0));
    assert_eq!(tracker.failures.iter().sum::<u64>(), 0);
    assert_eq!(tracker.up, [None; 2]);
    assert_eq!(row.network_up, [None; 2]);
    assert_eq!(row.schedule.in_flight[Source::Tracker.index()], 0);
    assert_eq!(row.rows().next().unwrap().announces[0].success, None);

    // A tracker that is up stays up.
    sim.run(60, |_, label| !label.is_empty());
    let is_up = |sim: &mut Sim| {
        let row = sim.core.snapshot(sim.now);
        row.trackers[0].as_ref().unwrap().up[0]
    };
    assert_eq!(is_up(&mut sim), Some(true));
    let next = sim.now.mono.after(Duration::from_secs(2000));
    let left = lack(&mut sim, next);
    assert!(left.len() > 10, "{left:?}");
    assert_eq!(is_up(&mut sim), Some(true));
}
