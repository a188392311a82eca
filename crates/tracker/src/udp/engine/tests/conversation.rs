//! Conversations with a tracker that answers.

use super::*;

#[test]
fn a_stopped_only_announce_leaves_no_entry() {
    let mut harness = Harness::new();
    harness.announce(7);
    let stopped = harness.connect().remove(0);
    assert_eq!(stopped.connection(), ID);
    assert_eq!(stopped.event(), 3);
    assert_eq!(stopped.bytes[16..36], [7; 20]);
    harness.advance_ms(30);
    harness.receive(&stopped.announced(2, 1, &peers([1, 2])));
    let observation = harness.observation();
    assert_eq!(observation.stats.requests, 2);
    assert_eq!(
        observation.stats.phases.response,
        Some(Duration::from_millis(30))
    );
    let Report::Announce {
        id: AnnounceId(7),
        result: Ok(announced),
    } = observation.report
    else {
        panic!("{observation:?}");
    };
    assert_eq!(announced.peers.v4.len(), 2);
    assert_eq!(announced.peers.v4[0].port, 1);
    assert_eq!(announced.counts.seeders, Some(2));
    assert_eq!(announced.counts.leechers, Some(1));
    assert_eq!(announced.interval, Some(Duration::from_secs(1800)));
    assert_eq!(announced.strategy, AnnounceStrategy::StoppedFirst);
    harness.assert_at_rest();
}

/// The tracker has shown its lists before, so the session believes an empty one.
#[test]
fn an_empty_swarm_needs_no_started() {
    let mut harness = Harness::new();
    harness.announce(1);
    let stopped = harness.connect().remove(0);
    harness.receive(&stopped.announced(0, 0, &[]));
    let announced = harness.announced();
    assert!(announced.peers.is_empty());
    assert_eq!(announced.strategy, AnnounceStrategy::StoppedFirst);
    harness.assert_at_rest();
}

/// opentracker answers `stopped` with counts and an empty list.
#[test]
fn counts_without_a_list_lead_to_started() {
    let mut harness = Harness::new();
    harness.announce(1);
    let first_stopped = harness.connect().remove(0);
    harness.receive(&first_stopped.announced(2, 1, &[]));
    let started = harness.take_one();
    assert_eq!((started.event(), started.connection()), (2, ID));
    assert_ne!(started.transaction(), first_stopped.transaction());
    harness.receive(&started.announced(2, 2, &peers([1, 2, OUR_PORT])));
    let stopped = harness.take_one();
    assert_eq!((stopped.event(), stopped.connection()), (3, ID));
    assert!(
        harness.observations.is_empty(),
        "the observation waits for the last `stopped`"
    );
    harness.receive(&stopped.announced(3, 1, &[]));
    let announced = harness.announced();
    assert_eq!(announced.strategy, AnnounceStrategy::StartThenStop);
    assert_eq!(announced.peers.len(), 3);
    assert_eq!(
        announced.counts.seeders,
        Some(2),
        "the count beside the list"
    );
    assert_eq!(announced.counts.leechers, Some(1));
    harness.assert_at_rest();
}

/// The counts cover both families, but the list covers one: `started` brings only our entry.
#[test]
fn a_list_of_only_our_entry_keeps_the_strategy() {
    let mut harness = Harness::new();
    harness.announce(1);
    let first_stopped = harness.connect().remove(0);
    harness.receive(&first_stopped.announced(2, 0, &[]));
    let started = harness.take_one();
    harness.receive(&started.announced(2, 1, &peers([OUR_PORT])));
    let stopped = harness.take_one();
    harness.receive(&stopped.announced(2, 0, &[]));
    let announced = harness.announced();
    assert_eq!(announced.strategy, AnnounceStrategy::StoppedFirst);
    assert!(announced.peer_list_withheld);
    harness.assert_at_rest();
}

#[test]
fn an_empty_list_is_withheld_only_if_the_counts_claim_peers() {
    // The counts in answer to `started`, the listed ports, and the counts in answer to the last
    // `stopped`, if any.
    for (during, ports, after, withheld) in [
        ((1, 1), vec![], Some((1, 0)), true),
        ((0, 1), vec![OUR_PORT], Some((0, 0)), false),
        ((0, 1), vec![OUR_PORT], None, false),
        ((0, 2), vec![OUR_PORT], None, true),
        // The counts are equal after `stopped`, so the tracker did not count us.
        ((0, 1), vec![], Some((0, 1)), true),
        // Some trackers answer every `stopped` with zeros.
        ((0, 2), vec![], Some((0, 0)), true),
        ((1, 1), vec![1], Some((1, 0)), false),
    ] {
        let mut harness = Harness::new();
        harness.announce_as(1, AnnounceStrategy::StartThenStop);
        let started = harness.connect().remove(0);
        let list: Vec<u8> = ports.iter().flat_map(|port| peers([*port])).collect();
        harness.receive(&started.announced(during.0, during.1, &list));
        let stopped = harness.take_one();
        match after {
            Some((seeders, leechers)) => {
                harness.receive(&stopped.announced(seeders, leechers, &[]))
            }
            None => {
                harness.advance(TIMEOUT);
                harness.take_sent();
            }
        }
        let is_withheld = harness.announced().peer_list_withheld;
        assert_eq!(is_withheld, withheld, "{during:?} {ports:?} {after:?}");
    }
}

