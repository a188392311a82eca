//! Trackers whose answer to `stopped` carries no information about the swarm.

use super::*;
use crate::{Counts, StoppedList};

/// The reply of a tracker to one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    /// Counts of three seeders and one leecher, and four peers.
    List,
    Zeros,
    /// A list of 0.0.0.0:0 alone, beside counts that claim peers.
    NoPeers,
    /// A list shorter than one entry.
    Torn,
    /// Only our entry, and counts that include only us.
    OnlyUs,
    Error(&'static str),
    /// No body; so opentracker rejects an announce.
    Bodiless,
    Damaged,
    Silence,
}

const ALL: [Reply; 9] = [
    Reply::List,
    Reply::Zeros,
    Reply::NoPeers,
    Reply::Torn,
    Reply::OnlyUs,
    Reply::Error("peer not found"),
    Reply::Bodiless,
    Reply::Damaged,
    Reply::Silence,
];

const FOUR: [u8; 24] = [
    81, 2, 3, 4, 0x1a, 0xe1, 81, 2, 3, 5, 0x1a, 0xe1, 81, 2, 3, 6, 0x1a, 0xe1, 81, 2, 3, 7, 0x1a,
    0xe1,
];

impl Reply {
    fn datagram(self, request: &SentRequest) -> Option<Vec<u8>> {
        Some(match self {
            Reply::List => request.announced(3, 1, &FOUR),
            Reply::Zeros => request.announced(0, 0, &[]),
            Reply::NoPeers => request.announced(3, 1, &[0; 6]),
            Reply::Torn => request.announced(0, 0, &FOUR[..5]),
            Reply::OnlyUs => {
                let [high, low] = OUR_PORT.to_be_bytes();
                request.announced(0, 1, &[81, 2, 3, 9, high, low])
            }
            Reply::Error(text) => request.error(text),
            Reply::Bodiless => request.reply(1, &[], &[]),
            Reply::Damaged => request.reply(7, &[1], &[]),
            Reply::Silence => return None,
        })
    }

    fn is_refusal(self) -> bool {
        matches!(self, Reply::Error(_) | Reply::Bodiless)
    }
}

/// The outcome of a probe at a tracker that registers us on `started` and removes us on `stopped`.
struct Outcome {
    result: Result<Box<AnnounceResponse>, ProbeError>,
    is_registered: bool,
    events: Vec<u32>,
}

/// Runs a probe. The tracker answers every connect; answers to the event `lost` do not arrive.
fn run_probe(
    strategy: AnnounceStrategy,
    stopped: Reply,
    started: Reply,
    lost: Option<u32>,
) -> Outcome {
    let mut harness = Harness::new();
    harness.announce_as(1, strategy);
    let (mut is_registered, mut events) = (false, Vec::new());
    let start = harness.now;
    while harness.observations.is_empty() && harness.now < start + 2 * TIMEOUT {
        for request in harness.take_sent() {
            if request.action() == 0 {
                harness.receive(&request.connected(ID));
                continue;
            }
            events.push(request.event());
            let joins = request.event() == 2;
            let reply = if joins { started } else { stopped };
            is_registered = joins && !reply.is_refusal();
            let datagram = reply.datagram(&request);
            if let Some(datagram) = datagram.filter(|_| lost != Some(request.event())) {
                harness.receive(&datagram);
            }
        }
        harness.advance_ms(10);
    }
    let Report::Announce { result, .. } = harness.observation().report else {
        panic!("not an announce");
    };
    harness.assert_at_rest();
    Outcome {
        result,
        is_registered,
        events,
    }
}

#[test]
fn started_brings_the_list_that_stopped_does_not() {
    for stopped in ALL.into_iter().filter(|reply| *reply != Reply::List) {
        for strategy in [AnnounceStrategy::StoppedFirst, AnnounceStrategy::Compare] {
            let outcome = run_probe(strategy, stopped, Reply::List, None);
            let response = outcome.result.unwrap_or_else(|failed| {
                panic!("{stopped:?}: {failed}");
            });
            assert_eq!(
                (response.peers.len(), response.peer_list_withheld),
                (4, false)
            );
            assert_eq!(response.counts.seeders, Some(3));
            let is_lost = stopped == Reply::Silence && strategy == AnnounceStrategy::StoppedFirst;
            let shown = if is_lost {
                StoppedList::Unknown
            } else {
                StoppedList::Missing
            };
            assert_eq!(response.stopped_list, shown, "{stopped:?}");
            assert!(!outcome.is_registered);
        }
    }
}

