//! Trackers that answer `stopped` with their list, and those that do not.

use super::*;
use seedwatch_torrent::Peers;
use seedwatch_tracker::StoppedList;

const DAY: u64 = 24 * 60 * MINUTE;

fn answer_showing(job: &Job, stopped_list: StoppedList, listed: usize) -> Report {
    let mut peers = Peers::default();
    for n in 0..listed {
        peers.push([81, 2, 3, n as u8].into(), 6881);
    }
    let answer = AnnounceResponse {
        peers,
        stopped_list,
        ..AnnounceResponse::default()
    };
    answer_with(job, answer)
}

/// A tracker whose swarms all have a peer. A check shows whether `stopped` brings it too.
fn inhabited(job: &Job, shown: StoppedList) -> Report {
    match &job.request {
        Request::Scrape { .. } => answer(job),
        Request::Announce { strategy, .. } => match strategy {
            AnnounceStrategy::Compare => answer_showing(job, shown, 1),
            _ => answer_showing(job, StoppedList::Unknown, 1),
        },
    }
}

fn strategies(sim: &Sim) -> Vec<AnnounceStrategy> {
    let asks = sim.sent.iter().map(|(_, ask)| ask);
    asks.filter_map(|ask| match ask {
        Request::Announce { strategy, .. } => Some(*strategy),
        Request::Scrape { .. } => None,
    })
    .collect()
}

fn count(strategies: &[AnnounceStrategy], wanted: AnnounceStrategy) -> usize {
    strategies
        .iter()
        .filter(|strategy| **strategy == wanted)
        .count()
}

/// One check, and then one request per swarm and round.
#[test]
fn a_tracker_that_lists_is_asked_once_per_round() {
    let mut sim = Sim::new(policy(), &torrents(50, PUBLIC));
    sim.run(Mono(DAY), 50, |_, job| inhabited(job, StoppedList::Same));
    let strategies = strategies(&sim);
    assert_eq!(strategies[0], AnnounceStrategy::Compare);
    assert!(strategies.len() > 2000);
    assert!(
        strategies[1..]
            .iter()
            .all(|m| *m == AnnounceStrategy::StoppedFirst)
    );
}

#[test]
fn a_tracker_that_withholds_is_asked_with_started() {
    let mut sim = Sim::new(policy(), &torrents(50, PUBLIC));
    sim.run(Mono(DAY), 50, |_, job| inhabited(job, StoppedList::Missing));
    let strategies = strategies(&sim);
    assert_eq!(strategies[0], AnnounceStrategy::Compare);
    assert!(
        strategies[1..]
            .iter()
            .all(|m| *m == AnnounceStrategy::StartThenStop)
    );
}

/// Nothing but a swarm with peers shows how a tracker answers `stopped`.
#[test]
fn swarms_that_are_empty_are_asked_with_started_until_it_is_known() {
    let mut sim = Sim::new(policy(), &torrents(20, PUBLIC));
    sim.run(Mono(DAY), 50, |_, job| match &job.request {
        Request::Scrape { .. } => answer(job),
        Request::Announce { .. } => answer_showing(job, StoppedList::Unknown, 0),
    });
    let strategies = strategies(&sim);
    assert_eq!(count(&strategies, AnnounceStrategy::StoppedOnly), 0);
    assert!(
        count(&strategies, AnnounceStrategy::StoppedFirst) < 20,
        "the first round"
    );
    assert!(count(&strategies, AnnounceStrategy::Compare) <= 24 * 12);
}

/// `stopped` alone is believed about a swarm only after `started` has found it empty.
#[test]
fn a_swarm_that_empties_at_a_tracker_that_lists_is_asked_with_started_first() {
    let mut sim = Sim::new(policy(), &torrents(2, PUBLIC));
    sim.run(Mono(DAY), 50, |_, job| inhabited(job, StoppedList::Same));
    let before = strategies(&sim).len();
    sim.run(Mono(2 * DAY), 50, |_, job| match &job.request {
        Request::Scrape { .. } => answer(job),
        Request::Announce { .. } => answer_showing(job, StoppedList::Unknown, 0),
    });
    let after = &strategies(&sim)[before..];
    assert_eq!(after[..2], [AnnounceStrategy::StoppedFirst; 2]);
    assert!(
        after[2..]
            .iter()
            .all(|m| *m == AnnounceStrategy::StoppedOnly),
        "{after:?}"
    );
}

#[test]
fn what_is_known_is_checked_once_a_week() {
    for shown in [StoppedList::Same, StoppedList::Missing] {
        let mut sim = Sim::new(policy(), &torrents(3, PUBLIC));
        sim.run(Mono(15 * DAY), 50, |_, job| inhabited(job, shown));
        assert_eq!(
            count(&strategies(&sim), AnnounceStrategy::Compare),
            3,
            "{shown:?}"
        );
    }
}

