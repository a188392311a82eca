//! Torrents in all states, with everything that a page can show.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use seedwatch_core::events::{EventHistory, StateEvent};
use seedwatch_core::history::{Day, PeerRange, UtcDay};
use seedwatch_core::snapshot::{
    AnnounceRow, AsnSummary, Cause, CollectionRow, Country, CountryPeers, CountryRow, Counts,
    Credit, DhtRow, DhtStatus, FailureReason, GeoBreakdown, ListRow, ListedWindows, Phases,
    Privacy, ProbeError, Problem, Retry, Snapshot, Source, StateRow, Torrent, TorrentRow,
    TorrentWindows, TrackerId, TrackerRow, Unix,
};
use seedwatch_core::verdict::{Condition, Conditions, Reason, State, Verdict};
use seedwatch_torrent::{Details, Hashes, InfoHash, Tier, TrackerList, TrackerUrl};

const TAKEN: u64 = 1_790_000_100;
const DAY: u64 = 86_400;

/// Names as publishers write them, also from right to left and without a space to break at.
const NAMES: [&str; 8] = [
    "BBC Radiophonic archive disc",
    "Census 1921 - parish registers, volume",
    "wikipedia_en_all_maxi_2025-10_with_all_pictures_and_no_space_to_break_the_line_at.zim",
    "annas_archive_meta__aacid__nexusstc",
    "Internet Archive - Prelinger tapes reel",
    "usgs-landsat-scene.tar",
    "ספריית הקונגרס אוסף",
    "国立国会図書館 デジタルコレクション",
];

const COLLECTIONS: [Option<&str>; 4] = [
    Some("library"),
    Some("radio \"&\" tape"),
    None,
    Some("maps"),
];
const COUNTRIES: [&str; 9] = ["DE", "US", "FR", "NL", "JP", "SG", "BR", "ZA", ""];
const TRACKERS: usize = 9;

/// Returns the name of a torrent.
fn name(n: usize) -> String {
    format!("{} {n}", NAMES[n % NAMES.len()])
}

/// Returns the path of the page of a torrent.
pub(super) fn torrent_page(n: usize) -> String {
    format!(
        "/torrents/{}",
        utf8_percent_encode(&name(n), NON_ALPHANUMERIC)
    )
}

fn hash(n: usize) -> InfoHash {
    let mut bytes = [7; 20];
    bytes[..4].copy_from_slice(&(n as u32).to_be_bytes());
    InfoHash(bytes)
}

/// Returns the label of a tracker.
fn label(tracker: usize) -> String {
    match tracker % 3 {
        0 => format!("https://tracker-{tracker}.example:443"),
        _ => format!("udp://tracker-{tracker}.example:6969"),
    }
}

/// Returns a state, with the reason and the condition that come with it: 3 in 22 are dead, 2 at
/// risk.
fn verdict(n: usize) -> Verdict {
    let (state, reason, condition) = match n % 22 {
        3 | 13 | 20 => (State::Dead, Reason::Empty, None),
        4 => (State::AtRisk, Reason::PeersNamed, Some(Condition::FewPeers)),
        14 => (State::AtRisk, Reason::PeersNamed, Some(Condition::NoSeeder)),
        5 => (State::Pending, Reason::Unasked, None),
        6 => (State::Private, Reason::Private, None),
        7 => (State::Unobserved, Reason::Silence, None),
        8 => (State::Alive, Reason::PeersNamed, Some(Condition::NoTracker)),
        _ => (State::Alive, Reason::PeersNamed, None),
    };
    let conditions = condition.map(|it| Conditions::default().with(it, true));
    Verdict {
        state,
        reason,
        conditions: conditions.unwrap_or_default(),
        since: Unix(TAKEN - 3600 * (1 + n as u64 % 700)).into(),
    }
}

