//! Conversations with a tracker that answers.

use super::*;

#[test]
fn a_stopped_only_announce_leaves_no_entry() {
    let mut lab = Lab::new();
    lab.announce(7);
    let stopped = lab.connect().remove(0);
    assert_eq!(stopped.connection(), ID);
    assert_eq!(stopped.event(), 3);
    assert_eq!(stopped.bytes[16..36], [7; 20]);
    lab.pass_ms(30);
    lab.receive(&stopped.announced(2, 1, &peers([1, 2])));
    let observation = lab.observation();
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
    lab.assert_at_rest();
}

/// The tracker has shown its lists before, so the session believes an empty one.
#[test]
fn an_empty_swarm_needs_no_started() {
    let mut lab = Lab::new();
    lab.announce(1);
    let stopped = lab.connect().remove(0);
    lab.receive(&stopped.announced(0, 0, &[]));
    let announced = lab.announced();
    assert!(announced.peers.is_empty());
    assert_eq!(announced.strategy, AnnounceStrategy::StoppedFirst);
    lab.assert_at_rest();
}

/// opentracker answers `stopped` with counts and an empty list.
#[test]
fn counts_without_a_list_lead_to_started() {
    let mut lab = Lab::new();
    lab.announce(1);
    let ghost = lab.connect().remove(0);
    lab.receive(&ghost.announced(2, 1, &[]));
    let started = lab.one();
    assert_eq!((started.event(), started.connection()), (2, ID));
    assert_ne!(started.transaction(), ghost.transaction());
    lab.receive(&started.announced(2, 2, &peers([1, 2, OUR_PORT])));
    let stopped = lab.one();
    assert_eq!((stopped.event(), stopped.connection()), (3, ID));
    assert!(lab.observations.is_empty(), "the observation waits for the last `stopped`");
    lab.receive(&stopped.announced(3, 1, &[]));
    let announced = lab.announced();
    assert_eq!(announced.strategy, AnnounceStrategy::StartThenStop);
    assert_eq!(announced.peers.len(), 3);
    assert_eq!(announced.counts.seeders, Some(2), "the count beside the list");
    assert_eq!(announced.counts.leechers, Some(1));
    lab.assert_at_rest();
}

/// The counts cover both families, but the list covers one: `started` brings only our entry.
#[test]
fn a_list_of_only_our_entry_keeps_the_strategy() {
    let mut lab = Lab::new();
    lab.announce(1);
    let ghost = lab.connect().remove(0);
    lab.receive(&ghost.announced(2, 0, &[]));
    let started = lab.one();
    lab.receive(&started.announced(2, 1, &peers([OUR_PORT])));
    let stopped = lab.one();
    lab.receive(&stopped.announced(2, 0, &[]));
    let announced = lab.announced();
    assert_eq!(announced.strategy, AnnounceStrategy::StoppedFirst);
    assert!(announced.peer_list_withheld);
    lab.assert_at_rest();
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
        let mut lab = Lab::new();
        lab.announce_as(1, AnnounceStrategy::StartThenStop);
        let started = lab.connect().remove(0);
        let list: Vec<u8> = ports.iter().flat_map(|port| peers([*port])).collect();
        lab.receive(&started.announced(during.0, during.1, &list));
        let stopped = lab.one();
        match after {
            Some((seeders, leechers)) => lab.receive(&stopped.announced(seeders, leechers, &[])),
            None => {
                lab.pass(TIMEOUT);
                lab.sent();
            }
        }
        let told = lab.announced().peer_list_withheld;
        assert_eq!(told, withheld, "{during:?} {ports:?} {after:?}");
    }
}

#[test]
fn start_then_stop_joins_and_leaves() {
    let mut lab = Lab::new();
    lab.announce_as(1, AnnounceStrategy::StartThenStop);
    let started = lab.connect().remove(0);
    assert_eq!(started.event(), 2);
    lab.receive(&started.announced(2, 2, &peers([1, 2])));
    let stopped = lab.one();
    assert_eq!(stopped.event(), 3);
    lab.receive(&stopped.announced(2, 1, &[]));
    let announced = lab.announced();
    assert_eq!(announced.strategy, AnnounceStrategy::StartThenStop);
    assert_eq!(announced.counts.leechers, Some(1));
    assert_eq!(announced.peers.len(), 2);
    lab.assert_at_rest();
}

