//! Announce sessions; `pairs` tests every pair of answers.

mod pairs;

use std::time::Duration;

use super::*;
use crate::{Counts, Retry, StoppedList};
use seedwatch_torrent::Peers;

const OUR_PORT: u16 = 50_000;

fn peer_filter() -> PeerFilter {
    PeerFilter {
        ports: [OUR_PORT, OUR_PORT + 1],
        accept: Accept::Global,
    }
}

fn counts(seeders: u32, leechers: u32) -> Counts {
    Counts {
        seeders: Some(seeders),
        leechers: Some(leechers),
        completed: None,
    }
}

fn list(peers: &[&str]) -> Peers {
    let mut list = Peers::default();
    for peer in peers {
        let at: std::net::SocketAddr = peer.parse().unwrap();
        list.push(at.ip(), at.port());
    }
    list
}

const FOUR: [&str; 4] = [
    "81.2.3.4:6881",
    "81.2.3.5:6881",
    "81.2.3.6:6881",
    "81.2.3.7:6881",
];

fn answer(counts: Counts, peers: &[&str]) -> SessionAnswer {
    SessionAnswer {
        announced: AnnounceResponse {
            peers: list(peers),
            counts,
            ..AnnounceResponse::default()
        },
        has_list: true,
    }
}

/// Sends the current request, which must be `request`, and delivers its answer.
fn answer_request(
    session: &mut AnnounceSession,
    request: AnnounceRequest,
    answer: SessionAnswer,
) -> Next {
    assert_eq!(session.request(), request);
    session.sent();
    session.answered(answer, &peer_filter())
}

/// Sends the current request, which must be `request`, and fails it. The tracker may have received
/// it.
fn fail_request(
    session: &mut AnnounceSession,
    request: AnnounceRequest,
    reason: FailureReason,
) -> Next {
    assert_eq!(session.request(), request);
    session.sent();
    session.failed(
        ProbeError::new(reason, ""),
        Delivery::Possible,
        &peer_filter(),
    )
}

fn response(next: Next) -> AnnounceResponse {
    match next {
        Next::Done(Some(Ok(announced))) => *announced,
        other => panic!("{other:?}"),
    }
}

fn failure(next: Next) -> ProbeError {
    match next {
        Next::Done(Some(Err(failed))) => failed,
        other => panic!("{other:?}"),
    }
}

fn sends(next: &Next) -> bool {
    matches!(next, Next::Send)
}

#[test]
fn a_list_in_answer_to_stopped_is_the_verdict() {
    for strategy in [
        AnnounceStrategy::StoppedFirst,
        AnnounceStrategy::StoppedOnly,
    ] {
        let mut session = AnnounceSession::new(strategy);
        let next = answer_request(
            &mut session,
            AnnounceRequest::StoppedQuery,
            answer(counts(3, 1), &FOUR),
        );
        let response = response(next);
        assert_eq!(
            (response.peers.len(), response.strategy),
            (4, AnnounceStrategy::StoppedFirst)
        );
        assert_eq!(response.stopped_list, StoppedList::Unknown);
        assert!(!response.peer_list_withheld && !session.may_be_registered());
    }
}

#[test]
fn an_empty_swarm_is_believed_if_the_tracker_has_shown_its_lists() {
    let mut session = AnnounceSession::new(AnnounceStrategy::StoppedOnly);
    let empty = response(answer_request(
        &mut session,
        AnnounceRequest::StoppedQuery,
        answer(counts(0, 0), &[]),
    ));
    assert!(!empty.peer_list_withheld && empty.peers.is_empty());
    // Some trackers list and count the client itself.
    let us = format!("81.2.3.9:{OUR_PORT}");
    let mut session = AnnounceSession::new(AnnounceStrategy::StoppedOnly);
    let alone = response(answer_request(
        &mut session,
        AnnounceRequest::StoppedQuery,
        answer(counts(0, 1), &[&us]),
    ));
    assert_eq!((alone.counts, alone.peers.len()), (counts(0, 0), 0));
    assert!(!alone.peer_list_withheld);
}

