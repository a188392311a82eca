//! `/api/v1`: the snapshot as JSON, with the words that must not become labels.
//!
//! Unknown is `null`, and so are countries where they are not to be shown. There is no address and no passkey: trackers go by their label, and the
//! texts of failures are clean when they enter the snapshot.

use std::collections::BTreeMap;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use seedwatch_core::snapshot::{
    AnnounceRow, CollectionRow, Count, CountryPeers, CountryRow, Places, Privacy, ProbeError,
    Retry, Snapshot, Source, TorrentView, Unique, Window,
};

/// All torrents. Written row by row: nothing is collected first.
pub(super) struct Torrents<'a>(pub(super) &'a Snapshot);

impl Serialize for Torrents<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        struct Rows<'a>(&'a Snapshot);

        impl Serialize for Rows<'_> {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let nobody = self.0.nobody();
                to.collect_seq(self.0.rows().map(|row| view(self.0, row, &nobody)))
            }
        }

        let mut object = to.serialize_struct("Torrents", 2)?;
        object.serialize_field("taken", &self.0.taken.0)?;
        object.serialize_field("torrents", &Rows(self.0))?;
        object.end()
    }
}

/// All collections, in the same manner.
pub(super) struct Collections<'a>(pub(super) &'a Snapshot);

impl Serialize for Collections<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        struct Rows<'a>(&'a Snapshot);

        impl Serialize for Rows<'_> {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let rows = self.0.collections.iter();
                to.collect_seq(rows.map(|row| collection_view(self.0, row)))
            }
        }

        let mut object = to.serialize_struct("Collections", 2)?;
        object.serialize_field("taken", &self.0.taken.0)?;
        object.serialize_field("collections", &Rows(self.0))?;
        object.end()
    }
}

/// The collection of this name. Snapshots are sorted by name.
pub(super) fn collection<'a>(snapshot: &'a Snapshot, name: &str) -> Option<Collection<'a>> {
    let place = snapshot
        .collections
        .binary_search_by(|row| (*row.name).cmp(name))
        .ok()?;
    Some(collection_view(snapshot, snapshot.collections.get(place)?))
}

/// The torrent of this name. Snapshots are sorted by name.
pub(super) fn torrent<'a>(
    snapshot: &'a Snapshot,
    nobody: &'a Places,
    name: &str,
) -> Option<Torrent<'a>> {
    let place = snapshot
        .torrents
        .binary_search_by(|torrent| (*torrent.name).cmp(name))
        .ok()?;
    Some(view(snapshot, snapshot.row(place)?, nobody))
}

/// One torrent. Times are seconds since 1970.
#[derive(Serialize)]
pub(super) struct Torrent<'a> {
    name: &'a str,
    infohash: Option<String>,
    infohash_v2: Option<String>,
    /// `public`; `consented`: private and probed; `left_alone`: private and not probed.
    privacy: &'static str,
    collection: Option<&'a str>,
    labels: Option<&'a BTreeMap<String, String>>,
    peers: Peers,
    unique_peers: ByWindow,
    /// Peers now.
    countries: Option<Countries<'a>>,
    /// Distinct networks, IPv4 /24 and IPv6 /48.
    prefixes: Option<u32>,
    autonomous_systems: Option<u32>,
    largest_as_ratio: Option<f64>,
    seeders: Option<u32>,
    leechers: Option<u32>,
    trackers: usize,
    trackers_online: Option<u32>,
    dht_seeders: Option<u32>,
    dht_leechers: Option<u32>,
    last_peer_seen: Option<u64>,
    sources: BTreeMap<&'static str, FromSource>,
    announces: Vec<Announce<'a>>,
}

#[derive(Serialize)]
struct Peers {
    ipv4: Option<u32>,
    ipv6: Option<u32>,
}

#[derive(Serialize)]
struct FromSource {
    success: Option<bool>,
    peers: Option<u32>,
    unique_peers: ByWindow,
    last_success: Option<u64>,
}

/// Distinct peers, each window under the value of its label.
struct ByWindow(Unique);

impl Serialize for ByWindow {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(Window::ALL.map(|window| (window.as_label(), self.0[window.index()].get())))
    }
}

/// Peers of a torrent now, by country.
struct Countries<'a>(&'a [CountryPeers]);

impl Serialize for Countries<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let rows = self.0.iter();
        to.collect_map(rows.map(|row| (row.country.as_str(), row.peers)))
    }
}

/// Torrents that are counted as one.
#[derive(Serialize)]
pub(super) struct Collection<'a> {
    name: &'a str,
    torrents: u32,
    peers: Peers,
    unique_peers: ByWindow,
    countries: Option<CollectionCountries<'a>>,
}