#[test]
fn peers_are_reported_without_a_confirmed_stopped() {
    let mut lab = Lab::new();
    lab.announce_as(1, AnnounceStrategy::StartThenStop);
    let started = lab.connect().remove(0);
    lab.receive(&started.announced(2, 2, &peers([1, 2])));
    lab.pass(TIMEOUT);
    let stopped = lab.sent();
    assert!(stopped.len() > 3, "`stopped` is retransmitted");
    assert!(stopped.iter().all(|request| request.event() == 3));
    let announced = lab.announced();
    assert_eq!(announced.peers.len(), 2);
    assert_eq!(announced.counts.leechers, Some(1), "the count excludes us");
    lab.assert_at_rest();
}

#[test]
fn an_unanswered_started_is_followed_by_stopped_within_the_deadline() {
    let mut lab = Lab::new();
    lab.announce_as(1, AnnounceStrategy::StartThenStop);
    let started = lab.connect();
    assert_eq!(started[0].event(), 2);
    // The tracker answers no packet of this probe.
    lab.pass(TIMEOUT);
    let sent = lab.sent();
    let last_start = sent.iter().rposition(|r| r.action() == 1 && r.event() == 2);
    let first_stop = sent.iter().position(|r| r.action() == 0 || r.event() == 3);
    assert!(last_start < first_stop, "{sent:?}");
    assert_eq!(lab.failure(), FailureReason::Timeout);
    lab.assert_at_rest();
}

#[test]
fn a_scrape_accepts_a_partial_answer() {
    let mut lab = Lab::new();
    let targets: Vec<_> = (0..64)
        .map(|n| (AnnounceId(n), InfoHash([n as u8; 20])))
        .collect();
    lab.engine
        .submit(Lab::job(1, Request::Scrape { targets }), lab.now);
    let scrape = lab.connect().remove(0);
    assert_eq!(scrape.action(), 2);
    assert_eq!(scrape.bytes.len(), 16 + 64 * 20);
    // Fifty entries, as chihaya sends, and a truncated one. The first has a negative number.
    let mut entries: Vec<u32> = (0..50).flat_map(|n| [n, 2 * n, 3 * n]).collect();
    entries[0] = u32::MAX;
    lab.receive(&scrape.reply(2, &entries, &[0; 5]));
    let Report::Scrape { ids, result } = lab.observation().report else {
        panic!("not a scrape");
    };
    let result = result.unwrap();
    assert_eq!(ids.len(), 64);
    assert_eq!(result.len(), 64);
    assert_eq!(result[0].unwrap().seeders, None);
    assert_eq!(result[49], scraped(49, 98, 147));
    assert_eq!(result[50..], [None; 14]);
    lab.assert_at_rest();
}

#[test]
fn one_connection_id_serves_all_torrents() {
    let mut lab = Lab::new();
    for n in 0..100 {
        lab.announce(n);
    }
    let first = lab.connect();
    assert_eq!(first.len(), 64, "a full window");
    for request in &first {
        lab.receive(&request.announced(0, 0, &[]));
    }
    let rest = lab.sent();
    assert_eq!(rest.len(), 36);
    // Answers may arrive in any order.
    for request in rest.iter().rev() {
        lab.receive(&request.announced(0, 0, &[]));
    }
    lab.settle();
    let mut ids: Vec<_> = lab
        .observations
        .drain(..)
        .map(|observation| match observation.report {
            Report::Announce { id, result: Ok(_) } => id.0,
            other => panic!("{other:?}"),
        })
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..100).collect::<Vec<_>>());
    lab.assert_at_rest();
}

#[test]
fn closing_stops_started_announces_and_drops_the_rest() {
    let mut lab = Lab::new();
    lab.announce_as(1, AnnounceStrategy::StartThenStop);
    lab.announce_as(2, AnnounceStrategy::StoppedFirst);
    lab.announce_as(3, AnnounceStrategy::StartThenStop);
    let requests = lab.connect();
    lab.receive(&requests[2].announced(1, 1, &peers([1])));
    let last_stop = lab.one();
    let end = lab.now + Duration::from_secs(2);
    lab.engine.close(end, lab.now);
    lab.announce(4);
    let stopped = lab.one();
    assert_eq!(stopped.event(), 3);
    assert_eq!(stopped.bytes[16..36], [1; 20]);
    lab.receive(&last_stop.announced(1, 0, &[]));
    assert_eq!(lab.announced().peers.len(), 1, "its list had arrived");
    lab.pass_ms(1999);
    assert!(!lab.sent().is_empty(), "`stopped` is retransmitted");
    assert_eq!(lab.engine.active(), 1);
    lab.pass_ms(10);
    lab.sent();
    lab.assert_at_rest();
}
