//! Metainfo (`.torrent`) files of version 1 (BEP 3), version 2 and hybrid torrents (BEP 52).

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::{fmt, io};

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::size::{ClaimedSize, SizeKeys};
use super::{Hashes, InfoHash, InfoHashV2, Tier, WebSeedKind, clean_name};
use crate::bencode;
use crate::bencode::{Dict, Value};
pub use copy::CopyError;

mod copy;

/// Why a metainfo file is rejected. The text quotes nothing of the file, whose trackers may contain
/// passkeys.
#[derive(Debug, thiserror::Error)]
pub enum MetainfoError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The path is a directory, a device or a pipe.
    #[error("not a regular file")]
    NotFile,
    /// The file exceeds [`Metainfo::MAX_SIZE`].
    #[error("larger than 64 MiB")]
    TooLarge,
    /// The file is empty.
    #[error("empty")]
    Empty,
    /// The file is HTML: a download link led to a web page.
    #[error("a web page, not a torrent")]
    WebPage,
    /// The file is not bencode.
    #[error("not a torrent: {0}")]
    Bencode(#[from] bencode::Error),
    /// There is no `info` dictionary.
    #[error("not a torrent: it has no info dictionary")]
    NoInfo,
    /// There are neither `pieces` (version 1) nor `meta version` 2 with a `file tree`.
    #[error("not a torrent: its info dictionary has neither pieces nor a version 2 file tree")]
    NoPieces,
    /// The format has an unknown version.
    #[error("meta version {0} is unknown")]
    Version(i64),
}

/// The content of a metainfo file.
///
/// `Debug` omits the trackers, which may contain passkeys.
#[derive(Clone, PartialEq, Eq)]
pub struct Metainfo {
    /// The hashes of the info dictionary as it stands in the file.
    pub hashes: Hashes,
    /// `name.utf-8` or `name`, made printable.
    pub name: Option<String>,
    /// `announce`, then all tiers of `announce-list` (BEP 12), not yet parsed as URLs.
    pub trackers: Vec<String>,
    /// The tier of each of the trackers. The URL of `announce` is in the first tier.
    pub tiers: Vec<Tier>,
    /// `url-list` (BEP 19), then `httpseeds` (BEP 17), not yet parsed as URLs.
    pub web_seeds: Vec<(String, WebSeedKind)>,
    /// Whether the torrent is private (BEP 27): only its trackers may know about it.
    pub private: bool,
    /// The size of the files without padding (BEP 47), or why it is not believed.
    pub size: ClaimedSize,
}

impl fmt::Debug for Metainfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metainfo")
            .field("hashes", &self.hashes)
            .field("name", &self.name)
            .field("trackers", &self.trackers.len())
            .field("private", &self.private)
            .finish()
    }
}

impl Metainfo {
    /// Largest file that is read, in bytes. 64 MiB hold the hashes of over three million pieces.
    pub const MAX_SIZE: usize = 64 << 20;

    /// Most announce URLs that are read from one file.
    pub const MAX_TRACKERS: usize = 1024;

    /// Most web seeds that are read from one file.
    pub const MAX_WEB_SEEDS: usize = 256;

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is no torrent.
    pub fn open(path: &Path) -> Result<Self, MetainfoError> {
        // Checked before opening, because opening a pipe waits for its writer.
        let metadata = path.metadata()?;
        if !metadata.is_file() {
            return Err(MetainfoError::NotFile);
        }
        let limit = Self::MAX_SIZE as u64;
        if metadata.len() > limit {
            return Err(MetainfoError::TooLarge);
        }
        let mut bytes = Vec::new();
        // One byte more, to notice a file that has grown.
        File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
        Self::parse(&bytes)
    }

    /// Reads the content of a file. Keys in any order and bytes after the dictionary are tolerated.
    /// Of repeated keys the first counts, as in most clients.
    ///
    /// # Errors
    ///
    /// If the content is no torrent.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetainfoError> {
        if bytes.len() > Self::MAX_SIZE {
            return Err(MetainfoError::TooLarge);
        }
        match bytes.trim_ascii_start().first() {
            None => return Err(MetainfoError::Empty),
            Some(b'<') => return Err(MetainfoError::WebPage),
            Some(_) => {}
        }
        let (root, _trailing) = Value::parse(bytes)?;
        let root = root.as_dict().ok_or(MetainfoError::NoInfo)?;
        let (mut info, mut announce, mut tiers) = (None, None, None);
        let (mut url_list, mut http_seeds) = (None, None);
        for (key, value) in root.iter() {
            let first = match key {
                b"info" => &mut info,
                b"announce" => &mut announce,
                b"announce-list" => &mut tiers,
                b"url-list" => &mut url_list,
                b"httpseeds" => &mut http_seeds,
                _ => continue,
            };
            first.get_or_insert(value);
        }
        let info = info.and_then(|info| info.as_dict());
        let info = info.ok_or(MetainfoError::NoInfo)?;
        let summary = Summary::of(info);
        let announced = [announce, tiers].into_iter().flatten();
        let (trackers, tiers) = announced
            .flat_map(tiered_urls)
            .take(Self::MAX_TRACKERS)
            .unzip();
        Ok(Self {
            hashes: summary.hashes(info.raw())?,
            name: summary.name(),
            trackers,
            tiers,
            web_seeds: web_seeds(url_list, http_seeds),
            private: summary.is_private(),
            size: summary.size(),
        })
    }
}

