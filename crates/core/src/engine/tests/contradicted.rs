//! Tests of a tracker that once listed peers in answers to `stopped`, and later reports populated
//! swarms as empty.

use super::*;
use seedwatch_tracker::StoppedList;

const CHANGED: &str = "udp://changed.example:1337";
const WITNESS: &str = "udp://witness.example:1337";
const MINUTE: u64 = 60_000;

/// Returns the answer of a tracker. The second torrent always has a peer. The first torrent is
/// empty until `peers_at`. From then on the witness lists a peer, and the other tracker answers
/// `stopped` with zeros.
fn answer(job: &Job, now: Mono, peers_at: Mono) -> Option<AnnounceResponse> {
    let Request::Announce {
        strategy,
        info_hash,
        ..
    } = job.request
    else {
        return None;
    };
    let mut answer = AnnounceResponse::default();
    let is_second = info_hash == InfoHash([2; 20]);
    let is_witness = job.url.label().contains("witness");
    let is_listed = now >= peers_at
        && (is_witness
            || matches!(
                strategy,
                AnnounceStrategy::Compare | AnnounceStrategy::StartThenStop
            ));
    if is_second || is_listed {
        answer.peers.push([81, 2, 3, 4].into(), 6881);
        answer.stopped_list = match strategy {
            AnnounceStrategy::Compare if is_second => StoppedList::Same,
            AnnounceStrategy::Compare => StoppedList::Missing,
            _ => StoppedList::Unknown,
        };
    }
    Some(answer)
}

/// Runs all probes until `until`. Returns the time and the strategy of each announce of the first
/// torrent to the changed tracker.
fn run_probes(
    engine: &mut Engine,
    from: Mono,
    until: Mono,
    peers_at: Mono,
) -> Vec<(Mono, AnnounceStrategy)> {
    let mut asked = Vec::new();
    let mut jobs = Vec::new();
    for at in (from.0..until.0).step_by(MINUTE as usize) {
        let now = Now {
            mono: Mono(at),
            unix: Unix(1_700_000_000 + at / 1000),
        };
        engine.poll(now.mono, &mut jobs);
        for family in engine.checks_due(now.mono, &mut jobs) {
            engine.check_ended(family, Some(family == Family::Ipv4), now);
        }
        for job in jobs.drain(..) {
            let answer = answer(&job, now.mono, peers_at);
            let report = match (answer, &job.request) {
                _ if job.family == Family::Ipv6 => Report::NoAddress {
                    ids: job.request.ids(),
                },
                (
                    Some(answer),
                    Request::Announce {
                        id,
                        strategy,
                        info_hash,
                    },
                ) => {
                    let is_first = *info_hash == InfoHash([1; 20]);
                    if is_first && job.url.label().contains("changed") {
                        asked.push((now.mono, *strategy));
                    }
                    Report::Announce {
                        id: *id,
                        result: Ok(Box::new(answer)),
                    }
                }
                _ => job
                    .request
                    .failed(ProbeError::new(FailureReason::Unsupported, "no scrape")),
            };
            let observation = Observation {
                tracker: job.tracker,
                family: job.family,
                report,
                stats: ProbeStats::default(),
            };
            engine.absorb(observation, now);
        }
    }
    asked
}

/// Returns the announces to the changed tracker after `peers_at`.
fn announces_after_change(trackers: &[&str]) -> Vec<(Mono, AnnounceStrategy)> {
    let settings = settings(vec![
        torrent(1, trackers, Privacy::Public),
        torrent(2, &[CHANGED], Privacy::Public),
    ]);
    let now = Now {
        mono: Mono(0),
        unix: Unix(1_700_000_000),
    };
    let mut engine = Engine::new(&settings, [4242; 2], Key::new([7; 16]), now);
    let peers_at = Mono(300 * MINUTE);
    let mut asked = run_probes(&mut engine, Mono(0), Mono(600 * MINUTE), peers_at);
    let before = asked.partition_point(|(at, _)| *at < peers_at);
    assert_eq!(
        asked[before - 1].1,
        AnnounceStrategy::StoppedOnly,
        "{asked:?}"
    );
    asked.split_off(before)
}

#[test]
fn a_tracker_that_another_tracker_contradicts_is_checked_again() {
    let asked = announces_after_change(&[CHANGED, WITNESS]);
    let check = asked
        .iter()
        .position(|(_, strategy)| *strategy == AnnounceStrategy::Compare);
    assert!(
        check.is_some_and(|at| at <= 3),
        "no check within four announces: {asked:?}"
    );
    let after = &asked[check.unwrap() + 1..];
    assert!(
        after
            .iter()
            .all(|(_, strategy)| *strategy == AnnounceStrategy::StartThenStop),
        "{asked:?}"
    );
}

#[test]
fn an_empty_swarm_without_other_sources_triggers_no_check() {
    let asked = announces_after_change(&[CHANGED]);
    assert!(
        asked
            .iter()
            .all(|(_, strategy)| *strategy == AnnounceStrategy::StoppedOnly),
        "{asked:?}"
    );
}
