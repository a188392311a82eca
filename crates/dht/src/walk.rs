//! One lookup: who is asked next, what the answers say, and when it is over. No socket, no clock.
//!
//! A walk asks the closest nodes it knows of until the `k` closest that live have all answered.
//! It asks for lists only: common clients answer `scrape` with filters in place of lists
//! (BEP 33). Then holders of a swarm that is larger than their lists are asked again, as long as
//! something new is to be expected, and some of them for filters.

mod coupon;
mod doubt;
mod ending;
mod sightings;
mod spare;
mod view;

use std::time::Duration;

use super::id::{Distance, NodeId};
use super::krpc::Response;
use super::packed::{Address, Net};
use super::size::Size;
use crate::Diagnosis;
use coupon::Coupon;
use doubt::Doubt;
pub(super) use ending::Ended;
use seedwatch_clock::Mono;
use seedwatch_torrent::InfoHash;
use seedwatch_torrent::address::Accept;
use sightings::{Holders, MAX_HOLDERS, Sightings};
pub(super) use spare::Spare;
use view::View;

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
/// Bits that a node beyond the closest may share less with the target than the last of these.
const NEAR_BITS: u32 = 2;
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
    /// One node a /24 or /64. In a lab, where all share one, few nodes may be all there are.
    pub(super) one_per_net: bool,
    /// Which peers count.
    pub(super) accept: Accept,
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
    nodes: View,
    sightings: Sightings,
    filters: Vec<(NodeId, Box<[[u8; 256]; 2]>)>,
    holders: u8,
    filters_asked: usize,
    coupon: Coupon,
    doubt: Doubt,
    /// Nothing was found, and that does not say yet that nothing is there.
    is_unsure: bool,
    /// Questions beyond the walk itself, and how many of them are under way.
    extra: Vec<(NodeId, Ask)>,
    extra_in_flight: usize,
    /// When it is cut off.
    deadline: Mono,
    started: Option<Mono>,
    tally: Diagnosis,
}

/// A node in view.
#[derive(Debug, Clone)]
struct Candidate {
    id: NodeId,
    distance: Distance,
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
    /// Which node named it first; `None`: known before.
    named_by: Option<NodeId>,
    /// Closer to the target than an honest DHT allows: what it says does not count.
    doubted: bool,
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

/// What a node is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// For peers.
    List,
    /// For filters (BEP 33).
    Filters,
    /// For nodes around another id.
    Around(NodeId),
}

/// The next question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) id: NodeId,
    pub(super) address: Address,
    /// For filters.
    pub(super) scrape: bool,
    /// For nodes around this id, instead of the target.
    pub(super) around: Option<NodeId>,
}

impl Candidate {
    /// It has answered, or may yet, and is not set aside.
    fn counts(&self) -> bool {
        !self.doubted && !matches!(self.state, State::Failed | State::Slow)
    }
}

