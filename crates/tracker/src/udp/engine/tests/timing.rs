//! Retransmission, the lifetime of connection ids, and the send window.

use super::*;

fn times(sent: &[SentRequest]) -> Vec<u64> {
    // Timers fire in steps of 20 ms, so the times are rounded down to 50 ms.
    sent.iter().map(|request| request.at / 50 * 50).collect()
}

#[test]
fn a_dead_tracker_gets_four_connects_and_a_timeout() {
    let mut lab = Lab::new();
    lab.announce(1);
    lab.pass_ms(14_990);
    let sent = lab.sent();
    assert_eq!(times(&sent), [0, 1000, 3000, 7000]);
    assert!(sent.iter().all(|request| request.action() == 0));
    assert!(lab.observations.is_empty());
    lab.pass_ms(20);
    let observation = lab.observations[0].clone();
    assert_eq!(observation.stats.requests, 4);
    assert_eq!(lab.failure(), FailureReason::Timeout);
    lab.pass(TIMEOUT * 10);
    lab.assert_at_rest();
}

#[test]
fn probes_waiting_for_one_connect_share_its_packets() {
    let mut lab = Lab::new();
    for n in 0..1000 {
        lab.announce(n);
    }
    lab.pass_ms(15_010);
    assert_eq!(lab.sent().len(), 4);
    let requests: u32 = lab
        .observations
        .drain(..)
        .map(|observation| observation.stats.requests)
        .sum();
    assert_eq!(requests, 4);
    lab.assert_at_rest();
}

#[test]
fn a_late_probe_prolongs_the_connect() {
    let mut lab = Lab::new();
    lab.announce(1);
    lab.pass_ms(8500);
    lab.sent();
    lab.announce(2);
    assert_eq!(lab.one().action(), 0);
    lab.pass_ms(6600);
    assert_eq!(times(&lab.sent()), [9500, 11_500]);
    assert_eq!(lab.failure(), FailureReason::Timeout);
    lab.pass(TIMEOUT);
    lab.sent();
    assert_eq!(lab.failure(), FailureReason::Timeout);
    lab.assert_at_rest();
}

#[test]
fn a_lost_announce_is_sent_again_under_the_same_transaction() {
    let mut lab = Lab::new();
    lab.announce(1);
    let first = lab.connect().remove(0);
    lab.pass_ms(510);
    let second = lab.one();
    assert_eq!(second.bytes, first.bytes);
    assert_eq!(times(std::slice::from_ref(&second)), [500]);
    // The answer to the first packet arrives late, then the answer to the second.
    lab.receive(&first.announced(1, 0, &peers([1])));
    assert_eq!(lab.announced().peers.len(), 1);
    lab.receive(&second.announced(1, 0, &peers([1])));
    assert_eq!(lab.engine.datagram_stats().stray, 1);
    lab.assert_at_rest();
}

#[test]
fn a_tracker_that_restarted_is_connected_again() {
    let mut lab = Lab::new();
    lab.announce(1);
    let first = lab.connect().remove(0);
    lab.receive(&first.announced(0, 0, &[]));
    lab.announced();
    lab.pass_ms(2000);
    lab.announce(2);
    lab.pass_ms(1600);
    let sent = lab.sent();
    let actions: Vec<_> = sent.iter().map(SentRequest::action).collect();
    assert_eq!(
        actions,
        [1, 1, 0],
        "a connect follows two unanswered packets"
    );
    lab.receive(&sent[2].connected(ID + 1));
    let again = lab.one();
    assert_eq!(again.connection(), ID + 1);
    assert_eq!(again.transaction(), sent[0].transaction());
    lab.receive(&again.announced(0, 0, &[]));
    lab.announced();
    lab.assert_at_rest();
}

#[test]
fn a_connection_id_is_never_used_after_one_minute() {
    let mut lab = Lab::new();
    lab.announce(1);
    let first = lab.connect().remove(0);
    lab.receive(&first.announced(0, 0, &[]));
    lab.announced();
    lab.pass_ms(49_900);
    lab.announce_as(2, AnnounceStrategy::StartThenStop);
    let started = lab.one();
    assert_eq!(started.connection(), ID, "the connection id is still valid");
    lab.pass_ms(400);
    lab.receive(&started.announced(1, 1, &peers([1])));
    let stopped = lab.one();
    assert_eq!((stopped.at, stopped.connection()), (50_300, ID));
    lab.announce(3);
    assert_eq!(lab.one().action(), 0, "the connection id is too old for a new probe");
    lab.pass_ms(15_000);
    let late = lab.sent();
    assert!(!late.is_empty());
    assert!(late.iter().all(|r| r.connection() != ID || r.at < 60_000));
}

