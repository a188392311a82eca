//! The total size of a torrent's files, without padding (BEP 3, BEP 47, BEP 52).

use std::num::NonZeroU64;

use crate::bencode::{Dict, Value};

/// Largest size that is believed, in bytes: 8 PiB. Up to it, the floating-point numbers of
/// Prometheus count every byte.
pub const MAX_SIZE: u64 = 1 << 53;

/// Most bytes of nested directories that are read. Each level of nesting is read again.
const MAX_READ: usize = 512 << 20;

/// Bytes of the SHA-1 of a piece (BEP 3).
const PIECE_HASH: usize = 20;

/// Why the size that a torrent claims is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// A length is negative.
    #[error("a length is negative")]
    Negative,
    /// The sum exceeds [`MAX_SIZE`].
    #[error("more than 8 PiB")]
    TooLarge,
    /// A length is no number, or the file tree is nested too deeply.
    #[error("a length is not readable")]
    Unreadable,
    /// The number of pieces is that of another size.
    #[error("the lengths do not fit the pieces")]
    Pieces,
    /// Two claims differ.
    #[error("two claims differ")]
    Contradiction,
}

/// A size, if one is claimed; 0 is no size.
pub type ClaimedSize = Result<Option<NonZeroU64>, SizeError>;

/// The values of an info dictionary that say how large the torrent is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SizeKeys<'a> {
    pub(crate) length: Option<Value<'a>>,
    pub(crate) files: Option<Value<'a>>,
    pub(crate) piece_length: Option<Value<'a>>,
}

impl SizeKeys<'_> {
    /// Returns the size. `pieces` and `tree` are those of version 1 and 2.
    pub(crate) fn size(self, pieces: Option<&[u8]>, tree: Option<Dict<'_>>) -> ClaimedSize {
        let v1 = match pieces {
            Some(pieces) => self.v1(pieces)?,
            None => None,
        };
        let v2 = tree.map(tree_size).transpose()?.flatten();
        match (v1, v2) {
            (Some(v1), Some(v2)) if v1 != v2 => Err(SizeError::Contradiction),
            (v1, v2) => Ok(v1.or(v2).and_then(NonZeroU64::new)),
        }
    }

    fn v1(self, pieces: &[u8]) -> Result<Option<u64>, SizeError> {
        let (size, padding) = match (self.length, self.files) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return Err(SizeError::Contradiction),
            (Some(length), None) => (add(0, Some(length))?, 0),
            (None, Some(files)) => list_size(files)?,
        };
        let piece = self.piece_length.and_then(|length| length.as_int());
        if let Some(piece) = piece.and_then(|length| u64::try_from(length).ok()) {
            let count = (pieces.len() / PIECE_HASH) as u64;
            if (size + padding).div_ceil(piece.max(1)) != count {
                return Err(SizeError::Pieces);
            }
        }
        Ok(Some(size))
    }
}

/// Reads the `xl` of a magnet link ("exact length", of the magnet scheme).
pub(crate) fn parse(text: &str) -> ClaimedSize {
    match text.parse::<u64>() {
        Ok(size) if size > MAX_SIZE => Err(SizeError::TooLarge),
        Ok(size) => Ok(NonZeroU64::new(size)),
        Err(_) if text.starts_with('-') => Err(SizeError::Negative),
        Err(_) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            Err(SizeError::TooLarge)
        }
        Err(_) => Err(SizeError::Unreadable),
    }
}

/// Returns the size of a `files` list: of its files, and of its padding (BEP 47).
fn list_size(files: Value<'_>) -> Result<(u64, u64), SizeError> {
    let files = files.as_list().ok_or(SizeError::Unreadable)?;
    let (mut size, mut padding) = (0, 0);
    for file in files.iter() {
        let file = file.as_dict().ok_or(SizeError::Unreadable)?;
        let sum = match is_padding(file) {
            true => &mut padding,
            false => &mut size,
        };
        *sum = add(*sum, file.get(b"length"))?;
    }
    Ok((size, padding))
}

/// Returns the size of a file tree (BEP 52): a file is a dictionary under the empty key.
fn tree_size(tree: Dict<'_>) -> Result<Option<u64>, SizeError> {
    let (mut size, mut read) = (None, 0);
    let mut open = vec![tree.iter()];
    while let Some(entries) = open.last_mut() {
        let Some((key, value)) = entries.next() else {
            open.pop();
            continue;
        };
        let node = value.as_dict().ok_or(SizeError::Unreadable)?;
        if !key.is_empty() {
            read += node.raw().len();
            if read > MAX_READ {
                return Err(SizeError::Unreadable);
            }
            open.push(node.iter());
        } else if !is_padding(node) {
            size = Some(add(size.unwrap_or(0), node.get(b"length"))?);
        }
    }
    Ok(size)
}

/// Returns whether a file is padding, which no client stores (BEP 47).
fn is_padding(file: Dict<'_>) -> bool {
    let attributes = file.get(b"attr").and_then(|value| value.as_bytes());
    attributes.is_some_and(|attributes| attributes.contains(&b'p'))
}

