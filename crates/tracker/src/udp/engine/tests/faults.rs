//! Trackers that send damaged answers, reject requests or do not answer.

use super::*;

#[test]
fn datagrams_from_strangers_are_ignored() {
    let mut harness = Harness::new();
    harness.announce(1);
    let request = harness.connect().remove(0);
    let answer = request.announced(1, 0, &peers([1]));
    // A wrong transaction, a wrong port, an empty datagram and a truncated one.
    let mut wrong = answer.clone();
    wrong[4] ^= 1;
    harness.receive(&wrong);
    harness.receive_from(SocketAddr::from(([192, 0, 2, 1], 7000)), &answer);
    harness.receive(&[]);
    harness.receive(&answer[..7]);
    harness.run_until_idle();
    assert!(harness.observations.is_empty());
    assert_eq!(harness.engine.datagram_stats().stray, 4);
    // Another address with the port of the tracker is accepted.
    harness.receive_from(server(9), &answer);
    assert_eq!(harness.announced().peers.len(), 1);
    assert_eq!(harness.engine.datagram_stats().foreign, 1);
    harness.assert_at_rest();
}

#[test]
fn damaged_answers_are_malformed() {
    for damage in [
        |r: &SentRequest| r.announced(1, 1, &[])[..19].to_vec(),
        |r: &SentRequest| r.announced(1, 1, &[])[..9].to_vec(),
        |r: &SentRequest| r.reply(0, &[], &[0; 8]),
        |r: &SentRequest| r.reply(2, &[1, 2, 3], &[]),
        |r: &SentRequest| r.reply(4, &[1800, 0, 0], &[]),
        |r: &SentRequest| r.reply(u32::MAX, &[], b"<html>"),
    ] {
        let mut harness = Harness::new();
        harness.announce(1);
        let stopped = harness.connect().remove(0);
        harness.receive(&damage(&stopped));
        let started = harness.take_one();
        harness.receive(&damage(&started));
        let last_stop = harness.take_one();
        harness.receive(&damage(&last_stop));
        assert_eq!(harness.failure(), FailureReason::Malformed);
        harness.assert_at_rest();
    }
}

#[test]
fn a_damaged_answer_to_started_is_followed_by_stopped() {
    let mut harness = Harness::new();
    harness.announce_as(1, AnnounceStrategy::StartThenStop);
    let started = harness.connect().remove(0);
    harness.receive(&started.reply(1, &[1800], &[]));
    let stopped = harness.take_one();
    assert_eq!(stopped.event(), 3);
    harness.receive(&stopped.announced(0, 0, &[]));
    assert_eq!(harness.failure(), FailureReason::Malformed);
    harness.assert_at_rest();
}

#[test]
fn a_torn_list_keeps_its_whole_entries() {
    let mut harness = Harness::new();
    harness.announce(1);
    let request = harness.connect().remove(0);
    let mut list = peers([1, 2, 3]);
    list.truncate(15);
    harness.receive(&request.announced(3, u32::MAX, &list));
    let announced = harness.announced();
    assert_eq!(announced.peers.len(), 2);
    assert_eq!(announced.peers.malformed, 1);
    assert_eq!(announced.counts.leechers, None, "a negative count");
    harness.assert_at_rest();
}

#[test]
fn error_packets_are_refusals() {
    let mut harness = Harness::new();
    harness.announce_as(1, AnnounceStrategy::StartThenStop);
    let request = harness.connect().remove(0);
    harness.receive(&request.error("Torrent not registered with this tracker"));
    let observation = harness.observation();
    let Report::Announce {
        result: Err(failed),
        ..
    } = observation.report
    else {
        panic!("{observation:?}");
    };
    assert_eq!(failed.reason, FailureReason::Rejected);
    assert_eq!(&*failed.text, "Torrent not registered with this tracker");
    harness.assert_at_rest();
}

/// opentracker with a whitelist rejects an announce with an answer of eight bytes.
#[test]
fn an_empty_answer_is_a_refusal() {
    let mut harness = Harness::new();
    harness.announce_as(1, AnnounceStrategy::StartThenStop);
    let request = harness.connect().remove(0);
    harness.receive(&request.reply(1, &[], &[]));
    assert_eq!(harness.failure(), FailureReason::Rejected);
    harness.assert_at_rest();
}

#[test]
fn a_rejected_connect_fails_all_waiting_probes() {
    let mut harness = Harness::new();
    harness.announce(1);
    harness.announce(2);
    let connect = harness.take_one();
    harness.receive(&connect.error("go away"));
    harness.run_until_idle();
    assert_eq!(harness.observations.len(), 2);
    harness.observations.remove(0);
    assert_eq!(harness.failure(), FailureReason::Rejected);
    harness.assert_at_rest();
}

