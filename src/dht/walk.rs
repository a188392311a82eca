//! One lookup: who is asked next, what the answers say, and when it is over. No socket, no clock.
//!
//! A walk asks the closest nodes it knows of until the `k` closest that live have all answered.
//! It asks for lists only: common clients answer `scrape` with filters in place of lists
//! (BEP 33). Then holders of a swarm that is larger than their lists are asked again, as long as
//! something new is to be expected, and some of them for filters.

mod coupon;
mod sightings;

use std::time::Duration;

use super::Contact;
use super::id::NodeId;
use super::krpc::Response;
use super::packed::{Address, Net};
use crate::observation::{Diagnosis, Estimate, Failure, Found};
use crate::time::Mono;
use crate::torrent::InfoHash;
use coupon::Coupon;
use sightings::{Holders, MAX_HOLDERS, Sightings};

/// Closest nodes that must have answered (BEP 5).
pub(super) const K: usize = 8;
/// Most of them, while the farthest still names peers that nobody else does.
const MAX_K: usize = 16;
/// Nodes kept in view.
const MAX_CANDIDATES: usize = 48;
/// Nodes asked at once while the walk still comes closer, and when nodes are slow.
const FAR: usize = 2;
const FAR_MAX: usize = 4;
/// Only so many of the closest nodes that answered can hold the swarm.
const TRUSTED: usize = 20;
/// Nodes asked for filters where lists are complete.
const FILTERS: usize = 2;
/// Longest time of a lookup.
pub(super) const LONGEST: Duration = Duration::from_secs(30);

/// How a walk begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// The nodes it begins with are the closest there are, as of the last time.
    pub(super) warm: bool,
    /// The swarm was small the last time: lists are complete.
    pub(super) small: bool,
    /// Holders that are enough (`recall_target`).
    pub(super) enough: Option<usize>,
    /// One node a /24 or /64.
    pub(super) one_per_net: bool,
}

/// A lookup under way.
#[derive(Debug)]
pub(super) struct Walk {
    target: NodeId,
    /// `None`: nobody is looked for, only nodes.
    info_hash: Option<InfoHash>,
    plan: Plan,
    k: usize,
    /// Queries that may be under way at once.
    parallel: usize,
    in_flight: usize,
    /// By distance.
    nodes: Vec<Candidate>,
    sightings: Sightings,
    filters: Vec<(NodeId, Box<[[u8; 256]; 2]>)>,
    holders: u8,
    filters_asked: usize,
    coupon: Coupon,
    /// Questions beyond the walk itself, and how many of them are under way.
    extra: Vec<(NodeId, bool)>,
    extra_in_flight: usize,
    started: Option<Mono>,
    tally: Diagnosis,
}

/// A node in view.
#[derive(Debug, Clone)]
struct Candidate {
    id: NodeId,
    reach: Reach,
    address: Address,
    net: Net,
    state: State,
    hops: u8,
    asks: u8,
    /// Questions beyond the walk itself that are under way.
    again: u8,
    holder: Option<u8>,
    /// Its longest list.
    list: usize,
}

/// A distance as numbers, which compare faster than bytes.
type Reach = (u128, u32);

fn reach(from: &NodeId, to: &NodeId) -> Reach {
    let (from, to) = (numbers(from), numbers(to));
    (from.0 ^ to.0, from.1 ^ to.1)
}

fn numbers(id: &NodeId) -> (u128, u32) {
    let [high @ .., a, b, c, d] = id.0;
    (u128::from_be_bytes(high), u32::from_be_bytes([a, b, c, d]))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not asked yet.
    Heard,
    /// Asked.
    Asked,
    /// Asked, and slower than most: it no longer holds up the walk, but its answer counts.
    Slow,
    /// Answered.
    Answered,
    /// Does not answer, or not as itself.
    Failed,
}

/// The next question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) id: NodeId,
    pub(super) address: Address,
    /// For filters.
    pub(super) scrape: bool,
}

impl Walk {
    /// A walk from the closest nodes known.
    pub(super) fn new(target: NodeId, info_hash: Option<InfoHash>, plan: Plan) -> Self {
        let parallel = match plan.enough {
            _ if !plan.warm => FAR,
            Some(enough) => enough,
            None => K,
        };
        Self {
            target,
            info_hash,
            plan,
            k: K,
            parallel,
            in_flight: 0,
            nodes: Vec::with_capacity(MAX_CANDIDATES + 1),
            sightings: Sightings::default(),
            filters: Vec::new(),
            holders: 0,
            filters_asked: 0,
            coupon: Coupon::default(),
            extra: Vec::new(),
            extra_in_flight: 0,
            started: None,
            tally: Diagnosis::default(),
        }
    }

