//! What a history takes, by arithmetic.

use super::*;
use crate::snapshot::{Block, TorrentRow};

/// The budget in bytes per torrent and day, in memory and on disk.
const BUDGET: usize = 100;

const TORRENTS: usize = 1_000_000;

/// Returns the bytes of a torrent beside its runs: the current day, the same in the row, and where
/// its runs end.
fn fixed() -> usize {
    let row = size_of::<DatedSample>().next_multiple_of(align_of::<TorrentRow>());
    size_of::<Today>() + row + size_of::<u32>()
}

#[test]
fn a_million_torrents_take_a_gigabyte_at_most_and_40_megabytes_if_nothing_is_known() {
    let worst = fixed() + (HISTORY_DAYS - 1) * size_of::<Run>();
    assert!(worst <= HISTORY_DAYS * 12, "{worst} B");
    assert!(worst * TORRENTS <= 1_100_000_000, "{worst} B each");
    const { assert!(12 < BUDGET) };
    assert!(fixed() * TORRENTS <= 40_000_000, "{} B each", fixed());
}

#[test]
fn a_torrent_that_stays_the_same_takes_one_run() {
    let mut diary = Diary::new();
    diary.live(2 * HISTORY_DAYS as u64, 0);
    let runs = diary.runs.as_slice();
    // The first day, which began with the process, and all others.
    assert!(runs.len() <= 2, "{}", runs.len());
    let days: usize = runs.iter().map(|run| usize::from(run.days())).sum();
    assert_eq!(days, HISTORY_DAYS - 1);
}

#[test]
fn the_bytes_on_disk_are_within_the_budget() {
    let mut diary = Diary::new();
    for day in 0..100 {
        diary.live(1, 1000 * day);
    }
    let stored = StoredHistory {
        today: diary.today,
        runs: diary.runs,
    };
    let mut bytes = Vec::new();
    stored.encode(&mut bytes);
    let days = stored.runs.as_slice().len();
    assert_eq!(days, HISTORY_DAYS - 1, "each day differs");
    assert!(bytes.len() <= 11 * HISTORY_DAYS, "{} B", bytes.len());
}

#[test]
fn a_block_without_any_history_takes_nothing() {
    let runs = [&[][..]; Block::SIZE];
    let block = HistoryBlock::of(runs.into_iter());
    assert_eq!(block, HistoryBlock::default());
}
