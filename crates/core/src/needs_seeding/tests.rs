mod simulation;

use std::num::NonZeroU64;
use std::sync::Arc;

use super::*;
use crate::snapshot::{Count, Torrent, TorrentRow};
use crate::verdict::Verdict;
use seedwatch_torrent::{Details, Hashes, InfoHash, TrackerList};

/// A torrent with its row.
struct Sample {
    torrent: Torrent,
    row: TorrentRow,
}

const GB: u64 = 1_000_000_000;

fn sample(n: u8, state: State, copies: Option<u32>, gigabytes: u64) -> Sample {
    Sample {
        torrent: Torrent {
            name: format!("t{n}").into(),
            hashes: Hashes::V1(InfoHash([n; 20])),
            trackers: TrackerList::default(),
            details: None,
            privacy: Privacy::Public,
            size: NonZeroU64::new(gigabytes * GB),
        },
        row: TorrentRow {
            seeders: Count::from(copies),
            verdict: Verdict {
                state,
                since: Unix(1_790_000_000 + u64::from(n)).into(),
                ..Verdict::default()
            },
            ..TorrentRow::default()
        },
    }
}

fn snapshot(samples: Vec<Sample>) -> Snapshot {
    let rows = samples.into_iter();
    Snapshot::default().with_torrents(rows.map(|it| (it.torrent, it.row, Vec::new(), None)))
}

const ALL: Query<'_> = Query {
    max_bytes: None,
    max_copies: Query::DEFAULT_MAX_COPIES,
    collection: None,
    client: "a",
};

fn names(snapshot: &Snapshot, query: Query<'_>) -> Vec<String> {
    let selection = Selection::of(snapshot, &query);
    let names = selection
        .entries
        .iter()
        .map(|entry| entry.view.torrent.name.to_string());
    names.collect()
}

#[test]
fn the_most_needed_come_first_and_unknown_seeders_are_not_none() {
    let recovering = |mut sample: Sample| {
        sample.row.needy_since = Unix(1_780_000_000).into();
        sample
    };
    let snapshot = snapshot(vec![
        sample(0, State::Alive, Some(2), 1),
        sample(1, State::Alive, Some(3), 1),
        sample(2, State::AtRisk, None, 9),
        sample(3, State::Dead, None, 1),
        sample(4, State::AtRisk, Some(1), 1),
        sample(5, State::Alive, None, 1),
        sample(6, State::Dead, Some(0), 2),
        recovering(sample(7, State::Alive, Some(9), 99)),
        sample(8, State::Unobserved, Some(0), 1),
    ]);
    assert_eq!(names(&snapshot, ALL), ["t6", "t3", "t4", "t2", "t0", "t7"]);
    let wider = Query {
        max_copies: 3,
        ..ALL
    };
    assert_eq!(
        names(&snapshot, wider),
        ["t6", "t3", "t4", "t2", "t0", "t1", "t7"]
    );
    let narrower = Query {
        max_copies: 1,
        ..ALL
    };
    assert_eq!(names(&snapshot, narrower), ["t6", "t3", "t4", "t2", "t7"]);
    let selection = Selection::of(&snapshot, &ALL);
    let since: Vec<_> = selection
        .entries
        .iter()
        .map(|entry| entry.since.unwrap().0)
        .collect();
    assert_eq!(since[0], 1_790_000_006);
    assert_eq!(since[5], 1_780_000_000);
    assert_eq!(selection.latest(), Some(Unix(1_790_000_006)));
}

/// Nothing is known after a restart, and where trackers stopped counting seeders.
#[test]
fn a_remembered_need_without_evidence_stays_and_is_no_recovery() {
    let samples = [
        (State::Alive, None),
        (State::Pending, None),
        (State::Unobserved, None),
        (State::Alive, Some(3)),
        (State::Alive, Some(2)),
    ];
    let samples = samples.into_iter().zip(0..).map(|((state, copies), n)| {
        let mut sample = sample(n, state, copies, 1);
        sample.row.needy_since = Unix(1_780_000_000).into();
        sample
    });
    let snapshot = snapshot(samples.collect());
    let selection = Selection::of(&snapshot, &ALL);
    let mut found: Vec<_> = (selection.entries.iter())
        .map(|entry| {
            let name = &*entry.view.torrent.name;
            (name, entry.is_recovering, entry.is_remembered)
        })
        .collect();
    found.sort_unstable();
    let expected = [
        ("t0", false, true),
        ("t1", false, true),
        ("t2", false, true),
        ("t3", true, false),
        ("t4", false, false),
    ];
    assert_eq!(found, expected);
    assert_eq!(selection.entries.last().unwrap().copies, Some(3));
}

#[test]
fn private_torrents_are_never_selected() {
    let mut samples = vec![
        sample(0, State::Dead, None, 1),
        sample(1, State::Dead, None, 1),
        sample(2, State::Private, None, 1),
    ];
    samples[0].torrent.privacy = Privacy::Consented;
    samples[1].torrent.privacy = Privacy::LeftAlone;
    assert_eq!(names(&snapshot(samples), ALL), [""; 0]);
}

#[test]
fn a_collection_can_be_asked_for() {
    let mut samples = vec![
        sample(0, State::Dead, None, 1),
        sample(1, State::Dead, None, 1),
    ];
    samples[1].torrent.details = Details {
        collection: Some(Arc::from("census")),
        ..Details::default()
    }
    .boxed();
    let query = Query {
        collection: Some("census"),
        ..ALL
    };
    assert_eq!(names(&snapshot(samples), query), ["t1"]);
}

#[test]
fn unknown_sizes_count_as_the_mean_of_the_known_ones() {
    let samples = || {
        vec![
            sample(0, State::Dead, None, 2),
            sample(1, State::Dead, None, 4),
            sample(2, State::Dead, None, 0),
        ]
    };
    let all = snapshot(samples());
    let query = |gigabytes| Query {
        max_bytes: Some(gigabytes * GB),
        ..ALL
    };
    assert_eq!(Selection::of(&all, &ALL).bytes, 9 * GB);
    assert_eq!(names(&all, query(9)).len(), 3);
    assert!(names(&all, query(8)).len() < 3);
    let unknown = snapshot(vec![sample(0, State::Dead, None, 0)]);
    assert_eq!(names(&unknown, query(9)), [""; 0]);
    assert_eq!(names(&unknown, query(10)), ["t0"]);
}
