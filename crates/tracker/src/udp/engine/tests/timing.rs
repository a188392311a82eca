//! Retransmission, the lifetime of connection ids, and the send window.

use super::*;

fn times(sent: &[SentRequest]) -> Vec<u64> {
    // Timers fire in steps of 20 ms, so the times are rounded down to 50 ms.
    sent.iter().map(|request| request.at / 50 * 50).collect()
}

#[test]
fn a_dead_tracker_gets_four_connects_and_a_timeout() {
    let mut harness = Harness::new();
    harness.announce(1);
    harness.advance_ms(14_990);
    let sent = harness.take_sent();
    assert_eq!(times(&sent), [0, 1000, 3000, 7000]);
    assert!(sent.iter().all(|request| request.action() == 0));
    assert!(harness.observations.is_empty());
    harness.advance_ms(20);
    let observation = harness.observations[0].clone();
    assert_eq!(observation.stats.requests, 4);
    assert_eq!(harness.failure(), FailureReason::Timeout);
    harness.advance(TIMEOUT * 10);
    harness.assert_at_rest();
}

#[test]
fn probes_waiting_for_one_connect_share_its_packets() {
    let mut harness = Harness::new();
    for n in 0..1000 {
        harness.announce(n);
    }
    harness.advance_ms(15_010);
    assert_eq!(harness.take_sent().len(), 4);
    let requests: u32 = harness
        .observations
        .drain(..)
        .map(|observation| observation.stats.requests)
        .sum();
    assert_eq!(requests, 4);
    harness.assert_at_rest();
}

#[test]
fn a_late_probe_prolongs_the_connect() {
    let mut harness = Harness::new();
    harness.announce(1);
    harness.advance_ms(8500);
    harness.take_sent();
    harness.announce(2);
    assert_eq!(harness.take_one().action(), 0);
    harness.advance_ms(6600);
    assert_eq!(times(&harness.take_sent()), [9500, 11_500]);
    assert_eq!(harness.failure(), FailureReason::Timeout);
    harness.advance(TIMEOUT);
    harness.take_sent();
    assert_eq!(harness.failure(), FailureReason::Timeout);
    harness.assert_at_rest();
}

#[test]
fn a_lost_announce_is_sent_again_under_the_same_transaction() {
    let mut harness = Harness::new();
    harness.announce(1);
    let first = harness.connect().remove(0);
    harness.advance_ms(510);
    let second = harness.take_one();
    assert_eq!(second.bytes, first.bytes);
    assert_eq!(times(std::slice::from_ref(&second)), [500]);
    // The answer to the first packet arrives late, then the answer to the second.
    harness.receive(&first.announced(1, 0, &peers([1])));
    assert_eq!(harness.announced().peers.len(), 1);
    harness.receive(&second.announced(1, 0, &peers([1])));
    assert_eq!(harness.engine.datagram_stats().stray, 1);
    harness.assert_at_rest();
}

#[test]
fn a_tracker_that_restarted_is_connected_again() {
    let mut harness = Harness::new();
    harness.announce(1);
    let first = harness.connect().remove(0);
    harness.receive(&first.announced(0, 0, &[]));
    harness.announced();
    harness.advance_ms(2000);
    harness.announce(2);
    harness.advance_ms(1600);
    let sent = harness.take_sent();
    let actions: Vec<_> = sent.iter().map(SentRequest::action).collect();
    assert_eq!(
        actions,
        [1, 1, 0],
        "a connect follows two unanswered packets"
    );
    harness.receive(&sent[2].connected(ID + 1));
    let again = harness.take_one();
    assert_eq!(again.connection(), ID + 1);
    assert_eq!(again.transaction(), sent[0].transaction());
    harness.receive(&again.announced(0, 0, &[]));
    harness.announced();
    harness.assert_at_rest();
}

#[test]
fn a_connection_id_is_never_used_after_one_minute() {
    let mut harness = Harness::new();
    harness.announce(1);
    let first = harness.connect().remove(0);
    harness.receive(&first.announced(0, 0, &[]));
    harness.announced();
    harness.advance_ms(49_900);
    harness.announce_as(2, AnnounceStrategy::StartThenStop);
    let started = harness.take_one();
    assert_eq!(started.connection(), ID, "the connection id is still valid");
    harness.advance_ms(400);
    harness.receive(&started.announced(1, 1, &peers([1])));
    let stopped = harness.take_one();
    assert_eq!((stopped.at, stopped.connection()), (50_300, ID));
    harness.announce(3);
    assert_eq!(
        harness.take_one().action(),
        0,
        "the connection id is too old for a new probe"
    );
    harness.advance_ms(15_000);
    let late = harness.take_sent();
    assert!(!late.is_empty());
    assert!(late.iter().all(|r| r.connection() != ID || r.at < 60_000));
}

