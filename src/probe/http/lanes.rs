//! Few connections to one host, however many of its torrents are due.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::MAX_PER_HOST;
use crate::observation::{Family, TrackerId};

/// Lanes kept before those that nobody uses are dropped.
const MAX_LANES: usize = 4096;

/// The places of each tracker host and family.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: Mutex<HashMap<(TrackerId, Family), Arc<Semaphore>>>,
}

impl Lanes {
    /// The places of one host.
    pub(super) fn get(&self, tracker: TrackerId, family: Family) -> Arc<Semaphore> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() >= MAX_LANES && !lanes.contains_key(&(tracker, family)) {
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        }
        lanes
            .entry((tracker, family))
            .or_insert_with(|| Arc::new(Semaphore::new(MAX_PER_HOST)))
            .clone()
    }
}