/// Returns the peers of a torrent, if they are known.
fn peers(n: usize) -> Option<u32> {
    let n = n as u32;
    match verdict(n as usize).state {
        State::Dead => Some(0),
        State::AtRisk => Some(1 + n % 3),
        State::Alive => Some(4 + n.wrapping_mul(2_654_435_761) % 1500),
        State::Unobserved | State::Pending | State::Private => None,
    }
}

fn torrent(n: usize) -> Torrent {
    let urls = [n % TRACKERS, (n + 4) % TRACKERS].map(|tracker| {
        let url = format!("{}/announce", label(tracker));
        (Arc::new(TrackerUrl::parse(&url).unwrap()), Tier::of(0))
    });
    let is_private = verdict(n).state == State::Private;
    Torrent {
        name: name(n).into(),
        hashes: Hashes::V1(hash(n)),
        trackers: TrackerList::new(urls),
        details: Details {
            collection: COLLECTIONS[n % COLLECTIONS.len()].map(Arc::from),
            labels: [("team".to_owned(), "archive".to_owned())].into(),
            ..Details::default()
        }
        .boxed(),
        privacy: if is_private {
            Privacy::LeftAlone
        } else {
            Privacy::Public
        },
        size: NonZeroU64::new((1 + n as u64) * 700_000_000),
    }
}

fn row(n: usize) -> TorrentRow {
    let count = peers(n);
    let is_known = count.is_some();
    let online = count.map(|_| {
        if verdict(n).conditions.has(Condition::NoTracker) {
            0
        } else {
            2
        }
    });
    TorrentRow {
        peers: [count.into(), None.into()],
        source_peers: [count.map(|it| it / 2).into(), count.into()].into(),
        trackers_online: online.into(),
        seeders: count.map(|it| it / 3).into(),
        leechers: count.map(|it| it - it / 3).into(),
        dht_seeders: count.map(|it| it / 4).into(),
        probe_success: [is_known.then_some(true); 2].into(),
        last_success: [Unix(TAKEN - 900).into(), Unix(TAKEN - 300).into()].into(),
        last_peer_seen: Unix(TAKEN - DAY * (n as u64 % 9)).into(),
        listed: if is_known {
            ListedWindows::all()
        } else {
            ListedWindows::default()
        },
        verdict: verdict(n),
        ..TorrentRow::default()
    }
}

fn announces(n: usize) -> Vec<AnnounceRow> {
    let announce = |tracker: usize| {
        let unknown = AnnounceRow::unknown(TrackerId(tracker as u32));
        let failed = |reason, text| {
            let day = Some(Retry::After(Duration::from_secs(3600)));
            Some(Arc::new(Problem::Failed(
                ProbeError::new(reason, text).with_retry(day),
            )))
        };
        match (verdict(n).state, tracker) {
            (State::Pending | State::Private, _) => unknown,
            (_, 2) => AnnounceRow {
                success: Some(false),
                last_probe: Unix(TAKEN - 1200).into(),
                problem: failed(FailureReason::Timeout, "no answer in 15 s"),
                ..unknown
            },
            (_, 4) => AnnounceRow {
                success: Some(false),
                last_probe: Unix(TAKEN - 700).into(),
                problem: failed(
                    FailureReason::Rejected,
                    "Requested download is not authorized",
                ),
                ..unknown
            },
            _ => AnnounceRow {
                success: Some(true),
                last_probe: Unix(TAKEN - 300).into(),
                peers: peers(n).into(),
                seeders: peers(n).map(|it| it / 3).into(),
                leechers: peers(n).map(|it| it - it / 3).into(),
                completed: Some(12_345).into(),
                problem: (tracker == 1)
                    .then(|| Arc::new(Problem::Warning("This tracker closes in May".into()))),
                ..unknown
            },
        }
    };
    match verdict(n).state {
        State::Private => Vec::new(),
        _ => [n % TRACKERS, (n + 4) % TRACKERS].map(announce).into(),
    }
}

