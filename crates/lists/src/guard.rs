//! The guard of the last good copy: whether a new list is believed, and when to fetch again.
//!
//! - A failure keeps the last good copy.
//! - A list with less than half of the entries of the last good copy is not believed at once: an
//!   error page or a half-written file looks like that. The next fetch confirms it, unless that
//!   one halves again. A file confirms itself only by staying as it is for the time between two
//!   regular looks: one that changes is still being written.
//! - A server is asked once per interval, and less often while it fails. `Retry-After` is obeyed
//!   up to a day.

use std::time::Duration;

use seedwatch_clock::Mono;

use crate::{ListFailure, ParsedList};

/// The shortest time between two fetches of a URL.
const SHORTEST: Duration = Duration::from_secs(300);

/// The shortest time between a failure and a fetch that the user asks for.
const SHORTEST_RETRY: Duration = Duration::from_secs(60);

/// The longest wait after failures, unless the interval is longer.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(3600);

/// How many times the interval the wait after failures may be.
const MOST_INTERVALS: u32 = 12;

/// The longest wait that a server may ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The jitter adds at most one part in this many to a wait.
const JITTER_SHARE: f64 = 10.0;

/// Longest validator that is kept, in bytes.
const MAX_VALIDATOR: usize = 1024;

/// What makes a request conditional (RFC 9110, section 8.8): the validators of the last good copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// The `ETag` header.
    pub etag: Option<Box<str>>,
    /// The `Last-Modified` header.
    pub last_modified: Option<Box<str>>,
}

impl Validators {
    /// Keeps the validators of an answer, without those that are too long.
    pub fn new(etag: Option<&str>, last_modified: Option<&str>) -> Self {
        let keep = |text: Option<&str>| {
            let text = text.filter(|text| text.len() <= MAX_VALIDATOR);
            text.map(Into::into)
        };
        Self {
            etag: keep(etag),
            last_modified: keep(last_modified),
        }
    }
}

/// The outcome of one fetch, or of one read of a file.
#[derive(Debug, Clone, Copy)]
pub enum Fetched<'a> {
    /// The server says that nothing changed (304), or the file is the same.
    Unchanged,
    /// A list.
    List(&'a ParsedList),
    /// Why there is no list.
    Failed(ListFailure),
}

/// What the guard makes of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The last good copy is still the list.
    Confirmed,
    /// The new list is the last good copy from now on.
    Accepted,
    /// The last good copy stays in use for another reason.
    Refused(ListFailure),
}

/// The state of one list between fetches.
#[derive(Debug, Clone)]
pub struct Guard {
    /// The regular time between two fetches.
    interval: Duration,
    /// The wait after the first failure.
    retry: Duration,
    /// The longest wait after failures.
    longest: Duration,
    /// Failures in a row.
    failures: u32,
    /// How many entries the list had that is not believed yet.
    unconfirmed: Option<usize>,
    /// When the latest fetch ended; `None` before the first.
    asked: Option<Mono>,
    /// Since when the file is as it is; `None` for a URL, or before the first look.
    unchanged_since: Option<Mono>,
    /// When the next fetch is due.
    due: Mono,
    /// The end of the wait that the server asked for.
    not_before: Mono,
}

impl Guard {
    /// How often a file is looked at.
    pub const FILE_CHECK: Duration = Duration::from_secs(30);

    /// Returns the guard of a URL, which is due at once.
    pub fn of_url(interval: Duration) -> Self {
        let longest = (interval * MOST_INTERVALS).min(LONGEST_BACK_OFF);
        Self::new(interval, interval.min(SHORTEST), longest.max(interval))
    }

    /// Returns the guard of a file, which is due at once. A file is looked at more often than a
    /// server.
    pub fn of_file(interval: Duration) -> Self {
        let interval = interval.min(Self::FILE_CHECK);
        Self::new(interval, interval, interval)
    }

