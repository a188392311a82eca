//! What leaves: who is asked next, when a lookup begins and when it is over.

use std::time::Duration;

use super::super::id::NodeId;
use super::super::krpc;
use super::super::packed::Address;
use super::super::sweep::{Known, MAX_RANGES};
use super::super::transactions::{Expired, Pending, WalkId};
use super::super::walk::{self, Ended, Plan, Walk};
use super::{FEW, Node, Outlet};
use crate::{Diagnosis, Lookup, LookupError};
use seedwatch_clock::Mono;
use seedwatch_torrent::InfoHash;

/// With fewer nodes that answer, the neighbourhood of random ids is looked at to find more.
const ENOUGH: usize = 64;
/// Time between two such looks, and between those that keep the table of an idle node alive.
const LOOK_FOR_MORE: Duration = Duration::from_secs(5);
const LOOK_AROUND: Duration = Duration::from_secs(600);
/// Time to find a first node before lookups fail for want of one.
const SETTLING: Duration = Duration::from_secs(20);
/// Lookups that fail at once for want of a node; the others follow.
const GIVEN_UP: usize = 512;
/// Nodes that a walk begins with.
const START: usize = 16;
/// Lookups of random ids at once.
const MEASURING: u32 = 2;
/// Nodes that a walk is given which doubts those it met.
const MORE: usize = 32;
/// Packets that a lookup may take, for its deadline at a low rate.
const PACKETS: f64 = 100.0;
/// Lookups under way at once, those that only ask holders again included.
const MAX_AT_ONCE: usize = 2 * MAX_RANGES;
/// Packets a second that a lookup of a sweep has at least.
const WALK_RATE: f64 = 10.0;
/// Weight of one lookup in what is known of lists.
const VISIBILITY_MEMORY: f64 = 1.0 / 32.0;

