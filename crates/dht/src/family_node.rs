//! Our node in the DHT of one family: its id, its node table, its queries and its lookups.

mod active_lookups;
mod poll;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::Contact;
use super::binding::IdBindings;
use super::bound_ids::BoundIds;
use super::engine::{Outbox, Settings};
use super::external_address::ExternalAddressVotes;
use super::id::{self, NodeId};
use super::krpc::{self, Message, Response};
use super::network_size::NetworkSize;
use super::node_table::NodeTable;
use super::packed::PackedAddress;
use super::query_timeout::RoundTrip;
use super::rate_limit::{PacketBucket, PerNodeLimiter};
use super::schedule::LookupSchedule;
use super::transactions::{Pending, Transactions};
use crate::{DhtStatus, LookupReport};
use active_lookups::ActiveLookups;
use rand::rngs::StdRng;
use seedwatch_clock::Mono;
use seedwatch_torrent::Family;
use seedwatch_torrent::InfoHash;
use seedwatch_torrent::address::{Accept, is_global, is_never_contacted};

/// Visibility that is assumed before a lookup has measured it.
const INITIAL_VISIBILITY: f64 = 0.75;
/// Nodes that are saved.
const MAX_SAVED: u16 = 512;
/// With fewer good nodes than this, bootstrap addresses are queried again.
const MIN_GOOD_NODES: usize = 8;
/// Bootstrap addresses that may wait to be queried.
const MAX_BOOTSTRAP: usize = 256;
/// Timeouts in a row after which the DHT counts as down.
const MAX_SILENCE: u32 = 16;

/// The largest number of info-hashes that may wait for an immediate lookup.
pub const MAX_WANTED: usize = 1024;

/// What a poll may use: the settings, the shared rate limit, and the places for its results.
pub(super) struct PollContext<'a> {
    pub(super) settings: &'a Settings,
    pub(super) bucket: &'a mut PacketBucket,
    pub(super) rng: &'a mut StdRng,
    pub(super) out: &'a mut Outbox,
    pub(super) ended: &'a mut Vec<LookupReport>,
}

/// Our node id and the address that it is derived from (BEP 42).
#[derive(Debug)]
struct Identity {
    id: NodeId,
    external: Option<IpAddr>,
    votes: ExternalAddressVotes,
}

/// Counters of queries and of their answers.
#[derive(Debug, Default)]
struct Traffic {
    queries: u64,
    answers: u64,
    timeouts: u64,
    errors: u64,
    /// Time of the latest answer of any node.
    last_answer: Option<Mono>,
    /// Queries that timed out since the latest answer.
    silence: u32,
}

/// The measurement of honest neighbourhoods: how densely nodes fill the key space, and how many
/// have bound ids.
#[derive(Debug, Default)]
struct Density {
    size: NetworkSize,
    bound: BoundIds,
    /// Whether the size was settled when the latest lookup ended.
    is_known: bool,
    /// Lookups of random ids under way.
    lookups: u32,
}

/// The search for nodes to start from.
#[derive(Debug)]
struct Entry {
    /// Bootstrap addresses that have not been queried yet.
    bootstrap: VecDeque<SocketAddr>,
    /// Time since which the node table is empty, if it is.
    searching_since: Mono,
    /// Whether lookups failed because no node was known.
    gave_up: bool,
    /// Time of the next lookup of a random id that finds nodes.
    next_refresh: Mono,
}

/// Our node in the DHT of one family.
#[derive(Debug)]
pub(super) struct FamilyNode {
    family: Family,
    identity: Identity,
    traffic: Traffic,
    density: Density,
    entry: Entry,
    table: NodeTable,
    bindings: IdBindings,
    per_node: PerNodeLimiter,
    transactions: Transactions,
    round_trip: RoundTrip,
    schedule: LookupSchedule,
    lookups: ActiveLookups,
    /// Info-hashes to look up at once.
    wanted: VecDeque<InfoHash>,
    /// Mean share of a swarm that the list of one holder shows.
    visibility: f64,
    paused: bool,
}

