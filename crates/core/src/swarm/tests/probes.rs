//! The counters of probes and failures of a tracker, and when a torrent was last probed.

use super::*;

fn counts(world: &World) -> (u64, u64) {
    let trackers = world
        .swarms
        .tracker_rows(&world.roster, world.now, |_| None);
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

#[test]
fn a_row_says_when_the_latest_probe_ended_answered_or_not() {
    let mut world = World::new(&[torrent("t", v1(1), &TWO)]);
    let (first, second) = (world.announce(0, 0), world.announce(0, 1));
    let ended = |world: &mut World| {
        let row = world.row(0);
        [0, 1].map(|at| {
            row.announces[at]
                .last_probe
                .get()
                .map(|at| at.0 - 1_700_000_000)
        })
    };
    assert_eq!(ended(&mut world), [None, None]);
    world.advance(60);
    world.list(first, &["1.1.1.1"]);
    world.advance(60);
    world.fail(second, Health::Up, FailureReason::Rejected);
    assert_eq!(ended(&mut world), [Some(60), Some(120)]);
    world.advance(600);
    world.fail(first, Health::Up, FailureReason::Timeout);
    assert_eq!(ended(&mut world), [Some(720), Some(120)]);
    // The wall clock was not set: it is not known when that was.
    world.now.unix = Unix(30);
    world.list(second, &["1.1.1.2"]);
    assert_eq!(ended(&mut world)[1], None);
}
