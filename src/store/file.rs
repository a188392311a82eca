//! What stands around the payload of a section.
//!
//! ```text
//! magic 16 | version of the section 2 | length of the payload 8 | payload | SHA-256 of all before 32
//! ```
//!
//! Numbers are big-endian. The checksum also covers the name of the section, which is not in the
//! file: a file under a wrong name is found out.

use std::io;

use sha2::{Digest, Sha256};

/// Longest payload, in bytes.
pub const MAX_PAYLOAD: usize = 256 << 20;

/// The first bytes of every file. They never change; the version is that of the payload.
const MAGIC: &[u8; 16] = b"seedwatch state\n";
/// Bytes before the payload.
const HEAD: usize = MAGIC.len() + 2 + 8;
/// Bytes after the payload.
const CHECKSUM: usize = 32;
/// Longest file, in bytes.
pub(super) const MAX_FILE: usize = HEAD + MAX_PAYLOAD + CHECKSUM;

/// Why a file is of no use. The text follows the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum Bad {
    /// The system does not let us read it.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is not there, although what stands beside it says that it was saved.
    #[error("is missing")]
    Missing,
    /// A symbolic link, a directory, a FIFO.
    #[error("is a symbolic link or no regular file")]
    NotAFile,
    /// Neither ours, nor that of the owner of the directory, nor root's.
    #[error("belongs to another user")]
    Owner,
    /// Longer than any of ours.
    #[error("is longer than 256 MiB")]
    TooLong,
    /// Not written by seedwatch.
    #[error("was not written by seedwatch")]
    Foreign,
    /// Cut off, or changed after it was written.
    #[error("is cut off or damaged")]
    Torn,
    /// Written by a later seedwatch.
    #[error("has version {found}, of which only {known} and before are understood")]
    Newer {
        /// Its version.
        found: u16,
        /// The latest one we understand.
        known: u16,
    },
    /// Whole, and yet not what its section holds.
    #[error("holds something else than it should")]
    Content,
}

/// A whole file.
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

/// Version and payload of a file.
pub(super) fn decode<'a>(
    section: &str,
    known: u16,
    file: &'a [u8],
) -> Result<(u16, &'a [u8]), Bad> {
    let magic = &file[..file.len().min(MAGIC.len())];
    if magic != &MAGIC[..magic.len()] {
        return Err(Bad::Foreign);
    }
    let (rest, found) = file.split_last_chunk::<CHECKSUM>().ok_or(Bad::Torn)?;
    let (head, payload) = rest.split_first_chunk::<HEAD>().ok_or(Bad::Torn)?;
    let (&[.., high, low], length) = head.split_last_chunk::<8>().ok_or(Bad::Torn)? else {
        return Err(Bad::Torn);
    };
    // Before all else: nothing of a damaged file can be believed.
    if u64::from_be_bytes(*length) != payload.len() as u64 || checksum(section, rest) != *found {
        return Err(Bad::Torn);
    }
    let found = u16::from_be_bytes([high, low]);
    if found > known {
        return Err(Bad::Newer { found, known });
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
    fn what_was_written_is_read() {
        let file = encode("dht", 3, b"payload");
        assert_eq!(decode("dht", 3, &file).unwrap(), (3, &b"payload"[..]));
        assert_eq!(decode("dht", 9, &file).unwrap(), (3, &b"payload"[..]));
        let file = encode("dht", 0, b"");
        assert_eq!(decode("dht", 0, &file).unwrap(), (0, &b""[..]));
    }

    #[test]
    fn every_truncation_is_found() {
        let file = encode("dht", 1, b"some payload");
        for end in 0..file.len() {
            assert!(
                matches!(decode("dht", 1, &file[..end]), Err(Bad::Torn)),
                "{end}"
            );
        }
        let longer = [&file[..], b"\0"].concat();
        assert!(matches!(decode("dht", 1, &longer), Err(Bad::Torn)));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let file = encode("dht", 1, b"some payload");
        for bit in 0..8 * file.len() {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let why = decode("dht", 1, &flipped).unwrap_err();
            match bit / 8 < MAGIC.len() {
                true => assert!(matches!(why, Bad::Foreign), "{bit}"),
                false => assert!(matches!(why, Bad::Torn), "{bit}"),
            }
        }
    }

    #[test]
    fn others_and_later_ones_are_told_apart() {
        let why = |file: &[u8]| decode("dht", 1, file).unwrap_err();
        assert!(matches!(why(b"#!/bin/sh"), Bad::Foreign));
        assert!(matches!(why(&[0; 4096]), Bad::Foreign));
        assert!(matches!(why(&encode("swarm", 1, b"x")), Bad::Torn));
        let later = why(&encode("dht", 2, b"x"));
        assert!(matches!(later, Bad::Newer { found: 2, known: 1 }));
    }

    proptest! {
        #[test]
        fn anything_is_survived(file: Vec<u8>, begins_well: bool) {
            let start = if begins_well { &MAGIC[..] } else { &[] };
            prop_assert!(decode("dht", 1, &[start, &file].concat()).is_err());
        }
    }
}
