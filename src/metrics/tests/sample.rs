//! A small snapshot with every kind of row, for tests.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use seedwatch_core::snapshot::{
    AnnounceRow, AsnLabel, AsnSummary, CliffRows, CollectionRow, Count, Country, CountryPeers,
    CountryRow, Counts, Credit, DhtRow, DhtStatus, FailureReason, GeoBreakdown, GeoRow, Histogram,
    ListRow, ListedWindows, Phases, Privacy, ProbeError, Problem, Snapshot, Source, StateRow,
    Torrent, TorrentRow, TorrentWindows, TotalsRow, TrackerId, TrackerRow, UniquePeers, Unix,
};
use seedwatch_core::verdict::{Condition, Conditions, Reason, State, Verdict};
use seedwatch_distinct::Window;
use seedwatch_geo::Asn;
use seedwatch_torrent::{Details, Hashes, InfoHash, InfoHashV2, TrackerUrl};

const TRACKERS: [&str; 3] = [
    "udp://tracker.example:1337/announce",
    "https://secure.example/secret-passkey/announce",
    "http://[2001:db8::1]:6969/announce",
];

/// Returns a snapshot of four torrents: fully known, empty, not yet probed, and private.
pub(crate) fn snapshot() -> Snapshot {
    let snapshot = Snapshot {
        taken: Unix(1_790_000_100),
        // The second tracker was removed by a reload.
        trackers: vec![Some(Arc::new(udp())), None, Some(Arc::new(https()))],
        names_fail: false,
        network_up: [Some(true), None],
        peers_rejected: [5, 0, 1, 2],
        collections: [idle(), census()].map(Arc::new).into(),
        totals: totals(),
        geo: geo(),
        ..Snapshot::default()
    };
    let new = sample("new", Hashes::V2(Box::new(InfoHashV2([0xab; 32]))), &[0]);
    let samples = [alive(), empty(), new, private()];
    let mut snapshot = snapshot.with_torrents(samples.map(Sample::parts));
    snapshot.cliffs = Arc::new(cliffs());
    snapshot.schedule.overdue = 3;
    snapshot.schedule.lag = Duration::from_millis(1500);
    snapshot.schedule.in_flight = [1, 2].into();
    for seconds in [0.003, 0.03, 0.03, 0.7, 60.0] {
        snapshot.probe_durations[Source::Tracker].observe(seconds, &Histogram::SECONDS);
    }
    snapshot.dht = Some(dht());
    snapshot.probe_durations[Source::Dht] = dht().durations;
    snapshot.state = Some(StateRow {
        last_save: Some(Unix(1_790_000_050)),
        failures: 1,
    });
    snapshot.lists = [
        ListRow {
            name: "books".into(),
            is_up: Some(false),
            reason: Some("html"),
            detail: Some("a web page instead of a list".into()),
            entries: Some(18_000),
            last_success: Some(Unix(1_790_000_010)),
            next_fetch: Some(Unix(1_790_000_400)),
            failures: vec![("html", 2), ("timeout", 1)],
        },
        // Before the first fetch.
        ListRow {
            name: "https://list.example:443".into(),
            ..ListRow::default()
        },
    ]
    .into();
    snapshot.config.last_reload_successful = true;
    snapshot.config.last_reload_success = Unix(1_790_000_000);
    snapshot.config.per_tracker = true;
    snapshot.config.countries = true;
    snapshot
}

/// One torrent of the snapshot.
pub(crate) struct Sample {
    pub(crate) torrent: Torrent,
    pub(crate) row: TorrentRow,
    pub(crate) announces: Vec<AnnounceRow>,
    pub(crate) reach: Option<TorrentWindows>,
}

impl Sample {
    pub(crate) fn parts(
        self,
    ) -> (
        Torrent,
        TorrentRow,
        Vec<AnnounceRow>,
        Option<TorrentWindows>,
    ) {
        (self.torrent, self.row, self.announces, self.reach)
    }
}

