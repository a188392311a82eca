//! Our node in the DHT of one family: what it knows, what it has asked, what it is looking for.

mod walks;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::Contact;
use super::binding::Bindings;
use super::cache::Cache;
use super::engine::{Outbox, Settings};
use super::id::{self, NodeId};
use super::krpc::{self, Message, Response};
use super::pace::{Budget, Courtesy};
use super::packed::Address;
use super::random::Random;
use super::rtt::RoundTrip;
use super::size::Size;
use super::sweep::Sweep;
use super::transactions::{Expired, Pending, Transactions, WalkId};
use super::votes::Votes;
use super::walk::{self, Ended, Plan, Walk};
use crate::address::{Accept, is_global};
use crate::observation::{DhtStatus, Diagnosis, Failure, Family, Lookup};
use crate::time::Mono;
use crate::torrent::InfoHash;
use walks::Walks;

/// Nodes saved.
const SAVED: u16 = 512;
/// With fewer nodes that answer, bootstrap addresses are asked again.
const FEW: usize = 8;
/// With fewer, the neighbourhood of random ids is looked at to find more.
const ENOUGH: usize = 64;
/// Time between two such looks, and between those that keep the table of an idle node alive.
const LOOK_FOR_MORE: Duration = Duration::from_secs(5);
const LOOK_AROUND: Duration = Duration::from_secs(600);
/// Bootstrap addresses that wait to be asked.
const MAX_SEEDS: usize = 256;
/// Time to find a first node before lookups fail for want of one.
const SETTLING: Duration = Duration::from_secs(20);
/// Questions in a row that nobody answered, of which we conclude that nobody will.
const SILENT: u32 = 16;
/// Info-hashes that wait to be looked up at once.
const MAX_WANTED: usize = 1024;
/// Nodes that a walk begins with.
const START: usize = 16;
/// Weight of one lookup in what is known of lists.
const VISIBILITY_MEMORY: f64 = 1.0 / 32.0;

/// Where questions leave and lookups end.
pub(super) struct Outlet<'a> {
    pub(super) settings: &'a Settings,
    pub(super) budget: &'a mut Budget,
    pub(super) random: &'a mut Random,
    pub(super) out: &'a mut Outbox,
    pub(super) ended: &'a mut Vec<Lookup>,
}

/// One family.
#[derive(Debug)]
pub(super) struct Node {
    family: Family,
    id: NodeId,
    external: Option<IpAddr>,
    votes: Votes,
    cache: Cache,
    bindings: Bindings,
    courtesy: Courtesy,
    transactions: Transactions,
    rtt: RoundTrip,
    size: Size,
    sweep: Sweep,
    walks: Walks,
    wanted: VecDeque<InfoHash>,
    seeds: VecDeque<SocketAddr>,
    /// Share of a swarm that the list of one holder shows.
    visibility: f64,
    opened: Mono,
    next_look: Mono,
    paused: bool,
    /// Questions since the latest answer that nobody answered.
    silence: u32,
    queries: u64,
    answers: u64,
    timeouts: u64,
    errors: u64,
}

impl Node {
    pub(super) fn new(family: Family, random: &mut Random, now: Mono) -> Self {
        Self {
            family,
            id: NodeId(random.id()),
            external: None,
            votes: Votes::default(),
            cache: Cache::new(),
            bindings: Bindings::default(),
            courtesy: Courtesy::default(),
            transactions: Transactions::default(),
            rtt: RoundTrip::default(),
            size: Size::default(),
            sweep: Sweep::default(),
            walks: Walks::default(),
            wanted: VecDeque::new(),
            seeds: VecDeque::new(),
            visibility: 0.75,
            opened: now,
            next_look: now,
            paused: false,
            silence: 0,
            queries: 0,
            answers: 0,
            timeouts: 0,
            errors: 0,
        }
    }

    pub(super) fn watch(&mut self, hashes: Arc<[InfoHash]>, interval: Duration, now: Mono) {
        self.cache.set_targets(hashes.len());
        self.sweep.watch(hashes, interval, now);
    }

