//! What the answers of one session prove together.

use super::proof::{Proof, Reading, is_same, lists_us, remove_us, withhold};
use super::{AnnounceRequest, AnnounceResult, PeerFilter, QueryOutcome, SessionAnswer};
use crate::{AnnounceResponse, AnnounceStrategy, Counts, FailureReason, ProbeError, StoppedList};
use seedwatch_torrent::Peers;

/// BEP 3 demands `peers`. An answer without peers and counts does not prove an empty swarm.
const NO_PEERS_NO_COUNTS: &str = "an answer without peers and counts";

/// The outcome of `started`.
#[derive(Debug)]
pub(super) struct StartedOutcome {
    pub(super) result: AnnounceResult,
    /// The leecher count in the answer to `started`, which may include us.
    counted: Option<u32>,
    /// Whether the answer to `started` lists us.
    lists_us: bool,
}

impl From<AnnounceResult> for StartedOutcome {
    fn from(result: AnnounceResult) -> Self {
        Self {
            result,
            counted: None,
            lists_us: false,
        }
    }
}

/// Judges the answer to `started` in a session of strategy `asked`.
pub(super) fn after_started(
    query: Option<QueryOutcome>,
    answer: SessionAnswer,
    asked: AnnounceStrategy,
    own: &PeerFilter,
) -> StartedOutcome {
    let counted = answer.announced.counts.leechers;
    let lists_us = lists_us(&answer.announced.peers, own);
    let reading = Reading::of(answer, AnnounceRequest::Started, own);
    if !reading.is_about_swarm() {
        let failed = ProbeError::new(FailureReason::Malformed, NO_PEERS_NO_COUNTS);
        return after_failed_start(query, failed, own).into();
    }
    if let Some(QueryOutcome::Answered(before)) = query.as_ref()
        && before.proof == Proof::Peers
        && reading.proof != Proof::Peers
    {
        return after_failed_start(
            query,
            ProbeError::new(FailureReason::Malformed, NO_PEERS_NO_COUNTS),
            own,
        )
        .into();
    }
    let result = Ok(from_started(query.as_ref(), reading, asked, own));
    StartedOutcome {
        result,
        counted,
        lists_us,
    }
}

/// Returns the result that the answer to `started` gives.
fn from_started(
    query: Option<&QueryOutcome>,
    reading: Reading,
    asked: AnnounceStrategy,
    own: &PeerFilter,
) -> Box<AnnounceResponse> {
    let mut announced = Box::new(reading.announced);
    announced.strategy = AnnounceStrategy::StartThenStop;
    if matches!(reading.proof, Proof::Names | Proof::None) {
        withhold(&mut announced);
    }
    if reading.proof == Proof::Peers {
        announced.stopped_list = compare_lists(query, &announced.peers, asked, own);
    } else if asked != AnnounceStrategy::StartThenStop {
        // `started` was not needed for this list, and our own entry is no peer.
        announced.strategy = AnnounceStrategy::StoppedFirst;
        remove_us(&mut announced.peers, own);
    }
    if let Some(QueryOutcome::Answered(before)) = query {
        fill(&mut announced, &before.announced.counts, own);
    }
    announced
}

/// Compares the list in the answer to `started` with the answer to `stopped` before it.
fn compare_lists(
    query: Option<&QueryOutcome>,
    started: &Peers,
    asked: AnnounceStrategy,
    own: &PeerFilter,
) -> StoppedList {
    match query {
        None => StoppedList::Unknown,
        Some(QueryOutcome::Answered(before)) if is_same(&before.announced.peers, started, own) => {
            StoppedList::Same
        }
        // Packets get lost, so a missing answer shows something only if the strategy is to compare.
        Some(QueryOutcome::Failed(failed))
            if asked != AnnounceStrategy::Compare && is_lost(failed) =>
        {
            StoppedList::Unknown
        }
        Some(_) => StoppedList::Missing,
    }
}

/// Returns the result after `started` failed. The answer to `stopped` stands as far as it goes.
pub(super) fn after_failed_start(
    query: Option<QueryOutcome>,
    failed: ProbeError,
    own: &PeerFilter,
) -> AnnounceResult {
    match query {
        Some(QueryOutcome::Answered(before)) if before.proof == Proof::Peers => {
            Ok(before.into_verdict(own))
        }
        // `started` was not sent.
        _ if failed.is_ours => Err(failed),
        Some(QueryOutcome::Answered(mut before)) if is_lost(&failed) && before.is_about_swarm() => {
            // If the answer to `stopped` were conclusive, `started` would not have been sent.
            before.proof = Proof::None;
            Ok(before.into_verdict(own))
        }
        // The tracker is up, although the second answer was lost.
        Some(QueryOutcome::Failed(first)) if first.reason.is_refusal() && is_lost(&failed) => {
            Err(first)
        }
        Some(QueryOutcome::Failed(first)) if failed.reason.is_refusal() => {
            let retry = failed.retry.or(first.retry);
            Err(failed.with_retry(retry))
        }
        _ => Err(failed),
    }
}

/// Returns the result after an answer to the last `stopped`.
pub(super) fn after_stopped(
    started: StartedOutcome,
    after: &Counts,
    own: &PeerFilter,
) -> AnnounceResult {
    let mut announced = started.result?;
    let is_us = may_be_us(after, &announced, own);
    let counts = &mut announced.counts;
    // Our entry was subtracted. If the tracker's count is the same after `stopped`, it never
    // included us.
    let is_unchanged = started.counted.is_some_and(|n| n > 0) && started.counted == after.leechers;
    if is_unchanged && counts.seeders == after.seeders {
        if !is_us {
            counts.leechers = after.leechers;
        } else if !started.lists_us {
            // The one leecher may be us or another: nothing is known.
            counts.leechers = None;
            announced.peer_list_withheld = true;
        }
    }
    fill(&mut announced, after, own);
    Ok(announced)
}

/// Fills in missing counts. A count of 0 in an answer to `stopped` is not used.
fn fill(announced: &mut AnnounceResponse, from: &Counts, own: &PeerFilter) {
    let claimed = |count: Option<u32>| count.filter(|n| *n > 0);
    let is_us = may_be_us(from, announced, own);
    let counts = &mut announced.counts;
    if !counts.has_current() && from.claims_peers() && !is_us {
        counts.seeders = from.seeders;
        counts.leechers = from.leechers;
    }
    counts.completed = counts.completed.or(claimed(from.completed));
    announced.peer_list_withheld |=
        announced.counts.claims_peers() && !own.others(&announced.peers);
}

/// Returns whether counts claim one leecher that may be our own entry, beside an answer to
/// `started` that proves an empty swarm. A tracker that ignores `stopped`, or counts before it
/// removes, counts us in both answers.
fn may_be_us(counts: &Counts, started: &AnnounceResponse, own: &PeerFilter) -> bool {
    let is_one = counts.leechers == Some(1) && counts.seeders.is_none_or(|n| n == 0);
    is_one && !started.peer_list_withheld && !own.others(&started.peers)
}

/// Returns whether the failure may be packet loss.
fn is_lost(failed: &ProbeError) -> bool {
    failed.reason.is_silence()
        || matches!(failed.reason, FailureReason::Reset | FailureReason::Refused)
}
