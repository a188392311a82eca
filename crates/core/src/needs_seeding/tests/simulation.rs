//! A thousand helpers of one terabyte, of which 30 % never come, and ten thousand torrents.
//!
//! `cargo test -p seedwatch-core simulation -- --nocapture` prints the figures.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use super::super::{MAX_ENTRIES, Offer, choose};

const HELPERS: u64 = 1000;
const TORRENTS: u64 = 10_000;
const TERABYTE: u64 = 1_000_000_000_000;
const NO_SHOWS: f64 = 0.3;
/// The copies that each torrent should have.
const WANTED: u32 = 3;

/// A torrent of the simulation.
struct Simulated {
    copies: u32,
    offer: Offer,
}

/// Returns torrents with 0 to 2 copies, of 2 GB in the middle and 50 TB together: log-normal with a
/// sigma of 1.4, from 20 MB to 400 GB.
fn torrents(rng: &mut impl Rng) -> Vec<Simulated> {
    let torrent = |_| {
        // The sum of twelve uniform numbers is close to normal.
        let normal = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let bytes = 2e9 * (1.4 * normal).exp();
        let copies = rng.random_range(0..WANTED);
        Simulated {
            copies,
            offer: Offer {
                key: rng.random(),
                missing: f64::from(WANTED - copies),
                bytes: bytes.clamp(2e7, 4e11) as u64,
            },
        }
    };
    (0..TORRENTS).map(torrent).collect()
}

/// The outcome of one pass.
struct Outcome {
    /// The fewest copies of a torrent.
    fewest: u32,
    /// Torrents with no more copies than the fewest before.
    left_behind: usize,
}

/// Lets each helper that comes take what `take` says.
fn pass(torrents: &[Simulated], take: impl Fn(u64) -> Vec<usize>) -> Outcome {
    let mut rng = StdRng::seed_from_u64(7);
    let mut copies: Vec<u32> = torrents.iter().map(|it| it.copies).collect();
    let before = copies.iter().min().copied().unwrap_or(0);
    for helper in 0..HELPERS {
        let taken = take(helper);
        let bytes: u64 = taken.iter().map(|at| torrents[*at].offer.bytes).sum();
        assert!(bytes <= TERABYTE);
        if !rng.random_bool(NO_SHOWS) {
            taken.into_iter().for_each(|at| copies[at] += 1);
        }
    }
    Outcome {
        fewest: copies.iter().min().copied().unwrap_or(0),
        left_behind: copies.iter().filter(|copies| **copies <= before).count(),
    }
}

/// Returns what every helper takes that takes the torrents with the fewest copies first.
fn worst_first(torrents: &[Simulated]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..torrents.len()).collect();
    order.sort_by_key(|at| torrents[*at].copies);
    let mut rest = TERABYTE;
    order.retain(|at| match rest.checked_sub(torrents[*at].offer.bytes) {
        Some(left) => {
            rest = left;
            true
        }
        None => false,
    });
    order
}

#[test]
fn one_pass_gives_each_of_the_rarest_torrents_another_copy() {
    for seed in 0..2 {
        let torrents = torrents(&mut StdRng::seed_from_u64(seed));
        let offers: Vec<Offer> = torrents.iter().map(|it| it.offer).collect();
        let total: u64 = offers.iter().map(|offer| offer.bytes).sum();
        let before = torrents.iter().map(|it| it.copies).min().unwrap_or(0);
        let spread = pass(&torrents, |helper| {
            let client = format!("helper {helper}");
            choose(&client, &offers, Some(TERABYTE), MAX_ENTRIES)
        });
        // Weights in proportion to the size, as in many lists of torrents in need.
        let mean = total as f64 / TORRENTS as f64;
        let by_size: Vec<Offer> = offers
            .iter()
            .map(|offer| Offer {
                missing: offer.missing * offer.bytes as f64 / mean,
                ..*offer
            })
            .collect();
        let by_size = pass(&torrents, |helper| {
            let client = format!("helper {helper}");
            choose(&client, &by_size, Some(TERABYTE), MAX_ENTRIES)
        });
        let worst = worst_first(&torrents);
        let worst_first = pass(&torrents, |_| worst.clone());
        println!(
            "{TORRENTS} torrents of {:.0} TB, {HELPERS} helpers of 1 TB, 30 % no-shows. Fewest \
             copies: before {before}; spread {}, {} left behind; spread in \
             proportion to the size {}, {} left behind; worst first {}, {} left behind.",
            total as f64 / 1e12,
            spread.fewest,
            spread.left_behind,
            by_size.fewest,
            by_size.left_behind,
            worst_first.fewest,
            worst_first.left_behind,
        );
        assert!(spread.fewest > before, "{} left behind", spread.left_behind);
        assert_eq!((by_size.fewest, worst_first.fewest), (before, before));
    }
}
