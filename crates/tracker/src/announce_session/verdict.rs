//! What the answers of one conversation come to together.

use super::evidence::{Evidence, Reading, forget_us, is_same};
use super::{Answer, Looked, Own, Request, Verdict};
use crate::{Announced, Counts, Failed, Failure, Manner, StoppedList};
use seedwatch_torrent::Peers;

/// BEP 3 demands `peers`: without it, and without counts, an answer is no 0.
const SILENT: &str = "an answer without peers and counts";

/// What a conversation came to when `started` was asked.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) verdict: Verdict,
    /// Leechers as the answer to `started` counts them, perhaps with us.
    counted: Option<u32>,
}

impl From<Verdict> for Joined {
    fn from(verdict: Verdict) -> Self {
        let counted = None;
        Self { verdict, counted }
    }
}

/// What an answer to `started` makes of it; `asked` is how the conversation began.
pub(super) fn joined(looked: Option<Looked>, answer: Answer, asked: Manner, own: &Own) -> Joined {
    let counted = answer.announced.counts.leechers;
    let reading = Reading::of(answer, Request::Join, own);
    if !reading.is_of_the_swarm() {
        let failed = Failed::new(Failure::Malformed, SILENT);
        return not_joined(looked, failed, own).into();
    }
    if let Some(Looked::Answered(before)) = looked.as_ref()
        && before.evidence == Evidence::Peers
        && reading.evidence != Evidence::Peers
    {
        return not_joined(looked, Failed::new(Failure::Malformed, SILENT), own).into();
    }
    let verdict = Ok(listed(looked.as_ref(), reading, asked, own));
    Joined { verdict, counted }
}

/// The verdict that the answer to `started` is.
fn listed(looked: Option<&Looked>, reading: Reading, asked: Manner, own: &Own) -> Box<Announced> {
    let mut announced = Box::new(reading.announced);
    announced.manner = Manner::Brief;
    announced.withheld = matches!(reading.evidence, Evidence::Names | Evidence::None);
    if reading.evidence == Evidence::Peers {
        announced.stopped_list = shown(looked, &announced.peers, asked, own);
    } else if asked != Manner::Brief {
        // Joining brought nothing that was not known before, and our own entry is no peer.
        announced.manner = Manner::Ghost;
        forget_us(&mut announced.peers, own);
    }
    if let Some(Looked::Answered(before)) = looked {
        fill(&mut announced, &before.announced.counts, own);
    }
    announced
}

/// What the list of `started` shows about the answer to `stopped` before it.
fn shown(looked: Option<&Looked>, started: &Peers, asked: Manner, own: &Own) -> StoppedList {
    match looked {
        None => StoppedList::Unknown,
        Some(Looked::Answered(before)) if is_same(&before.announced.peers, started, own) => {
            StoppedList::Same
        }
        // Packets get lost, also those of a tracker that lists: only a check counts the loss.
        Some(Looked::Failed(failed)) if asked != Manner::Check && is_lost(failed) => {
            StoppedList::Unknown
        }
        Some(_) => StoppedList::Missing,
    }
}

/// The verdict after `started` failed: what `stopped` said stands as far as it goes.
pub(super) fn not_joined(looked: Option<Looked>, failed: Failed, own: &Own) -> Verdict {
    match looked {
        Some(Looked::Answered(before)) if before.evidence == Evidence::Peers => {
            Ok(before.into_verdict(own))
        }
        // `started` was not asked.
        _ if failed.is_ours => Err(failed),
        Some(Looked::Answered(mut before)) if is_lost(&failed) && before.is_of_the_swarm() => {
            // An empty list in answer to `stopped` is not conclusive, or we would not be here.
            before.evidence = Evidence::None;
            Ok(before.into_verdict(own))
        }
        // The tracker is up, although the second answer was lost.
        Some(Looked::Failed(first)) if first.reason.is_refusal() && is_lost(&failed) => Err(first),
        Some(Looked::Failed(first)) if failed.reason.is_refusal() => {
            let retry = failed.retry.or(first.retry);
            Err(failed.with_retry(retry))
        }
        _ => Err(failed),
    }
}

/// The verdict after an answer to the last `stopped`.
pub(super) fn left(joined: Joined, after: &Counts, own: &Own) -> Verdict {
    let mut announced = joined.verdict?;
    let counts = &mut announced.counts;
    // We took ourselves out; if the count is the same after we left, we were never in it.
    let is_unchanged = joined.counted.is_some_and(|n| n > 0) && joined.counted == after.leechers;
    if is_unchanged && counts.seeders == after.seeders {
        counts.leechers = after.leechers;
    }
    fill(&mut announced, after, own);
    Ok(announced)
}

/// Fills in claims of members that are missing. Zeros in answer to `stopped` are no claim.
fn fill(announced: &mut Announced, from: &Counts, own: &Own) {
    let claimed = |count: Option<u32>| count.filter(|n| *n > 0);
    let counts = &mut announced.counts;
    if !counts.are_of_the_swarm() && from.is_inhabited() {
        counts.seeders = from.seeders;
        counts.leechers = from.leechers;
    }
    counts.completed = counts.completed.or(claimed(from.completed));
    announced.withheld |= announced.counts.is_inhabited() && !own.others(&announced.peers);
}

/// Nothing was heard, and nothing proves that the tracker is at fault.
fn is_lost(failed: &Failed) -> bool {
    failed.reason.is_silence() || matches!(failed.reason, Failure::Reset | Failure::Refused)
}
