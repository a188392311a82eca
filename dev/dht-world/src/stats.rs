//! What the world received.

use std::collections::VecDeque;

/// The window of [`Stats::max_to_one_in_10s`], in milliseconds.
const WINDOW_MS: u64 = 10_000;

/// Counts since the world was created or reset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Datagrams sent to the world, including lost ones.
    pub queries: u64,
    /// Queries and answers that were lost.
    pub lost: u64,
    /// Queries to dead nodes and unused addresses.
    pub dead: u64,
    /// Queries to members of byzantine clusters, which are not nodes of the world.
    pub sybils: u64,
    /// Datagrams that are not queries.
    pub malformed: u64,
    /// Distinct nodes that were queried.
    pub nodes: u64,
    /// Most queries to one node.
    pub max_to_one: u32,
    /// Most queries to one node within 10 seconds.
    pub max_to_one_in_10s: u32,
    /// `announce_peer` queries.
    pub announces: u64,
    /// Queries that were not marked read-only (BEP 43).
    pub without_ro: u64,
    /// Queries for filters (BEP 33).
    pub scrapes: u64,
}

/// Counts of queries per node. Counts saturate at 65,535.
pub(super) struct PerNode {
    ever: Vec<u16>,
    within: Vec<u16>,
    /// Queries of the last ten seconds.
    recent: VecDeque<(u64, u32)>,
}

impl PerNode {
    pub(super) fn new(nodes: usize) -> Self {
        Self {
            ever: vec![0; nodes],
            within: vec![0; nodes],
            recent: VecDeque::new(),
        }
    }

    /// Counts a query to the address of this node.
    pub(super) fn count(&mut self, node: usize, now_ms: u64, stats: &mut Stats) {
        while let Some((at, other)) = self.recent.front().copied()
            && at + WINDOW_MS <= now_ms
        {
            let count = &mut self.within[other as usize];
            *count = count.saturating_sub(1);
            self.recent.pop_front();
        }
        self.recent.push_back((now_ms, node as u32));
        let ever = &mut self.ever[node];
        stats.nodes += u64::from(*ever == 0);
        *ever = ever.saturating_add(1);
        stats.max_to_one = stats.max_to_one.max((*ever).into());
        let within = &mut self.within[node];
        *within = within.saturating_add(1);
        stats.max_to_one_in_10s = stats.max_to_one_in_10s.max((*within).into());
    }
}