#[test]
fn a_refused_connection_id_is_replaced_once() {
    for words in ["Connection ID missmatch.", "unknown connection"] {
        let mut harness = Harness::new();
        harness.announce_as(1, AnnounceStrategy::StartThenStop);
        let request = harness.connect().remove(0);
        harness.receive(&request.error(words));
        let connect = harness.take_one();
        harness.receive(&connect.connected(ID + 1));
        let again = harness.take_one();
        assert_eq!(again.connection(), ID + 1);
        harness.receive(&again.error(words));
        assert_eq!(harness.failure(), FailureReason::Rejected);
        harness.assert_at_rest();
    }
}

#[test]
fn a_closed_port_refuses_at_once() {
    let mut harness = Harness::new();
    harness.announce(1);
    let connect = harness.take_one();
    let refuse = |harness: &mut Harness, to, packet: &[u8]| {
        harness
            .engine
            .on_undelivered(to, packet, Undelivered::Refused, harness.now);
        harness.run_until_idle();
    };
    // ICMP errors are ignored if the address or transaction differs, or if the packet is too short.
    refuse(&mut harness, server(2), &connect.bytes);
    let mut other = connect.bytes.clone();
    other[15] ^= 1;
    refuse(&mut harness, server(1), &other);
    refuse(&mut harness, server(1), &connect.bytes[..15]);
    assert!(harness.observations.is_empty());
    refuse(&mut harness, server(1), &connect.bytes);
    assert_eq!(harness.failure(), FailureReason::Refused);
    harness.assert_at_rest();
}

#[test]
fn a_tracker_that_went_away_refuses_after_a_connect() {
    let mut harness = Harness::new();
    harness.announce(1);
    let request = harness.connect().remove(0);
    let now = harness.now;
    harness
        .engine
        .on_undelivered(server(1), &request.bytes, Undelivered::Refused, now);
    let connect = harness.take_one();
    assert_eq!(connect.action(), 0);
    harness
        .engine
        .on_undelivered(server(1), &connect.bytes, Undelivered::Refused, now);
    assert_eq!(harness.failure(), FailureReason::Refused);
    harness.assert_at_rest();
}

#[test]
fn other_addresses_of_a_host_are_tried() {
    // After a closed port, the engine tries the next address at once.
    let mut harness = Harness::new();
    harness.addresses = Ok(vec![server(1), server(2)]);
    harness.announce(1);
    let connect = harness.take_one();
    assert_eq!(connect.to, server(1));
    harness
        .engine
        .on_undelivered(server(1), &connect.bytes, Undelivered::Refused, harness.now);
    let connect = harness.take_one();
    assert_eq!(connect.to, server(2));
    harness.receive_from(server(2), &connect.connected(ID));
    let request = harness.take_one();
    assert_eq!(request.to, server(2));
    harness.receive_from(server(2), &request.announced(0, 0, &[]));
    harness.announced();
    // The engine keeps the address that works.
    harness.announce(2);
    assert_eq!(harness.take_one().to, server(2));

    // Without an answer, the next packet goes to the next address.
    let mut harness = Harness::new();
    harness.addresses = Ok(vec![server(1), server(2)]);
    harness.announce(1);
    harness.advance_ms(1010);
    let sent = harness.take_sent();
    assert_eq!(sent[0].to, server(1));
    assert_eq!(sent[1].to, server(2));
    // The first address answers late. Its connection id is valid for that address only.
    harness.receive_from(server(1), &sent[0].connected(ID));
    assert_eq!(harness.take_one().to, server(1));
}

#[test]
fn an_icmp_error_is_reported_if_no_answer_arrives() {
    let mut harness = Harness::new();
    harness.announce(1);
    let connect = harness.take_one();
    harness.engine.on_undelivered(
        server(1),
        &connect.bytes,
        Undelivered::Unreachable,
        harness.now,
    );
    harness.advance_ms(14_000);
    assert!(
        harness.observations.is_empty(),
        "the error may be temporary"
    );
    harness.advance_ms(1010);
    harness.take_sent();
    assert_eq!(harness.failure(), FailureReason::Unreachable);
    harness.assert_at_rest();
}

#[test]
fn a_timeout_after_locally_lost_packets_is_ours() {
    let mut harness = Harness::new();
    harness.announce(1);
    let connect = harness.take_one();
    harness
        .engine
        .on_undelivered(server(1), &connect.bytes, Undelivered::Lost, harness.now);
    // The engine retransmits a packet that was lost locally.
    harness.advance_ms(15_010);
    assert!(harness.take_sent().len() > 1);
    harness.run_until_idle();
    let observation = harness.observations.remove(0);
    assert!(observation.report.failed().unwrap().is_ours);
    // The next timeout counts against the tracker.
    harness.announce(2);
    harness.advance_ms(15_010);
    harness.run_until_idle();
    let observation = harness.observations.remove(0);
    let failed = observation.report.failed().unwrap();
    assert_eq!(
        (failed.reason, failed.is_ours),
        (FailureReason::Timeout, false)
    );
}