/// The engine is retransmitting `stopped` when the connection id expires.
#[test]
fn a_stopped_after_one_minute_gets_a_new_connection_id() {
    let mut lab = Lab::new();
    lab.announce_as(1, AnnounceStrategy::StartThenStop);
    lab.connect();
    let first = lab.sent();
    assert!(first.is_empty());
    lab.pass_ms(30_000);
    lab.sent();
    lab.observations.clear();
    lab.announce_as(2, AnnounceStrategy::StartThenStop);
    let connect = lab.one();
    lab.receive(&connect.connected(ID));
    let mut started = lab.one();
    lab.receive(&started.announced(1, 1, &[]));
    let stopped = lab.one();
    lab.receive(&stopped.announced(1, 0, &[]));
    lab.announced();
    lab.pass_ms(49_900);
    lab.announce_as(3, AnnounceStrategy::StartThenStop);
    started = lab.one();
    lab.receive(&started.announced(1, 1, &[]));
    // The tracker is alive, but every `stopped` of this probe is lost.
    for _ in 0..14 {
        lab.pass_ms(1000);
        lab.receive(&started.announced(1, 1, &[]));
    }
    let late = lab.sent();
    assert!(late.iter().any(|r| r.connection() == ID && r.event() == 3));
    assert!(late.iter().all(|r| r.connection() != ID || r.at < 90_000));
    assert!(late.iter().any(|r| r.action() == 0));
}

#[test]
fn losses_do_not_block_the_window() {
    let mut lab = Lab::with(4, settings());
    for n in 0..40 {
        lab.announce(n);
    }
    assert_eq!(lab.connect().len(), 4);
    // Without an answer, all 40 requests are still sent early within the first wait.
    lab.pass_ms(300);
    let sent = lab.sent();
    assert_eq!(sent.len(), 36);
    for request in &sent {
        lab.receive(&request.announced(0, 0, &[]));
    }
    lab.settle();
    assert_eq!(lab.observations.len(), 36);
}

/// The receive buffer of a tracker is small; other remotes use the rest of the window.
#[test]
fn one_remote_gets_no_more_than_its_buffer_holds() {
    let mut lab = Lab::with(1000, settings());
    for n in 0..300 {
        lab.announce(n);
    }
    let first = lab.connect();
    assert_eq!(first.len(), 128);
    lab.receive(&first[5].announced(0, 0, &[]));
    assert_eq!(lab.sent().len(), 1);
    lab.pass_ms(30);
    assert_eq!(lab.sent().len(), 128, "lost packets release their slots");
}

#[test]
fn a_dead_tracker_does_not_slow_down_others() {
    let mut lab = Lab::with(4, settings());
    for n in 0..100 {
        let request = |n| Request::Announce {
            id: AnnounceId(n),
            info_hash: InfoHash([1; 20]),
            strategy: AnnounceStrategy::StoppedOnly,
        };
        lab.engine.submit(Lab::job(2, request(1000 + n)), lab.now);
        lab.engine.submit(Lab::job(1, request(n)), lab.now);
    }
    let connects = lab.sent();
    assert_eq!(connects.len(), 2);
    lab.receive(&connects[1].connected(ID));
    for n in 1..=100 {
        for request in lab.sent() {
            lab.receive(&request.announced(0, 0, &[]));
        }
        lab.settle();
        if lab.observations.len() == 100 {
            break;
        }
        assert!(n < 40, "a window of four needs little more than 25 rounds");
    }
    assert_eq!(lab.now, lab.start, "no time passed");
}

#[test]
fn idle_remotes_are_forgotten() {
    let mut lab = Lab::new();
    for tracker in 0..10 {
        let request = Request::Announce {
            id: AnnounceId(tracker),
            info_hash: InfoHash([1; 20]),
            strategy: AnnounceStrategy::StoppedOnly,
        };
        lab.engine.submit(Lab::job(tracker, request), lab.now);
    }
    lab.pass(TIMEOUT + TIMEOUT);
    assert_eq!(lab.engine.remotes.len(), 10);
    lab.pass(Duration::from_secs(7200));
    let request = Request::Scrape {
        targets: vec![(AnnounceId(1), InfoHash([1; 20]))],
    };
    lab.engine.submit(Lab::job(99, request), lab.now);
    assert_eq!(lab.engine.remotes.len(), 1);
}
