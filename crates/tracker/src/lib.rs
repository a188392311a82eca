//! Conversations with trackers, without sockets and clocks (BEP 3, 7, 15, 23, 24, 31, 34, 41, 48).
//!
//! A [`Job`] holds a [`Request`]; it ends in exactly one [`Observation`] with an answer or a
//! [`ProbeError`]. Everything in an answer is a *claim*: the reader filters bogons, ports and our
//! own addresses.
//!
//! | Module | Contents |
//! |---|---|
//! | [`announce_session`] | the requests of an announce and what each answer proves, for all transports |
//! | [`udp`] | the UDP tracker protocol as a state machine |
//! | [`http`] | queries and responses over HTTP |
//! | [`dns_preference`] | tracker preferences of an operator in DNS (BEP 34) |
//! | [`tracker_message`] | messages of trackers, without passkeys and addresses |
//!
//! # Examples
//!
//! The driver of an [`AnnounceSession`](announce_session::AnnounceSession) sends its requests and
//! feeds back the answers. This one reads a response over HTTP with a compact peer list (BEP 23):
//!
//! ```
//! use seedwatch_torrent::address::Accept;
//! use seedwatch_torrent::{Family, TrackerUrl};
//! use seedwatch_tracker::AnnounceStrategy;
//! use seedwatch_tracker::announce_session::*;
//! use seedwatch_tracker::http::answer::{self, AnnounceContext};
//!
//! let mut session = AnnounceSession::new(AnnounceStrategy::StoppedFirst);
//! assert_eq!(session.request(), AnnounceRequest::StoppedQuery);
//! session.sent();
//!
//! let url = TrackerUrl::parse("http://tracker.example/announce").unwrap();
//! let body = b"d8:completei1e10:incompletei0e5:peers6:\x51\x02\x03\x04\x1a\xe1e";
//! let context = AnnounceContext { family: Family::Ipv4, limit: 200 };
//! let reply = answer::announce(body, None, &url, context).unwrap();
//!
//! let answer = SessionAnswer { announced: reply.announced, has_list: reply.has_list };
//! let filter = PeerFilter { ports: [50_000, 50_001], accept: Accept::Global };
//! let Next::Done(Some(Ok(response))) = session.answered(answer, &filter) else {
//!     panic!("a list in answer to `stopped` ends the session");
//! };
//! assert_eq!(response.peers.v4[0].port, 6881);
//! assert_eq!(response.counts.seeders, Some(1));
//! assert!(!session.may_be_registered(), "`started` was not sent");
//! ```
//!
//! If nothing answers `stopped`, the session continues with `started`, and then owes the tracker a
//! `stopped`:
//!
//! ```
//! # use seedwatch_torrent::address::Accept;
//! use seedwatch_tracker::announce_session::*;
//! use seedwatch_tracker::{AnnounceStrategy, FailureReason, ProbeError};
//!
//! let filter = PeerFilter { ports: [50_000, 50_001], accept: Accept::Global };
//! let mut session = AnnounceSession::new(AnnounceStrategy::StoppedFirst);
//! session.sent();
//! let silence = ProbeError::new(FailureReason::Timeout, "no answer");
//! session.failed(silence.clone(), Delivery::Possible, &filter);
//! assert_eq!(session.request(), AnnounceRequest::Started);
//! session.sent();
//! session.failed(silence, Delivery::Possible, &filter);
//! assert_eq!(session.request(), AnnounceRequest::Stopped);
//! ```

pub mod announce_session;
mod compact;
pub mod dns_preference;
mod failure;
pub mod http;
mod job;
mod name_answer;
mod report;
pub mod tracker_message;
pub mod udp;

pub use failure::{FailureReason, ProbeError, Retry, printable};
pub use job::{AnnounceId, AnnounceStrategy, Identity, Job, Request, SHORTEST_INTERVAL, TrackerId};
pub use name_answer::NameAnswer;
pub use report::{
    AnnounceResponse, Counts, Observation, Phases, ProbeStats, Problem, Report, ScrapeResponse,
    StoppedList,
};
