//! One announce as a pure state machine, for all transports. It takes answers and failures, and
//! returns requests and a result. It knows no socket and no clock.
//!
//! # States
//!
//! ```text
//!  all other strategies             no proof            StartThenStop
//!  ──────────────▶ stopped ───────────────────▶ started ◀────────
//!                     │ list of peers              │ answered, or perhaps registered
//!                     ▼                            ▼
//!                  result ◀──────────────────  stopped
//! ```
//!
//! [`AnnounceStrategy::Compare`] always continues with `started` and compares both lists.
//!
//! # What an answer to the first `stopped` proves
//!
//! | Answer | Proves | Next |
//! |---|---|---|
//! | a list with peers other than us | the peers | result (`Compare`: `started`) |
//! | a list of host names | that the swarm has peers, but not which | result, list withheld |
//! | an empty list and counts of 0, [`AnnounceStrategy::StoppedOnly`], no warning | an empty swarm | result |
//! | an empty list or zeros, any other strategy | nothing | `started` |
//! | a list of only us, of port 0 or of addresses that no peer can have | nothing | `started` |
//! | counts without a list | nothing: they may be of both families | `started` |
//! | a refusal, an error status, a body that cannot be read, silence, a reset | nothing | `started` |
//! | a rate limit | that we announce too often, with any event | result |
//! | no connection, no TLS, no address; the operator forbids it (BEP 34) | that no tracker was reached | result |
//!
//! # What an answer to `started` proves
//!
//! | Answer | Proves | Result |
//! |---|---|---|
//! | a list with peers other than us | the peers | the list |
//! | no other peers, counts of us alone or of 0, no warning, nothing damaged | an empty swarm | 0 |
//! | no other peers, no counts, a list that is empty or names only us, no warning | an empty swarm | 0 |
//! | no other peers, with a claim of peers, a warning or entries that are no peers | nothing | list withheld |
//! | neither list nor counts | nothing | malformed |
//! | a refusal | that the tracker refuses the torrent and registered nothing | the refusal |
//! | an error status, a body that cannot be read | a failure; we may be registered | the failure |
//! | silence | nothing; we may be registered | see below |
//!
//! If this machine has no resources to send `started`, only a list in the answer to `stopped`
//! counts.
//!
//! If `started` fails without a refusal, the answer to `stopped` stands as far as it goes: its
//! list; its refusal, because the tracker is up; or a withheld list.
//!
//! # What an answer to the last `stopped` proves
//!
//! This answer has no list, so its counts never replace counts that came with a list. They only
//! tell whether the leecher count included us, and fill in missing counts.
//!
//! # Cost of silence
//!
//! The first `stopped` may take half of the probe's time, the last `stopped` a fifth. The driver
//! reports with [`Delivery`] whether a request can have arrived; if not, the session ends. Over
//! UDP, the first `stopped` may take all the time if the tracker answers nothing, not even the
//! connect.

#[cfg(fuzzing)]
mod fuzzing;
mod proof;
mod result;

use crate::{AnnounceResponse, AnnounceStrategy, FailureReason, ProbeError};
#[cfg(fuzzing)]
pub use fuzzing::fuzz;
use proof::{Proof, Reading};
use result::StartedOutcome;
use seedwatch_torrent::address::Accept;

/// The result of an announce.
pub type AnnounceResult = Result<Box<AnnounceResponse>, ProbeError>;

/// The last `stopped` gets one part in this many of a probe's time.
pub const STOPPED_PARTS: u32 = 5;
/// The first `stopped` gets one part in this many of a probe's time.
pub const STOPPED_QUERY_PARTS: u32 = 2;

/// Tells peers from list entries that are none.
#[derive(Debug, Clone, Copy)]
pub struct PeerFilter {
    /// The ports that we claim, by family. A tracker may list us with both.
    pub ports: [u16; 2],
    /// The addresses that a peer can have.
    pub accept: Accept,
}

/// A request of a session, by the event of BEP 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnnounceRequest {
    /// `stopped` with `numwant` above 0: many trackers answer with the list and register nothing.
    StoppedQuery,
    /// `started`: registers us in the swarm.
    Started,
    /// `stopped` with `numwant` 0: removes the entry that `started` made.
    Stopped,
}

/// Whether a failed request may have reached the tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It cannot: there was no connection, or nothing was sent.
    Excluded,
    /// It may have, with or without an answer.
    Possible,
}

/// A valid answer to an announce.
#[derive(Debug)]
pub struct SessionAnswer {
    /// What it says.
    pub announced: AnnounceResponse,
    /// The response has a peer list, perhaps an empty one.
    pub has_list: bool,
}

/// What the driver does next.
#[derive(Debug)]
pub enum Next {
    /// Send [`AnnounceSession::request`].
    Send,
    /// The session is over. `None` after [`AnnounceSession::cut_short`].
    Done(Option<AnnounceResult>),
}

/// One announce: at most three requests and one result.
///
/// See the example in the [crate documentation](crate).
#[derive(Debug)]
pub struct AnnounceSession {
    strategy: AnnounceStrategy,
    stage: Stage,
    registered: bool,
}

