//! `/api/v1/torrents`: the snapshot as JSON, with the words that must not become labels.
//!
//! Unknown is `null`. There is no address and no passkey: trackers go by their label, and the
//! texts of failures are clean when they enter the snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::snapshot::{AnnounceRow, Count, Failed, Privacy, Snapshot, Source, TorrentView};

/// All torrents. Written row by row: nothing is collected first.
pub(super) struct Torrents<'a>(pub(super) &'a Snapshot);

impl Serialize for Torrents<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        struct Rows<'a>(&'a Snapshot);

        impl Serialize for Rows<'_> {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_seq(self.0.rows().map(|row| view(self.0, row)))
            }
        }

        let mut object = to.serialize_struct("Torrents", 2)?;
        object.serialize_field("taken", &self.0.taken.0)?;
        object.serialize_field("torrents", &Rows(self.0))?;
        object.end()
    }
}

/// The torrent of this name. Snapshots are sorted by name.
pub(super) fn torrent<'a>(snapshot: &'a Snapshot, name: &str) -> Option<Torrent<'a>> {
    let place = snapshot
        .torrents
        .binary_search_by(|torrent| (*torrent.name).cmp(name))
        .ok()?;
    Some(view(snapshot, snapshot.row(place)?))
}

/// One torrent. Times are seconds since 1970.
#[derive(Serialize)]
pub(super) struct Torrent<'a> {
    name: &'a str,
    infohash: Option<String>,
    infohash_v2: Option<String>,
    /// `public`; `consented`: private and probed; `left_alone`: private and not probed.
    privacy: &'static str,
    labels: Option<&'a BTreeMap<String, String>>,
    peers: Peers,
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
    last_success: Option<u64>,
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
}

#[derive(Serialize)]
struct Reason<'a> {
    reason: &'static str,
    text: &'a str,
}

fn view<'a>(snapshot: &'a Snapshot, row: TorrentView<'a>) -> Torrent<'a> {
    let torrent = row.torrent;
    let [ipv4, ipv6] = row.peers.map(Count::get);
    Torrent {
        name: &torrent.name,
        infohash: torrent.hashes.v1().map(|hash| hash.to_string()),
        infohash_v2: torrent.hashes.v2().map(|hash| hash.to_string()),
        privacy: match torrent.privacy {
            Privacy::Public => "public",
            Privacy::Consented => "consented",
            Privacy::LeftAlone => "left_alone",
        },
        labels: Some(torrent.labels()).filter(|labels| !labels.is_empty()),
        peers: Peers { ipv4, ipv6 },
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

fn announce<'a>(snapshot: &'a Snapshot, pair: &'a AnnounceRow) -> Option<Announce<'a>> {
    Some(Announce {
        tracker: &snapshot.tracker(pair.tracker)?.label,
        success: pair.success,
        peers: pair.peers.get(),
        seeders: pair.seeders.get(),
        leechers: pair.leechers.get(),
        completed: pair.completed.get(),
        failure: pair.failure.as_ref().map(reason),
    })
}

fn reason(failed: &Arc<Failed>) -> Reason<'_> {
    Reason {
        reason: failed.reason.as_label(),
        text: &failed.text,
    }
}