impl Node {
    /// Does what is due; returns when to come back.
    pub(crate) fn poll(&mut self, now: Mono, outlet: &mut Outlet<'_>) -> Mono {
        while let Some(expired) = self.transactions.expire(now, self.heard) {
            match expired {
                Expired::Slow(pending) => self.slow(pending, now),
                Expired::Lost(pending) => {
                    self.timeouts += 1;
                    self.silence = self.silence.saturating_add(1);
                    let blamed = self.heard.is_some_and(|heard| heard >= pending.sent);
                    if let Some(id) = pending.id.filter(|_| blamed && !pending.blamed) {
                        self.cache.failed(&id, now);
                    }
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
            if self.courtesy.take(&address, now).is_ok() {
                let (own, target) = (self.id, self.id);
                let transaction = self.send(None, None, address, now, outlet);
                let write = |to: &mut Vec<u8>| krpc::find_node(to, transaction, &own, &target);
                outlet.out.push(to, write);
            }
        }
    }

    /// Books a packet that the limit of its node admitted; the caller writes it.
    fn send(
        &mut self,
        walk: Option<WalkId>,
        id: Option<NodeId>,
        address: Address,
        now: Mono,
        outlet: &mut Outlet<'_>,
    ) -> [u8; 4] {
        outlet.budget.spend();
        self.queries += 1;
        let pending = Pending {
            walk,
            id,
            address,
            sent: now,
            slow: false,
            blamed: false,
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
            if self.ended(key, now, outlet) {
                continue;
            }
            let (mut free_at, mut asked) = (None, false);
            while outlet.budget.is_open() {
                let Some(walk) = self.walks.get_mut(key) else {
                    break;
                };
                let courtesy = &mut self.courtesy;
                let question = walk.next(|address| match courtesy.take(address, now) {
                    Ok(()) => true,
                    Err(at) => {
                        free_at = free_at.into_iter().chain([at]).min();
                        false
                    }
                });
                let Some(question) = question else { break };
                walk.sent(now);
                asked = true;
                let (target, looking) = (*walk.target(), walk.info_hash().is_some());
                let transaction =
                    self.send(Some(key), Some(question.id), question.address, now, outlet);
                let own = self.id;
                outlet.out.push(question.address.into(), |to| {
                    if looking && question.around.is_none() {
                        krpc::get_peers(to, transaction, &own, &target, question.scrape);
                    } else {
                        let target = question.around.unwrap_or(target);
                        krpc::find_node(to, transaction, &own, &target);
                    }
                });
            }
            if !outlet.budget.is_open() {
                // The rest of its questions come first when there is room again.
                self.walks.wake_first(key);
            }
            let Some(walk) = self.walks.get_mut(key).filter(|walk| walk.has_more()) else {
                continue;
            };
            match free_at {
                Some(at) => self.walks.wake_at(key, at),
                None if asked || !outlet.budget.is_open() => self.walks.wake(key),
                None => {
                    // It could ask and does not: it never would.
                    walk.cut_off();
                    self.walks.wake(key);
                }
            }
        }
    }

    /// Whether a walk is over, or its time is. One that doubts the nodes it met gets others.
    fn is_over(&mut self, key: WalkId, now: Mono) -> bool {
        let Some(walk) = self.walks.get_mut(key) else {
            return false;
        };
        loop {
            let is_over = walk.is_over(&mut self.size);
            self.is_measured = self.size.is_settled();
            if is_over || now >= walk.deadline() {
                return true;
            }
            let Some(edge) = walk.wants_more() else {
                return false;
            };
            let target = *walk.target();
            for node in self.cache.closest_beyond(&target, edge, MORE, now) {
                walk.hear(node.id, node.address, 1);
            }
        }
    }

    /// Ends a walk that is over, or whose time is; says whether it is gone.
    fn ended(&mut self, key: WalkId, now: Mono, outlet: &mut Outlet<'_>) -> bool {
        if !self.is_over(key, now) {
            if self.walks.get_mut(key).is_some_and(Walk::is_collecting) {
                self.walks.set_collecting(key);
            }
            return false;
        }
        if let Some(mut walk) = self.walks.remove(key) {
            let ended = walk.finish(now);
            self.walks.keep(walk);
            self.end(ended, now, outlet);
        }
        true
    }

    fn end(&mut self, walk: Ended, now: Mono, outlet: &mut Outlet<'_>) {
        if walk.is_whole
            && let Some(last) = walk.closest.last()
        {
            let distance = walk.target.distance(&last.id);
            self.size.sample(walk.closest.len(), distance);
        } else if walk.info_hash.is_none() {
            self.size.not_measured();
        }
        if !std::mem::replace(&mut self.is_measured, self.size.is_settled()) && self.is_measured {
            self.walks.wake_all();
        }
        let Some(info_hash) = walk.info_hash else {
            self.measuring = self.measuring.saturating_sub(1);
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
        let known = Known::new(walk.result.is_ok(), walk.is_small);
        if let Some((from, to)) = self.sweep.learned(&info_hash, known, now) {
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
        if std::mem::take(&mut self.gave_up) {
            // There is a way now.
            self.sweep.restart(now);
        }
        if self.measuring < self.size.wants().min(MEASURING) {
            // A lookup that finds nothing waits to know how dense nodes may be.
            self.look_around(now, outlet);
            return true;
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
        if self.may_begin(outlet)
            && let Some(due) = self.sweep.take(now)
        {
            if !self.walks.is_looking_for(&due.info_hash) {
                let target = NodeId::of(due.info_hash);
                self.walk(target, Some(due.info_hash), due.known, now, outlet);
            }
            return true;
        }
        if now >= self.next_look && self.walks.len() == 0 {
            let more = self.cache.good(now) < ENOUGH;
            self.next_look = now.after(if more { LOOK_FOR_MORE } else { LOOK_AROUND });
            self.look_around(now, outlet);
            return true;
        }
        false
    }

    /// Looks at the neighbourhood of a random id: finds nodes, and tells how many there are.
    fn look_around(&mut self, now: Mono, outlet: &mut Outlet<'_>) {
        self.measuring += 1;
        let target = NodeId(outlet.random.id());
        self.walk(target, None, Default::default(), now, outlet);
    }

    /// Whether one more lookup of the sweep may be under way.
    fn may_begin(&self, outlet: &Outlet<'_>) -> bool {
        // A rate shared by many makes each of them slow.
        let by_rate = (outlet.settings.max_rate / WALK_RATE) as usize;
        // Few nodes known: many walks at once would all ask the same.
        let by_nodes = self.cache.len().div_ceil(FEW);
        // A lookup that waits for the limits of its holders does not hold up the next: it has left
        // all it learned of nodes.
        self.walks.walking() < self.sweep.ranges().min(by_nodes)
            && self.walks.len() < by_rate.clamp(1, MAX_AT_ONCE)
    }

    fn walk(
        &mut self,
        target: NodeId,
        info_hash: Option<InfoHash>,
        known: Known,
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
            accept: outlet.settings.accept,
        };
        let slowly = Duration::from_secs_f64(PACKETS / outlet.settings.max_rate);
        let deadline = now.after(walk::LONGEST + slowly);
        let key = self.walks.add(Walk::new(target, info_hash, plan, deadline));
        if let Some(walk) = self.walks.get_mut(key) {
            for node in start {
                walk.hear(node.id, node.address, 1);
            }
        }
        self.walks.wake_at(key, deadline);
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
        let lookups = wanted
            .into_iter()
            .chain(due.take(GIVEN_UP))
            .map(|info_hash| Lookup {
                info_hash,
                family,
                result: Err(LookupError::Timeout),
                diagnosis: Diagnosis::default(),
            });
        outlet.ended.extend(lookups);
        self.gave_up = true;
    }

    fn wake(&self, now: Mono, outlet: &Outlet<'_>) -> Mono {
        let mut times = vec![self.transactions.next_deadline(), self.walks.next_wake()];
        if !self.paused {
            if self.walks.is_anybody_ready() || !self.seeds.is_empty() || !self.wanted.is_empty() {
                times.push(Some(outlet.budget.opens(now)));
            }
            if self.may_begin(outlet) {
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
