//! The conversation of one announce as a pure state machine: answers and failures go in, requests
//! and a verdict come out. No socket, no clock. UDP and HTTP drive the same one.
//!
//! # The way of an announce
//!
//! ```text
//!  Ghost, StoppedOnly, Check        no evidence             Brief
//!  ──────────────▶ stopped ───────────────────▶ started ◀────────
//!                     │ list of peers              │ answered, or perhaps registered
//!                     ▼                            ▼
//!                  verdict ◀──────────────────  stopped
//! ```
//!
//! [`Manner::Check`] goes on to `started` whatever `stopped` brings, and compares both lists.
//!
//! # What an answer to the first `stopped` proves
//!
//! | Answer | Proves | Next |
//! |---|---|---|
//! | a list with peers other than us | who is there | verdict (`Check`: `started`) |
//! | a list of host names | that members are there; who stays unknown | verdict, list withheld |
//! | an empty list and counts of 0, [`Manner::StoppedOnly`], no warning | an empty swarm | verdict |
//! | an empty list or zeros, any other manner | nothing | `started` |
//! | a list of ourselves, of port 0 or of addresses that are no peers | nothing | `started` |
//! | counts without a list | nothing: they may be of both families | `started` |
//! | a refusal, an error status, a body that cannot be read, silence, a reset | nothing | `started` |
//! | a rate limit | that we ask too often, whatever the event | verdict |
//! | no connection, no TLS, no address; the operator says no (BEP 34) | that no tracker was reached | verdict |
//!
//! # What an answer to `started` proves
//!
//! | Answer | Proves | Verdict |
//! |---|---|---|
//! | a list with peers other than us | who is there | the list |
//! | no other peers, counts of us alone or of 0, no warning, nothing damaged | an empty swarm | 0 |
//! | no other peers, no counts, a list that is empty or names only us, no warning | an empty swarm | 0 |
//! | no other peers beside a claim of members, a warning or entries that are no peers | nothing | list withheld |
//! | neither list nor counts | nothing | malformed |
//! | a refusal | that the tracker refuses the torrent and registered nothing | the refusal |
//! | an error status, a body that cannot be read | a failure; we may be registered | the failure |
//! | silence | nothing; we may be registered | see below |
//!
//! If this machine has no resources for `started`, the whole announce proves no more than a list
//! that `stopped` brought.
//!
//! If `started` fails without a word of refusal, what `stopped` said stands as far as it goes: its
//! list; the refusal, because the tracker is up; or that it answered and withheld the list.
//!
//! # What an answer to the last `stopped` proves
//!
//! It never brings a list, so its counts replace none that came with one. They only tell whether
//! the count of leechers had us in it, and claims of members fill in counts that are missing.
//!
//! # Cost of silence
//!
//! The first `stopped` has half of the probe's time, the last `stopped` a fifth. If nothing reached
//! the tracker there is no second question; the driver decides that, and over UDP a tracker that
//! answered nothing during the probe, not even a connect, leaves the whole time to the first one.

mod evidence;
#[cfg(fuzzing)]
mod fuzzing;
mod verdict;

use crate::{Announced, Failed, Failure, Manner};
use evidence::{Evidence, Reading};
#[cfg(fuzzing)]
pub use fuzzing::fuzz;
use seedwatch_torrent::address::Accept;
use verdict::Joined;

/// What an announce came to.
pub type Verdict = Result<Box<Announced>, Failed>;

/// The last part of a probe's time, kept for taking back what `started` did.
pub const LEAVE_PARTS: u32 = 5;
/// The first `stopped` may take one of so many parts of a probe's time.
pub const LOOK_PARTS: u32 = 2;

/// What is needed to tell peers from what is none.
#[derive(Debug, Clone, Copy)]
pub struct Own {
    /// The ports that we claim, by family. A tracker may list us under both.
    pub ports: [u16; 2],
    /// Which addresses count.
    pub accept: Accept,
}

/// A request of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// `stopped` with a wish for peers: registers nothing.
    Look,
    /// `started`: registers us.
    Join,
    /// `stopped` without a wish for peers: takes back what `started` did.
    Leave,
}

/// Whether a request that failed may have reached the tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// No: there was no connection, or nothing was sent.
    No,
    /// It may have, whether an answer came or not.
    Perhaps,
}

/// A valid answer to an announce.
#[derive(Debug)]
pub struct Answer {
    /// What it says.
    pub announced: Announced,
    /// It has a list of peers, if an empty one.
    pub has_list: bool,
}

/// What comes after an event.
#[derive(Debug)]
pub enum Next {
    /// [`AnnounceSession::request`] is to be sent.
    Ask,
    /// The conversation is over. `None` after [`AnnounceSession::cut_short`].
    Done(Option<Verdict>),
}

