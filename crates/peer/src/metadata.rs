//! The info dictionary of a torrent, fetched from peers and verified (BEP 9).

mod fetch;

use std::num::NonZeroU32;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::MAX_PIECES;
pub(crate) use fetch::{Fetch, FetchStep, write_reject};
use seedwatch_torrent::bencode::{Dict, Value};
use seedwatch_torrent::{Hashes, InfoHash, InfoHashV2};

/// Largest info dictionary that is fetched, in bytes. It holds about 200,000 pieces of version 1.
pub const MAX_METADATA: usize = 4 << 20;

/// Most bytes of nested directories that are read. Each level of nesting is read again.
const MAX_READ: usize = 64 << 20;

/// Bytes of the SHA-1 of a piece (BEP 3).
const PIECE_HASH: usize = 20;

/// Why bytes are not the info dictionary of a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// The hash is another one.
    #[error("the info dictionary has another hash")]
    WrongHash,
    /// The hash is right, but the number of pieces cannot be read.
    #[error("the info dictionary does not tell how many pieces there are")]
    NoPieces,
}

/// An info dictionary whose hash is that of the torrent.
#[derive(Clone, PartialEq, Eq)]
pub struct Metadata {
    info: Vec<u8>,
    pieces: NonZeroU32,
    is_private: bool,
}

impl Metadata {
    /// Verifies an info dictionary, with each hash that the torrent has, and counts its pieces.
    ///
    /// # Errors
    ///
    /// If a hash is not that of the torrent, or there is no number of pieces.
    pub fn verify(info: Vec<u8>, hashes: &Hashes) -> Result<Self, MetadataError> {
        let v1 = hashes
            .v1()
            .map(|hash| hash == InfoHash(Sha1::digest(&info).into()));
        let v2 = hashes
            .v2()
            .map(|hash| hash == InfoHashV2(Sha256::digest(&info).into()));
        if v1 == Some(false) || v2 == Some(false) {
            return Err(MetadataError::WrongHash);
        }
        let (value, _) = Value::parse(&info).map_err(|_| MetadataError::NoPieces)?;
        let dict = value.as_dict().ok_or(MetadataError::NoPieces)?;
        let pieces = piece_count(dict).ok_or(MetadataError::NoPieces)?;
        let private = dict.get(b"private").and_then(|flag| flag.as_int());
        let is_private = private.is_some_and(|flag| flag != 0);
        Ok(Self {
            info,
            pieces,
            is_private,
        })
    }

    /// Returns the number of pieces.
    pub fn pieces(&self) -> NonZeroU32 {
        self.pieces
    }

    /// Returns whether the torrent is private (BEP 27). Its peers must not be visited again unless
    /// the configuration says so.
    pub fn is_private(&self) -> bool {
        self.is_private
    }

    /// Returns the info dictionary.
    pub fn info(&self) -> &[u8] {
        &self.info
    }

    /// Returns the bytes that it holds.
    pub(crate) fn memory(&self) -> usize {
        self.info.capacity()
    }

    /// Returns a metainfo file without trackers, which
    /// [`Metainfo::parse`](seedwatch_torrent::Metainfo::parse) reads.
    pub fn to_metainfo(&self) -> Vec<u8> {
        [&b"d4:info"[..], &self.info, b"e"].concat()
    }
}

impl std::fmt::Debug for Metadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metadata")
            .field("bytes", &self.info.len())
            .field("pieces", &self.pieces)
            .finish()
    }
}

/// Returns the number of pieces of an info dictionary of version 1, 2 or both; `None` if it is 0,
/// too large or unreadable. Hybrid torrents number their pieces in the same way twice (BEP 52).
fn piece_count(info: Dict<'_>) -> Option<NonZeroU32> {
    let pieces = info.get(b"pieces").and_then(|pieces| pieces.as_bytes());
    let count = match pieces {
        Some(pieces) => (pieces.len() / PIECE_HASH) as u64,
        None => {
            let length = info.get(b"piece length")?.as_int()?;
            let length = u64::try_from(length).ok().filter(|length| *length > 0)?;
            tree_pieces(info.get(b"file tree")?.as_dict()?, length)?
        }
    };
    let count = u32::try_from(count).ok().filter(|it| *it <= MAX_PIECES);
    count.and_then(NonZeroU32::new)
}

