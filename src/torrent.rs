//! What is watched: info-hashes, magnet links, metainfo files, tracker URLs.

mod info_hash;
mod magnet;
mod metainfo;
mod name;
mod tracker_url;

pub use info_hash::{HashError, Hashes, InfoHash, InfoHashV2};
pub use magnet::{Magnet, MagnetError};
pub use metainfo::{Metainfo, MetainfoError};
pub use name::{MAX_NAME, NameError, check_name, clean_name};
pub use tracker_url::{Host, Scheme, TrackerUrl, TrackerUrlError};

use std::collections::BTreeMap;
use std::sync::Arc;

/// One watched torrent, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torrent {
    /// The `torrent` label: unique, printable.
    pub name: Box<str>,
    /// Its identity.
    pub hashes: Hashes,
    /// Announce URLs, at most one a label (scheme, host, port), in configured order. Interned:
    /// torrents with the same trackers share one list, and all lists share the URLs.
    pub trackers: Arc<[Arc<TrackerUrl>]>,
    /// User labels for `seedwatch_torrent_info`. Boxed: most torrents have none.
    pub labels: Option<Box<BTreeMap<String, String>>>,
    /// Whether it may be probed.
    pub privacy: Privacy,
}

/// What BEP 27 means for a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privacy {
    /// An ordinary torrent.
    Public,
    /// Private, and its owner wrote `private: true`: its trackers are probed, nothing else.
    Consented,
    /// Private, and nobody said that it may be probed: it is listed and left alone.
    LeftAlone,
}
