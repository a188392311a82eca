//! The table of trackers with failures or warnings.

use std::cmp::Reverse;
use std::fmt::{self, Display, Formatter};

use super::{MAX_ROWS, Rows};
use seedwatch_core::plural;
use seedwatch_core::snapshot::{
    FailureReason, ProbeError, Problem, Retry, Snapshot, TrackerRow, Unix,
};

const DAY: u64 = 24 * 3600;

/// How many trackers are up over at least one family, down, and unknown.
#[derive(Default)]
pub(super) struct TrackerCounts {
    pub(super) up: usize,
    pub(super) down: usize,
    pub(super) unknown: usize,
}

impl TrackerCounts {
    /// Returns the counts of a snapshot.
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let mut counts = Self::default();
        for row in snapshot.trackers.iter().flatten() {
            *match row.up {
                up if up.contains(&Some(true)) => &mut counts.up,
                up if up.contains(&Some(false)) => &mut counts.down,
                _ => &mut counts.unknown,
            } += 1;
        }
        counts
    }
}

/// What `trackers.html` shows: trackers with failures since the start, warnings or rate limits.
pub(super) struct Trackers<'a> {
    pub(super) rows: Rows,
    /// Trackers that are down come first, then those with the most failures.
    listed: Vec<&'a TrackerRow>,
    now: Unix,
}

impl<'a> Trackers<'a> {
    /// Returns the trackers of a snapshot.
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let is_down = |row: &TrackerRow| row.up.contains(&Some(false));
        let all = snapshot.trackers.iter().flatten().map(|row| &**row);
        let mut listed: Vec<&TrackerRow> = all
            .filter(|row| is_down(row) || failures(row) > 0 || row.problem.is_some())
            .collect();
        listed.sort_unstable_by_key(|row| (Reverse((is_down(row), failures(row))), &*row.label));
        Self {
            rows: Rows::of(listed.len(), "./api/v1/torrents"),
            listed,
            now: snapshot.taken,
        }
    }

    /// Returns the trackers that are shown.
    pub(super) fn shown(&self) -> impl Iterator<Item = ShownTracker<'a>> {
        let first = self.listed.iter().take(MAX_ROWS);
        first.map(|row| ShownTracker::of(row, self.now))
    }
}

/// The row of a tracker.
pub(super) struct ShownTracker<'a> {
    pub(super) label: &'a str,
    pub(super) up: [Option<bool>; 2],
    pub(super) requests: u64,
    pub(super) failures: u64,
    /// Empty if no probe failed.
    pub(super) most_frequent_failure: &'static str,
    pub(super) certificate: Validity,
    /// The warning of the tracker.
    pub(super) warning: Option<&'a str>,
    /// The rate limit of the tracker.
    pub(super) error: Option<&'a ProbeError>,
    /// Seconds until the rate limit ends.
    pub(super) wait: Option<u64>,
}

impl<'a> ShownTracker<'a> {
    fn of(row: &'a TrackerRow, now: Unix) -> Self {
        let most_frequent = FailureReason::ALL
            .into_iter()
            .filter(|reason| row.failures[reason.index()] > 0)
            .max_by_key(|reason| row.failures[reason.index()]);
        let (warning, error) = match row.problem.as_deref() {
            None => (None, None),
            Some(Problem::Warning(text)) => (Some(&**text), None),
            Some(Problem::Failed(error)) => (None, Some(error)),
        };
        Self {
            label: &row.label,
            up: row.up,
            requests: row.requests,
            failures: failures(row),
            most_frequent_failure: most_frequent
                .map(FailureReason::as_label)
                .unwrap_or_default(),
            certificate: Validity(now, row.certificate_expiry),
            warning,
            error,
            wait: error.and_then(|error| error.retry).map(Retry::seconds),
        }
    }
}

/// The time from now (first) to the end of a certificate (second). Empty without one.
pub(super) struct Validity(Unix, Option<Unix>);

impl Display for Validity {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let Self(now, end) = self;
        match end {
            None => Ok(()),
            Some(end) if end.0 <= now.0 => to.write_str("expired"),
            Some(end) => write!(to, "{} left", plural((end.0 - now.0) / DAY, "day")),
        }
    }
}

fn failures(row: &TrackerRow) -> u64 {
    row.failures.iter().sum()
}