fn windows(n: usize) -> Option<TorrentWindows> {
    let all = peers(n)?;
    let shares = COUNTRIES.iter().zip(1..);
    let countries =
        shares.map(|(code, share)| CountryPeers::new(Country::parse(code), all / (share * 2)));
    Some(TorrentWindows {
        counts: Counts {
            all: [all + 1, all * 3 + 2, all * 7 + 4],
            by_source: [[all / 2, all, all * 3], [all, all * 2, all * 5]],
        },
        geo: Some(Arc::new(GeoBreakdown {
            countries: sorted(countries),
            prefixes: all,
            systems: Some(AsnSummary {
                distinct: all / 4,
                largest: all / 5,
                peers: all,
            }),
        })),
    })
}

fn sorted(countries: impl Iterator<Item = CountryPeers>) -> Box<[CountryPeers]> {
    let mut countries: Vec<_> = countries.collect();
    countries.sort_by_key(|row| row.country);
    countries.into()
}

/// Returns 90 days, of which some are not known: a decline for the dead, waves for the others.
fn days(n: usize) -> Vec<Day> {
    let verdict = verdict(n);
    if matches!(verdict.state, State::Private | State::Pending) {
        return Vec::new();
    }
    let is_known = |ago: &u64| !(20..26).contains(&(ago + n as u64 % 5)) && *ago < 85;
    let day = |ago: u64| {
        let wave = (n as u64 * 31 + ago * ago * 7) % 9;
        let most = match verdict.state {
            State::Dead => (ago.saturating_sub(4) / 2 + wave / 4) as u32 * u32::from(ago > 4),
            State::AtRisk => 2 + (ago / 8 + wave / 4) as u32,
            _ => 30 + (ago % 30 + wave * 3) as u32,
        };
        let state = match most {
            0 => State::Dead,
            1..=5 => State::AtRisk,
            _ => State::Alive,
        };
        Day {
            date: UtcDay::of(Unix(TAKEN - ago * DAY)).unwrap(),
            peers: Some(PeerRange {
                least: most / 2,
                most,
            }),
            unique: Some(most + most / 5),
            seeders: Some(most / 3),
            trackers_online: Some(2),
            worst: Some(state),
            last: Some(state),
            known: Duration::from_secs(DAY),
        }
    };
    (0..90).rev().filter(is_known).map(day).collect()
}

fn tracker(id: usize) -> TrackerRow {
    let is_down = id == 2;
    let phases = Phases {
        resolve: Some(Duration::from_micros(1500)),
        connect: Some(Duration::from_millis(21)),
        tls: id.is_multiple_of(3).then_some(Duration::from_millis(30)),
        response: Some(Duration::from_millis(25)),
    };
    let mut failures = [0; FailureReason::ALL.len()];
    failures[FailureReason::Timeout.index()] = if is_down { 1234 } else { id as u64 };
    TrackerRow {
        label: label(id).into(),
        up: [Some(!is_down), id.is_multiple_of(4).then_some(true)],
        phases: [(!is_down).then_some(phases), None],
        certificate_expiry: id.is_multiple_of(3).then_some(Unix(TAKEN + 40 * DAY)),
        interval: (!is_down).then_some(Duration::from_secs(1800)),
        next_probe: Some(Unix(TAKEN + 60 * id as u64)),
        requests: 123_456,
        probes: 61_728,
        failures,
        problem: (id == 1).then(|| Arc::new(Problem::Warning("This tracker closes in May".into()))),
    }
}

fn collection(name: &str, torrents: u32) -> CollectionRow {
    let row = |(code, share): (&&str, u32)| CountryRow {
        country: Country::parse(code),
        peers: Some(torrents * 40 / share).into(),
        unique: [1, 2, 3].map(|n| Some(n * torrents).into()),
    };
    CollectionRow {
        name: name.into(),
        torrents,
        peers: [Some(torrents * 90).into(), Some(torrents * 9).into()],
        unique: [120, 400, 900].map(|n| Some(n * torrents).into()),
        countries: COUNTRIES.iter().zip(1..).map(row).collect(),
    }
}

