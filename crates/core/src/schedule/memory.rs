//! What of the plan survives a restart, as bytes.
//!
//! ```text
//! saved at 8 | for each tracker and family:
//!   length 2 | tracker | family 1 | `stopped` 1 | failures 4 | interval 4 | closed 4 | limited 4
//!   | no scrape 4 | scrape limit 1 | number of promises 4 | promises: info-hash 20 | wait 4
//! ```
//!
//! How it answers `stopped` stands in two bits (0 unknown, 1 without its list, 2 with it); the other
//! six are the time to the next check, in parts of [`CHECK_PART`].
//!
//! Numbers are big-endian, times are seconds: the wall clock at the start, waits from then on. A
//! tracker is its label: scheme, host and port, never a passkey.
//!
//! What a tracker asked of us stands over a restart. That it was down does too, so that it gets one
//! probe and not one for each of its torrents; but that probe is due at once, or what is shown of the
//! tracker would break off for hours. One that was up must prove itself again.

use std::collections::HashMap;
use std::time::Duration;

use super::lane::{CHECK_AGAIN, Habit};
use super::pace::{CEILING, CLOSED_FOR, LONGEST_RETRY, Pace};
use seedwatch_clock::{Mono, Now};
use seedwatch_torrent::Family;
use seedwatch_torrent::InfoHash;

/// Most trackers and families written and read.
const MAX_LANES: usize = 1 << 17;

/// Most promises written and read, all trackers together: 6 MB.
const MAX_PROMISES: usize = 1 << 18;

/// Longest label: a name has at most 253 characters.
const MAX_LABEL: usize = 512;

/// The next check of how a tracker answers `stopped` is saved in units of this.
const CHECK_PART: Duration = Duration::from_secs(3 * 3600);

/// That a tracker was down is believed for two of the longest rounds: as long as it may stay unasked
/// while we run.
const DOWN_FOR: Duration = Duration::from_secs(2 * CEILING.as_secs());

/// Bytes that no plan was written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not what a plan is written as")]
pub struct Nonsense;

/// What is remembered of one tracker over one family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// Failures in a row of one that is down; 0 of any other.
    pub(super) failures: u32,
    /// Its operator asks not to be contacted before.
    pub(super) closed_until: Mono,
    /// Nothing leaves before: the tracker said so.
    pub(super) limited_until: Mono,
    /// The interval it asks for.
    pub(super) interval: Option<Duration>,
    /// How it answers `stopped`.
    pub(super) habit: Habit,
    /// When that is checked again.
    pub(super) check_at: Mono,
    /// It does not answer scrapes before.
    pub(super) no_scrape_before: Mono,
    /// Most hashes it answers in one scrape; 0 = as many as we ask for.
    pub(super) scrape_limit: u8,
    /// When each torrent may be asked about again, where the tracker said so.
    pub(super) promises: HashMap<InfoHash, Mono>,
}

impl Memory {
    /// Whether it is worth writing down.
    fn says_something(&self, now: Mono) -> bool {
        self.is_obliging(now)
            || self.no_scrape_before > now
            || self.failures > 0
            || self.interval.is_some()
            || self.habit != Habit::Unknown
            || self.scrape_limit > 0
    }

    /// Whether the tracker asked for something that is not over.
    pub(super) fn is_obliging(&self, now: Mono) -> bool {
        let open = |until: Mono| until > now;
        open(self.closed_until)
            || open(self.limited_until)
            || self.promises.values().any(|until| open(*until))
    }

    fn encode(&self, label: &str, family: Family, now: Mono, room: &mut usize, out: &mut Vec<u8>) {
        let wait = |until: Mono| seconds(until.since(now));
        out.extend_from_slice(&(label.len() as u16).to_be_bytes());
        out.extend_from_slice(label.as_bytes());
        let stopped = pack(self.habit, self.check_at.since(now));
        out.extend_from_slice(&[family.index() as u8, stopped]);
        for number in [
            self.failures,
            self.interval.map_or(0, seconds),
            wait(self.closed_until),
            wait(self.limited_until),
            wait(self.no_scrape_before),
        ] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.push(self.scrape_limit);
        let open = || self.promises.iter().filter(|(_, until)| **until > now);
        let count = open().count().min(*room);
        *room -= count;
        out.extend_from_slice(&(count as u32).to_be_bytes());
        for (hash, until) in open().take(count) {
            out.extend_from_slice(&hash.0);
            out.extend_from_slice(&wait(*until).to_be_bytes());
        }
    }
}

