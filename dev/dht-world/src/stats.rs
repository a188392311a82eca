//! What the world saw of the asker.

use std::collections::VecDeque;

/// The window of [`Stats::max_to_one_in_10s`], in milliseconds.
const WINDOW: u64 = 10_000;

/// Counts since the world began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Datagrams sent to the world, those that got lost included.
    pub queries: u64,
    /// Queries and answers that got lost.
    pub lost: u64,
    /// Queries to dead nodes and to addresses where nobody is.
    pub dead: u64,
    /// Queries to members of clusters of liars, which are no nodes of the world.
    pub sybils: u64,
    /// Datagrams that are no query.
    pub malformed: u64,
    /// Different nodes asked.
    pub nodes: u64,
    /// Queries to the node that got most.
    pub max_to_one: u32,
    /// Queries to one node within any 10 seconds, at most.
    pub max_to_one_in_10s: u32,
    /// `announce_peer` seen.
    pub announces: u64,
    /// Queries that did not say that the asker is read-only (BEP 43).
    pub without_ro: u64,
    /// Queries for filters (BEP 33).
    pub scrapes: u64,
}

/// Counts queries to each node. Counts stop at 65,535.
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

    /// A query reached the address of this node.
    pub(super) fn count(&mut self, node: usize, now_ms: u64, stats: &mut Stats) {
        while let Some((at, other)) = self.recent.front().copied()
            && at + WINDOW <= now_ms
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