    pub(super) fn look_up(&mut self, hash: InfoHash, now: Mono) {
        if self.wanted.len() < MAX_WANTED && !self.walks.is_looking_for(&hash) {
            self.wanted.push_back(hash);
            self.opened = self.opened.max(if self.cache.len() == 0 {
                now
            } else {
                self.opened
            });
        }
    }

    pub(super) fn pause(&mut self, paused: bool, now: Mono) {
        if paused && !self.paused {
            self.walks = Walks::following(&self.walks);
            self.sweep.restart(now);
        }
        self.paused = paused;
    }

    pub(super) fn seed(&mut self, addresses: &[SocketAddr], _now: Mono) {
        let of_family = addresses
            .iter()
            .filter(|address| Family::of(&address.ip().to_canonical()) == self.family);
        for address in of_family.take(MAX_SEEDS) {
            if self.seeds.len() < MAX_SEEDS && !self.seeds.contains(address) {
                self.seeds.push_back(*address);
            }
        }
    }

    pub(super) fn restore(&mut self, contacts: &[Contact], settings: &Settings, now: Mono) {
        for Contact { id, address } in contacts {
            if self.may_ask(address, settings) {
                self.cache.hear(*id, Address::from(*address), now);
            }
        }
    }

    /// Whether an address that somebody named is one of this family's DHT.
    fn may_ask(&self, address: &SocketAddr, settings: &Settings) -> bool {
        let ip = address.ip().to_canonical();
        Family::of(&ip) == self.family
            && address.port() != 0
            && (settings.accept == Accept::Any || is_global(ip))
    }

    pub(super) fn table(&self) -> Vec<Contact> {
        self.cache.spread(SAVED)
    }

    pub(super) fn needs_bootstrap(&self) -> bool {
        !self.paused && self.seeds.is_empty() && self.cache.good() < FEW
    }

    pub(super) fn status(&self, now: Mono) -> DhtStatus {
        let (overdue, lag) = self.sweep.overdue(now);
        let asked = self.answers > 0 || self.timeouts > 0;
        DhtStatus {
            up: asked.then_some(self.answers > 0 && self.silence < SILENT),
            nodes: u32::try_from(self.cache.good()).unwrap_or(u32::MAX),
            estimated_nodes: self.size.estimate(),
            queries: self.queries,
            timeouts: self.timeouts,
            errors: self.errors,
            external_ip: self.external,
            in_flight: self.walks.len() as u32,
            overdue,
            lag,
        }
    }

    pub(super) fn receive(
        &mut self,
        from: SocketAddr,
        datagram: &[u8],
        settings: &Settings,
        random: &mut Random,
        now: Mono,
    ) {
        let from = Address::from(from);
        match krpc::parse(datagram) {
            // Read-only: nobody is answered (BEP 43).
            Ok(Message::Query(_)) => {}
            Ok(Message::Response(response)) => match self.close(response.transaction, &from) {
                Some(pending) => self.answered(pending, &response, settings, random, now),
                None => self.errors += 1,
            },
            Ok(Message::Error(error)) => {
                self.errors += 1;
                if let Some(pending) = self.close(error.transaction, &from) {
                    self.answers += 1;
                    self.silence = 0;
                    self.drop_out(pending, true, now);
                }
            }
            Err(_) => self.errors += 1,
        }
    }

    fn close(&mut self, transaction: &[u8], from: &Address) -> Option<Pending> {
        self.transactions.close(transaction, from)
    }