impl FamilyNode {
    /// Creates a node that knows no other node.
    pub(super) fn new(family: Family, rng: &mut StdRng, now: Mono) -> Self {
        Self {
            family,
            identity: Identity {
                id: NodeId::random(rng),
                external: None,
                votes: ExternalAddressVotes::default(),
            },
            traffic: Traffic::default(),
            density: Density::default(),
            entry: Entry {
                bootstrap: VecDeque::new(),
                searching_since: now,
                gave_up: false,
                next_refresh: now,
            },
            table: NodeTable::new(),
            bindings: IdBindings::default(),
            per_node: PerNodeLimiter::default(),
            transactions: Transactions::default(),
            round_trip: RoundTrip::default(),
            schedule: LookupSchedule::default(),
            lookups: ActiveLookups::default(),
            wanted: VecDeque::new(),
            visibility: INITIAL_VISIBILITY,
            paused: false,
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
                self.entry.searching_since = now;
            }
        }
    }

    pub(super) fn pause(&mut self, paused: bool, now: Mono) {
        if paused && !self.paused {
            self.lookups.clear();
            self.density.lookups = 0;
            self.schedule.restart(now);
        }
        if !paused && self.paused && self.table.len() == 0 {
            self.entry.searching_since = now;
        }
        self.paused = paused;
    }

    pub(super) fn add_bootstrap(&mut self, addresses: &[SocketAddr]) {
        let of_family = addresses
            .iter()
            .filter(|address| Family::of(&address.ip().to_canonical()) == self.family);
        for address in of_family.take(MAX_BOOTSTRAP) {
            if self.entry.bootstrap.len() < MAX_BOOTSTRAP && !self.entry.bootstrap.contains(address)
            {
                self.entry.bootstrap.push_back(*address);
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
        !self.paused
            && self.entry.bootstrap.is_empty()
            && self.table.count_good(now) < MIN_GOOD_NODES
    }

    pub(super) fn status(&self, now: Mono) -> DhtStatus {
        let (overdue, lag) = self.schedule.overdue(now);
        let asked = self.traffic.answers > 0 || self.traffic.timeouts > 0;
        DhtStatus {
            up: asked.then_some(self.traffic.answers > 0 && self.traffic.silence < MAX_SILENCE),
            nodes: u32::try_from(self.table.count_good(now)).unwrap_or(u32::MAX),
            estimated_nodes: self.density.size.estimate(),
            queries: self.traffic.queries,
            timeouts: self.traffic.timeouts,
            errors: self.traffic.errors,
            external_ip: self
                .identity
                .external
                .filter(|_| self.identity.votes.is_fresh(now)),
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
        rng: &mut StdRng,
        now: Mono,
    ) {
        let from = PackedAddress::from(from);
        match krpc::parse(datagram) {
            // A read-only node does not answer queries (BEP 43).
            Ok(Message::Query(_)) => {}
            Ok(Message::Response(response)) => {
                match self.transactions.close(response.transaction, &from) {
                    Some(pending) => self.on_response(pending, &response, settings, rng, now),
                    None => self.traffic.errors += 1,
                }
            }
            Ok(Message::Error(error)) => {
                self.traffic.errors += 1;
                if let Some(pending) = self.transactions.close(error.transaction, &from) {
                    self.traffic.answers += 1;
                    self.traffic.silence = 0;
                    self.on_unusable(pending, true, now);
                }
            }
            Err(_) => self.traffic.errors += 1,
        }
    }

    fn on_response(
        &mut self,
        pending: Pending,
        response: &Response<'_>,
        settings: &Settings,
        rng: &mut StdRng,
        now: Mono,
    ) {
        self.traffic.answers += 1;
        self.traffic.silence = 0;
        self.traffic.last_answer = Some(now);
        self.round_trip.sample(now.since(pending.sent));
        let address = pending.address;
        let as_expected = pending.id.is_none_or(|id| id == response.id);
        let believed = self.bindings.record(&address, &response.id, now);
        if !as_expected || !believed {
            self.traffic.errors += 1;
            self.on_unusable(pending, false, now);
            return;
        }
        if let Some(ours) = response.external {
            self.vote(&address, ours.ip().to_canonical(), rng, now);
        }
        self.table.record_answer(response.id, address, now);
        let lookup = pending.lookup.and_then(|id| self.lookups.get_mut(id));
        let mut fresh = Vec::new();
        for (id, address) in contacts(self.family, response) {
            let known = lookup.as_ref().is_some_and(|lookup| lookup.knows(&id));
            if known || id == self.identity.id || !is_contactable(&address, settings) {
                continue;
            }
            // The table returns the address that this node last answered from, if any. A neighbour
            // may name a wrong one.
            if let Some(address) = self.table.add_named(id, address.into(), now) {
                fresh.push((id, address));
            }
        }
        if let (Some(id), Some(lookup)) = (pending.lookup, lookup) {
            lookup.on_response(&response.id, pending.is_stale, response, &fresh);
            self.lookups.wake(id);
        }
    }

    /// Records our address as a node sees it. The address that most report determines our id (BEP
    /// 42).
    fn vote(&mut self, voter: &PackedAddress, ours: IpAddr, rng: &mut StdRng, now: Mono) {
        if Family::of(&ours) != self.family {
            return;
        }
        if !self.identity.votes.cast(voter.site(), ours, now) {
            return;
        }
        let winner = self.identity.votes.winner(now);
        if let Some(winner) = winner.filter(|winner| Some(*winner) != self.identity.external) {
            self.identity.external = Some(winner);
            self.identity.id = id::secure_id(winner, NodeId::random(rng).0);
        }
    }

    /// Handles an answer that cannot be used.
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
            self.traffic.timeouts += 1;
            self.traffic.silence = self.traffic.silence.saturating_add(1);
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
            // Until it answers, other lookups should not wait for this node either.
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

/// Returns the nodes of the family that a response names.
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

/// Nodes read from one response. Common clients name eight.
const MAX_NAMED: usize = 32;

/// Returns whether an address that a node named may be queried.
fn is_contactable(address: &SocketAddr, settings: &Settings) -> bool {
    address.port() != 0
        && !is_never_contacted(address.ip())
        && (settings.accept == Accept::Any || is_global(address.ip().to_canonical()))
}