#[test]
fn packets_that_the_kernel_rejects_are_unreachable_at_once() {
    let mut harness = Harness::new();
    harness.announce(1);
    let connect = harness.take_one();
    harness
        .engine
        .on_undelivered(server(1), &connect.bytes, Undelivered::Unsent, harness.now);
    assert_eq!(harness.failure(), FailureReason::Unreachable);
    harness.assert_at_rest();
}

#[test]
fn failed_lookups_end_the_probe() {
    let mut harness = Harness::new();
    for (reason, expected) in [
        (FailureReason::Dns, FailureReason::Dns),
        (FailureReason::Denied, FailureReason::Denied),
    ] {
        harness.addresses = Err(ProbeError::new(reason, ""));
        harness.announce(1);
        assert_eq!(harness.failure(), expected);
    }
    harness.addresses = Ok(Vec::new());
    harness.announce(2);
    let report = harness.observation().report;
    assert!(
        matches!(&report, Report::NoAddress { ids } if ids == &[AnnounceId(2)]),
        "{report:?}"
    );
    harness.assert_at_rest();
}

#[test]
fn time_in_the_resolver_queue_does_not_count_against_the_tracker() {
    let mut harness = Harness::new();
    harness.announce(1);
    let lookups = harness.engine.take_lookups();
    assert_eq!((lookups.len(), lookups[0].limit), (1, TIMEOUT));
    // This is far longer than the timeout of the probe.
    harness.advance_ms(300_000);
    assert!(harness.engine.take_lookups().is_empty());
    assert!(
        harness.observations.is_empty(),
        "{:?}",
        harness.observations
    );
    let queried = Some(Duration::from_secs(2));
    let found = Ok(vec![server(1)]);
    harness
        .engine
        .on_lookup(TrackerId(1), found, queried, harness.now);
    // The name servers used two of the fifteen seconds.
    harness.advance_ms(12_500);
    assert!(
        harness.observations.is_empty(),
        "{:?}",
        harness.observations
    );
    harness.advance_ms(600);
    let observation = harness.observations[0].clone();
    assert_eq!(observation.stats.duration.as_secs(), 15);
    assert_eq!(harness.failure(), FailureReason::Timeout);
}

#[test]
fn a_probe_that_waits_for_an_address_ends_when_the_prober_does() {
    let mut harness = Harness::new();
    harness.announce(1);
    assert_eq!(harness.engine.take_lookups().len(), 1);
    harness.advance_ms(20_000);
    harness
        .engine
        .close(harness.now + Duration::from_secs(2), harness.now);
    assert_eq!(harness.engine.active(), 0);
}

#[test]
fn addresses_are_looked_up_again_after_failure_and_with_age() {
    let mut harness = Harness::new();
    harness.announce(1);
    harness.advance_ms(15_010);
    assert_eq!(harness.failure(), FailureReason::Timeout);
    harness.take_sent();
    // The tracker moves to another address.
    harness.advance_ms(30_000);
    harness.addresses = Ok(vec![server(2)]);
    harness.announce(2);
    let connect = harness.take_one();
    assert_eq!(connect.to, server(2));
    harness.receive_from(server(2), &connect.connected(ID));
    let request = harness.take_one();
    harness.receive_from(server(2), &request.announced(0, 0, &[]));
    harness.announced();
    // Ten minutes later, the engine looks the host up in the background.
    harness.advance_ms(600_000);
    harness.announce(3);
    assert_eq!(harness.engine.take_lookups().len(), 1);
    assert_eq!(harness.take_one().to, server(2));
}

#[test]
fn jobs_of_other_schemes_are_unsupported() {
    let mut harness = Harness::new();
    let request = Request::Scrape {
        targets: vec![(AnnounceId(1), InfoHash([1; 20]))],
    };
    let job = Job {
        url: Arc::new(TrackerUrl::parse("http://tracker.example/announce").unwrap()),
        ..Harness::job(1, request)
    };
    harness.engine.submit(job, harness.now);
    let report = harness.observation().report;
    assert!(matches!(
        report,
        Report::Scrape { result: Err(failed), .. } if failed.reason == FailureReason::Unsupported
    ));
    harness.assert_at_rest();
}

#[test]
fn abort_all_ends_every_job() {
    let mut harness = Harness::new();
    for n in 0..10 {
        harness.announce(n);
    }
    let sent = harness.connect();
    harness.receive(&sent[0].announced(0, 0, &[]));
    let observations = harness.engine.abort_all(harness.now);
    assert_eq!(observations.len(), 10);
}
