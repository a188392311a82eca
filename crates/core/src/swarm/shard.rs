//! Shares of the torrents and collections, which are saved as files of their own.

use seedwatch_torrent::InfoHash;

/// A share of all torrents or collections, small enough to be written in one go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: u32,
    /// The number of shards, at least 1.
    pub of: u32,
}

impl Shard {
    /// Returns whether a torrent is in the shard.
    pub(crate) fn has(self, hash: &InfoHash) -> bool {
        let [a, b, c, d, ..] = hash.0;
        u32::from_be_bytes([a, b, c, d]) % self.of.max(1) == self.index
    }

    /// Returns whether a collection is in the shard.
    pub(crate) fn has_collection(self, name: &str) -> bool {
        let add = |sum: u32, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte));
        name.bytes().fold(0, add) % self.of.max(1) == self.index
    }
}
