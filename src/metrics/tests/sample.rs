//! A small snapshot in which every kind of row occurs, for tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::snapshot::{
    AnnounceRow, Failed, Failure, Histogram, Phases, Privacy, Snapshot, Torrent, TorrentRow,
    TrackerId, TrackerRow, Unix,
};
use crate::torrent::{Hashes, InfoHash, InfoHashV2, TrackerUrl};

const TRACKERS: [&str; 3] = [
    "udp://tracker.example:1337/announce",
    "https://secure.example/secret-passkey/announce",
    "http://[2001:db8::1]:6969/announce",
];

/// A torrent with everything known, an empty swarm, one not yet probed, a private one.
pub(crate) fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot {
        taken: Unix(1_790_000_100),
        torrents: vec![
            Arc::new(alive()),
            Arc::new(empty()),
            Arc::new(row(
                "new",
                Hashes::V2(Box::new(InfoHashV2([0xab; 32]))),
                &[0],
            )),
            Arc::new(private()),
        ],
        // The hole is a tracker that a reload has removed.
        trackers: vec![Some(Arc::new(udp())), None, Some(Arc::new(https()))],
        network_up: [Some(true), None],
        peers_rejected: [5, 0, 1, 2],
        ..Snapshot::default()
    };
    snapshot.schedule.overdue = 3;
    snapshot.schedule.lag = Duration::from_millis(1500);
    snapshot.schedule.in_flight = [2];
    snapshot.probe_durations = [Histogram::default()];
    for milliseconds in [3, 30, 30, 700, 60_000] {
        snapshot.probe_durations[0].observe(Duration::from_millis(milliseconds));
    }
    snapshot.config.last_reload_successful = true;
    snapshot.config.last_reload_success = Unix(1_790_000_000);
    snapshot.config.per_tracker = true;
    snapshot
}

/// A torrent of which nothing is known.
pub(crate) fn row(name: &str, hashes: Hashes, trackers: &[u32]) -> TorrentRow {
    TorrentRow {
        torrent: Arc::new(Torrent {
            name: name.into(),
            hashes,
            trackers: trackers
                .iter()
                .map(|id| Arc::new(TrackerUrl::parse(TRACKERS[url(*id)]).unwrap()))
                .collect(),
            labels: None,
            privacy: Privacy::Public,
        }),
        peers: [None; 2],
        source_peers: [None],
        trackers_online: None,
        seeders: None,
        leechers: None,
        probe_success: [None],
        last_success: [None],
        last_peer_seen: None,
        announces: trackers.iter().map(|id| announce(TrackerId(*id))).collect(),
    }
}

fn url(tracker: u32) -> usize {
    match tracker {
        0 => 0,
        2 => 1,
        _ => 2,
    }
}

/// A pair of which nothing is known.
pub(crate) fn announce(tracker: TrackerId) -> AnnounceRow {
    AnnounceRow {
        tracker,
        success: None,
        peers: None,
        seeders: None,
        leechers: None,
        completed: None,
        failure: None,
    }
}

fn alive() -> TorrentRow {
    let hashes = Hashes::Hybrid(InfoHash([0x0f; 20]), Box::new(InfoHashV2([0xc4; 32])));
    let mut row = row("a \"quoted\" \\ name\nof two lines", hashes, &[0, 2]);
    let labels = BTreeMap::from([("team".into(), "archive".into())]);
    let torrent = Torrent {
        labels: Some(Box::new(labels)),
        ..Torrent::clone(&row.torrent)
    };
    row.torrent = Arc::new(torrent);
    row.peers = [Some(40), Some(2)];
    row.source_peers = [Some(42)];
    row.trackers_online = Some(1);
    row.seeders = Some(30);
    row.leechers = Some(9);
    row.probe_success = [Some(true)];
    row.last_success = [Some(Unix(1_790_000_090))];
    row.last_peer_seen = Some(Unix(1_790_000_090));
    row.announces[0] = AnnounceRow {
        success: Some(true),
        peers: Some(42),
        seeders: Some(30),
        leechers: Some(9),
        completed: Some(1234),
        ..announce(TrackerId(0))
    };
    row.announces[1] = AnnounceRow {
        success: Some(false),
        failure: Some(Arc::new(Failed::new(
            Failure::Rejected,
            "unregistered torrent",
        ))),
        ..announce(TrackerId(2))
    };
    row
}

fn empty() -> TorrentRow {
    let mut row = row("empty", Hashes::V1(InfoHash([1; 20])), &[0]);
    row.peers = [Some(0), None];
    row.source_peers = [Some(0)];
    row.trackers_online = Some(1);
    row.seeders = Some(0);
    row.probe_success = [Some(true)];
    row.last_success = [Some(Unix(1_790_000_080))];
    row.announces[0] = AnnounceRow {
        success: Some(true),
        peers: Some(0),
        seeders: Some(0),
        ..announce(TrackerId(0))
    };
    row
}

fn private() -> TorrentRow {
    let mut row = row("private", Hashes::V1(InfoHash([2; 20])), &[2]);
    row.torrent = Arc::new(Torrent {
        privacy: Privacy::LeftAlone,
        ..Torrent::clone(&row.torrent)
    });
    row.announces = Box::new([]);
    row
}

fn udp() -> TrackerRow {
    let mut failures = [0; 13];
    failures[Failure::Timeout.index()] = 4;
    TrackerRow {
        label: "udp://tracker.example:1337".into(),
        up: [Some(true), Some(false)],
        phases: [
            Some(Phases {
                resolve: Some(Duration::from_micros(1500)),
                connect: Some(Duration::from_millis(20)),
                tls: None,
                response: Some(Duration::from_micros(20_250)),
            }),
            None,
        ],
        certificate_expiry: None,
        interval: Some(Duration::from_secs(1800)),
        requests: 17,
        failures,
    }
}

fn https() -> TrackerRow {
    TrackerRow {
        label: "https://secure.example:443".into(),
        up: [Some(true), None],
        phases: [None, None],
        certificate_expiry: Some(Unix(1_800_000_000)),
        interval: None,
        requests: 1,
        failures: [0; 13],
    }
}
