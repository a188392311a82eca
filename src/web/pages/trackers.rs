//! `/trackers`: all trackers, those that are down first.

use std::cmp::Reverse;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use askama::Template;

use super::layout::{Address, Layout, Section, Site};
use super::paging::Paging;
use super::value::{DAY, Name, Number, OrUnknown};
use seedwatch_core::plural;
use seedwatch_core::snapshot::{
    Cause, FailureReason, Phases, ProbeError, Problem, Retry, Snapshot, TrackerRow, Unix,
};

/// Trackers per page.
pub(super) const PER_PAGE: usize = 200;

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

    /// Returns the number of all trackers.
    pub(super) const fn total(&self) -> usize {
        self.up + self.down + self.unknown
    }
}

/// What `trackers.html` shows.
#[derive(Template)]
#[template(path = "trackers.html")]
struct Trackers<'a> {
    layout: Layout<'a>,
    counts: TrackerCounts,
    paging: Paging,
    shown: Vec<ShownTracker<'a>>,
}

/// Writes the page.
pub(super) fn write(
    snapshot: &Snapshot,
    site: &Site,
    page: usize,
    to: &mut impl fmt::Write,
) -> fmt::Result {
    let users = users(snapshot);
    let rows = snapshot.trackers.iter().zip(users);
    let rows = rows.filter_map(|(row, users)| Some((&**row.as_ref()?, users)));
    let mut rows: Vec<(&TrackerRow, u32)> = rows.collect();
    rows.sort_by_cached_key(|(row, users)| (rank(row, snapshot), Reverse(*users), &*row.label));
    let paging = Paging::of(page, rows.len(), PER_PAGE, String::new());
    let shown = paging.cut(&rows).iter();
    let shown = shown.map(|(row, users)| ShownTracker::of(row, *users, snapshot));
    let page = Trackers {
        layout: Layout::of(snapshot, site, Address::of(Section::Trackers), "trackers"),
        counts: TrackerCounts::of(snapshot),
        shown: shown.collect(),
        paging,
    };
    page.render_into(to).map_err(|_| fmt::Error)
}

/// Returns the place of a tracker in the table: down, down over one family, in trouble, up.
fn rank(row: &TrackerRow, snapshot: &Snapshot) -> usize {
    match (row.up.contains(&Some(false)), row.up.contains(&Some(true))) {
        (true, false) => 0,
        (true, true) => 1,
        (false, _) if row.problem.is_some() || refusal(snapshot, &row.label).is_some() => 2,
        (false, _) => 3,
    }
}

/// Returns the number of torrents that use each tracker, by its id.
pub(super) fn users(snapshot: &Snapshot) -> Vec<u32> {
    let mut users = vec![0; snapshot.trackers.len()];
    for announce in snapshot.rows().flat_map(|view| view.announces) {
        if let Some(users) = users.get_mut(announce.tracker.0 as usize) {
            *users += 1;
        }
    }
    users
}

/// The row of a tracker.
pub(super) struct ShownTracker<'a> {
    pub(super) label: Name<'a>,
    pub(super) up: [Option<bool>; 2],
    pub(super) torrents: Number,
    pub(super) probes: Number,
    pub(super) requests: Number,
    pub(super) failures: Number,
    /// Empty if no probe failed.
    pub(super) most_frequent_failure: &'static str,
    /// Unknown if the tracker has not said.
    pub(super) interval: OrUnknown<String>,
    /// Unknown if no probe was answered.
    pub(super) latency: OrUnknown<String>,
    pub(super) certificate: Validity,
    /// The warning of the tracker.
    pub(super) warning: Option<&'a str>,
    /// The rate limit of the tracker.
    pub(super) error: Option<&'a ProbeError>,
    /// The number of torrents that the tracker refuses, and what it says; may be empty.
    pub(super) refusal: Option<(String, &'a str)>,
    /// Seconds until the rate limit ends.
    pub(super) wait: Option<Number>,
}

impl<'a> ShownTracker<'a> {
    /// Returns the row of a tracker that so many torrents use.
    pub(super) fn of(row: &'a TrackerRow, users: u32, snapshot: &'a Snapshot) -> Self {
        let most_frequent = FailureReason::ALL
            .into_iter()
            .filter(|reason| row.failures[reason.index()] > 0)
            .max_by_key(|reason| row.failures[reason.index()]);
        let (warning, error) = match row.problem.as_deref() {
            None => (None, None),
            Some(Problem::Warning(text)) => (Some(&**text), None),
            Some(Problem::Failed(error)) => (None, Some(error)),
        };
        let wait = error.and_then(|error| error.retry).map(Retry::seconds);
        Self {
            label: Name(&row.label),
            up: row.up,
            torrents: users.into(),
            probes: Number(row.probes),
            requests: Number(row.requests),
            failures: Number(row.failures.iter().sum()),
            most_frequent_failure: most_frequent
                .map(FailureReason::as_label)
                .unwrap_or_default(),
            interval: OrUnknown(row.interval.map(interval)),
            latency: OrUnknown(latency(row).map(millis)),
            certificate: Validity(snapshot.taken, row.certificate_expiry),
            warning,
            error,
            refusal: refusal(snapshot, &row.label),
            wait: wait.map(Number),
        }
    }
}

/// Returns how many torrents the tracker with this label refuses, and its message.
fn refusal<'a>(snapshot: &'a Snapshot, label: &str) -> Option<(String, &'a str)> {
    snapshot.causes.iter().find_map(|cause| match cause {
        Cause::TrackerRefuses {
            tracker,
            torrents,
            message,
        } if **tracker == *label => Some((plural(*torrents, "torrent"), &**message)),
        _ => None,
    })
}

/// Returns how long the latest answered probe of a tracker took, over the faster family.
pub(super) fn latency(row: &TrackerRow) -> Option<Duration> {
    let total = |phases: &Phases| -> Duration {
        let parts = [phases.resolve, phases.connect, phases.tls, phases.response];
        parts.into_iter().flatten().sum()
    };
    row.phases.iter().flatten().map(total).min()
}

/// Returns a duration in milliseconds.
pub(super) fn millis(duration: Duration) -> String {
    match duration.as_millis() {
        0 => "< 1 ms".to_owned(),
        millis => format!("{} ms", Number(millis as u64)),
    }
}

/// Returns an interval in minutes, or in seconds if it is short.
pub(super) fn interval(interval: Duration) -> String {
    match interval.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

/// The time from now (first) to the end of a certificate (second). Empty without one.
pub(super) struct Validity(pub(super) Unix, pub(super) Option<Unix>);

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