/// What is known of each country.
struct CollectionCountries<'a>(&'a [CountryRow]);

impl Serialize for CollectionCountries<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Row {
            peers: Option<u32>,
            unique_peers: ByWindow,
        }

        to.collect_map(self.0.iter().map(|row| {
            let known = Row {
                peers: row.peers.get(),
                unique_peers: ByWindow(row.unique),
            };
            (row.country.as_str(), known)
        }))
    }
}

#[derive(Serialize)]
struct Announce<'a> {
    tracker: &'a str,
    success: Option<bool>,
    peers: Option<u32>,
    seeders: Option<u32>,
    leechers: Option<u32>,
    completed: Option<u32>,
    failure: Option<Reason<'a>>,
    /// The `warning message` of the latest answer.
    warning: Option<&'a str>,
}

#[derive(Serialize)]
struct Reason<'a> {
    reason: &'static str,
    text: &'a str,
    /// How long the tracker asks to wait, in seconds; null if it does not say, or says `never`.
    retry_seconds: Option<u64>,
}

fn view<'a>(snapshot: &'a Snapshot, row: TorrentView<'a>, nobody: &'a Places) -> Torrent<'a> {
    let torrent = row.torrent;
    let reach = row.reach;
    let places = Snapshot::places(row, nobody);
    let systems = places.and_then(|places| places.systems);
    Torrent {
        name: &torrent.name,
        infohash: torrent.hashes.v1().map(|hash| hash.to_string()),
        infohash_v2: torrent.hashes.v2().map(|hash| hash.to_string()),
        privacy: match torrent.privacy {
            Privacy::Public => "public",
            Privacy::Consented => "consented",
            Privacy::LeftAlone => "left_alone",
        },
        collection: torrent.collection().map(|name| &**name),
        labels: Some(torrent.labels()).filter(|labels| !labels.is_empty()),
        peers: peers(row.peers),
        unique_peers: ByWindow(row.unique(reach)),
        countries: places
            .filter(|_| snapshot.config.countries)
            .map(|places| Countries(&places.countries)),
        prefixes: places.map(|places| places.prefixes),
        autonomous_systems: systems.map(|systems| systems.distinct),
        largest_as_ratio: systems.and_then(|systems| systems.largest_share()),
        seeders: row.seeders.get(),
        leechers: row.leechers.get(),
        trackers: torrent.trackers.len(),
        trackers_online: row.trackers_online.get(),
        dht_seeders: row.dht_seeders.get(),
        dht_leechers: row.dht_leechers.get(),
        last_peer_seen: row.last_peer_seen.get().map(|at| at.0),
        sources: Source::ALL
            .iter()
            .filter(|source| snapshot.dht.is_some() || **source != Source::Dht)
            .map(|source| {
                let place = source.index();
                let known = FromSource {
                    success: row.probe_success[place],
                    peers: row.source_peers[place].get(),
                    unique_peers: ByWindow(row.source_unique(*source, reach)),
                    last_success: row.last_success[place].get().map(|at| at.0),
                };
                (source.as_label(), known)
            })
            .collect(),
        announces: row
            .announces
            .iter()
            .filter_map(|pair| announce(snapshot, pair))
            .collect(),
    }
}

fn collection_view<'a>(snapshot: &Snapshot, row: &'a CollectionRow) -> Collection<'a> {
    Collection {
        name: &row.name,
        torrents: row.torrents,
        peers: peers(row.peers),
        unique_peers: ByWindow(row.unique),
        countries: snapshot
            .config
            .countries
            .then_some(CollectionCountries(&row.countries)),
    }
}

fn peers(by_family: [Count; 2]) -> Peers {
    let [ipv4, ipv6] = by_family.map(Count::get);
    Peers { ipv4, ipv6 }
}

fn announce<'a>(snapshot: &'a Snapshot, pair: &'a AnnounceRow) -> Option<Announce<'a>> {
    Some(Announce {
        tracker: &snapshot.tracker(pair.tracker)?.label,
        success: pair.success,
        peers: pair.peers.get(),
        seeders: pair.seeders.get(),
        leechers: pair.leechers.get(),
        completed: pair.completed.get(),
        failure: pair.failure().map(reason),
        warning: pair.warning(),
    })
}

fn reason(failed: &ProbeError) -> Reason<'_> {
    Reason {
        reason: failed.reason.as_label(),
        text: &failed.text,
        retry_seconds: match failed.retry {
            Some(Retry::After(wait)) => Some(wait.as_secs()),
            Some(Retry::Never) | None => None,
        },
    }
}