#[test]
fn an_empty_list_with_a_warning_or_without_counts_leads_to_started() {
    let mut warned = answer(counts(0, 0), &[]);
    warned.announced.warning = Some("not registered".into());
    for answer in [
        warned,
        answer(Counts::default(), &[]),
        answer(counts(1, 0), &[]),
    ] {
        let mut session = AnnounceSession::new(AnnounceStrategy::StoppedOnly);
        assert!(sends(&answer_request(
            &mut session,
            AnnounceRequest::StoppedQuery,
            answer
        )));
        assert_eq!(session.request(), AnnounceRequest::Started);
    }
}

/// At a tracker that has not shown its lists, the session believes zeros only from `started`.
#[test]
fn zeros_lead_to_started() {
    let mut session = AnnounceSession::new(AnnounceStrategy::StoppedFirst);
    assert!(sends(&answer_request(
        &mut session,
        AnnounceRequest::StoppedQuery,
        answer(counts(0, 0), &[])
    )));
    assert!(sends(&answer_request(
        &mut session,
        AnnounceRequest::Started,
        answer(counts(3, 2), &FOUR)
    )));
    assert!(session.may_be_registered());
    let response = response(answer_request(
        &mut session,
        AnnounceRequest::Stopped,
        answer(counts(0, 0), &[]),
    ));
    assert_eq!((response.counts, response.peers.len()), (counts(3, 1), 4));
    assert_eq!(response.stopped_list, StoppedList::Missing);
    assert!(!session.may_be_registered());
}

