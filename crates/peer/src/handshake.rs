//! The first 68 bytes of a connection (BEP 3): protocol name, reserved bits, info-hash, peer id.

use seedwatch_torrent::InfoHash;

/// Length of a handshake in bytes.
pub const LENGTH: usize = 68;

/// Length of the part before the peer id. Some peers send it before they have read our handshake.
pub const LENGTH_WITHOUT_ID: usize = 48;

/// The length and the name of the protocol.
pub const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";

/// The reserved bits, which announce extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reserved(pub [u8; 8]);

impl Reserved {
    /// The extension protocol (BEP 10).
    pub const EXTENSIONS: Self = Self([0, 0, 0, 0, 0, 0x10, 0, 0]);
    /// The fast extension (BEP 6): have-all and have-none.
    pub const FAST: Self = Self([0, 0, 0, 0, 0, 0, 0, 0x04]);
    /// Version 2 of the protocol (BEP 52): the answer may carry the version 2 hash of a hybrid.
    pub const V2: Self = Self([0, 0, 0, 0, 0, 0, 0, 0x10]);

    /// Returns the bits of both.
    pub fn with(self, other: Self) -> Self {
        let mut bits = self.0;
        bits.iter_mut().zip(other.0).for_each(|(a, b)| *a |= b);
        Self(bits)
    }

    /// Returns whether all of these bits are set.
    pub fn has(self, bits: Self) -> bool {
        self.0.iter().zip(bits.0).all(|(a, b)| a & b == b)
    }
}

/// A handshake of either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// The extensions that the sender knows.
    pub reserved: Reserved,
    /// The swarm.
    pub info_hash: InfoHash,
    /// The sender's id. It names the program, and is not an identity.
    pub peer_id: [u8; 20],
}

impl Handshake {
    /// Returns the handshake as on the wire.
    pub fn to_bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..20].copy_from_slice(PROTOCOL);
        bytes[20..28].copy_from_slice(&self.reserved.0);
        bytes[28..48].copy_from_slice(&self.info_hash.0);
        bytes[48..].copy_from_slice(&self.peer_id);
        bytes
    }

    /// Reads a handshake; returns `None` if the protocol is another one.
    pub fn parse(bytes: &[u8; LENGTH]) -> Option<Self> {
        let rest = bytes.strip_prefix(PROTOCOL)?;
        let (reserved, rest) = rest.split_first_chunk()?;
        let (info_hash, rest) = rest.split_first_chunk()?;
        Some(Self {
            reserved: Reserved(*reserved),
            info_hash: InfoHash(*info_hash),
            peer_id: *rest.first_chunk()?,
        })
    }
}

/// What is wrong with the beginning of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandshakeError {
    /// The bytes do not begin with the name of the protocol.
    OtherProtocol,
    /// The info-hash is none of the torrent's.
    OtherHash,
}

/// Collects the handshake of the peer, which may arrive byte by byte.
#[derive(Debug)]
pub(crate) struct HandshakeReader {
    bytes: [u8; LENGTH],
    length: usize,
}

impl HandshakeReader {
    pub(crate) fn new() -> Self {
        Self {
            bytes: [0; LENGTH],
            length: 0,
        }
    }

    /// Returns whether a byte has arrived.
    pub(crate) fn has_begun(&self) -> bool {
        self.length > 0
    }

    /// Takes bytes off the input; returns the handshake when it is complete. Finds an error with
    /// the first byte that proves it.
    pub(crate) fn read(
        &mut self,
        input: &mut &[u8],
        accept: impl Fn(InfoHash) -> bool,
    ) -> Result<Option<Handshake>, HandshakeError> {
        let (part, rest) = input.split_at(input.len().min(LENGTH - self.length));
        self.bytes[self.length..self.length + part.len()].copy_from_slice(part);
        self.length += part.len();
        *input = rest;
        let known = self.length.min(PROTOCOL.len());
        if self.bytes[..known] != PROTOCOL[..known] {
            return Err(HandshakeError::OtherProtocol);
        }
        let handshake = Handshake::parse(&self.bytes);
        let handshake = handshake.filter(|_| self.length >= LENGTH_WITHOUT_ID);
        if handshake.is_some_and(|it| !accept(it.info_hash)) {
            return Err(HandshakeError::OtherHash);
        }
        Ok(handshake.filter(|_| self.length == LENGTH))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: InfoHash = InfoHash([7; 20]);

    fn handshake() -> Handshake {
        Handshake {
            reserved: Reserved::EXTENSIONS.with(Reserved::FAST),
            info_hash: OURS,
            peer_id: *b"-SW0100-abcdefghijkl",
        }
    }

    #[test]
    fn the_bytes_are_those_of_bep_3() {
        let bytes = handshake().to_bytes();
        assert_eq!(&bytes[..20], b"\x13BitTorrent protocol");
        assert_eq!(bytes[20..28], [0, 0, 0, 0, 0, 0x10, 0, 0x04]);
        assert_eq!(bytes[28..48], [7; 20]);
        assert_eq!(&bytes[48..], b"-SW0100-abcdefghijkl");
        assert_eq!(Handshake::parse(&bytes), Some(handshake()));
        assert!(handshake().reserved.has(Reserved::FAST));
        assert!(!handshake().reserved.has(Reserved::V2));
    }

    #[test]
    fn the_peer_id_may_follow_later() {
        let bytes = handshake().to_bytes();
        let mut reader = HandshakeReader::new();
        let mut first = &bytes[..48];
        assert_eq!(reader.read(&mut first, |it| it == OURS), Ok(None));
        let mut rest = [&bytes[48..], b"more"].concat();
        rest.extend(b"");
        let mut rest = &rest[..];
        let read = reader.read(&mut rest, |it| it == OURS);
        assert_eq!(read, Ok(Some(handshake())));
        assert_eq!(rest, b"more");
    }

    #[test]
    fn errors_are_found_with_the_first_byte_that_proves_them() {
        let mut reader = HandshakeReader::new();
        let mut web = &b"H"[..];
        let found = reader.read(&mut web, |_| true);
        assert_eq!(found, Err(HandshakeError::OtherProtocol));

        let bytes = handshake().to_bytes();
        let mut reader = HandshakeReader::new();
        let mut before = &bytes[..47];
        assert_eq!(reader.read(&mut before, |_| false), Ok(None));
        let mut last = &bytes[47..48];
        let found = reader.read(&mut last, |_| false);
        assert_eq!(found, Err(HandshakeError::OtherHash));
    }
}
