//! Trackers that send damaged answers, reject requests or do not answer.

use super::*;

#[test]
fn datagrams_from_strangers_are_ignored() {
    let mut lab = Lab::new();
    lab.announce(1);
    let request = lab.connect().remove(0);
    let answer = request.announced(1, 0, &peers([1]));
    // A wrong transaction, a wrong port, an empty datagram and a truncated one.
    let mut wrong = answer.clone();
    wrong[4] ^= 1;
    lab.receive(&wrong);
    lab.receive_from(SocketAddr::from(([192, 0, 2, 1], 7000)), &answer);
    lab.receive(&[]);
    lab.receive(&answer[..7]);
    lab.settle();
    assert!(lab.observations.is_empty());
    assert_eq!(lab.engine.datagram_stats().stray, 4);
    // Another address with the port of the tracker is accepted.
    lab.receive_from(server(9), &answer);
    assert_eq!(lab.announced().peers.len(), 1);
    assert_eq!(lab.engine.datagram_stats().foreign, 1);
    lab.assert_at_rest();
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
        let mut lab = Lab::new();
        lab.announce(1);
        let stopped = lab.connect().remove(0);
        lab.receive(&damage(&stopped));
        let started = lab.one();
        lab.receive(&damage(&started));
        let last_stop = lab.one();
        lab.receive(&damage(&last_stop));
        assert_eq!(lab.failure(), FailureReason::Malformed);
        lab.assert_at_rest();
    }
}

#[test]
fn a_damaged_answer_to_started_is_followed_by_stopped() {
    let mut lab = Lab::new();
    lab.announce_as(1, AnnounceStrategy::StartThenStop);
    let started = lab.connect().remove(0);
    lab.receive(&started.reply(1, &[1800], &[]));
    let stopped = lab.one();
    assert_eq!(stopped.event(), 3);
    lab.receive(&stopped.announced(0, 0, &[]));
    assert_eq!(lab.failure(), FailureReason::Malformed);
    lab.assert_at_rest();
}

#[test]
fn a_torn_list_keeps_its_whole_entries() {
    let mut lab = Lab::new();
    lab.announce(1);
    let request = lab.connect().remove(0);
    let mut list = peers([1, 2, 3]);
    list.truncate(15);
    lab.receive(&request.announced(3, u32::MAX, &list));
    let announced = lab.announced();
    assert_eq!(announced.peers.len(), 2);
    assert_eq!(announced.peers.malformed, 1);
    assert_eq!(announced.counts.leechers, None, "a negative count");
    lab.assert_at_rest();
}

#[test]
fn error_packets_are_refusals() {
    let mut lab = Lab::new();
    lab.announce_as(1, AnnounceStrategy::StartThenStop);
    let request = lab.connect().remove(0);
    lab.receive(&request.error("Torrent not registered with this tracker"));
    let observation = lab.observation();
    let Report::Announce {
        result: Err(failed),
        ..
    } = observation.report
    else {
        panic!("{observation:?}");
    };
    assert_eq!(failed.reason, FailureReason::Rejected);
    assert_eq!(&*failed.text, "Torrent not registered with this tracker");
    lab.assert_at_rest();
}

/// opentracker with a whitelist rejects an announce with an answer of eight bytes.
#[test]
fn an_empty_answer_is_a_refusal() {
    let mut lab = Lab::new();
    lab.announce_as(1, AnnounceStrategy::StartThenStop);
    let request = lab.connect().remove(0);
    lab.receive(&request.reply(1, &[], &[]));
    assert_eq!(lab.failure(), FailureReason::Rejected);
    lab.assert_at_rest();
}

#[test]
fn a_rejected_connect_fails_all_waiting_probes() {
    let mut lab = Lab::new();
    lab.announce(1);
    lab.announce(2);
    let connect = lab.one();
    lab.receive(&connect.error("go away"));
    lab.settle();
    assert_eq!(lab.observations.len(), 2);
    lab.observations.remove(0);
    assert_eq!(lab.failure(), FailureReason::Rejected);
    lab.assert_at_rest();
}

#[test]
fn a_refused_connection_id_is_replaced_once() {
    for words in ["Connection ID missmatch.", "unknown connection"] {
        let mut lab = Lab::new();
        lab.announce_as(1, AnnounceStrategy::StartThenStop);
        let request = lab.connect().remove(0);
        lab.receive(&request.error(words));
        let connect = lab.one();
        lab.receive(&connect.connected(ID + 1));
        let again = lab.one();
        assert_eq!(again.connection(), ID + 1);
        lab.receive(&again.error(words));
        assert_eq!(lab.failure(), FailureReason::Rejected);
        lab.assert_at_rest();
    }
}

