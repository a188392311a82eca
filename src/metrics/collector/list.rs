//! Families of torrent lists.

use std::fmt;

use super::families::Families;
use crate::metrics::catalogue;
use seedwatch_core::snapshot::Snapshot;

/// Writes the state of each list.
pub(super) fn write(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    let rows = &snapshot.lists;
    let entries = rows
        .iter()
        .filter_map(|row| Some(([&*row.name], row.entries?)));
    to.gauge(&catalogue::LIST_ENTRIES, entries)?;
    let failures = rows.iter().flat_map(|row| {
        let failures = row.failures.iter();
        failures.map(|(reason, count)| ([&*row.name, *reason], *count))
    });
    to.counter(&catalogue::LIST_FAILURES, failures)?;
    let successes = rows
        .iter()
        .filter_map(|row| Some(([&*row.name], row.last_success?.0)));
    to.gauge(&catalogue::LIST_LAST_SUCCESS, successes)?;
    let up = rows
        .iter()
        .filter_map(|row| Some(([&*row.name], u32::from(row.is_up?))));
    to.gauge(&catalogue::LIST_UP, up)
}
