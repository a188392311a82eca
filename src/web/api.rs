//! `/api/v1`: the snapshot as JSON, with the free texts that must not become labels.
//!
//! An unknown value is `null`. Countries are `null` if `metrics.countries` is off. The JSON holds
//! no peer address and no passkey: trackers are named by their label, and the prober removes
//! secrets from the texts of failures.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use seedwatch_core::snapshot::{
    AnnounceRow, Cause, CollectionRow, Count, CountryPeers, CountryRow, GeoBreakdown, Privacy,
    ProbeError, Retry, Snapshot, Source, TorrentView, UniquePeers, Window,
};
use seedwatch_core::verdict::{Advice, Condition};

/// All torrents. They are written row by row, without a copy in memory.
pub(super) struct Torrents<'a>(pub(super) &'a Snapshot);

impl Serialize for Torrents<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        struct Rows<'a>(&'a Snapshot);

        impl Serialize for Rows<'_> {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let empty = self.0.empty_breakdown();
                to.collect_seq(self.0.rows().map(|row| torrent_view(self.0, row, &empty)))
            }
        }

        let mut object = to.serialize_struct("Torrents", 2)?;
        object.serialize_field("taken", &self.0.taken.0)?;
        object.serialize_field("torrents", &Rows(self.0))?;
        object.end()
    }
}

/// All collections. They are written row by row, without a copy in memory.
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

/// What several torrents suffer from.
#[derive(Serialize)]
pub(super) struct Causes<'a> {
    taken: u64,
    causes: Vec<CauseView<'a>>,
}

/// One cause.
#[derive(Serialize)]
struct CauseView<'a> {
    /// `outage`, `family_lost`, `resolver_down`, `dht_silent` or `tracker_down`.
    kind: &'static str,
    /// The lost family.
    family: Option<&'static str>,
    /// The tracker that is down.
    tracker: Option<&'a str>,
    /// The number of torrents that have no tracker with a valid answer, of those that use it.
    torrents: Option<u32>,
    text: String,
}

impl<'a> Causes<'a> {
    /// Returns the causes of a snapshot.
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let view = |cause: &'a Cause| {
            let (family, tracker, torrents) = match cause {
                Cause::Outage | Cause::ResolverDown | Cause::DhtSilent => (None, None, None),
                Cause::FamilyLost(family) => (Some(family.as_label()), None, None),
                Cause::TrackerDown { tracker, torrents } => {
                    (None, Some(&**tracker), Some(*torrents))
                }
            };
            CauseView {
                kind: cause.as_label(),
                family,
                tracker,
                torrents,
                text: cause.sentence(),
            }
        };
        Self {
            taken: snapshot.taken.0,
            causes: snapshot.causes.iter().map(view).collect(),
        }
    }
}

/// Returns the collection of this name. Snapshots are sorted by name.
pub(super) fn collection<'a>(snapshot: &'a Snapshot, name: &str) -> Option<Collection<'a>> {
    let index = snapshot
        .collections
        .binary_search_by(|row| (*row.name).cmp(name))
        .ok()?;
    Some(collection_view(snapshot, snapshot.collections.get(index)?))
}

/// Returns the torrent of this name. Snapshots are sorted by name. `empty` is the breakdown of a
/// swarm without peers.
pub(super) fn torrent<'a>(
    snapshot: &'a Snapshot,
    empty: &'a GeoBreakdown,
    name: &str,
) -> Option<Torrent<'a>> {
    let index = snapshot
        .torrents
        .binary_search_by(|torrent| (*torrent.name).cmp(name))
        .ok()?;
    Some(torrent_view(snapshot, snapshot.row(index)?, empty))
}

/// One torrent. Times are in seconds since 1970.
#[derive(Serialize)]
pub(super) struct Torrent<'a> {
    name: &'a str,
    /// `dead`, `at_risk`, `unobserved`, `pending`, `alive` or `private`.
    state: &'static str,
    state_since: Option<u64>,
    conditions: Vec<&'static str>,
    /// Why it is in this state.
    reason: Why,
    /// What to do about it.
    advice: &'static str,
    infohash: Option<String>,
    infohash_v2: Option<String>,
    /// `public`; `consented` if private and probed; `left_alone` if private and not probed.
    privacy: &'static str,
    collection: Option<&'a str>,
    /// The files without padding; `null` if their size is not known.
    size_bytes: Option<u64>,
    labels: Option<&'a BTreeMap<String, String>>,
    peers: Peers,
    unique_peers: ByWindow,
    /// Current peers by country.
    countries: Option<Countries<'a>>,
    /// Distinct prefixes, IPv4 /24 and IPv6 /48.
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

/// Why a torrent is in its state: for programs, and for people.
#[derive(Serialize)]
struct Why {
    code: &'static str,
    text: String,
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

/// Distinct peers by the label of the window.
struct ByWindow(UniquePeers);

impl Serialize for ByWindow {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(Window::ALL.map(|window| (window.as_label(), self.0[window.index()].get())))
    }
}

