//! Polling: sends queries, starts lookups and ends them.

use std::time::Duration;

use super::super::id::NodeId;
use super::super::krpc;
use super::super::lookup::{self, Lookup, LookupOutcome, Plan};
use super::super::packed::PackedAddress;
use super::super::query_timeout::query_timeout;
use super::super::schedule::{MAX_RANGES, TargetHistory};
use super::super::transactions::{Expired, LookupId, Pending};
use super::{FamilyNode, MIN_GOOD_NODES, PollContext};
use crate::{LookupError, LookupReport, LookupStats};
use seedwatch_clock::Mono;
use seedwatch_torrent::InfoHash;

/// With fewer good nodes than this, random ids are looked up to find more.
const MANY_GOOD_NODES: usize = 64;
/// Time between lookups of random ids: while few nodes are known, and to keep the table of an idle
/// node fresh.
const REFRESH_WHEN_FEW: Duration = Duration::from_secs(5);
const REFRESH_WHEN_IDLE: Duration = Duration::from_secs(600);
/// Time to find a first node before lookups fail.
const BOOTSTRAP_GRACE: Duration = Duration::from_secs(20);
/// Lookups that one poll may fail because no node is known.
const MAX_FAILED_AT_ONCE: usize = 512;
/// Nodes from the table that a lookup starts from.
const START_NODES: usize = 16;
/// Lookups of random ids at the same time.
const MAX_MEASURING: u32 = 2;
/// Nodes from the table that replace excluded ones.
const REPLACEMENT_NODES: usize = 32;
/// Packets of an expensive lookup; extends its deadline if the rate is low.
const PACKETS_PER_LOOKUP: f64 = 100.0;
/// Active lookups, including those that only query holders again.
const MAX_LOOKUPS: usize = 2 * MAX_RANGES;
/// Packets per second that each scheduled lookup should have.
const MIN_RATE_PER_LOOKUP: f64 = 10.0;
/// Weight of one lookup in the mean visibility.
const VISIBILITY_WEIGHT: f64 = 1.0 / 32.0;

impl FamilyNode {
    /// Does what is due. Returns when to poll again.
    pub(crate) fn poll(&mut self, now: Mono, context: &mut PollContext<'_>) -> Mono {
        while let Some(expired) = self.transactions.expire(now, self.traffic.last_answer) {
            match expired {
                Expired::Stale(pending) => self.on_stale(pending, now),
                Expired::TimedOut(pending) => {
                    self.traffic.timeouts += 1;
                    self.traffic.silence = self.traffic.silence.saturating_add(1);
                    let blamed = self
                        .traffic
                        .last_answer
                        .is_some_and(|last_answer| last_answer >= pending.sent);
                    if let Some(id) = pending.id.filter(|_| blamed && !pending.blamed) {
                        self.table.record_failure(&id, now);
                    }
                }
            }
        }
        self.lookups.wake_due(now);
        if !self.paused {
            self.query_bootstrap(now, context);
            loop {
                self.send_queries(now, context);
                if !context.bucket.has_token() || !self.start_next(now, context) {
                    break;
                }
            }
            self.fail_due_lookups(now, context);
        }
        self.next_wake(now, context)
    }

    fn query_bootstrap(&mut self, now: Mono, context: &mut PollContext<'_>) {
        while context.bucket.has_token() && self.transactions.has_room() {
            let Some(to) = self.entry.bootstrap.pop_front() else {
                return;
            };
            let address = PackedAddress::from(to);
            if self.per_node.try_acquire(&address, now).is_ok() {
                let (own, target) = (self.identity.id, self.identity.id);
                let transaction = self.send(None, None, address, now, context);
                let write = |to: &mut Vec<u8>| krpc::find_node(to, transaction, &own, &target);
                context.out.push(to, write);
            }
        }
    }

    /// Registers a query that the per-node limit admitted. The caller writes the datagram.
    fn send(
        &mut self,
        lookup: Option<LookupId>,
        id: Option<NodeId>,
        address: PackedAddress,
        now: Mono,
        context: &mut PollContext<'_>,
    ) -> [u8; 4] {
        context.bucket.spend();
        self.traffic.queries += 1;
        let pending = Pending {
            lookup,
            id,
            address,
            sent: now,
            is_stale: false,
            blamed: false,
        };
        let timeout = query_timeout(&self.round_trip);
        self.transactions.open(pending, timeout, context.rng)
    }