#[test]
fn compare_checks_both_lists() {
    let many: Vec<String> = (0..60).map(|n| format!("81.2.4.{n}:6881")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (stopped, started, expected) in [
        (&FOUR[..], &FOUR[..], StoppedList::Same),
        (&FOUR[..3], &FOUR[..], StoppedList::Same),
        (&FOUR[..1], &FOUR[..], StoppedList::Missing),
        (&FOUR[..2], &FOUR[2..], StoppedList::Missing),
        (&[], &FOUR[..], StoppedList::Missing),
        // Two random samples of a large swarm need not overlap.
        (&many[..30], &many[30..], StoppedList::Same),
        (&FOUR[..], &[], StoppedList::Unknown),
    ] {
        let mut session = AnnounceSession::new(AnnounceStrategy::Compare);
        let first = answer(counts(3, 1), stopped);
        assert!(sends(&answer_request(
            &mut session,
            AnnounceRequest::StoppedQuery,
            first
        )));
        let second = answer(counts(3, 2), started);
        assert!(sends(&answer_request(
            &mut session,
            AnnounceRequest::Started,
            second
        )));
        let response = response(answer_request(
            &mut session,
            AnnounceRequest::Stopped,
            answer(counts(3, 1), &[]),
        ));
        assert_eq!(response.stopped_list, expected, "{stopped:?} {started:?}");
        let listed = if started.is_empty() { stopped } else { started };
        assert_eq!(response.peers.len(), listed.len());
    }
}

#[test]
fn some_failures_end_the_session_at_once() {
    for (reason, delivery) in [
        (FailureReason::Dns, Delivery::Excluded),
        (FailureReason::Tls, Delivery::Excluded),
        (FailureReason::Timeout, Delivery::Excluded),
        (FailureReason::Refused, Delivery::Possible),
        // A rate limit holds for every event.
        (FailureReason::RateLimited, Delivery::Possible),
        (FailureReason::Denied, Delivery::Excluded),
    ] {
        let mut session = AnnounceSession::new(AnnounceStrategy::StoppedFirst);
        let next = session.failed(ProbeError::new(reason, ""), delivery, &peer_filter());
        assert_eq!(failure(next).reason, reason);
    }
}

#[test]
fn a_lost_started_keeps_the_answer_to_stopped() {
    // Zeros prove nothing; counts that claim peers do.
    for (before, after) in [
        (counts(0, 0), Counts::default()),
        (counts(3, 1), counts(3, 1)),
    ] {
        let mut session = AnnounceSession::new(AnnounceStrategy::StoppedFirst);
        answer_request(
            &mut session,
            AnnounceRequest::StoppedQuery,
            answer(before, &[]),
        );
        assert!(sends(&fail_request(
            &mut session,
            AnnounceRequest::Started,
            FailureReason::Timeout
        )));
        let response = response(fail_request(
            &mut session,
            AnnounceRequest::Stopped,
            FailureReason::Timeout,
        ));
        assert!(
            response.peer_list_withheld,
            "the list is unknown, not empty"
        );
        assert_eq!(response.counts, after);
        assert!(session.may_be_registered());
    }
    let mut session = AnnounceSession::new(AnnounceStrategy::StoppedFirst);
    fail_request(
        &mut session,
        AnnounceRequest::StoppedQuery,
        FailureReason::Rejected,
    );
    fail_request(
        &mut session,
        AnnounceRequest::Started,
        FailureReason::Timeout,
    );
    let failed = failure(fail_request(
        &mut session,
        AnnounceRequest::Stopped,
        FailureReason::Timeout,
    ));
    assert_eq!(
        failed.reason,
        FailureReason::Rejected,
        "the tracker is up, because it rejected the announce"
    );
}

#[test]
fn a_rejected_started_needs_no_stopped() {
    let mut session = AnnounceSession::new(AnnounceStrategy::StoppedFirst);
    let retry = Some(Retry::After(Duration::from_secs(60)));
    session.sent();
    let refused = ProbeError::new(FailureReason::Rejected, "first").with_retry(retry);
    assert!(sends(&session.failed(
        refused,
        Delivery::Possible,
        &peer_filter()
    )));
    let failed = failure(fail_request(
        &mut session,
        AnnounceRequest::Started,
        FailureReason::Rejected,
    ));
    assert_eq!(failed.retry, retry);
    assert!(!session.may_be_registered());
}

#[test]
fn the_last_stopped_only_shows_whether_we_were_counted() {
    for (during, after, expected) in [
        (counts(3, 2), counts(3, 1), counts(3, 1)),
        (counts(3, 2), counts(3, 2), counts(3, 2)),
        (counts(3, 2), counts(0, 0), counts(3, 1)),
        (counts(3, 2), counts(9, 9), counts(3, 1)),
        (Counts::default(), counts(3, 1), counts(3, 1)),
        (Counts::default(), counts(0, 0), Counts::default()),
    ] {
        let mut session = AnnounceSession::new(AnnounceStrategy::StartThenStop);
        answer_request(
            &mut session,
            AnnounceRequest::Started,
            answer(during, &FOUR),
        );
        let response = response(answer_request(
            &mut session,
            AnnounceRequest::Stopped,
            answer(after, &[]),
        ));
        assert_eq!(response.counts, expected, "{during:?} {after:?}");
    }
}

#[test]
fn an_empty_list_is_zero_unless_contradicted() {
    let us = format!("81.2.3.9:{OUR_PORT}");
    let us = [us.as_str()];
    let warned = |mut answer: SessionAnswer| {
        answer.announced.warning = Some("Torrent not registered".into());
        answer
    };
    let damaged = |mut answer: SessionAnswer| {
        answer.announced.peers.malformed = 1;
        answer
    };
    for (started, is_unknown) in [
        (answer(counts(0, 1), &[]), false),
        (answer(counts(0, 1), &us), false),
        (answer(counts(0, 0), &["0.0.0.0:0"]), false),
        (answer(Counts::default(), &[]), false),
        (answer(Counts::default(), &us), false),
        (warned(answer(Counts::default(), &us)), true),
        (warned(answer(counts(0, 1), &[])), true),
        (damaged(answer(counts(0, 1), &[])), true),
        (answer(Counts::default(), &["0.0.0.0:0"]), true),
        (answer(counts(3, 1), &["0.0.0.0:0"]), true),
        (answer(counts(3, 1), &["81.2.3.4:0"]), true),
        (answer(counts(0, 3), &["192.168.1.1:6881"]), true),
        (answer(counts(3, 1), &us), true),
        (answer(counts(1, 1), &[]), true),
    ] {
        let case = format!("{started:?}");
        let mut session = AnnounceSession::new(AnnounceStrategy::StartThenStop);
        answer_request(&mut session, AnnounceRequest::Started, started);
        let response = response(fail_request(
            &mut session,
            AnnounceRequest::Stopped,
            FailureReason::Timeout,
        ));
        assert_eq!(response.peer_list_withheld, is_unknown, "{case}");
    }
}

/// BEP 3 allows host names, which are not resolved. They are peers, whatever the counts say.
#[test]
fn counts_of_0_beside_host_names_are_unknown() {
    let named = || {
        let mut answer = answer(counts(0, 0), &[]);
        answer.announced.peer_list_withheld = true;
        answer
    };
    for strategy in [
        AnnounceStrategy::StoppedOnly,
        AnnounceStrategy::StartThenStop,
    ] {
        let mut session = AnnounceSession::new(strategy);
        let next = loop {
            let request = session.request();
            match answer_request(&mut session, request, named()) {
                Next::Send => {}
                done => break done,
            }
        };
        let response = response(next);
        assert!(response.peer_list_withheld, "{strategy:?}");
        assert_eq!(response.counts, Counts::default(), "{strategy:?}");
    }
}

#[test]
fn a_leecher_that_may_be_us_is_no_claim_of_another() {
    let us = format!("81.2.3.9:{OUR_PORT}");
    let us = [us.as_str()];
    let one = counts(0, 1);
    for strategy in [
        AnnounceStrategy::StoppedFirst,
        AnnounceStrategy::StoppedOnly,
        AnnounceStrategy::StartThenStop,
    ] {
        for (during, listed) in [
            (one, &[][..]),
            (one, &us),
            (Counts::default(), &[]),
            (Counts::default(), &us),
        ] {
            let case = format!("{strategy:?} {during:?} {listed:?}");
            let mut session = AnnounceSession::new(strategy);
            if strategy != AnnounceStrategy::StartThenStop {
                answer_request(
                    &mut session,
                    AnnounceRequest::StoppedQuery,
                    answer(one, &[]),
                );
            }
            answer_request(
                &mut session,
                AnnounceRequest::Started,
                answer(during, listed),
            );
            let response = response(answer_request(
                &mut session,
                AnnounceRequest::Stopped,
                answer(one, &[]),
            ));
            // If the list does not name us, the leecher may be another peer.
            let is_unknown = during == one && listed.is_empty();
            assert_eq!(response.peer_list_withheld, is_unknown, "{case}");
            assert!(!response.counts.claims_peers(), "{case}");
        }
    }
    // Two cannot both be us.
    let mut session = AnnounceSession::new(AnnounceStrategy::StartThenStop);
    answer_request(
        &mut session,
        AnnounceRequest::Started,
        answer(counts(0, 2), &[]),
    );
    let response = response(answer_request(
        &mut session,
        AnnounceRequest::Stopped,
        answer(counts(0, 2), &[]),
    ));
    assert!(response.peer_list_withheld && response.counts.claims_peers());
}

#[test]
fn absurd_counts_prove_no_zero() {
    for strategy in [
        AnnounceStrategy::StoppedFirst,
        AnnounceStrategy::StoppedOnly,
        AnnounceStrategy::StartThenStop,
    ] {
        let mut session = AnnounceSession::new(strategy);
        let absurd = || {
            let mut answer = answer(Counts::default(), &[]);
            answer.announced.has_absurd_counts = true;
            answer
        };
        if strategy != AnnounceStrategy::StartThenStop {
            answer_request(&mut session, AnnounceRequest::StoppedQuery, absurd());
        }
        answer_request(&mut session, AnnounceRequest::Started, absurd());
        let response = response(answer_request(
            &mut session,
            AnnounceRequest::Stopped,
            absurd(),
        ));
        assert!(response.peer_list_withheld, "{strategy:?}");
    }
}

#[test]
fn a_second_address_with_our_port_is_a_peer() {
    let ours = "81.2.3.4:50000";
    for (listed, others) in [
        (&[ours, ours, "[2a01::1]:50001"][..], false),
        (&[ours, "81.2.3.5:50000"], true),
        (&[ours, "10.0.0.1:50000"], false),
        (&["81.2.3.5:6881"], true),
    ] {
        assert_eq!(peer_filter().others(&list(listed)), others, "{listed:?}");
    }
}

#[test]
fn an_entry_that_a_killed_process_left_behind_is_no_leecher() {
    let ours = "81.2.3.9:50000";
    for (peers, leechers) in [
        (&[ours][..], 1),
        // Another peer id, but the same port behind the same address.
        (&[ours, ours], 0),
        (&[ours, "81.2.3.8:50000"], 1),
    ] {
        let mut session = AnnounceSession::new(AnnounceStrategy::StartThenStop);
        let started = answer(counts(0, 2), peers);
        answer_request(&mut session, AnnounceRequest::Started, started);
        let stopped = answer(Counts::default(), &[]);
        let next = answer_request(&mut session, AnnounceRequest::Stopped, stopped);
        assert_eq!(response(next).counts.leechers, Some(leechers), "{peers:?}");
    }
}
