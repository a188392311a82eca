use super::*;
use proptest::prelude::*;
use std::num::NonZeroU32;

fn exactly(count: u32) -> PieceCount {
    PieceCount::exactly(NonZeroU32::new(count).unwrap())
}

fn of_pieces(pieces: &[bool], count: PieceCount) -> PieceSet {
    let mut set = PieceSet::none(count);
    for (piece, _) in (0..).zip(pieces).filter(|(_, has)| **has) {
        set.add(piece).unwrap();
    }
    set
}

fn all(count: PieceCount) -> PieceSet {
    let mut set = PieceSet::none(count);
    set.add_all();
    set
}

#[test]
fn two_halves_are_one_copy_and_no_complete_peer() {
    let count = exactly(10);
    let halves = [0, 5]
        .map(|start| -> Vec<bool> { (0..10).map(|it| (start..start + 5).contains(&it)).collect() });
    let mut availability = Availability::new(count);
    availability.add(&of_pieces(&halves[0], count)).unwrap();
    assert_eq!(availability.copies().to_string(), "0.500");
    assert_eq!(availability.missing().collect::<Vec<_>>(), [5, 6, 7, 8, 9]);
    availability.add(&of_pieces(&halves[1], count)).unwrap();
    assert_eq!(availability.copies().to_string(), "1.000");
    assert_eq!(
        (
            availability.complete_peers(),
            availability.missing().count()
        ),
        (0, 0)
    );
    availability.add(&all(count)).unwrap();
    assert_eq!(availability.copies().to_string(), "2.000");
    assert_eq!(availability.complete_peers(), 1);
}

#[test]
fn without_a_count_the_copies_are_those_of_the_worst_case() {
    let mut availability = Availability::new(PieceCount::UNKNOWN);
    availability.add(&all(PieceCount::UNKNOWN)).unwrap();
    assert_eq!(availability.copies().to_string(), "1.000");
    assert_eq!(availability.memory(), 0);
    // A few single pieces say nothing about the others.
    availability
        .add(&of_pieces(&[true, true], PieceCount::UNKNOWN))
        .unwrap();
    assert_eq!(availability.copies().to_string(), "1.000");

    let bits = |bits: &[u8]| {
        let mut set = PieceSet::none(PieceCount::UNKNOWN);
        set.add_bitfield(bits.to_vec()).unwrap();
        set
    };
    let mut availability = Availability::new(PieceCount::UNKNOWN);
    availability.add(&bits(&[0xff, 0xf0])).unwrap();
    // Complete if there are twelve pieces; four are missing if there are sixteen.
    assert_eq!(availability.copies().to_string(), "0.750");
    assert_eq!(availability.missing().count(), 0);
    availability.add(&bits(&[0x0f, 0xf8])).unwrap();
    assert_eq!(availability.count().least(), 13);
    availability.set_count(exactly(13)).unwrap();
    assert_eq!(availability.copies().to_string(), "1.615");
}

#[test]
fn a_peer_that_contradicts_the_count_is_left_out() {
    let mut availability = Availability::new(exactly(9));
    let mut set = PieceSet::none(PieceCount::UNKNOWN);
    set.add_bitfield(vec![0xff; 3]).unwrap();
    assert_eq!(availability.add(&set), Err(Contradiction));
    assert_eq!(availability, Availability::new(exactly(9)));
}

#[test]
fn all_pieces_but_one_are_a_partial_copy() {
    let mut set = all(PieceCount::UNKNOWN);
    set.remove(1).unwrap();
    let mut availability = Availability::new(exactly(4));
    availability.add(&set).unwrap();
    assert_eq!(availability.copies().to_string(), "0.750");
    assert_eq!(availability.missing().collect::<Vec<_>>(), [1]);
}

fn peers() -> impl Strategy<Value = (u32, Vec<Vec<bool>>)> {
    (1u32..40).prop_flat_map(|count| {
        let peer = prop::collection::vec(any::<bool>(), count as usize);
        let whole = Just(vec![true; count as usize]);
        let peer = prop_oneof![4 => peer, 1 => whole];
        (Just(count), prop::collection::vec(peer, 0..8))
    })
}

/// Counts without any shortcut.
fn recount(count: u32, peers: &[Vec<bool>]) -> Copies {
    let with = |piece: usize| peers.iter().filter(|peer| peer[piece]).count() as u32;
    let counts: Vec<u32> = (0..count as usize).map(with).collect();
    let full = counts.iter().copied().min().unwrap();
    let more = counts.iter().filter(|it| **it > full).count();
    Copies {
        full,
        thousandths: (more * 1000 / count as usize) as u16,
    }
}

proptest! {
    #[test]
    fn copies_agree_with_a_recount((count, peers) in peers(), order: u64) {
        let mut availability = Availability::new(exactly(count));
        for peer in &peers {
            availability.add(&of_pieces(peer, exactly(count))).unwrap();
        }
        prop_assert_eq!(availability.copies(), recount(count, &peers));
        let missing: Vec<u32> = (0..count)
            .filter(|piece| !peers.iter().any(|peer| peer[*piece as usize]))
            .collect();
        prop_assert_eq!(availability.missing().collect::<Vec<_>>(), missing);
        prop_assert!(availability.memory() <= count as usize);
        // The order of visits does not matter.
        let mut other = Availability::new(exactly(count));
        let start = order as usize % peers.len().max(1);
        for peer in peers[start..].iter().chain(&peers[..start]) {
            other.add(&of_pieces(peer, exactly(count))).unwrap();
        }
        prop_assert_eq!(other.copies(), availability.copies());
    }

    /// Whatever the unknown number of pieces is, the copies are not overstated.
    #[test]
    fn copies_without_a_count_are_a_lower_bound((count, peers) in peers()) {
        let mut availability = Availability::new(PieceCount::UNKNOWN);
        for peer in &peers {
            let mut bits = vec![0u8; count.div_ceil(8) as usize];
            for (piece, _) in peer.iter().enumerate().filter(|(_, has)| **has) {
                bits[piece / 8] |= 0x80 >> (piece % 8);
            }
            let mut set = PieceSet::none(PieceCount::UNKNOWN);
            set.add_bitfield(bits).unwrap();
            availability.add(&set).unwrap();
        }
        let truth = recount(count, &peers);
        prop_assert!(availability.copies() <= truth);
        availability.set_count(exactly(count)).unwrap();
        prop_assert_eq!(availability.copies().full, truth.full);
        prop_assert!(availability.copies() <= truth);
    }
}
