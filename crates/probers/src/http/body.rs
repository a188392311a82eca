//! Bounded bodies, decompressed by their content, not by their headers.

use std::io::Read;

use flate2::bufread::{MultiGzDecoder, ZlibDecoder};

use seedwatch_tracker::{FailureReason, ProbeError};

/// The largest body in bytes, before and after decompression.
pub(super) const MAX_BODY: usize = 1 << 20;

/// A body as received.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// At most [`MAX_BODY`] bytes.
    pub(super) bytes: Vec<u8>,
    /// Why it ended early, if it did.
    pub(super) cut: Option<ProbeError>,
}

impl Body {
    /// Decompresses gzip and zlib, recognised by their first bytes. Trackers send them unrequested,
    /// and declare gzip for plain bodies. Bencode begins with neither.
    pub(super) fn unpacked(self) -> Result<Self, ProbeError> {
        let Self { bytes, cut } = self;
        match *bytes {
            // One or more members (RFC 1952).
            [0x1f, 0x8b, ..] => unpack(MultiGzDecoder::new(&*bytes), cut),
            [0x78, flags, ..] if u16::from_be_bytes([0x78, flags]).is_multiple_of(31) => {
                unpack(ZlibDecoder::new(&*bytes), cut)
            }
            _ => Ok(Self { bytes, cut }),
        }
    }
}

fn unpack(packed: impl Read, cut: Option<ProbeError>) -> Result<Body, ProbeError> {
    let mut bytes = Vec::new();
    let result = packed.take(MAX_BODY as u64 + 1).read_to_end(&mut bytes);
    if bytes.len() > MAX_BODY {
        return Err(too_large());
    }
    // The part before the damage is still useful.
    let damaged = result
        .err()
        .map(|_| ProbeError::new(FailureReason::Malformed, "the compressed answer is damaged"));
    let cut = cut.or(damaged);
    Ok(Body { bytes, cut })
}

/// Returns the failure of a body above the bound.
pub(super) fn too_large() -> ProbeError {
    ProbeError::new(FailureReason::Malformed, "an answer of more than 1 MiB")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(bytes: Vec<u8>) -> Result<Body, ProbeError> {
        Body { bytes, cut: None }.unpacked()
    }

    #[test]
    fn the_encoding_is_detected_from_the_content() {
        let plain = b"d8:intervali60e5:peers0:e";
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(plain).unwrap();
        for bytes in [plain.to_vec(), gzip(plain), zlib.finish().unwrap()] {
            let body = unpacked(bytes).unwrap();
            assert_eq!((&*body.bytes, body.cut), (&plain[..], None));
        }
        assert_eq!(unpacked(b"x9:hello".to_vec()).unwrap().bytes, b"x9:hello");
    }

    #[test]
    fn gzip_may_have_many_members() {
        let members = [gzip(b"d8:interval"), gzip(b""), gzip(b"i60e5:peers0:e")].concat();
        let body = unpacked(members.clone()).unwrap();
        assert_eq!(
            (&*body.bytes, body.cut),
            (&b"d8:intervali60e5:peers0:e"[..], None)
        );
        // Bytes after the last member are ignored.
        let body = unpacked([&*members, b"\0\0\r\n"].concat()).unwrap();
        assert_eq!(&*body.bytes, b"d8:intervali60e5:peers0:e");
    }

    #[test]
    fn gzip_members_share_one_limit() {
        let half = gzip(&vec![b'd'; MAX_BODY / 2]);
        assert!(unpacked(half.repeat(2)).is_ok());
        assert_eq!(unpacked(half.repeat(3)).unwrap_err(), too_large());
        let nothing = gzip(b"");
        let body = unpacked(nothing.repeat(MAX_BODY / nothing.len())).unwrap();
        assert_eq!((&*body.bytes, body.cut), (&b""[..], None));
    }

    #[test]
    fn a_decompression_bomb_ends_at_the_limit() {
        let failed = unpacked(gzip(&vec![b'd'; 4 << 20])).unwrap_err();
        assert_eq!(failed, too_large());
        assert!(unpacked(gzip(&vec![b'd'; MAX_BODY])).is_ok());
    }

    #[test]
    fn a_truncated_stream_yields_what_arrived() {
        let noise: Vec<u8> = (0..4000u32).map(|n| ((n * n) >> 3) as u8).collect();
        let mut packed = gzip(&noise);
        packed.truncate(packed.len() / 2);
        let body = unpacked(packed).unwrap();
        assert!(noise.starts_with(&body.bytes) && !body.bytes.is_empty());
        assert_eq!(body.cut.unwrap().reason, FailureReason::Malformed);
    }
}