#[test]
fn a_tracker_that_changes_is_believed() {
    let mut sim = Sim::new(policy(), &torrents(3, PUBLIC));
    sim.run(Mono(DAY), 50, |_, job| inhabited(job, StoppedList::Same));
    let before = strategies(&sim).len();
    sim.run(Mono(2 * DAY), 50, |_, job| match &job.request {
        Request::Scrape { .. } => answer(job),
        // It claims members and lists them to `started` only.
        Request::Announce { .. } => answer_showing(job, StoppedList::Missing, 1),
    });
    let after = &strategies(&sim)[before..];
    assert_eq!(after[0], AnnounceStrategy::StoppedFirst);
    assert!(
        after[1..]
            .iter()
            .all(|strategy| *strategy == AnnounceStrategy::StartThenStop)
    );
}

/// A scrape names members of a swarm that `stopped` called empty: once a day at most that is
/// looked into.
#[test]
fn a_scrape_that_disagrees_makes_a_check() {
    let mut sim = Sim::new(policy(), &torrents(2, PUBLIC));
    let empty_one = |job: &Job, scraped: u32| match &job.request {
        Request::Scrape { targets } => {
            let counts = Counts {
                seeders: Some(scraped),
                ..Counts::default()
            };
            Report::Scrape {
                ids: job.request.ids(),
                result: Ok(vec![Some(counts); targets.len()]),
            }
        }
        Request::Announce { id, .. } if id.0 == 0 => inhabited(job, StoppedList::Same),
        Request::Announce { .. } => answer_showing(job, StoppedList::Unknown, 0),
    };
    sim.run(Mono(DAY), 50, |_, job| empty_one(job, 0));
    let before = count(&strategies(&sim), AnnounceStrategy::Compare);
    sim.run(Mono(3 * DAY), 50, |_, job| empty_one(job, 5));
    let checks = count(&strategies(&sim), AnnounceStrategy::Compare) - before;
    assert!((1..=3).contains(&checks), "{checks}");
}

/// A refused torrent costs one request per round: `started` that is refused registers nothing.
#[test]
fn a_refused_torrent_is_asked_with_started() {
    let mut sim = Sim::new(policy(), &torrents(1, PUBLIC));
    sim.run(Mono(DAY), 50, |_, job| {
        fail(
            job,
            ProbeError::new(FailureReason::Rejected, "unregistered"),
        )
    });
    let strategies = strategies(&sim);
    assert_eq!(strategies[0], AnnounceStrategy::Compare);
    assert!(
        strategies[1..]
            .iter()
            .all(|strategy| *strategy == AnnounceStrategy::StartThenStop)
    );
}

#[test]
fn what_is_known_survives_a_restart() {
    for (shown, strategy) in [
        (StoppedList::Same, AnnounceStrategy::StoppedFirst),
        (StoppedList::Missing, AnnounceStrategy::StartThenStop),
    ] {
        let list = torrents(1, PUBLIC);
        let mut sim = Sim::new(policy(), &list);
        sim.run(Mono(MINUTE), 50, |_, job| inhabited(job, shown));
        let mut again = sim.restart(3600, &list);
        again.run(Mono(5 * DAY), 50, |_, job| inhabited(job, shown));
        let manners_after = strategies(&again);
        assert!(manners_after.iter().all(|m| *m == strategy), "{shown:?}");
        again.run(Mono(8 * DAY), 50, |_, job| inhabited(job, shown));
        assert_eq!(
            count(&strategies(&again), AnnounceStrategy::Compare),
            1,
            "{shown:?}"
        );
    }
}

/// The tracker has shown its lists, and one of its swarms is empty.
fn one_empty(job: &Job) -> Report {
    match &job.request {
        Request::Announce { id, .. } if id.0 == 0 => answer_showing(job, StoppedList::Unknown, 0),
        _ => inhabited(job, StoppedList::Same),
    }
}

/// `started` proves once that a swarm is empty; from then on it costs one request per round.
#[test]
fn an_empty_swarm_is_confirmed_once() {
    let mut sim = Sim::new(policy(), &torrents(2, PUBLIC));
    sim.run(Mono(DAY), 50, |_, job| one_empty(job));
    let later = sim.sent.iter().filter(|(at, _)| at.0 > DAY / 8);
    let of_the_empty = later.filter_map(|(_, ask)| match ask {
        Request::Announce { id, strategy, .. } if id.0 == 0 => Some(*strategy),
        _ => None,
    });
    let strategies: Vec<AnnounceStrategy> = of_the_empty.collect();
    assert!(strategies.len() > 20);
    assert!(
        strategies
            .iter()
            .all(|m| *m == AnnounceStrategy::StoppedOnly)
    );
}
