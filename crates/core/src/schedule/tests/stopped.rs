//! Tests of trackers that list peers in answers to `stopped`, and of trackers that do not.

use super::*;
use seedwatch_torrent::Peers;
use seedwatch_tracker::StoppedList;

const DAY: u64 = 24 * 60 * MINUTE;

fn answer_listing(job: &Job, stopped_list: StoppedList, listed: usize) -> Report {
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

/// Answers for a tracker whose swarms all have a peer. `shown` is the result of a comparison with
/// the answer to `stopped`.
fn populated(job: &Job, shown: StoppedList) -> Report {
    match &job.request {
        Request::Scrape { .. } => answer(job),
        Request::Announce { strategy, .. } => match strategy {
            AnnounceStrategy::Compare => answer_listing(job, shown, 1),
            _ => answer_listing(job, StoppedList::Unknown, 1),
        },
    }
}

fn strategies(sim: &Sim) -> Vec<AnnounceStrategy> {
    let requests = sim.sent.iter().map(|(_, request)| request);
    requests
        .filter_map(|request| match request {
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

/// After one check, each swarm costs one request per interval.
#[test]
fn a_tracker_that_lists_peers_for_stopped_gets_one_request_per_interval() {
    let mut sim = Sim::new(policy(), &torrents(50, PUBLIC));
    sim.run(Mono(DAY), 50, |_, job| populated(job, StoppedList::Same));
    let strategies = strategies(&sim);
    assert_eq!(strategies[0], AnnounceStrategy::Compare);
    assert!(strategies.len() > 2000);
    assert!(
        strategies[1..]
            .iter()
            .all(|strategy| *strategy == AnnounceStrategy::StoppedFirst)
    );
}

#[test]
fn a_tracker_that_withholds_peers_for_stopped_gets_started() {
    let mut sim = Sim::new(policy(), &torrents(50, PUBLIC));
    sim.run(Mono(DAY), 50, |_, job| populated(job, StoppedList::Missing));
    let strategies = strategies(&sim);
    assert_eq!(strategies[0], AnnounceStrategy::Compare);
    assert!(
        strategies[1..]
            .iter()
            .all(|strategy| *strategy == AnnounceStrategy::StartThenStop)
    );
}

/// Only a swarm with peers reveals how a tracker answers `stopped`.
#[test]
fn empty_swarms_get_started_until_the_behaviour_is_known() {
    let mut sim = Sim::new(policy(), &torrents(20, PUBLIC));
    sim.run(Mono(DAY), 50, |_, job| match &job.request {
        Request::Scrape { .. } => answer(job),
        Request::Announce { .. } => answer_listing(job, StoppedList::Unknown, 0),
    });
    let strategies = strategies(&sim);
    assert_eq!(count(&strategies, AnnounceStrategy::StoppedOnly), 0);
    assert!(
        count(&strategies, AnnounceStrategy::StoppedFirst) < 20,
        "only in the first round"
    );
    assert!(count(&strategies, AnnounceStrategy::Compare) <= 24 * 12);
}

/// An empty answer to `stopped` counts only after an answer to `started` was empty.
#[test]
fn a_swarm_that_becomes_empty_gets_started_once() {
    let mut sim = Sim::new(policy(), &torrents(2, PUBLIC));
    sim.run(Mono(DAY), 50, |_, job| populated(job, StoppedList::Same));
    let before = strategies(&sim).len();
    sim.run(Mono(2 * DAY), 50, |_, job| match &job.request {
        Request::Scrape { .. } => answer(job),
        Request::Announce { .. } => answer_listing(job, StoppedList::Unknown, 0),
    });
    let after = &strategies(&sim)[before..];
    assert_eq!(after[..2], [AnnounceStrategy::StoppedFirst; 2]);
    assert!(
        after[2..]
            .iter()
            .all(|strategy| *strategy == AnnounceStrategy::StoppedOnly),
        "{after:?}"
    );
}

#[test]
fn the_learned_behaviour_is_checked_once_per_week() {
    for shown in [StoppedList::Same, StoppedList::Missing] {
        let mut sim = Sim::new(policy(), &torrents(3, PUBLIC));
        sim.run(Mono(15 * DAY), 50, |_, job| populated(job, shown));
        assert_eq!(
            count(&strategies(&sim), AnnounceStrategy::Compare),
            3,
            "{shown:?}"
        );
    }
}

#[test]
fn a_tracker_that_begins_to_withhold_peers_gets_started() {
    let mut sim = Sim::new(policy(), &torrents(3, PUBLIC));
    sim.run(Mono(DAY), 50, |_, job| populated(job, StoppedList::Same));
    let before = strategies(&sim).len();
    sim.run(Mono(2 * DAY), 50, |_, job| match &job.request {
        Request::Scrape { .. } => answer(job),
        // The tracker now lists its peers only in answers to `started`.
        Request::Announce { .. } => answer_listing(job, StoppedList::Missing, 1),
    });
    let after = &strategies(&sim)[before..];
    assert_eq!(after[0], AnnounceStrategy::StoppedFirst);
    assert!(
        after[1..]
            .iter()
            .all(|strategy| *strategy == AnnounceStrategy::StartThenStop)
    );
}

/// A scrape counts peers in a swarm that is empty according to `stopped`. The schedule checks such
/// a swarm at most once per day.
#[test]
fn a_contradicting_scrape_triggers_a_check() {
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
        Request::Announce { id, .. } if id.0 == 0 => populated(job, StoppedList::Same),
        Request::Announce { .. } => answer_listing(job, StoppedList::Unknown, 0),
    };
    sim.run(Mono(DAY), 50, |_, job| empty_one(job, 0));
    let before = count(&strategies(&sim), AnnounceStrategy::Compare);
    sim.run(Mono(3 * DAY), 50, |_, job| empty_one(job, 5));
    let checks = count(&strategies(&sim), AnnounceStrategy::Compare) - before;
    assert!((1..=3).contains(&checks), "{checks}");
}

/// A rejected torrent costs one request per interval: a rejected `started` registers no peer.
#[test]
fn a_rejected_torrent_gets_started() {
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
fn the_learned_behaviour_survives_a_restart() {
    for (shown, strategy) in [
        (StoppedList::Same, AnnounceStrategy::StoppedFirst),
        (StoppedList::Missing, AnnounceStrategy::StartThenStop),
    ] {
        let list = torrents(1, PUBLIC);
        let mut sim = Sim::new(policy(), &list);
        sim.run(Mono(MINUTE), 50, |_, job| populated(job, shown));
        let mut again = sim.restart(3600, &list);
        again.run(Mono(5 * DAY), 50, |_, job| populated(job, shown));
        let strategies_after = strategies(&again);
        assert!(
            strategies_after.iter().all(|other| *other == strategy),
            "{shown:?}"
        );
        again.run(Mono(8 * DAY), 50, |_, job| populated(job, shown));
        assert_eq!(
            count(&strategies(&again), AnnounceStrategy::Compare),
            1,
            "{shown:?}"
        );
    }
}

/// Answers for a tracker that lists peers for `stopped`, and whose first swarm is empty.
fn one_empty(job: &Job) -> Report {
    match &job.request {
        Request::Announce { id, .. } if id.0 == 0 => answer_listing(job, StoppedList::Unknown, 0),
        _ => populated(job, StoppedList::Same),
    }
}

/// One answer to `started` confirms that a swarm is empty. From then on the swarm costs one request
/// per interval.
#[test]
fn an_empty_swarm_is_confirmed_once() {
    let mut sim = Sim::new(policy(), &torrents(2, PUBLIC));
    sim.run(Mono(DAY), 50, |_, job| one_empty(job));
    let later = sim.sent.iter().filter(|(at, _)| at.0 > DAY / 8);
    let of_the_empty = later.filter_map(|(_, request)| match request {
        Request::Announce { id, strategy, .. } if id.0 == 0 => Some(*strategy),
        _ => None,
    });
    let strategies: Vec<AnnounceStrategy> = of_the_empty.collect();
    assert!(strategies.len() > 20);
    assert!(
        strategies
            .iter()
            .all(|strategy| *strategy == AnnounceStrategy::StoppedOnly)
    );
}
