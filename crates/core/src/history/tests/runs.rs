//! Runs against a plain map of days.

use std::collections::BTreeMap;

use super::*;
use proptest::prelude::*;

fn sample(peers: u32) -> DaySample {
    DaySample::from(Day {
        date: UtcDay::default(),
        peers: Some(PeerRange {
            least: peers,
            most: peers,
        }),
        unique: None,
        seeders: None,
        trackers_online: None,
        worst: None,
        last: None,
        known: std::time::Duration::from_secs(HOUR),
    })
}

fn days(runs: &Runs) -> Vec<(UtcDay, DaySample)> {
    super::super::runs::dated(runs.as_slice()).collect()
}

proptest! {
    #[test]
    fn runs_are_a_map_of_days(
        edits in proptest::collection::vec((20_000..20_040_u16, 0..3_u32, any::<bool>()), 0..60)
    ) {
        let (mut runs, mut map) = (Runs::default(), BTreeMap::new());
        for (day, peers, is_insert) in edits {
            let day = UtcDay(day);
            if is_insert {
                runs.insert(day, sample(peers));
                let known = map.entry(day).or_insert(sample(peers));
                *known = known.united(sample(peers));
            } else {
                prop_assert_eq!(runs.take(day), map.remove(&day));
            }
            prop_assert_eq!(days(&runs), map.clone().into_iter().collect::<Vec<_>>());
        }
        let mut twice = runs.clone();
        twice.unite(runs.as_slice());
        prop_assert_eq!(days(&twice), days(&runs));
    }
}

#[test]
fn equal_days_share_a_run() {
    let mut runs = Runs::default();
    for day in 0..600 {
        runs.insert(UtcDay(20_000 + day), sample(4));
    }
    assert_eq!(runs.as_slice().len(), 3, "255 days at most");
    runs.insert(UtcDay(20_600), DaySample::GAP);
    runs.insert(UtcDay(20_601), sample(4));
    assert_eq!(runs.as_slice().len(), 4, "a gap ends a run");
    assert_eq!(days(&runs).len(), 601);
}

#[test]
fn a_block_gives_each_torrent_its_runs() {
    let of = |days: u16, peers| {
        let mut runs = Runs::default();
        (0..days).for_each(|day| runs.insert(UtcDay(20_000 + day), sample(peers + u32::from(day))));
        runs
    };
    let torrents = [of(0, 0), of(3, 1), of(0, 0), of(2, 5)];
    let block = HistoryBlock::of(torrents.iter().map(Runs::as_slice));
    for (position, runs) in torrents.iter().enumerate() {
        assert_eq!(block.get(position), runs.as_slice());
    }
    assert_eq!(block.get(4), []);
    assert_eq!(block.get(500), []);
}