    pub(super) fn target(&self) -> &NodeId {
        &self.target
    }

    pub(super) fn info_hash(&self) -> Option<InfoHash> {
        self.info_hash
    }

    /// When its first question left.
    pub(super) fn started(&self) -> Option<Mono> {
        self.started
    }

    /// A node that may be worth asking; says how many of the `k` closest it leaves behind it.
    pub(super) fn hear(&mut self, id: NodeId, address: Address, hops: u8) -> bool {
        let reach = reach(&self.target, &id);
        let place = self.nodes.binary_search_by_key(&reach, |node| node.reach);
        let Err(place) = place else { return false };
        if place >= MAX_CANDIDATES {
            return false;
        }
        let net = address.net();
        if self.plan.one_per_net && self.nodes.iter().any(|node| node.net == net) {
            // Whoever owns a network could else surround a swarm with it.
            return false;
        }
        let candidate = Candidate {
            id,
            reach,
            address,
            net,
            state: State::Heard,
            hops,
            asks: 0,
            again: 0,
            holder: None,
            list: 0,
        };
        self.nodes.insert(place, candidate);
        if self.nodes.len() > MAX_CANDIDATES {
            // One that is being asked is closer than the last, or the walk has long left it.
            self.nodes.pop();
        }
        self.top().any(|at| at == place)
    }

