//! Our node in the DHT of one family: what it knows, what it has asked, what it is looking for.

mod asking;
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
use super::transactions::{Pending, Transactions};
use super::votes::Votes;
use crate::{DhtStatus, LookupReport};
use seedwatch_clock::Mono;
use seedwatch_torrent::Family;
use seedwatch_torrent::InfoHash;
use seedwatch_torrent::address::{Accept, is_global, is_never_contacted};
use walks::Walks;

/// Nodes saved.
const SAVED: u16 = 512;
/// With fewer nodes that answer, bootstrap addresses are asked again.
const FEW: usize = 8;
/// Bootstrap addresses that wait to be asked.
const MAX_SEEDS: usize = 256;
/// Questions in a row that nobody answered, of which we conclude that nobody will.
const SILENT: u32 = 16;
/// Info-hashes that wait to be looked up at once.
const MAX_WANTED: usize = 1024;

/// Where questions leave and lookups end.
pub(super) struct Outlet<'a> {
    pub(super) settings: &'a Settings,
    pub(super) budget: &'a mut Budget,
    pub(super) random: &'a mut Random,
    pub(super) out: &'a mut Outbox,
    pub(super) ended: &'a mut Vec<LookupReport>,
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
    /// As of the latest lookup.
    is_measured: bool,
    /// Lookups of random ids under way.
    measuring: u32,
    sweep: Sweep,
    walks: Walks,
    wanted: VecDeque<InfoHash>,
    seeds: VecDeque<SocketAddr>,
    /// Share of a swarm that the list of one holder shows.
    visibility: f64,
    opened: Mono,
    /// Lookups failed for want of a node.
    gave_up: bool,
    /// When anybody last answered.
    heard: Option<Mono>,
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
            is_measured: false,
            measuring: 0,
            sweep: Sweep::default(),
            walks: Walks::default(),
            wanted: VecDeque::new(),
            seeds: VecDeque::new(),
            visibility: 0.75,
            opened: now,
            gave_up: false,
            heard: None,
            next_look: now,
            paused: false,
            silence: 0,
            queries: 0,
            answers: 0,
            timeouts: 0,
            errors: 0,
        }
    }

    /// Other settings from now on.
    pub(super) fn configure(&mut self, settings: &Settings) {
        self.courtesy.set_by_ip(settings.require_distinct_subnets);
    }

    pub(super) fn watch(&mut self, hashes: Arc<[InfoHash]>, interval: Duration, now: Mono) {
        self.cache.set_targets(hashes.len());
        self.sweep.watch(hashes, interval, now);
    }

    pub(super) fn look_up(&mut self, hash: InfoHash, now: Mono) {
        if self.wanted.len() < MAX_WANTED && !self.walks.is_looking_for(&hash) {
            self.wanted.push_back(hash);
            if self.cache.len() == 0 {
                self.opened = now;
            }
        }
    }

    pub(super) fn pause(&mut self, paused: bool, now: Mono) {
        if paused && !self.paused {
            self.walks = Walks::following(&self.walks);
            self.measuring = 0;
            self.sweep.restart(now);
        }
        if !paused && self.paused && self.cache.len() == 0 {
            self.opened = now;
        }
        self.paused = paused;
    }

    pub(super) fn seed(&mut self, addresses: &[SocketAddr]) {
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
            let is_ours = Family::of(&address.ip().to_canonical()) == self.family;
            if is_ours && may_ask(address, settings) {
                self.cache.hear(*id, Address::from(*address), now);
            }
        }
    }

    pub(super) fn table(&self) -> Vec<Contact> {
        self.cache.spread(SAVED)
    }

    pub(super) fn needs_bootstrap(&self, now: Mono) -> bool {
        !self.paused && self.seeds.is_empty() && self.cache.good(now) < FEW
    }

    pub(super) fn status(&self, now: Mono) -> DhtStatus {
        let (overdue, lag) = self.sweep.overdue(now);
        let asked = self.answers > 0 || self.timeouts > 0;
        DhtStatus {
            up: asked.then_some(self.answers > 0 && self.silence < SILENT),
            nodes: u32::try_from(self.cache.good(now)).unwrap_or(u32::MAX),
            estimated_nodes: self.size.estimate(),
            queries: self.queries,
            timeouts: self.timeouts,
            errors: self.errors,
            external_ip: self.external.filter(|_| self.votes.is_fresh(now)),
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
            Ok(Message::Response(response)) => {
                match self.transactions.close(response.transaction, &from) {
                    Some(pending) => self.answered(pending, &response, settings, random, now),
                    None => self.errors += 1,
                }
            }
            Ok(Message::Error(error)) => {
                self.errors += 1;
                if let Some(pending) = self.transactions.close(error.transaction, &from) {
                    self.answers += 1;
                    self.silence = 0;
                    self.drop_out(pending, true, now);
                }
            }
            Err(_) => self.errors += 1,
        }
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
        self.heard = Some(now);
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
            self.vote(&address, ours.ip().to_canonical(), random, now);
        }
        self.cache.answered(response.id, address, now);
        let walk = pending.walk.and_then(|id| self.walks.get_mut(id));
        let mut fresh = Vec::new();
        for (id, address) in contacts(self.family, response) {
            let known = walk.as_ref().is_some_and(|walk| walk.knows(&id));
            if known || id == self.id || !may_ask(&address, settings) {
                continue;
            }
            // Where it answered before, whatever the one who names it says.
            if let Some(address) = self.cache.hear(id, address.into(), now) {
                fresh.push((id, address));
            }
        }
        if let (Some(id), Some(walk)) = (pending.walk, walk) {
            walk.answered(&response.id, pending.slow, response, &fresh);
            self.walks.wake(id);
        }
    }

    /// Our address as others see it decides on our id (BEP 42).
    fn vote(&mut self, voter: &Address, ours: IpAddr, random: &mut Random, now: Mono) {
        if Family::of(&ours) != self.family {
            return;
        }
        if !self.votes.cast(voter.site(), ours, now) {
            return;
        }
        let winner = self.votes.winner(now);
        if let Some(winner) = winner.filter(|winner| Some(*winner) != self.external) {
            self.external = Some(winner);
            self.id = id::secure(winner, random.id());
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
            let blamed = !pending.blamed;
            let pending = Pending { blamed, ..pending };
            if !pending.slow {
                self.slow(pending, now);
            }
        }
    }

    fn slow(&mut self, pending: Pending, now: Mono) {
        let Some(id) = pending.id else { return };
        if pending.blamed {
            // Others need not wait for it either, unless it answers after all.
            self.cache.failed(&id, now);
        }
        if let Some(key) = pending.walk
            && let Some(walk) = self.walks.get_mut(key)
        {
            walk.slow(&id);
            self.walks.wake(key);
        }
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

/// Whether an address that somebody named is worth a packet.
fn may_ask(address: &SocketAddr, settings: &Settings) -> bool {
    address.port() != 0
        && !is_never_contacted(address.ip())
        && (settings.accept == Accept::Any || is_global(address.ip().to_canonical()))
}
