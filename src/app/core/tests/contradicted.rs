//! A tracker that has shown its list in answer to `stopped`, and later calls living swarms empty.

use super::*;
use crate::observation::{Manner, StoppedList};

const CHANGED: &str = "udp://changed.example:1337";
const WITNESS: &str = "udp://witness.example:1337";
const MINUTE: u64 = 60_000;

/// What each tracker answers. From `changed_at` on, one of them answers `stopped` with zeros.
fn answer(job: &Job, now: Mono, changed_at: Mono) -> Option<Announced> {
    let Ask::Announce { manner, .. } = job.ask else {
        return None;
    };
    let is_changed = job.url.label().contains("changed") && now >= changed_at;
    if is_changed && manner == Manner::StoppedOnly {
        return Some(Announced::default());
    }
    let mut answer = Announced::default();
    answer.peers.push([81, 2, 3, 4].into(), 6881);
    answer.stopped_list = match (manner, is_changed) {
        (Manner::Check, false) => StoppedList::Same,
        (Manner::Check, true) => StoppedList::Missing,
        _ => StoppedList::Unknown,
    };
    Some(answer)
}

/// Asks every tracker until `until`; returns when and how the changed tracker was asked.
fn ask(core: &mut Core, from: Mono, until: Mono, changed_at: Mono) -> Vec<(Mono, Manner)> {
    let mut asked = Vec::new();
    let mut jobs = Vec::new();
    for at in (from.0..until.0).step_by(MINUTE as usize) {
        let now = Now {
            mono: Mono(at),
            unix: Unix(1_700_000_000 + at / 1000),
        };
        core.poll(now.mono, &mut jobs);
        for job in jobs.drain(..) {
            let answer = answer(&job, now.mono, changed_at);
            let report = match (answer, &job.ask) {
                _ if job.family == Family::Ipv6 => Report::NoAddress { ids: job.ask.ids() },
                (Some(answer), Ask::Announce { id, manner, .. }) => {
                    if job.url.label().contains("changed") {
                        asked.push((now.mono, *manner));
                    }
                    Report::Announce {
                        id: *id,
                        result: Ok(Box::new(answer)),
                    }
                }
                _ => job
                    .ask
                    .failed(Failed::new(Failure::Unsupported, "no scrape")),
            };
            let observation = Observation {
                tracker: job.tracker,
                family: job.family,
                report,
                exchange: Exchange::default(),
            };
            core.absorb(observation, now);
        }
    }
    asked
}

fn checks_after_a_change(trackers: &[&str]) -> Vec<Mono> {
    let config = config(vec![torrent(1, trackers, Privacy::Public)]);
    let now = Now {
        mono: Mono(0),
        unix: Unix(1_700_000_000),
    };
    let mut core = Core::new(&config, [4242; 2], Key::new([7; 16]), now);
    let changed_at = Mono(300 * MINUTE);
    let asked = ask(&mut core, Mono(0), Mono(600 * MINUTE), changed_at);
    assert_eq!(asked[0].1, Manner::Check, "{asked:?}");
    assert_eq!(asked[1].1, Manner::StoppedOnly, "{asked:?}");
    let later = asked.iter().filter(|(at, _)| *at >= changed_at);
    later
        .filter(|(_, manner)| *manner == Manner::Check)
        .map(|(at, _)| *at)
        .collect()
}

#[test]
fn a_tracker_that_another_one_contradicts_is_checked_again() {
    let checks = checks_after_a_change(&[CHANGED, WITNESS]);
    assert_eq!(checks.len(), 1, "{checks:?}");
    assert!(
        checks[0] < Mono(400 * MINUTE),
        "within a few rounds: {checks:?}"
    );
}

#[test]
fn an_empty_swarm_of_which_no_other_source_knows_is_no_reason_for_a_check() {
    assert!(checks_after_a_change(&[CHANGED]).is_empty());
}