/// One announce.
#[derive(Debug)]
pub struct AnnounceSession {
    manner: Manner,
    stage: Stage,
    registered: bool,
}

#[derive(Debug)]
enum Stage {
    Look,
    /// What `stopped` came to, if it was asked.
    Join(Option<Box<Looked>>),
    /// The verdict so far. `None` if it is no longer wanted, and after it was given.
    Leave(Option<Joined>),
}

/// What the first `stopped` came to.
#[derive(Debug)]
enum Looked {
    Answered(Reading),
    Failed(Failed),
}

impl AnnounceSession {
    /// A conversation that has not begun.
    pub fn new(manner: Manner) -> Self {
        let stage = match manner {
            Manner::Brief => Stage::Join(None),
            Manner::Ghost | Manner::StoppedOnly | Manner::Check => Stage::Look,
        };
        Self {
            manner,
            stage,
            registered: false,
        }
    }

    /// The request to send now.
    pub fn request(&self) -> Request {
        match self.stage {
            Stage::Look => Request::Look,
            Stage::Join(_) => Request::Join,
            Stage::Leave(_) => Request::Leave,
        }
    }

    /// Notes that the present request is sent.
    pub fn sent(&mut self) {
        self.registered |= self.request() == Request::Join;
    }

    /// Whether the tracker may hold an entry for us.
    pub fn may_be_registered(&self) -> bool {
        self.registered
    }

    /// Takes a valid answer to the present request.
    pub fn answered(&mut self, answer: Answer, own: &Own) -> Next {
        match &mut self.stage {
            Stage::Look => self.looked(answer, own),
            Stage::Join(looked) => {
                let looked = looked.take().map(|looked| *looked);
                let joined = verdict::joined(looked, answer, self.manner, own);
                self.leave(joined)
            }
            Stage::Leave(joined) => {
                self.registered = false;
                let after = &answer.announced.counts;
                let joined = joined.take();
                Next::Done(joined.map(|joined| verdict::left(joined, after, own)))
            }
        }
    }

    /// Takes a failure of the present request.
    pub fn failed(&mut self, failed: Failed, reached: Reached, own: &Own) -> Next {
        match &mut self.stage {
            Stage::Look if reached == Reached::No || ends_all(&failed) => {
                Next::Done(Some(Err(failed)))
            }
            Stage::Look => {
                self.stage = Stage::Join(Some(Box::new(Looked::Failed(failed))));
                Next::Ask
            }
            Stage::Join(looked) => {
                let looked = looked.take().map(|looked| *looked);
                let says_no = failed.reason.is_refusal();
                let verdict = verdict::not_joined(looked, failed, own);
                if reached == Reached::No || says_no {
                    self.registered = false;
                    return Next::Done(Some(verdict));
                }
                self.leave(verdict.into())
            }
            Stage::Leave(joined) => {
                // If it has not heard us and said no, we may still be listed.
                self.registered &= !failed.reason.is_refusal();
                Next::Done(joined.take().map(|joined| joined.verdict))
            }
        }
    }

    /// The prober shuts down: returns whether there is something to take back. No verdict follows
    /// unless it stood already.
    pub fn cut_short(&mut self) -> bool {
        if self.registered && !matches!(self.stage, Stage::Leave(_)) {
            self.stage = Stage::Leave(None);
        }
        self.registered
    }

    fn looked(&mut self, answer: Answer, own: &Own) -> Next {
        let reading = Reading::of(answer, Request::Look, own);
        let is_conclusive = match reading.evidence {
            Evidence::Peers | Evidence::Names => true,
            Evidence::Empty => self.manner == Manner::StoppedOnly && reading.counts_are_zero(),
            Evidence::None => false,
        };
        if is_conclusive && (self.manner != Manner::Check || reading.evidence == Evidence::Names) {
            return Next::Done(Some(Ok(reading.into_verdict(own))));
        }
        self.stage = Stage::Join(Some(Box::new(Looked::Answered(reading))));
        Next::Ask
    }

    fn leave(&mut self, joined: Joined) -> Next {
        self.stage = Stage::Leave(Some(joined));
        Next::Ask
    }
}

/// Failures that `started` would meet as well: the tracker cannot be reached or must not be asked.
fn ends_all(failed: &Failed) -> bool {
    matches!(
        failed.reason,
        Failure::Dns
            | Failure::Unreachable
            | Failure::Refused
            | Failure::Tls
            | Failure::RateLimited
            | Failure::Denied
            | Failure::Unsupported
    )
}

#[cfg(test)]
mod tests;
