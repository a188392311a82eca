//! The frame around the payload of a section.
//!
//! ```text
//! magic 16 | version of the section 2 | length of the payload 8 | payload | checksum 32
//! ```
//!
//! Numbers are big-endian. The checksum is SHA-256 of all bytes before it. It also covers the name
//! of the section, which is not in the file: a file under a wrong name fails the check.

use std::io;

use sha2::{Digest, Sha256};

/// Longest payload, in bytes.
pub const MAX_PAYLOAD: usize = 256 << 20;

/// The first bytes of every file. They never change; the version belongs to the payload.
const MAGIC: &[u8; 16] = b"seedwatch state\n";
/// Bytes before the payload.
const HEAD: usize = MAGIC.len() + 2 + 8;
/// Bytes after the payload.
const CHECKSUM: usize = 32;
/// Longest file, in bytes.
pub(super) const MAX_FILE: usize = HEAD + MAX_PAYLOAD + CHECKSUM;

/// Why a file cannot be used. The text follows the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system does not let us read it.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It does not exist, although other files show that it was saved.
    #[error("is missing")]
    Missing,
    /// It is a symbolic link, a directory or a FIFO.
    #[error("is a symbolic link or no regular file")]
    NotAFile,
    /// It belongs neither to us, nor to the owner of the directory, nor to root.
    #[error("belongs to another user")]
    Owner,
    /// It exceeds the limit of its kind, such as [`MAX_PAYLOAD`].
    #[error("is too long")]
    TooLong,
    /// Another program wrote it.
    #[error("was not written by seedwatch")]
    Foreign,
    /// It is truncated, or changed after it was written.
    #[error("is truncated or damaged")]
    Damaged,
    /// A later version of seedwatch wrote it.
    #[error("has version {found}, but only versions up to {known} are understood")]
    Newer {
        /// Its version.
        found: u16,
        /// The latest version that we understand.
        known: u16,
    },
    /// It is complete, but its payload is not valid for its section.
    #[error("has an invalid payload")]
    Content,
}

/// Encodes a file.
pub(super) fn encode(section: &str, version: u16, payload: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(HEAD + payload.len() + CHECKSUM);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&version.to_be_bytes());
    file.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    file.extend_from_slice(payload);
    let checksum = checksum(section, &file);
    file.extend_from_slice(&checksum);
    file
}

/// Returns version and payload of a file.
pub(super) fn decode<'a>(
    section: &str,
    known: u16,
    file: &'a [u8],
) -> Result<(u16, &'a [u8]), FileError> {
    let magic = &file[..file.len().min(MAGIC.len())];
    if magic != &MAGIC[..magic.len()] {
        return Err(FileError::Foreign);
    }
    let (rest, found) = file
        .split_last_chunk::<CHECKSUM>()
        .ok_or(FileError::Damaged)?;
    let (head, payload) = rest.split_first_chunk::<HEAD>().ok_or(FileError::Damaged)?;
    let (&[.., high, low], length) = head.split_last_chunk::<8>().ok_or(FileError::Damaged)? else {
        return Err(FileError::Damaged);
    };
    // The checksum comes first: no field of a damaged file can be trusted.
    if u64::from_be_bytes(*length) != payload.len() as u64 || checksum(section, rest) != *found {
        return Err(FileError::Damaged);
    }
    let found = u16::from_be_bytes([high, low]);
    if found > known {
        return Err(FileError::Newer { found, known });
    }
    Ok((found, payload))
}

fn checksum(section: &str, bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut hash = Sha256::new();
    hash.update(bytes);
    hash.update(section);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decoding_reverses_encoding() {
        let file = encode("dht", 3, b"payload");
        assert_eq!(decode("dht", 3, &file).unwrap(), (3, &b"payload"[..]));
        assert_eq!(decode("dht", 9, &file).unwrap(), (3, &b"payload"[..]));
        let file = encode("dht", 0, b"");
        assert_eq!(decode("dht", 0, &file).unwrap(), (0, &b""[..]));
    }

    #[test]
    fn truncated_and_longer_files_are_damaged() {
        let file = encode("dht", 1, b"some payload");
        for end in 0..file.len() {
            assert!(
                matches!(decode("dht", 1, &file[..end]), Err(FileError::Damaged)),
                "{end}"
            );
        }
        let longer = [&file[..], b"\0"].concat();
        assert!(matches!(decode("dht", 1, &longer), Err(FileError::Damaged)));
    }

    #[test]
    fn every_flipped_bit_is_detected() {
        let file = encode("dht", 1, b"some payload");
        for bit in 0..8 * file.len() {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let why = decode("dht", 1, &flipped).unwrap_err();
            match bit / 8 < MAGIC.len() {
                true => assert!(matches!(why, FileError::Foreign), "{bit}"),
                false => assert!(matches!(why, FileError::Damaged), "{bit}"),
            }
        }
    }

    #[test]
    fn foreign_damaged_and_newer_files_are_distinguished() {
        let error = |file: &[u8]| decode("dht", 1, file).unwrap_err();
        assert!(matches!(error(b"#!/bin/sh"), FileError::Foreign));
        assert!(matches!(error(&[0; 4096]), FileError::Foreign));
        assert!(matches!(
            error(&encode("swarm", 1, b"x")),
            FileError::Damaged
        ));
        let later = error(&encode("dht", 2, b"x"));
        assert!(matches!(later, FileError::Newer { found: 2, known: 1 }));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_rejected(file: Vec<u8>, has_magic: bool) {
            let start = if has_magic { &MAGIC[..] } else { &[] };
            prop_assert!(decode("dht", 1, &[start, &file].concat()).is_err());
        }
    }
}
