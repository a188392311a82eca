//! What a visit found out: an outcome of a closed list, and the reason for it.

use crate::extension::PeerClaims;
use crate::metadata::Metadata;
use crate::mse::Method;
use crate::piece_set::PieceSet;
use seedwatch_torrent::InfoHash;

/// The outcome of a visit, as a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The peer says that it has all pieces.
    Complete,
    /// The peer says that it has some of the pieces.
    Partial,
    /// The peer says that it has no piece.
    Empty,
    /// There was no connection.
    Unreachable,
    /// The host refused the connection.
    Refused,
    /// The peer accepted the connection and closed it before it said what it has.
    Closed,
    /// The peer answered for another torrent.
    WrongHash,
    /// The peer was reached, and what it has is not known.
    Unknown,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 8] = [
        Self::Complete,
        Self::Partial,
        Self::Empty,
        Self::Unreachable,
        Self::Refused,
        Self::Closed,
        Self::WrongHash,
        Self::Unknown,
    ];

    /// Returns the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Empty => "empty",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Closed => "closed",
            Self::WrongHash => "wrong_hash",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a visit has its outcome.
///
/// | Reason | Honest peers that end a visit so |
/// |---|---|
/// | `HasAll` | seeders, also after a lazy bitfield |
/// | `LacksPieces` | downloaders and partial seeds (BEP 21) |
/// | `HasNone` | downloaders that have just begun; super-seeders slower than `Timing::nothing` |
/// | `Timeout`, `NoRoute` | peers behind a NAT, peers that left |
/// | `ConnectionRefused` | peers that left, and other transports |
/// | `ClosedAtOnce` | libtorrent: paused, full, without the torrent, or with a filter |
/// | `ClosedInHandshake` | peers that know MSE and not the torrent |
/// | `ClosedBeforePieces` | peers with too many connections |
/// | `ClosedUnsettled` | a lazy seeder or super-seeder may close before its last message |
/// | `OtherHash` | none |
/// | `Silent`, `HandshakeTimeout` | overloaded peers, proxies that accept for others |
/// | `NoPieceState` | downloaders without metadata; super-seeders without BEP 6 |
/// | `PossibleSuperSeed` | super-seeders (BEP 16); downloaders with few pieces |
/// | `PieceCountUnknown` | without metadata: seeders; downloaders that lack the last pieces |
/// | `NotBitTorrent` | other services at a reused address |
/// | `EncryptionFailed`, `OwnPeerId`, `Violation`, `Flood` | none |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// All pieces were named.
    HasAll,
    /// At least one piece is missing.
    LacksPieces,
    /// The peer said that it has nothing, and named no piece afterwards. Without BEP 6, it said so
    /// by its interest and by leaving out the bitfield.
    HasNone,
    /// No answer to the attempt to connect.
    Timeout,
    /// The network has no way to the peer, or this machine has no resources to connect.
    NoRoute,
    /// The host has no listener at the port.
    ConnectionRefused,
    /// The peer closed the connection without a byte; with encryption too, if that is allowed.
    ClosedAtOnce,
    /// The peer closed the connection before its handshake was complete.
    ClosedInHandshake,
    /// The peer closed the connection after its handshake.
    ClosedBeforePieces,
    /// The peer closed the connection while more pieces could follow.
    ClosedUnsettled,
    /// The handshake names another torrent.
    OtherHash,
    /// The peer accepted the connection and sent nothing.
    Silent,
    /// The peer began a handshake and did not complete it in time.
    HandshakeTimeout,
    /// The peer did not say what it has.
    NoPieceState,
    /// The peer said that it has nothing, or said nothing, and then named a few pieces; or it has
    /// nothing and wants nothing.
    PossibleSuperSeed,
    /// The pieces that may be missing may not exist.
    PieceCountUnknown,
    /// The peer answered in another protocol.
    NotBitTorrent,
    /// The key exchange failed.
    EncryptionFailed,
    /// The peer has our own id: it echoes, or it is us.
    OwnPeerId,
    /// A message has a wrong length, or contradicts another one.
    Violation,
    /// The peer sent more than [`MAX_RECEIVED`](crate::MAX_RECEIVED) bytes.
    Flood,
}

