//! Copies of metainfo files that may be given away.

use super::{Metainfo, MetainfoError};
use crate::Hashes;
use crate::bencode::Value;

/// Why no copy of a metainfo file is made.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The file cannot be read, or is no torrent.
    #[error(transparent)]
    Metainfo(#[from] MetainfoError),
    /// The file is that of another torrent.
    #[error("another torrent")]
    OtherTorrent,
    /// The torrent is private (BEP 27).
    #[error("private")]
    Private,
}

impl Metainfo {
    /// Returns a metainfo file with the info dictionary of another one, and with these trackers and
    /// web seeds. Nothing else is copied but the piece layers of version 2 (BEP 52): announce URLs
    /// may contain passkeys, and comments say who made the file.
    ///
    /// # Errors
    ///
    /// If the content is not a torrent with these hashes, or is private.
    pub fn public_copy(
        bytes: &[u8],
        hashes: &Hashes,
        trackers: &[String],
        web_seeds: &[&str],
    ) -> Result<Vec<u8>, CopyError> {
        let metainfo = Self::parse(bytes)?;
        if metainfo.private {
            return Err(CopyError::Private);
        }
        if !metainfo.hashes.wire().eq(hashes.wire()) {
            return Err(CopyError::OtherTorrent);
        }
        let (root, _trailing) = Value::parse(bytes).map_err(MetainfoError::from)?;
        let root = root.as_dict().ok_or(MetainfoError::NoInfo)?;
        let dict = |key| root.get(key).and_then(|value| value.as_dict());
        let info = dict(b"info").ok_or(MetainfoError::NoInfo)?;
        // The keys of a dictionary are sorted (BEP 3).
        let mut copy = b"d".to_vec();
        if let [first, ..] = trackers {
            copy.extend_from_slice(b"8:announce");
            write_text(first, &mut copy);
            copy.extend_from_slice(b"13:announce-listl");
            for tracker in trackers {
                copy.push(b'l');
                write_text(tracker, &mut copy);
                copy.push(b'e');
            }
            copy.push(b'e');
        }
        copy.extend_from_slice(b"4:info");
        copy.extend_from_slice(info.raw());
        if let Some(layers) = dict(b"piece layers") {
            copy.extend_from_slice(b"12:piece layers");
            copy.extend_from_slice(layers.raw());
        }
        if !web_seeds.is_empty() {
            copy.extend_from_slice(b"8:url-listl");
            web_seeds.iter().for_each(|url| write_text(url, &mut copy));
            copy.push(b'e');
        }
        copy.push(b'e');
        Ok(copy)
    }
}

fn write_text(text: &str, to: &mut Vec<u8>) {
    to.extend_from_slice(text.len().to_string().as_bytes());
    to.push(b':');
    to.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{InfoHash, WebSeedKind};

    fn fixture(name: &str) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        std::fs::read(folder.join(format!("../../tests/fixtures/{name}.torrent"))).unwrap()
    }

    #[test]
    fn copies_have_the_same_hashes_and_other_trackers() {
        for name in ["v1", "v2", "hybrid"] {
            let bytes = fixture(name);
            let original = Metainfo::parse(&bytes).unwrap();
            let trackers = ["udp://a.example:1/announce", "http://b.example/announce"];
            let trackers = trackers.map(str::to_owned);
            let copy = |bytes: &[u8]| {
                let seeds = ["https://w.example/"];
                Metainfo::public_copy(bytes, &original.hashes, &trackers, &seeds).unwrap()
            };
            let first = copy(&bytes);
            let read = Metainfo::parse(&first).unwrap();
            assert_eq!(
                (&read.hashes, read.size),
                (&original.hashes, original.size),
                "{name}"
            );
            assert_eq!(read.trackers[1..], trackers, "{name}");
            let seeds = [("https://w.example/".to_owned(), WebSeedKind::Files)];
            assert_eq!(read.web_seeds, seeds, "{name}");
            let is_kept = |bytes: &[u8]| bytes.windows(12).any(|part| part == b"piece layers");
            assert_eq!(is_kept(&first), is_kept(&bytes), "{name}");
            assert_eq!(copy(&first), first, "{name}");
        }
    }

    #[test]
    fn neither_private_torrents_nor_others_are_copied() {
        let bytes = fixture("private");
        let hashes = Metainfo::parse(&bytes).unwrap().hashes;
        let copy = Metainfo::public_copy(&bytes, &hashes, &[], &[]);
        assert!(matches!(copy, Err(CopyError::Private)));
        let other = Hashes::V1(InfoHash([1; 20]));
        let copy = Metainfo::public_copy(&fixture("v1"), &other, &[], &[]);
        assert!(matches!(copy, Err(CopyError::OtherTorrent)));
        assert!(Metainfo::public_copy(b"", &other, &[], &[]).is_err());
    }
}