#[test]
fn start_then_stop_joins_and_leaves() {
    let mut harness = Harness::new();
    harness.announce_as(1, AnnounceStrategy::StartThenStop);
    let started = harness.connect().remove(0);
    assert_eq!(started.event(), 2);
    harness.receive(&started.announced(2, 2, &peers([1, 2])));
    let stopped = harness.take_one();
    assert_eq!(stopped.event(), 3);
    harness.receive(&stopped.announced(2, 1, &[]));
    let announced = harness.announced();
    assert_eq!(announced.strategy, AnnounceStrategy::StartThenStop);
    assert_eq!(announced.counts.leechers, Some(1));
    assert_eq!(announced.peers.len(), 2);
    harness.assert_at_rest();
}

#[test]
fn peers_are_reported_without_a_confirmed_stopped() {
    let mut harness = Harness::new();
    harness.announce_as(1, AnnounceStrategy::StartThenStop);
    let started = harness.connect().remove(0);
    harness.receive(&started.announced(2, 2, &peers([1, 2])));
    harness.advance(TIMEOUT);
    let stopped = harness.take_sent();
    assert!(stopped.len() > 3, "`stopped` is retransmitted");
    assert!(stopped.iter().all(|request| request.event() == 3));
    let announced = harness.announced();
    assert_eq!(announced.peers.len(), 2);
    assert_eq!(announced.counts.leechers, Some(1), "the count excludes us");
    harness.assert_at_rest();
}

#[test]
fn an_unanswered_started_is_followed_by_stopped_within_the_deadline() {
    let mut harness = Harness::new();
    harness.announce_as(1, AnnounceStrategy::StartThenStop);
    let started = harness.connect();
    assert_eq!(started[0].event(), 2);
    // The tracker answers no packet of this probe.
    harness.advance(TIMEOUT);
    let sent = harness.take_sent();
    let last_start = sent.iter().rposition(|r| r.action() == 1 && r.event() == 2);
    let first_stop = sent.iter().position(|r| r.action() == 0 || r.event() == 3);
    assert!(last_start < first_stop, "{sent:?}");
    assert_eq!(harness.failure(), FailureReason::Timeout);
    harness.assert_at_rest();
}

#[test]
fn a_scrape_accepts_a_partial_answer() {
    let mut harness = Harness::new();
    let targets: Vec<_> = (0..64)
        .map(|n| (AnnounceId(n), InfoHash([n as u8; 20])))
        .collect();
    harness
        .engine
        .submit(Harness::job(1, Request::Scrape { targets }), harness.now);
    let scrape = harness.connect().remove(0);
    assert_eq!(scrape.action(), 2);
    assert_eq!(scrape.bytes.len(), 16 + 64 * 20);
    // Fifty entries, as chihaya sends, and a truncated one. The first has a negative number.
    let mut entries: Vec<u32> = (0..50).flat_map(|n| [n, 2 * n, 3 * n]).collect();
    entries[0] = u32::MAX;
    harness.receive(&scrape.reply(2, &entries, &[0; 5]));
    let Report::Scrape { ids, result } = harness.observation().report else {
        panic!("not a scrape");
    };
    let result = result.unwrap();
    assert_eq!(ids.len(), 64);
    assert_eq!(result.len(), 64);
    assert_eq!(result[0].unwrap().seeders, None);
    assert_eq!(result[49], scraped(49, 98, 147));
    assert_eq!(result[50..], [None; 14]);
    harness.assert_at_rest();
}

#[test]
fn one_connection_id_serves_all_torrents() {
    let mut harness = Harness::new();
    for n in 0..100 {
        harness.announce(n);
    }
    let first = harness.connect();
    assert_eq!(first.len(), 64, "a full window");
    for request in &first {
        harness.receive(&request.announced(0, 0, &[]));
    }
    let rest = harness.take_sent();
    assert_eq!(rest.len(), 36);
    // Answers may arrive in any order.
    for request in rest.iter().rev() {
        harness.receive(&request.announced(0, 0, &[]));
    }
    harness.run_until_idle();
    let mut ids: Vec<_> = harness
        .observations
        .drain(..)
        .map(|observation| match observation.report {
            Report::Announce { id, result: Ok(_) } => id.0,
            other => panic!("{other:?}"),
        })
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..100).collect::<Vec<_>>());
    harness.assert_at_rest();
}

#[test]
fn closing_stops_started_announces_and_drops_the_rest() {
    let mut harness = Harness::new();
    harness.announce_as(1, AnnounceStrategy::StartThenStop);
    harness.announce_as(2, AnnounceStrategy::StoppedFirst);
    harness.announce_as(3, AnnounceStrategy::StartThenStop);
    let requests = harness.connect();
    harness.receive(&requests[2].announced(1, 1, &peers([1])));
    let last_stop = harness.take_one();
    let end = harness.now + Duration::from_secs(2);
    harness.engine.close(end, harness.now);
    harness.announce(4);
    let stopped = harness.take_one();
    assert_eq!(stopped.event(), 3);
    assert_eq!(stopped.bytes[16..36], [1; 20]);
    harness.receive(&last_stop.announced(1, 0, &[]));
    assert_eq!(harness.announced().peers.len(), 1, "its list had arrived");
    harness.advance_ms(1999);
    assert!(
        !harness.take_sent().is_empty(),
        "`stopped` is retransmitted"
    );
    assert_eq!(harness.engine.active(), 1);
    harness.advance_ms(10);
    harness.take_sent();
    harness.assert_at_rest();
}
