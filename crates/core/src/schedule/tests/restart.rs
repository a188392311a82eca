//! Tests of the saved schedule: the state that a restart keeps, and the state that it discards.

use proptest::prelude::*;

use super::*;
use crate::saved::append;
use seedwatch_clock::{Now, Unix};
use seedwatch_tracker::StoppedList;

/// Unix time at which the first process starts.
const START: u64 = 1_800_000_000;

/// Returns both clocks of a process that started at `start`.
fn at(start: u64, mono: Mono) -> Now {
    Now {
        mono,
        unix: Unix(start + mono.0 / 1000),
    }
}

impl Sim {
    /// Restarts the process `pause` seconds after its state was saved. The monotonic clock of the
    /// new process starts at zero.
    pub(super) fn restart(&self, pause: u64, torrents: &[Torrent]) -> Sim {
        let (saved, start) = (at(START, self.now), START + self.now.0 / 1000 + pause);
        let mut bytes = Vec::new();
        self.schedule.encode(&self.roster, saved, &mut bytes);
        Sim::restored(&bytes, start, torrents)
    }

    fn restored(bytes: &[u8], start: u64, torrents: &[Torrent]) -> Sim {
        let mut sim = Sim::new(policy(), &[]);
        sim.schedule.restore(bytes, at(start, Mono(0))).unwrap();
        sim.configure(torrents);
        sim
    }

    fn minutes(&self) -> Vec<u64> {
        self.announces().iter().map(|at| at.0 / MINUTE).collect()
    }
}

fn refuse(job: &Job, reason: FailureReason, retry: Retry) -> Report {
    let failed = ProbeError {
        retry: Some(retry),
        ..ProbeError::new(reason, "no")
    };
    fail(job, failed)
}

#[test]
fn a_tracker_that_was_down_gets_one_probe_per_interval() {
    let many = torrents(10_000, PUBLIC);
    let mut sim = Sim::new(policy(), &many);
    sim.run(Mono(40 * MINUTE), 15_000, |_, job| silence(job));
    let mut again = sim.restart(60, &many);
    again.run(Mono(100 * MINUTE), 15_000, |_, job| silence(job));
    // The first probe leaves at once, so that the metrics know the health. The second follows after
    // the delay of a tracker that has failed for long.
    assert_eq!(again.minutes(), [0, 60]);

    // After seven hours the saved health has expired.
    let mut later = sim.restart(7 * 3600, &many);
    later.run(Mono(2 * MINUTE), 1000, |_, job| silence(job));
    assert_eq!(
        later.announces().len(),
        2,
        "two failures, as for an unknown tracker"
    );
}

#[test]
fn all_torrents_of_a_recovered_tracker_are_probed_after_a_restart() {
    let many = torrents(1000, PUBLIC);
    let mut sim = Sim::new(policy(), &many);
    sim.run(Mono(40 * MINUTE), 15_000, |_, job| silence(job));
    let mut again = sim.restart(60, &many);
    again.run(Mono(2 * MINUTE), 50, |_, job| answer(job));
    assert_eq!(again.announces().len(), 1000);
}

#[test]
fn restored_health_counts_as_changed_with_the_first_report() {
    let one = torrents(1, PUBLIC);
    let mut sim = Sim::new(policy(), &one);
    sim.run(Mono(MINUTE), 1000, |_, job| silence(job));
    let mut again = sim.restart(60, &one);
    let mut jobs = Vec::new();
    again.schedule.poll(&again.roster, Mono(0), &mut jobs);
    let job = jobs.iter().find(|job| job.family == Family::Ipv4).unwrap();
    let observation = Observation {
        tracker: job.tracker,
        family: job.family,
        report: silence(job),
        stats: ProbeStats::default(),
    };
    let health_change = again
        .schedule
        .finish(&again.roster, &observation, Mono(1000));
    // The swarms of this process have no reports yet, and one more failure confirms the health.
    assert_eq!(
        health_change,
        HealthChange {
            health: Health::Down,
            changed: true,
            is_confirmed: true
        }
    );
}

#[test]
fn a_tracker_that_was_up_starts_like_a_new_tracker() {
    let many = torrents(500, PUBLIC);
    let mut sim = Sim::new(policy(), &many);
    sim.run(Mono(MINUTE), 50, |_, job| answer(job));
    let mut again = sim.restart(5, &many);
    let mut fresh = Sim::new(policy(), &many);
    for sim in [&mut again, &mut fresh] {
        sim.run(Mono(MINUTE), 50, |_, job| answer(job));
    }
    assert_eq!(again.announces(), fresh.announces());
    // If the tracker fails after the restart, it gets as few probes as any silent tracker.
    let mut dead = sim.restart(5, &many);
    dead.run(Mono(25 * MINUTE), 1000, |_, job| silence(job));
    assert_eq!(dead.announces().len(), 2);
}

