//! How often to ask again where lists are cut: the coupon collector's problem.
//!
//! A holder of three thousand peers names a hundred at random. Every further answer brings fewer
//! that are new; it is enough when hardly any are missing, when nothing new comes, or when the
//! budget is spent.

use super::sightings::Census;

/// Share of the peers that may stay unseen.
const MISSING: f64 = 0.002;
/// Questions to one holder.
pub(super) const MAX_EACH: u8 = 10;
/// Further questions of one lookup.
const MAX_QUESTIONS: usize = 80;
/// Holders of a large swarm that are asked for filters.
pub(super) const FILTERS: usize = 4;

/// The state of the collection.
#[derive(Debug, Default)]
pub(super) struct Coupon {
    asked: usize,
    /// Peers known when last asked for more.
    seen: Option<usize>,
}

impl Coupon {
    /// How many further questions are worth it, one to each of these `holders`, when an answer
    /// holds `list` peers.
    pub(super) fn questions(&mut self, census: Census, list: usize, holders: usize) -> usize {
        let nothing_new = self.seen == Some(census.seen);
        let total = census.total();
        let missing = 1.0 - census.seen as f64 / total;
        if nothing_new || census.seen == 0 || missing <= MISSING {
            return 0;
        }
        self.seen = Some(census.seen);
        // Each answer misses a peer with this probability.
        let misses = (1.0 - list as f64 / total).clamp(0.001, 0.999);
        let wanted = ((MISSING / missing).ln() / misses.ln()).ceil() as usize;
        let questions = wanted.min(holders).min(MAX_QUESTIONS - self.asked);
        self.asked += questions;
        questions
    }
}