/// Returns a torrent without any known value.
pub(crate) fn sample(name: &str, hashes: Hashes, trackers: &[u32]) -> Sample {
    let urls = trackers
        .iter()
        .map(|id| TrackerUrl::parse(TRACKERS[url(*id)]).unwrap());
    Sample {
        torrent: Torrent {
            name: name.into(),
            hashes,
            trackers: urls.map(Arc::new).collect(),
            details: None,
            privacy: Privacy::Public,
            size: None,
        },
        row: TorrentRow::default(),
        announces: trackers.iter().map(|id| announce(TrackerId(*id))).collect(),
        reach: None,
    }
}

fn url(tracker: u32) -> usize {
    match tracker {
        0 => 0,
        2 => 1,
        _ => 2,
    }
}

/// Returns an announce without any known value.
pub(crate) fn announce(tracker: TrackerId) -> AnnounceRow {
    AnnounceRow::unknown(tracker)
}

fn alive() -> Sample {
    let hashes = Hashes::Hybrid(InfoHash([0x0f; 20]), Box::new(InfoHashV2([0xc4; 32])));
    let mut it = sample("a \"quoted\" \\ name\nof two lines", hashes, &[0, 2]);
    let labels = BTreeMap::from([("team".into(), "archive".into())]);
    let collection = Some("census".into());
    it.torrent.details = Details {
        collection,
        labels,
        ..Details::default()
    }
    .boxed();
    it.torrent.size = NonZeroU64::new(4_700_000_000);
    it.row.peers = [Some(40).into(), Some(2).into()];
    it.row.source_peers = [Some(17).into(), Some(42).into()].into();
    it.row.dht_seeders = Some(12).into();
    it.row.dht_leechers = Some(6).into();
    it.row.trackers_online = Some(1).into();
    it.row.seeders = Some(30).into();
    it.row.leechers = Some(9).into();
    it.row.probe_success = [Some(true); 2].into();
    it.row.last_success = [Unix(1_790_000_070).into(), Unix(1_790_000_090).into()].into();
    it.row.listed = ListedWindows::all();
    it.row.last_peer_seen = Unix(1_790_000_090).into();
    it.reach = Some(reach());
    it.row.verdict = Verdict {
        conditions: Conditions::default().with(Condition::OneNetwork, true),
        ..verdict(State::Alive, Reason::PeersNamed)
    };
    it.announces[0] = AnnounceRow {
        success: Some(true),
        peers: Some(42).into(),
        seeders: Some(30).into(),
        leechers: Some(9).into(),
        completed: Some(1234).into(),
        problem: Some(Arc::new(Problem::Warning("closes in May".into()))),
        ..announce(TrackerId(0))
    };
    it.announces[1] = AnnounceRow {
        success: Some(false),
        refusals: 3,
        problem: Some(Arc::new(Problem::Failed(ProbeError::new(
            FailureReason::Rejected,
            "unregistered torrent",
        )))),
        ..announce(TrackerId(2))
    };
    it
}

/// Returns a fall of each kind.
fn cliffs() -> CliffRows {
    let country = Country::parse("US");
    CliffRows {
        torrents: vec![(0, country, 0.25)],
        countries: vec![(country, 0.375)],
        collections: vec![("census".into(), country, 0.125)],
        systems: vec![(Asn(64_500), 0.5)],
    }
}

/// Returns windows with peers of both sources, and a country that has no peers now.
fn reach() -> TorrentWindows {
    let counts = Counts {
        all: [61, 240, 700],
        by_source: [[30, 110, 300], [50, 180, 520]],
    };
    let countries = [("DE", 20), ("FR", 0), ("US", 21), ("", 1)]
        .map(|(code, peers)| CountryPeers::new(Country::parse(code), peers));
    let breakdown = GeoBreakdown {
        countries: countries.into(),
        prefixes: 38,
        systems: Some(AsnSummary {
            distinct: 12,
            largest: 2,
            peers: 8,
        }),
    };
    TorrentWindows {
        counts,
        geo: Some(Arc::new(breakdown)),
    }
}

pub(crate) fn unique(counts: [u32; 3]) -> UniquePeers {
    counts.map(|count| Some(count).into())
}

