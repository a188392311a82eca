//! The state of a torrent, decided once.
//!
//! Metrics, alerts, dashboards, pages, the API and the log read a [`Verdict`]; none of them decides
//! again. A verdict is a pure function of the [`Evidence`] of the sources, of the time and of what
//! was known before ([`VerdictMemory`]). It never takes silence for emptiness:
//!
//! - One source that names a peer makes the torrent alive at once.
//! - A torrent is dead only if every source that could know of peers has said in two rounds, at
//!   least [`judge::MIN_EMPTY_TIME`] apart, that there are none.
//! - A source that named the last peers and then fell silent may still know of them, for
//!   [`judge::HIDDEN_HOURS`]; so may one of which a part has never said anything: one of two
//!   families or info-hashes.
//! - Peers over a family (IPv4 or IPv6) that our network has lost may still be there, for a week.
//! - While our own network is out, all verdicts stay as they were.
//! - A command that asks only once, such as `seedwatch probe`, calls a torrent dead only if every
//!   source that may be asked has answered conclusively and none lists a peer ([`Rounds::One`]).
//! - A dead torrent stays dead until a source names a peer: silence is no recovery.
//!
//! | File | Contents |
//! |---|---|
//! | `state` | states and conditions |
//! | `change` | a change of state |
//! | `evidence` | what the sources say at one time |
//! | `judge` | evidence + memory → verdict |
//! | `memory` | what is remembered of one torrent, in 32 bytes |
//! | `need` | whether a torrent needs seeding, and since when |
//! | `reason`, `explain` | why a torrent is in its state, and what to do about it |

mod change;
mod evidence;
mod explain;
mod judge;
mod memory;
mod need;
mod reason;
mod state;

pub use change::StateChange;
pub(crate) use evidence::{Circumstances, Evidence, SourceSet};
pub use evidence::{NetworkState, Rounds};
pub use explain::Advice;
pub use judge::MIN_EMPTY_TIME;
pub(crate) use memory::VerdictMemory;
pub use need::{RECOVERED_AFTER, WANTED_COPIES, needs_seeding};
pub use reason::Reason;
pub use state::{Condition, Conditions, State, Verdict};

#[cfg(test)]
mod tests;
