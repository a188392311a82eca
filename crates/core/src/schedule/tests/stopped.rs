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
    let answer = Announced {
        peers,
        stopped_list,
        ..Announced::default()
    };
    answer_with(job, answer)
}

/// A tracker whose swarms all have a peer. A check shows whether `stopped` brings it too.
fn inhabited(job: &Job, shown: StoppedList) -> Report {
    match &job.ask {
        Ask::Scrape { .. } => answer(job),
        Ask::Announce { manner, .. } => match manner {
            Manner::Check => answer_showing(job, shown, 1),
            _ => answer_showing(job, StoppedList::Unknown, 1),
        },
    }
}

fn manners(sim: &Sim) -> Vec<Manner> {
    let asks = sim.sent.iter().map(|(_, ask)| ask);
    asks.filter_map(|ask| match ask {
        Ask::Announce { manner, .. } => Some(*manner),
        Ask::Scrape { .. } => None,
    })
    .collect()
}

fn count(manners: &[Manner], wanted: Manner) -> usize {
    manners.iter().filter(|manner| **manner == wanted).count()
}

/// One check, and then one request per swarm and round.
#[test]
fn a_tracker_that_lists_is_asked_once_per_round() {
    let mut sim = Sim::new(policy(), &torrents(50, PUBLIC));
    sim.run(Mono(DAY), 50, |_, job| inhabited(job, StoppedList::Same));
    let manners = manners(&sim);
    assert_eq!(manners[0], Manner::Check);
    assert!(manners.len() > 2000);
    assert!(manners[1..].iter().all(|m| *m == Manner::Ghost));
}

#[test]
fn a_tracker_that_withholds_is_asked_with_started() {
    let mut sim = Sim::new(policy(), &torrents(50, PUBLIC));
    sim.run(Mono(DAY), 50, |_, job| inhabited(job, StoppedList::Missing));
    let manners = manners(&sim);
    assert_eq!(manners[0], Manner::Check);
    assert!(manners[1..].iter().all(|m| *m == Manner::Brief));
}

/// Nothing but a swarm with peers shows how a tracker answers `stopped`.
#[test]
fn swarms_that_are_empty_are_asked_with_started_until_it_is_known() {
    let mut sim = Sim::new(policy(), &torrents(20, PUBLIC));
    sim.run(Mono(DAY), 50, |_, job| match &job.ask {
        Ask::Scrape { .. } => answer(job),
        Ask::Announce { .. } => answer_showing(job, StoppedList::Unknown, 0),
    });
    let manners = manners(&sim);
    assert_eq!(count(&manners, Manner::StoppedOnly), 0);
    assert!(count(&manners, Manner::Ghost) < 20, "the first round");
    assert!(count(&manners, Manner::Check) <= 24 * 12);
}

/// `stopped` alone is believed about a swarm only after `started` has found it empty.
#[test]
fn a_swarm_that_empties_at_a_tracker_that_lists_is_asked_with_started_first() {
    let mut sim = Sim::new(policy(), &torrents(2, PUBLIC));
    sim.run(Mono(DAY), 50, |_, job| inhabited(job, StoppedList::Same));
    let before = manners(&sim).len();
    sim.run(Mono(2 * DAY), 50, |_, job| match &job.ask {
        Ask::Scrape { .. } => answer(job),
        Ask::Announce { .. } => answer_showing(job, StoppedList::Unknown, 0),
    });
    let after = &manners(&sim)[before..];
    assert_eq!(after[..2], [Manner::Ghost; 2]);
    assert!(
        after[2..].iter().all(|m| *m == Manner::StoppedOnly),
        "{after:?}"
    );
}

#[test]
fn what_is_known_is_checked_once_a_week() {
    for shown in [StoppedList::Same, StoppedList::Missing] {
        let mut sim = Sim::new(policy(), &torrents(3, PUBLIC));
        sim.run(Mono(15 * DAY), 50, |_, job| inhabited(job, shown));
        assert_eq!(count(&manners(&sim), Manner::Check), 3, "{shown:?}");
    }
}