    fn answered(
        &mut self,
        pending: Pending,
        response: &Response<'_>,
        settings: &Settings,
        random: &mut Random,
        now: Mono,
    ) {
        self.answers += 1;
        self.silence = 0;
        self.rtt.sample(now.since(pending.sent));
        let address = pending.address;
        let as_expected = pending.id.is_none_or(|id| id == response.id);
        let believed = self.bindings.answered(&address, &response.id, now);
        if !as_expected || !believed {
            self.errors += 1;
            self.drop_out(pending, false, now);
            return;
        }
        if let Some(ours) = response.external {
            self.vote(&address, ours.ip().to_canonical(), random);
        }
        self.cache.answered(response.id, address, now);
        let walk = pending.walk.and_then(|id| self.walks.get_mut(id));
        let mut fresh = Vec::new();
        for (id, address) in contacts(self.family, response) {
            let known = walk.as_ref().is_some_and(|walk| walk.knows(&id));
            if known || id == self.id || !may_name(&address, settings) {
                continue;
            }
            let address = Address::from(address);
            self.cache.hear(id, address, now);
            if !self.cache.is_bad(&id, now) {
                fresh.push((id, address));
            }
        }
        if let (Some(id), Some(walk)) = (pending.walk, walk) {
            walk.answered(&response.id, pending.slow, response, &fresh);
            self.walks.wake(id);
        }
    }

    /// Our address as others see it decides on our id (BEP 42).
    fn vote(&mut self, voter: &Address, ours: IpAddr, random: &mut Random) {
        if Family::of(&ours) != self.family {
            return;
        }
        self.votes.cast(voter.net(), ours);
        let winner = self.votes.winner();
        if winner.is_some() && winner != self.external {
            self.external = winner;
            self.id = id::secure(ours, random.id());
        }
    }

    /// A node whose answer cannot be used.
    fn drop_out(&mut self, pending: Pending, is_error: bool, now: Mono) {
        let Some(id) = pending.id else { return };
        self.cache.failed(&id, now);
        if let Some(key) = pending.walk
            && let Some(walk) = self.walks.get_mut(key)
        {
            walk.failed(&id, pending.slow, is_error);
            self.walks.wake(key);
        }
    }

    pub(super) fn undelivered(&mut self, to: SocketAddr, now: Mono) {
        for pending in self.transactions.undelivered(&Address::from(to)) {
            self.timeouts += 1;
            self.silence = self.silence.saturating_add(1);
            if !pending.slow {
                self.slow(pending, now);
            }
        }
    }

    fn slow(&mut self, pending: Pending, now: Mono) {
        let Some(id) = pending.id else { return };
        // Others need not wait for it either, unless it answers after all.
        self.cache.failed(&id, now);
        if let Some(key) = pending.walk
            && let Some(walk) = self.walks.get_mut(key)
        {
            walk.slow(&id);
            self.walks.wake(key);
        }
    }

    /// Does what is due; returns when to come back.
    pub(super) fn poll(&mut self, now: Mono, outlet: &mut Outlet<'_>) -> Mono {
        while let Some(expired) = self.transactions.expire(now) {
            match expired {
                Expired::Slow(pending) => self.slow(pending, now),
                Expired::Lost(_) => {
                    self.timeouts += 1;
                    self.silence = self.silence.saturating_add(1);
                }
            }
        }
        self.walks.wake_due(now);
        if !self.paused {
            self.ask_seeds(now, outlet);
            loop {
                self.ask_walks(now, outlet);
                if !outlet.budget.is_open() || !self.begin(now, outlet) {
                    break;
                }
            }
            self.give_up(now, outlet);
        }
        self.wake(now, outlet)
    }

    fn ask_seeds(&mut self, now: Mono, outlet: &mut Outlet<'_>) {
        while outlet.budget.is_open() && self.transactions.has_room() {
            let Some(to) = self.seeds.pop_front() else {
                return;
            };
            let address = Address::from(to);
            if self.courtesy.allows(&address, now).is_ok() {
                let (own, target) = (self.id, self.id);
                let transaction = self.send(None, None, address, now, outlet);
                let write = |to: &mut Vec<u8>| krpc::find_node(to, transaction, &own, &target);
                outlet.out.push(to, write);
            }
        }
    }

    /// Books a packet; the caller writes it.
    fn send(
        &mut self,
        walk: Option<WalkId>,
        id: Option<NodeId>,
        address: Address,
        now: Mono,
        outlet: &mut Outlet<'_>,
    ) -> [u8; 4] {
        outlet.budget.spend();
        self.courtesy.spend(address, now);
        self.queries += 1;
        let pending = Pending {
            walk,
            id,
            address,
            sent: now,
            slow: false,
        };
        let patience = self.rtt.patience();
        self.transactions.open(pending, patience, outlet.random)
    }