fn add(sum: u64, length: Option<Value<'_>>) -> Result<u64, SizeError> {
    let length = length.and_then(|length| length.as_int());
    let length = u64::try_from(length.ok_or(SizeError::Unreadable)?);
    let sum = sum.saturating_add(length.map_err(|_| SizeError::Negative)?);
    match sum > MAX_SIZE {
        true => Err(SizeError::TooLarge),
        false => Ok(sum),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Magnet, Metainfo};

    fn of(info: &str) -> ClaimedSize {
        Metainfo::parse(format!("d4:info{info}e").as_bytes())
            .unwrap()
            .size
    }

    fn size(bytes: u64) -> ClaimedSize {
        Ok(NonZeroU64::new(bytes))
    }

    const TWO: &str = "6:pieces40:aaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbb";
    const V2: &str = "12:meta versioni2e";

    #[test]
    fn files_count_and_padding_does_not() {
        let single = format!("d6:lengthi20000e12:piece lengthi16384e{TWO}e");
        assert_eq!(of(&single), size(20_000));
        let padded = format!(
            "d5:filesld6:lengthi16000eed4:attr1:p6:lengthi384eed4:attr1:x6:lengthi7eee\
             12:piece lengthi16384e{TWO}e"
        );
        assert_eq!(of(&padded), size(16_007));
        let tree = "d3:dird1:ad0:d6:lengthi5eee1:bd0:d6:lengthi6eeee1:cd0:d6:lengthi7eeee";
        assert_eq!(of(&format!("d9:file tree{tree}{V2}e")), size(18));
        let hybrid = |length: u32| {
            format!("d9:file tree{tree}6:lengthi{length}e{V2}12:piece lengthi16e{TWO}e")
        };
        assert_eq!(of(&hybrid(18)), size(18));
        assert_eq!(of(&hybrid(19)), Err(SizeError::Contradiction));
    }

    #[test]
    fn hostile_sizes_are_unknown_and_not_zero() {
        let piece = "12:piece lengthi16384e";
        let absurd = 1u64 << 60;
        for (lengths, error) in [
            ("6:lengthi-1e".to_owned(), SizeError::Negative),
            ("6:length3:abc".to_owned(), SizeError::Unreadable),
            (format!("6:lengthi{absurd}e"), SizeError::TooLarge),
            (
                "6:lengthi99999999999999999999999e".to_owned(),
                SizeError::TooLarge,
            ),
            ("5:filesld6:lengthi-1eee".to_owned(), SizeError::Negative),
            ("5:filesldee".to_owned(), SizeError::Unreadable),
            ("5:filesli1ee".to_owned(), SizeError::Unreadable),
            (
                "5:filesld6:lengthi1eee6:lengthi1e".to_owned(),
                SizeError::Contradiction,
            ),
            (format!("6:lengthi16384e{piece}"), SizeError::Pieces),
            (format!("6:lengthi32769e{piece}"), SizeError::Pieces),
            (
                format!("5:filesl{}e", "d6:lengthi9007199254740992ee".repeat(3)),
                SizeError::TooLarge,
            ),
        ] {
            assert_eq!(of(&format!("d{lengths}{TWO}e")), Err(error), "{lengths}");
        }
        for tree in ["d1:ad0:d6:lengthi-5eeee", "d1:ai1ee", "d0:dee"] {
            assert!(of(&format!("d9:file tree{tree}{V2}e")).is_err(), "{tree}");
        }
        assert_eq!(of(&format!("d{TWO}e")), Ok(None), "nothing is claimed");
        assert_eq!(of(&format!("d6:lengthi0e{TWO}e")), Ok(None));
    }

    #[test]
    fn deep_trees_are_read_without_recursion() {
        let depth = 50;
        let tree = format!(
            "{}0:d6:lengthi3ee{}",
            "d1:a".repeat(depth) + "d",
            "e".repeat(depth + 1)
        );
        assert_eq!(of(&format!("d9:file tree{tree}{V2}e")), size(3));
    }

    #[test]
    fn magnets_say_their_size() {
        let of = |parameters: &str| {
            let hash = "1bd088ee9166a062cf4af09cf99720fa6e1a3133";
            let link = format!("magnet:?xt=urn:btih:{hash}{parameters}");
            Magnet::parse(&link).unwrap().size
        };
        for (parameters, expected) in [
            ("", Ok(None)),
            ("&xl=", Ok(None)),
            ("&xl=0", Ok(None)),
            ("&xl=4700000000", size(4_700_000_000)),
            ("&XL=7&xl=7", size(7)),
            ("&xl=7&xl=8", Err(SizeError::Contradiction)),
            ("&xl=-7", Err(SizeError::Negative)),
            ("&xl=7kB", Err(SizeError::Unreadable)),
            ("&xl=18446744073709551617", Err(SizeError::TooLarge)),
        ] {
            assert_eq!(of(parameters), expected, "{parameters}");
        }
    }

    #[test]
    fn sizes_of_real_files_agree_with_libtorrent() {
        for name in ["v1", "v2", "hybrid", "private"] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
            let path = folder.join(format!("../../tests/fixtures/{name}.torrent"));
            assert!(
                matches!(Metainfo::open(&path).unwrap().size, Ok(Some(_))),
                "{name}"
            );
        }
    }
}
