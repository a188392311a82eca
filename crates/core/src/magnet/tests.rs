use std::num::NonZeroU64;
use std::sync::Arc;

use super::*;
use crate::history::DailyHistory;
use crate::snapshot::{ExclusiveShare, ProbeError, Problem, TorrentRow, TrackerId};
use seedwatch_torrent::{
    Details, Hashes, InfoHash, InfoHashV2, Magnet, Tier, TrackerList, WebSeed,
};

/// A torrent with these trackers: URL, and tier unless only the configuration names it.
fn torrent(trackers: &[(&str, Option<usize>)]) -> Torrent {
    let trackers = trackers.iter().map(|(url, tier)| {
        let url = Arc::new(TrackerUrl::parse(url).unwrap());
        (url, tier.map_or(Tier::CONFIGURED, Tier::of))
    });
    Torrent {
        name: "census & more".into(),
        hashes: Hashes::Hybrid(InfoHash([0xab; 20]), Box::new(InfoHashV2([0xcd; 32]))),
        trackers: TrackerList::new(trackers),
        details: None,
        privacy: Privacy::Public,
        size: NonZeroU64::new(1234),
    }
}

fn listing(peers: u32, exclusive: u32) -> AnnounceRow {
    AnnounceRow {
        success: Some(true),
        peers: Some(peers).into(),
        exclusive: ExclusiveShare::new(exclusive, peers),
        ..AnnounceRow::unknown(TrackerId(0))
    }
}

/// A tracker that has failed, or has refused the torrent three times.
fn failing(reason: FailureReason) -> AnnounceRow {
    AnnounceRow {
        success: Some(false),
        refusals: MIN_REFUSALS,
        problem: Some(Arc::new(Problem::Failed(ProbeError::new(reason, "")))),
        ..AnnounceRow::unknown(DOWN)
    }
}

/// The tracker of [`failing`] rows, in [`world`].
const DOWN: TrackerId = TrackerId(1);

/// A snapshot with a tracker that is up, and one that is down over the family that was tried.
fn world() -> Snapshot {
    let tracker = |up| {
        Some(Arc::new(TrackerRow {
            label: "udp://t.example:1".into(),
            up: [up, None],
            phases: [None; 2],
            certificate_expiry: None,
            interval: None,
            next_probe: None,
            requests: 0,
            probes: 0,
            failures: [0; FailureReason::ALL.len()],
            problem: None,
        }))
    };
    Snapshot {
        trackers: vec![tracker(Some(true)), tracker(Some(false))],
        ..Snapshot::default()
    }
}

fn unknown() -> AnnounceRow {
    AnnounceRow::unknown(TrackerId(0))
}

fn repair_in(snapshot: &Snapshot, torrent: &Torrent, announces: &[AnnounceRow]) -> Repaired {
    let row = TorrentRow::default();
    let view = TorrentView {
        torrent,
        row: &row,
        announces,
        windows: None,
        history: DailyHistory::default(),
    };
    repaired(snapshot, view).unwrap()
}

fn repair(torrent: &Torrent, announces: &[AnnounceRow]) -> Repaired {
    repair_in(&world(), torrent, announces)
}

/// Returns the hosts of the trackers of a link.
fn hosts(magnet: &str) -> Vec<String> {
    let magnet = Magnet::parse(magnet).unwrap();
    let urls = magnet
        .trackers
        .iter()
        .map(|url| TrackerUrl::parse(url).unwrap());
    urls.map(|url| url.host().to_string()).collect()
}

fn words(repaired: &Repaired) -> Vec<String> {
    repaired.difference.iter().map(Change::to_string).collect()
}

const A: (&str, Option<usize>) = ("udp://a.example:1/announce", Some(0));
const B: (&str, Option<usize>) = ("udp://b.example:1/announce", Some(1));
const C: (&str, Option<usize>) = ("http://c.example/announce", Some(2));

#[test]
fn links_name_both_hashes_the_name_and_the_size() {
    let link = published(&torrent(&[A])).unwrap();
    let expected = format!(
        "magnet:?xt=urn:btih:{}&xt=urn:btmh:1220{}&dn=census%20%26%20more&xl=1234\
         &tr=udp%3A%2F%2Fa.example%3A1%2Fannounce",
        "ab".repeat(20),
        "cd".repeat(32)
    );
    assert_eq!(link, expected);
}

