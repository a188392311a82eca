//! Families of the state directory.

use std::fmt;

use super::families::Families;
use crate::metrics::catalogue;
use seedwatch_core::snapshot::Snapshot;

/// Writes the progress of saving. Writes nothing without a state directory.
pub(super) fn write(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    let Some(state) = snapshot.state else {
        return Ok(());
    };
    let last_save = state.last_save.map(|saved| saved.0);
    to.one(&catalogue::STATE_LAST_SAVE, last_save)?;
    to.one_counter(&catalogue::STATE_SAVE_FAILURES, Some(state.failures))
}
