//! Info-hashes of version 1 (BEP 3), version 2 and hybrid torrents (BEP 52).

use std::fmt;

use data_encoding::{BASE32_NOPAD, HEXLOWER_PERMISSIVE};

/// Why a text is no info-hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The number of characters fits no form of an info-hash.
    #[error(
        "an info-hash has 40 hexadecimal or 32 base32 characters, or 64 hexadecimal ones for \
         version 2, not {0}"
    )]
    Length(usize),
    /// The number of characters does not fit a version 1 hash.
    #[error(
        "a version 1 info-hash (urn:btih) has 40 hexadecimal or 32 base32 characters, not {0}; \
         version 2 is written urn:btmh:1220 and 64 hexadecimal characters"
    )]
    LengthV1(usize),
    /// The text is not hexadecimal.
    #[error("the info-hash has a character that is not hexadecimal")]
    Hex,
    /// The text has the length of base32, but other characters, such as 0, 1, 8 or 9.
    #[error("the info-hash has a character that is not base32")]
    Base32,
    /// The multihash is not SHA-256 (`1220…`).
    #[error("a version 2 info-hash begins with 1220 and has 68 hexadecimal characters")]
    Multihash,
}

/// The 20 bytes that are sent: SHA-1 of the info dictionary, or a truncated SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHash(pub [u8; 20]);

impl InfoHash {
    /// Reads 40 hexadecimal or 32 base32 characters of either case.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        let mut hash = [0; 20];
        match text.len() {
            40 => decode_hex(text, &mut hash)?,
            32 => {
                BASE32_NOPAD
                    .decode_mut(text.to_ascii_uppercase().as_bytes(), &mut hash)
                    .map_err(|_| HashError::Base32)?;
            }
            // The length counts bytes, and characters outside ASCII have several.
            _ if !text.is_ascii() => return Err(HashError::Hex),
            length => return Err(HashError::LengthV1(length)),
        }
        Ok(Self(hash))
    }
}

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

/// The SHA-256 of a version 2 info dictionary.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHashV2(pub [u8; 32]);

impl InfoHashV2 {
    /// Reads 64 hexadecimal characters of either case.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        let mut hash = [0; 32];
        if text.len() != 64 {
            return Err(HashError::Multihash);
        }
        decode_hex(text, &mut hash)?;
        Ok(Self(hash))
    }

    /// Reads a multihash in hexadecimal, as in `urn:btmh:` (BEP 52): `1220` and the hash.
    pub fn parse_multihash(text: &str) -> Result<Self, HashError> {
        match text.strip_prefix("1220") {
            Some(hash) if hash.len() == 64 => Self::parse(hash),
            _ => Err(HashError::Multihash),
        }
    }

    /// Returns the first 20 bytes, which trackers and the DHT use (BEP 52).
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

/// The hashes of one torrent. The version 2 hash is boxed because most torrents have none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Hashes {
    /// Version 1 only.
    V1(InfoHash),
    /// Version 2 only.
    V2(Box<InfoHashV2>),
    /// One torrent with two swarms. Both hashes are probed, and peers are united by address.
    Hybrid(InfoHash, Box<InfoHashV2>),
}

impl Hashes {
    /// Combines the hashes of one torrent; returns `None` if there is none. A version 1 hash that
    /// equals the truncated version 2 hash is dropped, because both name one swarm.
    pub fn of(v1: Option<InfoHash>, v2: Option<InfoHashV2>) -> Option<Self> {
        match (v1, v2) {
            (Some(v1), Some(v2)) if v2.truncated() != v1 => Some(Hashes::Hybrid(v1, Box::new(v2))),
            (_, Some(v2)) => Some(Hashes::V2(Box::new(v2))),
            (Some(v1), None) => Some(Hashes::V1(v1)),
            (None, None) => None,
        }
    }

