//! What survives a restart of what the schedule knows, as bytes.
//!
//! ```text
//! Unix time of saving | for each tracker and family: Record | waits: info-hash 20 | seconds
//! ```
//!
//! Waits that a tracker asked for hold over a restart. That it was down holds too, so that it gets
//! one probe and not one per torrent. That probe is due at once, or the tracker's metrics would be
//! absent for hours. A tracker that was up must prove so again.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::politeness::{CLOSED_FOR, MAX_RETRY, PolitenessPolicy};
use super::tracker_queue::{RECHECK_KNOWN_AFTER, StoppedBehavior};
use crate::LONGEST_TRACKER_INTERVAL;
use crate::health::MAX_BACK_OFF;
use crate::saved::{DecodeError, append, append_array, take, take_array};
use seedwatch_clock::{Mono, Now};
use seedwatch_torrent::Family;
use seedwatch_torrent::InfoHash;

/// Most pairs of tracker and family that are written and read.
const MAX_QUEUES: usize = 1 << 17;

/// Most waits of single torrents that are written and read, for all trackers together: 6 MB.
const MAX_NOT_BEFORE: usize = 1 << 18;

/// Longest label in bytes. A host name has at most 253 characters.
const MAX_LABEL: usize = 512;

/// How long a restored state of "down" is valid: the longest time between two probes of a tracker
/// that is down.
const DOWN_FOR: Duration = LONGEST_TRACKER_INTERVAL.saturating_mul(MAX_BACK_OFF);

/// What is saved about one tracker over one family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SavedTrackerState {
    /// Failures in a row of a tracker that is down; 0 of any other.
    pub(super) failures: u32,
    /// Its operator asks not to be contacted before.
    pub(super) closed_until: Mono,
    /// Its rate limit lets no request leave before.
    pub(super) rate_limited_until: Mono,
    /// The announce interval that it asks for.
    pub(super) interval: Option<Duration>,
    /// How it answers `stopped`.
    pub(super) behavior: StoppedBehavior,
    /// When that is checked again.
    pub(super) check_at: Mono,
    /// It does not answer scrapes before.
    pub(super) no_scrape_before: Mono,
    /// Most hashes that it answers in one scrape; 0 = as many as we ask for.
    pub(super) scrape_limit: u8,
    /// When each torrent may be probed again, where the tracker asked to wait.
    pub(super) not_before: HashMap<InfoHash, Mono>,
}

impl SavedTrackerState {
    /// Returns whether it holds more than defaults.
    fn is_worth_saving(&self, now: Mono) -> bool {
        self.has_open_waits(now)
            || self.no_scrape_before > now
            || self.failures > 0
            || self.interval.is_some()
            || self.behavior != StoppedBehavior::Unknown
            || self.scrape_limit > 0
    }

    /// Returns whether a wait that the tracker asked for is not over.
    pub(super) fn has_open_waits(&self, now: Mono) -> bool {
        let is_open = |until: Mono| until > now;
        is_open(self.closed_until)
            || is_open(self.rate_limited_until)
            || self.not_before.values().any(|until| is_open(*until))
    }

    fn encode(&self, label: &str, family: Family, now: Mono, room: &mut usize, out: &mut Vec<u8>) {
        let wait = |until: Mono| seconds(until.since(now));
        let open = || self.not_before.iter().filter(|(_, until)| **until > now);
        let count = open().count().min(*room);
        *room -= count;
        // An unknown behavior is checked at once after a restart.
        let is_known = self.behavior != StoppedBehavior::Unknown;
        let record = Record {
            label,
            family: family.index() as u8,
            failures: self.failures,
            interval: self.interval.map_or(0, seconds),
            closed: wait(self.closed_until),
            rate_limited: wait(self.rate_limited_until),
            behavior: self.behavior,
            check: if is_known { wait(self.check_at) } else { 0 },
            no_scrape: wait(self.no_scrape_before),
            scrape_limit: self.scrape_limit,
            not_before: count as u32,
        };
        append(&record, out);
        for (hash, until) in open().take(count) {
            append_array(&hash.0, out);
            append(&wait(*until), out);
        }
    }
}

