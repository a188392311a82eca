//! Families of trackers.

use std::fmt;

use super::families::Families;
use super::labels::{by_family, by_phase, sorted};
use crate::metrics::catalogue;
use seedwatch_core::snapshot::{FailureReason, Snapshot, TrackerRow};

/// Writes the families with the label `tracker` alone.
pub(super) fn write(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    let trackers = snapshot.trackers.iter().flatten();
    let mut rows: Vec<&TrackerRow> = trackers.map(|row| &**row).collect();
    rows.sort_unstable_by(|a, b| a.label.cmp(&b.label));
    write_timings(&rows, to)?;
    write_counters(&rows, to)?;
    to.gauge(
        &catalogue::TRACKER_CERTIFICATE_EXPIRY,
        rows.iter()
            .filter_map(|row| Some(([&*row.label], row.certificate_expiry?.0))),
    )?;
    to.gauge(
        &catalogue::TRACKER_UP,
        rows.iter().flat_map(|row| {
            by_family(row.up, u32::from).map(move |(family, up)| ([&*row.label, family], up))
        }),
    )
}

fn write_timings(rows: &[&TrackerRow], to: &mut Families<'_>) -> fmt::Result {
    to.gauge(
        &catalogue::TRACKER_ANNOUNCE_INTERVAL,
        rows.iter()
            .filter_map(|row| Some(([&*row.label], row.interval?.as_secs_f64()))),
    )?;
    to.gauge(
        &catalogue::TRACKER_DURATION,
        rows.iter().flat_map(|row| {
            by_family(row.phases, |phases| phases).flat_map(move |(family, phases)| {
                by_phase(phases).filter_map(move |(phase, time)| {
                    Some(([&*row.label, family, phase], time?.as_secs_f64()))
                })
            })
        }),
    )
}

fn write_counters(rows: &[&TrackerRow], to: &mut Families<'_>) -> fmt::Result {
    let reasons = sorted(FailureReason::ALL, FailureReason::as_label);
    to.counter(
        &catalogue::TRACKER_FAILURES,
        rows.iter().flat_map(|row| {
            reasons.iter().map(move |reason| {
                let labels = [&*row.label, reason.as_label()];
                (labels, row.failures[reason.index()])
            })
        }),
    )?;
    to.counter(
        &catalogue::TRACKER_PROBES,
        rows.iter().map(|row| ([&*row.label], row.probes)),
    )?;
    to.counter(
        &catalogue::TRACKER_REQUESTS,
        rows.iter().map(|row| ([&*row.label], row.requests)),
    )
}
