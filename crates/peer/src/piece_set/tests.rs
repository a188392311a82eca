use super::*;
use crate::MAX_PIECES;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::num::NonZeroU32;

fn exactly(count: u32) -> PieceCount {
    PieceCount::exactly(NonZeroU32::new(count).unwrap())
}

fn of_bits(bits: &[u8], count: PieceCount) -> PieceSet {
    let mut set = PieceSet::none(count);
    set.add_bitfield(bits.to_vec()).unwrap();
    set
}

#[test]
fn completeness_without_metadata_is_undecided_only_at_the_end() {
    for (bits, expected) in [
        (&[0xff, 0xff][..], Completeness::Complete),
        (&[0xff, 0xfe], Completeness::Undecided),
        (&[0xff, 0x80], Completeness::Undecided),
        // The last byte has at least one piece, and the peer lacks it.
        (&[0xff, 0x00], Completeness::Incomplete),
        (&[0xff, 0xfd], Completeness::Incomplete),
        (&[0x7f, 0xff], Completeness::Incomplete),
        (&[0x00], Completeness::Incomplete),
    ] {
        let set = of_bits(bits, PieceCount::UNKNOWN);
        assert_eq!(set.completeness(), expected, "{bits:x?}");
    }
}

#[test]
fn completeness_with_metadata_is_exact() {
    for (bits, count, expected) in [
        (&[0xff, 0x80][..], 9, Completeness::Complete),
        (&[0xff, 0x80], 10, Completeness::Incomplete),
        // Spare bits are not pieces.
        (&[0xff, 0xff], 9, Completeness::Complete),
        (&[0xfe, 0xff], 9, Completeness::Incomplete),
        (&[0x80], 1, Completeness::Complete),
    ] {
        let set = of_bits(bits, exactly(count));
        assert_eq!(set.completeness(), expected, "{bits:x?} {count}");
    }
    let set = of_bits(&[0xff, 0xff], exactly(9));
    assert_eq!(set.len(), Some(9));
}

#[test]
fn single_pieces_decide_nothing_without_metadata() {
    let mut set = PieceSet::none(PieceCount::UNKNOWN);
    assert_eq!(
        set.completeness(),
        Completeness::Incomplete,
        "one piece exists"
    );
    assert_eq!(set.add(0), Ok(true));
    assert_eq!(set.add(0), Ok(false));
    assert_eq!(set.completeness(), Completeness::Undecided);
    assert_eq!(set.add(2), Ok(true));
    assert_eq!(set.completeness(), Completeness::Incomplete);
    assert_eq!(set.add(MAX_PIECES), Err(Contradiction));
    assert_eq!(set.len(), Some(2));
}

#[test]
fn all_pieces_need_no_memory_and_can_be_taken_back() {
    let mut set = PieceSet::none(PieceCount::UNKNOWN);
    set.add_all();
    assert_eq!((set.memory(), set.len()), (0, None));
    assert_eq!(set.completeness(), Completeness::Complete);
    assert_eq!(set.remove(10), Ok(true));
    assert_eq!(set.completeness(), Completeness::Incomplete);
    assert_eq!(set.count().least(), 11);
    set.set_count(exactly(13)).unwrap();
    assert_eq!(set.len(), Some(12));
    assert!(!set.contains(10) && set.contains(12) && !set.contains(13));
    assert_eq!(set.add(10), Ok(true));
    assert_eq!(set.completeness(), Completeness::Complete);
}

#[test]
fn contradictions_are_noticed() {
    let mut set = of_bits(&[0xff, 0xf0], PieceCount::UNKNOWN);
    assert_eq!(set.add(16), Err(Contradiction));
    assert_eq!(set.add_bitfield(vec![0xff]), Err(Contradiction));
    assert_eq!(set.set_count(exactly(11)), Err(Contradiction));
    assert_eq!(set.set_count(exactly(17)), Err(Contradiction));
    assert_eq!(set.set_count(exactly(12)), Ok(()));
    let mut set = PieceSet::none(exactly(9));
    assert_eq!(set.add(9), Err(Contradiction));
    assert_eq!(set.remove(9), Err(Contradiction));
    assert_eq!(set.add_bitfield(vec![0xff]), Err(Contradiction));
}

#[derive(Debug, Clone)]
enum Change {
    Add(u32),
    Remove(u32),
    All,
    Bits(Vec<u8>),
}

fn change(count: u32) -> impl Strategy<Value = Change> {
    let bytes = count.div_ceil(8) as usize;
    prop_oneof![
        8 => (0..count).prop_map(Change::Add),
        4 => (0..count).prop_map(Change::Remove),
        1 => Just(Change::All),
        1 => prop::collection::vec(any::<u8>(), bytes).prop_map(Change::Bits),
    ]
}

proptest! {
    /// A set behaves like a plain set of numbers, with the count known from the start or learnt at
    /// the end.
    #[test]
    fn sets_agree_with_plain_sets(
        (count, changes) in (1u32..100).prop_flat_map(|count| {
            (Just(count), prop::collection::vec(change(count), 0..40))
        }),
        is_known: bool,
    ) {
        let mut set = PieceSet::none(if is_known { exactly(count) } else { PieceCount::UNKNOWN });
        let mut plain = BTreeSet::new();
        for change in changes {
            match change {
                Change::Add(piece) => prop_assert_eq!(set.add(piece), Ok(plain.insert(piece))),
                Change::Remove(piece) => {
                    prop_assert_eq!(set.remove(piece), Ok(plain.remove(&piece)));
                }
                Change::All => {
                    set.add_all();
                    plain.extend(0..count);
                }
                Change::Bits(mut bits) => {
                    // Without metadata, spare bits cannot be told from pieces.
                    clear_after(&mut bits, count);
                    plain.extend((0..count).filter(|it| bits[(it / 8) as usize] & mask(*it) != 0));
                    bits.shrink_to_fit();
                    set.add_bitfield(bits).unwrap();
                }
            }
        }
        prop_assert!(set.memory() <= 2 * count.div_ceil(8) as usize);
        let before = set.completeness();
        set.set_count(exactly(count)).unwrap();
        let held: BTreeSet<u32> = (0..count + 9).filter(|it| set.contains(*it)).collect();
        prop_assert_eq!(&held, &plain);
        prop_assert_eq!(set.len(), Some(plain.len() as u32));
        let is_complete = plain.len() as u32 == count;
        let exact = set.completeness();
        prop_assert_eq!(exact == Completeness::Complete, is_complete);
        prop_assert!(exact != Completeness::Undecided);
        prop_assert!(before == exact || before == Completeness::Undecided);
    }
}