fn events(torrents: usize) -> EventHistory {
    let event = |n: usize| {
        let of = n * 7 % torrents;
        let to = verdict(of).state;
        StateEvent {
            torrent: hash(of),
            from: if to == State::Alive {
                State::Dead
            } else {
                State::Alive
            },
            to,
            reason: verdict(of).reason,
            at: Unix(TAKEN - 3600 * (torrents - n) as u64 / 4).into(),
        }
    };
    EventHistory::of((0..torrents).map(event))
}

/// Returns a list that is up, and one that is not.
fn lists() -> Arc<[ListRow]> {
    let list = |name: &str, reason: Option<&'static str>| ListRow {
        name: name.into(),
        is_up: Some(reason.is_none()),
        reason,
        entries: Some(18_000),
        last_success: Some(Unix(TAKEN - 7200)),
        ..ListRow::default()
    };
    [
        list("library", None),
        list("radio & tape", Some("not_a_list")),
    ]
    .into()
}

/// Returns a snapshot of so many torrents.
pub(super) fn snapshot(torrents: usize) -> Snapshot {
    let mut order: Vec<usize> = (0..torrents).collect();
    order.sort_by_key(|n| name(*n));
    let rows = order
        .iter()
        .map(|n| (torrent(*n), row(*n), announces(*n), windows(*n)));
    let mut dht = DhtRow::default();
    dht.families[0] = Some(DhtStatus {
        up: Some(true),
        nodes: 431,
        estimated_nodes: Some(9_800_000),
        ..DhtStatus::default()
    });
    let members = |name: &str| {
        let all = order.iter();
        all.filter(|n| COLLECTIONS[**n % COLLECTIONS.len()] == Some(name))
            .count() as u32
    };
    let names = ["library", "maps", "radio \"&\" tape"];
    let base = Snapshot {
        taken: Unix(TAKEN),
        trackers: (0..TRACKERS)
            .map(|id| Some(Arc::new(tracker(id))))
            .collect(),
        network_up: [Some(true), None],
        collections: names
            .map(|name| Arc::new(collection(name, members(name))))
            .into(),
        causes: vec![Cause::TrackerDown {
            tracker: label(2).into(),
            torrents: torrents as u32 / 9,
        }],
        dht: Some(dht),
        state: Some(StateRow {
            last_save: Some(Unix(TAKEN - 200)),
            failures: 0,
        }),
        events: Arc::new(events(torrents)),
        lists: lists(),
        ..Snapshot::default()
    };
    let mut snapshot = base.with_torrents(rows);
    snapshot = snapshot.with_histories(order.iter().map(|n| days(*n)));
    snapshot.config.last_reload_successful = true;
    snapshot.config.last_reload_success = Unix(TAKEN - 5 * 3600);
    snapshot.config.countries = true;
    snapshot.geo.built = [Some(Unix(TAKEN - 20 * DAY)), None];
    snapshot.geo.credit = Some(Credit {
        text: "IP Geolocation by DB-IP",
        url: "https://db-ip.com",
    });
    assert!(snapshot.sources().any(|source| source == Source::Dht));
    snapshot
}

/// Returns a snapshot in which nothing is known yet.
pub(super) fn first_minute(torrents: usize) -> Snapshot {
    let mut order: Vec<usize> = (0..torrents).collect();
    order.sort_by_key(|n| name(*n));
    let pending = |n: &usize| (torrent(*n), TorrentRow::default(), Vec::new(), None);
    let base = Snapshot {
        taken: Unix(TAKEN),
        dht: Some(DhtRow::default()),
        ..Snapshot::default()
    };
    base.with_torrents(order.iter().map(pending))
}