#[test]
fn trackers_are_ranked_by_the_peers_that_only_they_list() {
    let repaired = repair(
        &torrent(&[A, B, C]),
        &[listing(50, 0), listing(9, 2), listing(7, 7)],
    );
    assert_eq!(
        hosts(&repaired.magnet),
        ["c.example", "b.example", "a.example"]
    );
    assert_eq!(
        words(&repaired),
        [
            "http://c.example:80 comes earlier: it lists 7 peers, of which no other source lists \
             7.",
            "udp://b.example:1 comes earlier: it lists 9 peers, of which no other source lists 2.",
        ]
    );
}

#[test]
fn the_order_within_a_tier_is_kept() {
    let second = |url| (url, Some(1));
    let torrent = torrent(&[A, second(B.0), second(C.0)]);
    let repaired = repair(&torrent, &[listing(1, 0), listing(1, 0), listing(7, 7)]);
    assert_eq!(
        hosts(&repaired.magnet),
        ["b.example", "c.example", "a.example"]
    );
}

#[test]
fn useless_trackers_are_left_out_with_the_reason() {
    for (reason, words_expected) in [
        (
            FailureReason::Dns,
            Some("udp://a.example:1 is left out: it gives no valid answer (dns)."),
        ),
        (
            FailureReason::Denied,
            Some("udp://a.example:1 is left out: its operator asks not to be contacted."),
        ),
        (
            FailureReason::Rejected,
            Some("udp://a.example:1 is left out: it refuses this torrent."),
        ),
        (FailureReason::RateLimited, None),
        (FailureReason::Unsupported, None),
    ] {
        let repaired = repair(&torrent(&[A, B]), &[failing(reason), listing(3, 1)]);
        let expected: Vec<_> = words_expected.into_iter().collect();
        let is_kept = hosts(&repaired.magnet).contains(&"a.example".to_owned());
        assert_eq!(is_kept, expected.is_empty(), "{reason}");
        if !is_kept {
            assert_eq!(words(&repaired), expected);
        }
    }
}

#[test]
fn unknown_is_not_dead() {
    let nothing = repair(&torrent(&[A, B]), &[unknown(), unknown()]);
    assert_eq!(Some(nothing.magnet), published(&torrent(&[A, B])));
    assert_eq!(nothing.difference, [Change::NothingKnown]);

    // An answer that is not stale yet outweighs a failure.
    let short_outage = AnnounceRow {
        problem: failing(FailureReason::Timeout).problem,
        success: Some(false),
        ..listing(4, 4)
    };
    let repaired = repair(&torrent(&[A, B]), &[short_outage, unknown()]);
    assert_eq!(hosts(&repaired.magnet).len(), 2);
    assert_eq!(repaired.difference, []);

    let outage = Snapshot {
        network_up: [Some(false), None],
        ..world()
    };
    let rows = [failing(FailureReason::Timeout), unknown()];
    let repaired = repair_in(&outage, &torrent(&[A, B]), &rows);
    assert_eq!(hosts(&repaired.magnet).len(), 2);
}

#[test]
fn one_failed_probe_changes_no_link() {
    let rows = |reason, refusals| {
        let failed = AnnounceRow {
            tracker: TrackerId(0),
            refusals,
            ..failing(reason)
        };
        [failed, listing(0, 0)]
    };
    // The tracker is up, or not known to be down.
    for reason in [FailureReason::Refused, FailureReason::Timeout] {
        let repaired = repair(&torrent(&[A, B]), &rows(reason, 0));
        assert_eq!(hosts(&repaired.magnet), ["a.example", "b.example"]);
        assert_eq!(repaired.difference, []);
    }
    for (refusals, expected) in [(1, 2), (2, 2), (3, 1)] {
        let repaired = repair(&torrent(&[A, B]), &rows(FailureReason::Rejected, refusals));
        assert_eq!(hosts(&repaired.magnet).len(), expected, "{refusals}");
    }
}