/// The engine is retransmitting `stopped` when the connection id expires.
#[test]
fn a_stopped_after_one_minute_gets_a_new_connection_id() {
    let mut harness = Harness::new();
    harness.announce_as(1, AnnounceStrategy::StartThenStop);
    harness.connect();
    let first = harness.take_sent();
    assert!(first.is_empty());
    harness.advance_ms(30_000);
    harness.take_sent();
    harness.observations.clear();
    harness.announce_as(2, AnnounceStrategy::StartThenStop);
    let connect = harness.take_one();
    harness.receive(&connect.connected(ID));
    let mut started = harness.take_one();
    harness.receive(&started.announced(1, 1, &[]));
    let stopped = harness.take_one();
    harness.receive(&stopped.announced(1, 0, &[]));
    harness.announced();
    harness.advance_ms(49_900);
    harness.announce_as(3, AnnounceStrategy::StartThenStop);
    started = harness.take_one();
    harness.receive(&started.announced(1, 1, &[]));
    // The tracker is alive, but every `stopped` of this probe is lost.
    for _ in 0..14 {
        harness.advance_ms(1000);
        harness.receive(&started.announced(1, 1, &[]));
    }
    let late = harness.take_sent();
    assert!(late.iter().any(|r| r.connection() == ID && r.event() == 3));
    assert!(late.iter().all(|r| r.connection() != ID || r.at < 90_000));
    assert!(late.iter().any(|r| r.action() == 0));
}

#[test]
fn losses_do_not_block_the_window() {
    let mut harness = Harness::with(4, settings());
    for n in 0..40 {
        harness.announce(n);
    }
    assert_eq!(harness.connect().len(), 4);
    // Without an answer, all 40 requests are still sent early within the first wait.
    harness.advance_ms(300);
    let sent = harness.take_sent();
    assert_eq!(sent.len(), 36);
    for request in &sent {
        harness.receive(&request.announced(0, 0, &[]));
    }
    harness.run_until_idle();
    assert_eq!(harness.observations.len(), 36);
}

/// The receive buffer of a tracker is small; other remotes use the rest of the window.
#[test]
fn one_remote_gets_no_more_than_its_buffer_holds() {
    let mut harness = Harness::with(1000, settings());
    for n in 0..300 {
        harness.announce(n);
    }
    let first = harness.connect();
    assert_eq!(first.len(), 128);
    harness.receive(&first[5].announced(0, 0, &[]));
    assert_eq!(harness.take_sent().len(), 1);
    harness.advance_ms(30);
    assert_eq!(
        harness.take_sent().len(),
        128,
        "lost packets release their slots"
    );
}

#[test]
fn a_dead_tracker_does_not_slow_down_others() {
    let mut harness = Harness::with(4, settings());
    for n in 0..100 {
        let request = |n| Request::Announce {
            id: AnnounceId(n),
            info_hash: InfoHash([1; 20]),
            strategy: AnnounceStrategy::StoppedOnly,
        };
        harness
            .engine
            .submit(Harness::job(2, request(1000 + n)), harness.now);
        harness
            .engine
            .submit(Harness::job(1, request(n)), harness.now);
    }
    let connects = harness.take_sent();
    assert_eq!(connects.len(), 2);
    harness.receive(&connects[1].connected(ID));
    for n in 1..=100 {
        for request in harness.take_sent() {
            harness.receive(&request.announced(0, 0, &[]));
        }
        harness.run_until_idle();
        if harness.observations.len() == 100 {
            break;
        }
        assert!(n < 40, "a window of four needs little more than 25 rounds");
    }
    assert_eq!(harness.now, harness.start, "no time passed");
}

#[test]
fn idle_remotes_are_forgotten() {
    let mut harness = Harness::new();
    for tracker in 0..10 {
        let request = Request::Announce {
            id: AnnounceId(tracker),
            info_hash: InfoHash([1; 20]),
            strategy: AnnounceStrategy::StoppedOnly,
        };
        harness
            .engine
            .submit(Harness::job(tracker, request), harness.now);
    }
    harness.advance(TIMEOUT + TIMEOUT);
    assert_eq!(harness.engine.remotes.len(), 10);
    harness.advance(Duration::from_secs(7200));
    let request = Request::Scrape {
        targets: vec![(AnnounceId(1), InfoHash([1; 20]))],
    };
    harness
        .engine
        .submit(Harness::job(99, request), harness.now);
    assert_eq!(harness.engine.remotes.len(), 1);
}