#[test]
fn a_tracker_that_changes_is_believed() {
    let mut sim = Sim::new(policy(), &torrents(3, PUBLIC));
    sim.run(Mono(DAY), 50, |_, job| inhabited(job, StoppedList::Same));
    let before = manners(&sim).len();
    sim.run(Mono(2 * DAY), 50, |_, job| match &job.ask {
        Ask::Scrape { .. } => answer(job),
        // It claims members and lists them to `started` only.
        Ask::Announce { .. } => answer_showing(job, StoppedList::Missing, 1),
    });
    let after = &manners(&sim)[before..];
    assert_eq!(after[0], Manner::Ghost);
    assert!(after[1..].iter().all(|manner| *manner == Manner::Brief));
}

/// A scrape names members of a swarm that `stopped` called empty: once a day at most that is
/// looked into.
#[test]
fn a_scrape_that_disagrees_makes_a_check() {
    let mut sim = Sim::new(policy(), &torrents(2, PUBLIC));
    let empty_one = |job: &Job, scraped: u32| match &job.ask {
        Ask::Scrape { targets } => {
            let counts = Counts {
                seeders: Some(scraped),
                ..Counts::default()
            };
            Report::Scrape {
                ids: job.ask.ids(),
                result: Ok(vec![Some(counts); targets.len()]),
            }
        }
        Ask::Announce { id, .. } if id.0 == 0 => inhabited(job, StoppedList::Same),
        Ask::Announce { .. } => answer_showing(job, StoppedList::Unknown, 0),
    };
    sim.run(Mono(DAY), 50, |_, job| empty_one(job, 0));
    let before = count(&manners(&sim), Manner::Check);
    sim.run(Mono(3 * DAY), 50, |_, job| empty_one(job, 5));
    let checks = count(&manners(&sim), Manner::Check) - before;
    assert!((1..=3).contains(&checks), "{checks}");
}

/// A refused torrent costs one request per round: `started` that is refused registers nothing.
#[test]
fn a_refused_torrent_is_asked_with_started() {
    let mut sim = Sim::new(policy(), &torrents(1, PUBLIC));
    sim.run(Mono(DAY), 50, |_, job| {
        fail(job, Failed::new(Failure::Rejected, "unregistered"))
    });
    let manners = manners(&sim);
    assert_eq!(manners[0], Manner::Check);
    assert!(manners[1..].iter().all(|manner| *manner == Manner::Brief));
}

#[test]
fn what_is_known_survives_a_restart() {
    for (shown, manner) in [
        (StoppedList::Same, Manner::Ghost),
        (StoppedList::Missing, Manner::Brief),
    ] {
        let list = torrents(1, PUBLIC);
        let mut sim = Sim::new(policy(), &list);
        sim.run(Mono(MINUTE), 50, |_, job| inhabited(job, shown));
        let mut again = sim.restart(3600, &list);
        again.run(Mono(5 * DAY), 50, |_, job| inhabited(job, shown));
        let manners_after = manners(&again);
        assert!(manners_after.iter().all(|m| *m == manner), "{shown:?}");
        again.run(Mono(8 * DAY), 50, |_, job| inhabited(job, shown));
        assert_eq!(count(&manners(&again), Manner::Check), 1, "{shown:?}");
    }
}

/// The tracker has shown its lists, and one of its swarms is empty.
fn one_empty(job: &Job) -> Report {
    match &job.ask {
        Ask::Announce { id, .. } if id.0 == 0 => answer_showing(job, StoppedList::Unknown, 0),
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
        Ask::Announce { id, manner, .. } if id.0 == 0 => Some(*manner),
        _ => None,
    });
    let manners: Vec<Manner> = of_the_empty.collect();
    assert!(manners.len() > 20);
    assert!(manners.iter().all(|m| *m == Manner::StoppedOnly));
}
