//! What survives a restart, and what must not.

use proptest::prelude::*;

use super::*;
use seedwatch_clock::{Now, Unix};
use seedwatch_tracker::StoppedList;

/// When the process starts.
const START: u64 = 1_800_000_000;

/// A reading of both clocks of a process.
fn at(start: u64, mono: Mono) -> Now {
    Now {
        mono,
        unix: Unix(start + mono.0 / 1000),
    }
}

impl Sim {
    /// Restarts the process `pause` seconds after it was saved. Its monotonic clock starts at zero.
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
fn one_that_was_down_gets_one_probe_a_round() {
    let many = torrents(10_000, PUBLIC);
    let mut sim = Sim::new(policy(), &many);
    sim.run(Mono(40 * MINUTE), 15_000, |_, job| silence(job));
    let mut again = sim.restart(60, &many);
    again.run(Mono(100 * MINUTE), 15_000, |_, job| silence(job));
    // At once, so that it can be shown; then as slowly as one that failed for long.
    assert_eq!(again.minutes(), [0, 60]);

    // Nobody believes it for long.
    let mut later = sim.restart(7 * 3600, &many);
    later.run(Mono(2 * MINUTE), 1000, |_, job| silence(job));
    assert_eq!(
        later.announces().len(),
        2,
        "two failures over fresh packets"
    );
}

#[test]
fn one_that_was_down_and_is_back_serves_all() {
    let many = torrents(1000, PUBLIC);
    let mut sim = Sim::new(policy(), &many);
    sim.run(Mono(40 * MINUTE), 15_000, |_, job| silence(job));
    let mut again = sim.restart(60, &many);
    again.run(Mono(2 * MINUTE), 50, |_, job| answer(job));
    assert_eq!(again.announces().len(), 1000);
}

#[test]
fn what_was_said_before_is_no_news_of_this_process() {
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
    // The swarms know nothing yet, and one more failure is enough.
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
fn one_that_was_up_starts_like_any_other() {
    let many = torrents(500, PUBLIC);
    let mut sim = Sim::new(policy(), &many);
    sim.run(Mono(MINUTE), 50, |_, job| answer(job));
    let mut again = sim.restart(5, &many);
    let mut fresh = Sim::new(policy(), &many);
    for sim in [&mut again, &mut fresh] {
        sim.run(Mono(MINUTE), 50, |_, job| answer(job));
    }
    assert_eq!(again.announces(), fresh.announces());
    // Dead meanwhile, it costs what any dead one costs.
    let mut dead = sim.restart(5, &many);
    dead.run(Mono(25 * MINUTE), 1000, |_, job| silence(job));
    assert_eq!(dead.announces().len(), 2);
}

#[test]
fn a_rate_limit_stands() {
    let many = torrents(10, PUBLIC);
    let mut sim = Sim::new(policy(), &many);
    let two_hours = Retry::After(Duration::from_secs(7200));
    let limited = |job: &Job| refuse(job, FailureReason::RateLimited, two_hours);
    sim.run(Mono(MINUTE), 50, |_, job| limited(job));
    let mut again = sim.restart(600, &many);
    again.run(Mono(MINUTE), 50, |_, job| answer(job));
    assert_eq!(again.schedule.overdue(Mono(MINUTE)).0, 0, "politeness");
    again.run(Mono(240 * MINUTE), 50, |_, job| answer(job));
    // 120 minutes less the one that passed before and the ten between.
    assert_eq!(again.minutes()[0], 109);
    // The clock went back a year: nothing is asked earlier, or much later.
    let mut bytes = Vec::new();
    let saved = at(START, sim.now);
    sim.schedule.encode(&sim.roster, saved, &mut bytes);
    let mut back = Sim::restored(&bytes, START - 365 * 86_400, &many);
    back.run(Mono(240 * MINUTE), 50, |_, job| answer(job));
    assert_eq!(back.minutes()[0], 119);
}

#[test]
fn an_operator_who_asked_to_be_left_alone_is() {
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
    // Also where it was gone from the configuration for one run.
    let without = sim.restart(3600, &[]);
    let mut with = without.restart(3600, &many);
    with.run(Mono(24 * 60 * MINUTE), 50, |_, job| answer(job));
    assert_eq!(with.minutes()[0], 22 * 60 - 1);
    // A scheme that is not spoken is no request of anybody.
    let websocket = torrents(1, "ws://tracker.example:80/announce");
    let mut sim = Sim::new(policy(), &websocket);
    sim.run(Mono(MINUTE), 50, |_, job| {
        fail(job, ProbeError::new(FailureReason::Unsupported, ""))
    });
    assert_eq!(sim.restart(0, &websocket).schedule.closed().count(), 0);
}

#[test]
fn a_torrent_that_the_tracker_does_not_want_waits_alone() {
    let two = torrents(2, PUBLIC);
    let unwanted = two[0].hashes.wire().next().unwrap();
    let mut sim = Sim::new(policy(), &two);
    let day = Retry::After(Duration::from_secs(86_400));
    let reply = |job: &Job| match &job.request {
        Request::Announce { info_hash, .. } if *info_hash == unwanted => {
            refuse(job, FailureReason::Rejected, day)
        }
        _ => answer(job),
    };
    sim.run(Mono(MINUTE), 50, |_, job| reply(job));
    let asked = |sim: &Sim, of: InfoHash| -> Vec<u64> {
        let asked = sim.sent.iter().filter(|(_, ask)| match ask {
            Request::Announce { info_hash, .. } => *info_hash == of,
            Request::Scrape { .. } => false,
        });
        asked.map(|(at, _)| at.0 / MINUTE).collect()
    };
    let mut again = sim.restart(3600, &two);
    again.run(Mono(20 * MINUTE), 50, |_, job| answer(job));
    assert_eq!(again.announces().len(), 1, "the other one");
    // Over a second restart, with the torrent left out in between.
    let without = sim.restart(3600, &two[1..]);
    let mut third = without.restart(3600, &two);
    third.run(Mono(24 * 60 * MINUTE), 50, |_, job| answer(job));
    assert_eq!(asked(&third, unwanted)[0], 22 * 60 - 1);
    // An unproven tracker is no reason to ask earlier.
    let mut alone = sim.restart(3600, &two[..1]);
    alone.run(Mono(24 * 60 * MINUTE), 50, |_, job| silence(job));
    assert_eq!(asked(&alone, unwanted)[0], 22 * 60 + 59);
}

#[test]
fn manners_are_not_learnt_twice() {
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
            .any(|(_, ask)| matches!(ask, Request::Scrape { .. }))
    );
    let mut again = sim.restart(60, &one);
    again.run(Mono(100 * MINUTE), 50, |_, job| answer(job));
    let strategies: Vec<AnnounceStrategy> = again
        .sent
        .iter()
        .filter_map(|(_, ask)| match ask {
            Request::Announce { strategy, .. } => Some(*strategy),
            Request::Scrape { .. } => None,
        })
        .collect();
    // The interval too: the answers of this process do not name one.
    assert_eq!(
        strategies,
        [AnnounceStrategy::StartThenStop; 2],
        "{:?}",
        again.minutes()
    );
    assert_eq!(again.sent.len(), 2, "no scrape");
}

#[test]
fn no_passkey_is_written() {
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
fn every_part_of_a_plan_is_none() {
    let mut sim = Sim::new(policy(), &torrents(2, PUBLIC));
    sim.run(Mono(MINUTE), 50, |_, job| silence(job));
    let mut bytes = Vec::new();
    let now = at(START, sim.now);
    sim.schedule.encode(&sim.roster, now, &mut bytes);
    for end in (0..bytes.len()).filter(|end| *end != 8) {
        let outcome = Schedule::new(policy()).restore(&bytes[..end], now);
        assert_eq!(outcome, Err(DecodeError), "{end}");
    }
    bytes[8 + 2 + PUBLIC.len() - "/announce".len()] = 2; // the family
    assert_eq!(
        Schedule::new(policy()).restore(&bytes, now),
        Err(DecodeError)
    );
}

proptest! {
    #[test]
    fn anything_is_survived(mut bytes: Vec<u8>, mono: u64, unix: u64, at: u8, byte: u8, whole: bool) {
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
