//! Spreads torrents over helpers by weighted rendezvous hashing.
//!
//! Each pair of helper and torrent has a pseudo-random number of its own. A helper takes the
//! torrents with the best numbers until its budget is full. So helpers take different torrents
//! without knowing each other, and one that asks again gets the same torrents.
//!
//! The number is exponentially distributed with the weight as its rate (Efraimidis and Spirakis,
//! 2006): a torrent with twice the weight comes first twice as often. The weight is the number of
//! missing copies, times one plus the share of the budget that the torrent takes. The second factor
//! makes up for large torrents, which often do not fit any more. Weights in proportion to the size
//! would leave small torrents without a helper.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A torrent that needs seeding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offer {
    /// Identifies the torrent.
    pub key: u64,
    /// The copies that the torrent lacks.
    pub missing: f64,
    /// Its size.
    pub bytes: u64,
}

impl Offer {
    fn weight(&self, budget: Option<u64>) -> f64 {
        let share = budget.map_or(0.0, |budget| self.bytes as f64 / budget.max(1) as f64);
        self.missing * (1.0 + share.min(1.0))
    }
}

/// A number by which torrents are taken, the smallest first.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Turn(f64);

impl Eq for Turn {}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Returns the positions of the offers that a helper should take: at most `limit`, and together at
/// most `budget` bytes. If all of them fit, all are returned.
///
/// ```
/// use seedwatch_core::needs_seeding::{Offer, choose};
///
/// let offer = |key| Offer { key, missing: 1.0, bytes: 400 };
/// let offers: Vec<_> = (0..100).map(offer).collect();
/// let [ours, theirs] = ["ours", "theirs"].map(|client| choose(client, &offers, Some(1000), 500));
/// assert_eq!((ours.len(), theirs.len()), (2, 2));
/// assert_ne!(ours, theirs);
/// ```
pub fn choose(client: &str, offers: &[Offer], budget: Option<u64>, limit: usize) -> Vec<usize> {
    let client = mix(fnv1a(client.as_bytes()));
    let turn = |offer: &Offer| Turn(exponential(mix(client ^ offer.key)) / offer.weight(budget));
    let turns = offers.iter().enumerate();
    let turns = turns.map(|(at, offer)| Reverse((turn(offer), at)));
    let mut turns: BinaryHeap<_> = turns.collect();
    let smallest = offers.iter().map(|offer| offer.bytes).min().unwrap_or(0);
    let mut rest = budget.unwrap_or(u64::MAX);
    let mut chosen = Vec::new();
    while chosen.len() < limit && rest >= smallest {
        let Some(Reverse((_, at))) = turns.pop() else {
            break;
        };
        // One that does not fit leaves its place to the next.
        if let Some(left) = rest.checked_sub(offers[at].bytes) {
            rest = left;
            chosen.push(at);
        }
    }
    chosen
}

/// Returns an exponentially distributed number with mean 1 for uniform bits.
fn exponential(bits: u64) -> f64 {
    // 53 bits fit a float, and half a step keeps the logarithm finite.
    let uniform = ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -uniform.ln()
}

/// Spreads bits: the finalizer of `SplitMix64` (Steele, Lea and Flood, 2014).
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Hashes a name (Fowler, Noll and Vo). It is the same in every version and on every machine, so
/// that a helper keeps its torrents.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers(count: u64, missing: impl Fn(u64) -> f64) -> Vec<Offer> {
        let offer = |n: u64| Offer {
            key: mix(n),
            missing: missing(n),
            bytes: 1,
        };
        (0..count).map(offer).collect()
    }

    #[test]
    fn a_helper_gets_the_same_part_again_and_others_stay_when_one_leaves() {
        let mut offers = offers(1000, |_| 1.0);
        let first = choose("a", &offers, Some(50), 500);
        assert_eq!(first, choose("a", &offers, Some(50), 500));
        assert_eq!(first.len(), 50);
        // The first one is well now: the others stay, and one comes in.
        let left = first[0];
        offers[left].bytes = 1000;
        let second = choose("a", &offers, Some(50), 500);
        assert_eq!(second[..49], first[1..]);
    }

    #[test]
    fn helpers_get_parts_by_weight() {
        let offers = offers(100, |n| if n < 50 { 3.0 } else { 1.0 });
        let clients = (0..2000).map(|n| format!("client {n}"));
        let firsts = clients.filter_map(|client| choose(&client, &offers, Some(1), 1).pop());
        let heavy = firsts.filter(|at| *at < 50).count();
        // Three of four; the standard deviation is 19.
        assert!((1400..1600).contains(&heavy), "{heavy}");
    }

    #[test]
    fn budgets_and_limits_hold() {
        let offers = offers(1000, |_| 1.0);
        assert_eq!(choose("a", &offers, None, 500).len(), 500);
        assert_eq!(choose("a", &offers, Some(0), 500).len(), 0);
        assert_eq!(choose("a", &offers[..7], None, 500).len(), 7);
        assert!(choose("a", &[], Some(7), 500).is_empty());
        let large = Offer {
            bytes: 100,
            ..offers[0]
        };
        let chosen = choose("a", &[large, offers[1], offers[2]], Some(2), 500);
        assert_eq!(chosen.len(), 2);
    }
}
