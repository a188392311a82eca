//! `/trackers/NAME`: one tracker.

use std::fmt;

use askama::Template;

use super::layout::{Address, Layout, Section, Site};
use super::row::Rows;
use super::todo::WORST;
use super::trackers::{ShownTracker, millis, users};
use super::urgency::ByUrgency;
use super::value::{Number, When};
use crate::web::query::TorrentQuery;
use seedwatch_core::snapshot::{FailureReason, Family, Phases, Snapshot, TrackerId, TrackerRow};

/// What `tracker.html` shows.
#[derive(Template)]
#[template(path = "tracker.html")]
struct Tracker<'a> {
    layout: Layout<'a>,
    tracker: ShownTracker<'a>,
    certificate: When,
    next: When,
    /// How often probes failed, by reason.
    failures: Vec<(&'static str, Number)>,
    /// How long the phases of the latest answered probe took, over each family.
    phases: Vec<ShownPhases>,
    rows: Rows<'a>,
    total: Number,
    needy: Number,
    /// The query of all torrents that use the tracker.
    query: String,
}

/// How long the phases of a probe took; empty for those that it did not have.
struct ShownPhases {
    family: &'static str,
    phases: [String; 4],
}

/// Returns the id of a tracker.
pub(super) fn find(snapshot: &Snapshot, label: &str) -> Option<TrackerId> {
    let mut rows = snapshot.trackers.iter();
    let index = rows.position(|row| row.as_ref().is_some_and(|row| *row.label == *label))?;
    Some(TrackerId(index as u32))
}

/// Writes the page of a tracker.
pub(super) fn write(
    snapshot: &Snapshot,
    site: &Site,
    id: TrackerId,
    to: &mut impl fmt::Write,
) -> fmt::Result {
    let row = snapshot.tracker(id).ok_or(fmt::Error)?;
    let uses = snapshot.rows().enumerate().filter(|(_, view)| {
        let mut announces = view.announces.iter();
        announces.any(|announce| announce.tracker == id)
    });
    let counts = ByUrgency::of(snapshot, uses, WORST);
    let query = TorrentQuery::default().filtered(|filter| {
        filter.tracker = Some(row.label.to_string());
    });
    let address = Address::below(Section::Trackers, &row.label);
    let layout = Layout::of(snapshot, site, address, format!("tracker {}", row.label));
    let users = users(snapshot).get(id.0 as usize).copied().unwrap_or(0);
    let page = Tracker {
        tracker: ShownTracker::of(row, users, snapshot),
        certificate: When(snapshot.taken, row.certificate_expiry),
        next: When(snapshot.taken, row.next_probe),
        failures: failures(row),
        phases: phases(row),
        rows: Rows::of(snapshot, counts.first(), layout.root),
        total: counts.total().into(),
        needy: counts.needy().into(),
        query: query.to_query(),
        layout,
    };
    page.render_into(to).map_err(|_| fmt::Error)
}

fn failures(row: &TrackerRow) -> Vec<(&'static str, Number)> {
    let all = FailureReason::ALL.into_iter();
    let counted = all.map(|reason| (reason.as_label(), Number(row.failures[reason.index()])));
    counted.filter(|(_, count)| !count.is_zero()).collect()
}

fn phases(row: &TrackerRow) -> Vec<ShownPhases> {
    let shown = |family: Family| {
        let Phases {
            resolve,
            connect,
            tls,
            response,
        } = row.phases[family.index()]?;
        let phases = [resolve, connect, tls, response];
        Some(ShownPhases {
            family: family.name(),
            phases: phases.map(|phase| phase.map(millis).unwrap_or_default()),
        })
    };
    Family::ALL.into_iter().filter_map(shown).collect()
}