    /// Places of the `k` closest nodes that are not known to fail.
    fn top(&self) -> impl Iterator<Item = usize> + '_ {
        let lives =
            |(_, node): &(usize, &Candidate)| !matches!(node.state, State::Failed | State::Slow);
        let places = self.nodes.iter().enumerate().filter(lives);
        places.map(|(at, _)| at).take(self.k)
    }

    /// Whether every one of the closest nodes has answered, or enough have.
    fn has_arrived(&self) -> bool {
        if self.is_enough() {
            return true;
        }
        self.top().all(|at| self.nodes[at].state == State::Answered)
    }

    /// The holders that the recall target asks for have answered.
    fn is_enough(&self) -> bool {
        self.plan.enough.is_some_and(|enough| {
            let holders = self.nodes.iter().filter(|node| node.holder.is_some());
            holders.count() >= enough
        })
    }

    /// The next question, unless nothing may be asked now. `may_ask` knows the manners.
    pub(super) fn next(&mut self, mut may_ask: impl FnMut(&Address) -> bool) -> Option<Question> {
        if self.in_flight >= self.limit() {
            return None;
        }
        if self.has_arrived() {
            let mut extra = 0..self.extra.len();
            let place = extra.find(|at| {
                let id = &self.extra[*at].0;
                self.place(id)
                    .is_some_and(|at| may_ask(&self.nodes[at].address))
            })?;
            let (id, scrape) = self.extra.remove(place);
            let at = self.place(&id)?;
            self.nodes[at].again += 1;
            self.extra_in_flight += 1;
            return self.ask(at, scrape);
        }
        let mut heard = self
            .top()
            .filter(|at| self.nodes[*at].state == State::Heard);
        let at = heard.find(|at| may_ask(&self.nodes[*at].address))?;
        drop(heard);
        self.ask(at, self.is_for_filters())
    }

    /// Where lists are complete, the last of the closest nodes are asked for filters instead:
    /// the others know the same peers, and no packet is spent on it.
    fn is_for_filters(&self) -> bool {
        if self.info_hash.is_none()
            || self.plan.enough.is_some()
            || self.filters_asked >= FILTERS
            || self.has_full_list()
        {
            return false;
        }
        let asked = self
            .top()
            .filter(|at| self.nodes[*at].state != State::Heard);
        let is_last = asked.count() + FILTERS >= self.k;
        is_last && (self.plan.small || self.holders >= 2)
    }

    fn has_full_list(&self) -> bool {
        self.nodes.iter().any(Candidate::may_be_cut)
    }

    fn ask(&mut self, at: usize, scrape: bool) -> Option<Question> {
        let node = self.nodes.get_mut(at)?;
        self.tally.asked += u32::from(node.state == State::Heard);
        if node.state == State::Heard {
            node.state = State::Asked;
        }
        node.asks += u8::from(!scrape);
        self.filters_asked += usize::from(scrape);
        self.in_flight += 1;
        self.tally.queries += 1;
        Some(Question {
            id: node.id,
            address: node.address,
            scrape,
        })
    }

    /// A question left.
    pub(super) fn sent(&mut self, now: Mono) {
        self.started.get_or_insert(now);
    }

    /// Whether a node is in view.
    pub(super) fn knows(&self, id: &NodeId) -> bool {
        self.place(id).is_some()
    }

    /// Something could be asked now, but for manners.
    pub(super) fn has_more(&self) -> bool {
        if self.in_flight >= self.limit() {
            return false;
        }
        if self.has_arrived() {
            return !self.extra.is_empty();
        }
        self.top().any(|at| self.nodes[at].state == State::Heard)
    }

    /// Questions that may be under way now.
    fn limit(&self) -> usize {
        match self.plan.enough {
            Some(enough) if self.holders > 0 => {
                enough.saturating_sub(usize::from(self.holders)).max(1)
            }
            _ => self.parallel,
        }
    }

    fn place(&self, id: &NodeId) -> Option<usize> {
        let reach = reach(&self.target, id);
        let place = self.nodes.binary_search_by_key(&reach, |node| node.reach);
        place.ok()
    }

    /// An answer, late or not (`was_slow`), with the nodes it names that may be asked.
    pub(super) fn answered(
        &mut self,
        id: &NodeId,
        was_slow: bool,
        response: &Response<'_>,
        contacts: &[(NodeId, Address)],
    ) {
        self.in_flight -= usize::from(!was_slow);
        let Some(at) = self.place(id) else { return };
        if !was_slow {
            self.came_back(at);
        }
        let node = &mut self.nodes[at];
        if !matches!(node.state, State::Answered) {
            self.tally.answered += 1;
            node.state = State::Answered;
        }
        let hops = node.hops.saturating_add(1);
        self.note_values(at, response);
        let closer = contacts
            .iter()
            .filter(|(id, address)| self.hear(*id, *address, hops))
            .count();
        self.widen(closer);
    }

    /// Narrow while answers still bring the walk much closer, since who is closest now will not
    /// be; as wide as it takes once they do not.
    fn widen(&mut self, closer: usize) {
        if self.plan.enough.is_some() && !self.has_no_holder() {
            return;
        }
        self.parallel = if closer <= 1 || self.has_arrived() {
            MAX_K
        } else {
            self.parallel.min(FAR_MAX)
        };
    }

    fn has_no_holder(&self) -> bool {
        self.holders == 0
    }

    fn note_values(&mut self, at: usize, response: &Response<'_>) {
        let node = &mut self.nodes[at];
        let mut values = response.values.clone().peekable();
        let filters = response.seeders.zip(response.leechers);
        if values.peek().is_none() && filters.is_none() {
            return;
        }
        if node.holder.is_none() && self.holders < MAX_HOLDERS {
            node.holder = Some(self.holders);
            self.holders += 1;
        }
        let Some(holder) = node.holder else { return };
        let listed = self.sightings.add(values, holder);
        node.list = node.list.max(listed);
        if let Some((seeds, leechers)) = filters
            && self.filters.iter().all(|(id, _)| *id != node.id)
        {
            self.filters.push((node.id, Box::new([*seeds, *leechers])));
        }
    }

    /// One of the questions to this node is over.
    fn came_back(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if node.again > 0 {
            node.again -= 1;
            self.extra_in_flight -= 1;
        }
    }

    /// A question is slower than most.
    pub(super) fn slow(&mut self, id: &NodeId) {
        self.in_flight -= 1;
        self.tally.timed_out += 1;
        if let Some(at) = self.place(id) {
            self.came_back(at);
            let node = &mut self.nodes[at];
            if node.state == State::Asked {
                node.state = State::Slow;
            }
        }
        let is_walking = !self.has_arrived() && self.parallel < FAR_MAX;
        if is_walking && self.plan.enough.is_none() {
            self.parallel += 1;
        }
    }

    /// An answer that is none: an error, or not from who was asked.
    pub(super) fn failed(&mut self, id: &NodeId, was_slow: bool, is_error: bool) {
        self.in_flight -= usize::from(!was_slow);
        if is_error {
            self.tally.errors += 1;
        } else {
            self.tally.rejected += 1;
        }
        let Some(at) = self.place(id) else { return };
        if !was_slow {
            self.came_back(at);
        }
        let node = &mut self.nodes[at];
        node.state = State::Failed;
        if !is_error {
            // A liar takes what it named with it.
            node.holder = None;
        }
    }

    /// Whether it is over. Looks for further questions once all answers are there.
    pub(super) fn is_over(&mut self) -> bool {
        if !self.has_arrived() || self.extra_in_flight > 0 || !self.extra.is_empty() {
            return false;
        }
        if self.info_hash.is_some() && !self.is_enough() {
            self.look_further();
        }
        self.has_arrived() && self.extra.is_empty()
    }

    /// The nodes closest to the target that answered.
    fn closest(&self) -> impl Iterator<Item = &Candidate> {
        let answered = |node: &&Candidate| node.state == State::Answered;
        self.nodes.iter().filter(answered).take(TRUSTED)
    }

    fn trusted(&self) -> Holders {
        self.closest()
            .filter_map(|node| node.holder)
            .fold(0, |all, holder| all | 1 << holder)
    }

    fn look_further(&mut self) {
        let trusted = self.trusted();
        if trusted == 0 {
            return;
        }
        let (census, alone) = self.sightings.census(trusted);
        let last = self.top().last().and_then(|at| self.nodes[at].holder);
        if self.k < MAX_K && last.is_some_and(|last| alone & 1 << last != 0) {
            self.k += 1;
        }
        let holders = self.closest().filter(|node| node.holder.is_some());
        let (mut full, mut short): (Vec<_>, Vec<_>) = holders
            .map(|node| (node.id, node.list, node.asks, node.may_be_cut()))
            .partition(|(.., full)| *full);
        self.parallel = MAX_K;
        if full.is_empty() {
            if self.filters_asked == 0 {
                short.truncate(1);
                self.extra.extend(short.iter().map(|(id, ..)| (*id, true)));
            }
            return;
        }
        let lists = full.iter().map(|(_, list, ..)| list).sum::<usize>() / full.len();
        // Those that were asked least come first.
        full.sort_by_key(|(_, _, asks, _)| *asks);
        let again = full
            .iter()
            .filter(|(_, _, asks, _)| *asks < coupon::MAX_EACH);
        let again: Vec<NodeId> = again.map(|(id, ..)| *id).collect();
        let questions = self.coupon.questions(census, lists, again.len());
        let wanted = again.iter().take(questions).map(|id| (*id, false));
        self.extra.extend(wanted);
        if self.filters_asked < coupon::FILTERS {
            let missing = coupon::FILTERS - self.filters_asked;
            let filters = full.iter().rev().take(missing);
            self.extra.extend(filters.map(|(id, ..)| (*id, true)));
        }
    }

    /// Ends it: what was found, and the nodes that must have answered for a whole lookup, closest
    /// first.
    pub(super) fn finish(mut self, now: Mono) -> Ended {
        self.tally.duration = self.started.map(|at| now.since(at)).unwrap_or_default();
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
        // In a net of two nodes two answers are all; in a large one a few are too few to say
        // that nobody is there.
        let due = self.tally.asked.min(K as u32);
        let result = if self.tally.answered * 2 < due.max(1) {
            Err(Failure::Timeout)
        } else {
            Ok(self.found(trusted))
        };
        Ended {
            target: self.target,
            info_hash: self.info_hash,
            is_small: !self.has_full_list() && !lists.is_empty(),
            is_whole: self.plan.enough.is_none() && closest.len() == K,
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
        let estimate = sightings::estimate(filters.map(|(_, filters)| &**filters), &peers);
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

/// A walk that is over.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) target: NodeId,
    pub(super) info_hash: Option<InfoHash>,
    pub(super) result: Result<Found, Failure>,
    pub(super) tally: Diagnosis,
    /// The closest nodes that answered, at most [`K`].
    pub(super) closest: Vec<Contact>,
    /// All of the closest were asked and [`K`] answered.
    pub(super) is_whole: bool,
    /// Lengths of the lists of trusted holders.
    pub(super) lists: Vec<usize>,
    /// Peers were found and no list was full.
    pub(super) is_small: bool,
}

#[cfg(test)]
mod tests;