    /// Lets queued lookups send, until the token bucket is empty.
    fn send_queries(&mut self, now: Mono, context: &mut PollContext<'_>) {
        while context.bucket.has_token() && self.transactions.has_room() {
            let Some(key) = self.lookups.next_ready() else {
                return;
            };
            if self.finish_if_over(key, now, context) {
                continue;
            }
            let (mut free_at, mut asked) = (None, false);
            while context.bucket.has_token() {
                let Some(lookup) = self.lookups.get_mut(key) else {
                    break;
                };
                let per_node = &mut self.per_node;
                let query = lookup.next_query(|address| match per_node.try_acquire(address, now) {
                    Ok(()) => true,
                    Err(at) => {
                        free_at = free_at.into_iter().chain([at]).min();
                        false
                    }
                });
                let Some(query) = query else { break };
                lookup.sent(now);
                asked = true;
                let (target, looking) = (*lookup.target(), lookup.info_hash().is_some());
                let transaction = self.send(Some(key), Some(query.id), query.address, now, context);
                let own = self.identity.id;
                context.out.push(query.address.into(), |to| {
                    if looking && query.around.is_none() {
                        krpc::get_peers(to, transaction, &own, &target, query.scrape);
                    } else {
                        let target = query.around.unwrap_or(target);
                        krpc::find_node(to, transaction, &own, &target);
                    }
                });
            }
            if !context.bucket.has_token() {
                // The rest of its queries go first once there are tokens.
                self.lookups.wake_first(key);
            }
            let Some(lookup) = self
                .lookups
                .get_mut(key)
                .filter(|lookup| lookup.has_query_ready())
            else {
                continue;
            };
            match free_at {
                Some(at) => self.lookups.wake_at(key, at),
                None if asked || !context.bucket.has_token() => self.lookups.wake(key),
                None => {
                    // It has a query ready and does not send it, so it would never end.
                    lookup.cut_off();
                    self.lookups.wake(key);
                }
            }
        }
    }

    /// Returns whether a lookup has ended or reached its deadline. A lookup that excluded nodes
    /// first gets others from the table.
    fn is_over(&mut self, key: LookupId, now: Mono) -> bool {
        let Some(lookup) = self.lookups.get_mut(key) else {
            return false;
        };
        loop {
            let is_over = lookup.is_over(&mut self.density.size, &self.density.bound);
            self.density.is_known = self.density.size.is_settled();
            if is_over || now >= lookup.deadline() {
                return true;
            }
            let Some(edge) = lookup.wants_more() else {
                return false;
            };
            let target = *lookup.target();
            for node in self
                .table
                .closest_beyond(&target, edge, REPLACEMENT_NODES, now)
            {
                lookup.add_candidate(node.id, node.address, 1);
            }
        }
    }

    /// Ends a lookup that is over. Returns whether it was.
    fn finish_if_over(&mut self, key: LookupId, now: Mono, context: &mut PollContext<'_>) -> bool {
        if !self.is_over(key, now) {
            if self.lookups.get_mut(key).is_some_and(Lookup::is_collecting) {
                self.lookups.set_collecting(key);
            }
            return false;
        }
        if let Some(mut lookup) = self.lookups.remove(key) {
            let ended = lookup.finish(now);
            self.lookups.recycle(lookup);
            self.record_outcome(ended, now, context);
        }
        true
    }

    fn record_outcome(&mut self, lookup: LookupOutcome, now: Mono, context: &mut PollContext<'_>) {
        if lookup.is_whole
            && let Some(last) = lookup.closest.last()
        {
            let distance = lookup.target.distance(&last.id);
            self.density.size.sample(lookup.closest.len(), distance);
            if lookup.info_hash.is_none() {
                let nodes = lookup.closest.iter();
                let nodes = nodes.map(|node| (node.id, node.address.ip()));
                self.density.bound.record(nodes);
            }
        } else if lookup.info_hash.is_none() {
            self.density.size.record_failed_sample();
        }
        if !std::mem::replace(&mut self.density.is_known, self.density.size.is_settled())
            && self.density.is_known
        {
            self.lookups.wake_all();
        }
        let Some(info_hash) = lookup.info_hash else {
            self.density.lookups = self.density.lookups.saturating_sub(1);
            return;
        };
        if lookup.is_small
            && lookup.lists.len() >= 3
            && let Ok(found) = &lookup.result
        {
            let mean = lookup.lists.iter().sum::<usize>() as f64 / lookup.lists.len() as f64;
            let shown = (mean / found.peers.len().max(1) as f64).min(1.0);
            self.visibility += (shown - self.visibility) * VISIBILITY_WEIGHT;
        }
        let known = TargetHistory::new(lookup.result.is_ok(), lookup.is_small);
        if let Some((from, to)) = self.schedule.record(&info_hash, known, now) {
            self.table.trim(&from, &to, now);
        }
        context.ended.push(LookupReport {
            info_hash,
            family: self.family,
            result: lookup.result,
            diagnosis: lookup.stats,
        });
    }