/// The current peers of a torrent by country.
struct Countries<'a>(&'a [CountryPeers]);

impl Serialize for Countries<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let rows = self.0.iter();
        to.collect_map(rows.map(|row| (row.country.as_str(), row.peers)))
    }
}

/// One collection.
#[derive(Serialize)]
pub(super) struct Collection<'a> {
    name: &'a str,
    torrents: u32,
    peers: Peers,
    unique_peers: ByWindow,
    countries: Option<CollectionCountries<'a>>,
}

/// The peers of a collection by country.
struct CollectionCountries<'a>(&'a [CountryRow]);

impl Serialize for CollectionCountries<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Row {
            peers: Option<u32>,
            unique_peers: ByWindow,
        }

        to.collect_map(self.0.iter().map(|row| {
            let values = Row {
                peers: row.peers.get(),
                unique_peers: ByWindow(row.unique),
            };
            (row.country.as_str(), values)
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
    failure: Option<ProbeFailure<'a>>,
    /// The `warning message` of the latest answer.
    warning: Option<&'a str>,
}

#[derive(Serialize)]
struct ProbeFailure<'a> {
    reason: &'static str,
    text: &'a str,
    /// How long the tracker asks to wait, in seconds; for `never` (BEP 31), how long seedwatch
    /// leaves the torrent alone. `null` if it does not say.
    retry_seconds: Option<u64>,
}

fn torrent_view<'a>(
    snapshot: &'a Snapshot,
    row: TorrentView<'a>,
    empty: &'a GeoBreakdown,
) -> Torrent<'a> {
    let torrent = row.torrent;
    let breakdown = Snapshot::breakdown(row, empty);
    let systems = breakdown.and_then(|breakdown| breakdown.systems);
    Torrent {
        name: &torrent.name,
        state: row.verdict.state.as_label(),
        state_since: row.verdict.since.get().map(|at| at.0),
        conditions: row
            .verdict
            .conditions
            .iter()
            .map(Condition::as_label)
            .collect(),
        reason: Why {
            code: row.verdict.reason.as_label(),
            text: row.verdict.sentence(row),
        },
        advice: Advice::of(row.verdict).as_label(),
        infohash: torrent.hashes.v1().map(|hash| hash.to_string()),
        infohash_v2: torrent.hashes.v2().map(|hash| hash.to_string()),
        privacy: privacy(torrent.privacy),
        collection: torrent.collection().map(|name| &**name),
        size_bytes: torrent.size.map(NonZeroU64::get),
        labels: Some(torrent.labels()).filter(|labels| !labels.is_empty()),
        peers: peers(row.peers),
        unique_peers: ByWindow(row.unique(row.windows)),
        countries: breakdown
            .filter(|_| snapshot.config.countries)
            .map(|breakdown| Countries(&breakdown.countries)),
        prefixes: breakdown.map(|breakdown| breakdown.prefixes),
        autonomous_systems: systems.map(|systems| systems.distinct),
        largest_as_ratio: systems.and_then(|systems| systems.largest_share()),
        seeders: row.seeders.get(),
        leechers: row.leechers.get(),
        trackers: torrent.trackers.len(),
        trackers_online: row.trackers_online.get(),
        dht_seeders: row.dht_seeders.get(),
        dht_leechers: row.dht_leechers.get(),
        last_peer_seen: row.last_peer_seen.get().map(|at| at.0),
        sources: snapshot
            .sources()
            .map(|source| (source.as_label(), source_view(row, source)))
            .collect(),
        announces: row
            .announces
            .iter()
            .filter_map(|row| announce_view(snapshot, row))
            .collect(),
    }
}

/// Returns the code of a privacy.
pub(super) const fn privacy(privacy: Privacy) -> &'static str {
    match privacy {
        Privacy::Public => "public",
        Privacy::Consented => "consented",
        Privacy::LeftAlone => "left_alone",
    }
}

fn source_view(row: TorrentView<'_>, source: Source) -> FromSource {
    FromSource {
        success: row.probe_success[source],
        peers: row.source_peers[source].get(),
        unique_peers: ByWindow(row.source_unique(source, row.windows)),
        last_success: row.last_success[source].get().map(|at| at.0),
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

fn announce_view<'a>(snapshot: &'a Snapshot, row: &'a AnnounceRow) -> Option<Announce<'a>> {
    Some(Announce {
        tracker: &snapshot.tracker(row.tracker)?.label,
        success: row.success,
        peers: row.peers.get(),
        seeders: row.seeders.get(),
        leechers: row.leechers.get(),
        completed: row.completed.get(),
        failure: row.failure().map(probe_failure),
        warning: row.warning(),
    })
}

fn probe_failure(failed: &ProbeError) -> ProbeFailure<'_> {
    ProbeFailure {
        reason: failed.reason.as_label(),
        text: &failed.text,
        retry_seconds: failed.retry.map(Retry::seconds),
    }
}