    /// Reads an info-hash: version 2 if the text has 64 characters, otherwise version 1.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        if text.len() == 64 {
            InfoHashV2::parse(text).map(|hash| Hashes::V2(Box::new(hash)))
        } else {
            InfoHash::parse(text)
                .map(Hashes::V1)
                .map_err(|error| match error {
                    HashError::LengthV1(length) => HashError::Length(length),
                    other => other,
                })
        }
    }

    /// Returns the version 1 hash.
    pub fn v1(&self) -> Option<InfoHash> {
        match self {
            Hashes::V1(hash) | Hashes::Hybrid(hash, _) => Some(*hash),
            Hashes::V2(_) => None,
        }
    }

    /// Returns the version 2 hash.
    pub fn v2(&self) -> Option<InfoHashV2> {
        match self {
            Hashes::V2(hash) | Hashes::Hybrid(_, hash) => Some(**hash),
            Hashes::V1(_) => None,
        }
    }

    /// Returns the one or two hashes to probe.
    pub fn wire(&self) -> impl Iterator<Item = InfoHash> {
        self.v1()
            .into_iter()
            .chain(self.v2().map(|hash| hash.truncated()))
    }
}

fn decode_hex(text: &str, hash: &mut [u8]) -> Result<(), HashError> {
    HEXLOWER_PERMISSIVE
        .decode_mut(text.as_bytes(), hash)
        .map(|_| ())
        .map_err(|_| HashError::Hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "1BD088EE9166A062CF4AF09CF99720FA6E1A3133";

    #[test]
    fn hexadecimal_and_base32_are_equivalent() {
        let hash = InfoHash::parse(HEX).unwrap();
        assert_eq!(InfoHash::parse(&HEX.to_lowercase()), Ok(hash));
        assert_eq!(
            InfoHash::parse("DPIIR3URM2QGFT2K6COPTFZA7JXBUMJT"),
            Ok(hash)
        );
        assert_eq!(
            InfoHash::parse("dpiir3urm2qgft2k6coptfza7jxbumjt"),
            Ok(hash)
        );
        assert_eq!(hash.to_string(), HEX.to_lowercase());
    }

    #[test]
    fn rejections_name_the_reason() {
        assert_eq!(InfoHash::parse(&HEX[1..]), Err(HashError::LengthV1(39)));
        assert_eq!(Hashes::parse(&HEX[1..]), Err(HashError::Length(39)));
        // 40 characters in 64 bytes, so the message must not say "40 characters, not 40".
        let odd = format!("{}{}", "ä".repeat(24), "a".repeat(16));
        assert_eq!(Hashes::parse(&odd), Err(HashError::Hex));
        assert_eq!(InfoHash::parse(&odd), Err(HashError::Hex));
        let error = InfoHash::parse(&"5e".repeat(32)).unwrap_err().to_string();
        assert_eq!(
            error,
            "a version 1 info-hash (urn:btih) has 40 hexadecimal or 32 base32 characters, not 64; \
             version 2 is written urn:btmh:1220 and 64 hexadecimal characters"
        );
        assert_eq!(InfoHash::parse(&"ä".repeat(20)), Err(HashError::Hex));
        assert_eq!(InfoHash::parse(&"1".repeat(32)), Err(HashError::Base32));
        assert_eq!(Hashes::parse(&"x".repeat(64)), Err(HashError::Hex));
        for text in [
            "",
            "1220",
            &"12".repeat(34),
            &format!("1220{}", "a".repeat(63)),
        ] {
            assert_eq!(
                InfoHashV2::parse_multihash(text),
                Err(HashError::Multihash),
                "{text}"
            );
        }
    }

    #[test]
    fn a_truncated_version_2_hash_is_not_a_second_swarm() {
        let v2 = InfoHashV2([7; 32]);
        assert_eq!(
            Hashes::of(Some(v2.truncated()), Some(v2)),
            Some(Hashes::V2(Box::new(v2)))
        );
        let hybrid = Hashes::of(Some(InfoHash([1; 20])), Some(v2)).unwrap();
        assert_eq!(hybrid.wire().count(), 2);
    }
}
