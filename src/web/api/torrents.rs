//! `/api/v1/torrents`: torrents, with the latest announces and why they failed.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use hyper::header::HeaderMap;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::paging;
use super::values::{ByFamily, ByWindow, ProbeFailure};
use crate::web::lookup;
use crate::web::query::{Selection, TorrentQuery};
use seedwatch_core::snapshot::{
    AnnounceRow, CountryPeers, GeoBreakdown, Privacy, Snapshot, Source, TorrentView,
};
use seedwatch_core::verdict::{Advice, Condition};

/// The torrents that a query selects. They are written row by row, without a copy in memory.
pub(super) struct TorrentList {
    snapshot: Arc<Snapshot>,
    selection: Selection,
    /// The address of the next page.
    next: Option<String>,
    /// The address of the page before.
    prev: Option<String>,
}

impl TorrentList {
    /// Returns the torrents that `query` selects. `asked` is the query as the client wrote it, from
    /// which links are made, and `base` is the address before it.
    pub(super) fn of(
        snapshot: Arc<Snapshot>,
        query: &TorrentQuery,
        asked: &TorrentQuery,
        base: &str,
    ) -> Self {
        let selection = query.select(&snapshot);
        let [prev, next] = selection.neighbours();
        let link = |page: Option<usize>| page.map(|page| asked.at_page(page).link(base));
        Self {
            prev: link(prev),
            next: link(next),
            snapshot,
            selection,
        }
    }

    /// Adds the links to other pages as a header field (RFC 8288).
    pub(super) fn add_links(&self, fields: &mut HeaderMap) {
        paging::add_links(fields, self.prev.as_deref(), self.next.as_deref());
    }
}

impl Serialize for TorrentList {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        struct Rows<'a>(&'a Snapshot, &'a [usize]);

        impl Serialize for Rows<'_> {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let Self(snapshot, indices) = self;
                let empty = snapshot.empty_breakdown();
                let rows = indices.iter().filter_map(|index| snapshot.row(*index));
                to.collect_seq(rows.map(|row| torrent_view(snapshot, row, &empty)))
            }
        }

        let mut object = to.serialize_struct("Torrents", 7)?;
        object.serialize_field("taken", &self.snapshot.taken.0)?;
        object.serialize_field("total", &self.selection.total)?;
        object.serialize_field("page", &self.selection.page)?;
        object.serialize_field("pages", &self.selection.pages)?;
        object.serialize_field("prev", &self.prev)?;
        object.serialize_field("next", &self.next)?;
        let rows = Rows(&self.snapshot, &self.selection.indices);
        object.serialize_field("torrents", &rows)?;
        object.end()
    }
}

/// Returns the torrent of this info-hash or name. `empty` is the breakdown of a swarm without peers.
pub(super) fn torrent<'a>(
    snapshot: &'a Snapshot,
    empty: &'a GeoBreakdown,
    name: &str,
) -> Option<Torrent<'a>> {
    let index = lookup::find(snapshot, name)?;
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
    peers: ByFamily<u32>,
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
struct FromSource {
    success: Option<bool>,
    peers: Option<u32>,
    unique_peers: ByWindow,
    last_success: Option<u64>,
}

/// The current peers of a torrent by country.
struct Countries<'a>(&'a [CountryPeers]);

impl Serialize for Countries<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let rows = self.0.iter();
        to.collect_map(rows.map(|row| (row.country.as_str(), row.peers)))
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
        peers: ByFamily::counts(row.peers),
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
pub(in crate::web) const fn privacy(privacy: Privacy) -> &'static str {
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

fn announce_view<'a>(snapshot: &'a Snapshot, row: &'a AnnounceRow) -> Option<Announce<'a>> {
    Some(Announce {
        tracker: &snapshot.tracker(row.tracker)?.label,
        success: row.success,
        peers: row.peers.get(),
        seeders: row.seeders.get(),
        leechers: row.leechers.get(),
        completed: row.completed.get(),
        failure: row.failure().map(ProbeFailure::of),
        warning: row.warning(),
    })
}