impl Reason {
    /// Returns the outcome.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::HasAll => Outcome::Complete,
            Self::LacksPieces => Outcome::Partial,
            Self::HasNone => Outcome::Empty,
            Self::Timeout | Self::NoRoute => Outcome::Unreachable,
            Self::ConnectionRefused => Outcome::Refused,
            Self::ClosedAtOnce | Self::ClosedInHandshake | Self::ClosedBeforePieces => {
                Outcome::Closed
            }
            Self::OtherHash => Outcome::WrongHash,
            Self::ClosedUnsettled
            | Self::Silent
            | Self::HandshakeTimeout
            | Self::NoPieceState
            | Self::PossibleSuperSeed
            | Self::PieceCountUnknown
            | Self::NotBitTorrent
            | Self::EncryptionFailed
            | Self::OwnPeerId
            | Self::Violation
            | Self::Flood => Outcome::Unknown,
        }
    }

    /// Returns whether nothing that the peer said counts.
    pub fn is_misbehaviour(self) -> bool {
        use Reason::{EncryptionFailed, Flood, NotBitTorrent, OtherHash, OwnPeerId, Violation};
        matches!(
            self,
            EncryptionFailed | Flood | NotBitTorrent | OtherHash | OwnPeerId | Violation
        )
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::HasAll => "has all pieces",
            Self::LacksPieces => "lacks pieces",
            Self::HasNone => "has no piece",
            Self::Timeout => "no answer to the connection attempt",
            Self::NoRoute => "no connection possible",
            Self::ConnectionRefused => "connection refused",
            Self::ClosedAtOnce => "closed the connection without an answer",
            Self::ClosedInHandshake => "closed the connection during the handshake",
            Self::ClosedBeforePieces => "closed the connection without naming pieces",
            Self::ClosedUnsettled => "closed the connection while pieces could follow",
            Self::OtherHash => "answered for another torrent",
            Self::Silent => "accepted the connection and sent nothing",
            Self::HandshakeTimeout => "did not complete its handshake in time",
            Self::NoPieceState => "did not say which pieces it has",
            Self::PossibleSuperSeed => "named few pieces: may be a super-seeder",
            Self::PieceCountUnknown => "has all pieces but perhaps the last ones",
            Self::NotBitTorrent => "answered in another protocol",
            Self::EncryptionFailed => "failed the key exchange",
            Self::OwnPeerId => "answered with our own peer id",
            Self::Violation => "broke the protocol",
            Self::Flood => "sent too much",
        })
    }
}

/// What became of the request for metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataResult {
    /// It was not wanted, or the peer was not reached.
    NotAsked,
    /// The peer does not offer it.
    NotOffered,
    /// The peer claims a size of 0 or above [`MAX_METADATA`](crate::MAX_METADATA).
    BadSize,
    /// The peer rejected a request.
    Rejected,
    /// It did not arrive in time, or the connection ended.
    Unfinished,
    /// A block is not what was requested.
    Malformed,
    /// The hash is another one: the peer sent something else.
    WrongHash,
    /// The hash is right and the content useless: no peer has better.
    Unusable,
    /// The verified metadata.
    Verified(Metadata),
}

/// The result of a visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitReport {
    /// Why the visit has its outcome.
    pub reason: Reason,
    /// The pieces that the peer named, unless it said nothing or misbehaved. After a
    /// [`ClosedUnsettled`](Reason::ClosedUnsettled) or a
    /// [`PossibleSuperSeed`](Reason::PossibleSuperSeed) it may have more.
    pub pieces: Option<PieceSet>,
    /// The hash of the peer's handshake: the version 2 hash after an upgrade (BEP 52).
    pub info_hash: Option<InfoHash>,
    /// How the connection was encrypted; `None` without a key exchange.
    pub encryption: Option<Method>,
    /// What the peer tells about itself (BEP 10).
    pub claims: PeerClaims,
    /// The metadata, or why there is none.
    pub metadata: MetadataResult,
}

impl VisitReport {
    /// Returns the outcome.
    pub fn outcome(&self) -> Outcome {
        self.reason.outcome()
    }

    /// Returns the bytes on the heap that the report holds.
    pub(crate) fn memory(&self) -> usize {
        let metadata = match &self.metadata {
            MetadataResult::Verified(metadata) => metadata.memory(),
            _ => 0,
        };
        let client = self.claims.client.as_ref().map_or(0, |name| name.len());
        let pieces = self.pieces.as_ref().map_or(0, PieceSet::memory);
        size_of::<Self>() + metadata + client + pieces
    }
}
