//! `/api/v1/trackers`: trackers, how they answer, and how many torrents they know.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::paging::Page;
use super::values::{ByFamily, ProbeFailure};
use seedwatch_core::snapshot::{FailureReason, Problem, Snapshot, TrackerRow};

/// Trackers, sorted by name.
pub(super) struct Trackers(pub(super) Arc<Snapshot>, pub(super) Page);

impl Trackers {
    /// Returns how many trackers there are.
    pub(super) fn total(snapshot: &Snapshot) -> usize {
        snapshot.trackers.iter().flatten().count()
    }
}

impl Serialize for Trackers {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self(snapshot, page) = self;
        let rows = snapshot.trackers.iter().zip(count(snapshot));
        let rows = rows.filter_map(|(row, counted)| Some(view(row.as_deref()?, counted)));
        let mut trackers: Vec<_> = rows.collect();
        trackers.sort_unstable_by_key(|tracker| tracker.name);
        let mut object = to.serialize_struct("Trackers", 2 + Page::FIELDS)?;
        object.serialize_field("taken", &snapshot.taken.0)?;
        page.serialize(&mut object)?;
        let shown = trackers.get(page.rows.clone()).unwrap_or_default();
        object.serialize_field("trackers", shown)?;
        object.end()
    }
}

/// One tracker.
#[derive(Serialize)]
pub(super) struct Tracker<'a> {
    /// Scheme, host and port.
    name: &'a str,
    /// Whether the latest probe got a valid protocol answer.
    up: ByFamily<bool>,
    /// Torrents about which it is asked.
    torrents: u32,
    /// Those about which its latest answer was valid.
    torrents_answered: u32,
    /// Those of which it lists peers.
    torrents_with_peers: u32,
    /// The announce interval that it asks for.
    interval_seconds: Option<u64>,
    /// Time from the request to the end of the latest response.
    response_seconds: ByFamily<f64>,
    /// Requests since the start, retransmissions included.
    requests: u64,
    /// Probes since the start that ended, failed ones included.
    probes: u64,
    /// Failed probes by reason; reasons that did not occur are left out.
    failures: BTreeMap<&'static str, u64>,
    /// The latest warning.
    warning: Option<&'a str>,
    /// The rate limit that it imposes now.
    rate_limit: Option<ProbeFailure<'a>>,
    /// The earliest end of validity in its certificate chain.
    certificate_expiry: Option<u64>,
}

/// How many torrents a tracker is asked about, and what it knows of them.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    asked: u32,
    answered: u32,
    with_peers: u32,
}

/// Returns the tracker with this label.
pub(super) fn tracker<'a>(snapshot: &'a Snapshot, name: &str) -> Option<Tracker<'a>> {
    let rows = snapshot.trackers.iter().zip(count(snapshot));
    let mut rows = rows.filter_map(|(row, counted)| Some((row.as_deref()?, counted)));
    let found = rows.find(|(row, _)| *row.label == *name);
    found.map(|(row, counted)| view(row, counted))
}

/// Counts the torrents of each tracker by its id.
fn count(snapshot: &Snapshot) -> Vec<Counted> {
    let mut counted = vec![Counted::default(); snapshot.trackers.len()];
    for announce in snapshot.rows().flat_map(|view| view.announces) {
        let Some(counted) = counted.get_mut(announce.tracker.0 as usize) else {
            continue;
        };
        counted.asked += 1;
        counted.answered += u32::from(announce.success == Some(true));
        counted.with_peers += u32::from(announce.peers.get() > Some(0));
    }
    counted
}

fn view(row: &TrackerRow, counted: Counted) -> Tracker<'_> {
    let response = row.phases.map(|phases| {
        let response = phases.and_then(|phases| phases.response);
        response.map(|time| time.as_secs_f64())
    });
    let (warning, rate_limit) = match row.problem.as_deref() {
        None => (None, None),
        Some(Problem::Warning(text)) => (Some(&**text), None),
        Some(Problem::Failed(failed)) => (None, Some(ProbeFailure::of(failed))),
    };
    let failures = FailureReason::ALL.into_iter();
    let failures = failures.map(|reason| (reason.as_label(), row.failures[reason.index()]));
    Tracker {
        name: &row.label,
        up: ByFamily::of(row.up),
        torrents: counted.asked,
        torrents_answered: counted.answered,
        torrents_with_peers: counted.with_peers,
        interval_seconds: row.interval.map(|interval| interval.as_secs()),
        response_seconds: ByFamily::of(response),
        requests: row.requests,
        probes: row.probes,
        failures: failures.filter(|(_, count)| *count > 0).collect(),
        warning,
        rate_limit,
        certificate_expiry: row.certificate_expiry.map(|at| at.0),
    }
}
