//! Conversations with trackers, without sockets and clocks (BEP 3, 7, 15, 23, 24, 31, 34, 41, 48).
//!
//! A [`Job`] says what to ask; every job ends in exactly one [`Observation`]. Everything a tracker
//! said arrives there as a *claim*: filtering bogons, ports and our own addresses is the work of the
//! reader.
//!
//! | Module | Contents |
//! |---|---|
//! | [`announce_session`] | what to ask and what an answer proves, for all transports |
//! | [`udp`] | the UDP tracker protocol as a state machine |
//! | [`http`] | queries and answers over HTTP |
//! | [`dns_preference`] | what the operator says in DNS about being contacted (BEP 34) |
//! | [`tracker_message`] | what trackers say in words, without passkeys and addresses |

pub mod announce_session;
mod compact;
pub mod dns_preference;
mod failure;
pub mod http;
mod job;
mod report;
pub mod tracker_message;
pub mod udp;

pub use failure::{Failed, Failure, Retry, printable};
pub use job::{AnnounceId, AnnounceMode, Ask, Identity, Job, Manner, TrackerId};
pub use report::{
    Announced, Counts, Exchange, Observation, Phases, Remark, Report, Scraped, StoppedList,
};