#[test]
fn no_pair_of_answers_yields_a_zero_or_failure_that_started_contradicts() {
    let strategies = [
        AnnounceStrategy::StoppedFirst,
        AnnounceStrategy::StoppedOnly,
        AnnounceStrategy::Compare,
        AnnounceStrategy::StartThenStop,
    ];
    for strategy in strategies {
        for stopped in ALL {
            for started in ALL {
                for lost in [None, Some(2), Some(3)] {
                    let case = format!("{strategy:?} {stopped:?} {started:?} {lost:?}");
                    let outcome = run_probe(strategy, stopped, started, lost);
                    assert!(!outcome.is_registered, "{case}");
                    let says_zero = |reply| matches!(reply, Reply::Zeros | Reply::OnlyUs);
                    // The exception is a tracker that has shown its lists.
                    let believes_zero = strategy == AnnounceStrategy::StoppedOnly
                        && says_zero(stopped)
                        && lost != Some(3);
                    match outcome.result {
                        Ok(response)
                            if response.peers.is_empty() && !response.peer_list_withheld =>
                        {
                            let arrives = lost != Some(2);
                            assert!(says_zero(started) && arrives || believes_zero, "{case}");
                        }
                        Ok(_) => {}
                        Err(failed) => {
                            let arrives = lost != Some(2);
                            assert!(!(started == Reply::List && arrives), "{case}: {failed}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn counts_in_the_last_answer_replace_no_others() {
    let response = run_probe(
        AnnounceStrategy::StartThenStop,
        Reply::Zeros,
        Reply::List,
        None,
    )
    .result;
    let counts = Counts {
        seeders: Some(3),
        leechers: Some(0),
        completed: None,
    };
    assert_eq!(response.unwrap().counts, counts);
}

#[test]
fn a_list_in_answer_to_stopped_ends_the_probe() {
    for strategy in [
        AnnounceStrategy::StoppedFirst,
        AnnounceStrategy::StoppedOnly,
    ] {
        assert_eq!(
            run_probe(strategy, Reply::List, Reply::List, None).events,
            [3]
        );
    }
    let zeros = run_probe(
        AnnounceStrategy::StoppedOnly,
        Reply::Zeros,
        Reply::Zeros,
        None,
    );
    assert_eq!(zeros.events, [3]);
}

/// A tracker that does not answer the connect or `stopped` gets no `started`.
#[test]
fn a_dead_tracker_gets_no_started() {
    let mut harness = Harness::new();
    harness.announce_as(1, AnnounceStrategy::StoppedFirst);
    harness.advance(TIMEOUT);
    let sent = harness.take_sent();
    assert_eq!(sent.len(), 4, "{sent:?}");
    assert!(sent.iter().all(|request| request.action() == 0));
    assert_eq!(harness.failure(), FailureReason::Timeout);
    // The tracker answers an earlier probe and then dies.
    harness.announce_as(2, AnnounceStrategy::StoppedFirst);
    let first = harness.connect();
    harness.receive(&first[0].announced(1, 0, &peers([1])));
    harness.announced();
    harness.advance_ms(20_000);
    harness.announce_as(3, AnnounceStrategy::StoppedFirst);
    harness.advance(TIMEOUT);
    let is_started = |request: &SentRequest| request.action() == 1 && request.event() == 2;
    assert!(!harness.take_sent().iter().any(is_started));
    assert_eq!(harness.failure(), FailureReason::Timeout);
    harness.assert_at_rest();
}

#[test]
fn absurd_counts_prove_no_zero() {
    for absurd in [u32::MAX, 1 << 31, Counts::MAX + 1] {
        let mut harness = Harness::new();
        harness.announce_as(1, AnnounceStrategy::StartThenStop);
        let started = harness.connect().remove(0);
        harness.receive(&started.announced(absurd, absurd, &[]));
        let stopped = harness.take_one();
        harness.receive(&stopped.announced(absurd, absurd, &[]));
        let announced = harness.announced();
        assert_eq!(announced.counts, Counts::default());
        assert!(announced.peer_list_withheld, "{absurd}");
    }
}