#[test]
fn a_rate_limit_survives_a_restart() {
    let many = torrents(10, PUBLIC);
    let mut sim = Sim::new(policy(), &many);
    let two_hours = Retry::After(Duration::from_secs(7200));
    let limited = |job: &Job| refuse(job, FailureReason::RateLimited, two_hours);
    sim.run(Mono(MINUTE), 50, |_, job| limited(job));
    let mut again = sim.restart(600, &many);
    again.run(Mono(MINUTE), 50, |_, job| answer(job));
    assert_eq!(
        again.schedule.overdue(Mono(MINUTE)).0,
        0,
        "rate-limited probes are not overdue"
    );
    again.run(Mono(240 * MINUTE), 50, |_, job| answer(job));
    // 120 minutes, less one minute before the restart and ten minutes of downtime.
    assert_eq!(again.minutes()[0], 109);
    // If the clock went back by a year, probes are neither earlier nor much later.
    let mut bytes = Vec::new();
    let saved = at(START, sim.now);
    sim.schedule.encode(&sim.roster, saved, &mut bytes);
    let mut back = Sim::restored(&bytes, START - 365 * 86_400, &many);
    back.run(Mono(240 * MINUTE), 50, |_, job| answer(job));
    assert_eq!(back.minutes()[0], 119);
}

#[test]
fn a_denial_of_contact_survives_a_restart() {
    let many = torrents(10, PUBLIC);
    let mut sim = Sim::new(policy(), &many);
    sim.run(Mono(MINUTE), 50, |_, job| {
        fail(job, ProbeError::new(FailureReason::Denied, "BEP 34"))
    });
    assert_eq!(sim.announces().len(), 1);
    let mut again = sim.restart(3600, &many);
    let (tracker, family) = (TrackerId(0), Family::Ipv4);
    assert_eq!(
        again.schedule.closed().collect::<Vec<_>>(),
        [(tracker, family)]
    );
    assert!(!again.schedule.may_contact(tracker));
    again.run(Mono(24 * 60 * MINUTE), 50, |_, job| answer(job));
    assert_eq!(again.minutes()[0], 22 * 60 + 59);
    // The denial also survives a run without the tracker in the configuration.
    let without = sim.restart(3600, &[]);
    let mut with = without.restart(3600, &many);
    with.run(Mono(24 * 60 * MINUTE), 50, |_, job| answer(job));
    assert_eq!(with.minutes()[0], 22 * 60 - 1);
    // An unsupported scheme is not a denial of contact.
    let websocket = torrents(1, "ws://tracker.example:80/announce");
    let mut sim = Sim::new(policy(), &websocket);
    sim.run(Mono(MINUTE), 50, |_, job| {
        fail(job, ProbeError::new(FailureReason::Unsupported, ""))
    });
    assert_eq!(sim.restart(0, &websocket).schedule.closed().count(), 0);
}

#[test]
fn a_rejected_torrent_keeps_its_delay_after_a_restart() {
    let two = torrents(2, PUBLIC);
    let rejected = two[0].hashes.wire().next().unwrap();
    let mut sim = Sim::new(policy(), &two);
    let day = Retry::After(Duration::from_secs(86_400));
    let reply = |job: &Job| match &job.request {
        Request::Announce { info_hash, .. } if *info_hash == rejected => {
            refuse(job, FailureReason::Rejected, day)
        }
        _ => answer(job),
    };
    sim.run(Mono(MINUTE), 50, |_, job| reply(job));
    let announces_of = |sim: &Sim, wanted: InfoHash| -> Vec<u64> {
        let asked = sim.sent.iter().filter(|(_, request)| match request {
            Request::Announce { info_hash, .. } => *info_hash == wanted,
            Request::Scrape { .. } => false,
        });
        asked.map(|(at, _)| at.0 / MINUTE).collect()
    };
    let mut again = sim.restart(3600, &two);
    again.run(Mono(20 * MINUTE), 50, |_, job| answer(job));
    assert_eq!(
        again.announces().len(),
        1,
        "only the other torrent is announced"
    );
    // The delay survives a second restart after a run without the torrent.
    let without = sim.restart(3600, &two[1..]);
    let mut third = without.restart(3600, &two);
    third.run(Mono(24 * 60 * MINUTE), 50, |_, job| answer(job));
    assert_eq!(announces_of(&third, rejected)[0], 22 * 60 - 1);
    // A tracker without answers in this process does not shorten the delay.
    let mut alone = sim.restart(3600, &two[..1]);
    alone.run(Mono(24 * 60 * MINUTE), 50, |_, job| silence(job));
    assert_eq!(announces_of(&alone, rejected)[0], 22 * 60 + 59);
}