#[derive(Debug)]
enum Stage {
    StoppedQuery,
    /// Holds the outcome of the first `stopped`, if it was sent.
    Started(Option<Box<QueryOutcome>>),
    /// Holds the result so far. `None` if the prober no longer wants it, or has it already.
    Stopped(Option<StartedOutcome>),
}

/// The outcome of the first `stopped`.
#[derive(Debug)]
enum QueryOutcome {
    Answered(Reading),
    Failed(ProbeError),
}

impl AnnounceSession {
    /// Returns a session that has sent nothing.
    pub fn new(strategy: AnnounceStrategy) -> Self {
        let stage = match strategy {
            AnnounceStrategy::StartThenStop => Stage::Started(None),
            AnnounceStrategy::StoppedFirst
            | AnnounceStrategy::StoppedOnly
            | AnnounceStrategy::Compare => Stage::StoppedQuery,
        };
        Self {
            strategy,
            stage,
            registered: false,
        }
    }

    /// Returns the request to send now.
    pub fn request(&self) -> AnnounceRequest {
        match self.stage {
            Stage::StoppedQuery => AnnounceRequest::StoppedQuery,
            Stage::Started(_) => AnnounceRequest::Started,
            Stage::Stopped(_) => AnnounceRequest::Stopped,
        }
    }

    /// Records that the current request was sent.
    pub fn sent(&mut self) {
        self.registered |= self.request() == AnnounceRequest::Started;
    }

    /// Returns whether the tracker may hold an entry for us.
    pub fn may_be_registered(&self) -> bool {
        self.registered
    }

    /// Takes a valid answer to the current request.
    pub fn answered(&mut self, answer: SessionAnswer, own: &PeerFilter) -> Next {
        match &mut self.stage {
            Stage::StoppedQuery => self.stopped_query_answered(answer, own),
            Stage::Started(query) => {
                let query = query.take().map(|query| *query);
                let started = result::after_started(query, answer, self.strategy, own);
                self.stop(started)
            }
            Stage::Stopped(started) => {
                self.registered = false;
                let after = &answer.announced.counts;
                let started = started.take();
                Next::Done(started.map(|started| result::after_stopped(started, after, own)))
            }
        }
    }

    /// Takes a failure of the current request.
    pub fn failed(&mut self, failed: ProbeError, reached: Delivery, own: &PeerFilter) -> Next {
        match &mut self.stage {
            Stage::StoppedQuery if reached == Delivery::Excluded || is_final(&failed) => {
                Next::Done(Some(Err(failed)))
            }
            Stage::StoppedQuery => {
                self.stage = Stage::Started(Some(Box::new(QueryOutcome::Failed(failed))));
                Next::Send
            }
            Stage::Started(query) => {
                let query = query.take().map(|query| *query);
                let says_no = failed.reason.is_refusal();
                let result = result::after_failed_start(query, failed, own);
                if reached == Delivery::Excluded || says_no {
                    self.registered = false;
                    return Next::Done(Some(result));
                }
                self.stop(result.into())
            }
            Stage::Stopped(started) => {
                // Unless the tracker answered with a refusal, it may still list us.
                self.registered &= !failed.reason.is_refusal();
                Next::Done(started.take().map(|started| started.result))
            }
        }
    }

    /// Ends the session early and returns whether `stopped` must still be sent. No result follows
    /// unless there was one already.
    pub fn cut_short(&mut self) -> bool {
        if self.registered && !matches!(self.stage, Stage::Stopped(_)) {
            self.stage = Stage::Stopped(None);
        }
        self.registered
    }

    fn stopped_query_answered(&mut self, answer: SessionAnswer, own: &PeerFilter) -> Next {
        let reading = Reading::of(answer, AnnounceRequest::StoppedQuery, own);
        let is_conclusive = match reading.proof {
            Proof::Peers | Proof::Names => true,
            Proof::Empty => {
                self.strategy == AnnounceStrategy::StoppedOnly && reading.counts_are_zero()
            }
            Proof::None => false,
        };
        if is_conclusive
            && (self.strategy != AnnounceStrategy::Compare || reading.proof == Proof::Names)
        {
            return Next::Done(Some(Ok(reading.into_verdict(own))));
        }
        self.stage = Stage::Started(Some(Box::new(QueryOutcome::Answered(reading))));
        Next::Send
    }

    fn stop(&mut self, started: StartedOutcome) -> Next {
        self.stage = Stage::Stopped(Some(started));
        Next::Send
    }
}

/// Returns whether `started` would fail in the same way: the tracker is unreachable or forbids the
/// request.
fn is_final(failed: &ProbeError) -> bool {
    matches!(
        failed.reason,
        FailureReason::Dns
            | FailureReason::Unreachable
            | FailureReason::Refused
            | FailureReason::Tls
            | FailureReason::RateLimited
            | FailureReason::Denied
            | FailureReason::Unsupported
    )
}

#[cfg(test)]
mod tests;
