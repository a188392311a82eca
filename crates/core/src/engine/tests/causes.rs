//! Causes that several torrents share, through the whole engine.

use super::*;
use crate::snapshot::Cause;

/// Answers the probes of tracker A with failures, all others with peers, for some hours.
fn run(sim: &mut Sim, hours: u64) -> Snapshot {
    let until = sim.now.mono.0 + hours * 3_600_000;
    loop {
        let mut jobs = Vec::new();
        sim.engine.poll(sim.now.mono, &mut jobs);
        for job in jobs {
            let tracker = sim.engine.tracker(job.tracker).unwrap();
            let is_up = !tracker.label().contains("//a.example");
            sim.engine.absorb(report(&job, is_up), sim.now);
        }
        let snapshot = sim.snapshot();
        if sim.now.mono.0 >= until {
            return snapshot;
        }
        sim.step(Mono(sim.now.mono.0 + 60_000));
    }
}

#[test]
fn a_failing_tracker_is_told_once_with_the_torrents_that_it_strands() {
    let settings = settings(vec![
        torrent(1, &[A], Privacy::Public),
        torrent(2, &[A], Privacy::Public),
        torrent(3, &[A, B], Privacy::Public),
        torrent(4, &[B], Privacy::Public),
    ]);
    let mut sim = Sim::new(&settings);
    let mut snapshot = run(&mut sim, 3);
    let [Cause::TrackerDown { tracker, torrents }] = &snapshot.causes[..] else {
        panic!("{:?}", snapshot.causes);
    };
    assert!(tracker.contains("//a.example"), "{tracker}");
    assert_eq!(*torrents, 2, "the third torrent has another tracker");
    assert_eq!(
        snapshot.causes[0].sentence(),
        format!(
            "{tracker} is down, and 2 torrents have no other tracker that gives a valid answer."
        )
    );
    let many = Cause::TrackerDown {
        tracker: tracker.clone(),
        torrents: 1111,
    };
    assert!(many.sentence().contains(" 1,111 torrents "));
    let one = Cause::TrackerDown {
        tracker: tracker.clone(),
        torrents: 1,
    };
    assert!(one.sentence().contains("1 torrent has no other tracker"));
    // An outage of our own explains the rest; a lost family does not.
    snapshot.network_up = [Some(false), None];
    assert_eq!(Cause::of(&snapshot), [Cause::Outage]);
    snapshot.network_up = [Some(true), Some(false)];
    let causes = Cause::of(&snapshot);
    assert_eq!(causes[0], Cause::FamilyLost(Family::Ipv6));
    assert_eq!(causes.len(), 2);
}

/// Has tracker A refuse all its torrents, and others answer, for some hours.
fn refuse(sim: &mut Sim, hours: u64) -> Snapshot {
    let until = sim.now.mono.0 + hours * 3_600_000;
    while sim.now.mono.0 < until {
        let mut jobs = Vec::new();
        sim.engine.poll(sim.now.mono, &mut jobs);
        for job in jobs {
            let tracker = sim.engine.tracker(job.tracker).unwrap();
            let refuses = tracker.label().contains("//a.example");
            let mut report = report(&job, true);
            if let (true, Report::Announce { result, .. }) = (refuses, &mut report.report) {
                let text = "Requested download is not authorized";
                *result = Err(ProbeError::new(FailureReason::Rejected, text));
            }
            sim.engine.absorb(report, sim.now);
        }
        sim.step(Mono(sim.now.mono.0 + 60_000));
    }
    sim.snapshot()
}

#[test]
fn a_refusing_tracker_is_told_with_its_torrents_and_message() {
    let settings = settings(vec![
        torrent(1, &[A], Privacy::Public),
        torrent(2, &[A, B], Privacy::Public),
        torrent(3, &[B], Privacy::Public),
        torrent(4, &[A], Privacy::Consented),
    ]);
    let mut snapshot = refuse(&mut Sim::new(&settings), 1);
    let [
        Cause::TrackerRefuses {
            tracker,
            torrents: 2,
            message,
        },
    ] = &snapshot.causes[..]
    else {
        panic!("{:?}", snapshot.causes);
    };
    assert!(tracker.contains("//a.example"), "{tracker}");
    assert_eq!(&**message, "Requested download is not authorized");
    assert_eq!(
        snapshot.causes[0].sentence(),
        format!("{tracker} refuses 2 torrents.")
    );
    assert_eq!(snapshot.causes[0].as_label(), "tracker_refuses");
    // One cause is told once.
    snapshot.network_up = [Some(false); 2];
    assert_eq!(Cause::of(&snapshot), [Cause::Outage]);
    snapshot.network_up = [Some(true); 2];
    for row in snapshot.trackers.iter_mut().flatten() {
        Arc::make_mut(row).up = [Some(false); 2];
    }
    let causes = Cause::of(&snapshot);
    let refuses = |cause: &Cause| matches!(cause, Cause::TrackerRefuses { .. });
    assert!(!causes.iter().any(refuses), "{causes:?}");
}

#[test]
fn no_snapshot_has_more_than_a_hundred_causes() {
    let urls: Vec<_> = (0..120)
        .map(|n| format!("http://a.example:{}/announce", 1000 + n))
        .collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    // The answers of another tracker show that our network works.
    let mut sim = Sim::new(&settings(vec![
        torrent(1, &urls, Privacy::Public),
        torrent(2, &[B], Privacy::Public),
    ]));
    assert_eq!(run(&mut sim, 3).causes.len(), Cause::MAX);
}