fn census() -> CollectionRow {
    let row = |(code, peers, counts): (&str, u32, [u32; 3])| CountryRow {
        country: Country::parse(code),
        peers: Some(peers).into(),
        unique: unique(counts),
    };
    let countries = [
        ("DE", 20, [29, 100, 310]),
        ("FR", 0, [0, 2, 9]),
        ("US", 21, [30, 137, 379]),
        ("", 1, [2, 2, 2]),
    ];
    CollectionRow {
        name: "census".into(),
        torrents: 1,
        peers: [Some(40).into(), Some(2).into()],
        unique: unique([61, 240, 700]),
        countries: countries.map(row).into(),
    }
}

/// Returns a collection of which only the monthly count is known.
fn idle() -> CollectionRow {
    CollectionRow {
        name: "\"idle\"".into(),
        torrents: 3,
        peers: [Count::UNKNOWN; 2],
        unique: [None.into(), None.into(), Some(0).into()],
        countries: Vec::new(),
    }
}

fn totals() -> TotalsRow {
    let systems = [
        (AsnLabel::Known(Asn(3320)), 20),
        (AsnLabel::Known(Asn(13335)), 9),
        (AsnLabel::Other, 12),
        (AsnLabel::Unknown, 1),
    ];
    TotalsRow {
        unique: unique([61, 240, 700]),
        systems: systems.into(),
    }
}

fn geo() -> GeoRow {
    GeoRow {
        built: [Some(Unix(1_788_000_000)), Some(Unix(1_788_500_000))],
        credit: Some(Credit {
            text: "Places by <Somebody>",
            url: "https://places.example",
        }),
    }
}

fn empty() -> Sample {
    let mut it = sample("empty", Hashes::V1(InfoHash([1; 20])), &[0]);
    it.row.peers = [Some(0).into(), None.into()];
    it.row.source_peers = [None.into(), Some(0).into()].into();
    it.row.trackers_online = Some(1).into();
    it.row.seeders = Some(0).into();
    it.row.probe_success = [Some(false), Some(true)].into();
    it.row.last_success = [Unix(1_789_000_000).into(), Unix(1_790_000_080).into()].into();
    it.row.listed = ListedWindows::default()
        .with(Source::Dht, [Window::Month])
        .with(Source::Tracker, Window::ALL);
    it.row.verdict = verdict(State::Dead, Reason::Empty);
    it.announces[0] = AnnounceRow {
        success: Some(true),
        peers: Some(0).into(),
        seeders: Some(0).into(),
        ..announce(TrackerId(0))
    };
    it
}

/// Returns a verdict of ten minutes ago.
fn verdict(state: State, reason: Reason) -> Verdict {
    Verdict {
        state,
        reason,
        conditions: Conditions::default(),
        since: Unix(1_789_999_500).into(),
    }
}

fn private() -> Sample {
    let mut it = sample("private", Hashes::V1(InfoHash([2; 20])), &[2]);
    it.torrent.privacy = Privacy::LeftAlone;
    it.row.verdict = verdict(State::Private, Reason::Private);
    it.announces.clear();
    it
}

/// Returns a DHT row whose IPv6 family has not been queried yet.
fn dht() -> DhtRow {
    let mut dht = DhtRow::default();
    for (seconds, queries) in [(0.28, 9.0), (0.41, 11.0), (31.0, 240.0)] {
        dht.durations.observe(seconds, &Histogram::SECONDS);
        dht.queries.observe(queries, &Histogram::QUERIES);
    }
    dht.families[0] = Some(DhtStatus {
        up: Some(true),
        nodes: 431,
        estimated_nodes: Some(9_800_000),
        queries: 260,
        timeouts: 61,
        errors: 2,
        ..DhtStatus::default()
    });
    dht.families[1] = Some(DhtStatus::default());
    dht
}

fn udp() -> TrackerRow {
    let mut failures = [0; 13];
    failures[FailureReason::Timeout.index()] = 4;
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
        next_probe: Some(Unix(1_790_000_400)),
        requests: 17,
        probes: 9,
        failures,
        problem: None,
    }
}

fn https() -> TrackerRow {
    TrackerRow {
        label: "https://secure.example:443".into(),
        up: [Some(true), None],
        phases: [None, None],
        certificate_expiry: Some(Unix(1_800_000_000)),
        interval: None,
        next_probe: None,
        requests: 1,
        probes: 1,
        failures: [0; 13],
        problem: None,
    }
}
