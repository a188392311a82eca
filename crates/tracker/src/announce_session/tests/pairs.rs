//! Every pair of answers to `stopped` and `started`, with every strategy and every loss.

use super::*;

/// The reply of a tracker to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    /// A list and the counts that fit it.
    List,
    /// Counts that claim peers, without a list.
    CountsOnly,
    /// Neither list nor counts.
    Neither,
    Zeros,
    /// An empty list without counts.
    EmptyList,
    /// A list of 0.0.0.0:0 alone, beside counts that claim peers.
    NoPeers,
    /// One peer with an unroutable address, without counts.
    Bogon,
    OnlyUs,
    OnlyUsWithWarning,
    HostNames,
    Failed(FailureReason),
}

const ALL: [Reply; 18] = [
    Reply::List,
    Reply::CountsOnly,
    Reply::Neither,
    Reply::Zeros,
    Reply::EmptyList,
    Reply::NoPeers,
    Reply::Bogon,
    Reply::OnlyUs,
    Reply::OnlyUsWithWarning,
    Reply::HostNames,
    Reply::Failed(FailureReason::Timeout),
    Reply::Failed(FailureReason::Reset),
    Reply::Failed(FailureReason::HttpStatus),
    Reply::Failed(FailureReason::NotBencode),
    Reply::Failed(FailureReason::Malformed),
    Reply::Failed(FailureReason::Rejected),
    Reply::Failed(FailureReason::RateLimited),
    Reply::Failed(FailureReason::Refused),
];

impl Reply {
    fn answer(self, us: u32) -> Result<SessionAnswer, FailureReason> {
        let ours = format!("81.2.3.9:{OUR_PORT}");
        let with = |counts, peers: &[&str]| Ok(answer(counts, peers));
        let none = Counts::default();
        match self {
            Reply::List => with(counts(3, 1 + us), &FOUR),
            Reply::CountsOnly => {
                let mut answer = answer(counts(3, 1 + us), &[]);
                answer.has_list = false;
                Ok(answer)
            }
            Reply::Neither => {
                let mut answer = answer(none, &[]);
                answer.has_list = false;
                Ok(answer)
            }
            Reply::Zeros => with(counts(0, us), &[]),
            Reply::EmptyList => with(none, &[]),
            Reply::NoPeers => with(counts(3, 1 + us), &["0.0.0.0:0"]),
            Reply::Bogon => with(none, &["10.0.0.1:6881"]),
            Reply::OnlyUs => with(none, &[&ours]),
            Reply::OnlyUsWithWarning => {
                let mut answer = answer(none, &[&ours]);
                answer.announced.warning = Some("Torrent not registered".into());
                Ok(answer)
            }
            Reply::HostNames => {
                let mut answer = answer(none, &[]);
                answer.announced.peer_list_withheld = true;
                Ok(answer)
            }
            Reply::Failed(reason) => Err(reason),
        }
    }

    /// Reports whether the reply says that the swarm is empty.
    fn is_zero(self) -> bool {
        matches!(self, Reply::Zeros | Reply::EmptyList | Reply::OnlyUs)
    }
}

/// The outcome of a session, and the state of the tracker after it.
struct Outcome {
    result: AnnounceResult,
    /// Whether the tracker has our entry although the session believes that it has none.
    is_forgotten: bool,
    /// Whether the tracker has our entry.
    is_registered: bool,
    requests: Vec<AnnounceRequest>,
}

/// Runs a session. The tracker receives the request `lost`, but its answer is lost. A tracker
/// registers us unless it rejects `started`.
fn run_session(
    strategy: AnnounceStrategy,
    stopped: Reply,
    started: Reply,
    lost: Option<AnnounceRequest>,
) -> Outcome {
    let mut session = AnnounceSession::new(strategy);
    let mut is_registered = false;
    let mut requests = Vec::new();
    loop {
        let request = session.request();
        session.sent();
        requests.push(request);
        assert!(requests.len() <= 3, "{requests:?}");
        let response = match request {
            AnnounceRequest::StoppedQuery => stopped.answer(0),
            AnnounceRequest::Started => started.answer(1),
            AnnounceRequest::Stopped => stopped.answer(0),
        };
        let refuses = matches!(&response, Err(reason) if reason.is_refusal());
        let is_undelivered = matches!(response, Err(FailureReason::Refused));
        match request {
            AnnounceRequest::Started => is_registered = !refuses && !is_undelivered,
            AnnounceRequest::Stopped => is_registered &= is_undelivered,
            AnnounceRequest::StoppedQuery => {}
        }
        let response = match lost == Some(request) {
            true => Err(FailureReason::Timeout),
            false => response,
        };
        let delivery = match is_undelivered && lost != Some(request) {
            true => Delivery::Excluded,
            false => Delivery::Possible,
        };
        let next = match response {
            Ok(answer) => session.answered(answer, &peer_filter()),
            Err(reason) => {
                session.failed(ProbeError::new(reason, "text"), delivery, &peer_filter())
            }
        };
        if let Next::Done(result) = next {
            return Outcome {
                result: result.unwrap(),
                is_forgotten: is_registered && !session.may_be_registered(),
                is_registered,
                requests,
            };
        }
    }
}