impl Walk {
    /// A walk from the closest nodes known.
    pub(super) fn new(
        target: NodeId,
        info_hash: Option<InfoHash>,
        plan: Plan,
        deadline: Mono,
    ) -> Self {
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
            nodes: View::default(),
            sightings: Sightings::default(),
            filters: Vec::new(),
            holders: 0,
            filters_asked: 0,
            coupon: Coupon::default(),
            doubt: Doubt::default(),
            is_unsure: false,
            extra: Vec::new(),
            extra_in_flight: 0,
            deadline,
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

    /// When it is cut off.
    pub(super) fn deadline(&self) -> Mono {
        self.deadline
    }

    /// A node that may be worth asking; says how many of the `k` closest it leaves behind it.
    pub(super) fn hear(&mut self, id: NodeId, address: Address, hops: u8) -> bool {
        self.hear_from(None, id, address, hops)
    }

    fn hear_from(
        &mut self,
        named_by: Option<NodeId>,
        id: NodeId,
        address: Address,
        hops: u8,
    ) -> bool {
        let distance = self.target.distance(&id);
        let place = self.nodes.find(&distance);
        let Err(place) = place else { return false };
        if place >= MAX_CANDIDATES {
            return false;
        }
        let net = address.net();
        let candidate = Candidate {
            id,
            distance,
            address,
            net,
            state: State::Heard,
            hops,
            asks: 0,
            again: 0,
            holder: None,
            list: 0,
            named_by,
            doubted: false,
        };
        if self.doubt.refuses(&candidate) {
            return false;
        }
        let place = match self.neighbour(&net) {
            None => place,
            // Otherwise the owner of one network could surround a swarm with it.
            Some(at) if self.nodes[at].state != State::Heard || at < place => return false,
            Some(farther) => {
                self.nodes.remove(farther);
                place
            }
        };
        self.nodes.insert(place, candidate);
        if self.nodes.len() > MAX_CANDIDATES
            && let Some(last) = self.nodes.pop()
        {
            self.forget(&last);
        }
        self.top().any(|at| at == place)
    }

    /// A node has left the view.
    fn forget(&mut self, gone: &Candidate) {
        self.extra.retain(|(id, _)| *id != gone.id);
        self.extra_in_flight -= usize::from(gone.again);
    }

    /// The node that speaks for a network: one that answers, or may yet.
    fn neighbour(&self, net: &Net) -> Option<usize> {
        let speaks = |node: &Candidate| node.net == *net && node.counts();
        let place = self.nodes.iter().position(speaks);
        place.filter(|_| self.plan.one_per_net)
    }

    /// Places of the `k` closest nodes that are not known to fail.
    fn top(&self) -> impl Iterator<Item = usize> + '_ {
        let places = self.nodes.iter().enumerate();
        let places = places.filter(|(_, node)| node.counts());
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
            let holders = self.closest().filter(|node| node.list > 0);
            holders.count() >= enough
        })
    }

    /// The next question, unless nothing may be asked now. `may_ask` knows the manners; the node
    /// for which it says yes is asked.
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
            let (id, what) = self.extra.remove(place);
            let at = self.place(&id)?;
            self.nodes[at].again += 1;
            self.extra_in_flight += 1;
            return self.ask(at, what);
        }
        let mut heard = self
            .top()
            .filter(|at| self.nodes[*at].state == State::Heard);
        let at = heard.find(|at| may_ask(&self.nodes[*at].address))?;
        drop(heard);
        let what = if self.is_for_filters() {
            Ask::Filters
        } else {
            Ask::List
        };
        self.ask(at, what)
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
        let mut nodes = self.nodes.iter();
        nodes.any(|node| !node.doubted && node.may_be_cut())
    }

    fn ask(&mut self, at: usize, what: Ask) -> Option<Question> {
        let node = self.nodes.get_mut(at)?;
        self.tally.asked += u32::from(node.state == State::Heard);
        if node.state == State::Heard {
            node.state = State::Asked;
        }
        node.asks += u8::from(what == Ask::List);
        let scrape = what == Ask::Filters;
        self.filters_asked += usize::from(scrape);
        self.in_flight += 1;
        self.tally.queries += 1;
        Some(Question {
            id: node.id,
            address: node.address,
            scrape,
            around: match what {
                Ask::Around(id) => Some(id),
                Ask::List | Ask::Filters => None,
            },
        })
    }

    /// It has met all nodes it needs, and asks those that hold a large swarm again.
    pub(super) fn is_collecting(&mut self) -> bool {
        self.coupon.is_used() && self.has_arrived()
    }

    /// It ends as it stands.
    pub(super) fn cut_off(&mut self) {
        self.deadline = Mono(0);
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
                let known = self.closest().filter(|node| node.list > 0).count();
                enough.saturating_sub(known).max(1)
            }
            _ => self.parallel,
        }
    }

    fn place(&self, id: &NodeId) -> Option<usize> {
        self.nodes.find(&self.target.distance(id)).ok()
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
        let is_statement = response.is_statement || self.info_hash.is_none();
        let node = &mut self.nodes[at];
        if !is_statement {
            // A node that says nothing about peers does not say that there are none.
            self.tally.rejected += 1;
            if node.state != State::Answered {
                node.state = State::Failed;
            }
            return;
        }
        if !matches!(node.state, State::Answered) {
            self.tally.answered += 1;
            node.state = State::Answered;
        }
        let (hops, by) = (node.hops.saturating_add(1), node.id);
        let contacts = if node.doubted { &[] } else { contacts };
        self.note_values(at, response);
        let closer = contacts
            .iter()
            .filter(|(id, address)| self.hear_from(Some(by), *id, *address, hops))
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

    /// Whether it is over. Looks for further questions once all answers are there. What is close
    /// is judged by the size of the DHT.
    pub(super) fn is_over(&mut self, size: &mut Size) -> bool {
        if !self.is_idle() || self.extra_in_flight > 0 {
            return false;
        }
        if self.info_hash.is_none() {
            return true;
        }
        while self.is_idle() && self.doubt(size) {}
        if !self.is_idle() {
            return false;
        }
        let is_empty = self.trusted() == 0;
        self.is_unsure = is_empty && !size.is_settled();
        if self.is_unsure {
            return false;
        }
        self.is_unsure = is_empty && !self.is_conclusive(size);
        if !self.is_enough() {
            self.look_further();
        }
        self.is_idle()
    }

    /// All answers are there, and nothing more is wanted.
    fn is_idle(&self) -> bool {
        self.has_arrived() && self.extra.is_empty() && !self.doubt.is_wanting()
    }

    /// The nodes closest to the target that answered. Beyond the `k` that peers announce to, only
    /// those about as close: whoever is far and names peers names them for any info-hash.
    fn closest(&self) -> impl Iterator<Item = &Candidate> {
        let answered = |node: &&Candidate| node.state == State::Answered && !node.doubted;
        let nodes = self.nodes.iter().filter(answered);
        let last = nodes.clone().take(self.k).last();
        let reach = last.map_or(0, |last| last.distance.shared_bits());
        let close = move |(rank, node): &(usize, &Candidate)| {
            *rank < self.k || node.distance.shared_bits() + NEAR_BITS >= reach
        };
        let close = nodes.take(TRUSTED).enumerate().take_while(close);
        close.map(|(_, node)| node)
    }

    fn trusted(&self) -> Holders {
        self.closest()
            .filter_map(|node| node.holder)
            .fold(0, |all, holder| all | 1 << holder)
    }
}

#[cfg(test)]
mod tests;
