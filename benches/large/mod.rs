//! A large snapshot, for the benchmarks of its readers.

use std::sync::Arc;
use std::time::Duration;

use seedwatch_core::snapshot::{
    AnnounceRow, AsnLabel, AsnSummary, CollectionRow, Country, CountryPeers, CountryRow, Counts,
    GeoBreakdown, GeoRow, ListedWindows, Phases, Privacy, Snapshot, Torrent, TorrentRow,
    TorrentWindows, TotalsRow, TrackerId, TrackerRow, Unix,
};
use seedwatch_geo::Asn;
use seedwatch_torrent::{Hashes, InfoHash, TrackerUrl};

/// Trackers of all torrents.
const TRACKERS: u32 = 200;
/// Trackers per torrent.
pub(crate) const TRACKERS_EACH: u32 = 3;
/// Countries per torrent.
pub(crate) const COUNTRIES_EACH: u32 = 6;
/// Torrents per collection.
const COLLECTION: usize = 100;
/// Countries per collection.
const COLLECTION_COUNTRIES: u32 = 2 * COUNTRIES_EACH;

/// Returns a snapshot of this many torrents, of which all values are known.
pub(crate) fn snapshot(torrents: usize) -> Snapshot {
    let urls: Vec<Arc<TrackerUrl>> = (0..TRACKERS)
        .map(|n| {
            let url = format!("udp://tracker-{n:03}.example.org:1337/announce");
            Arc::new(TrackerUrl::parse(&url).unwrap())
        })
        .collect();
    let rows = (0..torrents as u32)
        .map(|n| {
            let trackers = trackers_of(n);
            let torrent = torrent(n, trackers.iter().map(|id| &urls[*id as usize]));
            let announces = trackers.iter().map(|id| announce_row(n, *id)).collect();
            (torrent, torrent_row(n), announces, Some(windows_of(n)))
        })
        .collect::<Vec<_>>();
    let snapshot = Snapshot {
        // All windows of all torrents are known.
        taken: Unix(1_790_000_000),
        trackers: urls.iter().map(|url| Some(tracker_row(url))).collect(),
        collections: (0..torrents.div_ceil(COLLECTION)).map(collection).collect(),
        totals: TotalsRow {
            unique: [1, 2, 3].map(|n| Some(n * torrents as u32).into()),
            systems: (1..=20)
                .map(|n| (AsnLabel::Known(Asn(n)), 1_000_000 / u64::from(n)))
                .collect(),
        },
        geo: GeoRow {
            built: [Some(Unix(1_789_000_000)); 2],
            credit: None,
        },
        ..Snapshot::default()
    };
    let mut snapshot = snapshot.with_torrents(rows);
    snapshot.config.per_tracker = true;
    snapshot.config.countries = true;
    snapshot
}

fn tracker_row(url: &TrackerUrl) -> Arc<TrackerRow> {
    let phases = Phases {
        resolve: Some(Duration::from_micros(1_234)),
        connect: Some(Duration::from_micros(23_456)),
        tls: None,
        response: Some(Duration::from_micros(34_567)),
    };
    Arc::new(TrackerRow {
        label: url.label().into(),
        up: [Some(true), Some(false)],
        phases: [Some(phases), None],
        certificate_expiry: None,
        interval: Some(Duration::from_secs(1800)),
        next_probe: Some(Unix(1_790_000_000)),
        requests: 123_456,
        probes: 61_728,
        failures: [7; 13],
        problem: None,
    })
}

/// Returns the trackers of a torrent, by their number.
fn trackers_of(n: u32) -> Vec<u32> {
    let each = (0..TRACKERS_EACH).map(|k| (n * 7 + k * 61) % TRACKERS);
    each.collect()
}

fn torrent<'a>(n: u32, trackers: impl Iterator<Item = &'a Arc<TrackerUrl>>) -> Torrent {
    let mut hash = [0; 20];
    for (position, byte) in hash.iter_mut().enumerate() {
        *byte = n.wrapping_mul(2_654_435_761).rotate_left(position as u32) as u8;
    }
    Torrent {
        name: format!("collection-name-part-{n:06}.tar").into(),
        hashes: Hashes::V1(InfoHash(hash)),
        trackers: trackers.map(Arc::clone).collect(),
        details: None,
        privacy: Privacy::Public,
        size: None,
    }
}

fn torrent_row(n: u32) -> TorrentRow {
    TorrentRow {
        peers: [Some(n % 1000).into(), Some(n % 100).into()],
        source_peers: [Some(n % 400).into(), Some(n % 1000 + n % 100).into()].into(),
        dht_seeders: Some(n % 300).into(),
        dht_leechers: Some(n % 200).into(),
        trackers_online: Some(2).into(),
        seeders: Some(n % 500).into(),
        leechers: Some(n % 300).into(),
        probe_success: [Some(true); 2].into(),
        last_success: [Unix(1_790_000_000 + u64::from(n)).into(); 2].into(),
        listed: ListedWindows::all(),
        last_peer_seen: Unix(1_790_000_000).into(),
        ..TorrentRow::default()
    }
}

fn announce_row(n: u32, tracker: u32) -> AnnounceRow {
    AnnounceRow {
        success: Some(true),
        peers: Some(n % 200).into(),
        seeders: Some(n % 500).into(),
        leechers: Some(n % 300).into(),
        completed: Some(n % 100_000).into(),
        ..AnnounceRow::unknown(TrackerId(tracker))
    }
}

fn windows_of(n: u32) -> TorrentWindows {
    let counts = |share: u32| [n % 1_000, n % 4_000, n % 10_000].map(|count| count / share);
    let countries = countries(COUNTRIES_EACH)
        .map(|(k, country)| CountryPeers::new(country, n % (100 * (k + 1))));
    let geo = GeoBreakdown {
        countries: countries.collect(),
        prefixes: n % 900,
        systems: Some(AsnSummary {
            distinct: n % 90,
            largest: n % 100,
            peers: 100,
        }),
    };
    TorrentWindows {
        counts: Counts {
            all: counts(1),
            by_source: [counts(2), counts(1)],
        },
        geo: Some(Arc::new(geo)),
    }
}

fn collection(n: usize) -> Arc<CollectionRow> {
    let unique = [1_000, 4_000, 10_000].map(|scale| Some(n as u32 % scale).into());
    let countries = countries(COLLECTION_COUNTRIES).map(|(_, country)| CountryRow {
        country,
        peers: Some(n as u32 % 100).into(),
        unique,
    });
    Arc::new(CollectionRow {
        name: format!("collection-{n:05}").into(),
        torrents: COLLECTION as u32,
        peers: [Some(n as u32 % 1_000).into(), Some(n as u32 % 100).into()],
        unique,
        countries: countries.collect(),
    })
}

/// Returns `count` countries in order.
fn countries(count: u32) -> impl Iterator<Item = (u32, Country)> {
    const CODES: [&str; 12] = [
        "AT", "BR", "CA", "DE", "FR", "GB", "IN", "IT", "JP", "PL", "RU", "US",
    ];
    (0..count).zip(CODES.map(Country::parse))
}
