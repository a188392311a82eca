//! What a walk came to.

use super::super::Contact;
use super::super::id::NodeId;
use super::sightings::{self, Holders};
use super::{Candidate, K, State, Walk};
use crate::{Diagnosis, Estimate, Found, LookupError};
use seedwatch_clock::Mono;
use seedwatch_torrent::InfoHash;

/// Of so many of the nearest nodes that were asked, a quarter must have answered.
const NEAREST: usize = 12;
/// Nodes that must have answered in all, outside labs.
const LEAST: usize = 4;

/// A walk that is over.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) target: NodeId,
    pub(crate) info_hash: Option<InfoHash>,
    pub(crate) result: Result<Found, LookupError>,
    pub(crate) tally: Diagnosis,
    /// The closest nodes that answered, at most [`K`].
    pub(crate) closest: Vec<Contact>,
    /// All of the closest were asked and [`K`] answered.
    pub(crate) is_whole: bool,
    /// Lengths of the lists of trusted holders.
    pub(crate) lists: Vec<usize>,
    /// Peers were found and no list was full.
    pub(crate) is_small: bool,
}

impl Walk {
    /// Whether it got to the nodes that would know. A few answers from afar are too few to say that
    /// nobody is there.
    fn came_through(&self) -> bool {
        if self.is_enough() {
            return true;
        }
        let asked = |node: &&Candidate| node.state != State::Heard && !node.doubted;
        let nearest = self.nodes.iter().filter(asked).take(NEAREST);
        let answers = nearest.clone().filter(|node| node.state == State::Answered);
        let least = if self.plan.one_per_net { LEAST } else { 1 };
        let counts = |node: &&Candidate| node.state == State::Answered && !node.doubted;
        self.has_arrived()
            && answers.count() * 4 >= nearest.count()
            && self.nodes.iter().filter(counts).count() >= least
    }

    /// What it found, or why that is not known.
    fn result(&mut self, trusted: Holders) -> Result<Found, LookupError> {
        let came_through = self.came_through();
        let is_alarmed = self.doubt.is_alarmed();
        if is_alarmed && (!came_through || trusted == 0) || self.is_unsure {
            // Nodes that crowd around the target may hide a swarm.
            return Err(LookupError::Doubtful);
        }
        if !came_through {
            return Err(LookupError::Timeout);
        }
        Ok(self.found(trusted))
    }

    /// Ends it: what was found, and the nodes that must have answered for a whole lookup, closest
    /// first.
    pub(crate) fn finish(&mut self, now: Mono) -> Ended {
        self.tally.duration = self.started.map(|at| now.since(at)).unwrap_or_default();
        let came_through = self.came_through();
        let trusted = self.trusted();
        let trusted = self.sightings.believed(trusted);
        let closest: Vec<&Candidate> = self.closest().collect();
        let closest_bits = closest.first().map(|n| n.id.shared_bits(&self.target));
        let hops = closest
            .iter()
            .take(K)
            .map(|node| u32::from(node.hops))
            .max();
        let lists: Vec<usize> = closest
            .iter()
            .filter(|node| node.list > 0)
            .map(|node| node.list)
            .collect();
        let closest: Vec<Contact> = closest
            .iter()
            .take(K)
            .map(|node| Contact {
                id: node.id,
                address: node.address.into(),
            })
            .collect();
        self.tally.closest_bits = closest_bits;
        self.tally.hops = hops.unwrap_or(0);
        self.tally.holders = trusted.count_ones();
        let is_doubted = self.doubt.is_alarmed();
        self.tally.doubted = self.doubted();
        let result = self.result(trusted);
        Ended {
            target: self.target,
            info_hash: self.info_hash,
            is_small: !self.has_full_list() && !lists.is_empty(),
            is_whole: came_through
                && !is_doubted
                && self.plan.enough.is_none()
                && closest.len() == K,
            lists,
            closest,
            result,
            tally: self.tally,
        }
    }

    fn found(&mut self, trusted: Holders) -> Found {
        let peers = self.sightings.peers(trusted);
        let liar = |holder: Option<u8>| holder.is_some_and(|holder| trusted & 1 << holder == 0);
        let is_trusted = |id: &NodeId| {
            let mut closest = self.closest();
            closest.any(|node| node.id == *id && !liar(node.holder))
        };
        let filters = self.filters.iter().filter(|(id, _)| is_trusted(id));
        let filters: Vec<_> = filters.map(|(_, filters)| &**filters).collect();
        let bound = (!self.has_full_list()).then_some(peers.len());
        let filters = sightings::plausible(filters, bound);
        let estimate = sightings::estimate(&filters, &peers, self.plan.accept);
        // Where nobody holds anything, nobody is there.
        let nobody = trusted == 0 && self.plan.enough.is_none();
        let none = Estimate {
            seeders: 0,
            leechers: 0,
            saturated: false,
        };
        Found {
            estimate: estimate.or(nobody.then_some(none)),
            peers,
        }
    }
}