#[test]
fn the_learned_strategy_and_interval_survive_a_restart() {
    let one = torrents(1, PUBLIC);
    let mut sim = Sim::new(policy(), &one);
    let brief = || AnnounceResponse {
        stopped_list: StoppedList::Missing,
        interval: Some(Duration::from_secs(3600)),
        ..AnnounceResponse::default()
    };
    sim.run(Mono(MINUTE), 50, |_, job| match &job.request {
        Request::Scrape { .. } => fail(
            job,
            ProbeError::new(FailureReason::Unsupported, "no scrape"),
        ),
        Request::Announce { .. } => answer_with(job, brief()),
    });
    assert!(
        sim.sent
            .iter()
            .any(|(_, request)| matches!(request, Request::Scrape { .. }))
    );
    let mut again = sim.restart(60, &one);
    again.run(Mono(100 * MINUTE), 50, |_, job| answer(job));
    let strategies: Vec<AnnounceStrategy> = again
        .sent
        .iter()
        .filter_map(|(_, request)| match request {
            Request::Announce { strategy, .. } => Some(*strategy),
            Request::Scrape { .. } => None,
        })
        .collect();
    // The interval of one hour is restored, too: answers of this process contain no interval.
    assert_eq!(
        strategies,
        [AnnounceStrategy::StartThenStop; 2],
        "{:?}",
        again.minutes()
    );
    assert_eq!(again.sent.len(), 2, "unsupported scrapes are not repeated");
}

#[test]
fn the_saved_state_contains_no_passkey() {
    let secret = torrents(
        3,
        "http://tracker.example/0123456789abcdef/announce?key=hunter2",
    );
    let mut sim = Sim::new(policy(), &secret);
    sim.run(Mono(MINUTE), 50, |_, job| silence(job));
    let mut bytes = Vec::new();
    sim.schedule
        .encode(&sim.roster, at(START, sim.now), &mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("http://tracker.example:80"), "{text}");
    assert!(!text.contains("0123456789abcdef") && !text.contains("hunter2"));
}

#[test]
fn a_truncated_or_invalid_state_is_rejected() {
    let mut sim = Sim::new(policy(), &torrents(2, PUBLIC));
    sim.run(Mono(MINUTE), 50, |_, job| silence(job));
    let mut bytes = Vec::new();
    let now = at(START, sim.now);
    sim.schedule.encode(&sim.roster, now, &mut bytes);
    // The time of saving alone is a state without trackers.
    let mut head = Vec::new();
    append(&now.unix.0, &mut head);
    for end in (0..bytes.len()).filter(|end| *end != head.len()) {
        let outcome = Schedule::new(policy()).restore(&bytes[..end], now);
        assert_eq!(outcome, Err(DecodeError), "{end}");
    }
    // An invalid address family.
    bytes[head.len() + 1 + PUBLIC.len() - "/announce".len()] = 2;
    assert_eq!(
        Schedule::new(policy()).restore(&bytes, now),
        Err(DecodeError)
    );
}

proptest! {
    #[test]
    fn restore_never_panics(
        mut bytes: Vec<u8>, mono: u64, unix: u64, at: u8, byte: u8, whole: bool,
    ) {
        if whole {
            let mut sim = Sim::new(policy(), &torrents(2, PUBLIC));
            sim.run(Mono(MINUTE), 50, |_, job| silence(job));
            bytes.clear();
            sim.schedule.encode(&sim.roster, super::restart::at(START, sim.now), &mut bytes);
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte;
        }
        let now = Now { mono: Mono(mono), unix: Unix(unix) };
        let mut schedule = Schedule::new(policy());
        if schedule.restore(&bytes, now).is_ok() {
            let mut again = Vec::new();
            schedule.encode(&Roster::default(), now, &mut again);
            prop_assert!(schedule.restore(&again, now).is_ok());
        }
    }
}