/// A [`SavedTrackerState`] as it is written. Waits are in seconds from the time of saving; 0 =
/// none.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Record<'a> {
    /// The tracker: scheme, host and port, never a passkey.
    label: &'a str,
    /// [`Family::index`].
    family: u8,
    failures: u32,
    interval: u32,
    closed: u32,
    rate_limited: u32,
    behavior: StoppedBehavior,
    check: u32,
    no_scrape: u32,
    scrape_limit: u8,
    /// Number of waits of single torrents, which follow.
    not_before: u32,
}

/// Returns whole seconds, rounded up so that no request leaves too early.
fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}

/// Appends the state of all trackers that is worth saving.
pub(super) fn encode<'a>(
    queues: impl Iterator<Item = (&'a str, Family, SavedTrackerState)>,
    now: Now,
    out: &mut Vec<u8>,
) {
    append(&now.unix.0, out);
    let mut room = MAX_NOT_BEFORE;
    let worth = |(label, _, saved): &(&str, Family, SavedTrackerState)| {
        saved.is_worth_saving(now.mono) && label.len() <= MAX_LABEL
    };
    for (label, family, saved) in queues.filter(worth).take(MAX_QUEUES) {
        saved.encode(label, family, now.mono, &mut room, out);
    }
}

/// Saved states by label, then by [`Family::index`].
pub(super) type SavedTrackers = HashMap<Box<str>, [SavedTrackerState; 2]>;

/// Converts saved waits to points in time.
#[derive(Clone, Copy)]
struct Waits {
    /// Time since the state was saved.
    elapsed: Duration,
    now: Mono,
}

impl Waits {
    /// Returns when a wait ends that cannot be longer than `longest`; zero if it is over.
    fn end(self, seconds: u32, longest: Duration) -> Mono {
        let wait = Duration::from_secs(seconds.into()).min(longest);
        match wait.saturating_sub(self.elapsed) {
            Duration::ZERO => Mono::default(),
            left => self.now.after(left),
        }
    }

    /// Returns the state that a record describes, without the waits of single torrents.
    fn restore(self, record: Record<'_>) -> SavedTrackerState {
        let is_down = self.elapsed < DOWN_FOR;
        let interval = Duration::from_secs(record.interval.into());
        SavedTrackerState {
            failures: if is_down { record.failures } else { 0 },
            closed_until: self.end(record.closed, CLOSED_FOR),
            rate_limited_until: self.end(record.rate_limited, MAX_RETRY),
            interval: Some(interval).filter(|interval| !interval.is_zero()),
            behavior: record.behavior,
            check_at: self.end(record.check, RECHECK_KNOWN_AFTER),
            no_scrape_before: self.end(record.no_scrape, CLOSED_FOR),
            scrape_limit: record.scrape_limit,
            not_before: HashMap::new(),
        }
    }
}

/// Decodes what [`encode`] wrote. Waits that are over become zero.
pub(super) fn decode(mut bytes: &[u8], now: Now) -> Result<SavedTrackers, DecodeError> {
    let from = &mut bytes;
    let saved_at: u64 = take(from)?;
    let waits = Waits {
        // A wall clock that went back neither ends a wait nor lengthens one.
        elapsed: Duration::from_secs(now.unix.0.saturating_sub(saved_at)),
        now: now.mono,
    };
    let longest_not_before = PolitenessPolicy::jittered(MAX_RETRY, Some(InfoHash([0xff; 20])));
    let mut trackers = SavedTrackers::default();
    let mut room = MAX_NOT_BEFORE;
    let mut queues = 0;
    while !from.is_empty() {
        let record: Record<'_> = take(from)?;
        let count = record.not_before as usize;
        room = room.checked_sub(count).ok_or(DecodeError)?;
        queues += 1;
        if queues > MAX_QUEUES || record.label.len() > MAX_LABEL {
            return Err(DecodeError);
        }
        let mut saved = waits.restore(record);
        for _ in 0..count {
            let hash = InfoHash(take_array(from)?);
            let until = waits.end(take(from)?, longest_not_before);
            if until > now.mono {
                saved.not_before.insert(hash, until);
            }
        }
        let families = trackers.entry(record.label.into()).or_default();
        let known = families.get_mut(usize::from(record.family));
        *known.ok_or(DecodeError)? = saved;
    }
    Ok(trackers)
}
