//! Our node in the DHT of one family: what it knows, what it has asked, what it is looking for.

mod active_lookups;
mod poll;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::Contact;
use super::binding::IdBindings;
use super::engine::{Outbox, Settings};
use super::external_address::ExternalAddressVotes;
use super::id::{self, NodeId};
use super::krpc::{self, Message, Response};
use super::network_size::NetworkSize;
use super::node_table::NodeTable;
use super::packed::PackedAddress;
use super::random::Random;
use super::rate_limit::{PerNodeLimiter, TokenBucket};
use super::rtt::RttEstimator;
use super::schedule::LookupSchedule;
use super::transactions::{Pending, Transactions};
use crate::{DhtStatus, LookupReport};
use active_lookups::ActiveLookups;
use seedwatch_clock::Mono;
use seedwatch_torrent::Family;
use seedwatch_torrent::InfoHash;
use seedwatch_torrent::address::{Accept, is_global, is_never_contacted};

/// Nodes saved.
const MAX_SAVED: u16 = 512;
/// With fewer nodes that answer, bootstrap addresses are asked again.
const MIN_GOOD_NODES: usize = 8;
/// Bootstrap addresses that wait to be asked.
const MAX_BOOTSTRAP: usize = 256;
/// Questions in a row that nobody answered, of which we conclude that nobody will.
const MAX_SILENCE: u32 = 16;
/// Info-hashes that wait to be looked up at once.
const MAX_WANTED: usize = 1024;

/// Where questions leave and lookups end.
pub(super) struct PollContext<'a> {
    pub(super) settings: &'a Settings,
    pub(super) bucket: &'a mut TokenBucket,
    pub(super) random: &'a mut Random,
    pub(super) out: &'a mut Outbox,
    pub(super) ended: &'a mut Vec<LookupReport>,
}

/// One family.
#[derive(Debug)]
pub(super) struct FamilyNode {
    family: Family,
    id: NodeId,
    external: Option<IpAddr>,
    votes: ExternalAddressVotes,
    table: NodeTable,
    bindings: IdBindings,
    per_node: PerNodeLimiter,
    transactions: Transactions,
    rtt: RttEstimator,
    size: NetworkSize,
    /// As of the latest lookup.
    is_measured: bool,
    /// Lookups of random ids under way.
    measuring: u32,
    schedule: LookupSchedule,
    lookups: ActiveLookups,
    wanted: VecDeque<InfoHash>,
    bootstrap: VecDeque<SocketAddr>,
    /// Share of a swarm that the list of one holder shows.
    visibility: f64,
    searching_since: Mono,
    /// Lookups failed for want of a node.
    gave_up: bool,
    /// When anybody last answered.
    last_answer: Option<Mono>,
    next_refresh: Mono,
    paused: bool,
    /// Questions since the latest answer that nobody answered.
    silence: u32,
    queries: u64,
    answers: u64,
    timeouts: u64,
    errors: u64,
}

