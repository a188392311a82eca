//! Info-hashes of version 1 (BEP 3), version 2 and hybrid torrents (BEP 52).

use std::fmt;

/// The 20 bytes that go on the wire: SHA-1 of the info dictionary, or a truncated SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHash(pub [u8; 20]);

impl fmt::Display for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// SHA-256 of a version 2 info dictionary.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHashV2(pub [u8; 32]);

impl InfoHashV2 {
    /// What trackers and the DHT are asked for: the first 20 bytes (BEP 52).
    pub fn truncated(&self) -> InfoHash {
        let mut wire = [0; 20];
        wire.copy_from_slice(&self.0[..20]);
        InfoHash(wire)
    }
}

impl fmt::Display for InfoHashV2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for InfoHashV2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The hashes of one torrent. The version 2 hash is boxed: most torrents have none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Hashes {
    /// Version 1 only.
    V1(InfoHash),
    /// Version 2 only.
    V2(Box<InfoHashV2>),
    /// One torrent, two swarms: both hashes are probed and peers united by address.
    Hybrid(InfoHash, Box<InfoHashV2>),
}

impl Hashes {
    /// The version 1 hash.
    pub fn v1(&self) -> Option<InfoHash> {
        match self {
            Hashes::V1(hash) | Hashes::Hybrid(hash, _) => Some(*hash),
            Hashes::V2(_) => None,
        }
    }

    /// The version 2 hash.
    pub fn v2(&self) -> Option<InfoHashV2> {
        match self {
            Hashes::V2(hash) | Hashes::Hybrid(_, hash) => Some(**hash),
            Hashes::V1(_) => None,
        }
    }

    /// The one or two hashes to ask for.
    pub fn wire(&self) -> impl Iterator<Item = InfoHash> {
        self.v1()
            .into_iter()
            .chain(self.v2().map(|hash| hash.truncated()))
    }
}
