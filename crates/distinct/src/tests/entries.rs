//! Entries in chunks compared with a plain vector.

use proptest::prelude::*;

use super::super::SOURCES;
use super::super::entries::Entries;
use super::super::entry::Entry;

/// An operation on entries.
#[derive(Debug, Clone)]
enum Step {
    Insert(u64, u32),
    /// Keeps entries whose hash is no multiple of the divisor, and increments their slots.
    Retain(u64),
    Truncate(usize),
    Rebuild,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        400 => (0_u64..2_000, 1_u32..100).prop_map(|(hash, slot)| Step::Insert(hash, slot)),
        1 => (2_u64..5).prop_map(Step::Retain),
        1 => (0_usize..600).prop_map(Step::Truncate),
        1 => Just(Step::Rebuild),
    ];
    prop::collection::vec(step, 0..1_500)
}

/// Returns an entry that source 0 saw.
fn entry(hash: u64, slot: u32) -> Entry {
    let mut slots = [0; SOURCES];
    slots[0] = slot;
    Entry::new(hash, slots)
}

fn assert_same(entries: &Entries, plain: &[Entry]) {
    assert_eq!(entries.len(), plain.len());
    assert_eq!(entries.is_empty(), plain.is_empty());
    assert!(entries.iter().eq(plain));
    assert!(entries.chunks().flatten().eq(plain));
    // At most one unused growth, and the pointers.
    assert!(entries.heap() <= size_of::<Entry>() * (plain.len() + 8) + plain.len() / 4 + 16);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn chunks_behave_like_a_vector(steps in steps()) {
        let (mut entries, mut plain) = (Entries::default(), Vec::<Entry>::new());
        for step in steps {
            match step {
                Step::Insert(hash, slot) => {
                    let position = plain.binary_search_by_key(&hash, |entry| entry.hash());
                    prop_assert_eq!(entries.search(hash), position);
                    match position {
                        Ok(position) => {
                            prop_assert_eq!(*entries.at(position), plain[position]);
                            entries.at(position).set_slot(1, slot);
                            plain[position].set_slot(1, slot);
                        }
                        Err(position) => {
                            let entry = entry(hash, slot);
                            entries.insert(position, entry);
                            plain.insert(position, entry);
                        }
                    }
                }
                Step::Retain(divisor) => {
                    let keep = |entry: &mut Entry| {
                        entry.set_slot(0, entry.slot(0) + 1);
                        !entry.hash().is_multiple_of(divisor)
                    };
                    entries.retain_mut(keep);
                    plain.retain_mut(keep);
                }
                Step::Truncate(len) => {
                    entries.truncate(len);
                    plain.truncate(len);
                }
                Step::Rebuild => entries = entries.iter().copied().collect(),
            }
            prop_assert_eq!(entries.len(), plain.len());
        }
        assert_same(&entries, &plain);
    }
}

#[test]
fn insertions_and_cuts_at_chunk_ends_are_exact() {
    for len in [0, 1, 135, 136, 137, 271, 272, 273, 300] {
        let all: Vec<Entry> = (0..len).map(|n| entry(2 * n + 1, 1)).collect();
        let entries: Entries = all.iter().copied().collect();
        assert_same(&entries, &all);
        for position in 0..=all.len() {
            let hash = 2 * position as u64;
            assert_eq!(entries.search(hash), Err(position));
            let (mut more, mut plain) = (entries.clone(), all.clone());
            more.insert(position, entry(hash, 7));
            plain.insert(position, entry(hash, 7));
            assert_same(&more, &plain);
            let mut less = entries.clone();
            less.truncate(position);
            assert_same(&less, &all[..position]);
        }
    }
}
