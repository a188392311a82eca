//! Invariants under random events.

use super::*;
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// An event in the life of an engine.
#[derive(Debug, Clone)]
enum EngineEvent {
    Announce {
        tracker: u32,
        brief: bool,
    },
    Scrape {
        tracker: u32,
        hashes: u8,
    },
    /// A valid answer to an earlier packet, from its destination or from another address.
    ResponseBody {
        pick: usize,
        from: u8,
        list: u8,
    },
    /// An error or garbage with the transaction of an earlier packet.
    ErrorOrGarbage {
        pick: usize,
        bytes: Vec<u8>,
    },
    /// A datagram that answers no packet.
    Stray {
        bytes: Vec<u8>,
    },
    Undelivered {
        pick: usize,
        why: u8,
    },
    LookupSucceeded {
        tracker: u32,
        addresses: u8,
    },
    LookupFailed {
        tracker: u32,
    },
    Advance {
        ms: u16,
    },
}

fn event() -> impl Strategy<Value = EngineEvent> {
    use EngineEvent::*;
    let bytes = || proptest::collection::vec(any::<u8>(), 0..60);
    let tracker = 0u32..3;
    prop_oneof![
        4 => (tracker.clone(), any::<bool>())
            .prop_map(|(tracker, brief)| Announce { tracker, brief }),
        1 => (tracker.clone(), 0u8..70).prop_map(|(tracker, hashes)| Scrape { tracker, hashes }),
        8 => (any::<usize>(), 1u8..4, 0u8..4)
            .prop_map(|(pick, from, list)| ResponseBody { pick, from, list }),
        2 => (any::<usize>(), bytes()).prop_map(|(pick, bytes)| ErrorOrGarbage { pick, bytes }),
        1 => bytes().prop_map(|bytes| Stray { bytes }),
        1 => (any::<usize>(), 0u8..3).prop_map(|(pick, why)| Undelivered { pick, why }),
        3 => (tracker.clone(), 0u8..3)
            .prop_map(|(tracker, addresses)| LookupSucceeded { tracker, addresses }),
        1 => tracker.prop_map(|tracker| LookupFailed { tracker }),
        4 => (0u16..4000).prop_map(|ms| Advance { ms }),
    ]
}

fn apply(harness: &mut Harness, seen: &mut Vec<SentRequest>, event: EngineEvent) -> usize {
    let mut jobs = 0;
    let picked = |pick: usize, seen: &[SentRequest]| seen.get(pick % seen.len().max(1)).cloned();
    match event {
        EngineEvent::Announce { tracker, brief } => {
            let strategy = if brief {
                AnnounceStrategy::StartThenStop
            } else {
                AnnounceStrategy::StoppedFirst
            };
            let request = Request::Announce {
                id: AnnounceId(0),
                info_hash: InfoHash([0; 20]),
                strategy,
            };
            harness
                .engine
                .submit(Harness::job(tracker, request), harness.now);
            jobs = 1;
        }
        EngineEvent::Scrape { tracker, hashes } => {
            let targets = (0..hashes)
                .map(|n| (AnnounceId(n.into()), InfoHash([n; 20])))
                .collect();
            harness.engine.submit(
                Harness::job(tracker, Request::Scrape { targets }),
                harness.now,
            );
            jobs = 1;
        }
        EngineEvent::ResponseBody { pick, from, list } => {
            if let Some(request) = picked(pick, seen) {
                let answer = match request.action() {
                    0 => request.connected(ID + u64::from(from)),
                    1 => request.announced(1, 1, &peers(0..list.into())),
                    _ => request.reply(2, &[1, 2, 3], &[]),
                };
                harness.receive_from(server(from), &answer);
            }
        }
        EngineEvent::ErrorOrGarbage { pick, bytes } => {
            if let Some(request) = picked(pick, seen) {
                let action = bytes.first().map_or(3, |byte| u32::from(byte % 6));
                harness.receive(&request.reply(action, &[], &bytes));
            }
        }
        EngineEvent::Stray { bytes } => harness.receive(&bytes),
        EngineEvent::Undelivered { pick, why } => {
            if let Some(request) = picked(pick, seen) {
                let why = [
                    Undelivered::Refused,
                    Undelivered::Unreachable,
                    Undelivered::Unsent,
                ][why as usize];
                harness
                    .engine
                    .on_undelivered(request.to, &request.bytes, why, harness.now);
            }
        }
        EngineEvent::LookupSucceeded { tracker, addresses } => {
            let list = (1..=addresses).map(server).collect();
            harness
                .engine
                .on_lookup(TrackerId(tracker), Ok(list), None, harness.now);
        }
        EngineEvent::LookupFailed { tracker } => {
            let failed = ProbeError::new(FailureReason::Dns, "");
            harness
                .engine
                .on_lookup(TrackerId(tracker), Err(failed), None, harness.now);
        }
        EngineEvent::Advance { ms } => harness.advance_ms(ms.into()),
    }
    seen.extend(harness.take_sent());
    jobs
}

proptest! {
    /// The engine never panics. Every job ends in exactly one observation within its timeout, and
    /// every packet is counted in one observation.
    #[test]
    fn every_job_ends_exactly_once(
        events in proptest::collection::vec(event(), 1..120),
        window in 1usize..20,
    ) {
        let mut harness = Harness::with(window, settings());
        let mut seen = Vec::new();
        let mut jobs = 0;
        for event in events {
            jobs += apply(&mut harness, &mut seen, event);
        }
        harness.advance(TIMEOUT + Duration::from_millis(25));
        seen.extend(harness.take_sent());
        prop_assert_eq!(harness.observations.len(), jobs);
        let requests: u32 = harness.observations.drain(..).map(|o| o.stats.requests).sum();
        prop_assert_eq!(requests as usize, seen.len());
        harness.assert_at_rest();
    }
}

/// The tracker is up, and one packet in ten is lost in each direction. Because the engine
/// retransmits, hardly one of 20,000 probes fails. The losses are the same in every run.
#[test]
fn loss_is_not_an_outage() {
    let mut failed = 0;
    for seed in 0..400 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut lost = || rng.random_ratio(1, 10);
        let mut harness = Harness::with(16, settings());
        for n in 0..50 {
            harness.announce(n);
        }
        for _ in 0..3010 {
            for request in harness.take_sent() {
                let there = !lost();
                let back = !lost();
                if there && back {
                    harness.receive(&match request.action() {
                        0 => request.connected(ID),
                        _ => request.announced(1, 0, &peers([1])),
                    });
                }
            }
            if harness.engine.active() == 0 {
                break;
            }
            harness.advance_ms(5);
        }
        harness.run_until_idle();
        assert_eq!(harness.observations.len(), 50);
        failed += harness
            .observations
            .iter()
            .filter(|observation| {
                !matches!(observation.report, Report::Announce { result: Ok(_), .. })
            })
            .count();
    }
    assert!(
        failed <= 50,
        "{failed} of 20,000 probes failed: more than one lost connect"
    );
}