#[test]
fn while_our_own_network_or_resolver_is_out_no_tracker_is_left_out() {
    let outage = Snapshot {
        network_up: [Some(false); 2],
        ..world()
    };
    let no_names = Snapshot {
        names_fail: true,
        ..world()
    };
    for snapshot in [outage, no_names] {
        for reason in [
            FailureReason::Dns,
            FailureReason::Rejected,
            FailureReason::Denied,
        ] {
            let rows = [failing(reason), listing(1, 1)];
            let repaired = repair_in(&snapshot, &torrent(&[A, B]), &rows);
            assert_eq!(hosts(&repaired.magnet).len(), 2, "{reason}");
        }
    }
}

#[test]
fn the_last_trackers_are_kept_and_the_difference_says_so() {
    let torrent = torrent(&[A, B, ("http://c.example/hunter2/announce", Some(2))]);
    let rows = [
        failing(FailureReason::Timeout),
        failing(FailureReason::Rejected),
        unknown(),
    ];
    let repaired = repair(&torrent, &rows);
    assert_eq!(hosts(&repaired.magnet), ["a.example", "b.example"]);
    assert_eq!(repaired.trackers.len(), 2);
    assert_eq!(
        words(&repaired),
        [
            "udp://a.example:1 is kept because no tracker would remain, although it gives no \
             valid answer (timeout).",
            "udp://b.example:1 is kept because no tracker would remain, although it refuses this \
             torrent.",
            "http://c.example:80 is left out: a part of its URL may be a passkey.",
        ]
    );
}

#[test]
fn trackers_of_the_configuration_are_added_if_they_list_peers() {
    let ours = |url| (url, None);
    let torrent = torrent(&[A, ours(B.0), ours(C.0)]);
    assert_eq!(hosts(&published(&torrent).unwrap()), ["a.example"]);
    let rows = [
        failing(FailureReason::Timeout),
        listing(2, 2),
        listing(0, 0),
    ];
    let repaired = repair(&torrent, &rows);
    assert_eq!(hosts(&repaired.magnet), ["b.example"]);
    assert_eq!(
        words(&repaired),
        [
            "udp://b.example:1 is added: it lists 2 peers, of which no other source lists 2.",
            "udp://a.example:1 is left out: it gives no valid answer (timeout).",
        ]
    );
}

#[test]
fn no_link_shows_a_secret_or_a_private_torrent() {
    let secret = ("http://c.example/hunter2/announce", Some(0));
    let mut torrent = torrent(&[secret, B]);
    let seed = |url, kind| Arc::new(WebSeed::parse(url, kind).unwrap());
    torrent.details = Details {
        web_seeds: Box::new([
            seed("https://w.example/a b/", WebSeedKind::Files),
            seed("https://w.example/?sig=hunter2", WebSeedKind::Files),
            seed("https://w.example/p", WebSeedKind::Pieces),
        ]),
        ..Details::default()
    }
    .boxed();
    let repaired = repair(&torrent, &[listing(5, 5), listing(1, 0)]);
    for link in [published(&torrent).unwrap(), repaired.magnet.clone()] {
        assert!(!link.contains("hunter2"), "{link}");
        assert!(
            link.ends_with("&ws=https%3A%2F%2Fw.example%2Fa%2520b%2F"),
            "{link}"
        );
        assert_eq!(hosts(&link), ["b.example"]);
    }
    assert_eq!(
        words(&repaired),
        [
            "http://c.example:80 is left out: a part of its URL may be a passkey.",
            "The web seed https://w.example is left out: its URL has a query, which may be a \
             secret.",
            "1 web seed kept as published: seedwatch does not check them.",
            "1 web seed of BEP 17 left out: magnet links cannot name them.",
        ]
    );
    for privacy in [Privacy::Consented, Privacy::LeftAlone] {
        torrent.privacy = privacy;
        assert_eq!(published(&torrent), None);
        let row = TorrentRow::default();
        let view = TorrentView {
            torrent: &torrent,
            row: &row,
            announces: &[],
            windows: None,
            history: DailyHistory::default(),
        };
        assert_eq!(super::repaired(&Snapshot::default(), view), None);
    }
}