    fn new(interval: Duration, retry: Duration, longest: Duration) -> Self {
        Self {
            interval,
            retry,
            longest,
            failures: 0,
            unconfirmed: None,
            asked: None,
            unchanged_since: None,
            due: Mono::default(),
            not_before: Mono::default(),
        }
    }

    /// Returns when the next fetch is due.
    pub fn due(&self) -> Mono {
        self.due
    }

    /// Returns whether a list waits for its confirmation, which even an unchanged file gives.
    pub fn is_unconfirmed(&self) -> bool {
        self.unconfirmed.is_some()
    }

    /// Notes that a file is another one than at the last look: what is in it now confirms nothing
    /// before it stays so.
    pub fn file_changed(&mut self, now: Mono) {
        self.unchanged_since = Some(now);
    }

    /// Takes the outcome of a fetch. `good` is the number of entries of the last good copy;
    /// `retry_after` is what the server asked for; `jitter` is a random number from 0 to 1.
    pub fn absorb(
        &mut self,
        fetched: Fetched<'_>,
        good: Option<usize>,
        retry_after: Option<Duration>,
        jitter: f64,
        now: Mono,
    ) -> Decision {
        let decision = self.judge(fetched, good, now);
        let wait = match decision {
            // The next regular fetch confirms it: an error page may stay for some minutes.
            Decision::Confirmed | Decision::Accepted | Decision::Refused(ListFailure::Shrunken) => {
                self.failures = 0;
                self.interval
            }
            Decision::Refused(_) => {
                let doublings = self.failures.min(16);
                self.failures = self.failures.saturating_add(1);
                self.retry.saturating_mul(1 << doublings).min(self.longest)
            }
        };
        let wait = wait.mul_f64(1.0 + jitter.clamp(0.0, 1.0) / JITTER_SHARE);
        let asked = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
        self.asked = Some(now);
        self.not_before = now.after(asked);
        self.due = now.after(wait.max(asked));
        decision
    }

    /// Takes over when the server was asked, and what it answered, from a guard of the same list
    /// with another interval.
    pub fn resume(&mut self, before: &Self) {
        self.failures = before.failures;
        self.unconfirmed = before.unconfirmed;
        self.asked = before.asked;
        self.unchanged_since = before.unchanged_since;
        self.not_before = before.not_before;
        self.due = match before.interval == self.interval {
            true => before.due,
            false => before.asked.map_or(Mono::default(), |asked| {
                asked.after(self.interval).max(self.not_before)
            }),
        };
    }

    /// Makes the next fetch due early, because the user asks for it: a minute after a failure, or
    /// five minutes after a success, and not before the end of `Retry-After`.
    pub fn hasten(&mut self) {
        let Some(asked) = self.asked else {
            return;
        };
        let wait = match self.failures {
            0 => SHORTEST,
            _ => SHORTEST_RETRY,
        };
        let earliest = asked.after(wait).max(self.not_before);
        self.due = self.due.min(earliest);
    }