    /// Lets walks that have something to ask do so, as far as the budget goes.
    fn ask_walks(&mut self, now: Mono, outlet: &mut Outlet<'_>) {
        while outlet.budget.is_open() && self.transactions.has_room() {
            let Some(key) = self.walks.next_ready() else {
                return;
            };
            let mut free_at = None;
            while outlet.budget.is_open() {
                let Some(walk) = self.walks.get_mut(key) else {
                    break;
                };
                let courtesy = &self.courtesy;
                let question = walk.next(|address| match courtesy.allows(address, now) {
                    Ok(()) => true,
                    Err(at) => {
                        free_at = free_at.into_iter().chain([at]).min();
                        false
                    }
                });
                let Some(question) = question else { break };
                walk.sent(now);
                let (target, looking) = (*walk.target(), walk.info_hash().is_some());
                let transaction =
                    self.send(Some(key), Some(question.id), question.address, now, outlet);
                let own = self.id;
                outlet.out.push(question.address.into(), |to| {
                    if looking {
                        krpc::get_peers(to, transaction, &own, &target, question.scrape);
                    } else {
                        krpc::find_node(to, transaction, &own, &target);
                    }
                });
            }
            if !outlet.budget.is_open() {
                // The rest of its questions come first when there is room again.
                self.walks.wake_first(key);
            }
            self.settle(key, free_at, now, outlet);
        }
    }

    /// Ends a walk that is over; has one that may not ask yet come back.
    fn settle(&mut self, key: WalkId, free_at: Option<Mono>, now: Mono, outlet: &mut Outlet<'_>) {
        let Some(walk) = self.walks.get_mut(key) else {
            return;
        };
        if walk.is_over()
            || walk
                .started()
                .is_some_and(|at| now.since(at) > walk::LONGEST)
        {
            if let Some(walk) = self.walks.remove(key) {
                self.end(walk.finish(now), now, outlet);
            }
        } else if walk.has_more() {
            match free_at {
                Some(at) => self.walks.wake_at(key, at),
                None => self.walks.wake(key),
            }
        }
    }

    fn end(&mut self, walk: Ended, now: Mono, outlet: &mut Outlet<'_>) {
        if walk.is_whole
            && let Some(last) = walk.closest.last()
        {
            let distance = walk.target.distance(&last.id);
            self.size.sample(walk.closest.len(), &distance);
        }
        let Some(info_hash) = walk.info_hash else {
            return;
        };
        if walk.is_small
            && walk.lists.len() >= 3
            && let Ok(found) = &walk.result
        {
            let mean = walk.lists.iter().sum::<usize>() as f64 / walk.lists.len() as f64;
            let shown = (mean / found.peers.len().max(1) as f64).min(1.0);
            self.visibility += (shown - self.visibility) * VISIBILITY_MEMORY;
        }
        let known = super::sweep::Known {
            visited: walk.result.is_ok(),
            small: walk.is_small,
        };
        self.sweep.learned(&info_hash, known);
        if let Some((from, to)) = self.sweep.passed(&info_hash) {
            self.cache.trim(&from, &to, now);
        }
        outlet.ended.push(Lookup {
            info_hash,
            family: self.family,
            result: walk.result,
            diagnosis: walk.tally,
        });
    }

    /// Begins the next walk; says whether there was one.
    fn begin(&mut self, now: Mono, outlet: &mut Outlet<'_>) -> bool {
        if self.cache.len() == 0 {
            return false;
        }
        if let Some(hash) = self.wanted.pop_front() {
            self.walk(
                NodeId::of(hash),
                Some(hash),
                Default::default(),
                now,
                outlet,
            );
            return true;
        }
        // Few nodes known: many walks at once would all ask the same.
        let at_once = self.sweep.ranges().min(1 + self.cache.len() / FEW);
        if self.walks.len() < at_once
            && let Some(due) = self.sweep.take(now)
        {
            if !self.walks.is_looking_for(&due.info_hash) {
                let target = NodeId::of(due.info_hash);
                self.walk(target, Some(due.info_hash), due.known, now, outlet);
            }
            return true;
        }
        if now >= self.next_look && self.walks.len() == 0 {
            let more = self.cache.good() < ENOUGH;
            self.next_look = now.after(if more { LOOK_FOR_MORE } else { LOOK_AROUND });
            let target = NodeId(outlet.random.id());
            self.walk(target, None, Default::default(), now, outlet);
            return true;
        }
        false
    }

