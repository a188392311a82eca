//! What the answers of one conversation come to together.

use super::evidence::{Evidence, Reading, forget_us, is_same};
use super::{AnnounceRequest, PeerFilter, QueryOutcome, SessionAnswer, Verdict};
use crate::{AnnounceResponse, AnnounceStrategy, Counts, FailureReason, ProbeError, StoppedList};
use seedwatch_torrent::Peers;

/// BEP 3 demands `peers`: without it, and without counts, an answer is no 0.
const SILENT: &str = "an answer without peers and counts";

/// What a conversation came to when `started` was asked.
#[derive(Debug)]
pub(super) struct StartedOutcome {
    pub(super) verdict: Verdict,
    /// Leechers as the answer to `started` counts them, perhaps with us.
    counted: Option<u32>,
}

impl From<Verdict> for StartedOutcome {
    fn from(verdict: Verdict) -> Self {
        let counted = None;
        Self { verdict, counted }
    }
}

/// What an answer to `started` makes of it; `asked` is how the conversation began.
pub(super) fn after_started(
    query: Option<QueryOutcome>,
    answer: SessionAnswer,
    asked: AnnounceStrategy,
    own: &PeerFilter,
) -> StartedOutcome {
    let counted = answer.announced.counts.leechers;
    let reading = Reading::of(answer, AnnounceRequest::Started, own);
    if !reading.is_of_the_swarm() {
        let failed = ProbeError::new(FailureReason::Malformed, SILENT);
        return after_failed_start(query, failed, own).into();
    }
    if let Some(QueryOutcome::Answered(before)) = query.as_ref()
        && before.evidence == Evidence::Peers
        && reading.evidence != Evidence::Peers
    {
        return after_failed_start(
            query,
            ProbeError::new(FailureReason::Malformed, SILENT),
            own,
        )
        .into();
    }
    let verdict = Ok(from_started(query.as_ref(), reading, asked, own));
    StartedOutcome { verdict, counted }
}

/// The verdict that the answer to `started` is.
fn from_started(
    query: Option<&QueryOutcome>,
    reading: Reading,
    asked: AnnounceStrategy,
    own: &PeerFilter,
) -> Box<AnnounceResponse> {
    let mut announced = Box::new(reading.announced);
    announced.strategy = AnnounceStrategy::StartThenStop;
    announced.peer_list_withheld = matches!(reading.evidence, Evidence::Names | Evidence::None);
    if reading.evidence == Evidence::Peers {
        announced.stopped_list = compare_lists(query, &announced.peers, asked, own);
    } else if asked != AnnounceStrategy::StartThenStop {
        // Joining brought nothing that was not known before, and our own entry is no peer.
        announced.strategy = AnnounceStrategy::StoppedFirst;
        forget_us(&mut announced.peers, own);
    }
    if let Some(QueryOutcome::Answered(before)) = query {
        fill(&mut announced, &before.announced.counts, own);
    }
    announced
}

/// What the list of `started` shows about the answer to `stopped` before it.
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
        // Packets get lost, also those of a tracker that lists: only a check counts the loss.
        Some(QueryOutcome::Failed(failed))
            if asked != AnnounceStrategy::Compare && is_lost(failed) =>
        {
            StoppedList::Unknown
        }
        Some(_) => StoppedList::Missing,
    }
}

/// The verdict after `started` failed: what `stopped` said stands as far as it goes.
pub(super) fn after_failed_start(
    query: Option<QueryOutcome>,
    failed: ProbeError,
    own: &PeerFilter,
) -> Verdict {
    match query {
        Some(QueryOutcome::Answered(before)) if before.evidence == Evidence::Peers => {
            Ok(before.into_verdict(own))
        }
        // `started` was not asked.
        _ if failed.is_ours => Err(failed),
        Some(QueryOutcome::Answered(mut before))
            if is_lost(&failed) && before.is_of_the_swarm() =>
        {
            // An empty list in answer to `stopped` is not conclusive, or we would not be here.
            before.evidence = Evidence::None;
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

/// The verdict after an answer to the last `stopped`.
pub(super) fn after_stopped(started: StartedOutcome, after: &Counts, own: &PeerFilter) -> Verdict {
    let mut announced = started.verdict?;
    let counts = &mut announced.counts;
    // We took ourselves out; if the count is the same after we left, we were never in it.
    let is_unchanged = started.counted.is_some_and(|n| n > 0) && started.counted == after.leechers;
    if is_unchanged && counts.seeders == after.seeders {
        counts.leechers = after.leechers;
    }
    fill(&mut announced, after, own);
    Ok(announced)
}

/// Fills in claims of members that are missing. Zeros in answer to `stopped` are no claim.
fn fill(announced: &mut AnnounceResponse, from: &Counts, own: &PeerFilter) {
    let claimed = |count: Option<u32>| count.filter(|n| *n > 0);
    let counts = &mut announced.counts;
    if !counts.are_of_the_swarm() && from.is_inhabited() {
        counts.seeders = from.seeders;
        counts.leechers = from.leechers;
    }
    counts.completed = counts.completed.or(claimed(from.completed));
    announced.peer_list_withheld |=
        announced.counts.is_inhabited() && !own.others(&announced.peers);
}

/// Nothing was heard, and nothing proves that the tracker is at fault.
fn is_lost(failed: &ProbeError) -> bool {
    failed.reason.is_silence()
        || matches!(failed.reason, FailureReason::Reset | FailureReason::Refused)
}