    fn judge(&mut self, fetched: Fetched<'_>, good: Option<usize>, now: Mono) -> Decision {
        let list = match fetched {
            Fetched::Failed(failure) => return Decision::Refused(failure),
            Fetched::Unchanged => {
                self.unconfirmed = None;
                return Decision::Confirmed;
            }
            Fetched::List(list) => list.entries.len(),
        };
        let is_less_than_half = |of: usize| list.saturating_mul(2) < of;
        let changed = self.unchanged_since;
        // A reload may look again before its time.
        let is_settled = changed.is_none_or(|since| now.since(since) >= self.interval);
        let is_similar = self.unconfirmed.is_some_and(|it| !is_less_than_half(it));
        let is_confirmation = is_similar && is_settled;
        if good.is_some_and(is_less_than_half) && !is_confirmation {
            self.unconfirmed = Some(list);
            return Decision::Refused(ListFailure::Shrunken);
        }
        self.unconfirmed = None;
        Decision::Accepted
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Entry;
    use seedwatch_torrent::{Hashes, InfoHash};

    const HOUR: Duration = Duration::from_secs(3600);
    const MINUTE: Duration = Duration::from_secs(60);

    fn list(entries: usize) -> ParsedList {
        let entry = |n: usize| Entry {
            hashes: Hashes::V1(InfoHash([n as u8; 20])),
            name: None,
            trackers: Vec::new().into(),
            web_seeds: Vec::new().into(),
            size: None,
            is_private: false,
        };
        ParsedList {
            entries: (0..entries).map(entry).collect(),
            ..ParsedList::default()
        }
    }

    fn absorb(guard: &mut Guard, fetched: Fetched<'_>, good: Option<usize>) -> Decision {
        guard.absorb(fetched, good, None, 0.0, Mono::default())
    }

    #[test]
    fn a_list_that_halves_is_believed_at_the_second_fetch() {
        let mut guard = Guard::of_url(HOUR);
        let shrunken = Decision::Refused(ListFailure::Shrunken);
        let mut fetch = |n: usize| absorb(&mut guard, Fetched::List(&list(n)), Some(100));
        assert_eq!(fetch(50), Decision::Accepted);
        assert_eq!(fetch(49), shrunken);
        // It halves again: another error page.
        assert_eq!(fetch(10), shrunken);
        assert_eq!(fetch(60), Decision::Accepted);
        assert_eq!(fetch(49), shrunken);
        assert_eq!(fetch(48), Decision::Accepted);
        assert_eq!(guard.due(), Mono::default().after(HOUR));
    }

    #[test]
    fn a_file_confirms_itself_only_when_it_stays_as_it_is() {
        let mut guard = Guard::of_file(HOUR);
        let shrunken = Decision::Refused(ListFailure::Shrunken);
        let mut look = |second: u64, is_changed: bool, entries: usize| {
            let now = Mono::default().after(Duration::from_secs(second));
            if is_changed {
                guard.file_changed(now);
            }
            let list = list(entries);
            guard.absorb(Fetched::List(&list), Some(100), None, 0.0, now)
        };
        // It is being written.
        assert_eq!(look(0, true, 10), shrunken);
        assert_eq!(look(30, true, 20), shrunken);
        assert_eq!(look(60, true, 30), shrunken);
        // After a reload.
        assert_eq!(look(61, false, 30), shrunken);
        assert_eq!(look(91, false, 30), Decision::Accepted);
    }

    #[test]
    fn failures_between_two_fetches_confirm_nothing() {
        let mut guard = Guard::of_url(HOUR);
        let small = list(1);
        let shrunken = Decision::Refused(ListFailure::Shrunken);
        assert_eq!(absorb(&mut guard, Fetched::List(&small), Some(9)), shrunken);
        let failed = Fetched::Failed(ListFailure::Html);
        absorb(&mut guard, failed, Some(9));
        assert!(guard.is_unconfirmed());
        assert_eq!(
            absorb(&mut guard, Fetched::Unchanged, Some(9)),
            Decision::Confirmed
        );
        assert_eq!(absorb(&mut guard, Fetched::List(&small), Some(9)), shrunken);
    }

    #[test]
    fn the_first_list_is_believed() {
        let mut guard = Guard::of_url(HOUR);
        assert_eq!(
            absorb(&mut guard, Fetched::List(&list(1)), None),
            Decision::Accepted
        );
    }

    #[test]
    fn failures_back_off_and_a_success_ends_that() {
        let mut guard = Guard::of_url(2 * HOUR);
        let mut wait = |fetched| {
            absorb(&mut guard, fetched, None);
            guard.due().since(Mono::default())
        };
        let failed = Fetched::Failed(ListFailure::Timeout);
        let waits: Vec<Duration> = (0..7).map(|_| wait(failed)).collect();
        let minutes = [5, 10, 20, 40, 80, 120, 120].map(|n| n * MINUTE);
        assert_eq!(waits, minutes);
        assert_eq!(wait(Fetched::Unchanged), 2 * HOUR);
        assert_eq!(wait(failed), 5 * MINUTE);
    }

    #[test]
    fn retry_after_is_obeyed_up_to_a_day() {
        let mut guard = Guard::of_url(HOUR);
        let failed = Fetched::Failed(ListFailure::HttpStatus);
        for (asked, wait) in [(1, 5 * MINUTE), (7200, 2 * HOUR), (1 << 40, 24 * HOUR)] {
            let mut guard = guard.clone();
            let asked = Some(Duration::from_secs(asked));
            guard.absorb(failed, None, asked, 0.0, Mono::default());
            assert_eq!(guard.due(), Mono::default().after(wait));
        }
        let asked = Some(3 * HOUR);
        guard.absorb(Fetched::Unchanged, None, asked, 0.0, Mono::default());
        assert_eq!(guard.due(), Mono::default().after(3 * HOUR));
    }

    #[test]
    fn a_user_may_ask_again_after_a_minute_or_five() {
        let (start, mut guard) = (Mono::default(), Guard::of_url(2 * HOUR));
        guard.hasten();
        assert_eq!(guard.due(), start);
        let failed = Fetched::Failed(ListFailure::HttpStatus);
        let mut due = |fetched, retry_after: Option<Duration>| {
            guard.absorb(fetched, None, retry_after, 0.0, start);
            guard.hasten();
            guard.due().since(start)
        };
        assert_eq!(due(failed, None), MINUTE);
        assert_eq!(due(failed, None), MINUTE);
        // What the server asks for outweighs the user.
        assert_eq!(due(failed, Some(3 * MINUTE)), 3 * MINUTE);
        assert_eq!(due(Fetched::Unchanged, None), 5 * MINUTE);
        assert_eq!(due(Fetched::Unchanged, Some(HOUR)), HOUR);
    }

    #[test]
    fn another_interval_holds_from_the_latest_fetch_on() {
        let (start, mut guard) = (Mono::default(), Guard::of_url(HOUR));
        guard.absorb(Fetched::Unchanged, None, None, 0.0, start);
        for (interval, wait) in [(HOUR, HOUR), (2 * HOUR, 2 * HOUR)] {
            let mut other = Guard::of_url(interval);
            other.resume(&guard);
            assert_eq!(other.due().since(start), wait);
        }
    }

    #[test]
    fn a_file_is_looked_at_every_half_minute() {
        let mut guard = Guard::of_file(HOUR);
        for _ in 0..3 {
            absorb(&mut guard, Fetched::Failed(ListFailure::Unreadable), None);
            assert_eq!(guard.due(), Mono::default().after(Guard::FILE_CHECK));
        }
    }

    proptest! {
        #[test]
        fn a_server_is_never_asked_more_often_than_every_five_minutes(
            interval in 300u64..90_000,
            outcomes in proptest::collection::vec((0u8..3, 0usize..40, 0.0f64..1.0), 1..50),
        ) {
            let interval = Duration::from_secs(interval);
            let mut guard = Guard::of_url(interval);
            let (mut now, mut good) = (Mono(0), None);
            for (kind, entries, jitter) in outcomes {
                let list = list(entries);
                let fetched = match kind {
                    0 => Fetched::Unchanged,
                    1 => Fetched::List(&list),
                    _ => Fetched::Failed(ListFailure::Dns),
                };
                let decision = guard.absorb(fetched, good, None, jitter, now);
                if decision == Decision::Accepted {
                    good = Some(entries);
                }
                let wait = guard.due().since(now);
                prop_assert!(wait >= SHORTEST);
                prop_assert!(wait <= interval.max(LONGEST_BACK_OFF).mul_f64(1.11));
                now = guard.due();
            }
        }
    }
}