/// How a tracker answers `stopped`, and when that is checked again, in one byte.
fn pack(habit: Habit, check_in: Duration) -> u8 {
    let habit = match habit {
        Habit::Unknown => return 0,
        Habit::Withholds => 1,
        Habit::Lists => 2,
    };
    let parts = check_in.as_secs().div_ceil(CHECK_PART.as_secs()).min(63);
    habit | (parts as u8) << 2
}

fn unpack(byte: u8) -> (Habit, Duration) {
    let habit = match byte & 3 {
        1 => Habit::Withholds,
        2 => Habit::Lists,
        _ => Habit::Unknown,
    };
    (habit, CHECK_PART * u32::from(byte >> 2))
}

/// Whole seconds, rounded up: nothing leaves too early.
fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}

/// Appends all that is worth it.
pub(super) fn encode<'a>(
    lanes: impl Iterator<Item = (&'a str, Family, Memory)>,
    now: Now,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(&now.unix.0.to_be_bytes());
    let mut room = MAX_PROMISES;
    let worth = |(label, _, memory): &(&str, Family, Memory)| {
        memory.says_something(now.mono) && label.len() <= MAX_LABEL
    };
    for (label, family, memory) in lanes.filter(worth).take(MAX_LANES) {
        memory.encode(label, family, now.mono, &mut room, out);
    }
}

/// Memories by label, then by [`Family::index`].
pub(super) type Memories = HashMap<Box<str>, [Memory; 2]>;

/// What [`encode`] wrote; waits that are over are zero.
pub(super) fn decode(mut bytes: &[u8], now: Now) -> Result<Memories, Nonsense> {
    let from = &mut bytes;
    let saved = u64::from_be_bytes(take(from)?);
    // A clock that went back ends no wait and lengthens none.
    let elapsed = Duration::from_secs(now.unix.0.saturating_sub(saved));
    let until = |wait: Duration, longest: Duration| {
        let left = wait.min(longest).saturating_sub(elapsed);
        match left.is_zero() {
            true => Mono::default(),
            false => now.mono.after(left),
        }
    };
    let longest_promise = Pace::jittered(LONGEST_RETRY, Some(InfoHash([0xff; 20])));
    let mut memories = Memories::default();
    let mut room = MAX_PROMISES;
    for read in 0.. {
        if from.is_empty() {
            break;
        }
        if read >= MAX_LANES {
            return Err(Nonsense);
        }
        let length = usize::from(u16::from_be_bytes(take(from)?));
        let (label, rest) = from.split_at_checked(length).ok_or(Nonsense)?;
        *from = rest;
        let label = std::str::from_utf8(label).map_err(|_| Nonsense)?;
        let [family, stopped] = take(from)?;
        let (habit, check_in) = unpack(stopped);
        let failures = number(from)?;
        let interval = wait(from)?;
        let mut memory = Memory {
            failures: if elapsed < DOWN_FOR { failures } else { 0 },
            closed_until: until(wait(from)?, CLOSED_FOR),
            limited_until: until(wait(from)?, LONGEST_RETRY),
            interval: Some(interval).filter(|interval| !interval.is_zero()),
            habit,
            check_at: until(check_in, CHECK_AGAIN),
            no_scrape_before: until(wait(from)?, CLOSED_FOR),
            ..Memory::default()
        };
        [memory.scrape_limit] = take(from)?;
        let count = number(from)? as usize;
        room = room.checked_sub(count).ok_or(Nonsense)?;
        for _ in 0..count {
            let hash = InfoHash(take(from)?);
            let until = until(wait(from)?, longest_promise);
            if until > now.mono {
                memory.promises.insert(hash, until);
            }
        }
        let place = memories
            .entry(label.into())
            .or_default()
            .get_mut(usize::from(family));
        *place.ok_or(Nonsense)? = memory;
    }
    Ok(memories)
}

fn take<const N: usize>(from: &mut &[u8]) -> Result<[u8; N], Nonsense> {
    let (first, rest) = from.split_first_chunk().ok_or(Nonsense)?;
    *from = rest;
    Ok(*first)
}

fn number(from: &mut &[u8]) -> Result<u32, Nonsense> {
    take(from).map(u32::from_be_bytes)
}

fn wait(from: &mut &[u8]) -> Result<Duration, Nonsense> {
    Ok(Duration::from_secs(number(from)?.into()))
}
