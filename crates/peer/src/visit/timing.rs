//! How long a visit takes, and how much memory.

use std::time::Duration;

use crate::conversation::Conversation;
use crate::frame::{MAX_BITFIELD, MAX_EXTENDED};
use crate::metadata::MAX_METADATA;
use seedwatch_clock::Mono;

/// Longest part of received bytes that is decrypted at once.
pub(super) const CHUNK: usize = 16 << 10;

/// See [`Visit::MAX_MEMORY`](super::Visit::MAX_MEMORY).
pub(super) const MAX_MEMORY: usize = 2 * MAX_BITFIELD + MAX_METADATA + MAX_EXTENDED + (32 << 10);

/// How long a visit waits, from one step to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// From the connection to the end of the peer's handshake. libtorrent waits 10 s.
    pub handshake: Duration,
    /// After the last news about pieces, once the peer has said something about all of them. Lazy
    /// seeders and super-seeders name single pieces after that.
    pub quiet: Duration,
    /// From the handshake to the last news about pieces.
    pub settle: Duration,
    /// From the handshake until a peer is believed that it has nothing. A super-seeder says so too;
    /// that of libtorrent 2.0 names its first piece 10.2 s after an incoming handshake, measured,
    /// because its first attempt comes before the end of the handshake (libtorrent PR 6342).
    pub nothing: Duration,
    /// From the handshake to the end of the metadata, if it is fetched.
    pub metadata: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            quiet: Duration::from_millis(2_500),
            settle: Duration::from_secs(10),
            nothing: Duration::from_secs(13),
            metadata: Duration::from_secs(30),
        }
    }
}

impl Timing {
    /// Returns when a conversation ends if nothing more arrives; `None` before the handshake of the
    /// peer.
    pub(crate) fn end(&self, talk: &Conversation) -> Option<Mono> {
        let greeted = talk.greeted?;
        let settled = greeted.after(self.settle);
        let pieces = match talk.changed {
            _ if talk.pieces.says_nothing_only() => greeted.after(self.nothing),
            Some(changed) if talk.pieces.has_summary() => changed.after(self.quiet).min(settled),
            // Without a summary, more may come at any time.
            _ => settled,
        };
        Some(match (talk.fetches_metadata(), talk.awaits_metadata()) {
            (true, _) => pieces.max(greeted.after(self.metadata)),
            // The extension handshake may follow.
            (false, true) => settled,
            (false, false) => pieces,
        })
    }
}