impl FamilyNode {
    pub(super) fn new(family: Family, random: &mut Random, now: Mono) -> Self {
        Self {
            family,
            id: NodeId(random.id()),
            external: None,
            votes: ExternalAddressVotes::default(),
            table: NodeTable::new(),
            bindings: IdBindings::default(),
            per_node: PerNodeLimiter::default(),
            transactions: Transactions::default(),
            rtt: RttEstimator::default(),
            size: NetworkSize::default(),
            is_measured: false,
            measuring: 0,
            schedule: LookupSchedule::default(),
            lookups: ActiveLookups::default(),
            wanted: VecDeque::new(),
            bootstrap: VecDeque::new(),
            visibility: 0.75,
            searching_since: now,
            gave_up: false,
            last_answer: None,
            next_refresh: now,
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
        self.per_node.set_per_ip(settings.require_distinct_subnets);
    }

    pub(super) fn watch(&mut self, hashes: Arc<[InfoHash]>, interval: Duration, now: Mono) {
        self.table.set_targets(hashes.len());
        self.schedule.watch(hashes, interval, now);
    }

    pub(super) fn look_up(&mut self, hash: InfoHash, now: Mono) {
        if self.wanted.len() < MAX_WANTED && !self.lookups.is_active(&hash) {
            self.wanted.push_back(hash);
            if self.table.len() == 0 {
                self.searching_since = now;
            }
        }
    }

    pub(super) fn pause(&mut self, paused: bool, now: Mono) {
        if paused && !self.paused {
            self.lookups = ActiveLookups::following(&self.lookups);
            self.measuring = 0;
            self.schedule.restart(now);
        }
        if !paused && self.paused && self.table.len() == 0 {
            self.searching_since = now;
        }
        self.paused = paused;
    }

    pub(super) fn add_bootstrap(&mut self, addresses: &[SocketAddr]) {
        let of_family = addresses
            .iter()
            .filter(|address| Family::of(&address.ip().to_canonical()) == self.family);
        for address in of_family.take(MAX_BOOTSTRAP) {
            if self.bootstrap.len() < MAX_BOOTSTRAP && !self.bootstrap.contains(address) {
                self.bootstrap.push_back(*address);
            }
        }
    }

    pub(super) fn restore(&mut self, contacts: &[Contact], settings: &Settings, now: Mono) {
        for Contact { id, address } in contacts {
            let is_ours = Family::of(&address.ip().to_canonical()) == self.family;
            if is_ours && is_contactable(address, settings) {
                self.table
                    .add_named(*id, PackedAddress::from(*address), now);
            }
        }
    }

    pub(super) fn nodes_to_save(&self) -> Vec<Contact> {
        self.table.sample_evenly(MAX_SAVED)
    }

    pub(super) fn needs_bootstrap(&self, now: Mono) -> bool {
        !self.paused && self.bootstrap.is_empty() && self.table.count_good(now) < MIN_GOOD_NODES
    }

    pub(super) fn status(&self, now: Mono) -> DhtStatus {
        let (overdue, lag) = self.schedule.overdue(now);
        let asked = self.answers > 0 || self.timeouts > 0;
        DhtStatus {
            up: asked.then_some(self.answers > 0 && self.silence < MAX_SILENCE),
            nodes: u32::try_from(self.table.count_good(now)).unwrap_or(u32::MAX),
            estimated_nodes: self.size.estimate(),
            queries: self.queries,
            timeouts: self.timeouts,
            errors: self.errors,
            external_ip: self.external.filter(|_| self.votes.is_fresh(now)),
            in_flight: self.lookups.len() as u32,
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
        let from = PackedAddress::from(from);
        match krpc::parse(datagram) {
            // Read-only: nobody is answered (BEP 43).
            Ok(Message::Query(_)) => {}
            Ok(Message::Response(response)) => {
                match self.transactions.close(response.transaction, &from) {
                    Some(pending) => self.on_response(pending, &response, settings, random, now),
                    None => self.errors += 1,
                }
            }
            Ok(Message::Error(error)) => {
                self.errors += 1;
                if let Some(pending) = self.transactions.close(error.transaction, &from) {
                    self.answers += 1;
                    self.silence = 0;
                    self.on_unusable(pending, true, now);
                }
            }
            Err(_) => self.errors += 1,
        }
    }

    fn on_response(
        &mut self,
        pending: Pending,
        response: &Response<'_>,
        settings: &Settings,
        random: &mut Random,
        now: Mono,
    ) {
        self.answers += 1;
        self.silence = 0;
        self.last_answer = Some(now);
        self.rtt.sample(now.since(pending.sent));
        let address = pending.address;
        let as_expected = pending.id.is_none_or(|id| id == response.id);
        let believed = self.bindings.record(&address, &response.id, now);
        if !as_expected || !believed {
            self.errors += 1;
            self.on_unusable(pending, false, now);
            return;
        }
        if let Some(ours) = response.external {
            self.vote(&address, ours.ip().to_canonical(), random, now);
        }
        self.table.record_answer(response.id, address, now);
        let lookup = pending.lookup.and_then(|id| self.lookups.get_mut(id));
        let mut fresh = Vec::new();
        for (id, address) in contacts(self.family, response) {
            let known = lookup.as_ref().is_some_and(|lookup| lookup.knows(&id));
            if known || id == self.id || !is_contactable(&address, settings) {
                continue;
            }
            // Where it answered before, whatever the one who names it says.
            if let Some(address) = self.table.add_named(id, address.into(), now) {
                fresh.push((id, address));
            }
        }
        if let (Some(id), Some(lookup)) = (pending.lookup, lookup) {
            lookup.on_response(&response.id, pending.is_stale, response, &fresh);
            self.lookups.wake(id);
        }
    }

    /// Our address as others see it decides on our id (BEP 42).
    fn vote(&mut self, voter: &PackedAddress, ours: IpAddr, random: &mut Random, now: Mono) {
        if Family::of(&ours) != self.family {
            return;
        }
        if !self.votes.cast(voter.site(), ours, now) {
            return;
        }
        let winner = self.votes.winner(now);
        if let Some(winner) = winner.filter(|winner| Some(*winner) != self.external) {
            self.external = Some(winner);
            self.id = id::secure_id(winner, random.id());
        }
    }

    /// A node whose answer cannot be used.
    fn on_unusable(&mut self, pending: Pending, is_error: bool, now: Mono) {
        let Some(id) = pending.id else { return };
        self.table.record_failure(&id, now);
        if let Some(key) = pending.lookup
            && let Some(lookup) = self.lookups.get_mut(key)
        {
            lookup.on_failure(&id, pending.is_stale, is_error);
            self.lookups.wake(key);
        }
    }

    pub(super) fn mark_unreachable(&mut self, to: SocketAddr, now: Mono) {
        for pending in self.transactions.take_all_to(&PackedAddress::from(to)) {
            self.timeouts += 1;
            self.silence = self.silence.saturating_add(1);
            let blamed = !pending.blamed;
            let pending = Pending { blamed, ..pending };
            if !pending.is_stale {
                self.on_stale(pending, now);
            }
        }
    }

    fn on_stale(&mut self, pending: Pending, now: Mono) {
        let Some(id) = pending.id else { return };
        if pending.blamed {
            // Others need not wait for it either, unless it answers after all.
            self.table.record_failure(&id, now);
        }
        if let Some(key) = pending.lookup
            && let Some(lookup) = self.lookups.get_mut(key)
        {
            lookup.mark_stale(&id);
            self.lookups.wake(key);
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
fn is_contactable(address: &SocketAddr, settings: &Settings) -> bool {
    address.port() != 0
        && !is_never_contacted(address.ip())
        && (settings.accept == Accept::Any || is_global(address.ip().to_canonical()))
}
