//! The peer wire protocol of a visit, without sockets and clocks (BEP 3, 6, 9, 10, 16, 21, 52, 54).
//!
//! A visit connects to a peer, shakes hands, reads which pieces the peer has, and hangs up. It
//! never requests a piece, offers none, and is not interested. Everything that a peer says is a
//! *claim*: nothing but bytes proves a copy.
//!
//! | Module | Contents |
//! |---|---|
//! | `visit` | [`Visit`]: one or two connections to a peer, its timeouts, its end |
//! | `conversation` | handshake and messages on one connection |
//! | [`report`] | the outcome and the [`Reason`]; which honest programs give which |
//! | `piece_state` | what messages say about the pieces of a peer, and what follows from them |
//! | `piece_set`, `piece_count` | the pieces of one peer, with or without metadata |
//! | `availability` | [`Availability`]: the pieces of several peers, united |
//! | `extension`, `metadata` | the extension handshake; the info dictionary, verified |
//! | [`frame`], [`handshake`] | messages and handshakes as bytes |
//! | [`mse`] | encryption (MSE) |
//!
//! # Example
//!
//! The peer is written by hand here; a real caller moves the bytes through a socket.
//!
//! ```
//! use seedwatch_clock::Mono;
//! use seedwatch_peer::handshake::{Handshake, Reserved};
//! use seedwatch_peer::{Encryption, Outcome, Timing, Visit, VisitParams, frame};
//! use seedwatch_torrent::Hashes;
//!
//! let hashes = Hashes::parse("1bd088ee9166a062cf4af09cf99720fa6e1a3133")?;
//! let info_hash = hashes.wire().next().ok_or("no hash")?;
//! let mut visit = Visit::new(
//!     VisitParams {
//!         hashes,
//!         info_hash,
//!         peer_id: *b"-SW0100-abcdefghijkl",
//!         client: "seedwatch/0.1".into(),
//!         encryption: Encryption::Allow,
//!         pieces: None,
//!         fetch_metadata: false,
//!         timing: Timing::default(),
//!     },
//!     [1; 32],
//! );
//! assert!(visit.needs_connection());
//! visit.connected(Mono(0));
//! assert!(visit.take_output().starts_with(b"\x13BitTorrent protocol"));
//!
//! let theirs = Handshake {
//!     reserved: Reserved::FAST,
//!     info_hash,
//!     peer_id: *b"-XX0000-abcdefghijkl",
//! };
//! let mut bytes = theirs.to_bytes().to_vec();
//! frame::write(&mut bytes, frame::id::HAVE_ALL, &[]);
//! visit.receive(&bytes, Mono(40));
//!
//! let report = visit.report().ok_or("the visit goes on")?;
//! assert_eq!(report.outcome(), Outcome::Complete);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod availability;
mod conversation;
mod extension;
pub mod frame;
pub mod handshake;
mod metadata;
pub mod mse;
mod piece_count;
mod piece_set;
mod piece_state;
pub mod report;
mod visit;

pub use availability::{Availability, Copies};
pub use conversation::MAX_RECEIVED;
pub use extension::{CompleteAgo, PeerClaims};
pub use metadata::{MAX_METADATA, Metadata, MetadataError};
pub use piece_count::{Contradiction, MAX_PIECES, PieceCount};
pub use piece_set::{Completeness, PieceSet};
pub use report::{MetadataResult, Outcome, Reason, VisitReport};
pub use visit::{ConnectError, Encryption, Timing, Visit, VisitParams};
