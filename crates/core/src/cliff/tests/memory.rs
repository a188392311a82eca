//! What the watched members cost, with everything that belongs to their groups.

use super::super::Group;
use super::super::member::{Fall, Member};
use super::super::sources::Source;
use super::*;

/// Most bytes per watched member.
const BUDGET: usize = 120;
/// What an allocation costs beside its bytes.
const ALLOCATION: usize = 16;

/// Returns the bytes of all groups.
fn bytes(cliffs: &Cliffs<[u8; 20]>) -> usize {
    let entry = size_of::<([u8; 20], usize)>() + 1;
    // A table has room for a power of two of entries, of which 7/8 may be in use.
    let table = (cliffs.groups.capacity() * 8 / 7).next_power_of_two() * entry;
    let groups = cliffs.groups.values().map(|group| {
        let vectors = [
            group.members.capacity() * size_of::<Member>(),
            group.falls.capacity() * size_of::<Fall>(),
            group.sources.sources.capacity() * size_of::<Source>(),
        ];
        let used = vectors.iter().filter(|bytes| **bytes > 0).count();
        size_of::<Group>() + vectors.iter().sum::<usize>() + (1 + used) * ALLOCATION
    });
    table + groups.sum::<usize>()
}

#[test]
fn a_watched_pair_costs_at_most_120_bytes() {
    // Five trackers and the DHT, two of the trackers over both families.
    let lists: Vec<(u32, u16)> = (0..8).map(|source| (source, LIST)).collect();
    let sources = SourceLists {
        lists: &lists,
        tolerance: LIST / 10,
    };
    for (countries, budget) in [(5, 240), (10, BUDGET + 30), (20, BUDGET), (100, BUDGET)] {
        let mut cliffs = Cliffs::default();
        for step in 0..60 {
            let at = RunningMinute {
                hour: 1 + step / 2,
                minute: (step % 2 * 30) as u8,
            };
            for torrent in 0..200_u8 {
                let peers = (0..countries).map(|key| (key, 40));
                cliffs.sample([torrent; 20], at, sources, 0, peers);
            }
        }
        let pairs = cliffs.watched();
        let each = bytes(&cliffs) as f64 / pairs as f64;
        println!("{countries} countries: {each:.1} bytes per watched pair");
        assert_eq!(pairs, 200 * countries as usize);
        assert!(
            each <= budget as f64,
            "{each} bytes with {countries} countries"
        );
    }
}
