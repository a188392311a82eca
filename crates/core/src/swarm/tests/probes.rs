//! The counters of probes and failures of a tracker.

use super::*;

fn counts(world: &World) -> (u64, u64) {
    let trackers = world.swarms.tracker_rows(&world.roster, world.now);
    let tracker = trackers[0].as_ref().unwrap();
    (tracker.probes, tracker.failures.iter().sum())
}

#[test]
fn failures_never_exceed_probes() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO[..1])]);
    let id = world.announce(0, 0);
    let failed = |reason| Err(ProbeError::new(reason, ""));
    assert_eq!(counts(&world), (0, 0));

    world.list(id, &["1.1.1.1"]);
    assert_eq!(counts(&world), (1, 0), "an answer");
    world.fail(id, Health::Up, FailureReason::Rejected);
    assert_eq!(counts(&world), (2, 1), "a refusal");

    // A host without an address and a tracker without scrape support count as neither.
    let report = Report::NoAddress { ids: vec![id] };
    world.report(Family::Ipv6, Health::Absent, report);
    let report = Report::Scrape {
        ids: vec![id],
        result: Err(ProbeError::new(FailureReason::Unsupported, "")),
    };
    world.report(Family::Ipv4, Health::Up, report);
    assert_eq!(counts(&world), (2, 1));

    for (number, reason) in (1..).zip(FailureReason::ALL) {
        let result = failed(reason);
        world.report(Family::Ipv4, Health::Down, Report::Announce { id, result });
        assert_eq!(counts(&world), (2 + number, 1 + number), "{reason}");
    }
}
