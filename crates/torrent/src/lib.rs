//! What is watched: info-hashes, magnet links, metainfo files, tracker URLs.

pub mod address;
pub mod bencode;
mod family;
mod host;
mod info_hash;
mod magnet;
mod metainfo;
mod name;
mod peers;
mod several;
mod tracker_url;

pub use family::Family;
pub use host::Host;
pub use info_hash::{HashError, Hashes, InfoHash, InfoHashV2};
pub use magnet::{Magnet, MagnetError};
pub use metainfo::{Metainfo, MetainfoError};
pub use name::{MAX_NAME, NameError, check_name, clean_name};
pub use peers::{Endpoint4, Endpoint6, Peers};
pub use several::split_urls;
pub use tracker_url::{AddressScope, Scheme, TrackerUrl, TrackerUrlError};

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
    /// What most torrents do not have; `None` if there is nothing in it.
    pub details: Option<Box<Details>>,
    /// Whether it may be probed.
    pub privacy: Privacy,
}

/// What an entry may say of its torrent beyond how to watch it. Apart from [`Torrent`], which there
/// may be a million of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// The work it belongs to. Interned: the torrents of one collection share its name.
    pub collection: Option<Arc<str>>,
    /// User labels for `seedwatch_torrent_info`.
    pub labels: BTreeMap<String, String>,
}

impl Details {
    /// As they stand in a [`Torrent`].
    pub fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

impl Torrent {
    /// The collection it is counted in.
    pub fn collection(&self) -> Option<&Arc<str>> {
        self.details.as_ref()?.collection.as_ref()
    }

    /// Its user labels.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.details.as_ref().map_or(&NONE, |it| &it.labels)
    }
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