    /// Starts the next lookup. Returns whether there was one.
    fn start_next(&mut self, now: Mono, context: &mut PollContext<'_>) -> bool {
        if self.table.len() == 0 {
            return false;
        }
        if std::mem::take(&mut self.entry.gave_up) {
            // A node is known again.
            self.schedule.restart(now);
        }
        if self.density.lookups < self.density.size.samples_needed().min(MAX_MEASURING) {
            // A lookup that finds nothing cannot end before the density of nodes is known.
            self.start_refresh(now, context);
            return true;
        }
        if let Some(hash) = self.wanted.pop_front() {
            self.start_lookup(
                NodeId::of(hash),
                Some(hash),
                Default::default(),
                now,
                context,
            );
            return true;
        }
        if self.may_start_scheduled(context)
            && let Some(due) = self.schedule.take_due(now)
        {
            if !self.lookups.is_active(&due.info_hash) {
                let target = NodeId::of(due.info_hash);
                self.start_lookup(target, Some(due.info_hash), due.history, now, context);
            }
            return true;
        }
        if now >= self.entry.next_refresh && self.lookups.len() == 0 {
            let more = self.table.count_good(now) < MANY_GOOD_NODES;
            self.entry.next_refresh = now.after(if more {
                REFRESH_WHEN_FEW
            } else {
                REFRESH_WHEN_IDLE
            });
            self.start_refresh(now, context);
            return true;
        }
        false
    }

    /// Looks up a random id: this finds nodes and measures their density.
    fn start_refresh(&mut self, now: Mono, context: &mut PollContext<'_>) {
        self.density.lookups += 1;
        let target = NodeId::random(context.rng);
        self.start_lookup(target, None, Default::default(), now, context);
    }

    /// Returns whether one more scheduled lookup may start.
    fn may_start_scheduled(&self, context: &PollContext<'_>) -> bool {
        // Many lookups at a low rate would all be slow.
        let by_rate = (context.settings.max_rate / MIN_RATE_PER_LOOKUP) as usize;
        // While few nodes are known, many lookups would all query the same ones.
        let by_nodes = self.table.len().div_ceil(MIN_GOOD_NODES);
        // A lookup that waits for the limits of its holders does not delay the next one: the table
        // already has the nodes that it found.
        self.lookups.approaching() < self.schedule.ranges().min(by_nodes)
            && self.lookups.len() < by_rate.clamp(1, MAX_LOOKUPS)
    }

    fn start_lookup(
        &mut self,
        target: NodeId,
        info_hash: Option<InfoHash>,
        known: TargetHistory,
        now: Mono,
        context: &PollContext<'_>,
    ) {
        let recall = context.settings.recall_target.filter(|_| known.was_small);
        let holders_wanted = recall.map(|recall| self.holders_needed(recall));
        let start = self.table.closest(&target, START_NODES, now);
        let mut closest = start.iter().take(lookup::K);
        let plan = Plan {
            warm: known.visited && closest.all(|node| node.is_good),
            was_small: known.was_small,
            holders_wanted,
            require_distinct_subnets: context.settings.require_distinct_subnets,
            accept: context.settings.accept,
        };
        let slowly = Duration::from_secs_f64(PACKETS_PER_LOOKUP / context.settings.max_rate);
        let deadline = now.after(lookup::MAX_DURATION + slowly);
        let key = self
            .lookups
            .add(Lookup::new(target, info_hash, plan, deadline));
        if let Some(lookup) = self.lookups.get_mut(key) {
            for node in start {
                lookup.add_candidate(node.id, node.address, 1);
            }
        }
        self.lookups.wake_at(key, deadline);
    }

    /// Returns how many holders together name this share of a swarm, given the mean visibility.
    fn holders_needed(&self, recall: f64) -> usize {
        let each = (1.0 - self.visibility).clamp(0.001, 0.9).ln();
        (((1.0 - recall).ln() / each).ceil() as usize).clamp(1, lookup::K)
    }

    /// Fails the lookups that are due, if no node was found in time.
    fn fail_due_lookups(&mut self, now: Mono, context: &mut PollContext<'_>) {
        if self.table.len() > 0 || now.since(self.entry.searching_since) < BOOTSTRAP_GRACE {
            return;
        }
        let wanted = std::mem::take(&mut self.wanted);
        let due = std::iter::from_fn(|| self.schedule.take_due(now)).map(|due| due.info_hash);
        let family = self.family;
        let lookups = wanted
            .into_iter()
            .chain(due.take(MAX_FAILED_AT_ONCE))
            .map(|info_hash| LookupReport {
                info_hash,
                family,
                result: Err(LookupError::Timeout),
                diagnosis: LookupStats::default(),
            });
        context.ended.extend(lookups);
        self.entry.gave_up = true;
    }

    fn next_wake(&self, now: Mono, context: &PollContext<'_>) -> Mono {
        let mut times = vec![self.transactions.next_deadline(), self.lookups.next_wake()];
        if !self.paused {
            if self.lookups.has_ready()
                || !self.entry.bootstrap.is_empty()
                || !self.wanted.is_empty()
            {
                times.push(Some(context.bucket.next_token(now)));
            }
            if self.may_start_scheduled(context) {
                let due = self.schedule.next_due();
                times.push(due.map(|due| due.max(context.bucket.next_token(now))));
            }
            times.push(Some(
                self.entry.next_refresh.max(now.after(REFRESH_WHEN_FEW / 5)),
            ));
        }
        let soon = now.after(Duration::from_millis(1));
        let next = times.into_iter().flatten().min();
        next.map_or(now.after(REFRESH_WHEN_IDLE), |at| at.max(soon))
    }
}