const STRATEGIES: [AnnounceStrategy; 4] = [
    AnnounceStrategy::StoppedFirst,
    AnnounceStrategy::StoppedOnly,
    AnnounceStrategy::Compare,
    AnnounceStrategy::StartThenStop,
];

/// Reports whether this reply to the first `stopped` ends the session at once.
fn ends_session(stopped: Reply) -> bool {
    matches!(
        stopped,
        Reply::Failed(FailureReason::RateLimited | FailureReason::Refused) | Reply::HostNames
    )
}

#[test]
fn no_pair_of_answers_yields_a_zero_or_failure_that_started_contradicts() {
    for strategy in STRATEGIES {
        for stopped in ALL {
            for started in ALL {
                let case = format!("{strategy:?} {stopped:?} {started:?}");
                let outcome = run_session(strategy, stopped, started, None);
                let begins_with_stopped = strategy != AnnounceStrategy::StartThenStop;
                let is_zero = |response: &AnnounceResponse| {
                    response.peers.is_empty() && !response.peer_list_withheld
                };
                if let Ok(response) = &outcome.result
                    && is_zero(response)
                {
                    // The exception is a tracker that has shown its lists and now sends zeros.
                    let believes_zero =
                        strategy == AnnounceStrategy::StoppedOnly && stopped == Reply::Zeros;
                    assert!(started.is_zero() || believes_zero, "{case}: {response:?}");
                }
                let ends = begins_with_stopped && ends_session(stopped);
                if started == Reply::List && !ends {
                    let response = outcome.result.as_ref().expect(&case);
                    let believes_zero =
                        strategy == AnnounceStrategy::StoppedOnly && stopped == Reply::Zeros;
                    assert!(
                        believes_zero || response.peers.len() == 4,
                        "{case}: {response:?}"
                    );
                    if !believes_zero {
                        assert_eq!(response.counts, counts(3, 1), "{case}");
                    }
                }
                if stopped == Reply::List && begins_with_stopped {
                    let response = outcome.result.as_ref().expect(&case);
                    assert_eq!(response.peers.len(), 4, "{case}");
                }
            }
        }
    }
}

#[test]
fn no_entry_remains_for_any_answers_and_losses() {
    let losses = [
        None,
        Some(AnnounceRequest::StoppedQuery),
        Some(AnnounceRequest::Started),
        Some(AnnounceRequest::Stopped),
    ];
    for strategy in STRATEGIES {
        for stopped in ALL {
            for started in ALL {
                for lost in losses {
                    let case = format!("{strategy:?} {stopped:?} {started:?} {lost:?}");
                    let outcome = run_session(strategy, stopped, started, lost);
                    assert!(!outcome.is_forgotten, "{case}");
                    let was_delivered = !matches!(stopped, Reply::Failed(FailureReason::Refused));
                    assert!(!outcome.is_registered || !was_delivered, "{case}");
                    if outcome.requests.contains(&AnnounceRequest::Started)
                        && !matches!(started, Reply::Failed(_))
                    {
                        assert_eq!(
                            outcome.requests.last(),
                            Some(&AnnounceRequest::Stopped),
                            "{case}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn no_loss_yields_a_zero() {
    for strategy in [
        AnnounceStrategy::StoppedFirst,
        AnnounceStrategy::Compare,
        AnnounceStrategy::StartThenStop,
    ] {
        for stopped in ALL {
            let outcome = run_session(
                strategy,
                stopped,
                Reply::List,
                Some(AnnounceRequest::Started),
            );
            if let Ok(response) = &outcome.result {
                let is_zero = response.peers.is_empty() && !response.peer_list_withheld;
                assert!(!is_zero, "{strategy:?} {stopped:?}: {response:?}");
            }
            let outcome = run_session(
                strategy,
                stopped,
                Reply::List,
                Some(AnnounceRequest::StoppedQuery),
            );
            let response = outcome.result.expect("`started` brings the list");
            assert_eq!(response.peers.len(), 4);
        }
    }
}