/// Returns the number of pieces of a file tree: each file begins with a new piece (BEP 52).
fn tree_pieces(tree: Dict<'_>, piece_length: u64) -> Option<u64> {
    let (mut pieces, mut read) = (0u64, 0);
    let mut open = vec![tree.iter()];
    while let Some(entries) = open.last_mut() {
        let Some((key, value)) = entries.next() else {
            open.pop();
            continue;
        };
        let node = value.as_dict()?;
        if key.is_empty() {
            let length = u64::try_from(node.get(b"length")?.as_int()?).ok()?;
            pieces = pieces.checked_add(length.div_ceil(piece_length))?;
        } else {
            read += node.raw().len();
            if read > MAX_READ {
                return None;
            }
            open.push(node.iter());
        }
    }
    Some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(info: &[u8]) -> Hashes {
        Hashes::V1(InfoHash(Sha1::digest(info).into()))
    }

    #[test]
    fn both_hashes_must_be_right() {
        let info = b"d12:piece lengthi4e6:pieces20:aaaaaaaaaaaaaaaaaaaae".to_vec();
        let v1 = InfoHash(Sha1::digest(&info).into());
        let v2 = InfoHashV2(Sha256::digest(&info).into());
        for (v1, v2, is_right) in [
            (Some(v1), None, true),
            (None, Some(v2), true),
            (Some(v1), Some(v2), true),
            (Some(v1), Some(InfoHashV2([7; 32])), false),
            (Some(InfoHash([7; 20])), Some(v2), false),
            (None, Some(InfoHashV2([7; 32])), false),
        ] {
            let hashes = Hashes::of(v1, v2).unwrap();
            let verified = Metadata::verify(info.clone(), &hashes);
            assert_eq!(verified.is_ok(), is_right, "{hashes:?}");
            let pieces = verified.map(|it| it.pieces().get());
            assert_eq!(pieces.unwrap_or(1), 1);
        }
    }

    #[test]
    fn pieces_of_real_torrents_are_counted() {
        // As libtorrent counts them.
        for (name, expected) in [("v1", 4), ("v2", 5), ("hybrid", 5), ("private", 4)] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
            let path = folder.join(format!("../../tests/fixtures/{name}.torrent"));
            let file = std::fs::read(path).unwrap();
            let (value, _) = Value::parse(&file).unwrap();
            let info = value
                .as_dict()
                .unwrap()
                .get(b"info")
                .unwrap()
                .as_dict()
                .unwrap();
            let pieces = piece_count(info).map(NonZeroU32::get);
            assert_eq!(pieces, Some(expected), "{name}");
        }
    }

    #[test]
    fn pieces_of_version_2_begin_with_each_file() {
        let tree = |files: &str| {
            let info = format!("d9:file treed{files}e12:piece lengthi16ee");
            let verified = Metadata::verify(info.clone().into_bytes(), &hashes(info.as_bytes()));
            verified.map(|it| it.pieces().get())
        };
        let file = |name: &str, length: i64| format!("1:{name}d0:d6:lengthi{length}eee");
        let two = [file("a", 17), file("b", 16)].concat();
        assert_eq!(tree(&two), Ok(3));
        assert_eq!(tree(&format!("1:dd{two}e")), Ok(3));
        assert_eq!(tree(&[file("a", 0), file("b", 1)].concat()), Ok(1));
        for hostile in [
            file("a", -1),
            file("a", i64::MAX),
            file("a", 0),
            "1:ai1e".to_owned(),
            "1:ad0:dee".to_owned(),
        ] {
            assert_eq!(tree(&hostile), Err(MetadataError::NoPieces), "{hostile}");
        }
    }

    #[test]
    fn private_torrents_are_recognized() {
        let info = b"d6:pieces20:aaaaaaaaaaaaaaaaaaaa7:privatei1ee".to_vec();
        let hashes = hashes(&info);
        let verified = Metadata::verify(info, &hashes).unwrap();
        assert!(verified.is_private());
        let metainfo = seedwatch_torrent::Metainfo::parse(&verified.to_metainfo()).unwrap();
        assert!(metainfo.private);
        assert_eq!(metainfo.hashes, hashes);
    }
}
