//! Every pair of answers to `stopped` and `started`, with every strategy and every loss.

use super::*;

/// The reply of a tracker to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
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

const ALL: [Said; 18] = [
    Said::List,
    Said::CountsOnly,
    Said::Neither,
    Said::Zeros,
    Said::EmptyList,
    Said::NoPeers,
    Said::Bogon,
    Said::OnlyUs,
    Said::OnlyUsWithWarning,
    Said::HostNames,
    Said::Failed(FailureReason::Timeout),
    Said::Failed(FailureReason::Reset),
    Said::Failed(FailureReason::HttpStatus),
    Said::Failed(FailureReason::NotBencode),
    Said::Failed(FailureReason::Malformed),
    Said::Failed(FailureReason::Rejected),
    Said::Failed(FailureReason::RateLimited),
    Said::Failed(FailureReason::Refused),
];

impl Said {
    fn answer(self, us: u32) -> Result<SessionAnswer, FailureReason> {
        let ours = format!("81.2.3.9:{OUR_PORT}");
        let with = |counts, peers: &[&str]| Ok(answer(counts, peers));
        let none = Counts::default();
        match self {
            Said::List => with(counts(3, 1 + us), &FOUR),
            Said::CountsOnly => {
                let mut answer = answer(counts(3, 1 + us), &[]);
                answer.has_list = false;
                Ok(answer)
            }
            Said::Neither => {
                let mut answer = answer(none, &[]);
                answer.has_list = false;
                Ok(answer)
            }
            Said::Zeros => with(counts(0, us), &[]),
            Said::EmptyList => with(none, &[]),
            Said::NoPeers => with(counts(3, 1 + us), &["0.0.0.0:0"]),
            Said::Bogon => with(none, &["10.0.0.1:6881"]),
            Said::OnlyUs => with(none, &[&ours]),
            Said::OnlyUsWithWarning => {
                let mut answer = answer(none, &[&ours]);
                answer.announced.warning = Some("Torrent not registered".into());
                Ok(answer)
            }
            Said::HostNames => {
                let mut answer = answer(none, &[]);
                answer.announced.peer_list_withheld = true;
                Ok(answer)
            }
            Said::Failed(reason) => Err(reason),
        }
    }

    /// Reports whether the reply says that the swarm is empty.
    fn is_zero(self) -> bool {
        matches!(self, Said::Zeros | Said::EmptyList | Said::OnlyUs)
    }
}

/// The outcome of a session, and the state of the tracker after it.
struct Played {
    verdict: Verdict,
    /// Whether the tracker has our entry although the session believes that it has none.
    is_forgotten: bool,
    /// Whether the tracker has our entry.
    is_registered: bool,
    requests: Vec<AnnounceRequest>,
}

/// Runs a session. The tracker receives the request `lost`, but its answer is lost. A tracker
/// registers us unless it rejects `started`.
fn play(
    strategy: AnnounceStrategy,
    stopped: Said,
    started: Said,
    lost: Option<AnnounceRequest>,
) -> Played {
    let mut session = AnnounceSession::new(strategy);
    let mut is_registered = false;
    let mut requests = Vec::new();
    loop {
        let request = session.request();
        session.sent();
        requests.push(request);
        assert!(requests.len() <= 3, "{requests:?}");
        let said = match request {
            AnnounceRequest::StoppedQuery => stopped.answer(0),
            AnnounceRequest::Started => started.answer(1),
            AnnounceRequest::Stopped => stopped.answer(0),
        };
        let refuses = matches!(&said, Err(reason) if reason.is_refusal());
        let unheard = matches!(said, Err(FailureReason::Refused));
        match request {
            AnnounceRequest::Started => is_registered = !refuses && !unheard,
            AnnounceRequest::Stopped => is_registered &= unheard,
            AnnounceRequest::StoppedQuery => {}
        }
        let said = match lost == Some(request) {
            true => Err(FailureReason::Timeout),
            false => said,
        };
        let reached = match unheard && lost != Some(request) {
            true => Delivery::Excluded,
            false => Delivery::Possible,
        };
        let next = match said {
            Ok(answer) => session.answered(answer, &own()),
            Err(reason) => session.failed(ProbeError::new(reason, "text"), reached, &own()),
        };
        if let Next::Done(verdict) = next {
            return Played {
                verdict: verdict.unwrap(),
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
fn ends_all(stopped: Said) -> bool {
    matches!(
        stopped,
        Said::Failed(FailureReason::RateLimited | FailureReason::Refused) | Said::HostNames
    )
}

#[test]
fn no_pair_of_answers_yields_a_zero_or_failure_that_started_contradicts() {
    for strategy in STRATEGIES {
        for stopped in ALL {
            for started in ALL {
                let told = format!("{strategy:?} {stopped:?} {started:?}");
                let played = play(strategy, stopped, started, None);
                let looks = strategy != AnnounceStrategy::StartThenStop;
                let is_zero =
                    |said: &AnnounceResponse| said.peers.is_empty() && !said.peer_list_withheld;
                if let Ok(said) = &played.verdict
                    && is_zero(said)
                {
                    // The exception is a tracker that has shown its lists and now sends zeros.
                    let is_believed =
                        strategy == AnnounceStrategy::StoppedOnly && stopped == Said::Zeros;
                    assert!(started.is_zero() || is_believed, "{told}: {said:?}");
                }
                let ends = looks && ends_all(stopped);
                if started == Said::List && !ends {
                    let said = played.verdict.as_ref().expect(&told);
                    let is_believed =
                        strategy == AnnounceStrategy::StoppedOnly && stopped == Said::Zeros;
                    assert!(is_believed || said.peers.len() == 4, "{told}: {said:?}");
                    if !is_believed {
                        assert_eq!(said.counts, counts(3, 1), "{told}");
                    }
                }
                if stopped == Said::List && looks {
                    let said = played.verdict.as_ref().expect(&told);
                    assert_eq!(said.peers.len(), 4, "{told}");
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
                    let told = format!("{strategy:?} {stopped:?} {started:?} {lost:?}");
                    let played = play(strategy, stopped, started, lost);
                    assert!(!played.is_forgotten, "{told}");
                    let was_heard = !matches!(stopped, Said::Failed(FailureReason::Refused));
                    assert!(!played.is_registered || !was_heard, "{told}");
                    if played.requests.contains(&AnnounceRequest::Started)
                        && !matches!(started, Said::Failed(_))
                    {
                        assert_eq!(
                            played.requests.last(),
                            Some(&AnnounceRequest::Stopped),
                            "{told}"
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
            let played = play(
                strategy,
                stopped,
                Said::List,
                Some(AnnounceRequest::Started),
            );
            if let Ok(said) = &played.verdict {
                let is_zero = said.peers.is_empty() && !said.peer_list_withheld;
                assert!(!is_zero, "{strategy:?} {stopped:?}: {said:?}");
            }
            let played = play(
                strategy,
                stopped,
                Said::List,
                Some(AnnounceRequest::StoppedQuery),
            );
            let said = played.verdict.expect("`started` brings the list");
            assert_eq!(said.peers.len(), 4);
        }
    }
}
