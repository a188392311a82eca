//! Merges the configuration with its lists when their entries change, and applies the torrents.

use std::sync::Arc;

use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::daemon::{Daemon, LoopEvent};
use crate::app::engine_settings;
use crate::app::lists::MergedLists;

/// Which entries are in effect, and the merge under way.
#[derive(Debug)]
pub(super) struct Merges {
    /// The version of the entries in effect.
    version: u64,
    /// Counts configurations: a merge with an earlier one is of no use.
    generation: u64,
    is_merging: bool,
}

impl Merges {
    /// Returns a state in which these entries are in effect.
    pub(super) fn new(version: u64) -> Self {
        Self {
            version,
            generation: 0,
            is_merging: false,
        }
    }

    /// Notes that another configuration is in effect, with these entries.
    pub(super) fn reloaded(&mut self, version: u64) {
        self.version = version;
        self.generation += 1;
    }
}

impl Daemon {
    /// Merges the configuration with its lists, unless the latest entries are in effect. 100,000
    /// entries take a second, so that this is done beside the main loop.
    pub(super) fn merge_lists(&mut self) {
        if self.merges.is_merging || self.lists.version() == self.merges.version {
            return;
        }
        self.merges.is_merging = true;
        let (shared, config) = (Arc::clone(self.lists.shared()), self.config.clone());
        let (generation, loop_events) = (self.merges.generation, self.loop_events.clone());
        tokio::spawn(async move {
            let merged = spawn_blocking(move || shared.merge(&config)).await;
            if let Ok(merged) = merged {
                let event = LoopEvent::Merged(generation, merged);
                let _ = loop_events.send(event).await;
            }
        });
    }

    /// Applies merged torrents.
    pub(super) fn merged(&mut self, generation: u64, lists: MergedLists) {
        self.merges.is_merging = false;
        if generation == self.merges.generation {
            self.merges.version = lists.version;
            self.use_torrents(lists);
        }
        self.merge_lists();
    }

    fn use_torrents(&mut self, lists: MergedLists) {
        if lists.merged.left_out > 0 {
            warn!(
                entries = lists.merged.left_out,
                "entries of torrent lists are left out: too many torrents"
            );
        }
        let before = self.config.torrents.len();
        self.config.torrents = lists.merged.torrents;
        let settings = engine_settings(&self.config);
        self.engine.update(&settings, self.clock.now());
        let torrents = self.config.torrents.len();
        info!(before, torrents, "torrents of lists changed");
        self.publish();
        self.report_ready();
    }
}