/// The needed values of the info dictionary: the first one of each key.
#[derive(Default)]
struct Summary<'a> {
    pieces: Option<Value<'a>>,
    file_tree: Option<Value<'a>>,
    version: Option<Value<'a>>,
    name: Option<Value<'a>>,
    name_utf8: Option<Value<'a>>,
    private: Option<Value<'a>>,
    size: SizeKeys<'a>,
}

impl<'a> Summary<'a> {
    fn of(info: Dict<'a>) -> Self {
        let mut summary = Self::default();
        for (key, value) in info.iter() {
            let first = match key {
                b"pieces" => &mut summary.pieces,
                b"file tree" => &mut summary.file_tree,
                b"meta version" => &mut summary.version,
                b"name" => &mut summary.name,
                b"name.utf-8" => &mut summary.name_utf8,
                b"length" => &mut summary.size.length,
                b"files" => &mut summary.size.files,
                b"piece length" => &mut summary.size.piece_length,
                b"private" => &mut summary.private,
                _ => continue,
            };
            first.get_or_insert(value);
        }
        summary
    }

    fn name(&self) -> Option<String> {
        let names = [self.name_utf8, self.name].into_iter().flatten();
        names
            .filter_map(|name| name.as_bytes().and_then(clean_name))
            .next()
    }

    fn is_private(&self) -> bool {
        let flag = self.private.and_then(|flag| flag.as_int());
        flag.is_some_and(|flag| flag != 0)
    }

    fn size(&self) -> ClaimedSize {
        let pieces = self.pieces.and_then(|pieces| pieces.as_bytes());
        let is_v2 = self.version.and_then(|version| version.as_int()) == Some(2);
        let tree = self.file_tree.and_then(|tree| tree.as_dict());
        self.size.size(pieces, tree.filter(|_| is_v2))
    }

    fn hashes(&self, raw: &[u8]) -> Result<Hashes, MetainfoError> {
        let has_tree = self.file_tree.is_some_and(|tree| tree.as_dict().is_some());
        let v2 = match self.version.and_then(|version| version.as_int()) {
            None | Some(1) => None,
            Some(2) => has_tree.then(|| InfoHashV2(Sha256::digest(raw).into())),
            Some(version) => return Err(MetainfoError::Version(version)),
        };
        let has_pieces = self.pieces.is_some_and(|it| it.as_bytes().is_some());
        let v1 = has_pieces.then(|| InfoHash(Sha1::digest(raw).into()));
        Hashes::of(v1, v2).ok_or(MetainfoError::NoPieces)
    }
}

/// Returns the URLs in a string, a list or a list of lists, with their tiers. `announce-list` is a
/// list of lists (BEP 12), but flat lists and bare strings are in use too.
fn tiered_urls<'a>(value: Value<'a>) -> impl Iterator<Item = (String, Tier)> + 'a {
    let tiers = items(value).enumerate();
    let urls = tiers.flat_map(|(tier, urls)| items(urls).map(move |url| (tier, url)));
    urls.filter_map(|(tier, url)| Some((url_text(url)?, Tier::of(tier))))
}

/// Returns the items of a list, or a value that is no list. Nothing is copied: a list may have
/// millions of items.
fn items<'a>(value: Value<'a>) -> impl Iterator<Item = Value<'a>> + 'a {
    let list = value.as_list();
    let single = list.is_none().then_some(value);
    let items = list.into_iter().flat_map(|list| list.iter());
    items.chain(single)
}

/// Returns the web seeds of both keys. Each is a list or a single string, which many makers leave
/// empty.
fn web_seeds(
    url_list: Option<Value<'_>>,
    http_seeds: Option<Value<'_>>,
) -> Vec<(String, WebSeedKind)> {
    let kinds = [
        (url_list, WebSeedKind::Files),
        (http_seeds, WebSeedKind::Pieces),
    ];
    let seeds = kinds.into_iter().flat_map(|(value, kind)| {
        let urls = value.into_iter().flat_map(tiered_urls);
        urls.map(move |(url, _)| (url, kind))
    });
    seeds.take(Metainfo::MAX_WEB_SEEDS).collect()
}

/// Returns a string that is not empty.
fn url_text(value: Value<'_>) -> Option<String> {
    let url = value.as_bytes()?.trim_ascii();
    (!url.is_empty()).then(|| String::from_utf8_lossy(url).into_owned())
}

#[cfg(test)]
mod tests;