#[test]
fn a_closed_port_refuses_at_once() {
    let mut lab = Lab::new();
    lab.announce(1);
    let connect = lab.one();
    let refuse = |lab: &mut Lab, to, packet: &[u8]| {
        lab.engine
            .on_undelivered(to, packet, Undelivered::Refused, lab.now);
        lab.settle();
    };
    // ICMP errors are ignored if the address or transaction differs, or if the packet is too short.
    refuse(&mut lab, server(2), &connect.bytes);
    let mut other = connect.bytes.clone();
    other[15] ^= 1;
    refuse(&mut lab, server(1), &other);
    refuse(&mut lab, server(1), &connect.bytes[..15]);
    assert!(lab.observations.is_empty());
    refuse(&mut lab, server(1), &connect.bytes);
    assert_eq!(lab.failure(), FailureReason::Refused);
    lab.assert_at_rest();
}

#[test]
fn a_tracker_that_went_away_refuses_after_a_connect() {
    let mut lab = Lab::new();
    lab.announce(1);
    let request = lab.connect().remove(0);
    let now = lab.now;
    lab.engine
        .on_undelivered(server(1), &request.bytes, Undelivered::Refused, now);
    let connect = lab.one();
    assert_eq!(connect.action(), 0);
    lab.engine
        .on_undelivered(server(1), &connect.bytes, Undelivered::Refused, now);
    assert_eq!(lab.failure(), FailureReason::Refused);
    lab.assert_at_rest();
}

#[test]
fn other_addresses_of_a_host_are_tried() {
    // After a closed port, the engine tries the next address at once.
    let mut lab = Lab::new();
    lab.addresses = Ok(vec![server(1), server(2)]);
    lab.announce(1);
    let connect = lab.one();
    assert_eq!(connect.to, server(1));
    lab.engine
        .on_undelivered(server(1), &connect.bytes, Undelivered::Refused, lab.now);
    let connect = lab.one();
    assert_eq!(connect.to, server(2));
    lab.receive_from(server(2), &connect.connected(ID));
    let request = lab.one();
    assert_eq!(request.to, server(2));
    lab.receive_from(server(2), &request.announced(0, 0, &[]));
    lab.announced();
    // The engine keeps the address that works.
    lab.announce(2);
    assert_eq!(lab.one().to, server(2));

    // Without an answer, the next packet goes to the next address.
    let mut lab = Lab::new();
    lab.addresses = Ok(vec![server(1), server(2)]);
    lab.announce(1);
    lab.pass_ms(1010);
    let sent = lab.sent();
    assert_eq!(sent[0].to, server(1));
    assert_eq!(sent[1].to, server(2));
    // The first address answers late. Its connection id is valid for that address only.
    lab.receive_from(server(1), &sent[0].connected(ID));
    assert_eq!(lab.one().to, server(1));
}

#[test]
fn an_icmp_error_is_reported_if_no_answer_arrives() {
    let mut lab = Lab::new();
    lab.announce(1);
    let connect = lab.one();
    lab.engine
        .on_undelivered(server(1), &connect.bytes, Undelivered::Unreachable, lab.now);
    lab.pass_ms(14_000);
    assert!(lab.observations.is_empty(), "the error may be temporary");
    lab.pass_ms(1010);
    lab.sent();
    assert_eq!(lab.failure(), FailureReason::Unreachable);
    lab.assert_at_rest();
}

#[test]
fn a_timeout_after_locally_lost_packets_is_ours() {
    let mut lab = Lab::new();
    lab.announce(1);
    let connect = lab.one();
    lab.engine
        .on_undelivered(server(1), &connect.bytes, Undelivered::Lost, lab.now);
    // The engine retransmits a packet that was lost locally.
    lab.pass_ms(15_010);
    assert!(lab.sent().len() > 1);
    lab.settle();
    let observation = lab.observations.remove(0);
    assert!(observation.report.failed().unwrap().is_ours);
    // The next timeout counts against the tracker.
    lab.announce(2);
    lab.pass_ms(15_010);
    lab.settle();
    let observation = lab.observations.remove(0);
    let failed = observation.report.failed().unwrap();
    assert_eq!(
        (failed.reason, failed.is_ours),
        (FailureReason::Timeout, false)
    );
}