    fn walk(
        &mut self,
        target: NodeId,
        info_hash: Option<InfoHash>,
        known: super::sweep::Known,
        now: Mono,
        outlet: &Outlet<'_>,
    ) {
        let start = self.cache.closest(&target, START, now);
        let closest = start.iter().take(walk::K);
        let recall = outlet.settings.recall_target.filter(|_| known.small);
        let plan = Plan {
            warm: known.visited && closest.clone().all(|node| node.good),
            small: known.small,
            enough: recall.map(|recall| self.enough(recall)),
            one_per_net: outlet.settings.one_per_net,
        };
        let mut walk = Walk::new(target, info_hash, plan);
        for node in start {
            walk.hear(node.id, node.address, 1);
        }
        self.walks.add(walk);
    }

    /// Holders that show this share of a swarm together, when each shows what they usually do.
    fn enough(&self, recall: f64) -> usize {
        let each = (1.0 - self.visibility).clamp(0.001, 0.9).ln();
        (((1.0 - recall).ln() / each).ceil() as usize).clamp(1, walk::K)
    }

    /// Where no node is found, lookups that are due fail.
    fn give_up(&mut self, now: Mono, outlet: &mut Outlet<'_>) {
        if self.cache.len() > 0 || now.since(self.opened) < SETTLING {
            return;
        }
        let wanted = std::mem::take(&mut self.wanted);
        let due = std::iter::from_fn(|| self.sweep.take(now)).map(|due| due.info_hash);
        let family = self.family;
        let lookups = wanted.into_iter().chain(due).map(|info_hash| Lookup {
            info_hash,
            family,
            result: Err(Failure::Timeout),
            diagnosis: Diagnosis::default(),
        });
        outlet.ended.extend(lookups);
    }

    fn wake(&self, now: Mono, outlet: &Outlet<'_>) -> Mono {
        let mut times = vec![self.transactions.next_deadline(), self.walks.next_wake()];
        if !self.paused {
            if self.walks.is_anybody_ready() || !self.seeds.is_empty() || !self.wanted.is_empty() {
                times.push(Some(outlet.budget.opens(now)));
            }
            if self.walks.len() < self.sweep.ranges() {
                let due = self.sweep.next_due();
                times.push(due.map(|due| due.max(outlet.budget.opens(now))));
            }
            times.push(Some(self.next_look.max(now.after(LOOK_FOR_MORE / 5))));
        }
        let soon = now.after(Duration::from_millis(1));
        let next = times.into_iter().flatten().min();
        next.map_or(now.after(LOOK_AROUND), |at| at.max(soon))
    }
}

/// The nodes that an answer names, of this family.
fn contacts<'a>(
    family: Family,
    response: &Response<'a>,
) -> impl Iterator<Item = (NodeId, SocketAddr)> + use<'a> {
    let (v4, v6) = match family {
        Family::Ipv4 => (response.nodes, &[][..]),
        Family::Ipv6 => (&[][..], response.nodes6),
    };
    let v4 = krpc::contacts4(v4).map(|(id, at)| (id, SocketAddr::V4(at)));
    let v6 = krpc::contacts6(v6).map(|(id, at)| (id, SocketAddr::V6(at)));
    v4.chain(v6).take(MAX_NAMED)
}

/// Nodes taken from one answer; common clients name eight.
const MAX_NAMED: usize = 32;

fn may_name(address: &SocketAddr, settings: &Settings) -> bool {
    address.port() != 0
        && (settings.accept == Accept::Any || is_global(address.ip().to_canonical()))
}
