//! One line when saving begins to fail, one when the cause changes, one when it works again. Each
//! cause has one line per minute at most, however often it comes back.

use std::io::ErrorKind;
use std::time::Instant;

use tracing::{info, warn};

use crate::store::StoreError;
use seedwatch_clock::LineLimit;

/// What is wrong, as far as it was said.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    said: Option<Condition>,
    limit: LineLimit<Condition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Condition {
    /// What the system says.
    System(ErrorKind),
    InUse,
    OtherKey,
    Bad,
}

impl Trouble {
    /// Saving failed.
    pub(super) fn is(&mut self, error: &StoreError) {
        if let Some(suppressed) = self.admit(error, Instant::now()) {
            warn!(%error, suppressed, "the state is not saved");
        }
    }

    /// Saving worked.
    pub(super) fn is_over(&mut self) {
        if self.said.take().is_some() {
            info!("the state is saved again");
        }
    }

    /// Returns whether a line is due, and how many like it were suppressed. Which file it was is no
    /// news: it changes with every round where the disk is full.
    fn admit(&mut self, error: &StoreError, now: Instant) -> Option<u64> {
        let condition = match error {
            StoreError::Folder { source, .. } | StoreError::Save { source, .. } => {
                Condition::System(source.kind())
            }
            StoreError::InUse { .. } => Condition::InUse,
            StoreError::OtherKey { .. } => Condition::OtherKey,
            StoreError::Bad { .. } => Condition::Bad,
        };
        if self.said == Some(condition) {
            return None;
        }
        let suppressed = self.limit.admit(condition, now)?;
        self.said = Some(condition);
        Some(suppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedwatch_clock::LINE_INTERVAL;

    fn save(path: &str, kind: ErrorKind) -> StoreError {
        StoreError::Save {
            path: path.into(),
            source: kind.into(),
        }
    }

    #[test]
    fn each_condition_is_said_once() {
        let mut trouble = Trouble::default();
        let now = Instant::now();
        let other_key = StoreError::OtherKey { path: "a".into() };
        let full = save("a", ErrorKind::StorageFull);
        assert_eq!(trouble.admit(&full, now), Some(0));
        assert_eq!(trouble.admit(&save("b", ErrorKind::StorageFull), now), None);
        let folder = StoreError::Folder {
            path: "a".into(),
            source: ErrorKind::StorageFull.into(),
        };
        assert_eq!(trouble.admit(&folder, now), None);
        let denied = save("b", ErrorKind::PermissionDenied);
        assert_eq!(trouble.admit(&denied, now), Some(0));
        assert_eq!(trouble.admit(&other_key, now), Some(0));
        trouble.is_over();
        let later = now + LINE_INTERVAL;
        assert_eq!(trouble.admit(&other_key, later), Some(0));
    }

    #[test]
    fn a_fault_that_comes_and_goes_is_said_once_per_minute() {
        let mut trouble = Trouble::default();
        let start = Instant::now();
        let full = save("a", ErrorKind::StorageFull);
        let mut lines = Vec::new();
        for second in 0..120 {
            let now = start + std::time::Duration::from_secs(second);
            lines.extend(trouble.admit(&full, now));
            trouble.is_over();
        }
        assert_eq!(lines, [0, 59]);
    }
}
