//! A limit of one log line per minute and kind of fault.
//!
//! A full disk or a lack of file descriptors fails every attempt. One line per attempt would bury
//! the rest of the log and write to a disk that is already full.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shortest time between two lines about the same kind of fault.
pub const LINE_INTERVAL: Duration = Duration::from_secs(60);

/// Most kinds of faults that are tracked. Beyond it, the kind that was logged longest ago is
/// dropped.
const MAX_KINDS: usize = 64;

/// Decides which lines about lasting faults are written. `K` distinguishes kinds of faults.
#[derive(Debug)]
pub struct LineLimit<K> {
    kinds: Mutex<BTreeMap<K, Kind>>,
}

#[derive(Debug)]
struct Kind {
    written: Instant,
    suppressed: u64,
}

impl<K> LineLimit<K> {
    /// Returns a limit that has seen no faults.
    pub const fn new() -> Self {
        Self {
            kinds: Mutex::new(BTreeMap::new()),
        }
    }
}

impl<K> Default for LineLimit<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord + Clone> LineLimit<K> {
    /// Returns the number of lines suppressed since the last one if a line about this kind of fault
    /// is due; otherwise returns `None` and counts a suppressed line.
    pub fn admit(&self, kind: K, now: Instant) -> Option<u64> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kinds.get_mut(&kind) {
            if now.saturating_duration_since(known.written) < LINE_INTERVAL {
                known.suppressed += 1;
                return None;
            }
            known.written = now;
            return Some(std::mem::take(&mut known.suppressed));
        }
        if kinds.len() >= MAX_KINDS {
            let oldest = kinds.iter().min_by_key(|(_, kind)| kind.written);
            if let Some(oldest) = oldest.map(|(kind, _)| kind.clone()) {
                kinds.remove(&oldest);
            }
        }
        let first = Kind {
            written: now,
            suppressed: 0,
        };
        kinds.insert(kind, first);
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_minute_and_kind_with_the_number_suppressed() {
        let limit = LineLimit::new();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(limit.admit("disk full", start), Some(0));
        assert_eq!(
            limit.admit("no descriptors", at(1)),
            Some(0),
            "another kind"
        );
        for second in 1..60 {
            assert_eq!(limit.admit("disk full", at(second)), None);
        }
        assert_eq!(limit.admit("disk full", at(60)), Some(59));
        assert_eq!(limit.admit("disk full", at(119)), None);
        assert_eq!(limit.admit("disk full", at(120)), Some(1));
        assert_eq!(limit.admit("no descriptors", at(60)), None);
    }

    #[test]
    fn kinds_are_bounded() {
        let limit = LineLimit::new();
        let start = Instant::now();
        for kind in 0..=MAX_KINDS {
            let now = start + Duration::from_millis(kind as u64);
            assert_eq!(limit.admit(kind, now), Some(0));
        }
        assert_eq!(limit.kinds.lock().unwrap().len(), MAX_KINDS);
        assert_eq!(
            limit.admit(1, start),
            None,
            "only the oldest kind was dropped"
        );
    }
}
