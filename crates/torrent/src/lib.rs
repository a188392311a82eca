//! BitTorrent identifiers and their encodings. Pure, except that [`Metainfo::open`] reads a file.
//!
//! | Module | Contents |
//! |---|---|
//! | [`bencode`] | bounded, borrowed reading of bencode (BEP 3) |
//! | `info_hash` | [`InfoHash`], [`InfoHashV2`], [`Hashes`] of a torrent (BEP 3, BEP 52) |
//! | `magnet` | [`Magnet`] links (BEP 9): reading, and [writing](MagnetLink) |
//! | `metainfo` | [`Metainfo`] files |
//! | `size` | total sizes (BEP 47, BEP 52) |
//! | `name` | names that fit a label |
//! | `tracker_url`, `host`, `url_list` | [`TrackerUrl`], its [`Host`], several URLs in one string |
//! | `tracker_list` | the [`TrackerList`] of a torrent, with its tiers (BEP 12) |
//! | `web_seed` | [`WebSeed`] URLs (BEP 17, BEP 19) |
//! | `peers`, [`address`], `family` | peer lists (BEP 7, BEP 23), routed addresses, [`Family`] |
//!
//! # Examples
//!
//! ```
//! use seedwatch_torrent::{Magnet, TrackerUrl};
//!
//! let link = "magnet:?xt=urn:btih:1bd088ee9166a062cf4af09cf99720fa6e1a3133\
//!             &dn=Debian&tr=https%3A%2F%2Ftracker.example%2FKEY%2Fannounce";
//! let magnet = Magnet::parse(link)?;
//! assert_eq!(magnet.name.as_deref(), Some("Debian"));
//! assert_eq!(magnet.hashes.wire().count(), 1);
//!
//! // A tracker URL never shows its path, which may be a passkey.
//! let tracker = TrackerUrl::parse(&magnet.trackers[0])?;
//! assert_eq!(tracker.to_string(), "https://tracker.example:443");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ```
//! use seedwatch_torrent::Peers;
//!
//! // One compact peer (BEP 23) and three bytes that are no entry.
//! let mut peers = Peers::default();
//! peers.push_compact4(&[192, 0, 2, 1, 0x1a, 0xe1, 0, 0, 0]);
//! assert_eq!((peers.len(), peers.malformed), (1, 1));
//! assert_eq!(peers.v4[0].port, 6881);
//! ```

pub mod address;
pub mod bencode;
mod family;
mod host;
mod info_hash;
mod magnet;
mod metainfo;
mod name;
mod peers;
mod size;
mod tracker_list;
mod tracker_url;
mod url_list;
mod web_seed;

pub use family::Family;
pub use host::Host;
pub use info_hash::{HashError, Hashes, InfoHash, InfoHashV2};
pub use magnet::{Magnet, MagnetError, MagnetLink};
pub use metainfo::{CopyError, Metainfo, MetainfoError};
pub use name::{MAX_NAME, NameError, check_name, clean_name};
pub use peers::{Endpoint4, Endpoint6, Peers};
pub use size::{ClaimedSize, MAX_SIZE, SizeError};
pub use tracker_list::{Tier, TrackerList};
pub use tracker_url::{AddressScope, Scheme, TrackerUrl, TrackerUrlError};
pub use url_list::split_urls;
pub use web_seed::{WebSeed, WebSeedError, WebSeedKind};

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;

/// A configured torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torrent {
    /// The `torrent` label: unique, printable.
    pub name: Box<str>,
    /// The info-hashes that identify it.
    pub hashes: Hashes,
    /// Announce URLs in configured order, at most one per label (scheme, host, port). Interned:
    /// torrents with the same trackers share one list, and all lists share their URLs.
    pub trackers: TrackerList,
    /// Optional properties; `None` if the torrent has none of them.
    pub details: Option<Box<Details>>,
    /// Whether it may be probed.
    pub privacy: Privacy,
    /// The size of its files in bytes; `None` if it is not known. Not among the details, so that it
    /// takes 8 bytes.
    pub size: Option<NonZeroU64>,
}

// A torrent without a size is as large.
const _: () = assert!(size_of::<Option<NonZeroU64>>() == 8);

/// Optional properties of a torrent. They are separate from [`Torrent`] because most torrents have
/// none, and there may be a million torrents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// The collection. Interned: the torrents of one collection share its name.
    pub collection: Option<Arc<str>>,
    /// User labels for `seedwatch_torrent_info`.
    pub labels: BTreeMap<String, String>,
    /// Web seeds of the magnet link or metainfo file, at most [`WebSeed::MAX`]. Interned: torrents
    /// share their URLs. They are not checked yet.
    pub web_seeds: Box<[Arc<WebSeed>]>,
    /// The metainfo file that the configuration names.
    pub file: Option<Box<Path>>,
}

impl Details {
    /// Returns the value of [`Torrent::details`]: `None` if there are no properties.
    pub fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

impl Torrent {
    /// Returns the collection that the torrent belongs to.
    pub fn collection(&self) -> Option<&Arc<str>> {
        self.details.as_ref()?.collection.as_ref()
    }

    /// Returns the user labels.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.details.as_ref().map_or(&NONE, |it| &it.labels)
    }

    /// Returns the metainfo file that the configuration names.
    pub fn file(&self) -> Option<&Path> {
        self.details.as_ref()?.file.as_deref()
    }

    /// Returns the web seeds.
    pub fn web_seeds(&self) -> &[Arc<WebSeed>] {
        self.details.as_ref().map_or(&[], |it| &it.web_seeds)
    }
}

/// Whether a torrent is private (BEP 27), and whether it may be probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privacy {
    /// An ordinary torrent.
    Public,
    /// Private, and the configuration says `private: true`: only its trackers are probed.
    Consented,
    /// Private without that consent: the torrent is listed and never probed.
    LeftAlone,
}
