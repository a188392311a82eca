//! What survives a restart of what the schedule knows, as bytes.
//!
//! ```text
//! saved at 8 | for each tracker and family:
//!   length 2 | tracker | family 1 | `stopped` 1 | failures 4 | interval 4 | closed 4
//!   | rate limit 4 | no scrape 4 | scrape limit 1 | number of waits 4 | waits: info-hash 20 | wait 4
//! ```
//!
//! The byte `stopped` has two bits for the behavior (0 unknown, 1 without its list, 2 with it). The
//! other six are the time to the next check, in units of [`CHECK_UNIT`].
//!
//! Numbers are big-endian. Times are seconds: the wall clock at the start, then waits. A tracker is
//! its label: scheme, host and port, never a passkey.
//!
//! Waits that a tracker asked for hold over a restart. That it was down holds too, so that it gets
//! one probe and not one per torrent. That probe is due at once, or the tracker's metrics would be
//! absent for hours. A tracker that was up must prove so again.

use std::collections::HashMap;
use std::time::Duration;

use super::politeness::{CLOSED_FOR, MAX_REQUESTED_INTERVAL, MAX_RETRY, PolitenessPolicy};
use super::tracker_queue::{RECHECK_KNOWN_AFTER, StoppedBehavior};
use seedwatch_clock::{Mono, Now};
use seedwatch_torrent::Family;
use seedwatch_torrent::InfoHash;

/// Most pairs of tracker and family that are written and read.
const MAX_QUEUES: usize = 1 << 17;

/// Most waits of single torrents that are written and read, for all trackers together: 6 MB.
const MAX_NOT_BEFORE: usize = 1 << 18;

/// Longest label in bytes. A host name has at most 253 characters.
const MAX_LABEL: usize = 512;

/// The unit of the time to the next check of how a tracker answers `stopped`.
const CHECK_UNIT: Duration = Duration::from_secs(3 * 3600);

/// How long a restored state of "down" is valid: two of the longest intervals, which is the longest
/// time between two probes of a tracker that is down.
const DOWN_FOR: Duration = Duration::from_secs(2 * MAX_REQUESTED_INTERVAL.as_secs());

/// The bytes are not a saved schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a saved schedule")]
pub struct DecodeError;

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
        out.extend_from_slice(&(label.len() as u16).to_be_bytes());
        out.extend_from_slice(label.as_bytes());
        let stopped = pack(self.behavior, self.check_at.since(now));
        out.extend_from_slice(&[family.index() as u8, stopped]);
        for number in [
            self.failures,
            self.interval.map_or(0, seconds),
            wait(self.closed_until),
            wait(self.rate_limited_until),
            wait(self.no_scrape_before),
        ] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.push(self.scrape_limit);
        let open = || self.not_before.iter().filter(|(_, until)| **until > now);
        let count = open().count().min(*room);
        *room -= count;
        out.extend_from_slice(&(count as u32).to_be_bytes());
        for (hash, until) in open().take(count) {
            out.extend_from_slice(&hash.0);
            out.extend_from_slice(&wait(*until).to_be_bytes());
        }
    }
}

/// Packs how a tracker answers `stopped`, and when that is checked again, into one byte.
fn pack(behavior: StoppedBehavior, check_in: Duration) -> u8 {
    let behavior = match behavior {
        StoppedBehavior::Unknown => return 0,
        StoppedBehavior::OmitsList => 1,
        StoppedBehavior::SendsList => 2,
    };
    let units = check_in.as_secs().div_ceil(CHECK_UNIT.as_secs()).min(63);
    behavior | (units as u8) << 2
}

fn unpack(byte: u8) -> (StoppedBehavior, Duration) {
    let behavior = match byte & 3 {
        1 => StoppedBehavior::OmitsList,
        2 => StoppedBehavior::SendsList,
        _ => StoppedBehavior::Unknown,
    };
    (behavior, CHECK_UNIT * u32::from(byte >> 2))
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
    out.extend_from_slice(&now.unix.0.to_be_bytes());
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

/// Decodes what [`encode`] wrote. Waits that are over become zero.
pub(super) fn decode(mut bytes: &[u8], now: Now) -> Result<SavedTrackers, DecodeError> {
    let from = &mut bytes;
    let saved_at = u64::from_be_bytes(take(from)?);
    // A wall clock that went back neither ends a wait nor lengthens one.
    let elapsed = Duration::from_secs(now.unix.0.saturating_sub(saved_at));
    let until = |wait: Duration, longest: Duration| {
        let left = wait.min(longest).saturating_sub(elapsed);
        match left.is_zero() {
            true => Mono::default(),
            false => now.mono.after(left),
        }
    };
    let longest_not_before = PolitenessPolicy::jittered(MAX_RETRY, Some(InfoHash([0xff; 20])));
    let mut trackers = SavedTrackers::default();
    let mut room = MAX_NOT_BEFORE;
    for read in 0.. {
        if from.is_empty() {
            break;
        }
        if read >= MAX_QUEUES {
            return Err(DecodeError);
        }
        let length = usize::from(u16::from_be_bytes(take(from)?));
        let (label, rest) = from.split_at_checked(length).ok_or(DecodeError)?;
        *from = rest;
        let label = std::str::from_utf8(label).map_err(|_| DecodeError)?;
        let [family, stopped] = take(from)?;
        let (behavior, check_in) = unpack(stopped);
        let failures = number(from)?;
        let interval = wait(from)?;
        let mut saved = SavedTrackerState {
            failures: if elapsed < DOWN_FOR { failures } else { 0 },
            closed_until: until(wait(from)?, CLOSED_FOR),
            rate_limited_until: until(wait(from)?, MAX_RETRY),
            interval: Some(interval).filter(|interval| !interval.is_zero()),
            behavior,
            check_at: until(check_in, RECHECK_KNOWN_AFTER),
            no_scrape_before: until(wait(from)?, CLOSED_FOR),
            ..SavedTrackerState::default()
        };
        [saved.scrape_limit] = take(from)?;
        let count = number(from)? as usize;
        room = room.checked_sub(count).ok_or(DecodeError)?;
        for _ in 0..count {
            let hash = InfoHash(take(from)?);
            let until = until(wait(from)?, longest_not_before);
            if until > now.mono {
                saved.not_before.insert(hash, until);
            }
        }
        let known = trackers
            .entry(label.into())
            .or_default()
            .get_mut(usize::from(family));
        *known.ok_or(DecodeError)? = saved;
    }
    Ok(trackers)
}

fn take<const N: usize>(from: &mut &[u8]) -> Result<[u8; N], DecodeError> {
    let (first, rest) = from.split_first_chunk().ok_or(DecodeError)?;
    *from = rest;
    Ok(*first)
}

fn number(from: &mut &[u8]) -> Result<u32, DecodeError> {
    take(from).map(u32::from_be_bytes)
}

fn wait(from: &mut &[u8]) -> Result<Duration, DecodeError> {
    Ok(Duration::from_secs(number(from)?.into()))
}
