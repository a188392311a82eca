//! How saving fares.

use std::fmt;

use super::{Families, Page, catalogue};

impl Page {
    /// Nothing at all where nothing is kept.
    pub(super) fn state_families(&self, to: &mut Families<'_>) -> fmt::Result {
        let Some(state) = self.snapshot.state else {
            return Ok(());
        };
        to.one(
            &catalogue::STATE_LAST_SAVE,
            state.last_save.map(|saved| saved.0),
        )?;
        to.one_counter(&catalogue::STATE_SAVE_FAILURES, Some(state.failures))
    }
}