#[test]
fn packets_that_the_kernel_rejects_are_unreachable_at_once() {
    let mut lab = Lab::new();
    lab.announce(1);
    let connect = lab.one();
    lab.engine
        .on_undelivered(server(1), &connect.bytes, Undelivered::Unsent, lab.now);
    assert_eq!(lab.failure(), FailureReason::Unreachable);
    lab.assert_at_rest();
}

#[test]
fn failed_lookups_end_the_probe() {
    let mut lab = Lab::new();
    for (reason, expected) in [
        (FailureReason::Dns, FailureReason::Dns),
        (FailureReason::Denied, FailureReason::Denied),
    ] {
        lab.addresses = Err(ProbeError::new(reason, ""));
        lab.announce(1);
        assert_eq!(lab.failure(), expected);
    }
    lab.addresses = Ok(Vec::new());
    lab.announce(2);
    let report = lab.observation().report;
    assert!(
        matches!(&report, Report::NoAddress { ids } if ids == &[AnnounceId(2)]),
        "{report:?}"
    );
    lab.assert_at_rest();
}

#[test]
fn time_in_the_resolver_queue_does_not_count_against_the_tracker() {
    let mut lab = Lab::new();
    lab.announce(1);
    let lookups = lab.engine.take_lookups();
    assert_eq!((lookups.len(), lookups[0].limit), (1, TIMEOUT));
    // This is far longer than the timeout of the probe.
    lab.pass_ms(300_000);
    assert!(lab.engine.take_lookups().is_empty());
    assert!(lab.observations.is_empty(), "{:?}", lab.observations);
    let asked = Some(Duration::from_secs(2));
    let found = Ok(vec![server(1)]);
    lab.engine.on_lookup(TrackerId(1), found, asked, lab.now);
    // The name servers used two of the fifteen seconds.
    lab.pass_ms(12_500);
    assert!(lab.observations.is_empty(), "{:?}", lab.observations);
    lab.pass_ms(600);
    let observation = lab.observations[0].clone();
    assert_eq!(observation.stats.duration.as_secs(), 15);
    assert_eq!(lab.failure(), FailureReason::Timeout);
}

#[test]
fn a_probe_that_waits_for_an_address_ends_when_the_prober_does() {
    let mut lab = Lab::new();
    lab.announce(1);
    assert_eq!(lab.engine.take_lookups().len(), 1);
    lab.pass_ms(20_000);
    lab.engine.close(lab.now + Duration::from_secs(2), lab.now);
    assert_eq!(lab.engine.active(), 0);
}

#[test]
fn addresses_are_looked_up_again_after_failure_and_with_age() {
    let mut lab = Lab::new();
    lab.announce(1);
    lab.pass_ms(15_010);
    assert_eq!(lab.failure(), FailureReason::Timeout);
    lab.sent();
    // The tracker moves to another address.
    lab.pass_ms(30_000);
    lab.addresses = Ok(vec![server(2)]);
    lab.announce(2);
    let connect = lab.one();
    assert_eq!(connect.to, server(2));
    lab.receive_from(server(2), &connect.connected(ID));
    let request = lab.one();
    lab.receive_from(server(2), &request.announced(0, 0, &[]));
    lab.announced();
    // Ten minutes later, the engine looks the host up in the background.
    lab.pass_ms(600_000);
    lab.announce(3);
    assert_eq!(lab.engine.take_lookups().len(), 1);
    assert_eq!(lab.one().to, server(2));
}

#[test]
fn jobs_of_other_schemes_are_unsupported() {
    let mut lab = Lab::new();
    let request = Request::Scrape {
        targets: vec![(AnnounceId(1), InfoHash([1; 20]))],
    };
    let job = Job {
        url: Arc::new(TrackerUrl::parse("http://tracker.example/announce").unwrap()),
        ..Lab::job(1, request)
    };
    lab.engine.submit(job, lab.now);
    let report = lab.observation().report;
    assert!(matches!(
        report,
        Report::Scrape { result: Err(failed), .. } if failed.reason == FailureReason::Unsupported
    ));
    lab.assert_at_rest();
}

#[test]
fn abort_all_ends_every_job() {
    let mut lab = Lab::new();
    for n in 0..10 {
        lab.announce(n);
    }
    let sent = lab.connect();
    lab.receive(&sent[0].announced(0, 0, &[]));
    let observations = lab.engine.abort_all(lab.now);
    assert_eq!(observations.len(), 10);
}
